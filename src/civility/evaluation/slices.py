"""Slices: numbers of parts of the comments, by length, script, capitals, links, or any column of the file."""

import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from civility.audit.counts import script_of
from civility.documents.behaviour_report import FEWEST_OF_SLICE, Slice, SliceLabel
from civility.evaluation.label_measures import proportion
from civility.evaluation.scored_comments import Scored
from civility.metrics.ranking import roc_auc
from civility.metrics.threshold_search import Counts

_MOST_SLICES = 30
"""Slices of one kind; rarer values are merged into one."""
REST = "other"
_UNKNOWN = "(empty)"
_LINK_MARKS = ("http://", "https://", "www.")
_UPPER, _LOWER = string.ascii_uppercase.encode(), string.ascii_lowercase.encode()
_LENGTHS = ((10, "up to 10 words"), (30, "11 to 30 words"), (100, "31 to 100 words"), (300, "101 to 300 words"))
_LONGEST = "over 300 words"


def _length(text: str) -> str:
    words = len(text.split())
    return next((name for most, name in _LENGTHS if words <= most), _LONGEST)


def _capitals(text: str) -> str:
    upper, cased = _cases(text)
    if not cased:
        return "no cased letters"
    share = upper / cased
    return "over half capitals" if share > 0.5 else "10 % to half capitals" if share > 0.1 else "up to 10 % capitals"


def _cases(text: str) -> tuple[int, int]:
    """Return the numbers of capitals and of cased letters. ASCII has a fast path."""
    if text.isascii():
        data = text.encode()
        upper = len(data) - len(data.translate(None, _UPPER))
        return upper, upper + len(data) - len(data.translate(None, _LOWER))
    times_of = Counter(text).items()
    upper = sum(times for character, times in times_of if character.isupper())
    return upper, upper + sum(times for character, times in times_of if character.islower())


def _links(text: str) -> str:
    folded = text.casefold()  # much faster than a pattern that ignores case
    return "with a link" if any(mark in folded for mark in _LINK_MARKS) else "without a link"


def _named(cell: str) -> str:
    """Return a cell as the name of a slice, without lone surrogates, which JSON cannot hold."""
    return cell.encode("utf-8", "replace").decode().strip() or _UNKNOWN


_OF_TEXT: Mapping[str, Callable[[str], str]] = {
    "length": _length,
    "script": script_of,
    "capitals": _capitals,
    "links": _links,
}
_ORDER = (*(name for _, name in _LENGTHS), _LONGEST)


def slices_of(scored: Scored, columns: Mapping[str, Sequence[str]]) -> dict[str, tuple[Slice, ...]]:
    """Return the slices of each kind, the largest first; of length, the shortest first.

    Parameters
    ----------
    scored : N comments
    columns : by name: the (N,) cells of a column of the file
    """
    kinds = {name: [of_text(text) for text in scored.dataset.texts] for name, of_text in _OF_TEXT.items()}
    for name, cells in columns.items():
        kinds[name if name not in kinds else f"column {name}"] = [_named(cell) for cell in cells]
    return {name: _slices(scored, values) for name, values in kinds.items()}


def _slices(scored: Scored, values: Sequence[str]) -> tuple[Slice, ...]:
    rows_of: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        rows_of.setdefault(value, []).append(row)
    names = sorted(rows_of, key=lambda name: (_rank(name), -len(rows_of[name]), name))
    shown, rest = names[:_MOST_SLICES], names[_MOST_SLICES:]
    slices = [_slice(scored, rows_of[name], name) for name in shown]
    if rest:
        rows = sorted(row for name in rest for row in rows_of[name])
        slices.append(_slice(scored, rows, f"{REST} ({len(rest):,} values)"))
    return tuple(slices)


def _rank(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _slice(scored: Scored, rows: Sequence[int], name: str) -> Slice:
    index = np.array(rows, dtype=np.int64)
    labels = {label: _slice_label(scored, column, index) for column, label in enumerate(scored.dataset.labels)}
    few = tuple(label for label, numbers in labels.items() if numbers.num_positive < FEWEST_OF_SLICE)
    return Slice(name=name, num_comments=len(rows), labels=labels, too_few=few)


def _slice_label(scored: Scored, column: int, rows: npt.NDArray[np.int64]) -> SliceLabel:
    targets = scored.dataset.targets[rows, column]
    counts = Counts.of(targets, scored.flagged[rows, column])
    return SliceLabel(
        num_positive=counts.num_positive,
        num_negative=counts.num_negative,
        roc_auc=roc_auc(targets, scored.scores[rows, column]),
        precision=proportion(counts.true_positives, counts.flagged),
        recall=proportion(counts.true_positives, counts.num_positive),
    )
