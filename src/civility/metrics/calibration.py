"""Calibration: an increasing map from the logits of a label to probabilities, and whether scores can be read as such.

Targets and scores or logits are (N,). NaN targets are left out; soft targets count as positive from 0.5 up. A measure
without comments is NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from civility.arrays import AnyFloats, Bools, Floats, Ints
from civility.metrics.intervals import wilson
from civility.metrics.ranking import known_classes

Method = Literal["none", "temperature", "platt", "isotonic"]
METHODS: tuple[Method, ...] = ("none", "temperature", "platt", "isotonic")
"""The simplest first."""
AFFINE: tuple[Method, ...] = METHODS[:3]
"""Methods that scale and shift the logit, so that they can be folded into the last linear layer of a classifier."""
_FLATTEST = 1e-6
"""The smallest distance that an affine map may leave between the outermost logits."""
_LARGEST = 1e30
"""The largest number of an affine map: float32 can still represent the logits without it."""
_FEWEST = 10
"""With fewer positives or fewer negatives, no calibration is chosen."""
_ROUNDS = 100
_SMALLEST_CHANCE = 2.0**-25
"""Log loss clips scores to this distance from 0 and 1. Closer, a float32 score is 1, and an error has infinite loss."""


@dataclass(frozen=True)
class LabelCalibration:
    """An increasing map from logits to scores; by default the sigmoid alone.

    Parameters
    ----------
    method : which map
    scale, shift : score = sigmoid(scale * logit + shift), with scale > 0; not for isotonic
    x, y : isotonic only: increasing logits and their nondecreasing scores in (0, 1); linear in between, constant
        outside

    Raises
    ------
    ValueError : the numbers are not such a map
    """

    method: Method = "none"
    scale: float = 1.0
    shift: float = 0.0
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"calibration method {self.method!r}, expected one of {', '.join(METHODS)}")
        if not _is_within(self.scale, self.shift):
            raise ValueError(
                f"calibration scale {self.scale} and shift {self.shift}, expected a scale above 0, and neither beyond "
                f"{_LARGEST:g}"
            )
        if self.method == "isotonic":
            _check_knots(np.array(self.x, dtype=np.float64), np.array(self.y, dtype=np.float64))

    @property
    def is_affine(self) -> bool:
        """Whether it scales and shifts the logit, as a linear layer can."""
        return self.method in AFFINE

    def apply(self, logits: AnyFloats) -> Floats:
        """Return calibrated scores in [0, 1] of logits of any shape, also infinite ones; NaN stays NaN."""
        exact = np.asarray(logits, dtype=np.float64)
        if self.method == "isotonic":
            return np.asarray(np.interp(exact, self.x, self.y))
        with np.errstate(over="ignore"):  # to infinity, whose sigmoid is 0 or 1
            return _sigmoid(self.scale * exact + self.shift)


def _is_within(scale: float, shift: float) -> bool:
    return 0 < scale <= _LARGEST and abs(shift) <= _LARGEST  # also False for NaN


def _check_knots(x: Floats, y: Floats) -> None:
    if x.ndim != 1 or x.shape != y.shape or not len(x) or not np.isfinite(x).all() or np.any(np.diff(x) <= 0):
        raise ValueError("isotonic calibration: x must be increasing logits, one for each score")
    if not np.all((y > 0) & (y < 1)) or np.any(np.diff(y) < 0):
        raise ValueError("isotonic calibration: y must be nondecreasing scores in (0, 1)")


@dataclass(frozen=True)
class CalibrationChoice:
    """A calibration fitted on all comments, and why: with the log loss of each method on held-out comments."""

    calibration: LabelCalibration
    reason: str


def fit(method: Method, logits: AnyFloats, targets: AnyFloats) -> LabelCalibration:
    """Fit a calibration by log loss.

    An infinite logit counts as the most extreme finite one. The result has the method "none" if no increasing map fits:
    the classes are reversed, all logits are equal, or there is only one class.

    References
    ----------
    Platt 1999, with his targets 1 / (n + 2) instead of 0 and 1, which keep the fit of separable classes finite; also
    for the temperature of Guo et al. 2017. Newton's method of Lin, Lin and Weng 2007. Isotonic: see `_isotonic`.
    """
    positive, exact = known_classes(targets, logits)
    exact = _finite(exact)
    if method == "none" or positive.all() or not positive.any() or exact.min() == exact.max():
        return LabelCalibration()
    if method == "isotonic":
        return _isotonic(exact, positive)
    num_positive = int(positive.sum())
    goals = np.where(positive, (num_positive + 1) / (num_positive + 2), 1 / (len(positive) - num_positive + 2))
    unit = np.abs(exact).max()  # logits of any size are fitted as well as those of size 1
    columns = [exact / unit] if method == "temperature" else [exact / unit, np.ones(len(exact))]
    weights = _newton(np.stack(columns, axis=1), goals)
    scale, shift = float(weights[0] / unit), float(weights[1]) if method == "platt" else 0.0
    # A map that is too flat would tie different logits.
    keeps_order = _is_within(scale, shift) and scale * (exact.max() - exact.min()) >= _FLATTEST
    return LabelCalibration(method, scale, shift) if keeps_order else LabelCalibration()


def choose(
    logits: AnyFloats, targets: AnyFloats, methods: Sequence[Method] = AFFINE, *, folds: int = 5, seed: int = 0
) -> CalibrationChoice:
    """Choose a method by its log loss on held-out comments, and fit it on all comments.

    The simplest method is chosen whose held-out loss exceeds the best one's by at most one standard error of their
    difference (Breiman et al. 1984). So a flexible method is chosen only if it is shown to help.

    Parameters
    ----------
    logits, targets : (N,)
    methods : to choose from, the simplest first, beginning with "none"
    folds : 2 or more; each is held out in turn, and has the same share of positives
    seed : of the folds
    """
    positive, known = known_classes(targets, logits)
    num_positive = int(positive.sum())
    if min(num_positive, len(positive) - num_positive) < _FEWEST:
        reason = (
            f"not calibrated: {num_positive} positive and {len(positive) - num_positive} negative comments, "
            f"{_FEWEST} of each are needed"
        )
        return CalibrationChoice(LabelCalibration(), reason)
    whole = {method: fit(method, logits, targets) for method in methods}
    tried = [method for method in methods if whole[method].method == method]  # not if it found no increasing map
    fold = _stratified_folds(positive, folds, seed)
    held_out = {method: _cross_fitted(method, known, positive, fold) for method in tried}
    losses = {method: log_losses(scores, positive) for method, scores in held_out.items()}
    means = {method: float(loss.mean()) for method, loss in losses.items()}
    best = min(tried, key=lambda method: means[method])
    method = next(method for method in tried if _is_as_good(losses[method], losses[best]))
    compared = ", ".join(f"{name} {means[name]:.5f}" for name in tried)
    return CalibrationChoice(whole[method], f"{method}: the simplest within one standard error of the best: {compared}")


def _is_as_good(losses: Floats, best: Floats) -> bool:
    difference = losses - best
    return bool(difference.mean() <= difference.std(ddof=1) / np.sqrt(len(difference)))


def _stratified_folds(positive: Bools, folds: int, seed: int) -> Ints:
    """Return the fold of each comment, (N,); folds have the same number of positives, give or take one."""
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(positive), dtype=np.int64)
    for members in (np.flatnonzero(positive), np.flatnonzero(~positive)):
        fold[rng.permutation(members)] = np.arange(len(members)) % folds
    return fold


def cross_fitted(method: Method, logits: AnyFloats, targets: AnyFloats, folds: int = 5, seed: int = 0) -> Floats:
    """Return scores, (N,), each from a calibration fitted without the comment's fold, as `choose` measures a method.

    Comments with an unknown target have scores from the calibration that is fitted on all.
    """
    positive, known = known_classes(targets, logits)
    scores = fit(method, logits, targets).apply(logits)
    fold = _stratified_folds(positive, folds, seed)
    scores[~np.isnan(np.asarray(targets))] = _cross_fitted(method, known, positive, fold)
    return scores


def _cross_fitted(method: Method, logits: Floats, positive: Bools, fold: Ints) -> Floats:
    scores = np.empty(len(logits))
    for one in np.unique(fold):
        out = fold == one
        scores[out] = fit(method, logits[~out], positive[~out].astype(np.float64)).apply(logits[out])
    return scores


def _finite(logits: Floats) -> Floats:
    within = logits[np.isfinite(logits)]
    low, high = (within.min(), within.max()) if len(within) else (-1.0, 1.0)
    return np.clip(logits, low, high)


def _sigmoid(logits: Floats) -> Floats:
    small = np.exp(-np.abs(logits))  # never overflows
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small))


def _newton(design: Floats, goals: Floats) -> Floats:
    """Return the weights (P,) that minimise the log loss of ``sigmoid(design @ weights)``.

    The design (N, P) has values of about 1, the goals (N,) are in (0, 1).
    """
    weights = np.zeros(design.shape[1])
    loss = _sum_of_losses(design @ weights, goals)
    for _ in range(_ROUNDS):
        chance = _sigmoid(design @ weights)
        gradient = design.T @ (chance - goals)
        if np.abs(gradient).max() < 1e-8:
            break
        hessian = (design * (chance * (1 - chance))[:, None]).T @ design + 1e-12 * np.eye(len(weights))
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while (after := _sum_of_losses(design @ (weights - size * step), goals)) > loss - 1e-4 * size * gradient @ step:
            size /= 2
            if size < 1e-10:
                return weights  # only rounding is left to gain
        weights, loss = weights - size * step, after
    return weights


def _sum_of_losses(logits: Floats, goals: Floats) -> float:
    return float(np.sum(np.logaddexp(0.0, logits) - goals * logits))


def _isotonic(logits: Floats, positive: Bools) -> LabelCalibration:
    """Fit the nondecreasing step function with the least log loss, and interpolate between the middles of its steps.

    So different logits within a step get different scores. Steps at 0 or 1 are moved to Platt's targets, so that no
    score is certain.

    References
    ----------
    Pool adjacent violators: Ayer et al. 1955. Interpolation: centred isotonic regression, Oron and Flournoy 2017.
    """
    values, place = np.unique(logits, return_inverse=True)
    counts = np.bincount(place)
    hits = np.bincount(place, weights=positive).astype(np.int64)
    starts = _pooled(hits, counts)
    counts_of_values = counts.astype(np.float64)
    hits, counts = np.add.reduceat(hits, starts), np.add.reduceat(counts, starts)
    if len(starts) < 2:
        return LabelCalibration()
    last = np.append(starts[1:], len(values)) - 1
    # Weighted by shares of the block, so that very large logits do not overflow.
    shares = counts_of_values / np.repeat(counts, last - starts + 1)
    middles = np.clip(np.add.reduceat(values * shares, starts), values[starts], values[last])
    y = hits / counts
    low = y[0] if y[0] > 0 else min(1 / (counts[0] + 2), y[1])
    high = y[-1] if y[-1] < 1 else max((counts[-1] + 1) / (counts[-1] + 2), y[-2])
    y[0], y[-1] = low, high
    return LabelCalibration("isotonic", x=tuple(middles.tolist()), y=tuple(y.tolist()))


def _pooled(hits: Ints, counts: Ints) -> Ints:
    """Return the starts of the blocks whose shares of positives increase; whole runs are pooled at once.

    From (K,) positives and comments of each distinct logit, increasing.
    """
    starts = np.arange(len(counts))
    while True:
        in_block, of_block = np.add.reduceat(hits, starts), np.add.reduceat(counts, starts)
        rises = in_block[1:] * of_block[:-1] > in_block[:-1] * of_block[1:]  # compares shares without dividing
        if rises.all():
            return starts
        starts = starts[np.append(True, rises)]


@dataclass(frozen=True)
class Bin:
    """The comments with scores in ``[low, high)``; the last bin includes 1.

    Parameters
    ----------
    low, high : edges of the scores
    num : comments, at least 1
    mean_score : in [0, 1]
    share_positive : in [0, 1]; the mean score of calibrated scores
    share_low, share_high : 95 % Wilson interval of ``share_positive``
    """

    low: float
    high: float
    num: int
    mean_score: float
    share_positive: float
    share_low: float
    share_high: float


def log_losses(scores: AnyFloats, positive: Bools) -> Floats:
    """Return the log loss of each comment in nats, (N,), of known classes."""
    chance = np.clip(np.asarray(scores, dtype=np.float64), _SMALLEST_CHANCE, 1 - _SMALLEST_CHANCE)
    return -np.log(np.where(positive, chance, 1 - chance))


def log_loss(scores: AnyFloats, targets: AnyFloats) -> float:
    """Return the mean log loss in nats."""
    positive, scores = known_classes(targets, scores)
    return float(log_losses(scores, positive).mean()) if len(positive) else float("nan")


def brier(scores: AnyFloats, targets: AnyFloats) -> float:
    """Return the Brier score, the mean squared difference of score and class (Brier 1950)."""
    positive, scores = known_classes(targets, scores)
    return float(np.mean((scores - positive) ** 2)) if len(positive) else float("nan")


def expected_calibration_error(scores: AnyFloats, targets: AnyFloats, num_bins: int = 15) -> float:
    """Return the mean distance of score and share of positives over bins of equal width, weighted by comments.

    References
    ----------
    Naeini et al. 2015; Guo et al., On calibration of modern neural networks, 2017; here with the score of the positive
    class, not that of the predicted class.
    """
    bins = reliability(scores, targets, num_bins)
    if not bins:
        return float("nan")
    gaps = sum(one.num * abs(one.mean_score - one.share_positive) for one in bins)
    return gaps / sum(one.num for one in bins)


def reliability(scores: AnyFloats, targets: AnyFloats, num_bins: int = 15) -> list[Bin]:
    """Return the reliability curve: bins of equal width by score, empty ones left out.

    Raises a ValueError if a score is outside [0, 1].
    """
    positive, scores = known_classes(targets, scores)
    if len(scores) and not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError("a score is outside [0, 1]")
    edges = np.arange(num_bins + 1) / num_bins
    place = np.minimum(np.searchsorted(edges, scores, side="right") - 1, num_bins - 1)
    counts = np.bincount(place, minlength=num_bins)
    hits = np.bincount(place, weights=positive, minlength=num_bins)
    sums = np.bincount(place, weights=scores, minlength=num_bins)
    bins = []
    for i in np.flatnonzero(counts):
        num, num_positive = int(counts[i]), int(hits[i])
        low, high = edges[i].item(), edges[i + 1].item()
        share_low, share_high = (float(end) for end in wilson(num_positive, num))
        bins.append(Bin(low, high, num, sums[i].item() / num, num_positive / num, share_low, share_high))
    return bins
