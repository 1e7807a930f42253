"""Decides, from column names alone, which columns of which files make a dataset."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from civility.data import dialects
from civility.data.dataset import Dataset
from civility.data.dialects import CONTAINERS, LABELS, Columns, Headers, Layout, folded
from civility.data.reading.cells import TargetCells
from civility.data.reading.opening import built_in, is_built_in, open_table
from civility.data.reading.tables import Chunk, Table, refuse_many
from civility.errors import UserError
from civility.plain_text import listed

_NAME_THEM = "name the label columns in the recipe (data.labels)"


@dataclass(frozen=True)
class PlannedSource:
    """A file to read, or a corpus of the package."""

    name: str  # as the user gave it
    column_names: tuple[str, ...]
    layout: Layout  # which of them hold what
    content: Table | Dataset  # its rows

    @property
    def has_labels(self) -> bool:
        """Whether it has a column for one of the labels asked for, or for lists of labels."""
        return bool(self.layout.labels or self.layout.label_list)


@dataclass(frozen=True)
class ReadingPlan:
    """Which sources to read, onto which axes."""

    whole: tuple[PlannedSource, ...]  # sources with comments and labels, in the order given
    apart: tuple[PlannedSource, PlannedSource] | None  # a source of comments and that of their labels, if there are
    labels: tuple[str, ...]  # (L,) the axis
    columns: Columns  # those asked for, with how lists of labels are written, and the groups, (G,)
    keep_unlabelled: bool = False  # whether comments without any label are kept, and -1 means unknown in every file


def make_plan(
    names: Sequence[str], columns: Columns, *, require_all_labels: bool, keep_unlabelled: bool = False
) -> ReadingPlan:
    """Return which columns to read from which files; parameters as of `read_dataset`.

    A UserError if a source has no text or none of the labels, the labels are not known, or (``require_all_labels``) all
    sources lack one of them.
    """
    _check_columns(columns)
    sources = [_open(name, columns) for name in names]
    first, *others = names
    headers = Headers(
        f"{first} and {len(others)} more" if others else first,
        dict.fromkeys(column for source in sources for column in source.column_names),
    )
    for group in columns.groups:
        if not any(group in source.layout.groups for source in sources):
            raise dialects.no_column(headers, group, "name columns that the files have")
    # All labels found are those of Jigsaw in its order, then others of built-in data.
    there = dialects.in_order(label for source in sources for label in source.layout.labels)
    labels = columns.labels or there
    whole, apart = _pair(sources, columns, keep_unlabelled)
    lacks = [label for label in labels if label not in there]
    if require_all_labels and not columns.label_list and lacks:
        raise dialects.no_label(headers, lacks[0], [label for label in labels if label in there])
    return ReadingPlan(whole, apart, labels, columns, keep_unlabelled)


def _check_columns(columns: Columns) -> None:
    """Raise a UserError for names that contradict one another."""
    found, remedy = _contradiction(columns)
    if found:
        raise UserError("data.conflicting-settings", found, remedy=remedy)


def _contradiction(columns: Columns) -> tuple[str, str]:
    """Return what contradicts itself, and the remedy; empty if nothing does."""
    for what, names in (("label", columns.labels), ("group", columns.groups), ("label", columns.multi_hot)):
        times = Counter(map(folded, names))
        twice = next((name for name in names if times[folded(name)] > 1), "")
        if twice:
            return f"the {what} '{twice}' is named twice", "name each once"
    if columns.label_list and not columns.labels:
        found = f"the labels in column '{columns.label_list}' are not named, and must not depend on the data"
        return found, _NAME_THEM
    if columns.label_list and folded(columns.none_word) in map(folded, columns.labels):
        remedy = "choose another word (--set data.none_word=nothing), or none (--set data.none_word=) and write []"
        return f"'{columns.none_word}' is both a label and the word for no label (data.none_word)", remedy
    if columns.multi_hot and not columns.label_list:
        return "data.multi_hot_labels: no column of lists is named", "name it: data.label_list_column"
    lacks = [label for label in columns.labels if folded(label) not in map(folded, columns.multi_hot)]
    if columns.multi_hot and lacks:
        remedy = "name every label of data.labels in the order of the lists"
        return f"data.multi_hot_labels lacks {listed(lacks)}", remedy
    return "", ""


def _open(name: str, columns: Columns) -> PlannedSource:
    if not is_built_in(name):
        table = open_table(name, columns.file, columns.text)
        found = table.all_columns()
        layout = dialects.layout_of(name, found, columns)
        if not layout.label_list and not set(columns.labels or LABELS) <= set(layout.labels):
            with_keys = _with_keys_as_columns(table)
            if with_keys is not table:
                table, found = with_keys, with_keys.all_columns()
                layout = dialects.layout_of(name, found, columns)
        _refuse_typos(table, found, layout, columns)
        return PlannedSource(name, found, layout, table)
    corpus = built_in(name)
    labels = {label: label for label in columns.labels or corpus.labels if label in corpus.labels}
    groups = {group: group for group in columns.groups if group in corpus.group_names}
    found = ("id", "text", *corpus.labels, *corpus.group_names)
    return PlannedSource(name, found, Layout("text", "id", labels, groups=groups), corpus)


def _refuse_typos(table: Table, found: Sequence[str], layout: Layout, columns: Columns) -> None:
    """Raise a UserError for a missing label or group if an unused column of targets has almost its name.

    Otherwise a label with a misspelt header would be left out of training, or unknown in evaluation. A column that does
    not begin with targets holds something else: ``thread`` is not a typo of ``threat``.
    """
    headers = Headers(table.name, found, CONTAINERS)
    taken = {layout.text, layout.id, *layout.labels.values(), *layout.groups.values()}
    labels = () if layout.label_list else columns.labels or (LABELS if layout.labels else ())
    for wanted in (*labels, *columns.groups):
        if wanted in layout.labels or wanted in layout.groups or not (near := headers.near(wanted, taken)):
            continue
        try:
            TargetCells(allow_minus_one=True).convert(next(table.chunks((near,))), near)
        except UserError:
            continue
        raise dialects.typo(headers, wanted, near)


def _with_keys_as_columns(table: Table) -> Table:
    """Return a table in which the keys of objects, as in ``{"labels": {"toxic": 1}}``, are columns: ``labels.toxic``.

    Only columns that usually hold labels are unfolded. The first chunk of rows with a value decides whether a column
    holds objects; then all rows are read for their keys. A table without objects is returned as it is.
    """
    parts = {
        f"{column}.{key}": (column, key)
        for column in table.all_columns()
        if folded(column) in CONTAINERS
        for key in _keys(table, column)
    }
    if not parts:
        return table

    def chunks(wanted: Sequence[str]) -> Iterator[Chunk]:
        read = tuple(dict.fromkeys(parts[column][0] if column in parts else column for column in wanted))
        for chunk in table.chunks(read):
            cells = {
                column: _cells_of_key(chunk, *parts[column]) if column in parts else chunk.columns[column]
                for column in wanted
            }
            yield replace(chunk, columns=cells)

    def all_columns() -> tuple[str, ...]:
        return (*table.all_columns(), *parts)

    return replace(table, columns=(*table.columns, *parts), chunks=chunks, all_columns=all_columns)


def _keys(table: Table, column: str) -> tuple[str, ...]:
    """Return the keys of the objects in a column, in the order of their first occurrence."""
    keys: dict[str, None] = {}
    for chunk in table.chunks((column,)):
        cells = chunk.columns[column]
        keys.update(dict.fromkeys(key for cell in cells if isinstance(cell, dict) for key in cell))
        refuse_many(f"{table.name}, column {column}", len(keys), "different keys")
        if not keys and any(cell is not None and cell != {} for cell in cells):
            return ()
    return tuple(keys)


def _cells_of_key(chunk: Chunk, container: str, key: str) -> list[object]:
    """Return the cells of one key of the objects in a column."""
    cells = chunk.columns[container]
    for index, cell in enumerate(cells):
        if cell is not None and not isinstance(cell, dict):
            remedy = 'write {"label": number, ...}, or null if nothing is known'
            raise chunk.bad_cell(container, index, remedy, expected="an object, as in other rows")
    return [cell.get(key) if cell else None for cell in cells]


def _pair(
    sources: Sequence[PlannedSource], columns: Columns, keep_unlabelled: bool
) -> tuple[tuple[PlannedSource, ...], tuple[PlannedSource, PlannedSource] | None]:
    """Return the sources with comments and labels, and the pair that has them in two files."""
    if keep_unlabelled and all(source.layout.text for source in sources):
        return tuple(sources), None
    whole = tuple(source for source in sources if source.layout.text and source.has_labels)
    rest = [source for source in sources if source not in whole]
    texts = [source for source in rest if source.layout.text and source.layout.id]
    labels = [source for source in rest if not source.layout.text and source.layout.labels and source.layout.id]
    if len(rest) == 2 and len(texts) == len(labels) == 1:
        return whole, (texts[0], labels[0])
    if rest:
        raise _useless(rest[0], columns)
    return whole, None


def _useless(source: PlannedSource, columns: Columns) -> UserError:
    """Return the error for a source without text or without labels that no other source completes."""
    what, remedy = "no label columns", _NAME_THEM
    # The columns of Jigsaw 2018's test.csv, whose labels are in another file.
    is_bare_test = {folded(name) for name in source.column_names} == {"id", "comment_text"}
    if not source.layout.text and source.has_labels and not columns.text:
        what = "labels without comments"
        remedy = f"{dialects.NAME_TEXT}; or give the comments too: Jigsaw 2018's test_labels.csv goes with test.csv"
    elif not source.layout.text:
        return dialects.no_text(Headers(source.name, source.column_names), columns.text)
    elif columns.labels and not is_bare_test:
        return dialects.no_label(Headers(source.name, source.column_names), columns.labels[0])
    elif is_bare_test:
        remedy = "give test_labels.csv too, if this is Jigsaw 2018's test.csv"
    found = f"{what}; the file has: {listed(source.column_names)}"
    return UserError("data.no-column", found, where=source.name, remedy=remedy)
