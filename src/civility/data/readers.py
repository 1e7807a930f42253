"""Reading labelled comments into a Dataset on one label axis, and streaming comments to score.

Knows the order of the work; formats, cells and the Jigsaw dialects are the business of the modules beside it.
"""

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from civility.data.cells import TextCells, as_text, ids_of
from civility.data.dataset import Dataset
from civility.data.dialects import ID_COLUMNS, LABELS, TEXT_COLUMNS, Columns, find_id, find_text, no_text, note_on_ids
from civility.data.file_format import RECOGNISED, FileFormat
from civility.data.headers import Headers, cleaned, folded
from civility.data.late_keys import LateKeys
from civility.data.opening import open_table
from civility.data.parts import Part, read_joined, read_part
from civility.data.plan import Plan, plan
from civility.data.sources import built_in, expand, is_built_in
from civility.data.streams import find_file
from civility.data.tables import CHUNK_ROWS, Table
from civility.errors import UserError, did_you_mean
from civility.plain_text import count, listed

__all__ = [
    "Columns",
    "CommentChunk",
    "Origin",
    "Reading",
    "begins_with_mark",
    "columns_present",
    "count_cells",
    "read_column",
    "read_dataset",
    "stream_comments",
]

_RECOGNISE = Columns()


@dataclass(frozen=True)
class Reading:
    """What was read.

    Parameters
    ----------
    dataset : the comments that have a text, in the order of the files and their rows
    files : as read, globs expanded
    notes : what a person should know, each one sentence with counts
    origin : where each comment stood
    mended : (what, index in ``files``, number of the row) for each text that was missing, only white space
        ("white"), or held NUL ("nul") or lone surrogates ("surrogates")
    """

    dataset: Dataset
    files: tuple[str, ...]
    notes: tuple[str, ...]
    origin: "Origin"
    mended: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, eq=False)
class Origin:
    """Where comments stood.

    Parameters
    ----------
    file : (N,) index among the files read
    row : (N,) number of the row of data in that file, from 1
    form : how the files are written, as far as it was named
    """

    file: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    form: FileFormat = RECOGNISED


@dataclass(frozen=True)
class CommentChunk:
    """Consecutive comments to score, one for each row of the source.

    Parameters
    ----------
    ids : as in the source, empty where the row has none; of a source without a column of ids, the number of the row,
        from 1
    texts : empty where the text is missing or only white space
    num_blank : how many are empty
    id_column : the name of the column of ids in the source; empty if it has none
    note : what a person should know of the source; empty if there is nothing
    """

    ids: list[str]
    texts: list[str]
    num_blank: int
    id_column: str = ""
    note: str = ""


def read_dataset(
    files: Sequence[str | Path],
    columns: Columns = _RECOGNISE,
    *,
    require_all_labels: bool = True,
    keep_unlabelled: bool = False,
) -> Reading:
    """Read labelled comments onto one label axis, by name, whatever the order of files and columns.

    Parameters
    ----------
    files : paths, globs, or ``civility:starter/train`` and ``civility:starter/held-out``
    columns : which columns hold what
    require_all_labels : whether each label asked for must be in at least one file, as for training.
        A file needs one of them in any case; those it lacks are NaN for its comments.
    keep_unlabelled : whether files without any label, comments that were never scored, and -1 for unknown
        in any file are read too, as for an audit

    Raises
    ------
    UserError : a file cannot be read, a column that is needed is not there, or a cell holds nonsense
    """
    names = expand(files)
    todo = plan(names, columns, require_all_labels=require_all_labels, keep_unlabelled=keep_unlabelled)
    parts = {source.name: read_part(source, todo) for source in todo.whole}
    if todo.apart:
        parts[todo.apart[0].name] = read_joined(*todo.apart, todo)
    # A pair stands where its comments stand, whichever of its files comes first.
    placed = [(index, parts[name]) for index, name in enumerate(names) if name in parts]
    ordered = [part for _, part in placed]
    dataset = _assemble(ordered, todo)
    notes = [*_notes_on_files(todo), *(note for part in ordered for note in part.notes)]
    origin = Origin(
        file=np.repeat([index for index, _ in placed], [len(part.texts) for part in ordered]).astype(np.int64),
        row=np.array([row for part in ordered for row in part.rows], dtype=np.int64),
        form=columns.file,
    )
    mended = tuple((what, index, row) for index, part in placed for what, row in part.mended)
    return Reading(dataset, names, (*notes, *_notes_on_columns(todo), *_notes_on(dataset)), origin, mended)


