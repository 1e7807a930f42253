"""Labelled comments of one or several files, as a Dataset on one label axis."""

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from civility.data.dataset import Dataset
from civility.data.dialects import LABELS, Columns, lacks_ids, note_on_ids
from civility.data.file_format import RECOGNISED, FileFormat
from civility.data.headers import Headers
from civility.data.reading.cells import as_text
from civility.data.reading.finding import find_file
from civility.data.reading.opening import open_table
from civility.data.reading.planning import ReadingPlan, plan
from civility.data.reading.source_rows import SourceRows, read_joined, read_part
from civility.data.reading.tables import Table
from civility.data.sources import expand, is_built_in
from civility.errors import UserError, did_you_mean
from civility.plain_text import count, listed

_RECOGNISE = Columns()


@dataclass(frozen=True)
class Reading:
    """Labelled comments, and how they were read.

    Parameters
    ----------
    dataset : the comments that have a text, in the order of the files and their rows
    files : those read, with glob patterns expanded
    notes : remarks for the user, each a sentence with counts
    origin : the place of each comment
    repairs : (what, index in ``files``, row number) of each text that was missing, only white space ("white"), or held
        NUL ("nul") or lone surrogates ("surrogates")
    """

    dataset: Dataset
    files: tuple[str, ...]
    notes: tuple[str, ...]
    origin: "Origin"
    repairs: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, eq=False)
class Origin:
    """The place of each comment.

    Parameters
    ----------
    file : (N,) index among the files read
    row : (N,) number of the row of data in that file, from 1
    form : what the user says about how the files are written
    """

    file: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    form: FileFormat = RECOGNISED


def read_dataset(
    files: Sequence[str | Path],
    columns: Columns = _RECOGNISE,
    *,
    require_all_labels: bool = True,
    keep_unlabelled: bool = False,
) -> Reading:
    """Read labelled comments onto one label axis, by name, whatever the order of the columns.

    Parameters
    ----------
    files : paths, glob patterns, ``civility:starter/train`` or ``civility:starter/held-out``
    columns : which columns hold what
    require_all_labels : whether each label asked for must be in at least one file, as training needs. Every file needs
        one of them; the others are NaN for its comments.
    keep_unlabelled : whether to read files without any label, comments that were never scored, and -1 as unknown in
        any file, as an audit needs

    Raises
    ------
    UserError : a file cannot be read, a column is missing, or a cell is not valid
    """
    names = expand(files)
    todo = plan(names, columns, require_all_labels=require_all_labels, keep_unlabelled=keep_unlabelled)
    parts = {source.name: read_part(source, todo) for source in todo.whole}
    if todo.apart:
        parts[todo.apart[0].name] = read_joined(*todo.apart, todo)
    # A pair has the place of its comments, whichever of its files comes first.
    placed = [(index, parts[name]) for index, name in enumerate(names) if name in parts]
    ordered = [part for _, part in placed]
    dataset = _assemble(ordered, todo)
    notes = [*_notes_on_files(todo), *(note for part in ordered for note in part.notes)]
    origin = Origin(
        file=np.repeat([index for index, _ in placed], [len(part.texts) for part in ordered]).astype(np.int64),
        row=np.array([row for part in ordered for row in part.rows], dtype=np.int64),
        form=columns.file,
    )
    repairs = tuple((what, index, row) for index, part in placed for what, row in part.repairs)
    return Reading(dataset, names, (*notes, *_notes_on_columns(todo), *_notes_on(dataset)), origin, repairs)


def _assemble(parts: Sequence[SourceRows], todo: ReadingPlan) -> Dataset:
    return Dataset(
        texts=tuple(text for part in parts for text in part.texts),
        targets=np.concatenate([block for part in parts for block in part.targets]),
        ids=tuple(id for part in parts for id in part.ids),
        labels=todo.labels,
        groups=np.concatenate([block for part in parts for block in part.groups]),
        group_names=todo.groups,
    )


def _notes_on_columns(todo: ReadingPlan) -> Iterator[str]:
    without = [source for source in todo.whole if lacks_ids(source.found, source.layout.id)]
    if without:
        yield note_on_ids([source.name for source in without], without[0].found)
    lacks = [label for label in LABELS if label not in todo.labels]
    if not todo.columns.labels and 0 < len(lacks) < len(LABELS) / 2:
        yield f"no column for {', '.join(lacks)}: the labels are {', '.join(todo.labels)}"


def _notes_on_files(todo: ReadingPlan) -> Iterator[str]:
    """Yield a note on each file that was read as something other than its suffix says."""
    for source in (*todo.whole, *(todo.apart or ())):
        table = source.content
        if isinstance(table, Table) and not table.is_as_named:
            yield f"{table.name}: read as {table.description}"


def _notes_on(dataset: Dataset) -> Iterator[str]:
    num_shared = sum(times for times in Counter(dataset.ids).values() if times > 1)
    if num_shared:
        yield f"{count(num_shared, 'comment')} with the id of another comment"
    num_unknown = int(np.sum(np.all(np.isnan(dataset.targets), axis=1)))
    if num_unknown and dataset.labels:
        yield f"every label is unknown for {count(num_unknown, 'comment')}"


def columns_present(file: str, columns: Columns, form: FileFormat = RECOGNISED) -> Columns:
    """Return the columns without the names that the file does not have, so that these are recognised.

    For names that the user did not give for this file, such as those in the recipe of an earlier run.

    Parameters
    ----------
    file : a path or a built-in corpus
    columns : names that it may have
    form : how it is written; of the format in ``columns``, which is that of other files, only the size limit is used
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
    """Return whether a file begins with the byte order mark of UTF-8, which the readers skip."""
    if is_built_in(file):
        return False
    with find_file(file, any_suffix=True).open() as stream:
        return stream.read(len(BOM_UTF8)) == BOM_UTF8


def count_cells(file: str, column: str, form: FileFormat = RECOGNISED) -> dict[str, int] | None:
    """Return the number of rows of each value in a column, most frequent first; None if there is no such column."""
    if is_built_in(file):
        return None
    table = open_table(file, form)
    column = Headers(file, table.all_columns()).find(column)
    if not column:
        return None
    counts = Counter(str(cell) for chunk in table.chunks([column]) for cell in chunk.columns[column] if cell)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def read_column(files: Sequence[str], origin: Origin | None, column: str) -> tuple[str, ...]:
    """Return the cells of a column, as text, for comments that were read, (N,). Empty if a file lacks the column.

    Parameters
    ----------
    files : those read
    origin : the place of each comment; None if the comments are not in a file, which is a UserError
    column : its name

    Raises
    ------
    UserError : none of the files has the column
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
        remedy = f"the files have: {listed(sorted(names))}" if names else "give the file with --data"
        raise UserError(
            "data.no-column", f"no column '{column}' to slice by{did_you_mean(column, names)}", remedy=remedy
        )
    return tuple(
        cells_of[file][row - 1] if file in cells_of else ""
        for file, row in zip(origin.file.tolist(), origin.row.tolist(), strict=True)
    )


def _group_name(cell: object) -> str:
    """Return a cell as the name of a slice; empty for null."""
    try:
        return as_text(cell)
    except ValueError:
        return str(cell)
