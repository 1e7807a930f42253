"""Requirements: what meets them, what fails them and why, and what is refused."""

import re
from typing import Any

import numpy as np
import pytest

from civility.data.dataset import Dataset
from civility.documents.report import ClassifierFacts
from civility.evaluation import Report, Scored
from civility.evaluation.build_report import Aspects, Subject, report_on
from civility.evaluation.requirements import Requirement, doubts, failures, parse_requirement

from ..refusals import refused

NOT_MEASURED = (["bias"], ["robustness"], ["suites"])
EXAMPLE = "write it as in: 'macro.roc_auc >= 0.98', 'labels.threat.recall >= 0.5' or 'bias.final >= 0.9'"


def _report(labels: tuple[str, ...] = ("toxic", "threat"), *, groups: bool = False) -> Report:
    targets = np.array([[1, 0], [1, 0], [0, 0], [0, 0]] * 20, dtype=np.float32)
    scores = np.array([[0.9, 0.1], [0.3, 0.1], [0.4, 0.1], [0.1, 0.2]] * 20, dtype=np.float32)
    names = tuple(map(str, range(80)))
    of_groups: dict[str, Any] = {}
    if groups:
        members = (np.arange(80)[:, None] < 44).astype(np.float32)
        of_groups = {"groups": members, "group_names": ("women",)}
    scored = Scored(Dataset(names, targets, names, labels, **of_groups), scores)
    subject = Subject("mine", ("a.csv",), ClassifierFacts(name="c", max_length=8))
    return report_on(scored, subject, Aspects(num_resamples=100))


REPORT = _report()


def _failure(text: str, report: Report = REPORT) -> str:
    return parse_requirement(text).failure(report)


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("labels.toxic.recall >= 0.5", ""),
        ("labels.toxic.recall > 0.5", "labels.toxic.recall > 0.5: it is 0.5"),
        ("labels.toxic.recall<=0.5", ""),
        ("  labels.toxic.recall   <\t0.5 ", "labels.toxic.recall < 0.5: it is 0.5"),
        ("labels.toxic.recall >= 5e-1", ""),
        ("labels.toxic.recall >= 0", ""),
        ("labels.toxic.num_positive >= 41", "labels.toxic.num_positive >= 41: it is 40"),
        ("macro.roc_auc >= 0.7", ""),
        ("any_label.precision >= 1", ""),
        ("data.num_comments >= 80", ""),
        ("labels.toxic.recall.value >= 0.5", ""),
        ("labels.toxic.recall_at_fpr.0.01 >= 0.5", ""),
        ("labels.toxic.threshold <= 0.5", ""),
    ],
)
def test_what_fulfils_a_requirement_and_what_does_not(text: str, failure: str) -> None:
    assert _failure(text) == failure


def test_the_ends_of_an_interval_can_be_required() -> None:
    recall = REPORT.labels["toxic"].recall
    assert recall.low is not None
    assert recall.high is not None
    assert _failure(f"labels.toxic.recall.low >= {recall.low - 0.001}") == ""
    assert _failure(f"labels.toxic.recall.high <= {recall.high + 0.001}") == ""
    assert _failure("labels.toxic.recall.low >= 0.5") == f"labels.toxic.recall.low >= 0.5: it is {recall.low:.4g}"


def test_a_failure_is_never_told_as_the_bound_itself() -> None:
    roc_auc = REPORT.labels["toxic"].roc_auc.model_copy(update={"value": 0.97996})
    label = REPORT.labels["toxic"].model_copy(update={"roc_auc": roc_auc})
    report = REPORT.model_copy(update={"labels": {"toxic": label}})
    assert _failure("labels.toxic.roc_auc >= 0.98", report) == "labels.toxic.roc_auc >= 0.98: it is 0.97996"
    assert _failure("labels.toxic.roc_auc >= 0.99", report) == "labels.toxic.roc_auc >= 0.99: it is 0.98"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("labels.threat.roc_auc", "no positive comment among 80"),
        ("labels.threat.roc_auc.low", "no positive comment among 80"),
        ("labels.threat.recall_at_fpr.0.001", "no positive comment among 80"),
        ("labels.threat.precision", "nothing is flagged at the threshold"),
        ("labels.toxic.review_threshold", "there are too few comments to measure it"),
    ],
)
@pytest.mark.parametrize("comparison", [">=", "<="])
def test_what_is_undefined_fulfils_nothing_and_the_reason_is_told(path: str, why: str, comparison: str) -> None:
    assert _failure(f"{path} {comparison} 0.5") == f"{path} {comparison} 0.5: undefined: {why}"


