"""Labelled comments of files and built-in corpora, whatever they are written as, become a Dataset on one label axis."""

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from civility.arrays import Float32s, Targets
from civility.data.dataset import Dataset
from civility.data.dialects import LABELS, UNSPECIFIED_COLUMNS, Headers, lacks_ids, note_on_ids
from civility.data.dialects import Columns as Columns
from civility.data.file_format import UNSPECIFIED, FileFormat
from civility.data.reading.cells import UNLABELLED, LabelLists, TargetCells, TextCells, as_text, ids_of
from civility.data.reading.comments import CommentChunk as CommentChunk
from civility.data.reading.comments import stream_comments as stream_comments
from civility.data.reading.opening import expand, find_file, is_built_in, open_table
from civility.data.reading.planning import PlannedSource, ReadingPlan, make_plan
from civility.data.reading.tables import Chunk, Table
from civility.errors import UserError, did_you_mean
from civility.plain_text import count, listed


@dataclass(frozen=True)
class Reading:
    """Labelled comments, and how they were read."""

    dataset: Dataset  # the comments that have a text, in the order of the files and their rows
    files: tuple[str, ...]  # those read, with glob patterns expanded
    notes: tuple[str, ...]  # remarks for the user, each a sentence with counts
    origin: "Origin"  # the place of each comment
    # (what, index in ``files``, row number) of each text that was missing, only white space ("white"), or held NUL
    # ("nul") or lone surrogates ("surrogates")
    repairs: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, eq=False)
class Origin:
    """The place of each comment."""

    file: npt.NDArray[np.int64]  # (N,) index among the files read
    row: npt.NDArray[np.int64]  # (N,) number of the row of data in that file, from 1
    form: FileFormat = UNSPECIFIED  # what the user says about how the files are written


