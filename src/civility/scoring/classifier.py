"""Classifier: texts to logits, logits to scores, scores to decisions. Every consumer scores through it.

It knows neither recipes nor files of comments.
"""

import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.arrays import Decisions, Float32s, Floats, Logits, Scores
from civility.documents.classifier_file import (
    CLASSIFIER_FILE,
    DAMAGE_REMEDY,
    NOT_KNOWN,
    ClassifierFile,
    Kind,
    calibration_entry,
    sha256_of_folder,
)
from civility.errors import UserError
from civility.metrics.calibration import LabelCalibration
from civility.metrics.threshold_search import DEFAULT_THRESHOLD, ThresholdChoice, decide
from civility.plain_text import shortened
from civility.run import classifier_folder
from civility.scoring.kinds import KINDS, OnScored, Scorer, load_scorer
from civility.storage.atomic_files import verified

ALLOW, REVIEW, REMOVE = 0, 1, 2
"""The bands of a score: below the review threshold, from there up to the threshold, and from the threshold up."""


class NotFiniteScore(UserError):
    """A logit is NaN or infinite, and so would be its score.

    ``row``, from 0, is that of the first such comment among those that were passed; ``found`` names logit and label.
    """

    def __init__(self, classifier: str, row: int, found: str, comment: str = "") -> None:
        super().__init__(
            "scoring.not-finite-score",
            f"{comment or f'comment {row} (counted from 0)'} has {found}",
            where=classifier,
            remedy="the weights or the calibration of this classifier are broken: train it again, or use another one",
        )
        self.classifier, self.row, self.what = classifier, row, found


