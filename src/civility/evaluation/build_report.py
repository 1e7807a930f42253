"""Measure scored comments: numbers, bias, slices (parts of the comments) and the worst errors in one report."""

import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from civility.arrays import POSITIVE_FROM, Ints
from civility.audit.counts import script_of
from civility.audit.label_errors import likely_label_errors
from civility.data.dataset import normalised
from civility.documents.behaviour_report import (
    FEWEST_OF_SLICE,
    BiasReport,
    Example,
    LabelErrorsShown,
    Slice,
    SliceCode,
    SliceLabel,
)
from civility.documents.note import Note, as_note
from civility.documents.report import ClassifierFacts, Optimistic, Report, TrainingCurves
from civility.evaluation.group_bias import Grouped, bias_of
from civility.evaluation.label_measures import NUM_RESAMPLES, measure, proportion
from civility.evaluation.scored_comments import Scored, short
from civility.metrics.ranking import roc_auc
from civility.metrics.threshold_search import Counts
from civility.plain_text import cut
from civility.render.sentences.report_sentences import slice_name

_MOST_SLICES = 30
"""Slices of one kind; rarer values are merged into one."""
_LINK_MARKS = ("http://", "https://", "www.")
NUM_SHOWN = 10
_MOST_UNLIKELY = 0.02
"""The highest score of the annotated side at which a suspected error is called likely."""
MOST_CHARACTERS = 400
"""Of a comment that is shown."""
_UPPER, _LOWER = string.ascii_uppercase.encode(), string.ascii_lowercase.encode()


@dataclass(frozen=True)
class Subject:
    """What a report describes.

    Parameters
    ----------
    name : of the report
    files : the files of the comments
    classifier : what scored them
    optimistic : what was chosen on these very comments
    notes : what a reader should know of them
    training : how the classifier was trained, if known
    """

    name: str
    files: tuple[str, ...]
    classifier: ClassifierFacts
    optimistic: tuple[Optimistic, ...] = ()
    notes: tuple[Note | str, ...] = ()
    training: TrainingCurves | None = None


@dataclass(frozen=True)
class Aspects:
    """What to measure, and how.

    Parameters
    ----------
    label : the label whose bias is measured, if the comments have groups; empty: see `main_label`
    columns : by name: the (N,) cells of a column to slice by
    num_resamples, seed : of the bootstrap
    with_texts : show the worst errors with their texts
    """

    label: str = ""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    num_resamples: int = NUM_RESAMPLES
    seed: int = 0
    with_texts: bool = True


def report_on(scored: Scored, subject: Subject, aspects: Aspects) -> Report:
    """Measure scored comments with their scores."""
    report = measure(
        scored,
        subject.files,
        name=subject.name,
        classifier=subject.classifier,
        num_resamples=aspects.num_resamples,
        seed=aspects.seed,
    )
    return report.model_copy(
        update={
            "optimistic": subject.optimistic,
            "notes": tuple(map(as_note, subject.notes)),
            "training": subject.training,
            "bias": _bias(scored, subject, aspects) if scored.dataset.group_names else None,
            "slices": slices_of(scored, aspects.columns),
            "errors": worst_errors(scored, with_texts=aspects.with_texts),
        }
    )


def main_label(labels: Sequence[str]) -> str:
    """Return the label whose bias is measured if none is named: ``toxic`` if it exists, else the first."""
    return "toxic" if "toxic" in labels else labels[0]


def _bias(scored: Scored, subject: Subject, aspects: Aspects) -> BiasReport:
    dataset = scored.dataset
    label = aspects.label or main_label(dataset.labels)
    column = dataset.labels.index(label)
    targets, scores, flagged = dataset.targets[:, column], scored.scores[:, column], scored.flagged[:, column]
    grouped = Grouped(targets, scores, flagged, dataset.groups, dataset.group_names)
    source = ", ".join(subject.files)
    return bias_of(grouped, source, label, num_resamples=aspects.num_resamples, seed=aspects.seed)


