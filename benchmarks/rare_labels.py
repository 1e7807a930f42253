"""Whether intervals, verdicts and thresholds hold for labels with few positive comments: simulation of known truth.

    python benchmarks/rare_labels.py                 # tables of docs/explanation/statistics.md, 10 minutes on one core
    python benchmarks/rare_labels.py --quick         # fewer trials, about a minute
    python benchmarks/rare_labels.py --thresholds    # the tables of thresholds alone, about a minute

Scores are normal: negatives around 0, positives so that the true ROC AUC is known. In the world "one of 20 errs" a
twentieth of the positives ranks like a negative, which few positives seldom show. "Before" is the stratified bootstrap
alone, "after" what civility reports; both are of the same resamples.

Of thresholds "before" is the one that the policy takes, "after" the one with the fallback for labels whose comments are
too few. What either does to new comments is computed from the true distributions.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from civility.arrays import Float32s, Floats, Targets
from civility.evaluation.label_measures import ends_of
from civility.evaluation.verdicts import judge, measure, rarer_of, resamples_for
from civility.metrics.intervals import Ends, wider
from civility.metrics.paired_test import Outcome, pooled_difference
from civility.metrics.policy import Policy, parse_policy
from civility.metrics.small_samples import FEWEST, mean_interval, own_interval
from civility.metrics.threshold_search import DEFAULT_THRESHOLD, WIDEST, Cuts, choose_threshold, fall_back, reached

POSITIVES = (1, 2, 3, 5, 10, 30)
NUM_COMMENTS, OTHER_POSITIVES, LABELS = 300, 60, 3
POLICIES = tuple(map(parse_policy, ("f1", "precision>=0.8", "recall>=0.9")))
BOUNDS = (0.2, WIDEST, 0.4, 0.5)


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


def targets_of(rng: np.random.Generator, positives: int) -> Float32s:
    """Return (N, L) targets: the first label with this many positives, the others with 60."""
    ranks = rng.random((NUM_COMMENTS, LABELS)).argsort(axis=0).argsort(axis=0)
    return (ranks < [positives, *[OTHER_POSITIVES] * (LABELS - 1)]).astype(np.float32)


def logits_of(rng: np.random.Generator, targets: Targets, world: World, num: int, shared: float) -> Floats:
    """Return (num, N, L) logits of equally good classifiers; ``shared`` of their variance is the comment's own."""
    hard = rng.normal(size=targets.shape)
    own = rng.normal(size=(num, *targets.shape))
    found = (targets > 0) & (rng.random(targets.shape) >= world.errs)
    logits: Floats = world.distance * found + shared**0.5 * hard + (1 - shared) ** 0.5 * own
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


_SHOWN = (Outcome.BETTER, Outcome.WORSE)


@dataclass(frozen=True)
class Trial:
    """What a policy's threshold does to new comments, what the fallback does, and how wide an interval separated them.

    Parameters
    ----------
    width : of the interval of what the policy reaches
    own_width : of the interval by its own trials: for precision the comments flagged, for F1 these and the positives
    flagged, f1 : by the policy's threshold: share of new comments, and F1 on them
    fallback_flagged, fallback_f1 : by the fallback
    """

    width: float
    own_width: float
    flagged: float
    f1: float
    fallback_flagged: float
    fallback_f1: float


def chosen(world: World, policy: Policy, positives: int, trials: int) -> list[Trial]:
    """Return trials of a threshold that is chosen by a policy on 300 comments."""
    found = []
    for trial in range(trials):
        rng = np.random.default_rng([positives, trial])
        targets = np.zeros(NUM_COMMENTS, dtype=np.float32)
        targets[:positives] = 1
        means = world.distance * ((targets > 0) & (rng.random(NUM_COMMENTS) >= world.errs))
        scores = (1 / (1 + np.exp(-(rng.normal(size=NUM_COMMENTS) + means)))).astype(np.float32)
        cuts = Cuts.of(targets, scores)
        choice = choose_threshold(policy, cuts)
        counts = choice.counts
        ends = reached(policy, counts)
        own_ends = own_interval(policy.kind, getattr(counts, policy.kind), counts)
        both = (choice, fall_back(choice, cuts, "whatever the width"))
        own, instead = (_on_new_comments(world, positives / NUM_COMMENTS, one.threshold) for one in both)
        found.append(Trial(ends.high - ends.low, own_ends.high - own_ends.low, *own, *instead))
    return found