class Classifier:
    """A multi-label classifier of comments: `score` returns numbers, `decide` compares them with thresholds.

    Parameters
    ----------
    scorer : what computes the logits: an `EncoderScorer`, a `LinearModel` or an `Ensemble`
    thresholds : by label; default: 0.5

    Attributes
    ----------
    name : what errors call the classifier: the place it was loaded from
    kind : what computes the logits: encoder, linear or ensemble
    labels : (L,) in the order of the logits
    max_length : tokens to which comments are truncated; 0: never
    review_thresholds : by label, for labels with a review band
    policies : by label, how its threshold was chosen; none for thresholds set by hand
    not_chosen_from_data : labels that had too few comments to choose a threshold
    calibration : by label
    chosen_on : the comments on which the epoch, the calibration and the thresholds were chosen
    """

    def __init__(self, scorer: Scorer, thresholds: Mapping[str, float] | None = None) -> None:
        self.scorer = scorer
        self.name = "the classifier"
        self.kind: Kind = scorer.kind
        self.labels: tuple[str, ...] = scorer.labels
        self.max_length: int = scorer.max_length
        given = thresholds or {}
        self.thresholds = {label: float(given.get(label, DEFAULT_THRESHOLD)) for label in self.labels}
        self.review_thresholds: dict[str, float] = {}
        self.policies: dict[str, str] = {}
        self.not_chosen_from_data: set[str] = set()
        self.calibration = {label: LabelCalibration() for label in self.labels}
        self.chosen_on = NOT_KNOWN
        self._in_head: frozenset[str] = frozenset()

    @classmethod
    def load(cls, target: str | Path) -> "Classifier":
        """Load a classifier of any kind.

        Parameters
        ----------
        target : a run directory, a classifier folder, or the name of a multi-label classifier on the hub

        Raises
        ------
        UserError : there is nothing, it is not a multi-label classifier, or it is damaged
        """
        folder = classifier_folder(str(target))
        path = Path(folder) / CLASSIFIER_FILE
        if not os.path.lexists(path):
            classifier = cls(load_scorer("encoder", folder, 0))
            classifier.name = str(target)
            return classifier
        file = ClassifierFile.read(path)
        with verified(Path(folder), file.sha256, DAMAGE_REMEDY):
            scorer = load_scorer(file.kind, folder, file.max_length)
        if file.labels != scorer.labels:
            own, others = ", ".join(file.labels), f"{KINDS[file.kind].labels_in} has {', '.join(scorer.labels)}"
            found = f"{CLASSIFIER_FILE} has the labels {own}, {others}"
            remedy = "the two files belong to different classifiers: put the right one back"
            raise UserError("scoring.other-labels", found, where=folder, remedy=remedy)
        classifier = cls(scorer, file.thresholds)
        classifier.name = str(target)
        classifier.review_thresholds = dict(file.review_thresholds)
        classifier.policies = dict(file.policies)
        classifier.not_chosen_from_data = set(file.not_chosen_from_data)
        classifier.calibration |= file.calibrations
        classifier.chosen_on = file.chosen_on
        classifier._in_head = file.in_head
        return classifier

    def save(self, folder: Path, card: str) -> None:
        """Write the classifier with ``civility.json`` and a model card; an encoder as a plain Hugging Face folder.

        Parameters
        ----------
        folder : an existing empty folder; the caller moves it into place when it is complete
        card : the text of README.md
        """
        self.scorer.save(folder)
        (folder / CLASSIFIER_FILE).write_text(self.document(folder).to_json(), encoding="utf-8")
        (folder / "README.md").write_text(card, encoding="utf-8")

    def document(self, folder: Path | None = None) -> ClassifierFile:
        """Return the content of ``civility.json``, with the digests of the files in ``folder`` if it is given."""
        digests = sha256_of_folder(folder) if folder else {}
        return ClassifierFile(
            kind=self.kind,
            labels=self.labels,
            thresholds=self.thresholds,
            review_thresholds=self.review_thresholds,
            policies=self.policies,
            not_chosen_from_data=tuple(label for label in self.labels if label in self.not_chosen_from_data),
            calibration={
                label: calibration_entry(one, in_head=label in self._in_head)
                for label, one in self.calibration.items()
                if one.method != "none"
            },
            max_length=self.max_length,
            chosen_on=self.chosen_on,
            files={name: f"sha256:{digest}" for name, digest in digests.items()},
        )

    @property
    def not_in_weights(self) -> tuple[str, ...]:
        """Labels whose calibration is not part of the weights: only civility applies it."""
        return tuple(
            label for label, one in self.calibration.items() if one.method != "none" and label not in self._in_head
        )

    def __repr__(self) -> str:
        return f"<Classifier {self.name!r}: {self.kind}, {shortened(', '.join(map(repr, self.labels)), 100)}>"

    def _repr_html_(self) -> str:
        """Return the small table that a notebook shows."""
        from civility.render.html.notebook import classifier_table

        return classifier_table(self)

    def calibrate(self, calibrations: Mapping[str, LabelCalibration], digest: str) -> None:
        """Replace the calibration of some labels. Their thresholds no longer fit: choose them again.

        An affine calibration goes into the head of an encoder, so that `transformers.pipeline` gives the same scores
        as `score`; `not_in_weights` names the labels where it cannot.

        Parameters
        ----------
        calibrations : by label, fitted to `logits`
        digest : `Dataset.comments_digest` of the comments that they were fitted to

        Raises
        ------
        ValueError : a label is unknown
        """
        if unknown := set(calibrations) - set(self.labels):
            raise ValueError(f"no label {', '.join(sorted(unknown))}")
        wanted = {**self.calibration, **calibrations}
        to_fold = frozenset(label for label, one in wanted.items() if one.is_affine and one.method != "none")
        if to_fold or self._in_head:
            self._fold(wanted, to_fold)
        self.calibration = wanted
        fitted_to = {**self.chosen_on.calibration, **dict.fromkeys(calibrations, digest)}
        self.chosen_on = self.chosen_on.model_copy(update={"calibration": fitted_to})

    def _fold(self, wanted: Mapping[str, LabelCalibration], to_fold: frozenset[str]) -> None:
        """Replace the calibrations in the head by those of ``to_fold``, if the scorer can."""
        scale, shift = _affine(self.labels, wanted, to_fold)
        scale_now, shift_now = _affine(self.labels, self.calibration, self._in_head)
        ratio = scale / scale_now
        if self.scorer.fold_affine(ratio, shift - ratio * shift_now):
            self._in_head = to_fold
        elif self._in_head:
            found = "its calibration is part of the weights and cannot be removed"
            raise UserError("scoring.fixed-calibration", found, where=self.name, remedy="train the classifier again")

    def set_thresholds(self, choices: Mapping[str, ThresholdChoice], digest: str) -> None:
        """Set the thresholds, review thresholds and policies of some labels.

        Parameters
        ----------
        choices : by label
        digest : `Dataset.comments_digest` of the comments that they were chosen on
        """
        for label, choice in choices.items():
            self.thresholds[label] = choice.threshold
            self.policies[label] = str(choice.policy)
            self.review_thresholds.pop(label, None)
            if choice.review_threshold is not None:
                self.review_thresholds[label] = choice.review_threshold
        self.not_chosen_from_data -= set(choices)
        self.not_chosen_from_data |= {label for label, choice in choices.items() if not choice.from_data}
        chosen_on = {**self.chosen_on.thresholds, **dict.fromkeys(choices, digest)}
        self.chosen_on = self.chosen_on.model_copy(update={"thresholds": chosen_on})

    def score(self, texts: Iterable[str], *, tokens_per_batch: int = 8192, on_scored: OnScored | None = None) -> Scores:
        """Return the calibrated score of each label for each text, in the order of the texts.

        The result does not depend on batch size, order or neighbours, to 1e-5.

        Parameters
        ----------
        texts : (N,) strings: a list, a generator, a NumPy array, or a pandas or polars Series
        tokens_per_batch : padded tokens that go through an encoder at once: more are faster, and need more memory
        on_scored : called after each batch with the number of texts in it, for a progress bar

        Returns
        -------
        float32 (N, L) in [0, 1]

        Raises
        ------
        TypeError : ``texts`` is a single string, or an element is not a string
        UserError : the model returns a logit that is not finite
        """
        return self.calibrated(self.logits(texts, tokens_per_batch=tokens_per_batch, on_scored=on_scored))

    def logits(
        self, texts: Iterable[str], *, tokens_per_batch: int = 8192, on_scored: OnScored | None = None
    ) -> Logits:
        """Return the uncalibrated logits; a calibration folded into the head is undone; float32 (N, L).

        Parameters and errors are those of `score`.
        """
        logits = self.scorer.logits(_texts_of(texts), tokens_per_batch, on_scored)
        scale, shift = _affine(self.labels, self.calibration, self._in_head)
        with np.errstate(over="ignore"):  # to infinity, which is refused
            plain = ((logits - shift) / scale).astype(np.float32)
        _check_finite(plain, self.labels, self.name)
        return plain

    def calibrated(self, logits: Logits) -> Scores:
        """Return the scores of `logits`, float32 (N, L) in [0, 1].

        Raises
        ------
        ValueError : ``logits`` does not have one column per label
        UserError : a logit is not finite
        """
        _check_columns(logits, "logits", self.labels)
        _check_finite(logits, self.labels, self.name)
        columns = [self.calibration[label].apply(column) for label, column in zip(self.labels, logits.T, strict=True)]
        return np.stack(columns, axis=1).astype(np.float32)

    def decide(self, scores: npt.ArrayLike) -> Decisions:
        """Return whether each score reaches the threshold of its label, bool (N, L).

        Parameters
        ----------
        scores : (N, L) in [0, 1], as `score` returns them

        Raises
        ------
        ValueError : ``scores`` are not numbers, or do not have one column per label
        UserError : a score is NaN, infinite or outside [0, 1]
        """
        return np.asarray(self.bands(scores) == REMOVE)

    def bands(self, scores: npt.ArrayLike) -> npt.NDArray[np.int8]:
        """Return the band of each score, int8 (N, L): 0 allow, 1 review, 2 remove, which is where `decide` is true.

        Only labels with a review threshold have a review band. Parameters and errors are those of `decide`.
        """
        given = _checked_scores(scores, self.labels, self.name)
        flagged = decide(given, [self.thresholds[label] for label in self.labels])
        lowest = {**self.thresholds, **self.review_thresholds}
        to_review = decide(given, [lowest[label] for label in self.labels])
        return np.where(flagged, REMOVE, np.where(to_review, REVIEW, ALLOW)).astype(np.int8)


