"""Decides, from column names alone, which columns of which files make a dataset."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from civility.data.dataset import Dataset
from civility.data.dialects import (
    LABELS,
    NAME_TEXT,
    Columns,
    Layout,
    is_bare_test,
    layout_of,
    no_column,
    no_label,
    no_text,
    typo,
    typos_in,
)
from civility.data.headers import folded
from civility.data.reading.cells import TargetCells
from civility.data.reading.opening import open_table, with_keys_as_columns
from civility.data.reading.tables import Table
from civility.data.sources import built_in, is_built_in
from civility.errors import UserError
from civility.plain_text import listed

_NAME_THEM = "name the label columns in the recipe (data.labels)"


@dataclass(frozen=True)
class PlannedSource:
    """A file to read, or a corpus of the package.

    Parameters
    ----------
    name : as the user gave it
    found : the names of its columns
    layout : which of them hold what
    content : its rows
    """

    name: str
    found: tuple[str, ...]
    layout: Layout
    content: Table | Dataset

    @property
    def has_text(self) -> bool:
        """Whether it has a text column."""
        return bool(self.layout.text)

    @property
    def has_labels(self) -> bool:
        """Whether it has a column for one of the labels asked for, or for lists of labels."""
        return bool(self.layout.labels or self.layout.label_list)

    @property
    def is_bare_test(self) -> bool:
        """Whether these are the columns of Jigsaw 2018's test.csv, whose labels are in another file."""
        return is_bare_test(self.found)


@dataclass(frozen=True)
class ReadingPlan:
    """Which sources to read, onto which axes.

    Parameters
    ----------
    whole : sources with comments and labels, in the order given
    apart : a source of comments and the source of their labels, if there is such a pair
    labels, groups : (L,) and (G,) the axes
    columns : those asked for, with how lists of labels are written
    keep_unlabelled : whether comments without any label are kept, and -1 means unknown in every file
    """

    whole: tuple[PlannedSource, ...]
    apart: tuple[PlannedSource, PlannedSource] | None
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    columns: Columns
    keep_unlabelled: bool = False


def plan(
    names: Sequence[str], columns: Columns, *, require_all_labels: bool, keep_unlabelled: bool = False
) -> ReadingPlan:
    """Return which columns to read from which files; parameters as of `read_dataset`.

    Raises
    ------
    UserError : a source has no text or none of the labels, the labels are not known, or (``require_all_labels``) all
        sources lack one of them
    """
    _check_columns(columns)
    sources = [_open(name, columns) for name in names]
    for group in columns.groups:
        if not any(group in source.layout.groups for source in sources):
            raise no_column(_all_names(sources), group, _all_found(sources), "name columns that the files have")
    labels = columns.labels or _recognised(sources)
    whole, apart = _pair(sources, columns, keep_unlabelled)
    if require_all_labels and not columns.label_list:
        for label in labels:
            if not any(label in source.layout.labels for source in sources):
                others = [other for other in labels if any(other in source.layout.labels for source in sources)]
                raise no_label(_all_names(sources), label, _all_found(sources), others)
    return ReadingPlan(whole, apart, labels, columns.groups, columns, keep_unlabelled)


def _check_columns(columns: Columns) -> None:
    """Raise a UserError for names that contradict one another."""
    for what, names in (("label", columns.labels), ("group", columns.groups), ("label", columns.multi_hot)):
        times = Counter(map(folded, names))
        twice = next((name for name in names if times[folded(name)] > 1), "")
        if twice:
            raise UserError(
                "data.conflicting-settings", f"the {what} '{twice}' is named twice", remedy="name each once"
            )
    if columns.label_list and not columns.labels:
        raise UserError(
            "data.conflicting-settings",
            f"the labels in column '{columns.label_list}' are not named, and must not depend on the data",
            remedy=_NAME_THEM,
        )
    if columns.label_list and folded(columns.none_word) in map(folded, columns.labels):
        raise UserError(
            "data.conflicting-settings",
            f"'{columns.none_word}' is both a label and the word for no label (data.none_word)",
            remedy="choose another word (--set data.none_word=nothing), or none (--set data.none_word=) and write []",
        )
    _refuse_multi_hot(columns)


