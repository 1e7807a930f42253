"""Comparing reports: differences by direct arithmetic, verdicts that hold, and what cannot be compared."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from civility import compare as module
from civility.compare import METRICS, Comparison, Row, compare
from civility.data.dataset import Dataset, Float32Array
from civility.errors import UserError
from civility.metrics.compare import Verdict
from civility.report import Report, Scored
from civility.report.document import ClassifierFacts
from civility.report.measure import measure
from civility.report.pages import ReportFiles
from civility.report.scores import write_scores_of
from civility.run import OWN_REPORT

NAN = float("nan")
LABELS = ("toxic", "any label")
THRESHOLDS = {"toxic": 0.4}


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NUM_RESAMPLES", 100)


def _targets(num: int = 300, seed: int = 0) -> Float32Array:
    rng = np.random.default_rng(seed)
    targets = (rng.random((num, 2)) < [0.4, 0.2]).astype(np.float32)
    targets[rng.random(targets.shape) < 0.05] = NAN
    return targets


def _scores(targets: Float32Array, strength: float, seed: int) -> Float32Array:
    """Return scores that tell positives from negatives the better the greater the strength, with ties."""
    noise = np.random.default_rng(seed).normal(0.4, 0.15, targets.shape)
    scores: Float32Array = np.clip(noise + strength * np.nan_to_num(targets), 0, 1).round(2).astype(np.float32)
    return scores


def _write(
    folder: Path, name: str, targets: Float32Array, scores: Float32Array, labels: tuple[str, ...] = LABELS
) -> str:
    ids = tuple(map(str, range(len(targets))))
    scored = Scored(Dataset(ids, targets, ids, labels), scores, THRESHOLDS)
    facts = ClassifierFacts(name="c", max_length=8)
    report = measure(scored, ("a.csv",), name=name, classifier=facts, num_resamples=2)
    files = ReportFiles(folder, name)  # of which a comparison reads two
    folder.mkdir(parents=True, exist_ok=True)
    files.json.write_text(report.to_json(), encoding="utf-8")
    write_scores_of(scored, files.scores)
    return str(files.json)


def _rows(comparison: Comparison) -> list[Row]:
    of_labels = [row for rows in comparison.labels.values() for row in rows.values()]
    return [*of_labels, *comparison.macro.values()]


def _value(metric: str, truth: Float32Array, scores: Float32Array, threshold: float) -> float:
    positive, flagged = truth >= 0.5, scores >= np.float32(threshold)
    of_scores = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}
    of_decisions = {"f1": f1_score, "precision": precision_score, "recall": recall_score}
    if metric in of_scores:
        return float(of_scores[metric](positive, scores))
    return float(of_decisions[metric](positive, flagged))


def test_the_differences_are_those_of_direct_arithmetic(tmp_path: Path) -> None:
    targets = _targets()
    both = [_scores(targets, 0.15, seed=1), _scores(targets, 0.2, seed=2)]
    names = [_write(tmp_path, f"report {i}", targets, scores) for i, scores in enumerate(both)]
    (found,) = compare(names)
    assert (found.first, found.other, found.num_comments) == (*names, 300)
    assert tuple(found.labels) == tuple(found.macro) == METRICS
    for metric in METRICS:
        sides = []
        for column, label in enumerate(LABELS):
            known = ~np.isnan(targets[:, column])
            cut = THRESHOLDS.get(label, 0.5)
            first, other = (_value(metric, targets[known, column], each[known, column], cut) for each in both)
            row = found.labels[metric][label]
            assert (row.first, row.other) == pytest.approx((first, other), abs=1e-12)
            assert row.difference.value == pytest.approx(other - first, abs=1e-12)
            assert row.difference.low <= row.difference.value <= row.difference.high
            sides.append((first, other))
        macro = found.macro[metric]
        assert (macro.first, macro.other) == pytest.approx(tuple(np.mean(sides, axis=0)), abs=1e-12)
        assert macro.difference.value == pytest.approx(macro.other - macro.first, abs=1e-12)
    assert found.macro["roc_auc"].difference.value != 0, "the control"


def test_equal_reports_show_no_difference(tmp_path: Path) -> None:
    targets = _targets()
    scores = _scores(targets, 0.2, seed=1)
    (found,) = compare([_write(tmp_path, "a", targets, scores), _write(tmp_path, "b", targets, scores)])
    assert {row.difference.verdict for row in _rows(found)} == {Verdict.NOT_SHOWN}
    assert {row.difference.value for row in _rows(found)} == {0}


def test_a_much_better_classifier_is_better_and_the_other_way_round_worse(tmp_path: Path) -> None:
    targets = _targets()
    weak = _write(tmp_path, "weak", targets, _scores(targets, 0.05, seed=1))
    strong = _write(tmp_path, "strong", targets, _scores(targets, 0.45, seed=2))
    (found,) = compare([weak, strong])
    assert {row.difference.verdict for row in _rows(found)} == {Verdict.BETTER}
    (turned,) = compare([strong, weak])
    assert {row.difference.verdict for row in _rows(turned)} == {Verdict.WORSE}
    for row, back in zip(_rows(found), _rows(turned), strict=True):
        assert row.difference.value == pytest.approx(-back.difference.value)
        assert row.difference.low == pytest.approx(-back.difference.high)


def test_each_other_report_is_compared_with_the_first(tmp_path: Path) -> None:
    targets = _targets()
    names = [_write(tmp_path, f"r{i}", targets, _scores(targets, 0.1 * i, seed=i)) for i in range(3)]
    found = compare(names)
    assert [(one.first, one.other) for one in found] == [(names[0], names[1]), (names[0], names[2])]
    assert found[1] == compare([names[0], names[2]])[0], "whatever stands between them"


def test_the_same_seed_gives_the_same_intervals(tmp_path: Path) -> None:
    targets = _targets(100)
    names = [_write(tmp_path, f"r{i}", targets, _scores(targets, 0.2, seed=i)) for i in range(2)]
    assert compare(names, seed=1) == compare(names, seed=1)
    assert compare(names, seed=1) != compare(names, seed=2)


def test_what_is_undefined_for_one_is_not_measurable_and_left_out_of_the_macro(tmp_path: Path) -> None:
    targets = _targets()
    targets[:, 1] = 0  # no positive: nothing but the precision of what is flagged
    silent = _scores(targets, 0.3, seed=1)
    silent[:, 1] = 0.1
    names = [_write(tmp_path, "a", targets, _scores(targets, 0.3, seed=2)), _write(tmp_path, "b", targets, silent)]
    (found,) = compare(names)
    for metric in METRICS:
        assert found.labels[metric]["any label"].difference.verdict == Verdict.NOT_MEASURABLE
        assert found.macro[metric].other == found.labels[metric]["toxic"].other
    document = found.to_dict()
    assert document["labels"]["precision"]["any label"]["first"] == 0
    assert document["labels"]["precision"]["any label"]["other"] is None
    assert document["labels"]["precision"]["any label"]["value"] is None
    nothing = [_write(tmp_path, name, targets[:, 1:], silent[:, 1:], ("toxic",)) for name in "cd"]
    (none,) = compare(nothing)
    assert all(math.isnan(row.first) and row.difference.verdict == Verdict.NOT_MEASURABLE for row in _rows(none))


def test_the_json_holds_what_was_found(tmp_path: Path) -> None:
    targets = _targets(60)
    names = [_write(tmp_path, f"r{i}", targets, _scores(targets, 0.2, seed=i)) for i in range(2)]
    out = tmp_path / "comparison.json"
    (found,) = compare(names, out=out)
    text = out.read_text(encoding="utf-8")
    (document,) = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} in the JSON"))
    assert text.endswith("]\n")
    assert list(document) == ["schema", "first", "other", "digest", "num_comments", "labels", "macro"]
    assert (document["schema"], document["num_comments"]) == (1, 60)
    row = found.labels["f1"]["any label"]
    assert document["labels"]["f1"]["any label"] == {
        "first": row.first,
        "other": row.other,
        "value": row.difference.value,
        "low": row.difference.low,
        "high": row.difference.high,
        "p_value": row.difference.p_value,
        "verdict": str(row.difference.verdict),
    }


def test_run_directories_stand_for_the_reports_that_they_wrote(tmp_path: Path) -> None:
    targets = _targets(60)
    runs = []
    for i in range(2):
        run = tmp_path / f"run-{i}"
        _write(run / "reports", OWN_REPORT, targets, _scores(targets, 0.2, seed=i))
        for name in ("recipe.toml", "environment.json"):
            (run / name).write_text("")
        runs.append(str(run))
    (found,) = compare(runs)
    assert (found.first, found.other) == tuple(runs)
    (same,) = compare([f"{run}/reports/{OWN_REPORT}.json" for run in runs])
    assert found.labels == same.labels


def _error(names: list[str]) -> UserError:
    with pytest.raises(UserError) as caught:
        compare(names)
    return caught.value


def test_what_cannot_be_compared_is_told(tmp_path: Path) -> None:
    targets = _targets(40)
    scores = _scores(targets, 0.2, seed=1)
    good = _write(tmp_path, "good", targets, scores)
    assert _error([good]).message == "one report is nothing to compare"
    assert _error([]).remedy == "name two: civility compare A.json B.json"

    other = _write(tmp_path, "other", _targets(40, seed=1), scores)
    error = _error([good, other])
    assert error.message.startswith(
        f"{other} is on other comments than {good}, or on other labels or targets of them (sha256:"
    )
    assert error.remedy == "evaluate both on the same file, and compare these reports"
    renamed = _write(tmp_path, "renamed", targets, scores, ("toxic", "insult"))
    assert "is on other comments than" in _error([good, renamed]).message

    lonely = Path(_write(tmp_path, "lonely", targets, scores))
    lonely.with_suffix(".scores.parquet").unlink()
    assert _error([good, str(lonely)]).message.endswith("lonely.scores.parquet: no scores beside the report")
    mixed = Path(_write(tmp_path, "mixed", targets, scores))
    mixed.write_text(Path(other).read_text(encoding="utf-8"), encoding="utf-8")
    assert _error([good, str(mixed)]).message.endswith("mixed.scores.parquet: is not of the report beside it")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "no report of civility"),
        (b"[1", "no report of civility"),
        (b"\xff\xfe", "cannot be read"),
        (b'{"schema": 1}', "a report of schema 1, expected 2"),
    ],
)
def test_what_is_no_report_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    error = _error([str(path), str(path)])
    assert error.message.startswith(f"{path}: {message}")
    assert error.remedy == "evaluate again"


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    assert _error([str(tmp_path / "a.json")] * 2).message.startswith(f"{tmp_path / 'a.json'}: cannot be read")
    assert _error([str(tmp_path)] * 2).message == f"{tmp_path}: neither a run directory nor the JSON file of a report"
    (tmp_path / "folder.json").mkdir()
    assert "cannot be read" in _error([str(tmp_path / "folder.json")] * 2).message


def test_a_report_may_have_dots_in_its_name(tmp_path: Path) -> None:
    targets = _targets(40)
    names = [_write(tmp_path, f"run.v{i}.json", targets, _scores(targets, 0.2, seed=i)) for i in range(2)]
    assert names[0].endswith("run.v0.json.json")
    assert compare(names)[0].num_comments == 40


def test_of_equally_good_classifiers_one_is_seldom_called_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_NUM_RESAMPLES", 200)  # of 100 they would be bolder
    names = [_write(tmp_path, name, _targets(), _scores(_targets(), 0.2, seed=0)) for name in "ab"]
    report = Report.from_json(Path(names[0]).read_text(encoding="utf-8"))
    shown, trials = {"macro": 0, "labels": 0}, 40
    for trial in range(trials):
        targets = _targets(150, seed=100 + trial)
        for place, name in enumerate(names):
            ids = tuple(map(str, range(150)))
            scored = Scored(Dataset(ids, targets, ids, LABELS), _scores(targets, 0.2, seed=2 * trial + place))
            data = report.data.model_copy(update={"digest": scored.dataset.digest})
            Path(name).write_text(report.model_copy(update={"data": data}).to_json(), encoding="utf-8")
            write_scores_of(scored, Path(name).with_suffix(".scores.parquet"))
        (found,) = compare(names)
        shown["macro"] += found.macro["roc_auc"].difference.verdict != Verdict.NOT_SHOWN
        rows = found.labels["roc_auc"].values()
        shown["labels"] += any(row.difference.verdict != Verdict.NOT_SHOWN for row in rows)
    # 5 % of 40 are 2; 7 or more would come by chance in 1 of 300 cases.
    assert shown["macro"] <= 6
    assert shown["labels"] <= 6
