"""The linear kind: logistic regression over TF-IDF of words and characters. No torch, no scikit-learn.

The features equal those of scikit-learn's `TfidfVectorizer` (sublinear term frequency, L2 norm).
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from civility.arrays import Floats, Logits
from civility.documents.classifier_file import (
    LINEAR_FILE,
    LONGEST_TERM,
    TERM_KINDS,
    Kind,
    LinearFile,
    TermKind,
    TermList,
)
from civility.errors import UserError
from civility.scoring.kinds import OnScored

WEIGHTS_FILE = "linear.safetensors"
_WORD = re.compile(r"(?u)\b\w\w+\b")
_COMMENTS_AT_ONCE, _CHARACTERS_AT_ONCE = 256, 1_000_000
"""Per batch: fewer long comments, so that progress is reported often enough."""
_LARGEST_IDF = 100  # far beyond any use: ``idf`` is at most ``1 + ln N``


@dataclass(frozen=True, eq=False)
class Terms:
    """The terms of one kind that the model knows, and how rare each is.

    Raises
    ------
    ValueError : the lengths differ, a number is out of range, or a term occurs twice
    """

    # words in a row, from 1; or characters in a row, from 2, within words padded with a space on either side
    form: TermKind
    longest: int  # words or characters in a row, at most
    names: tuple[str, ...]  # (F,)
    idf: Floats  # (F,) inverse document frequency, ``ln((1 + N) / (1 + n)) + 1``

    def __post_init__(self) -> None:
        if self.form not in TERM_KINDS or self.idf.shape != (len(self.names),):
            raise ValueError(f"{len(self.names)} {self.form} terms with idf of shape {self.idf.shape}")
        if not 1 <= self.longest <= LONGEST_TERM:
            raise ValueError(f"{self.form} terms of up to {self.longest} in a row, expected 1 to {LONGEST_TERM}")
        if not ((self.idf > 0) & (self.idf <= _LARGEST_IDF)).all():  # also False for NaN
            raise ValueError(f"an idf of {self.form} terms is not in (0, {_LARGEST_IDF}]")
        if len(self.positions) != len(self.names):
            raise ValueError(f"a {self.form} term occurs twice")

    @cached_property
    def positions(self) -> dict[str, int]:
        """The position of each term in `names`."""
        return {name: position for position, name in enumerate(self.names)}

    def counted(self, text: str) -> dict[str, int]:
        """Return how often each known term occurs in a text, in the order of their first occurrence."""
        is_known = self.positions.__contains__
        if self.form == "word":
            return Counter(filter(is_known, words(text, self.longest)))
        counts: dict[str, int] = {}
        count_so_far = counts.get
        # Each distinct word once: long comments repeat most of their words.
        for word, occurrences in Counter(text.lower().split()).items():
            for term in filter(is_known, _character_ngrams(word, self.longest)):
                counts[term] = count_so_far(term, 0) + occurrences
        return counts


def words(text: str, longest: int) -> Iterator[str]:
    """Yield the words of two or more characters in lower case, and word n-grams joined by spaces."""
    found = _WORD.findall(text.lower())
    for length in range(1, longest + 1):
        for start in range(len(found) - length + 1):
            yield " ".join(found[start : start + length])


def characters(text: str, longest: int) -> Iterator[str]:
    """Yield the character n-grams, from 2 characters, of each word padded with spaces; a shorter word once."""
    for word in text.lower().split():
        yield from _character_ngrams(word, longest)


def _character_ngrams(word: str, longest: int) -> Iterator[str]:
    padded = f" {word} "
    for length in range(2, longest + 1):
        last = max(0, len(padded) - length)
        for start in range(last + 1):
            yield padded[start : start + length]
        if not last:
            break


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A linear layer over TF-IDF, which scores whole comments; give it to `Classifier`.

    Parameters
    ----------
    labels : (L,) in the order of the logits
    terms : word terms and character terms; F in total
    weights : (F, L)
    bias : (L,)

    Raises
    ------
    ValueError : the shapes do not match, or a number is not finite
    """

    labels: tuple[str, ...]
    terms: tuple[Terms, ...]
    weights: Floats
    bias: Floats

    kind: ClassVar[Kind] = "linear"
    max_length: ClassVar[int] = 0

    def __post_init__(self) -> None:
        num_terms = sum(len(one.names) for one in self.terms)
        if self.weights.shape != (num_terms, len(self.labels)) or self.bias.shape != (len(self.labels),):
            raise ValueError(f"weights {self.weights.shape} and bias {self.bias.shape} for {num_terms} terms")
        if not np.isfinite(self.weights).all() or not np.isfinite(self.bias).all():
            raise ValueError("a weight is not finite")

    def logits(self, texts: Sequence[str], tokens_per_batch: int = 0, on_scored: OnScored | None = None) -> Logits:
        """Return the logits, (N, L), as `Scorer.logits`; a text without a known term gets the bias alone."""
        logits = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        starts = list(itertools.accumulate((len(one.names) for one in self.terms), initial=0))
        done = 0
        while done < len(texts):
            batch = _next_batch(texts, done)
            total = np.tile(self.bias, (len(batch), 1))
            for terms, start in zip(self.terms, starts, strict=False):
                total += self._contribution(terms, start, batch)
            with np.errstate(over="ignore"):  # the classifier refuses infinity
                logits[done : done + len(batch)] = total
            done += len(batch)
            if on_scored is not None:
                on_scored(len(batch))
        return logits

    def _contribution(self, terms: Terms, start: int, texts: Sequence[str]) -> Floats:
        """Return what the terms of one kind, whose weights begin at ``start``, add to the logits, (N, L)."""
        counts = [terms.counted(text) for text in texts]
        lengths = np.array([len(count) for count in counts], dtype=np.int64)
        added = np.zeros((len(texts), len(self.labels)))
        if not lengths.any():
            return added
        positions = np.fromiter((terms.positions[term] for count in counts for term in count), np.int64, lengths.sum())
        occurrences = np.fromiter((number for count in counts for number in count.values()), float, lengths.sum())
        values = (1 + np.log(occurrences)) * terms.idf[positions]
        has_terms = lengths > 0
        firsts = np.cumsum(lengths)[has_terms] - lengths[has_terms]
        norms = np.sqrt(np.add.reduceat(values**2, firsts))
        with np.errstate(over="ignore", invalid="ignore"):  # the classifier refuses what is not finite
            sums = np.add.reduceat(values[:, None] * self.weights[start + positions], firsts, axis=0)
            added[has_terms] = sums / norms[:, None]
        return added

    def fold_affine(self, scale: Floats, shift: Floats) -> bool:
        """Return False: the calibration stays in ``civility.json``, since no other program scores this folder."""
        return False

    def save(self, folder: Path) -> None:
        """Write ``linear.json`` (labels and terms) and ``linear.safetensors`` (numbers) into an existing folder."""
        from safetensors.numpy import save_file

        terms = tuple(TermList(form=one.form, longest=one.longest, names=one.names) for one in self.terms)
        (folder / LINEAR_FILE).write_text(LinearFile(labels=self.labels, terms=terms).to_json(), encoding="ascii")
        tensors = {"weights": self.weights, "bias": self.bias}
        tensors |= {f"idf.{position}": one.idf for position, one in enumerate(self.terms)}
        save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, folder / WEIGHTS_FILE)

    @classmethod
    def load(cls, folder: str | Path, max_length: int = 0) -> "LinearModel":
        """Read what `save` wrote; comments are never truncated, whatever ``max_length`` is.

        Raises
        ------
        UserError : a file is missing or damaged
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        file = LinearFile.read(Path(folder) / LINEAR_FILE)
        path = Path(folder) / WEIGHTS_FILE
        try:
            if not path.is_file():  # opening a pipe would wait for a writer
                raise ValueError("no such file")
            tensors = load_file(path)
            terms = tuple(
                Terms(one.form, one.longest, one.names, _tensor(f"idf.{position}", tensors))
                for position, one in enumerate(file.terms)
            )
            return cls(file.labels, terms, _tensor("weights", tensors), _tensor("bias", tensors))
        except (OSError, ValueError, SafetensorError) as error:
            found = f"damaged, or does not match {LINEAR_FILE}: {error}"
            raise UserError("scoring.damaged", found, where=path, remedy=LinearFile.REMEDY) from error


def _next_batch(texts: Sequence[str], start: int) -> Sequence[str]:
    """Return the texts from ``start`` that are scored together, at least one."""
    size, end = 0, start
    while end < min(len(texts), start + _COMMENTS_AT_ONCE) and (end == start or size < _CHARACTERS_AT_ONCE):
        size += len(texts[end])
        end += 1
    return texts[start:end]


def _tensor(name: str, tensors: Mapping[str, npt.NDArray[Any]]) -> Floats:
    if name not in tensors:
        raise ValueError(f"{name!r} is missing")
    if tensors[name].dtype.kind != "f":
        raise ValueError(f"{name} has numbers of type {tensors[name].dtype}, expected floating-point numbers")
    return tensors[name].astype(np.float64)