def _assemble(parts: Sequence[Part], todo: Plan) -> Dataset:
    return Dataset(
        texts=tuple(text for part in parts for text in part.texts),
        targets=np.concatenate([block for part in parts for block in part.targets]),
        ids=tuple(id for part in parts for id in part.ids),
        labels=todo.labels,
        groups=np.concatenate([block for part in parts for block in part.groups]),
        group_names=todo.groups,
    )


def _notes_on_columns(todo: Plan) -> Iterator[str]:
    without = [source for source in todo.whole if _lacks_ids(source.found, source.layout.id)]
    if without:
        yield note_on_ids([source.name for source in without], without[0].found)
    lacks = [label for label in LABELS if label not in todo.labels]
    if not todo.columns.labels and 0 < len(lacks) < len(LABELS) / 2:
        yield f"no column for {', '.join(lacks)}: the labels are {', '.join(todo.labels)}"


def _lacks_ids(found: Sequence[str], id_column: str) -> bool:
    """Return whether columns that could hold ids hold none: lines of text alone are not expected to."""
    return not id_column and len(found) > 1


def _notes_on_files(todo: Plan) -> Iterator[str]:
    """Tell what the files were read as, where that is not what their suffixes say."""
    for source in (*todo.whole, *(todo.apart or ())):
        table = source.content
        if isinstance(table, Table) and not table.is_as_named:
            yield f"{table.name}: read as {table.description}"


def _notes_on(dataset: Dataset) -> Iterator[str]:
    num_shared = sum(times for times in Counter(dataset.ids).values() if times > 1)
    if num_shared:
        yield f"{count(num_shared, 'comment')} share their id with another"
    num_unknown = int(np.sum(np.all(np.isnan(dataset.targets), axis=1)))
    if num_unknown and dataset.labels:
        yield f"every label is unknown for {count(num_unknown, 'comment')}"


def columns_present(file: str, columns: Columns, form: FileFormat = RECOGNISED) -> Columns:
    """Return the columns without the names that the file does not have, which are recognised then.

    For names that come from somewhere else than the user, as from the recipe of an earlier run.

    Parameters
    ----------
    form : how the file is written; that of ``columns`` is of other files, and only its limit is taken over
    """
    form = form.or_limit_of(columns.file)
    if is_built_in(file):
        return replace(columns, text="", id="", label_list="", multi_hot=(), file=form)
    found = open_table(expand([file])[0], form, columns.text).all_columns()
    headers = Headers(file, found)
    text, id, label_list = (headers.find(name) for name in (columns.text, columns.id, columns.label_list))
    multi_hot = columns.multi_hot if label_list else ()
    return replace(columns, text=text, id=id, label_list=label_list, multi_hot=multi_hot, file=form)


def begins_with_mark(file: str) -> bool:
    """Return whether a file of text begins with a byte order mark, which the readers pass over."""
    if is_built_in(file):
        return False
    with find_file(file, any_suffix=True).open() as stream:
        return stream.read(len(BOM_UTF8)) == BOM_UTF8


