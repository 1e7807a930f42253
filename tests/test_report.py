"""Reports: numbers against scikit-learn, the exact JSON, and a page that no name can break."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from civility.data.dataset import Dataset, Float32Array
from civility.errors import UserError
from civility.report import LabelNumbers, Report
from civility.report.markdown import code, shown, to_markdown
from civility.report.pages import write_report

NAN = float("nan")


def _dataset(targets: Float32Array, labels: tuple[str, ...]) -> Dataset:
    num = len(targets)
    return Dataset(tuple(f"comment {i}" for i in range(num)), targets, tuple(map(str, range(num))), labels)


def _small(labels: tuple[str, ...] = ("toxic", "threat", "insult", "spam")) -> tuple[Dataset, Float32Array]:
    """Return 5 comments: toxic ranked 3 of 4 right, threat without positives, insult unknown, spam all positive."""
    targets = np.array(
        [[1, 0, NAN, 1], [0, 0, NAN, 0.5], [1, NAN, NAN, 1], [0, 0.4, NAN, 1], [NAN, 0, NAN, NAN]], dtype=np.float32
    )
    scores = np.array([[0.9, 0.1, 0.1, 0.1], [0.5, 0.2, 0.2, 0.2], [0.3, 0.3, 0.3, 0.3], [0.1] * 4, [0.7] * 4])
    return _dataset(targets, labels), scores.astype(np.float32)


def test_the_numbers_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((4_000, 3)) < [0.1, 0.02, 0.4]).astype(np.float32)
    scores = (rng.random((4_000, 3)) + targets * 0.4).astype(np.float32).round(2)
    unknown = rng.random(targets.shape) < 0.1
    hidden = np.where(unknown, np.float32(NAN), targets)
    report = Report.measure(_dataset(hidden, ("toxic", "threat", "insult")), scores, ["a.csv"])
    for column, (label, numbers) in enumerate(report.labels.items()):
        known = ~unknown[:, column]
        truth, ranked = targets[known, column], scores[known, column]
        assert label == ("toxic", "threat", "insult")[column]
        assert numbers.roc_auc == pytest.approx(roc_auc_score(truth, ranked), abs=1e-12)
        assert numbers.average_precision == pytest.approx(average_precision_score(truth, ranked), abs=1e-12)
        assert (numbers.num_positive, numbers.num_negative, numbers.num_unknown) == (
            int(truth.sum()),
            int((1 - truth).sum()),
            int((~known).sum()),
        )
        assert numbers.roc_auc != pytest.approx(roc_auc_score(targets[:, column], scores[:, column]), abs=1e-12), (
            "the control: the unknown ones would change it"
        )
    assert report.undefined == {}


def test_the_json_has_exactly_this_shape() -> None:
    dataset, scores = _small()
    report = Report.measure(dataset, scores, ["a.csv", "größe|b.csv"])
    assert json.loads(report.to_json()) == {
        "schema": 1,
        "data": {"files": ["a.csv", "größe|b.csv"], "digest": dataset.digest, "num_comments": 5},
        "labels": {
            "toxic": {
                "num_positive": 2,
                "num_negative": 2,
                "num_unknown": 1,
                "roc_auc": 0.75,
                "average_precision": (1 + 2 / 3) / 2,
            },
            "threat": {
                "num_positive": 0,
                "num_negative": 4,
                "num_unknown": 1,
                "roc_auc": None,
                "average_precision": None,
            },
            "insult": {
                "num_positive": 0,
                "num_negative": 0,
                "num_unknown": 5,
                "roc_auc": None,
                "average_precision": None,
            },
            "spam": {
                "num_positive": 4,
                "num_negative": 0,
                "num_unknown": 1,
                "roc_auc": None,
                "average_precision": None,
            },
        },
        "macro": {"roc_auc": 0.75, "average_precision": (1 + 2 / 3) / 2},
        "undefined": {
            "threat.roc_auc": "no positive comment among 4",
            "threat.average_precision": "no positive comment among 4",
            "insult.roc_auc": "no known target among 5",
            "insult.average_precision": "no known target among 5",
            "spam.roc_auc": "no negative comment among 4",
            "spam.average_precision": "no negative comment among 4",
        },
    }
    assert list(json.loads(report.to_json())) == ["schema", "data", "labels", "macro", "undefined"]
    assert report.to_json().endswith("}\n")
    assert "größe" in report.to_json()


def test_the_reason_counts_with_thousands_separators() -> None:
    dataset = _dataset(np.zeros((3_190, 1), dtype=np.float32), ("threat",))
    report = Report.measure(dataset, np.zeros((3_190, 1), dtype=np.float32), ["a.csv"])
    assert report.to_dict()["undefined"]["threat.roc_auc"] == "no positive comment among 3,190"


def test_the_macro_is_the_mean_of_the_labels_that_are_printed() -> None:
    values = {"toxic": 0.9854, "severe_toxic": 0.9915, "obscene": 0.9936, "threat": 0.9812, "insult": 0.989}
    values["identity_hate"] = 0.984
    labels = {label: LabelNumbers(1, 1, 0, value, NAN) for label, value in values.items()}
    report = Report(("a.csv",), "sha256:0", 2, labels, {})
    assert report.macro("roc_auc") == pytest.approx(0.98745, abs=1e-12), "not the 0.9888 once quoted for these six"
    assert math.isnan(report.macro("average_precision"))
    assert report.to_dict()["macro"]["average_precision"] is None


def test_an_undefined_label_is_left_out_of_the_mean_and_not_taken_as_zero() -> None:
    labels = {"a": LabelNumbers(1, 1, 0, 0.8, 0.5), "b": LabelNumbers(0, 2, 0, NAN, NAN)}
    report = Report((), "sha256:0", 2, labels, {})
    assert report.macro("roc_auc") == 0.8
    both = {**labels, "b": LabelNumbers(1, 1, 0, 0.0, 0.0)}
    assert Report((), "sha256:0", 2, both, {}).macro("roc_auc") == 0.4, "the control: a zero does count"


def test_written_and_read_again_a_report_is_the_same() -> None:
    dataset, scores = _small()
    report = Report.measure(dataset, scores, ["a.csv"])
    again = Report.from_json(report.to_json())
    assert again.to_json() == report.to_json()
    assert (again.files, again.digest, again.num_comments) == (("a.csv",), dataset.digest, 5)
    assert again.labels["toxic"] == report.labels["toxic"]
    assert math.isnan(again.labels["threat"].roc_auc)
    other = Report.measure(dataset, -scores, ["a.csv"])
    assert other.to_json() != report.to_json(), "the control"


def _changed(**changes: object) -> str:
    dataset, scores = _small()
    content: dict[str, Any] = Report.measure(dataset, scores, ["a.csv"]).to_dict()
    return json.dumps({**content, **changes})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "5",
        "null",
        "{}",
        '{"schema": 1}',
        _changed(labels={"toxic": {"roc_auc": 1}}),
        _changed(labels={"toxic": 3}),
        _changed(labels=[]),
        _changed(data=None),
        _changed(data={"files": None, "digest": "", "num_comments": 0}),
    ],
)
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(UserError) as caught:
        Report.from_json(text)
    assert caught.value.message.startswith("no report of civility: ")
    assert caught.value.remedy == "evaluate again"


def test_a_report_of_another_schema_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        Report.from_json(_changed(schema=2))
    assert (caught.value.message, caught.value.remedy) == ("report of schema 2, expected 1", "evaluate again")


def test_scores_of_another_shape_are_refused() -> None:
    dataset, scores = _small()
    with pytest.raises(ValueError, match=r"scores have shape \(5, 3\), targets \(5, 4\)"):
        Report.measure(dataset, scores[:, :3], ["a.csv"])


def test_a_score_that_is_nan_is_refused() -> None:
    dataset, scores = _small()
    scores[0, 0] = NAN
    with pytest.raises(ValueError, match="a score is NaN"):
        Report.measure(dataset, scores, ["a.csv"])


def test_the_page_shows_what_the_report_holds() -> None:
    dataset, scores = _small()
    page = to_markdown(Report.measure(dataset, scores, ["a.csv", "b.csv"]), "Report: mine", "A note.")
    assert page == (
        "# Report: mine\n\n"
        f"5 comments from `a.csv`, `b.csv` (`{dataset.digest[:19]}`)\n\n"
        "A note.\n\n"
        "| label | ROC AUC | average precision | positive | negative | unknown |\n"
        "|---|---:|---:|---:|---:|---:|\n"
        "| `toxic` | 0.7500 | 0.8333 | 2 | 2 | 1 |\n"
        "| `threat` | - | - | 0 | 4 | 1 |\n"
        "| `insult` | - | - | 0 | 0 | 5 |\n"
        "| `spam` | - | - | 4 | 0 | 1 |\n"
        "| **macro** | **0.7500** | **0.8333** | | | |\n\n"
        "Undefined, and left out of the macro average:\n\n"
        "- `threat.roc_auc`: no positive comment among 4\n"
        "- `threat.average_precision`: no positive comment among 4\n"
        "- `insult.roc_auc`: no known target among 5\n"
        "- `insult.average_precision`: no known target among 5\n"
        "- `spam.roc_auc`: no negative comment among 4\n"
        "- `spam.average_precision`: no negative comment among 4\n\n"
        "The macro average is the mean over the labels above where the metric is defined.\n"
    )


def test_a_page_without_a_note_or_anything_undefined_has_no_gap() -> None:
    labels = {"toxic": LabelNumbers(1, 1, 0, 1.0, 1.0)}
    page = to_markdown(Report(("a.csv",), "sha256:" + "0" * 64, 2, labels, {}), "Report: mine")
    assert "\n\n\n" not in page
    assert "Undefined" not in page


def _cells(row: str) -> list[str]:
    """Split a row of a Markdown table at the bars that are not escaped."""
    return [cell.strip() for cell in row.replace("\\|", "\0").strip("|").split("|")]


@pytest.mark.parametrize(
    ("label", "cell"),
    [
        ("a|b", "`a\0b`"),
        ("|", "`\0`"),
        ("`code`", "`'code'`"),
        ("two\nlines", "`two lines`"),
        ("two\r\nlines", "`two lines`"),
        ("two\rlines", "`two lines`"),
        ("plain", "`plain`"),
    ],
)
def test_no_label_name_breaks_the_table(label: str, cell: str) -> None:
    dataset, scores = _small((label, "threat", "insult", "spam"))
    lines = to_markdown(Report.measure(dataset, scores, [f"{label}.csv"]), "x").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert [len(_cells(row)) for row in rows] == [6] * 7
    assert _cells(rows[2]) == [cell, "0.7500", "0.8333", "2", "2", "1"]
    assert all(line.count("`") % 2 == 0 for line in lines)


def test_inline_code_of_a_name() -> None:
    assert code("threat") == "`threat`"
    assert shown(0.98745) == "0.9875"
    assert shown(NAN) == "-"


def test_the_files_of_a_report(tmp_path: Path) -> None:
    dataset, scores = _small()
    report = Report.measure(dataset, scores, ["a.csv"])
    json_path, markdown_path = write_report(report, tmp_path / "made" / "reports", "mine", "A note.")
    assert sorted(path.name for path in json_path.parent.iterdir()) == ["mine.json", "mine.md"]
    assert Report.from_json(json_path.read_text(encoding="utf-8")).to_json() == report.to_json()
    assert markdown_path.read_text(encoding="utf-8") == to_markdown(report, "Report: mine", "A note.")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    dataset, scores = _small()
    with pytest.raises(UserError, match="cannot write: a part of the path is a file, not a folder"):
        write_report(Report.measure(dataset, scores, ["a.csv"]), tmp_path / "file" / "reports", "mine")
