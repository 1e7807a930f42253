"""`civility evaluate`: the report of any labelled comments, on the classifier's own label axis."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from civility.data.prepare import prepare
from civility.data.starter import starter_corpus
from civility.recipe import Recipe

from .conftest import Run, quick

LABELS = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]


def write_csv(path: Path, header: list[str], rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def test_a_report_goes_to_the_run_and_to_the_screen(civility: Run, trained: Path) -> None:
    before = {path.name for path in (trained / "reports").iterdir()}
    done = civility("evaluate", trained, "--data", "civility:starter/held-out", "--name", "again")
    assert done.code == 0, done.err
    written = {path.name for path in (trained / "reports").iterdir()} - before
    assert written == {"again.json", "again.md", "again.html", "again.scores.parquet", "again-plots"}
    report = json.loads((trained / "reports" / "again.json").read_text(encoding="utf-8"))
    assert report["schema"] == 6
    assert report["data"]["files"] == ["civility:starter/held-out"]
    assert report["data"]["num_comments"] == 543
    assert report["data"]["digest"].startswith("sha256:")
    assert list(report["labels"]) == LABELS
    assert report["labels"]["toxic"]["num_positive"] == 223
    assert report["training"]["best_epoch"] in (1, 2)
    macro = report["macro"]["roc_auc"]
    assert macro["low"] < macro["value"] < macro["high"]
    assert f"{macro['value']:.3f} [{macro['low']:.3f}".replace("[0.", "[.") in done.out
    assert f"{macro['value']:.3f} [{macro['low']:.3f}" in (trained / "reports" / "again.md").read_text(encoding="utf-8")
    assert all(len(line) <= 100 for line in done.out.splitlines() if str(trained) not in line)
    remove_report(trained / "reports", "again")


def remove_report(folder: Path, name: str) -> None:
    for path in folder.glob(f"{name}[.-]*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_without_data_the_held_out_comments_are_split_off_again(civility: Run, trained: Path, tmp_path: Path) -> None:
    own = json.loads((trained / "reports" / "validation.json").read_text(encoding="utf-8"))
    done = civility("evaluate", trained, "--out", tmp_path)
    assert done.code == 0, done.err
    again = json.loads((tmp_path / "validation.json").read_text(encoding="utf-8"))
    assert again["optimistic"] == own["optimistic"] == ["epoch", "calibration", "thresholds"]
    assert "a little optimistic" in done.out
    for label in LABELS:
        one, other = again["labels"][label], own["labels"][label]
        for part in ("num_positive", "true_positives", "false_positives", "threshold", "policy"):
            assert one[part] == other[part], (label, part)
        assert one["roc_auc"]["value"] == pytest.approx(other["roc_auc"]["value"], abs=1e-3)
        assert one["calibration"]["cross_fitted"], "measured with calibrations fitted on the other folds"
        assert one["calibration"]["after"]["log_loss"] == pytest.approx(other["calibration"]["after"]["log_loss"], 1e-3)
    done = civility("evaluate", trained / "classifier", "--out", tmp_path)
    assert done.code == 2
    assert "not a run directory" in done.err


def test_probes_groups_and_slices_come_into_the_report(civility: Run, trained: Path, tmp_path: Path) -> None:
    texts = starter_corpus("held-out").texts[:80]
    rows = [
        [f"r{i}", text, i % 2, (i // 2) % 2, "" if i % 5 == 0 else i % 2, "ab"[i % 2]] for i, text in enumerate(texts)
    ]
    data = write_csv(tmp_path / "mine.csv", ["id", "text", "toxic", "tall", "short", "side"], rows)
    suite = write_csv(
        tmp_path / "suite.csv",
        ["function", "text", "expected"],
        [["hello", "good day", "allow"], ["bad", "fool", "flag"]],
    )
    sentences = [
        [f"{word} {who} person {i}", int(word == "bad"), who]
        for i in range(12)
        for who in ("red", "blue")
        for word in ("bad", "good")
    ]
    templates = write_csv(tmp_path / "templates.csv", ["text", "target", "group"], sentences)
    probes = ["--suite", suite, "civility:suite", "--templates", templates, "--robustness", "--sample", "20"]
    options = ["--groups", "tall", "short", "--slice", "side", "--no-texts", "--resamples", "100"]
    done = civility("evaluate", trained, "--data", data, "--out", tmp_path / "out", *probes, *options)
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "out" / "mine.json").read_text(encoding="utf-8"))
    assert set(report["bias"]["groups"]) == {"tall", "short"}
    assert report["bias"]["groups"]["tall"]["num_positive"] == 20
    assert [one["name"] for one in report["slices"]["side"]] == ["a", "b"]
    assert sum(one["num_comments"] for one in report["slices"]["length"]) == 80
    assert set(report["suites"]) == {str(suite), "civility:suite"}
    assert report["suites"][str(suite)]["num_cases"] == 2
    assert set(report["templates"][str(templates)]["groups"]) == {"red", "blue"}
    assert len(report["robustness"]["perturbations"]) == 20
    assert 15 <= report["robustness"]["num_comments"] <= 25
    shown = [one for label in report["errors"].values() for side in label.values() for one in side]
    assert shown
    assert {one["text"] for one in shown} == {""}
    for line in ("bias", "suite", "robustness"):
        assert f"\n  {line} " in done.out


def test_a_changed_header_changes_no_number(civility: Run, trained: Path, tmp_path: Path) -> None:
    texts = starter_corpus("held-out").texts[:80]
    rows = [[f"r{i}", text, i % 2, (i // 2) % 2, i % 2, "ab"[i % 2]] for i, text in enumerate(texts)]
    reports = []
    for name, header in (
        ("plain", ["id", "text", "toxic", "threat", "tall", "side"]),
        ("odd", ["\u200bId", " Text", "TOXIC\u00a0", "threat\ufeff", "Tall ", "SIDE"]),
    ):
        data = write_csv(tmp_path / f"{name}.csv", header, rows)
        options = ["--groups", "tall", "--slice", "side", "--resamples", "100"]
        done = civility("evaluate", trained, "--data", data, "--out", tmp_path / name, *options)
        assert done.code == 0, done.err
        reports.append(json.loads((tmp_path / name / f"{name}.json").read_text(encoding="utf-8")))
    plain, odd = reports
    for part in ("labels", "macro", "slices"):
        assert odd[part] == plain[part]
    assert odd["bias"]["groups"] == plain["bias"]["groups"]
    assert plain["labels"]["threat"]["num_unknown"] == 0, "the control: the label is measured"
    # A slip is an error, where a label that is not there at all is unknown.
    data = write_csv(tmp_path / "slip.csv", ["id", "text", "toxic", "thraet", "tall", "side"], rows)
    for verb in (
        ["evaluate", trained, "--data", data],
        ["thresholds", trained, "--data", data, "--check"],
        ["audit", data, "--with", trained],
    ):
        done = civility(*verb)
        assert done.code == 2, verb
        assert "no column 'threat' (did you mean thraet?)" in done.err


def test_what_is_required_and_not_shown_ends_with_3(civility: Run, trained: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", trained, "--data", "civility:starter/held-out", "--out", tmp_path]
    wishes = [
        "--require",
        "macro.roc_auc >= 0",
        "--require",
        "labels.toxic.recall.low >= 1",
        "--require",
        "any_label.f1 < 0",
    ]
    done = civility(*arguments, *wishes)
    assert done.code == 3
    failed = [line for line in done.err.splitlines() if line.startswith("failed: ")]
    assert [line.split(":")[1].strip() for line in failed] == ["labels.toxic.recall.low >= 1", "any_label.f1 < 0"]
    assert list(tmp_path.glob("*.json")), "the report is written all the same"
    assert civility(*arguments, "--require", "macro.roc_auc >= 0").code == 0
    for path in tmp_path.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for wrong, shown in (
        ("macro.roc_auc", "not a path, a comparison"),
        ("makro.roc_auc > 1", "did you mean macro?"),
        ("labels.threatt.recall > 0", "did you mean threat?"),
        ("labels.threat.recal > 0", "did you mean recall?"),
        ("bias.final > 0.9", "--groups"),
        ("robustness.num_comments > 1", "--robustness"),
    ):
        done = civility(*arguments, "--require", wrong)
        assert done.code == 2, wrong
        assert shown in done.err
        assert not list(tmp_path.iterdir()), "reported before anything is scored"
    done = civility(*arguments, "--require", "bias.groups.women.bpsn_auc > 0.5")
    assert (done.code, "--groups" in done.err) == (2, True)


def test_a_column_that_is_not_there_and_other_mistakes_are_told_before_scoring(
    civility: Run, trained: Path, tmp_path: Path
) -> None:
    data = write_csv(tmp_path / "mine.csv", ["id", "text", "toxic"], [[i, f"comment {i}", i % 2] for i in range(8)])
    suite = write_csv(tmp_path / "suite.csv", ["function", "text", "expected", "label"], [["f", "no", "flag", "rude"]])
    for options, shown in (
        (["--slice", "sid"], "no column 'sid' to slice by (did you mean id?)"),
        (["--groups", "male"], "no column 'male'"),
        (["--bias-label", "toxi"], "no such label (did you mean toxic?)"),
        (["--suite", "civility:suite", "--suite-label", "toxi"], "--suite-label 'toxi': no such label (did you mean"),
        (["--suite-label", "toxi"], "no such label"),
        (["--suite", suite], "no case can be decided: all name labels that the classifier does not have: rude"),
        (["--suite", data], "not a suite"),
        (["--templates", data], "templates"),
        (["--suite", "civility:swete"], "no built-in suite"),
    ):
        done = civility("evaluate", trained, "--data", data, "--out", tmp_path / "out", *options)
        assert done.code == 2, options
        assert shown in done.err
        assert not (tmp_path / "out").exists()


def test_comments_that_took_part_in_the_run_are_counted(civility: Run, trained: Path, tmp_path: Path) -> None:
    done = civility("evaluate", trained, "--data", "civility:starter/held-out", "--out", tmp_path)
    words = " ".join(done.err.split())
    assert "of 543 comments are among those that the run was trained on" in words
    assert "of 543 comments are among those that chose the run's best epoch" in words
    page = (tmp_path / "held-out.json").read_text(encoding="utf-8")
    assert "seen_in_training" in page
    done = civility("evaluate", trained, "--data", "civility:starter/train", "--out", tmp_path)
    assert "was trained on" not in done.err, "the control: other comments"


def test_groups_do_not_hide_that_numbers_are_optimistic(civility: Run, trained: Path, tmp_path: Path) -> None:
    recipe = Recipe.load(str(trained / "recipe.toml"))
    own = prepare(recipe.wanted).validation
    targets = own.targets.astype(int).tolist()
    rows = [[id, text, *row, i % 2] for i, (id, text, row) in enumerate(zip(own.ids, own.texts, targets, strict=True))]
    data = write_csv(tmp_path / "own.csv", ["id", "comment_text", *LABELS, "tall"], rows[::-1])
    done = civility("evaluate", trained, "--data", data, "--groups", "tall", "--out", tmp_path)
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "own.json").read_text(encoding="utf-8"))
    assert report["optimistic"] == ["epoch", "calibration", "thresholds"]
    assert report["bias"]["groups"]["tall"]
    assert civility("evaluate", trained, "--groups", "tall", "--out", tmp_path).code == 2


def test_a_run_without_a_log_is_evaluated(civility: Run, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    for content in ('{"kind": "epoch"}\n', "nonsense\n", None):
        if content is None:
            (run / "metrics.jsonl").unlink()
        else:
            (run / "metrics.jsonl").write_text(content)
        done = civility("evaluate", run, "--out", tmp_path)
        assert done.code == 0, done.err
        assert json.loads((tmp_path / "validation.json").read_text(encoding="utf-8"))["training"] is None


def test_two_reports_are_compared_comment_by_comment(civility: Run, trained: Path, tmp_path: Path) -> None:
    for name, files in (("one", ["civility:starter/held-out"]), ("other", ["civility:starter/train"])):
        assert civility("evaluate", trained, "--data", *files, "--name", name, "--out", tmp_path).code == 0
    same = civility("compare", tmp_path / "one.json", tmp_path / "one.json", "--out", tmp_path / "difference.json")
    assert same.code == 0, same.err
    assert "no difference shown" in same.out
    assert "▲" not in same.out
    assert all(len(line) <= 100 for line in same.out.splitlines() if str(tmp_path) not in line)
    found = json.loads((tmp_path / "difference.json").read_text(encoding="utf-8"))
    assert found["num_comments"] == 543
    assert found["rows"][1]["metrics"]["roc_auc"]["macro"]["difference"]["value"] == 0
    other = civility("compare", tmp_path / "one.json", tmp_path / "other.json")
    assert other.code == 2
    assert "is on other comments than" in other.err


def test_columns_in_another_order_give_the_same_report(civility: Run, trained: Path, tmp_path: Path) -> None:
    texts = starter_corpus("held-out").texts[:60]
    rows = [[f"r{i}", text, *((i // k) % 2 for k in range(1, 7))] for i, text in enumerate(texts)]
    header = ["id", "comment_text", *LABELS]
    turned = [2, 7, 1, 3, 0, 6, 4, 5]
    first = write_csv(tmp_path / "first.csv", header, rows)
    second = write_csv(tmp_path / "second.csv", [header[i] for i in turned], [[row[i] for i in turned] for row in rows])
    reports = []
    for path in (first, second):
        done = civility("evaluate", trained / "classifier", "--data", path, "--out", tmp_path / "reports")
        assert done.code == 0, done.err
        reports.append(json.loads((tmp_path / "reports" / f"{path.stem}.json").read_text(encoding="utf-8")))
    assert reports[0]["labels"] == reports[1]["labels"]
    assert reports[0]["data"]["digest"] == reports[1]["data"]["digest"]
    different = {numbers["roc_auc"]["value"] for numbers in reports[0]["labels"].values()}
    assert len(different) == 6, "the control: a mixed-up label axis would be seen"


def test_a_label_that_the_file_lacks_is_unknown(civility: Run, trained: Path, tmp_path: Path) -> None:
    rows = [[str(i), f"comment {i}", "es", i % 2] for i in range(20)]
    path = write_csv(tmp_path / "jigsaw2020.csv", ["id", "comment_text", "lang", "toxic"], rows)
    done = civility("evaluate", trained, "--data", path, "--out", tmp_path)
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "jigsaw2020.json").read_text(encoding="utf-8"))
    assert report["labels"]["threat"]["roc_auc"]["value"] is None
    assert report["labels"]["threat"]["num_unknown"] == 20
    assert report["undefined"]["labels.threat.roc_auc"] == "no_known_target"
    assert report["macro"]["roc_auc"] == report["labels"]["toxic"]["roc_auc"]


def test_test_and_test_labels_are_joined_without_the_unscored(civility: Run, trained: Path, tmp_path: Path) -> None:
    comments = write_csv(tmp_path / "test.csv", ["id", "comment_text"], [[f"t{i}", f"comment {i}"] for i in range(30)])
    marks = [[f"t{i}", *([-1] * 6 if i % 3 == 0 else [i % 2] * 6)] for i in reversed(range(30))]
    labels = write_csv(tmp_path / "test_labels.csv", ["id", *LABELS], marks)
    done = civility("evaluate", trained, "--data", labels, comments, "--name", "test", "--out", tmp_path)
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "test.json").read_text(encoding="utf-8"))
    assert report["data"]["num_comments"] == 20
    assert {numbers["num_unknown"] for numbers in report["labels"].values()} == {0}
    assert "10 " in done.err


@pytest.mark.parametrize("name", ["../up", "a/b", "..", "a\\b", ".hidden", "a\nb", "\x1b[31m", "caf\udce9"])
def test_a_name_is_no_path(civility: Run, trained: Path, name: str) -> None:
    done = civility("evaluate", trained, "--data", "civility:starter/held-out", "--name", name)
    assert done.code == 2
    assert "not a plain name" in done.err


def test_a_mistake_in_a_name_or_a_requirement_is_found_before_the_classifier_is_read(
    civility: Run, tmp_path: Path
) -> None:
    (tmp_path / "damaged").mkdir()
    arguments = ("evaluate", tmp_path / "damaged", "--data", "civility:starter/held-out")
    long = civility(*arguments, "--name", "x" * 300)
    assert (long.code, "longer than 200 bytes" in long.err) == (2, True)
    asked = civility(*arguments, "--require", "macro >= 1")
    assert (asked.code, "--require macro: not a number" in asked.err) == (2, True)


def test_the_columns_of_the_runs_recipe_are_remembered(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    texts = starter_corpus("train").texts
    rows: list[list[object]] = [[f"r{i}", text, "rude" if i % 2 else "rude|odd"] for i, text in enumerate(texts[:60])]
    data = write_csv(tmp_path / "mine.csv", ["key", "wording", "tags"], rows)
    settings = quick(
        "data.text_column=wording",
        "data.id_column=key",
        "data.label_list_column=tags",
        "data.label_separator=|",
        'data.labels=["rude", "odd"]',
        "training.epochs=1",
    )
    out = tmp_path / "run"
    done = civility("train", "baseline", "--data", data, "--model", tiny_bert, "--out", out, *settings)
    assert done.code == 0, done.err
    done = civility("evaluate", out, "--data", data)
    assert done.code == 0, done.err
    report = json.loads((out / "reports" / "mine.json").read_text(encoding="utf-8"))
    assert report["labels"]["odd"]["num_positive"] == 30
    done = civility("predict", out, "--data", data)
    assert done.out.splitlines()[0] == "key,rude,odd"
    # The control: the classifier alone knows nothing of the columns.
    done = civility("predict", out / "classifier", "--data", data)
    assert done.code == 2
    assert "no text column; the file has: key, wording, tags" in done.err


def test_the_runs_own_report_is_not_replaced(civility: Run, trained: Path) -> None:
    before = (trained / "reports" / "validation.json").read_bytes()
    done = civility("evaluate", trained, "--data", "civility:starter/train", "--name", "validation")
    assert done.code == 2
    assert "would replace the run's own report, which is named validation" in done.err
    assert (trained / "reports" / "validation.json").read_bytes() == before


def test_data_given_in_two_options_is_read_together(civility: Run, trained: Path, tmp_path: Path) -> None:
    for name, num in (("a", 7), ("b", 5)):
        write_csv(tmp_path / f"{name}.csv", ["text", "toxic"], [[f"{name} comment {i}", i % 2] for i in range(num)])
    twice = ("--data", tmp_path / "a.csv", "--data", tmp_path / "b.csv")
    done = civility("evaluate", trained, *twice, "--name", "both", "--out", tmp_path)
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "both.json").read_text())["data"]["num_comments"] == 12
    done = civility("predict", trained, *twice)
    assert done.code == 2
    assert "given twice; one file at a time" in done.err
