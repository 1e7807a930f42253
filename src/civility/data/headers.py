"""Column names, compared without case, surrounding white space and invisible characters."""

import unicodedata
from collections.abc import Collection, Iterable

from civility.errors import UserError
from civility.plain_text import shown

# Invisible, although Unicode classes them as letters, marks and symbols: fillers, joiners, a blank.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_VARIATION_SELECTORS = (("\u180b", "\u180f"), ("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef"))
_SHORTEST_TYPO, _TWO_TYPOS = 4, 8
"""Length in characters from which a name is still recognisable with one typo, and with two."""


def cleaned(name: str) -> str:
    """Return a name as a person sees it: without invisible characters, and with single spaces."""
    if name.isascii() and name.isprintable():
        return " ".join(name.split())
    return " ".join("".join(character for character in name if not _is_invisible(character)).split())


def folded(name: str) -> str:
    r"""Return the form in which names are compared: cleaned, in Unicode form NFKC, without case.

    ``"\ufeffId "``, ``"ID"`` and ``"\u200bid\u00a0"`` all become ``"id"``.
    """
    compatible = unicodedata.normalize("NFKC", cleaned(name))
    return cleaned(unicodedata.normalize("NFKC", compatible.casefold()))


def _is_invisible(character: str) -> bool:
    if character in _BLANKS or any(low <= character <= high for low, high in _VARIATION_SELECTORS):
        return True
    # Format characters (byte order marks, zero-width and direction marks, soft hyphens), and controls except spaces.
    return unicodedata.category(character) in ("Cf", "Cc") and not character.isspace()


class Headers:
    """The columns of a file, found by name as `folded` compares names.

    Parameters
    ----------
    file : its name, for messages
    names : the columns as the file writes them
    containers : folded names of columns whose parts are columns too: with ``labels``, the column ``labels.toxic`` is
        also found as ``toxic``
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
        """Return the column of this name as the file writes it, or an empty string.

        Raises
        ------
        UserError : several columns have this name, even if one of them is written exactly so: the user may mean
            either
        """
        found = self._columns.get(folded(wanted), [])
        if len(found) > 1:
            same = "have the same name up to case, white space and invisible characters"
            hold = f"{'both' if len(found) == 2 else 'all'} hold {shown(cleaned(wanted))}"
            raise UserError(
                "data.ambiguous-column",
                f"the columns {' and '.join(map(shown, found))} {same if len(set(map(folded, found))) == 1 else hold}",
                where=self.file,
                remedy=f"rename or remove the others, and keep the one that holds '{cleaned(wanted)}'",
            )
        return found[0] if found else ""

    def near(self, wanted: str, taken: Collection[str] = ()) -> str:
        """Return the column whose name differs from ``wanted`` by a typo, or an empty string.

        Parameters
        ----------
        taken : columns that hold something else
        """
        form = folded(wanted)
        allowed = 0 if len(form) < _SHORTEST_TYPO else 1 if len(form) < _TWO_TYPOS else 2
        others = [other for other, names in self._columns.items() if other != form and not set(names) <= set(taken)]
        distances = {other: _distance(form, other) for other in others if abs(len(other) - len(form)) <= allowed}
        nearest = min(distances, key=distances.__getitem__, default="")
        return self._columns[nearest][0] if distances.get(nearest, allowed + 1) <= allowed else ""


def _distance(one: str, other: str) -> int:
    """Return the number of typos between two names: letters added, missing, replaced, or swapped with the next."""
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