@pytest.mark.parametrize("label", ["toxic.x", "severe toxic", "a>b", "0.5", "any label", 'q"uote', "two\nlines", "x ="])
def test_names_of_labels_may_hold_dots_and_more(label: str) -> None:
    report = _report((label, "toxic"))
    assert _failure(f"labels.{label}.recall >= 0.5", report) == ""
    assert _failure(f"labels.{label}.recall >= 0.6", report) == f"labels.{label}.recall >= 0.6: it is 0.5"
    assert "undefined: no positive" in _failure("labels.toxic.recall >= 0.5", report)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a path, a comparison (>=, <=, >, <) and a number"),
        ("macro.roc_auc", "not a path, a comparison (>=, <=, >, <) and a number"),
        ("macro.roc_auc = 0.9", "not a path, a comparison (>=, <=, >, <) and a number"),
        ("macro.roc_auc == 0.9", "not a path, a comparison (>=, <=, >, <) and a number"),
        ("macro.roc_auc => 0.9", "the comparisons are >=, <=, > and <"),
        ("macro.roc_auc =< 0.9", "the comparisons are >=, <=, > and <"),
        ("macro.roc_auc >> 0.9", "the comparisons are >=, <=, > and <"),
        (">= 0.9", "not a path, a comparison (>=, <=, >, <) and a number"),
        ("macro.roc_auc >=", "not a path, a comparison (>=, <=, >, <) and a number"),
        ("macro.roc_auc >= high", "'high' is not a number"),
        ("macro.roc_auc >= 90%", "'90%' is not a number"),
        ("macro.roc_auc >= nan", "'nan' is not a number"),
        ("macro.roc_auc >= inf", "'inf' is not a number"),
    ],
)
def test_what_is_no_requirement_is_refused_before_anything_is_scored(text: str, message: str) -> None:
    with refused("evaluation.bad-requirement") as caught:
        parse_requirement(text)
    assert caught.value.message == f"--require {text!r}: {message}"
    assert caught.value.remedy == EXAMPLE


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("labels.toxik.recall", "the report has no 'toxik' there (did you mean toxic?)", "there is: toxic, threat"),
        (
            "labels.toxic.recal",
            "a report has no 'recal' there (did you mean recall?)",
            "there is: num_positive, .* more",
        ),
        ("marco.roc_auc", "a report has no 'marco' there (did you mean macro?)", "there is: schema, .* more"),
        ("roc_auc", "a report has no 'roc_auc' there", "there is: schema, .* more"),
        ("macro", "not a number", "name a number in it: macro.roc_auc, .*"),
        ("labels.toxic", "not a number", "name a number in it: labels.toxic.num_positive, .*"),
        ("name", "not a number", EXAMPLE),
        ("labels.toxic.policy", "not a number", EXAMPLE),
        ("notes", "not a number", EXAMPLE),
        ("labels.toxic.threshold.low", "there is nothing below 'labels.toxic.threshold'", EXAMPLE),
        ("slices.length.x", "there is nothing below 'slices.length'", EXAMPLE),
        ("bias.final", "the report has no 'bias'", "name columns of groups with --groups; .*"),
        ("robustness.num_comments", "the report has no 'robustness'", "give --robustness"),
        ("suites.own.share_right", "the report has no 'suites'", "give --suite FILE"),
    ],
)
def test_a_path_that_leads_nowhere_is_told(text: str, message: str, remedy: str) -> None:
    code = "evaluation.not-measured" if message.split("'")[1::2][-1:] in NOT_MEASURED else "evaluation.bad-requirement"
    with refused(code) as caught:
        _failure(f"{text} >= 0.5")
    assert caught.value.message == f"--require {text}: {message}"
    assert caught.value.remedy == remedy or re.fullmatch(remedy, caught.value.remedy)


