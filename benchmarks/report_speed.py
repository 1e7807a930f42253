"""How long a report's numbers take with their intervals, and how much memory: part by part, then together.

    python benchmarks/report_speed.py [--rows 160000] [--resamples 2000] [--threads 2] [--quick] [--json FILE]

The targets are invented with the prevalences of Jigsaw 2018, labels that go together, and scores good enough for a ROC
AUC of about 0.98. A part's time is that of a run with it alone, so that each has the drawing of resamples in it; the
last row is what a report asks for. Each row runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from own_process import forget_peak, in_own_process, peak_bytes

from civility.metrics.counted import Decided, Means, Ranking
from civility.metrics.intervals import percentile_interval
from civility.metrics.resampling import Float64, Statistic, point, resample, strata_of

LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
SHARES = (0.096, 0.010, 0.053, 0.003, 0.049, 0.009)
Floats = npt.NDArray[np.float32]


class Case(NamedTuple):
    """What one row of the table measures."""

    part: str
    num_rows: int
    num_resamples: int
    num_threads: int


def invent(num_rows: int) -> tuple[Floats, Floats]:
    """Return (N, L) targets and scores: one severity for all labels, and something of each label's own."""
    rng = np.random.default_rng(0)
    severity = rng.normal(size=(num_rows, 1)) + 0.6 * rng.normal(size=(num_rows, len(SHARES)))
    targets = severity > np.quantile(severity, 1 - np.array(SHARES), axis=0).diagonal()
    seen = severity + 0.35 * rng.normal(size=severity.shape)
    return targets.astype(np.float32), (1 / (1 + np.exp(-4 * (seen - 2)))).astype(np.float32)


def rankings(targets: Floats, scores: Floats) -> dict[str, Statistic]:
    """Rank by every label."""
    return {f"ranking of {label}": Ranking(targets[:, i], scores[:, i]) for i, label in enumerate(LABELS)}


def any_label(targets: Floats, scores: Floats) -> dict[str, Statistic]:
    """Rank by whether any label is positive."""
    return {"ranking of any label": Ranking(targets.max(axis=1), scores.max(axis=1))}


def decisions(targets: Floats, scores: Floats) -> dict[str, Statistic]:
    """Decide every label at 0.5."""
    return {f"decisions on {label}": Decided(targets[:, i], scores[:, i] >= 0.5) for i, label in enumerate(LABELS)}


def losses(targets: Floats, scores: Floats) -> dict[str, Statistic]:
    """Take the Brier score and the log loss of every label."""
    chance = np.where(targets > 0, scores, 1 - scores).astype(np.float64)
    values = np.concatenate([(1 - chance) ** 2, -np.log(np.maximum(chance, 1e-12))], axis=1)
    return {"losses": Means([f"{loss} of {label}" for loss in ("brier", "log_loss") for label in LABELS], values)}


def nothing(targets: Floats, scores: Floats) -> dict[str, Statistic]:
    """Draw the resamples only."""
    return {}


Part = Callable[[Floats, Floats], dict[str, Statistic]]
PARTS: dict[str, tuple[Part, ...]] = {
    "drawing alone": (nothing,),
    "ranking, six labels": (rankings,),
    "ranking, any label": (any_label,),
    "decisions, six labels": (decisions,),
    "losses, six labels": (losses,),
    "a whole report": (rankings, any_label, decisions, losses),
}


def macro(results: dict[str, Float64]) -> Float64:
    """Return the (4, R) mean of the ranking over the labels, resample by resample."""
    mean: Float64 = np.mean([results[f"ranking of {label}"] for label in LABELS], axis=0)
    return mean


def measure(case: Case) -> dict[str, float]:
    """Return seconds of the clock and of the processors, and peak memory, of one part."""
    targets, scores = invent(case.num_rows)
    forget_peak()
    memory_before = peak_bytes()
    started, busy = time.perf_counter(), time.process_time()
    statistics: dict[str, Statistic] = {}
    for part in PARTS[case.part]:
        statistics |= part(targets, scores)
    points = {name: point(statistic, case.num_rows) for name, statistic in statistics.items()}
    sorted_after = time.perf_counter() - started
    results = resample(statistics, strata_of(targets), case.num_resamples, num_threads=case.num_threads)
    intervals = [percentile_interval(values) for values in results.values()]
    if rankings in PARTS[case.part]:
        points["macro"] = macro({name: values[:, None] for name, values in points.items()})[:, 0]
        intervals.append(percentile_interval(macro(results)))
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - busy,
        "sorting_seconds": sorted_after,
        "added_mib": (peak_bytes() - memory_before) / 2**20,
        "numbers": sum(len(low) for low, _ in intervals),
    } | ({"macro_roc_auc": float(points["macro"][0])} if "macro" in points else {})


def main() -> None:
    """Print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=160_000)
    parser.add_argument("--resamples", type=int, default=2_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a tenth of the resamples")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    num_resamples = options.resamples // 10 if options.quick else options.resamples
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that follow: resamples are what is done in parallel
    print(f"{options.rows:,} comments, {num_resamples:,} resamples, {options.threads} threads")
    print(f"{'':<24}{'seconds':>9}{'of processors':>15}{'of it sorting':>15}{'added MiB':>11}{'numbers':>9}")
    rows = []
    for part in PARTS:
        case = Case(part, options.rows, num_resamples, options.threads)
        row = in_own_process(measure, case)
        rows.append({**case._asdict(), **row})
        print(
            f"{part:<24}{row['seconds']:>9.1f}{row['cpu_seconds']:>15.1f}{row['sorting_seconds']:>15.2f}"
            f"{row['added_mib']:>11.0f}{row['numbers']:>9.0f}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
