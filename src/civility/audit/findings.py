"""Findings: what is wrong with the comments, how many have it, which they are, and what to do about it.

Each function looks at one thing and returns the findings that there are; none where all is well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from civility.arrays import Ints
from civility.audit.audit_sentences import ADVICE, TITLES
from civility.audit.copies import Copies, Leak, closest_near_copy, near_contradictions
from civility.audit.counts import LabelCounts
from civility.data.dataset import POSITIVE_FROM, Dataset
from civility.data.duplicates import contradictions
from civility.data.reading import Reading, begins_with_mark

MAX_LISTED = 10_000
"""Comments listed of one finding: a file of millions must not become another such file."""
_PAIRS_TOLD = 2
FEW_POSITIVES = 50
"""Below so many positives a label is told: a tenth held out leaves it five, and an AUC that means little."""


def _no_rows() -> Ints:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Listed:
    """The comments of a finding, for a person to open; what a finding has no use for stays empty.

    Parameters
    ----------
    rows : (E,) rows of the dataset
    others : (E,) row of the comment that each clashes with
    labels : (E,) the labels concerned
    scores, similarities : (E,)
    places : (index of the file, number of the row) of rows that are not in the dataset, as blank ones
    """

    rows: Ints = field(default_factory=_no_rows)
    others: Sequence[int] | Ints = ()
    labels: Sequence[str] = ()
    scores: Sequence[float] | npt.NDArray[np.float64] = ()
    similarities: Sequence[float] | npt.NDArray[np.float32] = ()
    places: Sequence[tuple[int, int]] = ()

    def __len__(self) -> int:
        return len(self.rows) + len(self.places)


@dataclass(frozen=True, eq=False)
class Finding:
    """One thing that is wrong.

    Parameters
    ----------
    name : a key that stays the same from version to version
    count, total : how many of how many
    unit : what is counted, "comment", "label" or "file"
    details : numbers for a person, as by label
    listed : the comments, `MAX_LISTED` at most
    """

    name: str
    count: int
    total: int
    unit: str = "comment"
    details: str = ""
    listed: Listed = field(default_factory=Listed)

    @property
    def title(self) -> str:
        """What was found, in a few words."""
        return TITLES[self.name]

    @property
    def advice(self) -> str:
        """What to do about it, in a sentence."""
        return ADVICE[self.name]

    @property
    def share(self) -> float:
        """``count / total``; NaN of none."""
        return self.count / self.total if self.total else float("nan")


def by_label(labels: Sequence[str], counts: Sequence[int] | Ints) -> str:
    """Return counts by label for a person, the largest first, without those of nothing."""
    pairs = sorted(zip(labels, counts, strict=True), key=lambda pair: -pair[1])
    return ", ".join(f"{label} {count:,}" for label, count in pairs if count)


def on_leaks(leaks: Sequence[Leak], files: Sequence[str], num_comments: int) -> Iterator[Finding]:
    """Tell of comments that are in more than one file; ``files`` are their names for a person."""
    for name in ("equal", "near"):
        found = [leak for leak in leaks if len(getattr(leak, name))]
        if not found:
            continue
        # Each pair of files once in the list; the table has both directions.
        once = [leak for leak in found if leak.file < leak.other] or found
        rows = np.concatenate([getattr(leak, name) for leak in once])[:MAX_LISTED]
        others = np.concatenate([getattr(leak, f"{name}_other") for leak in once])[:MAX_LISTED]
        count = len(np.unique(np.concatenate([getattr(leak, name) for leak in found])))
        pairs = [f"{len(getattr(leak, name)):,} of {files[leak.file]} in {files[leak.other]}" for leak in found]
        details = "; ".join(pairs[:_PAIRS_TOLD]) + ("; …" if len(pairs) > _PAIRS_TOLD else "")
        yield Finding(f"leak_{name}", count, num_comments, details=details, listed=Listed(rows, others))


def on_contradictions(dataset: Dataset, copies: Copies) -> Iterator[Finding]:
    """Tell of equal texts whose labels differ, and of nearly equal ones."""
    disagree = contradictions(copies.text_of_row, dataset.targets)
    contradicts: npt.NDArray[np.bool_] = np.asarray(disagree.any(axis=1))
    rows = np.flatnonzero(contradicts[copies.text_of_row])
    if len(rows):
        rows = rows[np.lexsort([rows, copies.text_of_row[rows]])]
        details = f"texts by label: {by_label(dataset.labels, disagree.sum(axis=0))}"
        listed = _listed_contradictions(dataset, copies, disagree, rows[:MAX_LISTED])
        yield Finding("contradicting_labels", len(rows), len(dataset), details=details, listed=listed)
    disagree = near_contradictions(copies, dataset.targets)
    pairs = np.flatnonzero(disagree.any(axis=1))
    if len(pairs):
        texts = copies.near[pairs]
        count = int(np.isin(copies.text_of_row, np.unique(texts)).sum())
        details = f"pairs by label, or more: {by_label(dataset.labels, disagree.sum(axis=0))}"
        some = pairs[:MAX_LISTED]
        listed = Listed(
            rows=copies.first_row[copies.near[some, 0]],
            others=copies.first_row[copies.near[some, 1]],
            labels=[_names(dataset.labels, row) for row in disagree[some]],
            similarities=copies.similarity[some],
        )
        yield Finding("near_contradicting_labels", count, len(dataset), details=details, listed=listed)


def _listed_contradictions(dataset: Dataset, copies: Copies, disagree: npt.NDArray[np.bool_], rows: Ints) -> Listed:
    """List rows, each with a row of its text whose first contradicting label is the other way."""
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


def on_labels(dataset: Dataset, counts: Sequence[LabelCounts]) -> Iterator[Finding]:
    """Tell of labels with few positives or no negative, and of comments without any known label."""
    if not dataset.labels:
        yield Finding("no_labels", len(dataset), len(dataset))
        return
    by_name = dict(zip(dataset.labels, counts, strict=True))
    few = {label: one.num_positive for label, one in by_name.items() if one.num_positive < FEW_POSITIVES}
    if few:
        details = ", ".join(f"{label} {count:,}" for label, count in few.items())
        yield Finding("few_positives", len(few), len(counts), "label", details)
    one_sided = [label for label, one in by_name.items() if one.num_positive and not one.num_negative]
    if one_sided:
        yield Finding("no_negatives", len(one_sided), len(counts), "label", ", ".join(one_sided))
    unknown = np.flatnonzero(np.isnan(dataset.targets).all(axis=1))
    if len(unknown):
        yield Finding("no_known_label", len(unknown), len(dataset), listed=Listed(unknown[:MAX_LISTED]))


def on_copies(dataset: Dataset, copies: Copies) -> Iterator[Finding]:
    """Tell of texts that stand in the data more than once."""
    repeats = copies.repeats
    if len(repeats):
        some = repeats[:MAX_LISTED]
        others = copies.first_row[copies.text_of_row[some]]
        num_texts = len(np.unique(copies.text_of_row[repeats]))
        details = f"{num_texts:,} texts occur more than once" if num_texts > 1 else "one text occurs more than once"
        yield Finding("equal_copies", len(repeats), len(dataset), details=details, listed=Listed(some, others))
    if len(copies.near):
        texts, others, similarity = closest_near_copy(copies)
        count = int(np.isin(copies.text_of_row, texts).sum())
        listed = Listed(
            copies.first_row[texts[:MAX_LISTED]],
            copies.first_row[others[:MAX_LISTED]],
            similarities=similarity[:MAX_LISTED],
        )
        yield Finding("near_copies", count, len(dataset), details=f"{len(copies.near):,} pairs or more", listed=listed)


def on_cells(reading: Reading) -> Iterator[Finding]:
    """Tell of what the reader had to leave out or mend."""
    names = {"missing": "blank", "white": "blank", "nul": "nul_characters", "surrogates": "lone_surrogates"}
    num_rows = len(reading.dataset) + sum(what in ("missing", "white") for what, _, _ in reading.repairs)
    for name in dict.fromkeys(names.values()):
        places = [(file, row) for what, file, row in reading.repairs if names[what] == name]
        if places:
            yield Finding(name, len(places), num_rows, listed=Listed(places=places[:MAX_LISTED]))


def on_marks(files: Sequence[str]) -> Iterator[Finding]:
    """Tell of files that begin with a byte order mark."""
    marked = [name for name in files if begins_with_mark(name)]
    if marked:
        yield Finding("byte_order_mark", len(marked), len(files), "file", ", ".join(marked))


def on_signs(rows_of: dict[str, Ints], num_comments: int) -> Iterator[Finding]:
    """Tell of comments that show a sign."""
    for name, rows in rows_of.items():
        if len(rows):
            yield Finding(name, len(rows), num_comments, listed=Listed(rows[:MAX_LISTED]))
