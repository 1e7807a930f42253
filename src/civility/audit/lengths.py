"""How long comments are, and what cutting them costs each label. Knows lengths, not how they are measured."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.arrays import Float32s, Ints, Targets
from civility.data.dataset import POSITIVE_FROM

QUANTILES = {"minimum": 0.0, "median": 0.5, "p90": 0.9, "p99": 0.99, "maximum": 1.0}


@dataclass(frozen=True)
class CutShare:
    """Comments longer than the maximum length: ``num_cut`` of ``num_measured``; the share is NaN of none."""

    num_measured: int
    num_cut: int

    @property
    def share(self) -> float:
        """``num_cut / num_measured``."""
        return self.num_cut / self.num_measured if self.num_measured else float("nan")


def length_quantiles(lengths: npt.NDArray[Any]) -> dict[str, int]:
    """Return minimum, median, 90 %, 99 % and maximum, each the length of a comment; empty for no comments."""
    if not len(lengths):
        return {}
    values = np.quantile(lengths, list(QUANTILES.values()), method="inverted_cdf")
    return {name: int(value) for name, value in zip(QUANTILES, values, strict=True)}


def truncated_share_by_label(targets: Targets, is_cut: npt.NDArray[np.bool_]) -> list[CutShare]:
    """Return for each label how many of its positive comments are cut.

    Parameters
    ----------
    targets : (N, L); NaN is not positive
    is_cut : (N,) whether a comment is longer than the maximum length
    """
    positive = targets >= POSITIVE_FROM
    return [CutShare(int(column.sum()), int((column & is_cut).sum())) for column in positive.T]


def sample_to_measure(targets: Targets, size: int, size_of_label: int, seed: int) -> Ints:
    """Return rows worth measuring in a large dataset: a random sample, and one of each label's positives.

    Rows stand in one random order, of which the first ``size`` are taken and, for each label, the first
    ``size_of_label`` of its positives. Each such prefix is a uniform sample of what it is drawn from.

    Parameters
    ----------
    targets : (N, L)
    size, size_of_label : at most so many rows in the sample, and of each label
    seed : of the order

    Returns
    -------
    rows in the random order, so that ``rows[:size]`` is the sample of all comments
    """
    order = np.random.default_rng(seed).permutation(len(targets))
    if len(order) <= size:
        return order
    wanted = np.zeros(len(order), dtype=np.bool_)
    wanted[:size] = True
    for column in targets.T:
        wanted[np.flatnonzero(column[order] >= POSITIVE_FROM)[:size_of_label]] = True
    return order[wanted]


def first_positives(targets: Targets, size_of_label: int) -> Float32s:
    """Return targets in which each label keeps its first ``size_of_label`` positives; all else is unknown.

    Of rows from `sample_to_measure` these are uniform samples of the labels' positives: the positives that
    were drawn for the sake of another label come after them.
    """
    kept = np.full_like(targets, np.nan)
    for column in range(targets.shape[1]):
        rows = np.flatnonzero(targets[:, column] >= POSITIVE_FROM)[:size_of_label]
        kept[rows, column] = targets[rows, column]
    return kept