def _on_new_comments(world: World, prevalence: float, threshold: float) -> tuple[float, float]:
    """Return the share of comments that a threshold flags, and its F1."""
    logit = math.log(threshold / (1 - threshold)) if 0 < threshold < 1 else math.copysign(math.inf, threshold - 0.5)
    normal = NormalDist()
    like_negative = normal.cdf(-logit)
    recall = (1 - world.errs) * normal.cdf(world.distance - logit) + world.errs * like_negative
    flagged = prevalence * recall + (1 - prevalence) * like_negative
    return flagged, 2 * prevalence * recall / (flagged + prevalence)


def thresholds(trials: int) -> Iterator[tuple[str, ...]]:
    """Yield, by world, policy and positives, what thresholds flag before and after, and how often one falls back."""
    for world in WORLDS:
        for policy in POLICIES:
            for positives in POSITIVES:
                found = chosen(world, policy, positives, trials)
                before, after = [one.flagged for one in found], [_after(one, WIDEST) for one in found]
                rate, _ = _fallen_back(found, WIDEST)
                yield world.name, str(policy), str(positives), _typical(before), _typical(after), rate


def bounds(trials: int) -> Iterator[tuple[str, ...]]:
    """Yield, by policy and positives, what other bounds on the width would do, in the world where most is at stake."""
    world = WORLDS[0]
    for policy in POLICIES:
        for positives in (*POSITIVES, 50, 100):
            found = chosen(world, policy, positives, trials)
            f1 = (np.mean([getattr(one, name) for one in found]) for name in ("f1", "fallback_f1"))
            cells = (f"{rate}, {highest}" for rate, highest in (_fallen_back(found, bound) for bound in BOUNDS))
            by_own = f"{100 * np.mean([one.own_width > WIDEST for one in found]):.0f} %"
            yield world.name, str(policy), str(positives), *cells, by_own, " / ".join(f"{value:.2f}" for value in f1)


def _after(trial: Trial, bound: float) -> float:
    return trial.fallback_flagged if trial.width > bound else trial.flagged


def _fallen_back(found: Sequence[Trial], bound: float) -> tuple[str, str]:
    """Return how often a bound falls back, and the 95th percentile of the share then flagged."""
    rate = np.mean([one.width > bound for one in found])
    return f"{100 * rate:.0f} %", _percentile([_after(one, bound) for one in found])


def _typical(shares: Sequence[float]) -> str:
    """Return the median of shares and their 95th percentile."""
    return f"{100 * np.median(shares):.1f} % ({_percentile(shares)})"


def _percentile(shares: Sequence[float]) -> str:
    return f"{100 * np.quantile(shares, 0.95):.1f} %"


def print_table(title: str, columns: Sequence[str], rows: Iterator[tuple[str, ...]]) -> None:
    """Print a Markdown table as its rows come."""
    print(f"\n{title}\n\n| world | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def rows_of(
    measured: Callable[[World, int, int, int], tuple[str, ...]], trials: int, resamples: int
) -> Iterator[tuple[str, ...]]:
    """Yield a row for each world and number of positives."""
    for world in WORLDS:
        for positives in POSITIVES:
            yield world.name, str(positives), *measured(world, positives, trials, resamples)


def print_intervals(trials: int, resamples: int) -> None:
    """Print the tables of intervals and verdicts."""
    print_table(
        f"Coverage of 95 % intervals of a report (mean width), {trials} trials",
        ("positives", "rare label before", "after", "macro before", "after"),
        rows_of(reports, trials, resamples),
    )
    print_table(
        f"Differences of two equally good classifiers: coverage (width), and wrong verdicts, {trials} trials",
        (
            *("positives", "rare label after", "macro before", "after", "wrong macro verdicts before"),
            "any wrong verdict after",
        ),
        rows_of(comparisons, trials, resamples),
    )


def print_thresholds(trials: int) -> None:
    """Print the tables of thresholds."""
    print_table(
        f"Share of new comments flagged by the threshold: median (95th percentile), {trials} trials",
        ("policy", "positives", "before", "after", "falls back"),
        thresholds(trials),
    )
    print_table(
        f"Other bounds on the width: how often they fall back, 95th percentile of the share flagged, {trials} trials",
        (
            *("policy", "positives", *(f"wider than {bound:g}" for bound in BOUNDS)),
            *(f"by its own trials wider than {WIDEST:g}", "F1 by policy / fallback"),
        ),
        bounds(trials),
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer trials")
    parser.add_argument("--thresholds", action="store_true", help="the tables of thresholds alone")
    options = parser.parse_args()
    if not options.thresholds:
        print_intervals(*((40, 300) if options.quick else (200, 400)))
    print_thresholds(60 if options.quick else 400)


if __name__ == "__main__":
    main()
