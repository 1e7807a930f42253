"""Copies: equal and nearly equal comments, contradictions among them, and leaks from file to file.

MinHash (Broder 1997) finds candidates without comparing everything with everything: two texts share a minimum
with the probability of their Jaccard similarity. Minima are gathered into bands, and two texts that agree in
any whole band are candidates (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, section 3.4). Every
candidate is then compared exactly, so that no pair returned is a guess. Missed are 1.5 % of the pairs at a similarity
of 0.8, 0.02 % at 0.9, and pairs within large groups of like texts, each of which still has some of its pairs.
"""

import itertools
import re
import string
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civility.arrays import Bools, Hashes, Ints, Targets
from civility.data.dataset import normalised, sides, text_digests


@dataclass(frozen=True, eq=False)
class Copies:
    """Which comments are copies of which. Different texts (K) are numbered in the order they first occur."""

    text_of_row: Ints  # (N,) the text of each comment, the same for equal ones after normalisation
    first_row: Ints  # (K,) where each text first occurs
    near: Ints  # (P, 2) pairs of nearly equal texts, the smaller number first
    similarity: npt.NDArray[np.float32]  # (P,) of each pair, from 0.8 to 1

    @property
    def repeats(self) -> Ints:
        """Rows whose text stood in an earlier row."""
        is_first = np.zeros(len(self.text_of_row), dtype=np.bool_)
        is_first[self.first_row] = True
        return np.flatnonzero(~is_first)


@dataclass(frozen=True)
class Leak:
    """Comments of one file whose text is also in another."""

    file: int  # index of the file
    other: int
    equal: Ints  # (E,) rows of ``file`` with an equal text in ``other``
    equal_other: Ints  # for each, a row of ``other``
    near: Ints  # (M,) rows of ``file`` with none, but a nearly equal one
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
    positive, negative = sides(copies.text_of_row, targets)
    # Equal texts that contradict each other are another finding.
    positive, negative = positive & ~negative, negative & ~positive
    one, other = copies.near.T
    found: Bools = (positive[one] & negative[other]) | (negative[one] & positive[other])
    return found


def find_leaks(copies: Copies, file_of_row: Ints, num_files: int) -> list[Leak]:
    """Return the leaks of every ordered pair of files that has any; ``file_of_row``, (N,), is below ``num_files``."""
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


SIMILAR_FROM = 0.8
_BANDS, _ROWS_OF_BAND = 8, 4
_TEXTS_AT_ONCE = 1_024  # their words fit in the CPU cache
# In a group of similar texts each is compared with the first and with this many before it, so that the cost of large
# groups (a template, spam) stays linear.
_NEIGHBOURS = 12
_APART = (string.punctuation + "\x1c\x1d\x1e\x1f").encode()
_FOLD_ASCII = bytes.maketrans(
    string.ascii_uppercase.encode() + _APART, string.ascii_lowercase.encode() + b" " * len(_APART)
)
# Scripts that write no spaces: each character stands for a word.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def words_of(text: str) -> list[bytes]:
    """Return the words of a text, without case and ASCII punctuation, as UTF-8."""
    if not text.isascii():
        text = _UNSPACED.sub(r" \g<0> ", normalised(text))
    return text.encode("utf-8", "surrogatepass").translate(_FOLD_ASCII).split()


def similarity(first: Sequence[bytes], second: Sequence[bytes]) -> float:
    """Return the Jaccard similarity of two texts' pairs of neighbouring words, in [0, 1]; 0 without words."""
    one, other = _word_pairs(first), _word_pairs(second)
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0


def _word_pairs(words: Sequence[bytes]) -> set[tuple[bytes, bytes]]:
    # The first word is paired with nothing, so that a text of one word has a pair too.
    return set(zip((b"", *words), words, strict=False))


