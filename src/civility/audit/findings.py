"""Findings: what is wrong with the comments, how many are affected, and which.

Each function looks at one thing and yields its findings; none if all is well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.arrays import POSITIVE_FROM, Ints
from civility.audit.copies import Copies, Leak, closest_near_copy, near_contradictions
from civility.audit.signs import SignName
from civility.data.dataset import Dataset, contradictions
from civility.data.reading import Reading, begins_with_mark
from civility.documents.audit_result import Finding, FindingName, LabelCounts, TokenLengths

# Comments listed for one finding: a file of millions should not lead to another of that size.
MAX_LISTED = 10_000
# A label with fewer positives is reported: a tenth held out leaves five, and an AUC that means little.
FEW_POSITIVES = 50


@dataclass(frozen=True, eq=False)
class Listed:
    """The comments of a finding, for a person to open; fields that a finding does not need stay empty."""

    rows: Sequence[int] | Ints = ()  # (E,) rows of the dataset
    others: Sequence[int] | Ints = ()  # (E,) row of the comment that each contradicts or copies; -1: none
    labels: Sequence[str] = ()  # (E,) the labels concerned
    scores: Sequence[float] | npt.NDArray[np.float64] = ()  # (E,)
    similarities: Sequence[float] | npt.NDArray[np.float32] = ()  # (E,)
    # (index of the file, number of the row) of rows that are not in the dataset, such as blank ones
    places: Sequence[tuple[int, int]] = ()

    def __len__(self) -> int:
        return len(self.rows) + len(self.places)


@dataclass(frozen=True, eq=False)
class Found:
    """A finding, and its comments, `MAX_LISTED` at most."""

    finding: Finding
    listed: Listed


def finding_of(name: FindingName, count: int, total: int, listed: Listed | None = None, **details: Any) -> Found:
    """Return a finding: how many of how many, the comments for rows.csv, and further fields of `Finding`."""
    listed = listed or Listed()
    share = count / total if total else None
    finding = Finding(name=name, count=count, total=total, share=share, num_listed=len(listed), **details)
    return Found(finding, listed)


def _by_label(labels: Sequence[str], counts: Ints) -> dict[str, int]:
    """Return the counts above zero by label, the largest first."""
    pairs = sorted(zip(labels, counts.tolist(), strict=True), key=lambda pair: -pair[1])
    return {label: count for label, count in pairs if count}


def on_leaks(leaks: Sequence[Leak], num_comments: int) -> Iterator[Found]:
    """Find comments that are in more than one file."""
    names: dict[str, FindingName] = {"equal": "leak_equal", "near": "leak_near"}
    for kind, name in names.items():
        leaking = [leak for leak in leaks if len(getattr(leak, kind))]
        if not leaking:
            continue
        # Each pair of files once in the list; the table has both directions.
        once = [leak for leak in leaking if leak.file < leak.other] or leaking
        rows = np.concatenate([getattr(leak, kind) for leak in once])[:MAX_LISTED]
        others = np.concatenate([getattr(leak, f"{kind}_other") for leak in once])[:MAX_LISTED]
        count = len(np.unique(np.concatenate([getattr(leak, kind) for leak in leaking])))
        yield finding_of(name, count, num_comments, Listed(rows, others))


def on_contradictions(dataset: Dataset, copies: Copies) -> Iterator[Found]:
    """Find equal and nearly equal texts whose labels differ."""
    disagree = contradictions(copies.text_of_row, dataset.targets)
    rows = np.flatnonzero(np.asarray(disagree.any(axis=1))[copies.text_of_row])
    if len(rows):
        rows = rows[np.lexsort([rows, copies.text_of_row[rows]])]
        listed = _listed_contradictions(dataset, copies, disagree, rows[:MAX_LISTED])
        by_label = _by_label(dataset.labels, disagree.sum(axis=0))
        yield finding_of("contradicting_labels", len(rows), len(dataset), listed, by_label=by_label)
    disagree = near_contradictions(copies, dataset.targets)
    pairs = np.flatnonzero(disagree.any(axis=1))
    if len(pairs):
        count = int(np.isin(copies.text_of_row, np.unique(copies.near[pairs])).sum())
        some = pairs[:MAX_LISTED]
        listed = Listed(
            rows=copies.first_row[copies.near[some, 0]],
            others=copies.first_row[copies.near[some, 1]],
            labels=[_names(dataset.labels, row) for row in disagree[some]],
            similarities=copies.similarity[some],
        )
        by_label = _by_label(dataset.labels, disagree.sum(axis=0))
        yield finding_of("near_contradicting_labels", count, len(dataset), listed, by_label=by_label)


def _listed_contradictions(dataset: Dataset, copies: Copies, disagree: npt.NDArray[np.bool_], rows: Ints) -> Listed:
    """List rows, each with a row of the same text that has its first contradicting label the other way."""
    rows_of_side: dict[tuple[int, bool], int] = {}
    texts = copies.text_of_row[rows]
    label = disagree[texts].argmax(axis=1)
    target = dataset.targets[rows, label]
    is_positive = target >= POSITIVE_FROM
    for row, text, value, side in zip(rows, texts, target, is_positive, strict=True):
        if not np.isnan(value):
            rows_of_side.setdefault((int(text), bool(side)), int(row))
    others = [rows_of_side.get((int(text), not side), -1) for text, side in zip(texts, is_positive, strict=True)]
    return Listed(rows, others, [_names(dataset.labels, disagree[text]) for text in texts])


def _names(labels: Sequence[str], chosen: npt.NDArray[np.bool_]) -> str:
    return " ".join(label for label, is_chosen in zip(labels, chosen, strict=True) if is_chosen)


def on_labels(dataset: Dataset, counts: Sequence[LabelCounts]) -> Iterator[Found]:
    """Find labels with few positives or no negatives, and comments without any known label."""
    if not dataset.labels:
        yield finding_of("no_labels", len(dataset), len(dataset))
        return
    by_name = dict(zip(dataset.labels, counts, strict=True))
    few = {label: one.num_positive for label, one in by_name.items() if one.num_positive < FEW_POSITIVES}
    if few:
        yield finding_of("few_positives", len(few), len(counts), unit="label", by_label=few)
    one_sided = tuple(label for label, one in by_name.items() if one.num_positive and not one.num_negative)
    if one_sided:
        yield finding_of("no_negatives", len(one_sided), len(counts), unit="label", names=one_sided)
    unknown = np.flatnonzero(np.isnan(dataset.targets).all(axis=1))
    if len(unknown):
        yield finding_of("no_known_label", len(unknown), len(dataset), Listed(unknown[:MAX_LISTED]))


def on_tokens(tokens: TokenLengths) -> Iterator[Found]:
    """Find comments that are truncated."""
    if tokens.truncated.num_truncated:
        yield finding_of("truncated", tokens.truncated.num_truncated, tokens.truncated.num_measured)


def on_copies(dataset: Dataset, copies: Copies) -> Iterator[Found]:
    """Find texts that occur more than once."""
    repeats = copies.repeats
    if len(repeats):
        listed = Listed(repeats[:MAX_LISTED], copies.first_row[copies.text_of_row[repeats[:MAX_LISTED]]])
        num_texts = len(np.unique(copies.text_of_row[repeats]))
        yield finding_of("equal_copies", len(repeats), len(dataset), listed, num=num_texts)
    if len(copies.near):
        texts, near, similarity = closest_near_copy(copies)
        count = int(np.isin(copies.text_of_row, texts).sum())
        rows, others = copies.first_row[texts[:MAX_LISTED]], copies.first_row[near[:MAX_LISTED]]
        listed = Listed(rows, others, similarities=similarity[:MAX_LISTED])
        yield finding_of("near_copies", count, len(dataset), listed, num=len(copies.near))


def on_cells(reading: Reading) -> Iterator[Found]:
    """Find cells that the reader left out or repaired."""
    names: dict[str, FindingName]
    names = {"missing": "blank", "white": "blank", "nul": "nul_characters", "surrogates": "lone_surrogates"}
    num_rows = len(reading.dataset) + sum(what in ("missing", "white") for what, _, _ in reading.repairs)
    for name in dict.fromkeys(names.values()):
        places = [(file, row) for what, file, row in reading.repairs if names[what] == name]
        if places:
            yield finding_of(name, len(places), num_rows, Listed(places=places[:MAX_LISTED]))


def on_marks(files: Sequence[str]) -> Iterator[Found]:
    """Find files that begin with a byte order mark."""
    if marked := tuple(filter(begins_with_mark, files)):
        yield finding_of("byte_order_mark", len(marked), len(files), unit="file", names=marked)


def on_signs(rows_of: dict[SignName, Ints], num_comments: int) -> Iterator[Found]:
    """Find comments that show a sign."""
    for name, rows in rows_of.items():
        if len(rows):
            yield finding_of(name, len(rows), num_comments, Listed(rows[:MAX_LISTED]))
