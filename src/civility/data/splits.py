"""Splits a dataset: stratified by label combination, equal texts on one side, whatever the order of the rows."""

import hashlib
import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civility.arrays import Bools, Ints
from civility.data.dataset import Dataset, sides, text_digests
from civility.errors import UserError
from civility.plain_text import count


@dataclass(frozen=True)
class _TextGroups:
    """The distinct texts of a dataset, in an order that depends only on the seed and the texts."""

    of_row: Ints  # (N,) the text group of each comment
    sizes: Ints  # (K,) number of comments of each group
    positive: Bools  # (K, L) whether one of them is positive
    lots: npt.NDArray[np.uint64]  # (K,) random numbers, for drawing groups


def split(dataset: Dataset, fraction: float, seed: int) -> tuple[Ints, Ints]:
    """Return the rows for training and the rows for validation, both ascending.

    The split is a function of the seed and the set of comments: neither the order of the rows nor their ids change it.
    Comments with equal normalised text stay together, and each combination of labels contributes its share. A label
    with two or more positive texts has one on each side. If overlapping labels make that impossible, rare labels win.

    ``fraction`` is the share of the distinct texts for validation, in (0, 1). A UserError if it is another number, or
    there are too few texts for it. A text that alone would fill more than half of the validation rows goes to training.
    """
    if not 0 < fraction < 1:
        found = f"cannot hold out {fraction:g} of the comments"
        raise UserError("data.conflicting-settings", found, remedy="choose a fraction between 0 and 1")
    groups = _text_groups(dataset, seed)
    num_groups = len(groups.sizes)
    least = min(fraction, 1 - fraction) * num_groups
    if num_groups < 2 or least < 1 - 1e-9:
        found = f"{_distinct(num_groups)} too few to hold out {100 * fraction:g} % of them"
        raise UserError("data.too-few", found, remedy="give more comments, or choose another share")
    held_out = _hold_out(groups, fraction)
    _repair_rare_labels(groups, held_out)
    in_validation = held_out[groups.of_row]
    return np.flatnonzero(~in_validation), np.flatnonzero(in_validation)


def fold_of_rows(dataset: Dataset, num_folds: int, seed: int) -> Ints:
    """Return the fold of each comment, (N,) from 1 to ``num_folds``.

    Like `split`, it is a function of the seed and the set of comments, keeps equal normalised texts together, and
    spreads each combination of labels evenly. The numbers of distinct texts in two folds differ by at most one. If a
    label has two or more positive texts, at least two folds have one, so that training without a fold still sees the
    label. If overlapping labels make that impossible, rare labels win.

    A UserError for fewer than two folds, or fewer distinct texts than folds.
    """
    if num_folds < 2:
        found = f"cannot split the comments into {num_folds} folds"
        raise UserError("data.conflicting-settings", found, remedy="give 2 folds or more")
    groups = _text_groups(dataset, seed)
    if len(groups.sizes) < num_folds:
        found = f"{_distinct(len(groups.sizes))} too few for {num_folds} folds"
        raise UserError("data.too-few", found, remedy="give more comments, or ask for fewer folds")
    line = _like_beside_like(groups)
    # Every fold gets one of each run of neighbours, at random.
    run = np.arange(len(line)) // num_folds
    by_run = np.lexsort([groups.lots[line], run])
    fold = np.empty(len(line), dtype=np.int64)
    fold[line[by_run]] = np.arange(len(line)) % num_folds
    _spread_rare_labels(groups, fold)
    return fold[groups.of_row] + 1


def _spread_rare_labels(groups: _TextGroups, fold: Ints) -> None:
    """Swap groups between folds, in place, until a label with two or more positive groups is in two folds."""
    fewest_labels = np.lexsort([groups.lots, groups.sizes, groups.positive.sum(axis=1)])
    for label in np.argsort(groups.positive.sum(axis=0), kind="stable"):
        alone = _in_one_fold(groups, fold)
        if not alone[label]:
            continue
        movers = fewest_labels[groups.positive[fewest_labels, label]]
        others = fewest_labels[fold[fewest_labels] != fold[movers[0]]]
        partners = others[np.unique(fold[others], return_index=True)[1]]  # the first of each other fold
        for mover, partner in itertools.product(movers, partners):
            fold[mover], fold[partner] = fold[partner], fold[mover]
            if _in_one_fold(groups, fold).sum() < alone.sum():
                break
            fold[mover], fold[partner] = fold[partner], fold[mover]


