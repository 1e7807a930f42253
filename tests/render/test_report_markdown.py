"""Markdown: shows what the report holds, and no name breaks a table, a heading or a sentence."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.arrays import Scores
from civility.data.dataset import Dataset
from civility.documents.behaviour_report import InvarianceReport, PerturbationReport, PerturbedLabel, RobustnessReport
from civility.documents.report import ClassifierFacts
from civility.evaluation import Estimate, Report, Scored
from civility.evaluation.build_report import Aspects, Subject, report_on
from civility.evaluation.group_bias import Grouped, bias_of
from civility.evaluation.suites import Case, Suite, suite_report
from civility.plain_text import as_code, as_markdown
from civility.render.markdown.report_markdown import table, to_markdown
from civility.render.sentences.report_sentences import metric_text, not_chosen, optimism, with_interval

from ..evaluation.synthetic import make_report

NAN = float("nan")
HOSTILE = [
    "a|b",
    "a\\|b",
    "`code`",
    "``` fence",
    "two\nlines",
    "two\r\n\r\n# lines",
    "next\x85line\u2028\u2029\x0b\x0c",
    "</script><script>alert(1)</script>",
    "<!-- comment",
    "[link](javascript:alert(1))",
    "**bold** _it_",
    "\x1b[2J\x07bell\x00",
    "\u202edrow\u2066",
    "| --- | --- |",
    'it\'s "quoted" & more',
    "any label",
    "macro",
    "toxic.x",
    " ",
    "at the end \\",
]


def _everything(name: str, num: int = 80) -> Report:
    """Return a report with every section, in which the name stands wherever a user's words can."""
    rng = np.random.default_rng(0)
    targets = (rng.random((num, 3)) < 0.4).astype(np.float32)
    targets[:, 2] = NAN
    drawn = 0.3 * np.nan_to_num(targets) + 0.6 * rng.random((num, 3))
    scores: Scores = drawn.astype(np.float32)
    labels = (name, f"{name} 2", "unknown")
    groups = (rng.random((num, 2)) < 0.5).astype(np.float32)
    texts = tuple(f"<b>text</b> {name} {i}" for i in range(num))
    dataset = Dataset(texts, targets, (name,) * num, labels, groups, (name, f"{name} 2"))
    scored = Scored(dataset, scores, policies={name: "recall>=0.9"}, calibrations={name: "platt"})
    subject = Subject(name, (name, "b.csv"), ClassifierFacts(name=name, max_length=8), ("epoch", "thresholds"), (name,))
    report = report_on(scored, subject, Aspects(columns={name: [name, "x"] * (num // 2)}, num_resamples=5))
    cases = tuple(Case(f"{name}{i}", name, name, True, labels[0], name) for i in range(3))
    label = PerturbedLabel(recall_before=0.5, recall_after=0.4, roc_auc_before=0.9, roc_auc_after=None)
    change = Estimate(value=-0.1, low=-0.2, high=0.1)
    perturbed = PerturbationReport(
        name=name, strength=0.2, share_changed=0.5, macro_recall_change=change, labels={name: label}
    )
    unmoved = InvarianceReport(name=name, largest_difference=0.1, share_of_decisions_changed=0.01)
    robustness = RobustnessReport(num_comments=num, seed=0, perturbations=(perturbed,), invariances=(unmoved,))
    grouped = Grouped(targets[:, 0], scores[:, 0], scored.flagged[:, 0], groups, (name, "b"))
    return report.model_copy(
        update={
            "templates": {name: bias_of(grouped, name, name, num_resamples=5)},
            "suites": {name: suite_report(Suite(name, cases), scores[:3], scored.flagged[:3], labels)},
            "robustness": robustness,
        }
    )


def _cells(row: str) -> list[str]:
    """Split a row of a table as GitHub does: at the bars that no backslash stands before."""
    assert row.startswith("|")
    assert row.endswith("|")
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def _tables(page: str) -> list[list[list[str]]]:
    blocks = re.findall(r"(?:^\|.*\n?)+", page, re.MULTILINE)
    return [[_cells(row) for row in block.splitlines()] for block in blocks]


def _check_page(page: str, num_tables: int) -> None:
    tables = _tables(page)
    assert len(tables) == num_tables
    for found in tables:
        assert {len(row) for row in found} == {len(found[0])}
        assert all(re.fullmatch("-{3,}:?", cell) for cell in found[1])
        assert len(found) > 2
    outside = re.sub(r"`[^`\n]*`|\\.", "", page)  # without inline code and what is escaped
    assert re.search(r"[`<>\[\]]", re.sub(r"\[-?\d\.\d+, -?\d\.\d+\]", "", outside)) is None
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", page)
    assert "\n\n\n" not in page


USUAL = to_markdown(_everything("plain"))
NUM_TABLES = len(_tables(USUAL))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_the_page(name: str) -> None:
    page = to_markdown(_everything(name))
    _check_page(page, NUM_TABLES)
    usual = re.findall("^#+ [A-Za-z]+", USUAL, re.MULTILINE)
    assert re.findall("^#+ [A-Za-z]+", page, re.MULTILINE) == usual
    assert "text</b>" not in page, "no comment's text"


@pytest.mark.parametrize(("written", "raw"), [(r"\|", "|"), (r"\<", "<"), ("\ufffd", "\u202e")])
def test_the_control_names_not_escaped_break_it(written: str, raw: str) -> None:
    page = to_markdown(_everything("|<\u202e>"))
    _check_page(page, NUM_TABLES)
    with pytest.raises(AssertionError):
        _check_page(page.replace(written, raw), NUM_TABLES)


def test_every_section_is_there() -> None:
    page = USUAL
    assert re.findall("^#+ .*", page, re.MULTILINE) == [
        "# Report: plain",
        "## Recall at fixed false-positive rates",
        "## Calibration, before → after",
        "## Bias: groups of plain, b.csv",
        "## Bias: plain",
        "## Behaviour: plain",
        "## Robustness, on 80 comments",
        "## Slices by length",
        "## Slices by script",
        "## Slices by capitals",
        "## Slices by links",
        "## Slices by plain",
    ]
    assert NUM_TABLES == 14
    assert "80 comments from `plain`, `b.csv`" in page
    assert "- plain\n" in page


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_any_text_stays_in_one_cell(text: str) -> None:
    for written in (as_code(text), as_markdown(text)):
        assert len(_cells(f"| {written} | 1 |")) == 2
        assert written.splitlines() in ([written], [])
    assert as_code(text).count("`") == 2


def test_harmless_words_stay_as_they_are() -> None:
    assert as_markdown("severe_toxic: 3 of 4 (75 %), fine.") == "severe_toxic: 3 of 4 (75 %), fine."
    assert as_markdown("a|b <i> [x]") == r"a\|b \<i\> \[x\]"
    assert as_code("severe_toxic") == "`severe_toxic`"
    assert as_code("a|b`c\td\r\ne") == "`a\\|b'c d e`"


def test_the_table_has_the_numbers_of_the_report() -> None:
    report = _everything("toxic")
    (rows,) = _tables(table(report) + "\n")
    assert rows[0] == [
        *("label", "ROC AUC", "average precision", "precision", "recall", "F1"),
        *("threshold", "positive", "negative", "unknown"),
    ]
    assert [row[0] for row in rows[2:]] == ["`toxic`", "`toxic 2`", "`unknown`", "any label", "**macro**"]
    toxic = report.labels["toxic"]
    assert rows[2][1:6] == [
        with_interval(one) for one in (toxic.roc_auc, toxic.average_precision, toxic.precision, toxic.recall, toxic.f1)
    ]
    assert rows[2][6:] == ["0.5", str(toxic.num_positive), str(toxic.num_negative), "0"]
    assert rows[4][1:] == ["-"] * 5 + ["0.5", "0", "0", "80"]
    assert rows[5][7:] == [
        str(number)
        for number in (report.any_label.num_positive, report.any_label.num_negative, report.any_label.num_unknown)
    ]
    assert rows[6][1] == f"**{with_interval(report.macro.roc_auc)}**"
    assert "- `labels.unknown.roc_auc`: no known target" in to_markdown(report)


def test_groups_left_out_are_counted() -> None:
    report = _everything("toxic")
    assert report.bias is not None
    one = report.bias.groups["toxic"]
    many = report.bias.model_copy(update={"groups": {f"group {i}": one for i in range(75)}})
    page = to_markdown(report.model_copy(update={"bias": many}))
    assert "15 groups with a higher subgroup AUC are only in the JSON." in page
    assert "in the JSON alone" not in to_markdown(report), "the control"


def test_sixty_four_labels_and_one_comment_make_a_page() -> None:
    targets = np.eye(64, dtype=np.float32)[:1]
    dataset = Dataset(("text",), targets, ("0",), tuple(f"label{i}" for i in range(64)))
    scored = Scored(dataset, np.full((1, 64), 0.5, dtype=np.float32))
    subject = Subject("n", (), ClassifierFacts(name="c", max_length=8))
    page = to_markdown(report_on(scored, subject, Aspects(num_resamples=5)))
    assert {len(row) for found in _tables(page) for row in found} == {3, 5, 10, 67}


def test_numbers_as_text() -> None:
    assert (metric_text(0.98745), metric_text(None), metric_text(NAN), metric_text(0.98745, 2)) == (
        "0.9875",
        "-",
        "-",
        "0.99",
    )
    assert with_interval(Estimate(value=0.5, low=0.25, high=0.75)) == "0.500 [0.250, 0.750]"
    assert with_interval(Estimate(value=0.5)) == "0.500"
    assert with_interval(Estimate(value=None)) == "-"


def test_thresholds_not_chosen_from_data_are_named_first() -> None:
    report = make_report()
    warning = "The threshold was not chosen from data, for lack of positive or negative comments: identity_hate."
    page = to_markdown(report)
    assert page.index(warning) < page.index("| label |")
    assert "not chosen from data" not in to_markdown(report.model_copy(update={"not_chosen_from_data": ()}))
    many = not_chosen([f"label {number}" for number in range(8)])
    assert many.startswith("The thresholds were not chosen from data")
    assert "label 5 and 2 more labels. They flag" in many
    assert "label 5 and 1 more label. They flag" in not_chosen([f"label {number}" for number in range(7)])
    assert not_chosen([]) == ""


def test_choices_made_on_these_comments_are_named() -> None:
    report = _everything("toxic")
    chosen = {
        ("epoch",): "The best epoch was chosen on these comments",
        ("calibration",): "The calibration was chosen on these comments",
        ("thresholds",): "The thresholds were chosen on these comments",
        ("epoch", "calibration"): "The best epoch and the calibration were chosen on these comments",
        ("epoch", "calibration", "thresholds"): "The best epoch, the calibration and the thresholds were chosen",
    }
    for what, said in chosen.items():
        assert optimism(report.model_copy(update={"optimistic": what})).startswith(said)
    assert optimism(report.model_copy(update={"optimistic": ()})) == ""