def near_pairs(texts: Sequence[str]) -> tuple[Ints, npt.NDArray[np.float32]]:
    """Return the pairs of texts that are nearly equal, and their similarities. Equal texts are found too.

    The rows of pairs are (P, 2), the smaller first, ascending; similarities are (P,) from 0.8 to 1.
    """
    candidates = _candidates(_band_keys(texts))
    kept: list[tuple[int, int]] = []
    similarities: list[float] = []
    last, words_of_last = -1, [b""]
    for first, second in candidates.tolist():
        if first != last:
            last, words_of_last = first, words_of(texts[first])
        value = similarity(words_of_last, words_of(texts[second]))
        if value >= SIMILAR_FROM:
            kept.append((first, second))
            similarities.append(value)
    return np.array(kept, dtype=np.int64).reshape(-1, 2), np.array(similarities, dtype=np.float32)


def _mixed(values: Hashes) -> Hashes:
    """Return the values with their bits well mixed (the finaliser of splitmix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _band_keys(texts: Sequence[str]) -> Hashes:
    """Return (N, bands) keys: equal where the minima of a band are; those of a text without words are unique."""
    # Each order of the shingles is a linear permutation of 32 bits; CPUs multiply many of them at once.
    seeds = _mixed(np.arange(1, 2 * _BANDS * _ROWS_OF_BAND + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    multipliers, offsets = (seeds[::2] | np.uint64(1)).astype(np.uint32), seeds[1::2].astype(np.uint32)
    keys = np.empty((len(texts), _BANDS), dtype=np.uint64)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        block = keys[start : start + _TEXTS_AT_ONCE]
        words = [words_of(text) for text in texts[start : start + _TEXTS_AT_ONCE]]
        counts = np.array([len(one) for one in words], dtype=np.int64)
        block[:] = _mixed(np.arange(start, start + len(block), dtype=np.uint64))[:, np.newaxis]
        some = counts > 0
        if not some.any():
            continue
        hashes = np.fromiter(map(zlib.crc32, itertools.chain.from_iterable(words)), np.uint64, int(counts.sum()))
        starts = (np.cumsum(counts) - counts)[some]
        before = np.concatenate([[np.uint64(0)], hashes[:-1]])
        before[starts] = 0
        shingles = _mixed((before << np.uint64(32)) | hashes).astype(np.uint32)
        for band in range(_BANDS):
            key = np.zeros(int(some.sum()), dtype=np.uint64)
            for row in range(band * _ROWS_OF_BAND, (band + 1) * _ROWS_OF_BAND):
                ranks = shingles * multipliers[row] + offsets[row]
                key = _mixed(key ^ np.minimum.reduceat(ranks, starts).astype(np.uint64))
            block[some, band] = key
    return keys


def _candidates(keys: Hashes) -> Ints:
    """Return (C, 2) pairs of rows, ascending and unique, that have a key of some band in common."""
    num = len(keys)
    codes = [np.zeros(0, dtype=np.int64)]
    for band in keys.T:
        codes.append(np.unique(np.concatenate([first * num + second for first, second in _pairs_of_band(band)])))
    return np.stack(np.divmod(np.unique(np.concatenate(codes)), max(num, 1)), axis=1)


def _pairs_of_band(keys: Hashes) -> Iterator[tuple[Ints, Ints]]:
    """Yield pairs of rows of equal key, the smaller first: each with its group's first and with its neighbours."""
    order = np.argsort(keys, kind="stable")
    in_order = keys[order]
    is_first = np.ones(len(keys), dtype=np.bool_)
    is_first[1:] = in_order[1:] != in_order[:-1]
    leader = np.maximum.accumulate(np.where(is_first, np.arange(len(keys)), 0))
    others = np.flatnonzero(~is_first)
    yield order[leader[others]], order[others]
    for distance in range(1, _NEIGHBOURS + 1):
        same = np.flatnonzero(in_order[distance:] == in_order[:-distance])
        yield order[same], order[same + distance]
