"""Scoring what was named on one labelled file, for runs that were validated on different comments."""

from collections.abc import Callable, Sequence

import numpy as np

from civility.data.reading import Columns
from civility.errors import UserError
from civility.evaluation.comparison.compared_runs import Source, Target, told_once
from civility.evaluation.labelled_comments import read_labelled
from civility.evaluation.scores_table import ScoresTable
from civility.metrics.threshold_search import DEFAULT_THRESHOLD
from civility.scoring.classifier import Classifier

_UNKNOWN = "is no run directory, so nothing tells whether it was trained on some of these comments"


def score_on(
    targets: Sequence[Target],
    files: Sequence[str],
    columns: Columns,
    on_scored: Callable[[str, int, int], None],
) -> tuple[list[Source], list[str]]:
    """Return the scores of each target's classifier on labelled files, and what a person should know of these.

    A run that was trained on some of the comments is told of.

    Parameters
    ----------
    targets : run directories, classifier folders or hub names
    files : of comments; a label that they lack is unknown
    columns : those named by the user
    on_scored : told, after each batch, what is scored, the number of texts in the batch and in all

    Raises
    ------
    UserError : a report among the targets, other labels than the first, or whatever the user can mend
    """
    for target in targets:
        if target.is_report:
            raise UserError(
                "evaluation.todo",
                "a report has the scores of its own comments alone, and no classifier to score others",
                where=target.name,
                remedy="name the run or the classifier folder; or leave out --data",
            )
    sources: list[Source] = []
    notes: list[tuple[str, str]] = []
    for target in targets:
        classifier = Classifier.load(target.name)
        if sources and classifier.labels != sources[0].scores.labels:
            raise UserError(
                "evaluation.todo",
                f"{target.name} has other labels than {targets[0].name}: "
                f"{', '.join(classifier.labels)} and {', '.join(sources[0].scores.labels)}",
                remedy="compare classifiers of the same labels",
            )
        labelled = read_labelled(target.name, files, classifier.labels, columns)
        dataset = labelled.dataset
        logits = classifier.logits(dataset.texts, on_scored=_telling(on_scored, target.name, len(dataset)))
        cuts = [classifier.thresholds.get(label, DEFAULT_THRESHOLD) for label in classifier.labels]
        calibrated = classifier.calibrated(logits)
        identity = (dataset.comments_digest, dataset.ids, dataset.labels, dataset.targets)
        scores = ScoresTable(*identity, calibrated, honest_scores=calibrated)
        sources.append(Source(target, scores, np.array(cuts, dtype=np.float32)))
        notes += [(target.name, note) for note in labelled.notes]
        if target.run is None:
            notes.append((target.name, _UNKNOWN))
    return sources, told_once(notes, len(targets))


def _telling(on_scored: Callable[[str, int, int], None], name: str, total: int) -> Callable[[int], None]:
    return lambda number: on_scored(f"scoring {name}", number, total)