@dataclass
class _SourceRows:
    """The comments of a source in the order of its rows, with their targets in blocks."""

    texts: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # row number of each comment in the file, from 1
    repairs: list[tuple[str, int]] = field(default_factory=list)  # as of `TextCells`
    targets: list[Targets] = field(default_factory=list)
    groups: list[Float32s] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_dataset(
    files: Sequence[str | Path],
    columns: Columns = UNSPECIFIED_COLUMNS,
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
    todo = make_plan(names, columns, require_all_labels=require_all_labels, keep_unlabelled=keep_unlabelled)
    parts = {source.name: _read_part(source, todo) for source in todo.whole}
    if todo.apart:
        parts[todo.apart[0].name] = _read_joined(*todo.apart, todo)
    # A pair has the place of its comments, whichever of its files comes first.
    placed = [(index, parts[name]) for index, name in enumerate(names) if name in parts]
    ordered = [part for _, part in placed]
    dataset = Dataset(
        texts=tuple(text for part in ordered for text in part.texts),
        targets=np.concatenate([block for part in ordered for block in part.targets]),
        ids=tuple(id for part in ordered for id in part.ids),
        labels=todo.labels,
        groups=np.concatenate([block for part in ordered for block in part.groups]),
        group_names=columns.groups,
    )
    tables = [source.content for source in (*todo.whole, *(todo.apart or ())) if isinstance(source.content, Table)]
    notes = [f"{table.name}: read as {table.description}" for table in tables if not table.is_as_named]
    notes += [*(note for part in ordered for note in part.notes), *_notes_on(todo, dataset)]
    origin = Origin(
        file=np.repeat([index for index, _ in placed], [len(part.texts) for part in ordered]).astype(np.int64),
        row=np.array([row for part in ordered for row in part.rows], dtype=np.int64),
        form=columns.file,
    )
    repairs = tuple((what, index, row) for index, part in placed for what, row in part.repairs)
    return Reading(dataset, names, tuple(notes), origin, repairs)


def _notes_on(todo: ReadingPlan, dataset: Dataset) -> Iterator[str]:
    without = [source for source in todo.whole if lacks_ids(source.column_names, source.layout.id)]
    if without:
        yield note_on_ids([source.name for source in without], without[0].column_names)
    lacks = [label for label in LABELS if label not in todo.labels]
    if not todo.columns.labels and 0 < len(lacks) < len(LABELS) / 2:
        yield f"no column for {', '.join(lacks)}: the labels are {', '.join(todo.labels)}"
    num_shared = sum(times for times in Counter(dataset.ids).values() if times > 1)
    if num_shared:
        yield f"{count(num_shared, 'comment')} with the id of another comment"
    num_unknown = int(np.sum(np.all(np.isnan(dataset.targets), axis=1)))
    if num_unknown and dataset.labels:
        yield f"every label is unknown for {count(num_unknown, 'comment')}"


def columns_present(file: str, columns: Columns, form: FileFormat = UNSPECIFIED) -> Columns:
    """Return the columns without the names that the file does not have, so that these are recognised.

    For names that the user did not give for this file, such as those in the recipe of an earlier run. ``form`` is how
    the file is written; of the format in ``columns``, which is that of other files, only the size limit is used.
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


def count_cells(file: str, column: str, form: FileFormat = UNSPECIFIED) -> dict[str, int] | None:
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

    A UserError if none of the files has the column, or ``origin`` is None: the comments are not in a file.
    """
    names: set[str] = set()
    cells_of: dict[int, list[str]] = {}
    used, form = (set(origin.file.tolist()), origin.form) if origin is not None else (set(), UNSPECIFIED)
    for index in sorted(used):
        if is_built_in(files[index]):
            continue
        table = open_table(files[index], form)
        headers = Headers(files[index], table.all_columns())
        names.update(headers.names)
        if own := headers.find(column):
            chunks = table.chunks([own])
            cells_of[index] = [_group_name(cell) for chunk in chunks for cell in chunk.columns[own]]
    if origin is None or not cells_of:
        remedy = f"the files have: {listed(sorted(names))}" if names else "give the file with --data"
        found = f"no column '{column}' to slice by{did_you_mean(column, names)}"
        raise UserError("data.no-column", found, remedy=remedy)
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


def _read_part(source: PlannedSource, plan: ReadingPlan) -> _SourceRows:
    """Read a source that has both comments and labels; a UserError if no comment has a text."""
    if isinstance(source.content, Dataset):
        return _read_corpus(source, source.content, plan)
    part, layout, name = _SourceRows(), source.layout, source.name
    cells, lists = TextCells(), LabelLists(plan.labels, plan.columns)
    numbers = TargetCells(allow_minus_one=plan.keep_unlabelled)
    wanted = (layout.text, layout.id, layout.label_list, *layout.labels.values(), *layout.groups.values())
    num_rows = num_minus_one = 0
    for chunk in _chunks(source, wanted):
        num_rows += len(chunk)
        texts = cells.convert(chunk, layout.text)
        keep = _add_comments(part, texts, ids_of(chunk, layout.id, _prefix(name)), chunk.first_row)
        if layout.label_list:
            targets = lists.convert(chunk, layout.label_list)
        else:
            targets = _targets(plan.labels, layout.labels, numbers, chunk)
        groups = _targets(plan.columns.groups, layout.groups, numbers, chunk)
        num_minus_one += int(np.sum(np.any(targets == UNLABELLED, axis=1)))
        for block, values in ((part.targets, targets), (part.groups, groups)):
            values[values == UNLABELLED] = np.nan
            block.append(values[keep])
    if not part.texts:
        found = f"none of its {count(num_rows, 'comment')} has a text"
        raise UserError("data.empty", found, where=name, remedy="check the text column")
    if num_minus_one:
        part.notes.append(
            f"-1 in {count(num_minus_one, 'row')} of {name} counts as unknown: training needs an empty cell instead"
        )
    part.notes += [*_notes_on_text(name, cells), *_notes_on_missing(source, plan, len(part.texts))]
    if lists.num_unknown:
        none = f"[] or {plan.columns.none_word}" if plan.columns.none_word else "[]"
        part.notes.append(
            f"{count(lists.num_unknown, 'row')} of {name} with an empty {layout.label_list}: every label is "
            f"unknown there; write {none} where no label applies"
        )
    part.repairs = cells.repairs
    return part


def _targets(axis: Sequence[str], columns: Mapping[str, str], numbers: TargetCells, chunk: Chunk) -> Float32s:
    """Return the targets of a chunk, (rows, len(axis)); NaN if a name of the axis has no column."""
    known = {wanted: numbers.convert(chunk, column) for wanted, column in columns.items()}
    return _block(axis, known, len(chunk))


def _read_corpus(source: PlannedSource, corpus: Dataset, plan: ReadingPlan) -> _SourceRows:
    targets = {label: corpus.targets[:, corpus.labels.index(label)] for label in source.layout.labels}
    groups = {group: corpus.groups[:, corpus.group_names.index(group)] for group in source.layout.groups}
    return _SourceRows(
        texts=list(corpus.texts),
        ids=list(corpus.ids),
        rows=list(range(1, len(corpus) + 1)),
        targets=[_block(plan.labels, targets, len(corpus))],
        groups=[_block(plan.columns.groups, groups, len(corpus))],
        notes=list(_notes_on_missing(source, plan, len(corpus))),
    )


def _read_joined(comments: PlannedSource, labels: PlannedSource, plan: ReadingPlan) -> _SourceRows:
    """Read comments from one file and their labels from another, joined by id.

    Comments without a row of labels, or whose row is -1 throughout, are left out unless the plan keeps them.

    A UserError if an id occurs twice in a file, or no comment is left.
    """
    part, cells, seen = _SourceRows(), TextCells(), set[str]()
    row_of, targets = _read_separate_targets(labels)
    is_unlabelled = np.all(targets == UNLABELLED, axis=1)
    targets[targets == UNLABELLED] = np.nan
    num_joined = num_unlabelled = 0
    for chunk in _chunks(comments, (comments.layout.text, comments.layout.id)):
        ids = ids_of(chunk, comments.layout.id, _prefix(comments.name))
        _refuse_repeated(chunk, ids, seen)
        seen.update(ids)
        texts = cells.convert(chunk, comments.layout.text)
        # -1 for a comment without a row. As an index it reads the last row, which `has_row` masks.
        rows = np.array([row_of.get(id, -1) for id in ids], dtype=np.int64)
        has_row = rows >= 0
        wanted = (has_row & ~is_unlabelled[rows]) | plan.keep_unlabelled
        num_joined += int(np.sum(has_row))
        num_unlabelled += int(np.sum(has_row & is_unlabelled[rows]))
        texts = [text if use else "" for text, use in zip(texts, wanted, strict=True)]
        keep = _add_comments(part, texts, ids, chunk.first_row)
        values = np.where(has_row[:, np.newaxis], targets[rows], np.float32(np.nan))[keep]
        # Among the columns, the labels of the plan come first.
        known = dict(zip(labels.layout.labels, values.T, strict=False))
        part.targets.append(_block(plan.labels, known, int(np.sum(keep))))
    part.groups.append(_block(plan.columns.groups, {}, len(part.texts)))
    names = f"{comments.name} and {labels.name}"
    if not part.texts:
        found = f"none of {count(len(seen), 'comment')} has a scored row of labels with its id"
        raise UserError("data.empty", found, where=names, remedy="check that the two files belong together")
    fate = "unknown" if plan.keep_unlabelled else "left out"
    part.repairs = cells.repairs
    if num_unlabelled:
        part.notes.append(f"{count(num_unlabelled, 'comment')} of {names} {fate}: never scored (-1 for every label)")
    if num_without_labels := len(seen) - num_joined:
        part.notes.append(f"{count(num_without_labels, 'comment')} of {names} {fate}: no row of labels has the id")
    if num_without_text := len(row_of) - num_joined:
        part.notes.append(f"{count(num_without_text, 'row')} of labels of {names} left out: no comment has the id")
    part.notes += [*_notes_on_text(comments.name, cells), *_notes_on_missing(labels, plan, len(part.texts))]
    return part


def _read_separate_targets(labels: PlannedSource) -> tuple[dict[str, int], Float32s]:
    """Return id -> row, and targets in which -1 means that nobody has labelled the comment.

    The columns are the labels of the plan, then the others of Jigsaw, since a row is unlabelled if all of them are -1.
    """
    numbers = TargetCells(allow_minus_one=True)
    others = Headers(labels.name, labels.column_names).find_all(LABELS)
    columns = tuple(dict.fromkeys((*labels.layout.labels.values(), *others)))
    row_of: dict[str, int] = {}
    blocks = []
    for chunk in _chunks(labels, (labels.layout.id, *columns)):
        ids = ids_of(chunk, labels.layout.id, _prefix(labels.name))
        _refuse_repeated(chunk, ids, row_of.keys())
        row_of.update(zip(ids, range(len(row_of), len(row_of) + len(ids)), strict=True))
        blocks.append(np.stack([numbers.convert(chunk, column) for column in columns], axis=1))
    return row_of, np.concatenate(blocks)


def _refuse_repeated(chunk: Chunk, ids: Sequence[str], before: Set[str]) -> None:
    """Raise a UserError for an id that occurs again, in this chunk or after an earlier one."""
    if len(set(ids)) == len(ids) and before.isdisjoint(ids):
        return
    seen = set(before)
    for index, id in enumerate(ids):
        if id in seen:
            remedy = "give each comment an id of its own"
            raise UserError("data.duplicate-id", f"the id {id} occurs twice", where=chunk.where(index), remedy=remedy)
        seen.add(id)


def _chunks(source: PlannedSource, columns: Sequence[str]) -> Iterator[Chunk]:
    assert isinstance(source.content, Table)
    return source.content.chunks(tuple(dict.fromkeys(column for column in columns if column)))


def _prefix(name: str) -> str:
    """Return the prefix of generated ids: the name of the file up to its first dot."""
    return f"{Path(name).name.split('.')[0]}:"


def _add_comments(part: _SourceRows, texts: Sequence[str], ids: Sequence[str], first_row: int) -> npt.NDArray[np.bool_]:
    """Add the comments that have a text, and return a mask of them, (rows,)."""
    part.texts.extend(text for text in texts if text)
    part.ids.extend(id for id, text in zip(ids, texts, strict=True) if text)
    part.rows.extend(row for row, text in enumerate(texts, first_row) if text)
    return np.array([bool(text) for text in texts])


def _block(axis: Sequence[str], known: Mapping[str, Float32s], num_rows: int) -> Float32s:
    """Return targets, (num_rows, len(axis)); NaN if a name of the axis is not known."""
    block = np.full((num_rows, len(axis)), np.nan, dtype=np.float32)
    for column, name in enumerate(axis):
        if name in known:
            block[:, column] = known[name]
    return block


def _notes_on_text(name: str, cells: TextCells) -> Iterator[str]:
    num_of = Counter(what for what, _ in cells.repairs)
    left_out = []
    if num_missing := num_of["missing"]:
        left_out.append(f"{count(num_missing, 'comment')} without text")
    if num_white := num_of["white"]:
        left_out.append(f"{f'{num_white:,}' if left_out else count(num_white, 'comment')} of only white space")
    if left_out:
        yield f"{' and '.join(left_out)} left out of {name}"
    if num_nul := num_of["nul"]:
        yield f"NUL characters became spaces in {count(num_nul, 'comment')} of {name}"
    if num_surrogates := num_of["surrogates"]:
        yield f"lone surrogates became U+FFFD in {count(num_surrogates, 'comment')} of {name}"


def _notes_on_missing(source: PlannedSource, plan: ReadingPlan, num_comments: int) -> Iterator[str]:
    labels = () if source.layout.label_list or not source.has_labels else plan.labels
    axes = ("label", labels, source.layout.labels), ("group", plan.columns.groups, source.layout.groups)
    for what, axis, found in axes:
        lacks = [name for name in axis if name not in found]
        if lacks:
            missing = f"the {what}{'s' if len(lacks) > 1 else ''} {', '.join(lacks)}"
            yield f"{source.name} lacks {missing}: unknown for its {count(num_comments, 'comment')}"
