"""``civility.json``: what a classifier needs and a Hugging Face folder has no place for. Knows no model.

Schema 1 had labels, thresholds and max_length; its folders are read as uncalibrated. Up to schema 2 every classifier
was an encoder. Up to schema 3 nothing told whether a file of the folder had changed. Up to schema 4 nothing told which
thresholds no data had chosen.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from civility.errors import UserError
from civility.metrics.calibration import LabelCalibration
from civility.plain_text import as_json
from civility.storage.digests import digests_of
from civility.storage.parsing import entry, number, read_json, text_list, text_table, whole_number

SIDECAR = "civility.json"
SCHEMA = 5
_FILES, _DIGEST, _NOT_CHOSEN = "files", "digest", "not_chosen_from_data"
_SHA256 = re.compile("sha256:[0-9a-f]{64}")
_DECIDING = (".safetensors", ".bin", ".json", ".txt", ".model", ".vocab")
"""Suffixes of the files that scores depend on: weights, settings, vocabularies."""
_LONGEST = 10**6
_REMEDY = "undo the last change to the file, or copy or download the classifier folder again"
_EDIT_REMEDY = f'{_REMEDY}; if the change is meant, delete "{_DIGEST}" from {SIDECAR}'
DAMAGE_REMEDY = f'{_EDIT_REMEDY}, and the entry of the file under "{_FILES}"'

Kind = Literal["encoder", "linear", "ensemble"]
"""What gives the logits: a transformer; a linear model over TF-IDF; other classifiers, averaged."""


@dataclass(frozen=True)
class ChosenOn:
    """On which comments what was chosen, by `Dataset.comments_digest`; empty where that is not known.

    Parameters
    ----------
    epoch : of the weights
    calibration, thresholds : by label
    """

    epoch: str = ""
    calibration: Mapping[str, str] = field(default_factory=dict)
    thresholds: Mapping[str, str] = field(default_factory=dict)

    def names(self, digest: str) -> tuple[str, ...]:
        """Return which of its parts were chosen on these comments, of one label at least."""
        found = {
            "epoch": (self.epoch,),
            "calibration": self.calibration.values(),
            "thresholds": self.thresholds.values(),
        }
        return tuple(what for what, digests in found.items() if digest in digests)


@dataclass(frozen=True)
class Sidecar:
    """What ``civility.json`` holds.

    Parameters
    ----------
    labels : (L,) in the order of the logits
    thresholds : by label, in [0, 1]; a comment is flagged from there up
    max_length : tokens, special ones included; longer comments are cut; 0 where none is, which no encoder can say
    review_thresholds : of the labels with three-way bands; not above the threshold; in between is for review
    policies : by label, the text that the threshold was chosen by; a label without one has a threshold by hand
    calibration : by label; none for those it lacks
    in_head : labels whose calibration is in the weights of the model already, so that it is not applied again
    chosen_on : the comments that the epoch, the calibration and the thresholds were chosen on, as far as known:
        measured on these, the classifier looks better than it is
    kind : what gives the logits
    files : sha256, 64 hex digits, of the files that scores depend on, by name; empty: not known
    not_chosen_from_data : labels that had too few comments to choose their threshold by
    """

    labels: tuple[str, ...]
    thresholds: Mapping[str, float]
    max_length: int
    review_thresholds: Mapping[str, float] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)
    calibration: Mapping[str, LabelCalibration] = field(default_factory=dict)
    in_head: Collection[str] = frozenset()
    chosen_on: ChosenOn = field(default_factory=ChosenOn)
    kind: Kind = "encoder"
    files: Mapping[str, str] = field(default_factory=dict)
    not_chosen_from_data: Collection[str] = frozenset()

    def __post_init__(self) -> None:
        cuts = [*self.thresholds.values(), *self.review_thresholds.values()]
        if not all(0 <= value <= 1 for value in cuts) or self.max_length < (self.kind == "encoder"):
            raise ValueError("a threshold is outside [0, 1], or max_length is below 1")
        named = {*self.review_thresholds, *self.policies, *self.calibration, *self.in_head, *self.not_chosen_from_data}
        if set(self.thresholds) != set(self.labels) or not named <= set(self.labels):
            raise ValueError("it names other labels than its own")
        for label, value in self.review_thresholds.items():
            if value > self.thresholds[label]:
                raise ValueError(f"the review threshold of {label} is above its threshold: lower it, or take it out")
        if not all(label in self.calibration and self.calibration[label].is_affine for label in self.in_head):
            raise ValueError("a calibration that no head can take is said to be in it")

    def with_files_of(self, folder: Path) -> "Sidecar":
        """Return the same with the digests of a classifier folder as it is now."""
        return replace(self, files=digests_of_deciding(folder))

    def to_json(self) -> str:
        """Return the content of the file, which has its own digest at its end."""
        calibration = {
            label: {**one.to_json(), "in_head": label in self.in_head} for label, one in self.calibration.items()
        }
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "kind": self.kind,
            "labels": list(self.labels),
            "thresholds": dict(self.thresholds),
            "review_thresholds": dict(self.review_thresholds),
            "policies": dict(self.policies),
            _NOT_CHOSEN: [label for label in self.labels if label in self.not_chosen_from_data],
            "calibration": calibration,
            "max_length": self.max_length,
            "chosen_on": {
                "epoch": self.chosen_on.epoch,
                "calibration": dict(self.chosen_on.calibration),
                "thresholds": dict(self.chosen_on.thresholds),
            },
            _FILES: {name: f"sha256:{digest}" for name, digest in self.files.items()},
        }
        content[_DIGEST] = _digest_of(content)
        return as_json(content, indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> "Sidecar":
        """Read and check the file.

        Raises
        ------
        UserError : it is not JSON, of a later schema, incomplete, or not as it was written
        """
        content = read_json(path, _REMEDY)
        try:
            digest = content.pop(_DIGEST, None)
            if digest is not None and digest != _digest_of(content):
                raise UserError(
                    "scoring.todo",
                    "changed since it was written: it does not match its digest",
                    where=path,
                    remedy=_EDIT_REMEDY,
                )
            schema = whole_number(content.get("schema"), "schema", 1, 10**6)
            if schema > SCHEMA:
                raise UserError(
                    "scoring.todo",
                    f"schema {schema}, this version reads 1 to {SCHEMA}",
                    where=path,
                    remedy="upgrade civility",
                )
            return cls._of(content)
        except ValueError as error:
            raise UserError("scoring.todo", f"damaged: {error}", where=path, remedy=_REMEDY) from error

    @classmethod
    def _of(cls, content: Mapping[str, Any]) -> "Sidecar":
        later = {name for name, schema in _SINCE.items() if content["schema"] >= schema}
        if unknown := set(content) - _KNOWN - later:
            raise ValueError(f"unknown entry {sorted(unknown)[0]!r}")
        labels = text_list(content, "labels")
        thresholds = _thresholds(content, "thresholds")
        max_length = whole_number(content.get("max_length"), "max_length", 0, _LONGEST)
        if content["schema"] == 1:
            return cls(labels, thresholds, max_length)
        calibration = entry(content, "calibration", dict)
        chosen_on = entry(content, "chosen_on", dict)
        return cls(
            labels,
            thresholds,
            max_length,
            review_thresholds=_thresholds(content, "review_thresholds"),
            policies=text_table(content, "policies"),
            calibration={label: LabelCalibration.from_json(one) for label, one in calibration.items()},
            in_head=frozenset(label for label, one in calibration.items() if entry(one, "in_head", bool)),
            kind=_kind(entry(content, "kind", str)) if content["schema"] > 2 else "encoder",
            files={
                name: _sha256_of(name, digest) for name, digest in text_table({_FILES: {}, **content}, _FILES).items()
            },
            not_chosen_from_data=frozenset(text_list({_NOT_CHOSEN: [], **content}, _NOT_CHOSEN)),
            chosen_on=ChosenOn(
                entry(chosen_on, "epoch", str),
                text_table(chosen_on, "calibration"),
                text_table(chosen_on, "thresholds"),
            ),
        )


def digests_of_deciding(folder: Path) -> dict[str, str]:
    """Return the sha256, 64 hex digits, of the files of a classifier folder that its scores depend on, by name.

    OSError if one cannot be read.
    """
    deciding = [path.name for path in folder.iterdir() if path.is_file() and path.suffix in _DECIDING]
    return digests_of(folder, (name for name in deciding if name != SIDECAR))


_KNOWN = {
    *("schema", "kind", "labels", "thresholds", "review_thresholds", "policies", "calibration", "max_length"),
    "chosen_on",
}
_SINCE = {_FILES: 4, _NOT_CHOSEN: 5}
"""Entries that came later, and may be missing: the schema from which they are known."""


def _digest_of(content: Mapping[str, Any]) -> str:
    """Return a digest of what a document says: spaces and the order of its entries are no part of it."""
    return f"sha256:{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}"


def _sha256_of(name: str, digest: str) -> str:
    """Return the hex digits of a recorded digest of a file of the folder itself."""
    if Path(name).name != name or not _SHA256.fullmatch(digest):
        raise ValueError(f"{_FILES}: {name!r} has {digest!r} in place of a digest")
    return digest.removeprefix("sha256:")


def _thresholds(content: Mapping[str, Any], name: str) -> dict[str, float]:
    cuts = entry(content, name, dict)
    of = f"the {name.replace('_', ' ').removesuffix('s')} of"
    return {label: number(cut, f"{of} {label}", 0, 1) for label, cut in cuts.items()}


def _kind(name: Any) -> Kind:
    if name not in get_args(Kind):
        raise ValueError(f"kind {name!r}, expected one of {', '.join(get_args(Kind))}")
    kind: Kind = name
    return kind
