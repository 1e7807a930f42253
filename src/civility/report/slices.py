"""Slices: the numbers of some of the comments, by length, script, capitals, links, or any column of the file.

Arrays and texts only.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from civility.data.dataset import POSITIVE_FROM
from civility.inspection.scripts import script_of
from civility.metrics.ranking import roc_auc
from civility.report.document import Slice, SliceLabel
from civility.report.measure import proportion
from civility.report.scored import Scored

FEWEST_POSITIVES = 30
"""Of a label in a slice: below, its numbers are said to be uncertain."""
_MOST_SLICES = 30
"""Of one kind; what is rarer goes together."""
REST = "other"
_UNKNOWN = "(empty)"
_LINK = re.compile(r"https?://|www\.", re.IGNORECASE)
_LENGTHS = ((10, "up to 10 words"), (30, "11 to 30 words"), (100, "31 to 100 words"), (300, "101 to 300 words"))
_LONGEST = "over 300 words"


def _length(text: str) -> str:
    words = len(text.split())
    return next((name for most, name in _LENGTHS if words <= most), _LONGEST)


def _capitals(text: str) -> str:
    upper = sum(character.isupper() for character in text)
    cased = upper + sum(character.islower() for character in text)
    if not cased:
        return "no cased letters"
    share = upper / cased
    return "over half capitals" if share > 0.5 else "10 % to half capitals" if share > 0.1 else "up to 10 % capitals"


def _links(text: str) -> str:
    return "with a link" if _LINK.search(text) else "without a link"


def _named(cell: str) -> str:
    """Return a cell as the name of a slice, which JSON can hold: no lone surrogates."""
    return cell.encode("utf-8", "replace").decode().strip() or _UNKNOWN


_OF_TEXT: Mapping[str, Callable[[str], str]] = {
    "length": _length,
    "script": script_of,
    "capitals": _capitals,
    "links": _links,
}
_ORDER = (*(name for _, name in _LENGTHS), _LONGEST)


def slices_of(scored: Scored, columns: Mapping[str, Sequence[str]]) -> dict[str, tuple[Slice, ...]]:
    """Return the slices of each kind, the largest first (of length: the shortest first).

    Parameters
    ----------
    scored : N comments
    columns : by the name of a column of the file, its (N,) cells
    """
    kinds = {name: [of_text(text) for text in scored.dataset.texts] for name, of_text in _OF_TEXT.items()}
    for name, cells in columns.items():
        kinds[name if name not in kinds else f"column {name}"] = [_named(cell) for cell in cells]
    return {name: _slices(scored, values) for name, values in kinds.items()}


def _slices(scored: Scored, values: Sequence[str]) -> tuple[Slice, ...]:
    found, place, counts = np.unique(np.array(values, dtype=object), return_inverse=True, return_counts=True)
    names: list[str] = found.tolist()
    order = sorted(range(len(names)), key=lambda i: (_rank(names[i]), -counts[i], names[i]))
    shown, rest = order[:_MOST_SLICES], order[_MOST_SLICES:]
    slices = [_slice(scored.select(np.flatnonzero(place == i)), names[i]) for i in shown]
    if rest:
        slices.append(_slice(scored.select(np.flatnonzero(np.isin(place, rest))), f"{REST} ({len(rest):,} values)"))
    return tuple(slices)


def _rank(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _slice(part: Scored, name: str) -> Slice:
    labels = {label: _slice_label(part, column) for column, label in enumerate(part.dataset.labels)}
    few = [label for label, numbers in labels.items() if numbers.num_positive < FEWEST_POSITIVES]
    note = ""
    if few:
        which = "every label" if len(few) == len(labels) else ", ".join(few)
        note = f"fewer than {FEWEST_POSITIVES} positives of {which}: too few to tell"
    return Slice(name=name, num_comments=len(part.dataset), labels=labels, note=note)


def _slice_label(part: Scored, column: int) -> SliceLabel:
    targets, flagged = part.dataset.targets[:, column], part.flagged[:, column]
    positive, negative = targets >= POSITIVE_FROM, targets < POSITIVE_FROM
    num_right = int((positive & flagged).sum())
    return SliceLabel(
        num_positive=int(positive.sum()),
        num_negative=int(negative.sum()),
        roc_auc=roc_auc(targets, part.scores[:, column]),
        precision=proportion(num_right, int(((positive | negative) & flagged).sum())),
        recall=proportion(num_right, int(positive.sum())),
    )