@pytest.mark.parametrize(
    "text",
    [
        *("macro >= 1", "labels.toxic.recal >= 0.5", "labels >= 1", "labels.toxic.curve >= 1", "slices.length.x >= 1"),
        *(
            "macro.roc_auc.low.x >= 0.5",
            "undefined.macro >= 1",
            "robustness.perturbations.0 >= 1",
            "x" * 10_000 + " >= 1",
        ),
    ],
)
def test_a_path_to_no_number_is_refused_before_anything_is_scored(text: str) -> None:
    with refused("evaluation.bad-requirement") as caught:
        parse_requirement(text)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("text", "between"),
    [
        ("macro.roc_auc >= 1.5", "from 0 to 1"),
        ("macro.recall >= 80", "from 0 to 1"),
        ("labels.toxic.recall_at_fpr.0.01 < -0.1", "from 0 to 1"),
        ("labels.toxic.precision.low >= 2", "from 0 to 1"),
        ("labels.toxic.flagged_per_1000 <= 1001", "from 0 to 1000"),
        ("labels.toxic.num_positive >= -1", "0 or more"),
        ("bias.groups.women.bpsn_auc >= 1.01", "from 0 to 1"),
    ],
)
def test_a_bound_that_no_number_can_reach_is_refused(text: str, between: str) -> None:
    with refused("evaluation.bad-requirement", f"this number is {between}"):
        parse_requirement(text)


@pytest.mark.parametrize("text", ["bias.groups.women.false_positive_gap >= -0.1", "data.num_comments >= 100000"])
def test_bounds_of_gaps_and_counts_are_taken(text: str) -> None:
    assert parse_requirement(text).bound == float(text.split()[-1])


def test_bias_that_was_measured_can_be_required() -> None:
    report = _report(groups=True)
    assert _failure("bias.final >= 0.1", report) == ""
    assert _failure("bias.groups.women.subgroup_auc >= 0.1", report) == ""
    assert _failure("bias.final >= 0.99", report).startswith("bias.final >= 0.99: it is 0.")


def test_all_that_fail_are_told_in_order() -> None:
    asked = ["labels.toxic.recall >= 0.9", "macro.roc_auc >= 0.1", "labels.threat.f1 >= 0.1"]
    assert failures(REPORT, [parse_requirement(text) for text in asked]) == (
        "labels.toxic.recall >= 0.9: it is 0.5",
        "labels.threat.f1 >= 0.1: undefined: no positive comment among 80",
    )
    assert failures(REPORT, []) == ()


def test_a_requirement_reads_as_it_was_written() -> None:
    found = parse_requirement("labels.severe toxic.recall >= 0.50")
    assert found == Requirement("labels.severe toxic.recall", ">=", 0.5)
    assert str(found) == "labels.severe toxic.recall >= 0.5"


def test_a_macro_average_over_labels_with_too_few_comments_is_doubted() -> None:
    targets = np.array([[1, 0], [0, 0]] * 20, dtype=np.float32)
    targets[0, 1] = 1
    scores = np.array([[0.9, 0.1], [0.1, 0.2]] * 20, dtype=np.float32)
    names = tuple(map(str, range(40)))
    scored = Scored(Dataset(names, targets, names, ("toxic", "threat")), scores)
    report = report_on(scored, Subject("m", (), ClassifierFacts(name="c", max_length=8)), Aspects(num_resamples=20))
    doubt = (
        "it rests on labels with fewer than 10 positive or negative comments (threat); require macro_measurable.roc_auc"
    )
    met, missed, other = map(
        parse_requirement, ("macro.roc_auc >= 0.1", "macro.roc_auc >= 0.99", "macro_measurable.roc_auc >= 0.99")
    )
    assert doubts(report, [met, missed, other]) == (f"--require macro.roc_auc >= 0.1 is met, but {doubt}",)
    assert missed.failure(report) == f"macro.roc_auc >= 0.99: it is 0.6218; {doubt}"
    assert other.failure(report) == ""
    assert doubts(REPORT, [parse_requirement("macro.roc_auc >= 0.1")]) == (), "enough comments of every label"
