"""The rows of a source as comments, ids and blocks of targets, with notes on what was left out or repaired."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from civility.arrays import Float32s, Targets
from civility.data.dataset import Dataset
from civility.data.dialects import LABELS
from civility.data.headers import Headers
from civility.data.reading.cells import TargetCells, TextCells, ids_of
from civility.data.reading.label_lists import LabelLists
from civility.data.reading.planning import PlannedSource, ReadingPlan
from civility.data.reading.tables import Chunk, Table
from civility.errors import UserError
from civility.plain_text import count

_NOT_SCORED = -1


@dataclass
class SourceRows:
    """The comments of a source in the order of its rows, with their targets in blocks.

    Parameters
    ----------
    rows : row number of each comment in the file, from 1
    repairs : as of `TextCells`
    """

    texts: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    repairs: list[tuple[str, int]] = field(default_factory=list)
    targets: list[Targets] = field(default_factory=list)
    groups: list[Float32s] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_part(source: PlannedSource, plan: ReadingPlan) -> SourceRows:
    """Read a source that has both comments and labels; a UserError if no comment has a text."""
    if isinstance(source.content, Dataset):
        return _read_corpus(source, source.content, plan)
    part, layout, name = SourceRows(), source.layout, source.name
    cells, numbers, lists = (
        TextCells(),
        TargetCells(plan.keep_unlabelled),
        LabelLists(plan.labels, plan.columns),
    )
    wanted = (layout.text, layout.id, layout.label_list, *layout.labels.values(), *layout.groups.values())
    num_rows = num_minus_one = 0
    for chunk in _chunks(source, wanted):
        num_rows += len(chunk)
        texts = cells.convert(name, chunk, layout.text)
        keep = _add_comments(part, texts, ids_of(name, chunk, layout.id, _prefix(name)), chunk.first_row)
        if layout.label_list:
            targets = lists.convert(name, chunk, layout.label_list)
        else:
            targets = _targets(plan.labels, layout.labels, numbers, name, chunk)
        groups = _targets(plan.groups, layout.groups, numbers, name, chunk)
        num_minus_one += int(np.sum(np.any(targets == _NOT_SCORED, axis=1)))
        for block, values in ((part.targets, targets), (part.groups, groups)):
            values[values == _NOT_SCORED] = np.nan
            block.append(values[keep])
    if not part.texts:
        raise UserError(
            "data.empty",
            f"none of its {count(num_rows, 'comment')} has a text",
            where=name,
            remedy="check the text column",
        )
    if num_minus_one:
        part.notes.append(
            f"-1 in {count(num_minus_one, 'row')} of {name} counts as unknown: training needs an empty cell instead"
        )
    part.notes += [
        *_notes_on_text(name, cells),
        *_notes_on_missing(source, plan, len(part.texts)),
        *_notes_on_lists(source, plan, lists.num_unknown),
    ]
    part.repairs = cells.repairs
    return part


def _targets(
    axis: Sequence[str], columns: Mapping[str, str], numbers: TargetCells, name: str, chunk: Chunk
) -> Float32s:
    """Return the targets of a chunk, (rows, len(axis)); NaN if a name of the axis has no column."""
    known = {wanted: numbers.convert(name, chunk, column) for wanted, column in columns.items()}
    return _block(axis, known, len(chunk))


def _read_corpus(source: PlannedSource, corpus: Dataset, plan: ReadingPlan) -> SourceRows:
    targets = {label: corpus.targets[:, corpus.labels.index(label)] for label in source.layout.labels}
    groups = {group: corpus.groups[:, corpus.group_names.index(group)] for group in source.layout.groups}
    return SourceRows(
        list(corpus.texts),
        list(corpus.ids),
        list(range(1, len(corpus) + 1)),
        [],
        [_block(plan.labels, targets, len(corpus))],
        [_block(plan.groups, groups, len(corpus))],
        list(_notes_on_missing(source, plan, len(corpus))),
    )


def read_joined(comments: PlannedSource, labels: PlannedSource, plan: ReadingPlan) -> SourceRows:
    """Read comments from one file and their labels from another, joined by id.

    Comments without a scored row of labels are left out unless the plan keeps them.

    Raises
    ------
    UserError : an id occurs twice in a file, or no comment has a scored row
    """
    part, cells, seen = SourceRows(), TextCells(), set[str]()
    row_of, scores = _read_scores(labels)
    unscored = np.all(scores == _NOT_SCORED, axis=1)
    scores[scores == _NOT_SCORED] = np.nan
    num_joined = num_unscored = 0
    for chunk in _chunks(comments, (comments.layout.text, comments.layout.id)):
        ids = ids_of(comments.name, chunk, comments.layout.id, _prefix(comments.name))
        _refuse_repeated(comments.name, chunk, ids, seen)
        seen.update(ids)
        texts = cells.convert(comments.name, chunk, comments.layout.text)
        rows = np.array([row_of.get(id, -1) for id in ids], dtype=np.int64)
        scored = (rows >= 0) & ~unscored[rows]
        wanted = scored | plan.keep_unlabelled
        num_joined += int(np.sum(rows >= 0))
        num_unscored += int(np.sum((rows >= 0) & unscored[rows]))
        texts = [text if use else "" for text, use in zip(texts, wanted, strict=True)]
        keep = _add_comments(part, texts, ids, chunk.first_row)
        values = np.where(rows[:, np.newaxis] >= 0, scores[rows], np.float32(np.nan))[keep]
        # Among the scores, the labels of the plan come first.
        known = dict(zip(labels.layout.labels, values.T, strict=False))
        part.targets.append(_block(plan.labels, known, int(np.sum(keep))))
    part.groups.append(_block(plan.groups, {}, len(part.texts)))
    names = f"{comments.name} and {labels.name}"
    if not part.texts:
        raise UserError(
            "data.empty",
            f"none of {count(len(seen), 'comment')} has a scored row of labels with its id",
            where=names,
            remedy="check that the two files belong together",
        )
    fate = "unknown" if plan.keep_unlabelled else "left out"
    part.repairs = cells.repairs
    part.notes += [
        *_notes_on_join(names, len(seen) - num_joined, len(row_of) - num_joined, num_unscored, fate),
        *_notes_on_text(comments.name, cells),
        *_notes_on_missing(labels, plan, len(part.texts)),
    ]
    return part


def _read_scores(labels: PlannedSource) -> tuple[dict[str, int], Float32s]:
    """Return id -> row, and targets in which -1 means not scored.

    The columns are the labels of the plan, then the others of Jigsaw, since a row is not scored if all of them are -1.
    """
    numbers = TargetCells(not_scored=True)
    headers = Headers(labels.name, labels.found)
    others = (column for label in LABELS if (column := headers.find(label)))
    columns = tuple(dict.fromkeys((*labels.layout.labels.values(), *others)))
    row_of: dict[str, int] = {}
    blocks = []
    for chunk in _chunks(labels, (labels.layout.id, *columns)):
        ids = ids_of(labels.name, chunk, labels.layout.id, _prefix(labels.name))
        _refuse_repeated(labels.name, chunk, ids, row_of.keys())
        row_of.update(zip(ids, range(len(row_of), len(row_of) + len(ids)), strict=True))
        blocks.append(np.stack([numbers.convert(labels.name, chunk, column) for column in columns], axis=1))
    return row_of, np.concatenate(blocks)


def _refuse_repeated(name: str, chunk: Chunk, ids: Sequence[str], before: Set[str]) -> None:
    """Raise a UserError for an id that occurs again, in this chunk or after an earlier one."""
    if len(set(ids)) == len(ids) and before.isdisjoint(ids):
        return
    seen = set(before)
    for index, id in enumerate(ids):
        if id in seen:
            raise UserError(
                "data.duplicate-id",
                f"the id {id} occurs twice",
                where=f"{name}, {chunk.place(index)}",
                remedy="give each comment an id of its own",
            )
        seen.add(id)


def _chunks(source: PlannedSource, columns: Sequence[str]) -> Iterator[Chunk]:
    assert isinstance(source.content, Table)
    return source.content.chunks(tuple(dict.fromkeys(column for column in columns if column)))


def _prefix(name: str) -> str:
    """Return the prefix of generated ids: the name of the file up to its first dot."""
    return f"{Path(name).name.split('.')[0]}:"


def _add_comments(part: SourceRows, texts: Sequence[str], ids: Sequence[str], first_row: int) -> npt.NDArray[np.bool_]:
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
    left_out = []
    if cells.num_missing:
        left_out.append(f"{count(cells.num_missing, 'comment')} without text")
    if cells.num_white:
        noun = f"{cells.num_white:,}" if left_out else count(cells.num_white, "comment")
        left_out.append(f"{noun} of only white space")
    if left_out:
        yield f"{' and '.join(left_out)} left out of {name}"
    if cells.num_nul:
        yield f"NUL characters became spaces in {count(cells.num_nul, 'comment')} of {name}"
    if cells.num_surrogates:
        yield f"lone surrogates became U+FFFD in {count(cells.num_surrogates, 'comment')} of {name}"


def _notes_on_missing(source: PlannedSource, plan: ReadingPlan, num_comments: int) -> Iterator[str]:
    labels = () if source.layout.label_list or not source.has_labels else plan.labels
    for what, axis, found in (
        ("label", labels, source.layout.labels),
        ("group", plan.groups, source.layout.groups),
    ):
        lacks = [name for name in axis if name not in found]
        if lacks:
            kind = what if len(lacks) == 1 else f"{what}s"
            missing = f"the {kind} {', '.join(lacks)}"
            yield f"{source.name} lacks {missing}: unknown for its {count(num_comments, 'comment')}"


def _notes_on_lists(source: PlannedSource, plan: ReadingPlan, num_unknown: int) -> Iterator[str]:
    if num_unknown:
        none = f"[] or {plan.columns.none_word}" if plan.columns.none_word else "[]"
        yield (
            f"{count(num_unknown, 'row')} of {source.name} with an empty {source.layout.label_list}: every label is "
            f"unknown there; write {none} where no label applies"
        )


def _notes_on_join(
    names: str, num_without_labels: int, num_without_text: int, num_unscored: int, fate: str
) -> Iterator[str]:
    if num_unscored:
        yield f"{count(num_unscored, 'comment')} of {names} {fate}: never scored (-1 for every label)"
    if num_without_labels:
        yield f"{count(num_without_labels, 'comment')} of {names} {fate}: no row of labels has the id"
    if num_without_text:
        yield f"{count(num_without_text, 'row')} of labels of {names} left out: no comment has the id"
