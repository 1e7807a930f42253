"""Compare: reports on the same comments become differences, and whether they are more than noise.

Reads what `evaluate` and `train` wrote; scores nothing.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.data.dataset import POSITIVE_FROM
from civility.data.files import write_file
from civility.errors import UserError
from civility.metrics.compare import Difference, Verdict, corrected, difference, resamples_needed
from civility.metrics.counted import Decided, Ranking
from civility.metrics.resampling import Statistic, mean_of_defined, point, resample, strata_of
from civility.report import Report
from civility.report.pages import ReportFiles
from civility.report.scores import Scores, read_scores_of
from civility.run import OWN_REPORT, RunDirectory

SCHEMA = 1
METRICS = ("roc_auc", "average_precision", "f1", "precision", "recall")
MACRO = "macro"
FEWEST = 10
"""Positive and negative comments of a label, below which resamples spread too little for a verdict."""
_NUM_RESAMPLES = 2_000
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One number of two reports, and how they differ."""

    first: float
    other: float
    difference: Difference


@dataclass(frozen=True)
class Comparison:
    """One report held against another.

    Parameters
    ----------
    first, other : as they were named
    digest, num_comments : of the comments
    labels : by metric and label, in the order of the label axis
    macro : by metric, over the labels where the metric is defined for both
    """

    first: str
    other: str
    digest: str
    num_comments: int
    labels: dict[str, dict[str, Row]]
    macro: dict[str, Row]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; what is undefined is None."""
        return {
            "schema": SCHEMA,
            "first": self.first,
            "other": self.other,
            "digest": self.digest,
            "num_comments": self.num_comments,
            "labels": {
                metric: {label: _plain(row) for label, row in rows.items()} for metric, rows in self.labels.items()
            },
            "macro": {metric: _plain(row) for metric, row in self.macro.items()},
        }


def compare(names: Sequence[str], *, seed: int = 0, out: Path | None = None) -> tuple[Comparison, ...]:
    """Compare reports on the same comments, each with the first, by a paired bootstrap.

    The same comments are drawn for both, so that what both find hard cancels out. The verdicts on the labels hold for
    all labels of a metric together (Holm).

    Parameters
    ----------
    names : two reports or more: their JSON files, or run directories for the reports that the runs wrote of themselves
    seed : of the bootstrap
    out : a JSON file to write

    Raises
    ------
    UserError : no such report, or they are not on the same comments
    """
    if len(names) < 2:
        raise UserError("one report is nothing to compare", "name two: civility compare A.json B.json")
    first, *others = (_Measured.of(name, seed) for name in names)
    for other in others:
        if other.scores.digest != first.scores.digest or other.scores.ids != first.scores.ids:
            raise UserError(
                f"{other.name} is on other comments than {first.name}, or on other labels, targets or ids of them "
                f"({other.scores.digest[:19]} and {first.scores.digest[:19]})",
                "evaluate both on the same file, and compare these reports",
            )
    found = tuple(_compare(first, other) for other in others)
    if out is not None:
        with write_file(out) as file:
            json.dump([one.to_dict() for one in found], file, indent=1, ensure_ascii=False, allow_nan=False)
            file.write("\n")
    return found


@dataclass(frozen=True, eq=False)
class _Measured:
    """A report's numbers, on its comments and on each resample of them: by metric and label."""

    name: str
    scores: Scores
    values: dict[str, dict[str, float]]
    resampled: dict[str, dict[str, Float64Array]]

    @classmethod
    def of(cls, name: str, seed: int) -> "_Measured":
        files = _files_of(name)
        try:
            text = files.json.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise UserError(f"{files.json}: no such file", "name the JSON of a report, or a run directory") from error
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{files.json}: cannot be read: {error}", "evaluate again") from error
        report = Report.from_json(text, str(files.json))
        scores = read_scores_of(files.scores, text)
        statistics: dict[str, Statistic] = {}
        for column, label in enumerate(scores.labels):
            targets, own = scores.targets[:, column], scores.scores[:, column]
            flagged = np.asarray(own >= np.float32(report.labels[label].threshold))
            statistics[f"rank {label}"] = Ranking(targets, own)
            statistics[f"decide {label}"] = Decided(targets, flagged)
        num_resamples = max(_NUM_RESAMPLES, resamples_needed(len(scores.labels)))
        drawn = resample(statistics, strata_of(scores.targets), num_resamples=num_resamples, seed=seed)
        values: dict[str, dict[str, float]] = {metric: {} for metric in METRICS}
        resampled: dict[str, dict[str, Float64Array]] = {metric: {} for metric in METRICS}
        for key, statistic in statistics.items():
            label = key.partition(" ")[2]
            numbers = zip(statistic.names, point(statistic, len(scores.ids)), drawn[key], strict=True)
            for metric, value, many in numbers:
                if metric in METRICS:
                    values[metric][label], resampled[metric][label] = float(value), many
        return cls(name, scores, values, resampled)


def _files_of(name: str) -> ReportFiles:
    path = Path(name)
    run = RunDirectory.find(path)
    if run is not None:
        return ReportFiles(run.reports, OWN_REPORT)
    if path.suffix != ".json":
        raise UserError(f"{name}: neither a run directory nor the JSON file of a report", "name one of these")
    return ReportFiles(path.parent, path.name.removesuffix(".json"))


def _compare(first: _Measured, other: _Measured) -> Comparison:
    labels, macro = {}, {}
    for metric in METRICS:
        rows = {label: _row(first, other, metric, [label]) for label in first.scores.labels}
        rows |= {label: _unjudged(rows[label]) for label in _too_few(first.scores)}
        judged = corrected([row.difference for row in rows.values()])
        labels[metric] = {
            label: replace(row, difference=one) for (label, row), one in zip(rows.items(), judged, strict=True)
        }
        defined = [label for label, row in rows.items() if not math.isnan(row.first) and not math.isnan(row.other)]
        macro[metric] = _row(first, other, metric, defined)
    return Comparison(first.name, other.name, first.scores.digest, len(first.scores.ids), labels, macro)


def _too_few(scores: Scores) -> list[str]:
    """Return the labels with fewer than 10 positive or negative comments."""
    positive, negative = (scores.targets >= POSITIVE_FROM).sum(axis=0), (scores.targets < POSITIVE_FROM).sum(axis=0)
    return [label for label, least in zip(scores.labels, np.minimum(positive, negative), strict=True) if least < FEWEST]


def _unjudged(row: Row) -> Row:
    nothing = Difference(row.difference.value, math.nan, math.nan, math.nan, Verdict.NOT_MEASURABLE)
    return replace(row, difference=nothing)


def _row(first: _Measured, other: _Measured, metric: str, labels: Sequence[str]) -> Row:
    """Return the mean of a metric over labels, in both reports; NaN of none."""
    nothing = np.array([np.nan])
    sides = [
        (
            sum(one.values[metric][label] for label in labels) / len(labels) if labels else math.nan,
            mean_of_defined(np.stack([one.resampled[metric][label] for label in labels])) if labels else nothing,
        )
        for one in (first, other)
    ]
    (value, many), (other_value, other_many) = sides
    return Row(value, other_value, difference(value, other_value, many, other_many))


def _plain(row: Row) -> dict[str, Any]:
    values = {"first": row.first, "other": row.other, **asdict(row.difference)}
    values["verdict"] = str(row.difference.verdict)
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}
