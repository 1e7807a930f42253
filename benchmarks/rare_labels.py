"""Whether intervals, verdicts and thresholds hold for labels with few positive comments: simulation of known truth.

    python benchmarks/rare_labels.py            # the tables of docs/architecture.md, about 10 minutes on one core
    python benchmarks/rare_labels.py --quick    # fewer trials, about a minute

Scores are normal: negatives around 0, positives so that the true ROC AUC is known. In the world "one of 20 errs" a
twentieth of the positives ranks like a negative, which few positives seldom show. "Before" is the stratified bootstrap
alone, "after" what civility reports; both are of the same resamples.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from civility.compare.measured import measure, rarer_of
from civility.compare.verdicts import judge, resamples_for
from civility.data.dataset import Float32Array
from civility.metrics.compare import Verdict
from civility.metrics.few import FEWEST, Ends, mean_interval, wider
from civility.metrics.pooled import Float64, pooled_difference
from civility.metrics.thresholds import DEFAULT_THRESHOLD
from civility.report.measure import ends_of

POSITIVES = (1, 2, 3, 5, 10, 30)
NUM_COMMENTS, OTHER_POSITIVES, LABELS = 300, 60, 3


@dataclass(frozen=True)
class World:
    """How well positives rank: the distance of their scores from those of negatives, and the share that errs."""

    name: str
    distance: float
    errs: float = 0.0

    @property
    def auc(self) -> float:
        """The true ROC AUC."""
        return (1 - self.errs) * NormalDist().cdf(self.distance / 2**0.5) + self.errs / 2


WORLDS = (World("AUC 0.80", 1.19), World("AUC 0.97", 2.66), World("one of 20 errs", 2.66, 0.05))


def targets_of(rng: np.random.Generator, positives: int) -> Float32Array:
    """Return (N, L) targets: the first label with so many positives, the others with 60."""
    ranks = rng.random((NUM_COMMENTS, LABELS)).argsort(axis=0).argsort(axis=0)
    return (ranks < [positives, *[OTHER_POSITIVES] * (LABELS - 1)]).astype(np.float32)


def logits_of(rng: np.random.Generator, targets: Float32Array, world: World, num: int, shared: float) -> Float64:
    """Return (num, N, L) logits of equally good classifiers; ``shared`` of their variance is the comment's own."""
    hard = rng.normal(size=targets.shape)
    own = rng.normal(size=(num, *targets.shape))
    found = (targets > 0) & (rng.random(targets.shape) >= world.errs)
    logits: Float64 = world.distance * found + shared**0.5 * hard + (1 - shared) ** 0.5 * own
    return logits


class Coverage:
    """How often intervals hold the truth, and how wide they are."""

    def __init__(self) -> None:
        self._held: list[bool] = []
        self._width: list[float] = []

    def add(self, ends: Ends, truth: float) -> None:
        """Count an interval; none at all holds nothing."""
        self._held.append(bool(ends.low <= truth <= ends.high))
        self._width.append(ends.high - ends.low)

    def __str__(self) -> str:
        return f"{100 * np.mean(self._held):5.1f} % ({np.nanmean(self._width):.3f})"


def reports(world: World, positives: int, trials: int, resamples: int) -> tuple[str, ...]:
    """Return coverage of a report's intervals: of the rare label's ROC AUC and of the macro, before and after."""
    before, after, macro_before, macro_after = Coverage(), Coverage(), Coverage(), Coverage()
    for trial in range(trials):
        rng = np.random.default_rng([positives, trial])
        targets = targets_of(rng, positives)
        (scores,) = (1 / (1 + np.exp(-logits_of(rng, targets, world, 1, 0.5)))).astype(np.float32)
        cuts = [np.full(LABELS, DEFAULT_THRESHOLD, dtype=np.float32)]
        measured = measure(targets, [scores], cuts, ("roc_auc",), num_resamples=resamples, seed=trial)
        parts = [measured.part([0], 0, label) for label in range(LABELS)]
        plain = ends_of(measured.resampled[0, 0].mean(axis=0))
        value = float(measured.values[0, 0].mean())
        before.add(parts[0].resampled, world.auc)
        after.add(wider(parts[0].own, parts[0].resampled), world.auc)
        macro_before.add(plain, world.auc)
        macro_after.add(mean_interval(value, plain, parts, LABELS), world.auc)
    return tuple(map(str, (before, after, macro_before, macro_after)))


def comparisons(world: World, positives: int, trials: int, resamples: int) -> tuple[str, ...]:
    """Return, of two classifiers that are equally good: coverage of the macro's difference, and false verdicts."""
    before, after, rare = Coverage(), Coverage(), Coverage()
    false_before = false_after = 0
    for trial in range(trials):
        rng = np.random.default_rng([7, positives, trial])
        targets = targets_of(rng, positives)
        scores = list(logits_of(rng, targets, world, 2, 0.7).astype(np.float32))
        cuts = [np.full(LABELS, DEFAULT_THRESHOLD, dtype=np.float32)] * 2
        rarer, groups = rarer_of(targets), [[0], [1]]
        enough = resamples if (rarer < FEWEST).any() else resamples_for(groups, 1, rarer)
        measured = measure(targets, scores, cuts, ("roc_auc",), num_resamples=enough, seed=trial)
        plain, _ = pooled_difference(measured.macro([0], 0), measured.macro([1], 0))  # one verdict, not corrected
        found = judge(measured, groups, rarer < FEWEST)[0][0]
        before.add(Ends(plain.low, plain.high), 0.0)
        after.add(Ends(found.macro.difference.low, found.macro.difference.high), 0.0)
        rare.add(Ends(found.labels[0].difference.low, found.labels[0].difference.high), 0.0)
        false_before += plain.verdict in _SHOWN
        false_after += any(one.difference.verdict in _SHOWN for one in found.every)
    return (
        *map(str, (rare, before, after)),
        f"{100 * false_before / trials:.1f} %",
        f"{100 * false_after / trials:.1f} %",
    )


_SHOWN = (Verdict.BETTER, Verdict.WORSE)


def print_table(title: str, columns: Sequence[str], rows: Iterator[tuple[str, ...]]) -> None:
    """Print a Markdown table as its rows come."""
    print(f"\n{title}\n\n| world | positives | {' | '.join(columns)} |\n|---|---:|{'---:|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def rows_of(
    measured: Callable[[World, int, int, int], tuple[str, ...]], trials: int, resamples: int
) -> Iterator[tuple[str, ...]]:
    """Yield a row for each world and number of positives."""
    for world in WORLDS:
        for positives in POSITIVES:
            yield world.name, str(positives), *measured(world, positives, trials, resamples)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer trials")
    quick = parser.parse_args().quick
    trials, resamples = (40, 300) if quick else (200, 400)
    print_table(
        f"Coverage of 95 % intervals of a report (mean width), {trials} trials",
        ("rare label before", "after", "macro before", "after"),
        rows_of(reports, trials, resamples),
    )
    print_table(
        f"Differences of two equally good classifiers: coverage (width), and wrong verdicts, {trials} trials",
        ("rare label after", "macro before", "after", "wrong macro verdicts before", "any wrong verdict after"),
        rows_of(comparisons, trials, resamples),
    )


if __name__ == "__main__":
    main()
