"""Keys that only later rows of JSON have, where they leave in doubt which hold the texts and the ids.

Whoever reads a whole file knows all its keys before the first row; a stream finds them as they come.
"""

from collections.abc import Callable, Collection

from civility.data.headers import folded
from civility.data.tables import Chunk, refuse_many
from civility.errors import UserError
from civility.plain_text import shown

_SAME_KEYS = "write the same keys in every row, or name the columns: --text-column, --id-column"


class LateKeys:
    """Watches rows as they stream.

    Parameters
    ----------
    name : of the source
    found : the keys that are known
    choose : name and keys → the columns of texts and ids, as if there were no other keys
    rivals : names, folded, that may hold texts, and those that may hold ids; empty where the user has named the column
    """

    def __init__(
        self,
        name: str,
        found: Collection[str],
        choose: Callable[[str, tuple[str, ...]], tuple[str, str]],
        rivals: tuple[Collection[str], Collection[str]],
    ) -> None:
        self._name, self._choose, self._rivals = name, choose, rivals
        self._chosen = choose(name, tuple(found))
        self._known = dict.fromkeys(found)  # a set that keeps their order
        self._matter = {*map(folded, self._chosen), *rivals[0], *rivals[1]} - {""}
        self._first: Collection[str] | None = None
        self._rival_keys: tuple[list[str], list[str]] = ([], [])
        self._note_rivals(found)

    def check(self, chunk: Chunk) -> None:
        """Raise a UserError for the first row that leaves the columns in doubt."""
        for index, row in enumerate(chunk.objects):
            if self._first is None:
                self._first = frozenset(row)
            if not row.keys() <= self._known.keys():
                self._take_new(row, f"{self._name}, {chunk.place(index)}")
            for column, keys in zip(self._chosen, self._rival_keys, strict=True):
                if column and row.get(column) is None:
                    self._refuse_rival(row, column, keys, f"{self._name}, {chunk.place(index)}")

    def _note_rivals(self, keys: Collection[str]) -> None:
        for own, rivals in zip(self._rival_keys, self._rivals, strict=True):
            own += [key for key in keys if folded(key) in rivals]

    def _take_new(self, row: dict[str, object], place: str) -> None:
        new = [key for key in row if key not in self._known]
        self._known.update(dict.fromkeys(new))
        refuse_many(place, len(self._known), "different keys")
        self._note_rivals(new)
        if not any(folded(key) in self._matter for key in new):
            return
        now = self._choose(place, tuple(self._known))
        for before, after, what in zip(self._chosen, now, ("texts", "ids"), strict=True):
            if before != after:
                held = f"{shown(before)} held them in the rows before" if before else "the rows before have none"
                raise UserError(
                    "data.todo",
                    f"the key {shown(after)} would hold the {what}, but {held}",
                    where=place,
                    remedy=_SAME_KEYS,
                )

    def _refuse_rival(self, row: dict[str, object], column: str, keys: Collection[str], place: str) -> None:
        """Raise a UserError for a row without the column, but with a key that may be in its place.

        Where the first row has both, the choice is as plain as with columns of a table.
        """
        assert self._first is not None
        for key in keys:
            is_plain = key in self._first and column in self._first
            if row.get(key) is not None and not is_plain:
                raise UserError(
                    "data.todo", f"no {shown(column)}, but {shown(key)} in its place", where=place, remedy=_SAME_KEYS
                )
