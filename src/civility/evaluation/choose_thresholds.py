"""Choose thresholds by policy on labelled comments, and keep them in the classifier folder.

On request, scores are calibrated first.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from civility.data.reading import Columns
from civility.documents.classifier_file import CLASSIFIER_FILE
from civility.documents.note import Note
from civility.errors import UserError
from civility.evaluation.labelled_comments import (
    Labelled,
    calibrations_for,
    optimistic,
    read_labelled,
    thresholds_for,
    why_no_threshold,
)
from civility.metrics.policy import Policy, parse_policies, parse_policy
from civility.metrics.threshold_search import ThresholdChoice
from civility.run import classifier_folder
from civility.scoring.classifier import Classifier
from civility.storage.atomic_files import replace_folder, write_file
from civility.storage.parsing import read_text


@dataclass(frozen=True)
class ThresholdsSet:
    """What was chosen, and where it was written.

    Parameters
    ----------
    choices : by label
    kept : by label, the unchanged threshold of the other labels
    num_comments : comments read, 1 or more
    notes : what the user should know
    not_chosen_from_data : labels whose threshold was chosen without enough data, now or before
    calibrated : by label, the reason for its calibration; empty if it was not requested
    path : of ``civility.json``
    written : whether the thresholds were written there
    """

    choices: Mapping[str, ThresholdChoice]
    kept: Mapping[str, float]
    num_comments: int
    notes: tuple[Note | str, ...]
    not_chosen_from_data: tuple[str, ...]
    calibrated: Mapping[str, str]
    path: Path
    written: bool


@dataclass(frozen=True)
class ThresholdRequest:
    """What to choose, and whether to keep it.

    Parameters
    ----------
    policy : as ``threat: recall>=0.9; default: precision>=0.8``, see `civility.metrics.policy`; empty: each label keeps
        the policy that is stored with the classifier; f1 without one
    calibrate : calibrate the scores on these comments first
    check : write nothing
    """

    policy: str
    calibrate: bool = False
    check: bool = False


def set_thresholds(
    target: str,
    files: Sequence[str],
    request: ThresholdRequest,
    *,
    columns: Columns,
    on_scored: Callable[[int, int], None] = lambda num_comments, total: None,
) -> ThresholdsSet:
    """Choose thresholds by policy on labelled comments, and write them into the classifier folder.

    A label keeps its threshold if it lacks positive or negative comments.

    Parameters
    ----------
    target : a run directory or a classifier folder
    files : labelled comments; a label that they lack is unknown. None: those that the run held out
    request : what to choose
    columns : of text and id; columns not named are those of the run's recipe if the file has them, else recognised
    on_scored : called after each batch with its size and the number of all comments

    Raises
    ------
    UserError : any mistake of the user; nothing is written
    """
    folder = Path(classifier_folder(target))
    if not folder.is_dir() and not request.check:
        found = "not a folder on this machine, so thresholds cannot be written into it"
        remedy = f"'hf download {target} --local-dir FOLDER' and name the folder; or --check, to write nothing"
        raise UserError("evaluation.no-classifier-folder", found, where=target, remedy=remedy)
    classifier = Classifier.load(target)
    policies = parse_policies(request.policy, classifier.labels) if request.policy else _stored_policies(classifier)
    labelled = read_labelled(target, files, classifier.labels, columns)
    dataset, total = labelled.dataset, len(labelled.dataset)
    lacking = {label: why for label, why in why_no_threshold(dataset).items() if label in policies}
    if len(lacking) == len(policies):
        reasons = "; ".join(f"{label}: {reason}" for label, reason in lacking.items())
        found = f"no label has both positive and negative comments: {reasons}"
        remedy = "name comments that include both for at least one label"
        raise UserError("evaluation.nothing-to-choose-by", found, where=", ".join(labelled.files), remedy=remedy)
    logits = classifier.logits(dataset.texts, on_scored=lambda num_comments: on_scored(num_comments, total))
    chosen = calibrations_for(dataset, logits) if request.calibrate else {}
    # Only labels with a new threshold: an old threshold refers to old scores.
    chosen = {label: one for label, one in chosen.items() if label in policies and label not in lacking}
    if request.calibrate:
        classifier.calibrate({label: one.calibration for label, one in chosen.items()}, dataset.comments_digest)
    reasons_of = {label: one.reason for label, one in chosen.items()}
    notes = (
        *labelled.notes,
        *(f"{label} keeps its threshold: {reason}" for label, reason in lacking.items()),
        *_optimistic(classifier, labelled),
    )
    choices = thresholds_for(dataset, classifier.calibrated(logits), policies)
    kept = {label: value for label, value in classifier.thresholds.items() if label not in choices}
    classifier.set_thresholds(choices, dataset.comments_digest)
    if not request.check:
        _write(classifier, folder, with_weights=request.calibrate)
    unchosen = tuple(label for label in classifier.labels if label in classifier.not_chosen_from_data)
    path = folder / CLASSIFIER_FILE
    return ThresholdsSet(choices, kept, total, notes, unchosen, reasons_of, path, written=not request.check)


def _stored_policies(classifier: Classifier) -> dict[str, Policy]:
    """Return the policy of each label as ``civility.json`` has it, and f1 for labels without one."""
    return {label: parse_policy(classifier.policies.get(label, "f1")) for label in classifier.labels}


def _write(classifier: Classifier, folder: Path, *, with_weights: bool) -> None:
    """Write ``civility.json``, and the weights too if the calibration changed, as they contain a part of it."""
    if not with_weights:
        with write_file(folder / CLASSIFIER_FILE) as file:
            file.write(classifier.document(folder).to_json())
        return
    card = folder / "README.md"
    text = read_text(card, "save it as UTF-8, or remove it") if card.is_file() else ""
    with replace_folder(folder) as new:
        classifier.save(new, text)
        for path in folder.iterdir():  # other files, such as a licence or an export
            if path.is_dir() and not (new / path.name).exists():
                shutil.copytree(path, new / path.name, symlinks=True)
            elif not (new / path.name).exists():
                shutil.copy2(path, new / path.name)


def _optimistic(classifier: Classifier, labelled: Labelled) -> Iterator[str]:
    chosen = [what for what in optimistic(classifier, labelled) if what != "thresholds"]
    if chosen:
        verb = "was" if len(chosen) == 1 else "were"
        yield f"the {' and the '.join(chosen)} {verb} chosen on these very comments: the numbers are optimistic"
