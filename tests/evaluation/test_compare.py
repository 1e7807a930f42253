"""Comparing reports and runs: differences by direct arithmetic, seeds in one row, and the files that are left."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from civility.arrays import Float32s, Scores
from civility.documents.comparison_result import Comparison, Numbers, RowDifference
from civility.documents.note import as_note
from civility.documents.run_environment import RecordedDevice
from civility.evaluation import verdicts
from civility.evaluation.compare_runs import ComparisonRequest, compare
from civility.evaluation.verdicts import METRICS
from civility.metrics.paired_test import resamples_needed
from civility.render.charts.comparison_picture import to_svg
from civility.render.markdown.comparison_markdown import to_markdown
from civility.render.sentences.report_sentences import note_sentence

from ..refusals import refused
from .made import LABELS, THRESHOLDS, make_scores, make_targets, write_log, write_run, write_scored

NAN = float("nan")
ALL = ComparisonRequest(metrics=METRICS)


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "NUM_RESAMPLES", 100)


def _notes(found: Comparison) -> list[str]:
    return [note_sentence(note) for note in found.notes]


def _numbers(found: Comparison, place: int = 1) -> list[Numbers]:
    metrics = found.rows[place].metrics.values()
    return [numbers for metric in metrics for numbers in (*metric.labels.values(), metric.macro)]


def _differences(found: Comparison, place: int = 1) -> list[RowDifference]:
    return [numbers.difference for numbers in _numbers(found, place) if numbers.difference is not None]


def _value(metric: str, truth: Float32s, scores: Scores, threshold: float) -> float:
    positive, flagged = truth >= 0.5, scores >= np.float32(threshold)
    of_scores = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}
    of_decisions = {"f1": f1_score, "precision": precision_score, "recall": recall_score}
    if metric in of_scores:
        return float(of_scores[metric](positive, scores))
    return float(of_decisions[metric](positive, flagged))


def test_the_differences_are_those_of_direct_arithmetic(tmp_path: Path) -> None:
    targets = make_targets()
    both = [make_scores(targets, 0.15, seed=1), make_scores(targets, 0.2, seed=2)]
    names = [write_scored(tmp_path, f"report {i}", targets, scores) for i, scores in enumerate(both)]
    found = compare(names, ALL)
    assert [row.name for row in found.rows] == ["report 0.json", "report 1.json"]
    assert (found.num_comments, found.metrics, found.num_verdicts) == (300, METRICS, 15)
    for metric in METRICS:
        sides = []
        first_row, other_row = (row.metrics[metric] for row in found.rows)
        for column, label in enumerate(LABELS):
            known = ~np.isnan(targets[:, column])
            cut = THRESHOLDS.get(label, 0.5)
            first, other = (_value(metric, targets[known, column], each[known, column], cut) for each in both)
            assert first_row.labels[label].mean == pytest.approx(first, abs=1e-12)
            each = other_row.labels[label].difference
            assert other_row.labels[label].mean == pytest.approx(other, abs=1e-12)
            assert each is not None
            assert each.value == pytest.approx(other - first, abs=1e-12)
            assert each.low is not None
            assert each.high is not None
            assert each.low <= other - first <= each.high
            sides.append((first, other))
        means = np.mean(sides, axis=0)
        assert (first_row.macro.mean, other_row.macro.mean) == pytest.approx(tuple(means), abs=1e-12)
        assert other_row.macro.difference is not None
        assert other_row.macro.difference.value == pytest.approx(means[1] - means[0], abs=1e-12)
    assert all(each.value != 0 for each in _differences(found)), "the control"


def test_equal_reports_show_no_difference(tmp_path: Path) -> None:
    targets = make_targets()
    scores = make_scores(targets, 0.2, seed=1)
    names = [write_scored(tmp_path, name, targets, scores) for name in "ab"]
    for found in (compare(names, ALL), compare([names[0], names[0]], ALL)):
        assert {each.verdict for each in _differences(found)} == {"not_shown"}
        assert {each.value for each in _differences(found)} == {0}


def test_a_much_better_classifier_is_better_and_the_other_way_round_worse(tmp_path: Path) -> None:
    targets = make_targets()
    weak = write_scored(tmp_path, "weak", targets, make_scores(targets, 0.05, seed=1))
    strong = write_scored(tmp_path, "strong", targets, make_scores(targets, 0.45, seed=2))
    found, turned = (
        compare([weak, strong], ALL),
        compare([weak, strong], ComparisonRequest(baseline=strong, metrics=METRICS)),
    )
    assert {each.verdict for each in _differences(found)} == {"better"}
    assert {each.verdict for each in _differences(turned)} == {"worse"}
    assert {each.holds_for for each in _differences(found)} == {"classifiers"}
    for each, back in zip(_differences(found), _differences(turned), strict=True):
        assert (each.value, each.low) == pytest.approx((-(back.value or 0), -(back.high or 0)))


def test_each_row_is_compared_with_the_first(tmp_path: Path) -> None:
    targets = make_targets()
    names = [write_scored(tmp_path, f"r{i}", targets, make_scores(targets, 0.1 * i, seed=i)) for i in range(3)]
    found, alone = compare(names), compare([names[0], names[2]])
    assert _numbers(found, 0)[0].difference is None
    with_others, without = _differences(found, 2), _differences(alone)
    assert [each.value for each in with_others] == [each.value for each in without]
    assert [each.low for each in with_others] != [each.low for each in without], "more verdicts, more resamples"


def test_the_same_seed_gives_the_same_intervals(tmp_path: Path) -> None:
    targets = make_targets(100)
    names = [write_scored(tmp_path, f"r{i}", targets, make_scores(targets, 0.2, seed=i)) for i in range(2)]
    one, again, other = (_differences(compare(names, ComparisonRequest(seed=seed))) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_what_is_undefined_for_one_is_not_measurable_and_left_out_of_the_macro(tmp_path: Path) -> None:
    targets = make_targets()
    targets[:, 1] = 0  # no positive: nothing but the precision of what is flagged
    silent = make_scores(targets, 0.3, seed=1)
    silent[:, 1] = 0.1
    loud = write_scored(tmp_path, "a", targets, make_scores(targets, 0.3, seed=2))
    found = compare([loud, write_scored(tmp_path, "b", targets, silent)], ALL)
    for metric in METRICS:
        own = found.rows[1].metrics[metric]
        assert own.labels["any label"].difference is not None
        assert own.labels["any label"].difference.verdict == "not_measurable"
        assert own.macro.mean == own.labels["toxic"].mean
    document = json.loads(found.to_json())
    precisions = [row["metrics"]["precision"]["labels"]["any label"] for row in document["rows"]]
    assert [each["mean"] for each in precisions] == [0, None]
    assert precisions[1]["difference"]["value"] is None
    nothing = [write_scored(tmp_path, name, targets[:, 1:], silent[:, 1:], ("toxic",)) for name in "cd"]
    none = compare(nothing, ALL)
    assert {each.verdict for each in _differences(none)} == {"not_measurable"}
    assert none.num_verdicts == 0
    assert none.rows[0].metrics["roc_auc"].macro.mean is None


def test_runs_that_differ_only_in_their_seed_are_one_row_with_their_spread(tmp_path: Path) -> None:
    targets = make_targets()
    strengths = {"baseline": (0.1, 0.12, 0.11), "bce": (0.4, 0.41, 0.42)}
    for place, (name, own) in enumerate(strengths.items()):
        for seed, strength in enumerate(own):
            scores = make_scores(targets, strength, seed=10 * place + seed)
            write_run(
                tmp_path / name / f"seed-{seed}",
                targets,
                scores,
                seed=seed,
                training__loss=("weighted_bce", "bce")[place],
            )
    found = compare([str(tmp_path / name) for name in strengths])
    assert [row.name for row in found.rows] == ["baseline", "bce"]
    assert [[run.seed for run in row.runs] for row in found.rows] == [[0, 1, 2]] * 2
    assert [row.settings for row in found.rows] == [{"training.loss": "weighted_bce"}, {"training.loss": "bce"}]
    macro = found.rows[1].metrics["roc_auc"].macro
    assert macro.mean == pytest.approx(np.mean(macro.values))  # type: ignore[arg-type]
    assert macro.spread == pytest.approx(np.std(macro.values, ddof=1))  # type: ignore[arg-type]
    each = macro.difference
    assert each is not None
    assert (each.verdict, each.holds_for) == ("better", "settings")
    assert each.error_of_seeds is not None
    assert not any("single run" in note for note in _notes(found))
    one_by_one = compare([str(tmp_path / name / f"seed-{seed}") for seed in range(3) for name in strengths])
    assert [row.metrics for row in one_by_one.rows] == [row.metrics for row in found.rows]
    run = found.rows[0].runs[0]
    assert (run.seconds, run.peak_memory, run.best_epoch, run.num_epochs) == (186, 3 * 2**30, 2, 3)
    assert (run.was_interrupted, run.training_digest, run.device) == (
        False,
        "sha256:trained on",
        RecordedDevice(kind="cpu", num_threads=1),
    )


def test_however_files_are_named_and_steps_shared_out_runs_of_the_same_are_one_row(tmp_path: Path) -> None:
    targets = make_targets()
    ways: list[dict[str, Any]] = [
        {"data__files": ["train.csv"], "training__batch_size": 16},
        {"data__files": ["/data/train.csv"], "training__batch_size": 8, "training__gradient_accumulation": 2},
        {"data__files": ["../train.csv"], "training__batch_size": 4, "training__fit": True},
    ]
    names = [
        write_run(tmp_path / str(i), targets, make_scores(targets, 0.2, i), seed=i, **way) for i, way in enumerate(ways)
    ]
    place = tmp_path / "2" / "environment.json"
    place.write_text(json.dumps(json.loads(place.read_text(encoding="utf-8")) | {"num_processes": 4}), encoding="utf-8")
    assert [len(row.runs) for row in compare(names).rows] == [3]
    other = write_run(tmp_path / "3", targets, make_scores(targets, 0.2, 3), seed=3, data__files=["other.csv"])
    rows = compare([*names, other]).rows
    assert [len(row.runs) for row in rows] == [3, 1], "the control"
    assert [row.settings["data.files"] for row in rows] == ["train.csv", "other.csv"]


def test_what_was_chosen_on_the_very_comments_among_more_is_told(tmp_path: Path) -> None:
    targets = make_targets()
    names = [write_run(tmp_path / name, targets, make_scores(targets, 0.2, 1), seed=i) for i, name in enumerate("ab")]
    for name in names:
        said: dict[str, Any] = {"optimistic": ("epoch",), "notes": (as_note("of the comments"), as_note(f"of {name}"))}
        write_scored(Path(name) / "reports", "validation", targets, make_scores(targets, 0.2, 1), **said)
    found = compare(names)
    assert not any("chosen on these very comments" in note for note in _notes(found)), "the control: both alike"
    assert "of the comments" in _notes(found)
    assert f"{names[1]}: of {names[1]}" in _notes(found)
    write_log(tmp_path / "b" / "metrics.jsonl", [{"kind": "epoch", "epoch": i, "best": i == 1} for i in range(1, 11)])
    note = next(one for one in _notes(compare(names)) if one.startswith("chosen on these very comments"))
    assert f"{names[0]} (the best of 3 epochs); {names[1]} (the best of 10 epochs)." in note


def test_a_single_seed_on_either_side_judges_classifiers_and_says_so(tmp_path: Path) -> None:
    targets = make_targets()
    one = write_run(tmp_path / "one", targets, make_scores(targets, 0.1, seed=0), seed=0)
    for seed in (1, 2):
        scores = make_scores(targets, 0.4, seed=seed)
        write_run(tmp_path / "two" / f"seed-{seed}", targets, scores, seed=seed, training__loss="bce")
    found = compare([one, str(tmp_path / "two")])
    assert {each.holds_for for each in _differences(found)} == {"classifiers"}
    (note,) = _notes(found)
    assert note.startswith("* a single run of one: verdicts hold for these very classifiers on other comments, not for")
    assert found.rows[0].metrics["roc_auc"].macro.spread is None


def test_two_seeds_are_said_to_show_little(tmp_path: Path) -> None:
    targets = make_targets()
    for name, loss in (("a", "bce"), ("b", "weighted_bce")):
        for seed in (1, 2):
            scores = make_scores(targets, 0.2, seed=seed)
            write_run(tmp_path / name / f"seed-{seed}", targets, scores, seed=seed, training__loss=loss)
    (note,) = _notes(compare([str(tmp_path / "a"), str(tmp_path / "b")]))
    assert note.startswith(
        "only two runs of a, b: their standard deviation is so uncertain that only large differences"
    )


def test_seeds_alone_show_their_spread(tmp_path: Path) -> None:
    targets = make_targets()
    for seed in (1, 2):
        write_run(tmp_path / f"seed-{seed}", targets, make_scores(targets, 0.2, seed=seed), seed=seed)
    found = compare([str(tmp_path)])
    assert (len(found.rows), found.num_verdicts) == (1, 0)
    assert found.rows[0].metrics["roc_auc"].macro.spread
    assert [note.code for note in found.notes] == ["one_row"]
    assert _notes(found)[0].startswith("all runs have the same settings: there is nothing to compare")


def test_linear_runs_with_other_seeds_are_said_to_show_nothing_about_seeds(tmp_path: Path) -> None:
    targets = make_targets()
    for seed in (1, 2):
        for name, model in (("linear", "tf-idf"), ("encoder", "none")):
            folder = tmp_path / name / f"seed-{seed}"
            write_run(folder, targets, make_scores(targets, 0.2, seed=1), seed=seed, model__name=model)
    found = compare([str(tmp_path / "linear"), str(tmp_path / "encoder")])
    assert [note.names for note in found.notes if note.code == "no_seed"] == [("linear",)]
    assert any(line.startswith("the runs of linear are one linear model, which has no seed:") for line in _notes(found))


def test_planned_seeds_that_are_missing_are_named(tmp_path: Path) -> None:
    targets = make_targets()
    for name, command in (("a", ["--seeds", "4"]), ("b", ["--seeds=2"]), ("c", [])):
        for seed in (1, 2):
            folder = tmp_path / name / f"seed-{seed}"
            write_run(folder, targets, make_scores(targets, 0.2, seed=seed), seed=seed)
            path = folder / "environment.json"
            recorded = json.loads(path.read_text(encoding="utf-8")) | {"command": ["civility", "train", *command]}
            path.write_text(json.dumps(recorded), encoding="utf-8")
    summary = {"schema": 1, "runs": ["seed-1", "seed-2", "seed-3"], "metrics": {}}
    (tmp_path / "c" / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    names = [str(tmp_path / name) for name in "abc"]
    notes = [note for note in compare(names).notes if note.code == "missing_runs"]
    assert list(map(note_sentence, notes)) == [
        f"{names[0]}/seed-3, {names[0]}/seed-4 are missing: the folder has 2 of the 4 planned seeds; repeat the "
        "command that trains them with --resume",
        f"{names[2]}/seed-3 is missing: the folder has 2 of the 3 planned seeds; repeat the command that trains them "
        "with --resume",
    ]


def test_a_copy_of_a_run_is_no_second_seed(tmp_path: Path) -> None:
    targets = make_targets()
    names = [write_run(tmp_path / name, targets, make_scores(targets, 0.2, seed=1), seed=1) for name in "ab"]
    for twice in (names, [names[0], names[0]]):
        found = compare(twice)
        assert [len(row.runs) for row in found.rows] == [1, 1]
        assert {each.verdict for each in _differences(found)} == {"not_shown"}


def test_a_combination_of_runs_is_a_row_of_its_own_that_has_no_seed(tmp_path: Path) -> None:
    targets = make_targets()
    names = [
        write_run(tmp_path / name, targets, make_scores(targets, 0.2, i), seed=i, model__name=model)
        for i, (name, model) in enumerate((("a", "m"), ("b", "m"), ("c", "soup of a, b")))
    ]
    data = {"training": {"digest": ""}, "validation": {"digest": ""}}
    soup = json.dumps({"combination": {"kind": "soup"}, "data": data})
    (tmp_path / "c" / "environment.json").write_text(soup, encoding="utf-8")
    found = compare(names)
    assert [[run.seed for run in row.runs] for row in found.rows] == [[0, 1], [None]]
    assert [row.settings for row in found.rows] == [{"model.name": "m"}, {"model.name": "soup of a, b"}]


def test_other_training_comments_within_a_row_are_told(tmp_path: Path) -> None:
    targets = make_targets()
    names = [write_run(tmp_path / name, targets, make_scores(targets, 0.2, 1), seed=i) for i, name in enumerate("abc")]
    (tmp_path / "b" / "environment.json").write_text("{}", encoding="utf-8")
    found = compare(names)
    assert _notes(found)[-1].startswith(f"the runs of {names[0]} and 2 more were trained on different comments")


def test_a_report_of_a_run_tells_of_its_run_too(tmp_path: Path) -> None:
    targets = make_targets()
    names = [write_run(tmp_path / name, targets, make_scores(targets, 0.2, 1), seed=i) for i, name in enumerate("ab")]
    found = compare([f"{name}/reports/validation.json" for name in names])
    assert [run.seed for run in found.rows[0].runs] == [0, 1]
    write_log(tmp_path / "a" / "timing.jsonl", [{"kind": "resumed", "from": "x"}])
    (tmp_path / "b" / "timing.jsonl").unlink()
    a, b = compare(names).rows[0].runs
    assert (a.seconds, a.peak_memory, a.was_interrupted, b.seconds) == (None, None, True, None)


@pytest.mark.parametrize("value", [0, 1])
def test_the_note_on_a_label_of_one_class_says_what_the_table_shows(tmp_path: Path, value: float) -> None:
    targets = np.nan_to_num(make_targets())
    targets[:, 1] = value
    names = [write_scored(tmp_path, f"r{i}", targets, make_scores(targets, 0.1 + i / 2, seed=i)) for i in range(2)]
    found = compare(names)
    metric = found.rows[1].metrics["roc_auc"]
    assert metric.macro.difference is not None
    assert (metric.macro.difference.verdict, metric.macro_measurable) == ("better", None)
    note = "fewer than 10 positive or negative comments of any label: "
    assert _notes(found)[0] == note + "ROC AUC not defined; macro averages are over the other labels"
    assert "macro, measurable" not in to_markdown(found)
    both = _notes(compare(names, ComparisonRequest(metrics=("roc_auc", "f1"))))
    if value:  # all positive: F1 is defined, and by too few negatives
        assert both[0] == note + "ROC AUC not defined; macro averages are over the other labels"
        assert both[1].startswith(note + "not measurable (F1), nor are the macro averages, which rest on them; ")
    targets[:, 0] = value
    names = [write_scored(tmp_path, f"n{i}", targets, make_scores(targets, 0.1 + i / 2, seed=i)) for i in range(2)]
    both_labels = note.replace("any label", "toxic, any label")
    assert _notes(compare(names))[0] == both_labels + "ROC AUC not defined; the macro average is undefined"


def test_labels_with_hardly_a_positive_are_not_judged(tmp_path: Path) -> None:
    targets = np.zeros((200, len(LABELS)), dtype=np.float32)
    targets[:9, 0] = 1
    targets[:10, 1:] = 1
    good = targets * 0.9 + 0.05
    bad = np.ascontiguousarray(good[::-1])
    names = [write_scored(tmp_path, "bad", targets, bad), write_scored(tmp_path, "good", targets, good)]
    found = compare(names)
    of_labels = found.rows[1].metrics["roc_auc"].labels
    few, enough = of_labels["toxic"].difference, of_labels["any label"].difference
    assert few is not None
    assert enough is not None
    assert (few.verdict, few.p_value, enough.verdict) == ("not_measurable", None, "better")
    assert few.value is not None
    assert few.value > 0.5, "its value is shown all the same"
    assert found.num_verdicts == 2
    assert found.not_measurable == ("toxic",)
    assert "fewer than 10 positive or negative comments of toxic: not measurable" in _notes(found)[0]
    metric = found.rows[1].metrics["roc_auc"]
    assert metric.macro.difference is not None
    assert (metric.macro.difference.verdict, metric.macro.difference.p_value) == ("not_measurable", None)
    assert metric.macro_measurable is not None
    assert metric.macro_measurable.difference is not None
    assert metric.macro_measurable.difference.verdict == "better"
    assert metric.macro_measurable.mean == metric.labels["any label"].mean
    page = to_markdown(found)
    assert "| macro ROC AUC | difference |  | macro, measurable ROC AUC | difference |  |" in page
    assert page.count("not measurable") == 2, "the note and the verdict"
    assert ">macro, measurable<" in to_svg(found)


def test_enough_comments_of_every_label_leave_one_macro_average(tmp_path: Path) -> None:
    targets = make_targets(90)
    names = [write_scored(tmp_path, f"r{i}", targets, make_scores(targets, 0.2, seed=i)) for i in range(2)]
    found = compare(names)
    assert found.not_measurable == ()
    assert [row.metrics["roc_auc"].macro_measurable for row in found.rows] == [None, None]
    assert "measurable" not in to_markdown(found)


def test_a_difference_can_be_shown_among_32_labels(tmp_path: Path) -> None:
    labels = tuple(f"label {i}" for i in range(32))
    rng = np.random.default_rng(0)
    targets = (rng.random((200, 32)) < 0.3).astype(np.float32)
    weak = rng.random((200, 32)).astype(np.float32)
    strong = weak.copy()
    strong[:, 0] = targets[:, 0] * 0.8 + 0.1
    names = [write_scored(tmp_path, name, targets, scores, labels) for name, scores in (("a", weak), ("b", strong))]
    found = compare(names)
    rarest = int(targets.sum(axis=0).min())
    assert found.num_resamples == resamples_needed(33, dof=rarest - 1) > resamples_needed(33)
    of_labels = [numbers.difference for numbers in found.rows[1].metrics["roc_auc"].labels.values()]
    assert [each.verdict for each in of_labels[:2] if each] == ["better", "not_shown"]


def test_the_files(tmp_path: Path) -> None:
    targets = make_targets(60)
    names = [write_scored(tmp_path, f"r{i}", targets, make_scores(targets, 0.2, seed=i)) for i in range(2)]
    for out, stem in ((tmp_path / "new" / "mine.json", "mine"), (tmp_path / "folder", "comparison")):
        found = compare(names, out=out)
        folder = out.parent if out.suffix else out
        assert {path.name for path in folder.iterdir()} == {f"{stem}.json", f"{stem}.md", f"{stem}.svg"}
        text = (folder / f"{stem}.json").read_text(encoding="utf-8")
        document = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} in the JSON"))
        assert document["schema"] == 5
        assert Comparison.parse(text, "a.json") == found
        assert document["rows"][1]["metrics"]["roc_auc"]["macro"]["mean"] == _numbers(found)[-1].mean
        assert f"(<{stem}.svg>)" in (folder / f"{stem}.md").read_text(encoding="utf-8")
    (tmp_path / "taken").write_text("")
    with refused("evaluation.bad-out") as caught:
        compare(names, out=tmp_path / "taken")
    assert str(caught.value) == f"--out {tmp_path / 'taken'}: not a folder\nname a folder, or a file that ends in .json"


def test_metrics_go_by_name() -> None:
    with refused("evaluation.no-such-metric", r"no metric 'roc' \(did you mean roc_auc\?\)"):
        ComparisonRequest(metrics=("roc",))


def test_no_number_is_nan_in_the_document(tmp_path: Path) -> None:
    targets = make_targets()
    names = [write_scored(tmp_path, name, targets, make_scores(targets, 0.2, i)) for i, name in enumerate("ab")]
    for each in _differences(compare(names)):
        assert not any(isinstance(value, float) and math.isnan(value) for value in each.model_dump().values())
        assert each.error_of_seeds is None


def test_a_comparison_of_an_older_schema_is_read(tmp_path: Path) -> None:
    targets = make_targets(60)
    names = [write_scored(tmp_path, f"r{i}", targets, make_scores(targets, 0.2, seed=i)) for i in range(2)]
    document = json.loads(compare(names).to_json())
    for row, device in zip(document["rows"], ("CPU, 2 threads", ""), strict=True):
        row["runs"][0]["device"] = device
    older = {**document, "schema": 4, "notes": ["a sentence"]}
    oldest = {**json.loads(json.dumps(older).replace('"not_shown"', '"no difference shown"')), "schema": 3}
    for old in (older, oldest):
        read = Comparison.parse(json.dumps(old), "a.json")
        assert _notes(read) == ["a sentence"]
        assert [row.metrics for row in read.rows] == [row.metrics for row in compare(names).rows]
        devices = [row.runs[0].device for row in read.rows]
        assert devices == [RecordedDevice(kind="cpu", num_threads=2), None]
    with refused("documents.damaged", "schema 2 is too old"):
        Comparison.parse(json.dumps({**oldest, "schema": 2}), "a.json")
