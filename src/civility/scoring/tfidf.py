"""TF-IDF of words and characters, and a linear model over it: texts to logits in numpy. No torch, no scikit-learn.

Its numbers are those of scikit-learn's `TfidfVectorizer` (sublinear, L2) and a linear layer. Knows no training.
"""

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from civility.arrays import Float32s, Floats
from civility.errors import UserError
from civility.storage.parsing import entry, read_json, text_list, whole_number

Form = Literal["word", "character"]
FORMS: tuple[Form, ...] = ("word", "character")
"""In the order of the weights."""
TERMS_FILE, WEIGHTS_FILE = "linear.json", "linear.safetensors"
SCHEMA = 1
_REMEDY = "copy the classifier folder again, or train it again"
_WORD = re.compile(r"(?u)\b\w\w+\b")
_COMMENTS_AT_ONCE, _CHARACTERS_AT_ONCE = 256, 1_000_000
"""Of large comments fewer, so that somebody who waits hears of each."""
_LONGEST, _LARGEST_IDF = 100, 100
"""Far beyond any use: ``idf`` is ``1 + ln N`` at most."""


@dataclass(frozen=True, eq=False)
class Terms:
    """The terms of one form that count, and how rare each is.

    Parameters
    ----------
    form : words in a row from 1 up; or characters in a row from 2 up, inside words padded with a space on either side
    longest : words or characters in a row at most
    names : (F,)
    idf : (F,) inverse document frequency, ``ln((1 + N) / (1 + n)) + 1``

    Raises
    ------
    ValueError : the lengths differ, a number is out of its range, or a term stands twice
    """

    form: Form
    longest: int
    names: tuple[str, ...]
    idf: Floats

    def __post_init__(self) -> None:
        if self.form not in FORMS or self.idf.shape != (len(self.names),):
            raise ValueError(f"{self.form} terms: {len(self.names)} names, idf {self.idf.shape}")
        if not 1 <= self.longest <= _LONGEST:
            raise ValueError(f"{self.form} terms of up to {self.longest} in a row, expected 1 to {_LONGEST}")
        if not ((self.idf > 0) & (self.idf <= _LARGEST_IDF)).all():  # False of NaN, too
            raise ValueError(f"an idf of {self.form} terms is not in (0, {_LARGEST_IDF}]")
        if len(self.places) != len(self.names):
            raise ValueError(f"a {self.form} term stands twice")

    @cached_property
    def places(self) -> dict[str, int]:
        """Where each term stands."""
        return {name: place for place, name in enumerate(self.names)}

    def counted(self, text: str) -> dict[str, int]:
        """Return how often each known term is in a text, in the order in which they first occur."""
        is_known = self.places.__contains__
        if self.form == "word":
            return Counter(filter(is_known, words(text, self.longest)))
        counts: dict[str, int] = {}
        often_before = counts.get
        # Each word once: long comments repeat most of theirs.
        for word, often in Counter(text.lower().split()).items():
            for term in filter(is_known, _inside(word, self.longest)):
                counts[term] = often_before(term, 0) + often
        return counts


def words(text: str, longest: int) -> Iterator[str]:
    """Yield words of two characters or more, in lower case, and rows of them joined by a space."""
    found = _WORD.findall(text.lower())
    for length in range(1, longest + 1):
        for start in range(len(found) - length + 1):
            yield " ".join(found[start : start + length])


def characters(text: str, longest: int) -> Iterator[str]:
    """Yield rows of 2 to so many characters of each word, padded with spaces; a word shorter than a row once."""
    for word in text.lower().split():
        yield from _inside(word, longest)