class _Key(NamedTuple):
    """What the comments of a slice have in common: entries of `Slice`."""

    code: SliceCode
    name: str = ""
    low: float | None = None
    high: float | None = None
    num_values: int = 0

    @property
    def words(self) -> str:
        return slice_name(Slice(**self._asdict(), num_comments=0, labels={}))


_LENGTHS = tuple(_Key("words", low=low, high=high) for low, high in ((0, 10), (11, 30), (31, 100), (101, 300)))
_LONGEST = _Key("words", low=301)
_CAPITALS = tuple(_Key("capitals", low=low, high=high) for low, high in ((0, 0.1), (0.1, 0.5), (0.5, 1)))
_NO_CASED_LETTERS, _EMPTY = _Key("no_cased_letters"), _Key("empty")
_WITH_LINK, _WITHOUT_LINK = _Key("with_link"), _Key("without_link")


def _length(text: str) -> _Key:
    words = len(text.split())
    return next((one for one in _LENGTHS if one.high is not None and words <= one.high), _LONGEST)


def _script(text: str) -> _Key:
    return _Key("value", script_of(text))


def _capitals(text: str) -> _Key:
    upper, cased = _cases(text)
    if not cased:
        return _NO_CASED_LETTERS
    share = upper / cased
    return _CAPITALS[(share > 0.1) + (share > 0.5)]


def _cases(text: str) -> tuple[int, int]:
    """Return the numbers of capitals and of cased letters. ASCII has a fast path."""
    if text.isascii():
        data = text.encode()
        upper = len(data) - len(data.translate(None, _UPPER))
        return upper, upper + len(data) - len(data.translate(None, _LOWER))
    times_of = Counter(text).items()
    upper = sum(times for character, times in times_of if character.isupper())
    return upper, upper + sum(times for character, times in times_of if character.islower())


def _links(text: str) -> _Key:
    folded = text.casefold()  # much faster than a pattern that ignores case
    return _WITH_LINK if any(mark in folded for mark in _LINK_MARKS) else _WITHOUT_LINK


def _value(cell: str) -> _Key:
    """Return what a cell has in common with equal ones, without lone surrogates, which JSON cannot hold."""
    name = cell.encode("utf-8", "replace").decode().strip()
    return _Key("value", name) if name else _EMPTY


_OF_TEXT: Mapping[str, Callable[[str], _Key]] = {
    "length": _length,
    "script": _script,
    "capitals": _capitals,
    "links": _links,
}


def slices_of(scored: Scored, columns: Mapping[str, Sequence[str]]) -> dict[str, tuple[Slice, ...]]:
    """Return the slices of each kind, the largest first; of length, the shortest first.

    Kinds are by length, script, capitals and links of the texts, and by the (N,) cells of each column of the file.
    """
    kinds = {name: [of_text(text) for text in scored.dataset.texts] for name, of_text in _OF_TEXT.items()}
    for name, cells in columns.items():
        kinds[name if name not in kinds else f"column {name}"] = [_value(cell) for cell in cells]
    return {name: _slices(scored, values) for name, values in kinds.items()}


def _slices(scored: Scored, keys: Sequence[_Key]) -> tuple[Slice, ...]:
    rows_of: dict[_Key, list[int]] = {}
    for row, key in enumerate(keys):
        rows_of.setdefault(key, []).append(row)

    def place(key: _Key) -> tuple[float, int, str]:
        return (key.low or 0) if key.code == "words" else 0, -len(rows_of[key]), key.words

    in_order = sorted(rows_of, key=place)
    shown, rest = in_order[:_MOST_SLICES], in_order[_MOST_SLICES:]
    slices = [_slice(scored, rows_of[key], key) for key in shown]
    if rest:
        rows = sorted(row for key in rest for row in rows_of[key])
        slices.append(_slice(scored, rows, _Key("rest", num_values=len(rest))))
    return tuple(slices)


