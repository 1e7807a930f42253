"""`civility evaluate`: the report of any labelled comments, on the classifier's own label axis."""

import csv
import json
from pathlib import Path

import pytest

from civility.data.starter import starter_corpus

from .conftest import Run, quick

LABELS = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def test_a_report_goes_to_the_run_and_to_the_screen(civility: Run, trained: Path) -> None:
    done = civility("evaluate", trained, "--data", "civility:starter/held-out", "--name", "again")
    assert done.code == 0, done.err
    report = json.loads((trained / "reports" / "again.json").read_text(encoding="utf-8"))
    assert set(report) == {"schema", "data", "labels", "macro", "undefined"}
    assert report["schema"] == 1
    assert report["data"]["files"] == ["civility:starter/held-out"]
    assert report["data"]["num_comments"] == 543
    assert report["data"]["digest"].startswith("sha256:")
    assert list(report["labels"]) == LABELS
    assert report["labels"]["toxic"]["num_positive"] == 223
    macro = f"{report['macro']['roc_auc']:.4f}"
    assert macro in done.out
    assert macro in (trained / "reports" / "again.md").read_text(encoding="utf-8")
    (trained / "reports" / "again.json").unlink()
    (trained / "reports" / "again.md").unlink()


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
    different = {numbers["roc_auc"] for numbers in reports[0]["labels"].values()}
    assert len(different) == 6, "the control: a mixed-up label axis would be seen"


def test_a_label_that_the_file_lacks_is_unknown(civility: Run, trained: Path, tmp_path: Path) -> None:
    rows = [[str(i), f"comment {i}", "es", i % 2] for i in range(20)]
    path = write_csv(tmp_path / "jigsaw2020.csv", ["id", "comment_text", "lang", "toxic"], rows)
    done = civility("evaluate", trained, "--data", path, "--out", tmp_path)
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "jigsaw2020.json").read_text(encoding="utf-8"))
    assert report["labels"]["threat"]["roc_auc"] is None
    assert report["labels"]["threat"]["num_unknown"] == 20
    assert report["undefined"]["threat.roc_auc"] == "no known target among 20"
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


@pytest.mark.parametrize("name", ["../up", "a/b", ".."])
def test_a_name_is_no_path(civility: Run, trained: Path, name: str) -> None:
    done = civility("evaluate", trained, "--data", "civility:starter/held-out", "--name", name)
    assert done.code == 2
    assert "is no plain name" in done.err


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
    assert "the run's own report is named validation" in done.err
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
