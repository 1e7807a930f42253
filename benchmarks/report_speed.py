"""How long a report's numbers take with their intervals, and how much memory: part by part, then together.

    python benchmarks/report_speed.py [--rows 160000] [--resamples 2000] [--threads 2] [--quick] [--json FILE]

The targets are invented with the prevalences of Jigsaw 2018, labels that go together, scores good enough for a ROC AUC
of about 0.98, and texts of invented words, as long as comments are. The first rows are what is resampled; each has the
drawing of resamples in it. Then come the parts of the report proper and `report_on`, which is all of them.

Each row runs in a process of its own, so that its peak memory is its own. The machine's load is printed beside the
wall time: where others use it too, the CPU seconds are those to compare.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from own_process import forget_peak, in_own_process, peak_bytes

from civility.arrays import Float32s, Floats
from civility.data.dataset import Dataset
from civility.documents.report import ClassifierFacts
from civility.evaluation import Scored
from civility.evaluation.build_report import Aspects, Subject, report_on, slices_of, worst_errors
from civility.evaluation.label_measures import measure
from civility.metrics.intervals import percentile_interval
from civility.metrics.resampling import Decided, Means, Ranking, Statistic, point, resample, strata_of

LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
SHARES = (0.096, 0.010, 0.053, 0.003, 0.049, 0.009)


class Case(NamedTuple):
    """What one row of the table measures."""

    part: str
    num_rows: int
    num_resamples: int
    num_threads: int


def invent(num_rows: int) -> tuple[Float32s, Float32s]:
    """Return (N, L) targets and scores: one severity for all labels, and something of each label's own."""
    rng = np.random.default_rng(0)
    severity = rng.normal(size=(num_rows, 1)) + 0.6 * rng.normal(size=(num_rows, len(SHARES)))
    targets = severity > np.quantile(severity, 1 - np.array(SHARES), axis=0).diagonal()
    seen = severity + 0.35 * rng.normal(size=severity.shape)
    return targets.astype(np.float32), (1 / (1 + np.exp(-4 * (seen - 2)))).astype(np.float32)


def rankings(targets: Float32s, scores: Float32s) -> dict[str, Statistic]:
    """Rank by every label."""
    return {f"ranking of {label}": Ranking(targets[:, i], scores[:, i]) for i, label in enumerate(LABELS)}


def any_label(targets: Float32s, scores: Float32s) -> dict[str, Statistic]:
    """Rank by whether any label is positive."""
    return {"ranking of any label": Ranking(targets.max(axis=1), scores.max(axis=1))}


def decisions(targets: Float32s, scores: Float32s) -> dict[str, Statistic]:
    """Decide every label at 0.5."""
    return {f"decisions on {label}": Decided(targets[:, i], scores[:, i] >= 0.5) for i, label in enumerate(LABELS)}


def losses(targets: Float32s, scores: Float32s) -> dict[str, Statistic]:
    """Take the Brier score and the log loss of every label."""
    chance = np.where(targets > 0, scores, 1 - scores).astype(np.float64)
    values = np.concatenate([(1 - chance) ** 2, -np.log(np.maximum(chance, 1e-12))], axis=1)
    return {"losses": Means([f"{loss} of {label}" for loss in ("brier", "log_loss") for label in LABELS], values)}


def nothing(targets: Float32s, scores: Float32s) -> dict[str, Statistic]:
    """Draw the resamples only."""
    return {}


Part = Callable[[Float32s, Float32s], dict[str, Statistic]]
PARTS: dict[str, tuple[Part, ...]] = {
    "drawing alone": (nothing,),
    "ranking, six labels": (rankings,),
    "ranking, any label": (any_label,),
    "decisions, six labels": (decisions,),
    "losses, six labels": (losses,),
    "all that is resampled": (rankings, any_label, decisions, losses),
}
_FACTS = ClassifierFacts(name="invented", max_length=256)
REPORTS: dict[str, Callable[[Scored, int], object]] = {
    "report: measure": lambda scored, num: measure(scored, (), name="speed", classifier=_FACTS, num_resamples=num),
    "report: slices": lambda scored, num: slices_of(scored, {}),
    "report: worst errors": lambda scored, num: worst_errors(scored),
    "the whole report": lambda scored, num: report_on(scored, Subject("speed", (), _FACTS), Aspects(num_resamples=num)),
}


def invent_scored(num_rows: int) -> Scored:
    """Return comments with texts: half of them up to 40 words, some hundreds, and one of twenty not in ASCII."""
    rng = np.random.default_rng(1)
    targets, scores = invent(num_rows)
    words = np.array(["".join(chr(97 + letter) for letter in rng.integers(0, 26, 5)) for _ in range(3_000)])
    lengths = np.minimum(600, rng.lognormal(np.log(40), 1, num_rows)).astype(int) + 1
    texts = [" ".join(words[rng.integers(0, len(words), length)]) for length in lengths]
    texts[::20] = [f"\u201c{text}\u201d" for text in texts[::20]]
    return Scored(Dataset(tuple(texts), targets, tuple(map(str, range(num_rows))), LABELS), scores)


def macro(results: dict[str, Floats]) -> Floats:
    """Return the (4, R) mean of the ranking over the labels, resample by resample."""
    mean: Floats = np.mean([results[f"ranking of {label}"] for label in LABELS], axis=0)
    return mean


def measure_report(case: Case) -> dict[str, float]:
    """Return wall seconds and CPU seconds, and peak memory, of one part of the report."""
    scored = invent_scored(case.num_rows)
    if case.num_threads == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
    forget_peak()
    memory_before = peak_bytes()
    started, busy = time.perf_counter(), time.process_time()
    REPORTS[case.part](scored, case.num_resamples)
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - busy,
        "added_mib": (peak_bytes() - memory_before) / 2**20,
    }


def measure_resampled(case: Case) -> dict[str, float]:
    """Return wall seconds and CPU seconds, and peak memory, of one part."""
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
    print(f"{'':<24}{'seconds':>9}{'CPU':>15}{'of it sorting':>15}{'added MiB':>11}{'load':>7}")
    rows = []
    for part in (*PARTS, *REPORTS):
        case = Case(part, options.rows, num_resamples, options.threads)
        row = in_own_process(measure_resampled if part in PARTS else measure_report, case)
        row["load"] = os.getloadavg()[0]
        rows.append({**case._asdict(), **row})
        sorting = f"{row['sorting_seconds']:.2f}" if "sorting_seconds" in row else ""
        print(
            f"{part:<24}{row['seconds']:>9.1f}{row['cpu_seconds']:>15.1f}{sorting:>15}"
            f"{row['added_mib']:>11.0f}{row['load']:>7.1f}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
