"""The worst errors of each label, for a person to read; equal comments are merged, likely label errors marked."""

from collections.abc import Sequence

import numpy as np

from civility.arrays import POSITIVE_FROM, Ints
from civility.audit.label_errors import likely_label_errors
from civility.data.duplicates import normalised
from civility.documents.behaviour_report import Example, LabelErrorsShown
from civility.evaluation.scored_comments import Scored, short

NUM_SHOWN = 10
MOST_UNLIKELY = 0.02
"""The highest score of the annotated side at which a suspected error is called likely."""
_LONGEST = 400
"""Most characters of a comment that are shown."""


def cut(text: str) -> str:
    """Return a text short enough to show."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


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
    suspected = set(errors.rows[(1 + errors.margin) / 2 <= MOST_UNLIKELY].tolist())
    wrong_flags = np.flatnonzero((targets < POSITIVE_FROM) & flagged)
    missed = np.flatnonzero((targets >= POSITIVE_FROM) & ~flagged)
    return LabelErrorsShown(
        false_positives=_examples(
            scored, column, wrong_flags[np.argsort(-scores[wrong_flags], kind="stable")], suspected
        ),
        false_negatives=_examples(scored, column, missed[np.argsort(scores[missed], kind="stable")], suspected),
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
        text=cut(scored.dataset.texts[first]),
        score=short(scored.scores[first, column]),
        target=float(scored.dataset.targets[first, column]),
        times=len(same),
        likely_label_error=first in suspected,
    )
