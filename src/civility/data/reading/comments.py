"""Comments to score: the rows of a file or of standard input, a chunk at a time."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from civility.data import dialects
from civility.data.dataset import Dataset
from civility.data.dialects import UNSPECIFIED_COLUMNS, Columns, Headers, cleaned, folded
from civility.data.reading.cells import TextCells, ids_of
from civility.data.reading.opening import built_in, is_built_in, open_table
from civility.data.reading.tables import CHUNK_ROWS, Chunk, Table, refuse_many
from civility.errors import UserError
from civility.plain_text import shown

_SAME_KEYS = "write the same keys in every row, or name the columns: --text-column, --id-column"


@dataclass(frozen=True)
class CommentChunk:
    """Consecutive comments to score, one for each row of the source."""

    ids: list[str]  # as in the source, empty if the row has none; row numbers from 1 if the source has no id column
    texts: list[str]  # empty if the text is missing or only white space
    num_blank: int  # number of empty texts
    id_column: str = ""  # its name in the source; empty if there is none
    note: str = ""  # a remark on the source for the user, or empty


def stream_comments(
    source: str | Path | IO[bytes],
    columns: Columns = UNSPECIFIED_COLUMNS,
    usual: Columns = UNSPECIFIED_COLUMNS,
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
    headers = Headers(table.name, table.columns)
    text, id = _text_and_id(headers, columns, usual, is_all=False)
    if not (text and id):
        # Keys that only later rows of JSON have are columns too. Without them, their ids would be lost.
        headers = Headers(table.name, table.all_columns())
        text, id = _text_and_id(headers, columns, usual, is_all=True)
    if not text:
        error = dialects.no_text(headers, columns.text)
        if not isinstance(source, str | Path) or table.doubt:
            remedy = f"{error.remedy}; if each line is a comment: --input-format lines"
            raise UserError(error.code, error.found, where=error.where, remedy=remedy)
        raise error
    id_column = f", id column '{cleaned(id)}'" if id else ""
    on_opened(f"{table.name}: read as {table.description}; text column '{cleaned(text)}'{id_column}")
    if table.doubt:
        on_opened(f"{table.name}: {table.doubt}")
    note = dialects.note_on_ids([table.name], headers.names) if dialects.lacks_ids(headers.names, id) else ""
    rivals_of_text = () if columns.text else {*dialects.TEXT_COLUMNS, folded(usual.text)} - {""}
    rivals_of_id = () if columns.id else {*dialects.ID_COLUMNS, folded(usual.id)} - {""}
    late = _LateKeys(
        headers,
        lambda headers: _text_and_id(headers, columns, usual, is_all=True),
        (rivals_of_text, rivals_of_id),
    )
    return _stream_table(table, text, id, note, late)


def _text_and_id(headers: Headers, columns: Columns, usual: Columns, *, is_all: bool) -> tuple[str, str]:
    """Return the columns of text and ids; empty if there is none, or (not ``is_all``) later rows may have it."""
    text = dialects.find_text(headers, columns.text or headers.find(usual.text))
    may_come = bool(columns.id) and not headers.find(columns.id) and not is_all
    if not text or may_come:
        return text, ""
    return text, dialects.find_id(headers, columns.id or headers.find(usual.id))


def _stream_table(
    table: Table, text_column: str, id_column: str, note: str, late: "_LateKeys"
) -> Iterator[CommentChunk]:
    wanted = tuple(dict.fromkeys(column for column in (text_column, id_column) if column))
    for chunk in table.chunks(wanted):
        late.check(chunk)
        texts = TextCells().convert(chunk, text_column)
        yield CommentChunk(ids_of(chunk, id_column), texts, texts.count(""), cleaned(id_column), note)


def _stream_corpus(corpus: Dataset) -> Iterator[CommentChunk]:
    for start in range(0, len(corpus), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        texts = ["" if text.isspace() else text for text in corpus.texts[rows]]
        yield CommentChunk(list(corpus.ids[rows]), texts, texts.count(""), "id")


class _LateKeys:
    """Finds JSON keys, in later rows of a stream, that make it doubtful which keys hold the texts and ids.

    Parameters
    ----------
    headers : the keys known before the first row
    choose : keys -> the columns of text and ids, if these were all keys
    rivals : folded names that may hold texts, and those that may hold ids; empty if the user names the column
    """

    def __init__(
        self,
        headers: Headers,
        choose: Callable[[Headers], tuple[str, str]],
        rivals: tuple[Collection[str], Collection[str]],
    ) -> None:
        self._choose, self._rivals = choose, rivals
        self._chosen = choose(headers)
        self._known = dict.fromkeys(headers.names)  # an ordered set
        self._matter = {*map(folded, self._chosen), *rivals[0], *rivals[1]} - {""}
        self._first: Collection[str] = ()
        self._rival_keys: tuple[list[str], list[str]] = ([], [])
        self._note_rivals(headers.names)

    def check(self, chunk: Chunk) -> None:
        """Raise a UserError for the first row that makes the choice doubtful."""
        for index, row in enumerate(chunk.objects):
            if chunk.first_row + index == 1:
                self._first = frozenset(row)
            if not row.keys() <= self._known.keys():
                self._take_new(row, chunk.where(index))
            for column, keys in zip(self._chosen, self._rival_keys, strict=True):
                if column and row.get(column) is None:
                    self._refuse_rival(row, column, keys, chunk.where(index))

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
        now = self._choose(Headers(place, self._known))
        for before, after, what in zip(self._chosen, now, ("texts", "ids"), strict=True):
            if before != after:
                held = f"{shown(before)} held them in the rows before" if before else "the rows before have none"
                found = f"the key {shown(after)} would hold the {what}, but {held}"
                raise UserError("data.ambiguous-column", found, where=place, remedy=_SAME_KEYS)

    def _refuse_rival(self, row: dict[str, object], column: str, keys: Collection[str], place: str) -> None:
        """Raise a UserError for a row that has another key instead of the column.

        If the first row has both keys, the choice is as clear as in a table with both columns.
        """
        for key in keys:
            is_clear = key in self._first and column in self._first
            if row.get(key) is not None and not is_clear:
                found = f"{shown(key)} instead of {shown(column)}"
                raise UserError("data.ambiguous-column", found, where=place, remedy=_SAME_KEYS)
