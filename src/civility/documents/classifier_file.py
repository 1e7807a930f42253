"""The JSON files of a classifier folder: ``civility.json`` of every one, ``ensemble.json`` and ``linear.json``.

They hold what a Hugging Face folder has no place for, such as thresholds and calibrations.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, Field, StrictBool, model_validator

from civility.documents.document import ExactDocument, Part
from civility.errors import UserError
from civility.metrics.calibration import LabelCalibration
from civility.storage.atomic_files import digests_of

CLASSIFIER_FILE = "civility.json"
_REMEDY = "undo the last change to the file, or copy or download the classifier folder again"
_EDIT_REMEDY = f'{_REMEDY}; if the change is intended, delete "digest" from {CLASSIFIER_FILE}'
DAMAGE_REMEDY = f'{_EDIT_REMEDY}, and the entry of the file under "files"'
_SHA256 = re.compile("sha256:[0-9a-f]{64}")
_DECIDING = (".safetensors", ".bin", ".json", ".txt", ".model", ".vocab")
"""Suffixes of the files that scores depend on: weights, settings, vocabularies."""
_ADDED_IN = {"files": 4, "not_chosen_from_data": 5}
_SCHEMA_1_LACKS: Mapping[str, Any] = {
    "review_thresholds": {},
    "policies": {},
    "calibration": {},
    "chosen_on": {"epoch": "", "calibration": {}, "thresholds": {}},
}

Kind = Literal["encoder", "linear", "ensemble"]
"""What computes the logits: a transformer; a linear model over TF-IDF; the average of other classifiers."""


def _without_folders(name: str) -> str:
    if Path(name).name != name:
        raise ValueError("not the name of a file in this folder")
    return name


def _is_sha256(digest: str) -> str:
    if not _SHA256.fullmatch(digest):
        raise ValueError("not a sha256 digest")
    return digest


Threshold = Annotated[float, Field(strict=True, ge=0, le=1)]
FileName = Annotated[str, AfterValidator(_without_folders)]
Digest = Annotated[str, AfterValidator(_is_sha256)]


class AffineCalibration(Part):
    """A calibration that scales and shifts the logits of one label: score = sigmoid(scale * logit + shift)."""

    method: Literal["none", "temperature", "platt"]
    scale: float = Field(strict=True, ge=1e-40, le=1e30)
    shift: float = Field(strict=True, ge=-1e30, le=1e30)
    in_head: StrictBool = Field(description="whether the weights include it already, so that it is not applied again")


class IsotonicCalibration(Part):
    """A calibration that interpolates the scores of one label between known logits."""

    method: Literal["isotonic"]
    x: tuple[Annotated[float, Field(strict=True)], ...] = Field(description="logits, increasing")
    y: tuple[Annotated[float, Field(strict=True)], ...] = Field(description="their scores in (0, 1), nondecreasing")
    in_head: Literal[False] = Field(description="no linear layer can apply it")


class ChosenOn(Part):
    """The comments on which parts of a classifier were chosen, by `Dataset.comments_digest`; empty where unknown."""

    epoch: str = Field(description="of the comments that the epoch of the weights was chosen on")
    calibration: dict[str, str] = Field(description="by label")
    thresholds: dict[str, str] = Field(description="by label")

    def names(self, digest: str) -> tuple[str, ...]:
        """Return which parts were chosen on the comments with this digest, for at least one label."""
        found = {
            "epoch": (self.epoch,),
            "calibration": self.calibration.values(),
            "thresholds": self.thresholds.values(),
        }
        return tuple(part for part, digests in found.items() if digest in digests)


NOT_KNOWN = ChosenOn(epoch="", calibration={}, thresholds={})


class ClassifierFile(ExactDocument):
    """``civility.json`` of a classifier folder.

    The file ends with its own digest, so that an accidental edit is found.
    """

    WHAT: ClassVar = "classifier file"
    SCHEMA: ClassVar = 5
    REMEDY: ClassVar = _REMEDY

    kind: Kind
    labels: tuple[str, ...] = Field(description="in the order of the logits")
    thresholds: dict[str, Threshold] = Field(description="by label; a comment is flagged if its score reaches it")
    review_thresholds: dict[str, Threshold] = Field(
        description="by label, for labels with a review band: from here up to the threshold, a person decides"
    )
    policies: dict[str, str] = Field(description="by label, how its threshold was chosen; none if it was set by hand")
    not_chosen_from_data: tuple[str, ...] = Field(
        default=(), description="labels that had too few comments to choose a threshold"
    )
    calibration: dict[str, Annotated[AffineCalibration | IsotonicCalibration, Field(discriminator="method")]] = Field(
        description="by label; a label without one is not calibrated"
    )
    max_length: int = Field(
        strict=True, ge=0, le=10**6, description="tokens to which comments are truncated; 0: never, not for encoders"
    )
    chosen_on: ChosenOn
    files: dict[FileName, Digest] = Field(
        default_factory=dict, description="sha256 of the files that scores depend on, by name; empty if unknown"
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.kind == "encoder" and not self.max_length:
            raise ValueError("max_length is 0")
        named = {*self.review_thresholds, *self.policies, *self.calibration, *self.not_chosen_from_data}
        if set(self.thresholds) != set(self.labels) or not named <= set(self.labels):
            raise ValueError("its entries do not have the labels under 'labels'")
        for label, threshold in self.review_thresholds.items():
            if threshold > self.thresholds[label]:
                raise ValueError(f"the review threshold of {label} is above its threshold")
        _ = self.calibrations  # the points of an isotonic calibration must rise
        return self

    @property
    def calibrations(self) -> dict[str, LabelCalibration]:
        """By label; labels that are not calibrated are left out."""
        return {
            label: LabelCalibration(**one.model_dump(exclude={"in_head"})) for label, one in self.calibration.items()
        }

    @property
    def in_head(self) -> frozenset[str]:
        """Labels whose calibration is part of the weights."""
        return frozenset(label for label, one in self.calibration.items() if one.in_head)

    @property
    def sha256(self) -> dict[str, str]:
        """64 hex digits by file name, as `civility.storage.atomic_files.verified` compares them."""
        return {name: digest.removeprefix("sha256:") for name, digest in self.files.items()}

    def content(self) -> dict[str, Any]:
        """Return the document as plain values, with its digest as the last entry."""
        content = super().content()
        return {**content, "digest": _digest_of(content)}

    @classmethod
    def from_content(cls, content: dict[str, Any], source: object, remedy: str = "") -> Self:
        """Return the document in a parsed JSON object; a UserError also if its digest does not match."""
        content = dict(content)
        digest = content.pop("digest", None)
        if digest is not None and digest != _digest_of(content):
            found = "was edited: its digest does not match"
            raise UserError("documents.edited", found, where=source, remedy=_EDIT_REMEDY)
        return super().from_content(content, source, remedy)

    @classmethod
    def upgrade(cls, content: dict[str, Any], schema: int) -> dict[str, Any]:
        """Read schema 1 as not calibrated, schemas 1 and 2 as encoders, and up to 4 without the later entries."""
        for name, added in _ADDED_IN.items():
            if name in content and schema < added:
                raise ValueError(f"schema {schema} has no entry {name!r}")
        lacking = _SCHEMA_1_LACKS if schema == 1 else {}
        return {**lacking, **({"kind": "encoder"} if schema < 3 else {}), **content}


def calibration_entry(calibration: LabelCalibration, in_head: bool) -> AffineCalibration | IsotonicCalibration:
    """Return a calibration as `ClassifierFile` stores it."""
    if calibration.method == "isotonic":
        return IsotonicCalibration(method="isotonic", x=calibration.x, y=calibration.y, in_head=False)
    return AffineCalibration(
        method=calibration.method, scale=calibration.scale, shift=calibration.shift, in_head=in_head
    )


def sha256_of_folder(folder: Path) -> dict[str, str]:
    """Return the sha256, 64 hex digits, of the files that the scores of a classifier folder depend on, by name.

    OSError if one cannot be read.
    """
    deciding = [path.name for path in folder.iterdir() if path.is_file() and path.suffix in _DECIDING]
    return digests_of(folder, (name for name in deciding if name != CLASSIFIER_FILE))


def _digest_of(content: Mapping[str, Any]) -> str:
    """Return a digest of the values in a document; white space and the order of entries do not count."""
    return f"sha256:{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}"


ENSEMBLE_FILE = "ensemble.json"
By = Literal["scores", "logits", "ranks"]
"""What is averaged: calibrated scores, logits before calibration, or the ranks of logits."""
BY: tuple[By, ...] = get_args(By)
SMALLEST_WEIGHT, LARGEST_WEIGHT = 1e-30, 1e9
"""Of a member: the sum of any weights in this range is finite."""

_Number = Annotated[float, Field(strict=True)]


class RankKnots(Part):
    """A map from the logits of one label to ranks, linear between its knots."""

    logits: tuple[_Number, ...] = Field(description="increasing")
    ranks: tuple[_Number, ...] = Field(description="increasing, in (0, 1)")


class EnsembleMember(Part):
    """One of the classifiers that are averaged."""

    name: str
    weight: float = Field(strict=True, ge=SMALLEST_WEIGHT, le=LARGEST_WEIGHT)
    folder: str = Field(description="path relative to the folder of the ensemble")
    is_link: StrictBool = Field(description="whether the member stays outside the folder of the ensemble")
    digest: str = Field(description="sha256 of what its scores depend on; empty if unknown")
    ranks: tuple[RankKnots, ...] = Field(description="by label, in the order of the labels; empty unless by ranks")


class EnsembleFile(ExactDocument):
    """``ensemble.json`` of a classifier folder."""

    WHAT: ClassVar = "ensemble file"
    SCHEMA: ClassVar = 1
    REMEDY: ClassVar = "make the ensemble again, or copy its folder again"

    by: By
    labels: tuple[str, ...] = Field(description="in the order of the logits")
    members: tuple[EnsembleMember, ...] = Field(min_length=2, max_length=1_000)


LINEAR_FILE = "linear.json"
TermKind = Literal["word", "character"]
TERM_KINDS: tuple[TermKind, ...] = get_args(TermKind)
"""In the order of the weights."""
LONGEST_TERM = 100
"""Words or characters in a row; no use of n-grams comes near."""


class TermList(Part):
    """The terms of one kind: word n-grams, or character n-grams."""

    form: TermKind
    longest: int = Field(strict=True, ge=1, le=LONGEST_TERM, description="words or characters in a row, at most")
    names: tuple[str, ...]


class LinearFile(ExactDocument):
    """``linear.json`` of a classifier folder."""

    WHAT: ClassVar = "linear model file"
    SCHEMA: ClassVar = 1
    REMEDY: ClassVar = "copy the classifier folder again, or train it again"

    labels: tuple[str, ...] = Field(description="in the order of the logits")
    terms: tuple[TermList, ...]

    def to_json(self) -> str:
        """Return the text of the file: ASCII, since a term may be half of a surrogate pair, and without indentation."""
        return json.dumps(self.content(), ensure_ascii=True) + "\n"