def _slice(scored: Scored, rows: Sequence[int], key: _Key) -> Slice:
    index = np.array(rows, dtype=np.int64)
    labels = {label: _slice_label(scored, column, index) for column, label in enumerate(scored.dataset.labels)}
    few = tuple(label for label, numbers in labels.items() if numbers.num_positive < FEWEST_OF_SLICE)
    return Slice(**key._asdict(), num_comments=len(rows), labels=labels, too_few=few)


def _slice_label(scored: Scored, column: int, rows: npt.NDArray[np.int64]) -> SliceLabel:
    targets = scored.dataset.targets[rows, column]
    counts = Counts.of(targets, scored.flagged[rows, column])
    return SliceLabel(
        num_positive=counts.num_positive,
        num_negative=counts.num_negative,
        roc_auc=roc_auc(targets, scored.scores[rows, column]),
        precision=proportion(counts.true_positives, counts.flagged),
        recall=proportion(counts.true_positives, counts.num_positive),
    )


def worst_errors(scored: Scored, *, with_texts: bool = True) -> dict[str, LabelErrorsShown]:
    """Return, by label, the flagged negatives that score highest and the missed positives that score lowest.

    Without texts, ids identify them. A likely label error is one by confident learning (`audit.label_errors`), which
    assumes that the classifier was not trained on these comments, with a score of at most 2 % for the annotation.
    """
    shown = {label: _of_label(scored, column) for column, label in enumerate(scored.dataset.labels)}
    return shown if with_texts else {label: _without_texts(errors) for label, errors in shown.items()}


def _without_texts(errors: LabelErrorsShown) -> LabelErrorsShown:
    sides = (errors.false_positives, errors.false_negatives)
    blank = [tuple(example.model_copy(update={"text": ""}) for example in side) for side in sides]
    return LabelErrorsShown(false_positives=blank[0], false_negatives=blank[1])


def _of_label(scored: Scored, column: int) -> LabelErrorsShown:
    targets, scores, flagged = scored.dataset.targets[:, column], scored.scores[:, column], scored.flagged[:, column]
    errors = likely_label_errors(targets, scores)
    # Nearly all of the worst errors are suspected, so only the surest are marked.
    suspected = set(errors.rows[(1 + errors.margin) / 2 <= _MOST_UNLIKELY].tolist())
    wrong_flags = np.flatnonzero((targets < POSITIVE_FROM) & flagged)
    wrong_flags = wrong_flags[np.argsort(-scores[wrong_flags], kind="stable")]
    missed = np.flatnonzero((targets >= POSITIVE_FROM) & ~flagged)
    missed = missed[np.argsort(scores[missed], kind="stable")]
    return LabelErrorsShown(
        false_positives=_examples(scored, column, wrong_flags, suspected),
        false_negatives=_examples(scored, column, missed, suspected),
    )


def _examples(scored: Scored, column: int, rows: Ints, suspected: set[int]) -> tuple[Example, ...]:
    """Return the first comments of ``rows``; equal ones are merged into the first and counted."""
    dataset = scored.dataset
    groups: dict[str, list[int]] = {}
    for row in rows.tolist():
        key = normalised(dataset.texts[row])
        if key in groups or len(groups) < NUM_SHOWN:
            groups.setdefault(key, []).append(row)
    return tuple(_example(scored, column, same, suspected) for same in groups.values())


def _example(scored: Scored, column: int, same: Sequence[int], suspected: set[int]) -> Example:
    first = same[0]
    return Example(
        id=scored.dataset.ids[first],
        text=cut(scored.dataset.texts[first], MOST_CHARACTERS),
        score=short(scored.scores[first, column]),
        target=float(scored.dataset.targets[first, column]),
        times=len(same),
        likely_label_error=first in suspected,
    )