def count_cells(file: str, column: str, form: FileFormat = RECOGNISED) -> dict[str, int] | None:
    """Return how often each value stands in a column, the most frequent first; None if there is no such column."""
    if is_built_in(file):
        return None
    table = open_table(file, form)
    column = Headers(file, table.all_columns()).find(column)
    if not column:
        return None
    counts = Counter(str(cell) for chunk in table.chunks([column]) for cell in chunk.columns[column] if cell)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def read_column(files: Sequence[str], origin: Origin | None, column: str) -> tuple[str, ...]:
    """Return the cells of a column for comments that were read, as text; empty where there is none.

    Parameters
    ----------
    files : as read
    origin : where each comment stood, (N,); None, of comments that no file holds as they are: a UserError
    column : its name

    Raises
    ------
    UserError : no file has the column
    """
    names: set[str] = set()
    cells_of: dict[int, list[str]] = {}
    used, form = (set(origin.file.tolist()), origin.form) if origin is not None else (set(), RECOGNISED)
    for index in sorted(used):
        if is_built_in(files[index]):
            continue
        table = open_table(files[index], form)
        names.update(found := table.all_columns())
        if own := Headers(files[index], found).find(column):
            chunks = table.chunks([own])
            cells_of[index] = [_group_name(cell) for chunk in chunks for cell in chunk.columns[own]]
    if origin is None or not cells_of:
        where = f"the files have: {listed(sorted(names))}" if names else "give the file with --data"
        raise UserError("data.todo", f"no column '{column}' to slice by{did_you_mean(column, names)}", remedy=where)
    return tuple(
        cells_of[file][row - 1] if file in cells_of else ""
        for file, row in zip(origin.file.tolist(), origin.row.tolist(), strict=True)
    )


def _group_name(cell: object) -> str:
    """Return a cell as the name of the group that its row belongs to; empty for null."""
    try:
        return as_text(cell)
    except ValueError:
        return str(cell)


def stream_comments(
    source: str | Path | IO[bytes],
    columns: Columns = _RECOGNISE,
    usual: Columns = _RECOGNISE,
    on_opened: Callable[[str], None] = lambda description: None,
) -> Iterator[CommentChunk]:
    """Yield the comments of a source, in order and in bounded memory; every row gives one.

    Parameters
    ----------
    source : a path, a built-in name, or the bytes of standard input, of which nothing is read ahead
        beyond the chunk
    columns : which hold the text and the ids, and how the file is written; empty = recognised
    usual : as ``columns``, for names that count where the source has them, as those of an earlier run
    on_opened : told what the source was read as, and why it could be something else, if it could

    Raises
    ------
    UserError : at once, if the source cannot be opened or has no text column; later, at the row that is wrong, or
        that has another key of JSON in the place of its text or id
    """
    if isinstance(source, str | Path) and is_built_in(source):
        return _stream_corpus(built_in(str(source)))
    table = open_table(source, columns.file, columns.text or usual.text)
    found = table.columns
    text, id = _text_and_id(table.name, found, columns, usual, is_all=False)
    if not (text and id):
        # Keys that only later rows of JSON have are columns too: otherwise their ids would be lost.
        found = table.all_columns()
        text, id = _text_and_id(table.name, found, columns, usual, is_all=True)
    if not text:
        error = no_text(table.name, columns.text, found)
        may_be_lines = not isinstance(source, str | Path) or table.doubt
        more = "; if each line is a comment: --input-format lines" if may_be_lines else ""
        raise UserError("data.todo", error.message, remedy=f"{error.remedy}{more}")
    for line in filter(None, (_description(table, text, id), table.doubt and f"{table.name}: {table.doubt}")):
        on_opened(line)
    note = note_on_ids([table.name], found) if _lacks_ids(found, id) else ""
    late = LateKeys(
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
    """Return the columns of text and ids; empty where there is none, or (not ``is_all``) later rows may have it."""
    headers = Headers(name, found)
    text = find_text(name, found, columns.text or headers.find(usual.text))
    may_come = bool(columns.id) and not headers.find(columns.id) and not is_all
    if not text or may_come:
        return text, ""
    return text, find_id(name, found, columns.id or headers.find(usual.id))


def _description(table: Table, text: str, id: str) -> str:
    columns = [f"text column '{cleaned(text)}'", *([f"id column '{cleaned(id)}'"] if id else [])]
    return f"{table.name}: read as {table.description}; {', '.join(columns)}"


def _stream_table(table: Table, text_column: str, id_column: str, note: str, late: LateKeys) -> Iterator[CommentChunk]:
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
