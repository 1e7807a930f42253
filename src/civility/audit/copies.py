"""Copies: equal and nearly equal comments, contradictions among them, and leaks from file to file."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civility.arrays import POSITIVE_FROM, Bools, Ints, Targets
from civility.audit.near_copies import near_pairs
from civility.data.duplicates import text_digests


@dataclass(frozen=True, eq=False)
class Copies:
    """Which comments are copies of which. Different texts (K) are numbered in the order they first occur.

    Parameters
    ----------
    text_of_row : (N,) the text of each comment, the same for equal ones after normalisation
    first_row : (K,) where each text first occurs
    near : (P, 2) pairs of nearly equal texts, the smaller number first
    similarity : (P,) of each pair, from 0.8 to 1
    """

    text_of_row: Ints
    first_row: Ints
    near: Ints
    similarity: npt.NDArray[np.float32]

    @property
    def repeats(self) -> Ints:
        """Rows whose text stood in an earlier row."""
        is_first = np.zeros(len(self.text_of_row), dtype=np.bool_)
        is_first[self.first_row] = True
        return np.flatnonzero(~is_first)


@dataclass(frozen=True)
class Leak:
    """Comments of one file whose text is also in another.

    Parameters
    ----------
    file, other : indices of the files
    equal : (E,) rows of ``file`` with an equal text in ``other``
    near : (M,) rows of ``file`` with none, but a nearly equal one
    equal_other, near_other : for each, a row of ``other``
    """

    file: int
    other: int
    equal: Ints
    equal_other: Ints
    near: Ints
    near_other: Ints


def find_copies(texts: Sequence[str]) -> Copies:
    """Find equal and nearly equal texts among (N,) comments."""
    _, first, inverse = np.unique(text_digests(texts), return_index=True, return_inverse=True)
    by_occurrence = np.argsort(first, kind="stable")
    number = np.empty(len(first), dtype=np.int64)
    number[by_occurrence] = np.arange(len(first))
    first_row = first[by_occurrence].astype(np.int64)
    near, similarity = near_pairs([texts[row] for row in first_row])
    return Copies(number[inverse].astype(np.int64), first_row, near, similarity)


def closest_near_copy(copies: Copies) -> tuple[Ints, Ints, npt.NDArray[np.float32]]:
    """Return the texts that have a near copy, the closest of them for each, and its similarity."""
    one = np.concatenate([copies.near, copies.near[:, ::-1]])
    similarity = np.concatenate([copies.similarity, copies.similarity])
    order = np.lexsort([one[:, 1], -similarity, one[:, 0]])
    texts, place = np.unique(one[order, 0], return_index=True)
    chosen = order[place]
    return texts, one[chosen, 1], similarity[chosen]


def near_contradictions(copies: Copies, targets: Targets) -> Bools:
    """Return (P, L): true where a label is positive for one text of a near pair and only negative for the other."""
    num_texts = len(copies.first_row)
    found = np.zeros((len(copies.near), targets.shape[1]), dtype=np.bool_)
    for label, column in enumerate(targets.T):
        positive, negative = np.zeros(num_texts, dtype=np.bool_), np.zeros(num_texts, dtype=np.bool_)
        positive[copies.text_of_row[column >= POSITIVE_FROM]] = True
        negative[copies.text_of_row[column < POSITIVE_FROM]] = True
        # Equal texts that contradict each other are another finding.
        positive, negative = positive & ~negative, negative & ~positive
        one, other = copies.near.T
        found[:, label] = (positive[one] & negative[other]) | (negative[one] & positive[other])
    return found


def find_leaks(copies: Copies, file_of_row: Ints, num_files: int) -> list[Leak]:
    """Return the leaks of every ordered pair of files that has any.

    Parameters
    ----------
    copies : of the comments of all files together
    file_of_row : (N,) from 0 to ``num_files`` - 1
    """
    # A row of each text in each file, -1 where there is none: (files, K).
    row_in = np.full((num_files, len(copies.first_row)), -1, dtype=np.int64)
    rows = np.arange(len(file_of_row))[::-1]
    row_in[file_of_row[rows], copies.text_of_row[rows]] = rows
    leaks = []
    for file in range(num_files):
        mine = np.flatnonzero(file_of_row == file)
        for other in range(num_files):
            if file == other:
                continue
            equal_other = row_in[other, copies.text_of_row[mine]]
            near_other = _near_row(copies, row_in[other])[copies.text_of_row[mine]]
            is_equal, is_near = equal_other >= 0, (equal_other < 0) & (near_other >= 0)
            if is_equal.any() or is_near.any():
                both = (mine[is_equal], equal_other[is_equal], mine[is_near], near_other[is_near])
                leaks.append(Leak(file, other, *both))
    return leaks


def _near_row(copies: Copies, row_of_text: Ints) -> Ints:
    """Return (K,) for each text a row of a near copy among the rows given for each text; -1 for none."""
    found = np.full(len(row_of_text), -1, dtype=np.int64)
    for one, other in (copies.near.T, copies.near.T[::-1]):
        has = row_of_text[other] >= 0
        found[one[has]] = row_of_text[other[has]]
    return found