def _in_one_fold(groups: _TextGroups, fold: Ints) -> Bools:
    """Return, (L,), whether a label has two or more positive groups, all in one fold."""
    of_members = (fold[groups.positive[:, label]] for label in range(groups.positive.shape[1]))
    return np.array([len(own) > 1 and own.min() == own.max() for own in of_members], dtype=np.bool_)


def _text_groups(dataset: Dataset, seed: int) -> _TextGroups:
    key = hashlib.sha256(f"split {seed}".encode()).digest()
    # Sorted by keyed digest: a random order that does not depend on the order of the rows.
    unique, of_row = np.unique(text_digests(dataset.texts, key), return_inverse=True)
    sizes = np.bincount(of_row)
    positive, _ = sides(of_row, dataset.targets)
    # The first half of a digest gives the order, so the second half is still random.
    lots = np.frombuffer(unique.tobytes(), dtype=">u8")[1::2].astype(np.uint64)
    return _TextGroups(of_row.astype(np.int64), sizes.astype(np.int64), positive, lots)


def _like_beside_like(groups: _TextGroups) -> Ints:
    """Return the text groups, (K,), in the order of their labels, rarest label first.

    If a combination is too small for its share, the most similar ones next to it make up for it. Within a combination,
    groups are in the order of their size, then at random.
    """
    rarest_first = np.argsort(groups.positive.sum(axis=0), kind="stable")
    combination = [~groups.positive[:, label] for label in rarest_first[::-1]]
    return np.lexsort([np.arange(len(groups.sizes)), groups.sizes, *combination]).astype(np.int64)


def _hold_out(groups: _TextGroups, fraction: float) -> Bools:
    """Return which text groups to hold out, (K,): one of each run of neighbours in the order of `_like_beside_like`.

    A run is 1 / fraction long, and one of it is drawn at random. Always taking the n-th would repeat patterns in the
    order of the combinations.
    """
    line = _like_beside_like(groups)
    small = groups.sizes[line] <= max(1.0, fraction * groups.sizes.sum() / 2)
    if fraction * np.sum(small) >= 1:
        line = line[small]
    # The smaller side is drawn, so that a run has two or more groups.
    share = min(fraction, 1 - fraction)
    num_drawn = round(share * len(line))
    run = np.arange(len(line)) * num_drawn // len(line)
    by_run = np.lexsort([groups.lots[line], run])
    drawn = line[by_run[np.searchsorted(run, np.arange(num_drawn))]]
    held_out = np.zeros(len(groups.sizes), dtype=np.bool_)
    held_out[line] = fraction > 0.5
    held_out[drawn] = fraction <= 0.5
    return held_out


def _repair_rare_labels(groups: _TextGroups, held_out: Bools) -> None:
    """Move groups, in place, so that a label with two or more positive groups has one on each side."""
    totals = groups.positive.sum(axis=0)
    for label in np.argsort(totals, kind="stable"):
        if totals[label] < 2:
            continue
        members = np.flatnonzero(groups.positive[:, label])
        for side in (True, False):
            if np.any(held_out[members] == side):
                continue
            # All are on the other side: move a small one that no other label needs there.
            there = groups.positive[held_out != side].sum(axis=0)
            last = (there == 1) & (totals >= 2)
            needed = (groups.positive[members] & last).sum(axis=1)
            mover = members[np.lexsort([groups.sizes[members], needed])[0]]
            held_out[mover] = side


def _distinct(num: int) -> str:
    return f"{count(num, 'distinct comment')} {'is' if num == 1 else 'are'}"