def _inside(word: str, longest: int) -> Iterator[str]:
    padded = f" {word} "
    for length in range(2, longest + 1):
        last = max(0, len(padded) - length)
        for start in range(last + 1):
            yield padded[start : start + length]
        if not last:
            break


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A linear layer over TF-IDF.

    Parameters
    ----------
    labels : (L,) in the order of the logits
    terms : of words, and of characters; F in all
    weights : (F, L)
    bias : (L,)

    Raises
    ------
    ValueError : the shapes do not go together, or a number is not finite
    """

    labels: tuple[str, ...]
    terms: tuple[Terms, ...]
    weights: Floats
    bias: Floats
    _starts: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        ends = tuple(itertools.accumulate((len(one.names) for one in self.terms), initial=0))
        object.__setattr__(self, "_starts", ends[:-1])
        if self.weights.shape != (ends[-1], len(self.labels)) or self.bias.shape != (len(self.labels),):
            raise ValueError(f"weights {self.weights.shape} and bias {self.bias.shape} for {ends[-1]} terms")
        if not all(np.isfinite(part).all() for part in (self.weights, self.bias, *(one.idf for one in self.terms))):
            raise ValueError("a weight is not finite")

    def logits(self, texts: Sequence[str], on_scored: Callable[[int], None] | None = None) -> Float32s:
        """Return the logits of texts, float32 (N, L), in the order given.

        Parameters
        ----------
        texts : (N,) of any length; a text without a known term has the bias alone
        on_scored : told after each batch with the number of texts in it
        """
        logits = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        start = 0
        while start < len(texts):
            some = _next_batch(texts, start)
            total = np.tile(self.bias, (len(some), 1))
            for terms, first in zip(self.terms, self._starts, strict=True):
                total += self._share(terms, first, some)
            with np.errstate(over="ignore"):  # to infinity, which the classifier refuses
                logits[start : start + len(some)] = total
            start += len(some)
            if on_scored is not None:
                on_scored(len(some))
        return logits

    def _share(self, terms: Terms, first: int, texts: Sequence[str]) -> Floats:
        """Return what one form of terms adds to the logits, (N, L)."""
        counts = [terms.counted(text) for text in texts]
        lengths = np.array([len(count) for count in counts], dtype=np.int64)
        share = np.zeros((len(texts), len(self.labels)))
        if not lengths.any():
            return share
        places = np.fromiter((terms.places[term] for count in counts for term in count), np.int64, lengths.sum())
        often = np.fromiter((number for count in counts for number in count.values()), np.float64, lengths.sum())
        values = (1 + np.log(often)) * terms.idf[places]
        has_some = lengths > 0
        starts = np.cumsum(lengths)[has_some] - lengths[has_some]
        norms = np.sqrt(np.add.reduceat(values**2, starts))
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused by the classifier
            sums = np.add.reduceat(values[:, None] * self.weights[first + places], starts, axis=0)
            share[has_some] = sums / norms[:, None]
        return share

    def save(self, folder: Path) -> None:
        """Write ``linear.json`` (labels and terms) and ``linear.safetensors`` (numbers) into an existing folder."""
        from safetensors.numpy import save_file

        content = {
            "schema": SCHEMA,
            "labels": list(self.labels),
            "terms": [{"form": one.form, "longest": one.longest, "names": list(one.names)} for one in self.terms],
        }
        # Not UTF-8: a term may be half of a pair of surrogates.
        (folder / TERMS_FILE).write_text(json.dumps(content, ensure_ascii=True) + "\n", encoding="ascii")
        tensors = {"weights": self.weights, "bias": self.bias}
        tensors |= {f"idf.{place}": one.idf for place, one in enumerate(self.terms)}
        save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, folder / WEIGHTS_FILE)

    @classmethod
    def load(cls, folder: Path) -> "LinearModel":
        """Read what `save` wrote.

        Raises
        ------
        UserError : something is missing or damaged
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        content = read_json(folder / TERMS_FILE, _REMEDY)
        try:
            schema = whole_number(content.get("schema"), "schema", 1, 10**6)
            if schema != SCHEMA:
                raise UserError(
                    "scoring.todo",
                    f"schema {schema}, this version reads {SCHEMA}",
                    where=f"{folder / TERMS_FILE}",
                    remedy="upgrade civility",
                )
            if not (folder / WEIGHTS_FILE).is_file():  # opening a pipe would wait for somebody to write into it
                raise UserError("scoring.todo", f"damaged: no file {WEIGHTS_FILE}", where=folder, remedy=_REMEDY)
            return cls._of(content, load_file(folder / WEIGHTS_FILE))
        except (OSError, ValueError, SafetensorError) as error:
            raise UserError(
                "scoring.todo",
                f"damaged: {TERMS_FILE} and {WEIGHTS_FILE} cannot be read: {error}",
                where=folder,
                remedy=_REMEDY,
            ) from error

    @classmethod
    def _of(cls, content: dict[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> "LinearModel":
        terms = []
        for place, one in enumerate(entry(content, "terms", list)):
            form: Any = entry(one, "form", str)
            longest = whole_number(one.get("longest"), "longest", 1, _LONGEST)
            terms.append(Terms(form, longest, text_list(one, "names"), _floats(f"idf.{place}", tensors)))
        return cls(text_list(content, "labels"), tuple(terms), _floats("weights", tensors), _floats("bias", tensors))


def _next_batch(texts: Sequence[str], start: int) -> Sequence[str]:
    """Return the texts from ``start`` on that are scored together, at least one."""
    size, end = 0, start
    while end < min(len(texts), start + _COMMENTS_AT_ONCE) and (end == start or size < _CHARACTERS_AT_ONCE):
        size += len(texts[end])
        end += 1
    return texts[start:end]


def _floats(name: str, tensors: dict[str, npt.NDArray[Any]]) -> Floats:
    if name not in tensors:
        raise ValueError(f"{name!r} is missing")
    values = tensors[name]
    if values.dtype.kind != "f":
        raise ValueError(f"{name} has numbers of the type {values.dtype}, expected floating-point ones")
    return values.astype(np.float64)