def _refuse_multi_hot(columns: Columns) -> None:
    """Raise a UserError for an order of labels without a column of lists, or without one of the labels."""
    if columns.multi_hot and not columns.label_list:
        raise UserError(
            "data.conflicting-settings",
            "data.multi_hot_labels: no column of lists is named",
            remedy="name it: data.label_list_column",
        )
    lacks = [label for label in columns.labels if folded(label) not in map(folded, columns.multi_hot)]
    if columns.multi_hot and lacks:
        raise UserError(
            "data.conflicting-settings",
            f"data.multi_hot_labels lacks {listed(lacks)}",
            remedy="name every label of data.labels in the order of the lists",
        )


def _open(name: str, columns: Columns) -> PlannedSource:
    if not is_built_in(name):
        table = open_table(name, columns.file, columns.text)
        found = table.all_columns()
        layout = layout_of(name, found, columns)
        if not layout.label_list and not set(columns.labels or LABELS) <= set(layout.labels):
            with_keys = with_keys_as_columns(table)
            if with_keys is not table:
                table, found = with_keys, with_keys.all_columns()
                layout = layout_of(name, found, columns)
        _refuse_typos(table, found, layout, columns)
        return PlannedSource(name, found, layout, table)
    corpus = built_in(name)
    wanted = columns.labels or corpus.labels
    layout = Layout(
        text="text",
        id="id",
        labels={label: label for label in wanted if label in corpus.labels},
        groups={group: group for group in columns.groups if group in corpus.group_names},
    )
    return PlannedSource(name, ("id", "text", *corpus.labels, *corpus.group_names), layout, corpus)


def _refuse_typos(table: Table, found: Sequence[str], layout: Layout, columns: Columns) -> None:
    """Raise a UserError for a missing label or group if a column of targets has almost its name.

    Otherwise a label with a misspelt header would be left out of training, or unknown in evaluation. A column that does
    not begin with targets holds something else: ``thread`` is not a typo of ``threat``.
    """
    for wanted, near in typos_in(found, layout, columns).items():
        try:
            TargetCells(not_scored=True).convert(table.name, next(table.chunks((near,))), near)
        except UserError:
            continue
        raise typo(table.name, wanted, near, found)


def _recognised(sources: Sequence[PlannedSource]) -> tuple[str, ...]:
    """Return all labels found: those of Jigsaw in its order, then others of built-in data."""
    found = dict.fromkeys(label for source in sources for label in source.layout.labels)
    return (
        *(label for label in LABELS if label in found),
        *(label for label in found if label not in LABELS),
    )


def _pair(
    sources: Sequence[PlannedSource], columns: Columns, keep_unlabelled: bool
) -> tuple[tuple[PlannedSource, ...], tuple[PlannedSource, PlannedSource] | None]:
    """Return the sources with comments and labels, and the pair that has them in two files."""
    if keep_unlabelled and all(source.has_text for source in sources):
        return tuple(sources), None
    whole = tuple(source for source in sources if source.has_text and source.has_labels)
    rest = [source for source in sources if source not in whole]
    texts = [source for source in rest if source.has_text and source.layout.id]
    labels = [source for source in rest if not source.has_text and source.layout.labels and source.layout.id]
    if len(rest) == 2 and len(texts) == len(labels) == 1:
        return whole, (texts[0], labels[0])
    if rest:
        raise _useless(rest[0], columns)
    return whole, None


def _useless(source: PlannedSource, columns: Columns) -> UserError:
    """Return the error for a source without text or without labels that no other source completes."""
    has = listed(source.found)
    if not source.has_text and source.has_labels and not columns.text:
        return UserError(
            "data.no-column",
            f"labels without comments; the file has: {has}",
            where=source.name,
            remedy=f"{NAME_TEXT}; or give the comments too: Jigsaw 2018's test_labels.csv goes with test.csv",
        )
    if not source.has_text:
        return no_text(source.name, columns.text, source.found)
    if columns.labels and not source.is_bare_test:
        return no_label(source.name, columns.labels[0], source.found)
    remedy = "give test_labels.csv too, if this is Jigsaw 2018's test.csv" if source.is_bare_test else _NAME_THEM
    return UserError("data.no-column", f"no label columns; the file has: {has}", where=source.name, remedy=remedy)


def _all_names(sources: Sequence[PlannedSource]) -> str:
    first, *others = (source.name for source in sources)
    return f"{first} and {len(others)} more" if others else first


def _all_found(sources: Sequence[PlannedSource]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column for source in sources for column in source.found))
