"""Comments to score: the rows of a file or of standard input, a chunk at a time."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from civility.data.dataset import Dataset
from civility.data.dialects import (
    ID_COLUMNS,
    TEXT_COLUMNS,
    Columns,
    find_id,
    find_text,
    lacks_ids,
    no_text,
    note_on_ids,
)
from civility.data.headers import Headers, cleaned, folded
from civility.data.reading.cells import TextCells, ids_of
from civility.data.reading.opening import open_table
from civility.data.reading.tables import CHUNK_ROWS, Chunk, Table, refuse_many
from civility.data.sources import built_in, is_built_in
from civility.errors import UserError
from civility.plain_text import shown

_SAME_KEYS = "write the same keys in every row, or name the columns: --text-column, --id-column"
_RECOGNISE = Columns()


@dataclass(frozen=True)
class CommentChunk:
    """Consecutive comments to score, one for each row of the source.

    Parameters
    ----------
    ids : as in the source, empty if the row has none; row numbers from 1 if the source has no id column
    texts : empty if the text is missing or only white space
    num_blank : number of empty texts
    id_column : its name in the source; empty if there is none
    note : a remark on the source for the user, or empty
    """

    ids: list[str]
    texts: list[str]
    num_blank: int
    id_column: str = ""
    note: str = ""


def stream_comments(
    source: str | Path | IO[bytes],
    columns: Columns = _RECOGNISE,
    usual: Columns = _RECOGNISE,
    on_opened: Callable[[str], None] = lambda description: None,
) -> Iterator[CommentChunk]:
    """Yield the comments of a source, in order and in bounded memory. Every row gives one.

    Parameters
    ----------
    source : a path, a built-in corpus, or the bytes of standard input, which is read a chunk at a time
    columns : the columns of text and ids, and how the file is written; those left empty are recognised
    usual : like ``columns``, for names that are used only if the source has them, such as those of an earlier run
    on_opened : called with how the source was read, and with why it could be something else

    Raises
    ------
    UserError : at once if the source cannot be opened or has no text column; later at the bad row, or at one with a
        JSON key that could replace its text or id
    """
    if isinstance(source, str | Path) and is_built_in(source):
        return _stream_corpus(built_in(str(source)))
    table = open_table(source, columns.file, columns.text or usual.text)
    found = table.columns
    text, id = _text_and_id(table.name, found, columns, usual, is_all=False)
    if not (text and id):
        # Keys that only later rows of JSON have are columns too. Without them, their ids would be lost.
        found = table.all_columns()
        text, id = _text_and_id(table.name, found, columns, usual, is_all=True)
    if not text:
        error = no_text(table.name, columns.text, found)
        may_be_lines = not isinstance(source, str | Path) or table.doubt
        more = "; if each line is a comment: --input-format lines" if may_be_lines else ""
        raise UserError(
            error.code, error.found, where=error.where, expected=error.expected, remedy=f"{error.remedy}{more}"
        )
    for line in filter(None, (_description(table, text, id), table.doubt and f"{table.name}: {table.doubt}")):
        on_opened(line)
    note = note_on_ids([table.name], found) if lacks_ids(found, id) else ""
    late = _LateKeys(
        table.name,
        found,
        lambda name, keys: _text_and_id(name, keys, columns, usual, is_all=True),
        (
            () if columns.text else {*TEXT_COLUMNS, folded(usual.text)} - {""},
            () if columns.id else {*ID_COLUMNS, folded(usual.id)} - {""},
        ),
    )
    return _stream_table(table, text, id, note, late)


def _text_and_id(
    name: str, found: tuple[str, ...], columns: Columns, usual: Columns, *, is_all: bool
) -> tuple[str, str]:
    """Return the columns of text and ids; empty if there is none, or (not ``is_all``) later rows may have it."""
    headers = Headers(name, found)
    text = find_text(name, found, columns.text or headers.find(usual.text))
    may_come = bool(columns.id) and not headers.find(columns.id) and not is_all
    if not text or may_come:
        return text, ""
    return text, find_id(name, found, columns.id or headers.find(usual.id))


def _description(table: Table, text: str, id: str) -> str:
    columns = [f"text column '{cleaned(text)}'", *([f"id column '{cleaned(id)}'"] if id else [])]
    return f"{table.name}: read as {table.description}; {', '.join(columns)}"


def _stream_table(
    table: Table, text_column: str, id_column: str, note: str, late: "_LateKeys"
) -> Iterator[CommentChunk]:
    wanted = tuple(dict.fromkeys(column for column in (text_column, id_column) if column))
    for chunk in table.chunks(wanted):
        late.check(chunk)
        cells = TextCells()
        texts = cells.convert(table.name, chunk, text_column)
        num_blank = cells.num_missing + cells.num_white
        yield CommentChunk(ids_of(table.name, chunk, id_column), texts, num_blank, cleaned(id_column), note)


def _stream_corpus(corpus: Dataset) -> Iterator[CommentChunk]:
    for start in range(0, len(corpus), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        texts = ["" if text.isspace() else text for text in corpus.texts[rows]]
        yield CommentChunk(list(corpus.ids[rows]), texts, texts.count(""), "id")


class _LateKeys:
    """Finds JSON keys, in later rows of a stream, that make it doubtful which keys hold the texts and ids.

    Parameters
    ----------
    name : of the source
    found : the keys known before the first row
    choose : name and keys -> the columns of text and ids, if these were all keys
    rivals : folded names that may hold texts, and those that may hold ids; empty if the user names the column
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
        self._known = dict.fromkeys(found)  # an ordered set
        self._matter = {*map(folded, self._chosen), *rivals[0], *rivals[1]} - {""}
        self._first: Collection[str] | None = None
        self._rival_keys: tuple[list[str], list[str]] = ([], [])
        self._note_rivals(found)

    def check(self, chunk: Chunk) -> None:
        """Raise a UserError for the first row that makes the choice doubtful."""
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
                    "data.ambiguous-column",
                    f"the key {shown(after)} would hold the {what}, but {held}",
                    where=place,
                    remedy=_SAME_KEYS,
                )

    def _refuse_rival(self, row: dict[str, object], column: str, keys: Collection[str], place: str) -> None:
        """Raise a UserError for a row that has another key instead of the column.

        If the first row has both keys, the choice is as clear as in a table with both columns.
        """
        assert self._first is not None
        for key in keys:
            is_clear = key in self._first and column in self._first
            if row.get(key) is not None and not is_clear:
                raise UserError(
                    "data.ambiguous-column", f"{shown(key)} instead of {shown(column)}", where=place, remedy=_SAME_KEYS
                )