def _affine(
    labels: Sequence[str], calibrations: Mapping[str, LabelCalibration], chosen: Collection[str]
) -> tuple[Floats, Floats]:
    """Return the scale and shift, (L,), of the chosen labels' calibrations; 1 and 0 for the other labels."""
    found = [calibrations[label] if label in chosen else LabelCalibration() for label in labels]
    return np.array([one.scale for one in found]), np.array([one.shift for one in found])


def _check_finite(logits: Logits, labels: Sequence[str], classifier: str) -> None:
    """Raise NotFiniteScore for a logit that is NaN or infinite."""
    broken = ~np.isfinite(logits)
    if broken.any():
        row, column = (int(position) for position in np.argwhere(broken)[0])
        others = int(broken.any(axis=1).sum()) - 1
        found = f"a logit of {logits[row, column]} for {labels[column]}"
        raise NotFiniteScore(classifier, row, found + (f" (and so have {others:,} more)" if others else ""))


def _check_columns(values: Float32s, name: str, labels: Sequence[str]) -> None:
    if values.ndim != 2 or values.shape[1] != len(labels):
        raise ValueError(f"{name} have shape {values.shape}, expected (N, {len(labels)})")


def _checked_scores(scores: npt.ArrayLike, labels: Sequence[str], classifier: str) -> Scores:
    """Return scores from outside as an array.

    Those outside [0, 1] are refused: NaN would count as below the threshold, a logit as above it.
    """
    try:
        given = np.asarray(scores, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"scores are not an array of numbers: {error}") from error
    _check_columns(given, "scores", labels)
    wrong = ~((given >= 0) & (given <= 1))
    if wrong.any():
        row, column = (int(position) for position in np.argwhere(wrong)[0])
        raise UserError(
            "scoring.not-a-score",
            f"comment {row} (counted from 0) has a score of {given[row, column]} for {labels[column]}",
            where=classifier,
            expected="a number from 0 to 1",
            remedy="pass the scores that Classifier.score returns",
        )
    return given


def _texts_of(texts: Any) -> list[str]:
    """Return the texts in a list, a generator, a NumPy array, or a pandas or polars Series.

    Raises
    ------
    TypeError : it is a single string, None, a table, a dict or a set, or an element is not a string
    """
    if isinstance(texts, str | bytes | bytearray):
        raise TypeError(f"texts is a single {type(texts).__name__}: pass a list of strings, as in score([text])")
    if isinstance(texts, Mapping | Set) or hasattr(texts, "columns"):
        raise TypeError(f"texts is a {type(texts).__name__}: pass its texts in order, as a list or a single column")
    if texts is None or not isinstance(texts, Iterable):
        raise TypeError(f"texts is {_description(texts)}: pass a list of strings, or any other iterable of strings")
    found = []
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"texts[{position}] is {_description(text)}: every text must be a string")
        found.append(str(text))  # a NumPy string has a type of its own
    return found


def _description(value: Any) -> str:
    """Describe a value that is not a text: a missing value by its usual name, any other by its type."""
    if value is None:
        return "None"
    if isinstance(value, float) and math.isnan(value):
        return "NaN (a missing value)"
    return f"of type {type(value).__name__}"
