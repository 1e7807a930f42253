"""Reading labelled comments into a Dataset on one label axis, and streaming comments to score.

Knows the order of the work; formats, cells and the Jigsaw dialects are the business of the modules beside it.
"""

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
from civility.data.reading.files import find_file
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
