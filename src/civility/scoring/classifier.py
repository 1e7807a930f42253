"""Classifier: texts to logits, logits to scores, scores to decisions. The one path of these, for every consumer.

Knows neither recipes nor files of comments.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from civility.arrays import Bools, Float32s, Floats
from civility.errors import UserError
from civility.metrics.calibration import LabelCalibration
from civility.metrics.threshold_search import DEFAULT_THRESHOLD, ThresholdChoice
from civility.run import classifier_folder
from civility.scoring.kinds import KINDS, load_scorer
from civility.scoring.scorer import Scorer, texts_of
from civility.scoring.sidecar import DAMAGE_REMEDY, SIDECAR, ChosenOn, Kind, Sidecar
from civility.storage.digests import verified

ALLOW, REVIEW, REMOVE = 0, 1, 2
"""The bands of a score: below what is to be reviewed, to be reviewed, flagged."""


class NotFiniteScore(UserError):
    """A logit is NaN or infinite, and no score comes of it.

    Parameters
    ----------
    classifier : its name
    row : of the first such comment among those that were given, from 0
    found : what it has instead of a score
    comment : what to call the comment; default: by its row
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
    """A multi-label classifier of comments: `score` gives numbers, `decide` acts on them.

    What gives the logits is of one of several kinds; all else is the same for all of them.

    Parameters
    ----------
    scorer : what gives the logits: `EncoderScorer`, `LinearScorer` or `Ensemble`
    thresholds : by label; 0.5 where none is given

    Attributes
    ----------
    name : what errors call it: where it was loaded from
    review_thresholds : of the labels with three-way bands
    policies : by label, what the threshold was chosen by; not of thresholds set by hand
    not_chosen_from_data : labels that had too few comments to choose their threshold by
    calibration : by label
    chosen_on : the comments on which the epoch, the calibration and the thresholds were chosen
    """

    def __init__(self, scorer: Scorer, thresholds: Mapping[str, float] | None = None) -> None:
        self.scorer = scorer
        self.name = "the classifier"
        self.labels: tuple[str, ...] = scorer.labels
        given = thresholds or {}
        self.thresholds = {label: float(given.get(label, DEFAULT_THRESHOLD)) for label in self.labels}
        self.review_thresholds: dict[str, float] = {}
        self.policies: dict[str, str] = {}
        self.not_chosen_from_data: set[str] = set()
        self.calibration = {label: LabelCalibration() for label in self.labels}
        self.chosen_on = ChosenOn()
        self._in_head: frozenset[str] = frozenset()

    @property
    def kind(self) -> Kind:
        """Which kind gives the logits: encoder, linear or ensemble."""
        return self.scorer.kind

    @property
    def max_length(self) -> int:
        """Tokens at which a comment is cut; 0 where none is."""
        return self.scorer.max_length

    @classmethod
    def load(cls, target: str | Path) -> "Classifier":
        """Load a classifier of any kind.

        Parameters
        ----------
        target : a run directory, a classifier folder, or the name of a multi-label classifier on the hub

        Raises
        ------
        UserError : nothing is there, or it is no multi-label classifier, or it is damaged
        """
        folder = classifier_folder(str(target))
        path = Path(folder) / SIDECAR
        if not os.path.lexists(path):
            plain = cls(load_scorer("encoder", folder, 0))
            plain.name = str(target)
            return plain
        sidecar = Sidecar.read(path)
        with verified(Path(folder), sidecar.files, DAMAGE_REMEDY):
            scorer = load_scorer(sidecar.kind, folder, sidecar.max_length)
        if sidecar.labels != scorer.labels:
            raise UserError(
                "scoring.todo",
                f"{SIDECAR} names the labels {', '.join(sidecar.labels)}, "
                f"{KINDS[sidecar.kind].labels_in} {', '.join(scorer.labels)}",
                where=folder,
                remedy="the two files are of different classifiers: put the right one back",
            )
        classifier = cls(scorer, sidecar.thresholds)
        classifier.name = str(target)
        classifier.review_thresholds = dict(sidecar.review_thresholds)
        classifier.policies = dict(sidecar.policies)
        classifier.not_chosen_from_data = set(sidecar.not_chosen_from_data)
        classifier.calibration |= sidecar.calibration
        classifier.chosen_on = sidecar.chosen_on
        classifier._in_head = frozenset(sidecar.in_head)
        return classifier

    def save(self, folder: Path, card: str) -> None:
        """Write the classifier with ``civility.json`` and a model card; an encoder as a plain Hugging Face folder.

        Parameters
        ----------
        folder : an existing empty folder; the caller puts it in place when it is whole
        card : the text of README.md
        """
        self.scorer.save(folder)
        (folder / SIDECAR).write_text(self.sidecar.with_files_of(folder).to_json(), encoding="utf-8")
        (folder / "README.md").write_text(card, encoding="utf-8")

    @property
    def sidecar(self) -> Sidecar:
        """What ``civility.json`` says of this classifier, without the digests of its files."""
        return Sidecar(
            self.labels,
            self.thresholds,
            self.max_length,
            self.review_thresholds,
            self.policies,
            {label: one for label, one in self.calibration.items() if one.method != "none"},
            self._in_head,
            self.chosen_on,
            self.kind,
            not_chosen_from_data=frozenset(self.not_chosen_from_data),
        )

    @property
    def not_in_weights(self) -> tuple[str, ...]:
        """Labels whose calibration is not in the weights: only this package applies it."""
        return tuple(
            label for label, one in self.calibration.items() if one.method != "none" and label not in self._in_head
        )

    def calibrate(self, calibrations: Mapping[str, LabelCalibration], digest: str) -> None:
        """Set the calibration of the labels given, in place of those they have; for a model not trained any further.

        Their thresholds are of the scores before: choose them again.

        An affine calibration goes into the head, so that `transformers.pipeline` gives the same scores as `score`.
        One that the head cannot take is applied by `calibrated` alone: `not_in_weights` names its labels.

        Parameters
        ----------
        calibrations : by label, fitted on `logits`
        digest : of the comments that they were fitted on, `Dataset.comments_digest`

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
        fitted_on = {**self.chosen_on.calibration, **dict.fromkeys(calibrations, digest)}
        self.chosen_on = replace(self.chosen_on, calibration=fitted_on)

    def _fold(self, wanted: Mapping[str, LabelCalibration], to_fold: frozenset[str]) -> None:
        """Put the calibrations of some labels in the head, in place of those it holds, if it takes any."""
        scale, shift = _affine(self.labels, wanted, to_fold)
        scale_now, shift_now = _affine(self.labels, self.calibration, self._in_head)
        ratio = scale / scale_now
        if self.scorer.take_over(ratio, shift - ratio * shift_now):
            self._in_head = to_fold
        elif self._in_head:
            raise UserError(
                "scoring.todo",
                "its calibration is in the weights and cannot be taken out of them again",
                where=self.name,
                remedy="train the classifier again",
            )

    def set_thresholds(self, choices: Mapping[str, ThresholdChoice], digest: str) -> None:
        """Set the thresholds of the labels given, with their bands for review, policies, and whether data chose them.

        Parameters
        ----------
        choices : by label
        digest : of the comments that they were chosen on, `Dataset.comments_digest`
        """
        for label, choice in choices.items():
            self.thresholds[label] = choice.threshold
            self.policies[label] = str(choice.policy)
            self.review_thresholds.pop(label, None)
            if choice.review_threshold is not None:
                self.review_thresholds[label] = choice.review_threshold
        self.not_chosen_from_data -= set(choices)
        self.not_chosen_from_data |= {label for label, choice in choices.items() if not choice.from_data}
        self.chosen_on = replace(
            self.chosen_on, thresholds={**self.chosen_on.thresholds, **dict.fromkeys(choices, digest)}
        )

    def score(
        self,
        texts: Iterable[str],
        *,
        tokens_per_batch: int = 8192,
        on_scored: Callable[[int], None] | None = None,
    ) -> Float32s:
        """Return the calibrated score of each label for each text, in the order given.

        The result does not depend on batch size, order or neighbours, to 1e-5.

        Parameters
        ----------
        texts : (N,) any iterable of strings: a list, a generator, a column of a table
        tokens_per_batch : padded tokens that go through an encoder at once: memory against speed
        on_scored : called after each batch with the number of texts in it, for a progress bar

        Returns
        -------
        float32 (N, L) in [0, 1]

        Raises
        ------
        TypeError : ``texts`` is a single string, or an element is not a string
        UserError : the model gives a logit that is not finite
        """
        return self.calibrated(self.logits(texts, tokens_per_batch=tokens_per_batch, on_scored=on_scored))

    def logits(
        self,
        texts: Iterable[str],
        *,
        tokens_per_batch: int = 8192,
        on_scored: Callable[[int], None] | None = None,
    ) -> Float32s:
        """Return the logits as they were before any calibration, that in the head undone; float32 (N, L).

        Parameters and errors are those of `score`.
        """
        logits = self.scorer.logits(texts_of(texts), tokens_per_batch, on_scored)
        scale, shift = _affine(self.labels, self.calibration, self._in_head)
        with np.errstate(over="ignore"):  # to infinity, which is refused
            plain = ((logits - shift) / scale).astype(np.float32)
        self._check_finite(plain)
        return plain

    def calibrated(self, logits: Float32s) -> Float32s:
        """Return the scores of `logits`, float32 (N, L) in [0, 1].

        Raises
        ------
        ValueError : ``logits`` does not have one column per label
        UserError : a logit is not finite
        """
        self._check_columns(logits, "logits")
        self._check_finite(logits)
        columns = [self.calibration[label].apply(column) for label, column in zip(self.labels, logits.T, strict=True)]
        return np.stack(columns, axis=1).astype(np.float32)

    def decide(self, scores: npt.ArrayLike) -> Bools:
        """Return whether each score reaches its label's threshold, bool (N, L).

        Parameters
        ----------
        scores : (N, L) in [0, 1], as `score` returns them

        Raises
        ------
        ValueError : ``scores`` are no numbers, or do not have one column per label
        UserError : a score is NaN, infinite or beyond [0, 1]
        """
        return np.asarray(self._scores(scores) >= self._cuts(self.thresholds))

    def bands(self, scores: npt.ArrayLike) -> npt.NDArray[np.int8]:
        """Return the band of each score, int8 (N, L): 0 allow, 1 review, 2 remove, which is where `decide` is true.

        Only labels with a review threshold have scores to review. Parameters and errors are those of `decide`.
        """
        given = self._scores(scores)
        flagged = given >= self._cuts(self.thresholds)
        to_review = given >= self._cuts({**self.thresholds, **self.review_thresholds})
        return np.where(flagged, REMOVE, np.where(to_review, REVIEW, ALLOW)).astype(np.int8)

    def _cuts(self, thresholds: Mapping[str, float]) -> Float32s:
        return np.array([thresholds[label] for label in self.labels], dtype=np.float32)

    def _scores(self, scores: npt.ArrayLike) -> Float32s:
        """Return scores from outside as an array, after a look at each of them.

        One that is not in [0, 1] is refused: NaN would compare as "below the threshold", a logit as a sure flag.
        """
        try:
            given = np.asarray(scores, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise ValueError(f"scores are no array of numbers: {error}") from error
        self._check_columns(given, "scores")
        wrong = ~((given >= 0) & (given <= 1))
        if wrong.any():
            row, column = (int(place) for place in np.argwhere(wrong)[0])
            raise UserError(
                "scoring.todo",
                f"comment {row} (counted from 0) has a score of {given[row, column]} for {self.labels[column]}",
                where=self.name,
                expected="a number from 0 to 1",
                remedy="pass the scores that Classifier.score returns",
            )
        return given

    def _check_columns(self, values: Float32s, name: str) -> None:
        if values.ndim != 2 or values.shape[1] != len(self.labels):
            raise ValueError(f"{name} have shape {values.shape}, expected (N, {len(self.labels)})")

    def _check_finite(self, logits: Float32s) -> None:
        """Raise a UserError for a logit that is NaN or infinite: what comes of it would be no score."""
        broken = ~np.isfinite(logits)
        if not broken.any():
            return
        row, column = (int(place) for place in np.argwhere(broken)[0])
        others = int(broken.any(axis=1).sum()) - 1
        found = f"a logit of {logits[row, column]} for {self.labels[column]}"
        raise NotFiniteScore(self.name, row, found + (f" (and so have {others:,} more)" if others else ""))


def _affine(
    labels: Sequence[str], calibrations: Mapping[str, LabelCalibration], of: frozenset[str]
) -> tuple[Floats, Floats]:
    """Return scale and shift of the logits, each (L,): those of some labels' calibrations, 1 and 0 of the others."""
    chosen = [calibrations[label] if label in of else LabelCalibration() for label in labels]
    return np.array([one.scale for one in chosen]), np.array([one.shift for one in chosen])
