"""A behaviour suite as part of a report: shares with intervals, and cases that came out wrong. Arrays only."""

from collections.abc import Sequence

import numpy as np

from civility.arrays import Decisions, Scores
from civility.documents.report import Example, FunctionResult, SuiteReport
from civility.evaluation.label_measures import proportion
from civility.evaluation.probes.suites import Case, Suite, score_suite
from civility.evaluation.scored_comments import short
from civility.evaluation.worst_errors import cut

_SHOWN = 5
"""Wrong cases of each function."""


def suite_report(suite: Suite, scores: Scores, flagged: Decisions, labels: Sequence[str]) -> SuiteReport:
    """Return the part of a report on one suite.

    Parameters
    ----------
    suite : N cases
    scores, flagged : (N, L)
    labels : (L,)
    """
    result = score_suite(suite, flagged, labels)
    wrong = _wrong(suite, scores, flagged, labels)
    return SuiteReport(
        source=suite.name,
        num_cases=result.num,
        num_left_out=result.num_left_out,
        share_right=proportion(result.num_right, result.num),
        functions=tuple(
            FunctionResult(
                function=one.function,
                expected="flag" if one.expected else "allow",
                num_cases=one.num,
                num_right=one.num_right,
                share_right=proportion(one.num_right, one.num),
                wrong=tuple(wrong.get((one.function, one.expected), ())),
            )
            for one in result.functions
            if one.num
        ),
        groups={
            f"{one.group}: {'flag' if one.expected else 'allow'}": proportion(one.num_right, one.num)
            for one in result.groups
            if one.num
        },
    )


def _wrong(
    suite: Suite, scores: Scores, flagged: Decisions, labels: Sequence[str]
) -> dict[tuple[str, bool], list[Example]]:
    """Return the first wrong cases of each function."""
    found: dict[tuple[str, bool], list[Example]] = {}
    for case, row, decisions in zip(suite.cases, scores, flagged, strict=True):
        columns = _columns(case, labels)
        if columns is None or bool(decisions[columns].any()) == case.expected:
            continue
        examples = found.setdefault((case.function, case.expected), [])
        if len(examples) < _SHOWN:
            examples.append(
                Example(id=case.id, text=cut(case.text), score=short(row[columns].max()), target=float(case.expected))
            )
    return found


def _columns(case: Case, labels: Sequence[str]) -> "np.ndarray[tuple[int], np.dtype[np.int64]] | None":
    """Return the labels that a case is judged by; None if the classifier lacks its label."""
    if not case.label:
        return np.arange(len(labels))
    return np.array([labels.index(case.label)]) if case.label in labels else None
