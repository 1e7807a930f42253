"""Names of columns as people write them: compared without case, white space around them and invisible characters.

Knows nothing of what a column holds.
"""

import unicodedata
from collections.abc import Collection, Iterable

from civility.errors import UserError
from civility.plain_text import shown

# Invisible, though Unicode counts them among letters, marks and symbols: fillers, joiners, a blank.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_VARIATION_SELECTORS = (("\u180b", "\u180f"), ("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef"))
_SHORTEST_SLIP, _TWO_SLIPS = 4, 8
"""Letters of a name from which one slip, and two slips, leave it recognisable."""


def cleaned(name: str) -> str:
    """Return the name as a person sees it: no invisible characters, no white space around it, single spaces in it."""
    if name.isascii() and name.isprintable():
        return " ".join(name.split())
    return " ".join("".join(character for character in name if not _is_invisible(character)).split())


def folded(name: str) -> str:
    r"""Return the form in which names are compared: cleaned, in Unicode form NFKC, without case.

    ``"\ufeffId "``, ``"ID"`` and ``"\u200bid\u00a0"`` are all ``"id"``.
    """
    compatible = unicodedata.normalize("NFKC", cleaned(name))
    return cleaned(unicodedata.normalize("NFKC", compatible.casefold()))


def _is_invisible(character: str) -> bool:
    if character in _BLANKS or any(low <= character <= high for low, high in _VARIATION_SELECTORS):
        return True
    # Formats (byte order marks, zero-width and direction marks, soft hyphens) and controls that are no white space.
    return unicodedata.category(character) in ("Cf", "Cc") and not character.isspace()


class Headers:
    """The columns of a file, found by names that are equal up to case, white space and invisible characters.

    Parameters
    ----------
    file : its name, for messages
    names : of the columns, as the file writes them
    containers : names, folded, whose parts count as columns too: with ``labels``, the column ``labels.toxic`` is
        found as ``toxic``
    """

    def __init__(self, file: str, names: Iterable[str], containers: Collection[str] = ()) -> None:
        self.file = file
        self.names = tuple(names)
        self._columns: dict[str, list[str]] = {}
        for name in self.names:
            form = folded(name)
            container, _, part = form.partition(".")
            for key in {form, part if container in containers else form} - {""}:
                self._columns.setdefault(key, []).append(name)

    def find(self, wanted: str) -> str:
        """Return the column of this name as the file writes it; empty if there is none.

        Raises
        ------
        UserError : several columns have the name. That one is written exactly as asked is no excuse: the other is
            as likely to be the one that is meant.
        """
        found = self._columns.get(folded(wanted), [])
        if len(found) > 1:
            columns = f"{self.file}: the columns {' and '.join(map(shown, found))}"
            same = "have the same name up to case, white space and invisible characters"
            hold = f"{'both' if len(found) == 2 else 'all'} hold {shown(cleaned(wanted))}"
            raise UserError(
                "data.todo",
                f"{columns} {same if len(set(map(folded, found))) == 1 else hold}",
                remedy=f"rename or remove all but the one that holds '{cleaned(wanted)}'",
            )
        return found[0] if found else ""

    def near(self, wanted: str, taken: Collection[str] = ()) -> str:
        """Return the column whose name differs from this one by a slip; empty if there is none.

        Parameters
        ----------
        taken : columns that hold something else
        """
        form = folded(wanted)
        allowed = 0 if len(form) < _SHORTEST_SLIP else 1 if len(form) < _TWO_SLIPS else 2
        others = [other for other, names in self._columns.items() if other != form and not set(names) <= set(taken)]
        distances = {other: _distance(form, other) for other in others if abs(len(other) - len(form)) <= allowed}
        nearest = min(distances, key=distances.__getitem__, default="")
        return self._columns[nearest][0] if distances.get(nearest, allowed + 1) <= allowed else ""


def _distance(one: str, other: str) -> int:
    """Return how many slips apart two names are: a letter too many, too few, another, or two that are swapped."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, found in enumerate(other, 1):
            best = min(row[j - 1] + 1, before[j] + 1, before[j - 1] + (letter != found))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], found):
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]
