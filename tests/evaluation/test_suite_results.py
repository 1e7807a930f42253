"""A behaviour suite in a report: shares by function, and the first cases that came out wrong."""

from typing import Any

import numpy as np

from civility.documents.behaviour_report import SuiteReport
from civility.evaluation.suites import Case, Suite, suite_report
from civility.metrics.intervals import wilson

LABELS = ("toxic", "threat")


def _case(number: int, function: str, expected: bool, label: str = "toxic", group: str = "") -> Case:
    return Case(f"c{number}", function, f"text {number}", expected, label, group)


def _report(cases: list[Case], scores: Any) -> SuiteReport:
    scored = np.array(scores, dtype=np.float32).reshape(len(cases), 2)
    return suite_report(Suite("own.csv", tuple(cases)), scored, scored >= np.float32(0.5), LABELS)


def test_shares_by_function_with_what_came_out_wrong() -> None:
    cases = [
        _case(0, "insults", True, group="women"),
        _case(1, "insults", True, group="women"),
        _case(2, "insults", True, group="men"),
        _case(3, "quoted", False, group="men"),
        _case(4, "quoted", False, label=""),
        _case(5, "quoted", True, label="threat"),
        _case(6, "spam", True, label="spam"),
    ]
    scores = [[0.9, 0], [0.1, 0.9], [0.5, 0], [0.8, 0], [0.1, 0.75], [0.9, 0.1], [0.9, 0.9]]
    found = _report(cases, scores)
    assert (found.source, found.num_cases, found.num_left_out) == ("own.csv", 6, 1)
    assert [(one.function, one.expected, one.num_right, one.num_cases) for one in found.functions] == [
        ("insults", "flag", 2, 3),
        ("quoted", "allow", 0, 2),
        ("quoted", "flag", 0, 1),
    ]
    low, high = wilson(2, 3)
    share = found.functions[0].share_right
    assert (share.value, share.low, share.high) == (2 / 3, float(low), float(high))
    assert [[(one.id, one.score, one.target) for one in each.wrong] for each in found.functions] == [
        [("c1", 0.1, 1.0)],
        [("c3", 0.8, 0.0), ("c4", 0.75, 0.0)],
        [("c5", 0.1, 1.0)],
    ]
    assert {name: one.value for name, one in found.groups.items()} == {
        "women: flag": 0.5,
        "men: flag": 1.0,
        "men: allow": 0.0,
    }
    assert found.share_right.value == 2 / 6


def test_five_wrong_cases_are_shown_and_long_texts_cut() -> None:
    long = [Case(f"c{i}", "f", "x" * 500, True, "toxic") for i in range(8)]
    (only,) = _report(long, [[0, 0]] * 8).functions
    assert [one.id for one in only.wrong] == ["c0", "c1", "c2", "c3", "c4"]
    assert {one.text for one in only.wrong} == {"x" * 399 + "…"}
    (right,) = _report(long, [[1, 0]] * 8).functions
    assert (right.num_right, right.wrong) == (8, ())


def test_a_suite_for_other_labels_is_left_out_altogether() -> None:
    found = _report([_case(0, "f", True, label="spam")], [[1, 1]])
    assert (found.num_cases, found.num_left_out, found.share_right.value) == (0, 1, None)
    assert (found.functions, found.groups) == ((), {})
