"""Thresholds: a classifier, labelled comments and policies become thresholds, kept in the classifier folder."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from civility.classifier import Classifier
from civility.data.dataset import POSITIVE_FROM, Dataset
from civility.data.files import write_file
from civility.data.readers import Columns, Reading, columns_present, read_dataset
from civility.errors import UserError
from civility.metrics.policy import parse_policies
from civility.metrics.thresholds import Choice, Cuts, choose_threshold
from civility.recipe import Recipe
from civility.run import RunDirectory, classifier_folder
from civility.sidecar import SIDECAR

_RECOGNISE = Columns()


@dataclass(frozen=True)
class ThresholdsSet:
    """What was chosen, and where it was written.

    Parameters
    ----------
    choices : by label
    kept : by label, the threshold of the others, which stay as they were
    num_comments : read
    notes : what a person should know
    path : of ``civility.json``
    written : whether the thresholds were written there
    """

    choices: Mapping[str, Choice]
    kept: Mapping[str, float]
    num_comments: int
    notes: tuple[str, ...]
    path: Path
    written: bool


def set_thresholds(
    target: str,
    files: Sequence[str],
    policy: str,
    *,
    columns: Columns = _RECOGNISE,
    check: bool = False,
    on_scored: Callable[[int, int], None] = lambda num_comments, total: None,
) -> ThresholdsSet:
    """Choose thresholds by policy on labelled comments, and write them into the classifier folder.

    A label of which the comments have one class only keeps its threshold.

    Parameters
    ----------
    target : a run directory or a classifier folder
    files : labelled comments; a label that they lack is unknown
    policy : as ``threat: recall>=0.9; default: precision>=0.8``; see `civility.metrics.policy`
    columns : of text and id; those not named: those of the run's recipe where the file has them, else recognised
    check : whether to write nothing
    on_scored : told, after each batch, the number of comments in it and in all

    Raises
    ------
    UserError : whatever the user can mend; nothing is written then
    """
    folder = Path(classifier_folder(target))
    if not folder.is_dir() and not check:
        raise UserError(
            f"{target}: thresholds are written into the classifier folder, and this is none here",
            f"'hf download {target} --local-dir FOLDER' and name the folder; or --check, to write nothing",
        )
    classifier = Classifier.load(target)
    policies = parse_policies(policy, classifier.labels)
    reading = _read(target, files, columns, classifier.labels)
    dataset, total = reading.dataset, len(reading.dataset)
    lacking = {label: reason for label in policies if (reason := _lacks(dataset, label))}
    if len(lacking) == len(policies):
        reasons = "; ".join(f"{label}: {reason}" for label, reason in lacking.items())
        raise UserError(
            f"{', '.join(reading.files)}: nothing to choose a threshold by: {reasons}",
            "name comments that have both positive and negative ones of a label",
        )
    notes = [*reading.notes, *(f"{label} keeps its threshold: {reason}" for label, reason in lacking.items())]
    notes += _optimistic(classifier, dataset)
    scores = classifier.score(dataset.texts, on_scored=lambda num_comments: on_scored(num_comments, total))
    cuts = dict(zip(dataset.labels, map(Cuts.of, dataset.targets.T, scores.T), strict=True))
    choices = {label: choose_threshold(one, cuts[label]) for label, one in policies.items() if label not in lacking}
    kept = {label: value for label, value in classifier.thresholds.items() if label not in choices}
    classifier.set_thresholds(choices, dataset.digest)
    path = folder / SIDECAR
    if not check:
        with write_file(path) as file:
            file.write(classifier.sidecar.to_json())
    return ThresholdsSet(choices, kept, total, tuple(notes), path, written=not check)


def _read(target: str, files: Sequence[str], columns: Columns, labels: tuple[str, ...]) -> Reading:
    run = RunDirectory.find(Path(target))
    known = columns_present(files[0], Recipe.load(str(run.recipe)).data.columns) if run else _RECOGNISE
    wanted = replace(known, text=columns.text or known.text, id=columns.id or known.id, labels=labels)
    return read_dataset(files, wanted, require_all_labels=False)


def _lacks(dataset: Dataset, label: str) -> str:
    """Return why no threshold can be chosen for a label, or an empty text."""
    targets = dataset.targets[:, dataset.labels.index(label)]
    num_known = int(np.count_nonzero(~np.isnan(targets)))
    if not num_known:
        return "no comment says whether it is positive"
    num_positive = int(np.count_nonzero(targets >= POSITIVE_FROM))
    lacking = "positive" if not num_positive else "negative" if num_positive == num_known else ""
    return f"no {lacking} comment among {num_known:,}" if lacking else ""


def _optimistic(classifier: Classifier, dataset: Dataset) -> Iterator[str]:
    chosen = [what for what in ("epoch", "calibration") if classifier.chosen_on.get(what) == dataset.digest]
    if chosen:
        yield f"the {' and the '.join(chosen)} were chosen on these very comments: the numbers are optimistic"
