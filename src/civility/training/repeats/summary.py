"""What several runs have come to: each metric's mean and spread over them, read from the reports that they wrote."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from civility.documents.label_report import Estimate
from civility.evaluation import Report
from civility.run.repeats_folder import RepeatsFolder
from civility.storage.atomic_files import write_file

SCHEMA = 1
MACRO = "macro"
METRICS = ("roc_auc", "average_precision")


@dataclass(frozen=True)
class Spread:
    """A number over several runs.

    Parameters
    ----------
    values : of each run, in their order; None where it is undefined
    mean : of those that are defined; None where none is
    sd : standard deviation over runs, with n - 1; None of fewer than two
    """

    values: tuple[float | None, ...]
    mean: float | None
    sd: float | None


@dataclass(frozen=True)
class Summary:
    """Several runs together.

    Parameters
    ----------
    runs : names, in their order
    metrics : by metric, then by label, "macro" first
    """

    runs: tuple[str, ...]
    metrics: dict[str, dict[str, Spread]]


def spread_of(values: Iterable[float | None]) -> Spread:
    """Return mean and standard deviation of the values that are defined."""
    kept = tuple(values)
    known = [value for value in kept if value is not None]
    return Spread(
        kept,
        statistics.fmean(known) if known else None,
        statistics.stdev(known) if len(known) > 1 else None,
    )


def summarise(runs: Sequence[str], reports: Sequence[Report]) -> Summary:
    """Return the spread of each metric over runs, of which each has a report on the same labels."""
    metrics: dict[str, dict[str, Spread]] = {}
    for metric in METRICS:
        rows = {MACRO: spread_of(_value(getattr(report.macro, metric)) for report in reports)}
        for label in reports[0].labels:
            rows[label] = spread_of(_value(getattr(report.labels[label], metric)) for report in reports)
        metrics[metric] = rows
    return Summary(tuple(runs), metrics)


def _value(estimate: Estimate) -> float | None:
    return estimate.value


def write_summary(summary: Summary, out: Path) -> None:
    """Write the numbers as JSON.

    Raises
    ------
    UserError : no permission, no space
    """
    with write_file(RepeatsFolder(out).summary) as file:
        json.dump({"schema": SCHEMA, **asdict(summary)}, file, indent=2, ensure_ascii=False)
        file.write("\n")
