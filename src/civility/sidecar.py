"""``civility.json``: what a classifier needs and a Hugging Face folder has no place for. Knows no model.

Schema 1 had labels, thresholds and max_length; its folders are read as uncalibrated. Up to schema 2 every classifier
was an encoder.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from civility.errors import UserError
from civility.metrics.calibration import LabelCalibration

SIDECAR = "civility.json"
SCHEMA = 3
_READ = (1, 2, 3)

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

    def __post_init__(self) -> None:
        cuts = [*self.thresholds.values(), *self.review_thresholds.values()]
        if not all(0 <= value <= 1 for value in cuts) or self.max_length < (self.kind == "encoder"):
            raise ValueError("a threshold is outside [0, 1], or max_length is below 1")
        for label, value in self.review_thresholds.items():
            if value > self.thresholds[label]:
                raise ValueError(f"the review threshold of {label} is above its threshold: lower it, or take it out")
        named = {*self.review_thresholds, *self.policies, *self.calibration, *self.in_head}
        if set(self.thresholds) != set(self.labels) or not named <= set(self.labels):
            raise ValueError("it names other labels than its own")
        if not all(label in self.calibration and self.calibration[label].is_affine for label in self.in_head):
            raise ValueError("a calibration that no head can take is said to be in it")

    def to_json(self) -> str:
        """Return the content of the file."""
        calibration = {
            label: {**one.to_json(), "in_head": label in self.in_head} for label, one in self.calibration.items()
        }
        content = {
            "schema": SCHEMA,
            "kind": self.kind,
            "labels": list(self.labels),
            "thresholds": dict(self.thresholds),
            "review_thresholds": dict(self.review_thresholds),
            "policies": dict(self.policies),
            "calibration": calibration,
            "max_length": self.max_length,
            "chosen_on": {
                "epoch": self.chosen_on.epoch,
                "calibration": dict(self.chosen_on.calibration),
                "thresholds": dict(self.chosen_on.thresholds),
            },
        }
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> "Sidecar":
        """Read and check the file.

        Raises
        ------
        UserError : it is no JSON, of another schema, or incomplete
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["schema"] not in _READ:
                known = f"{', '.join(map(str, _READ[:-1]))} and {_READ[-1]}"
                raise UserError(f"{path}: schema {content['schema']}, this version reads {known}", "upgrade civility")
            return cls._of(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}: damaged: {type(error).__name__} {error}", "get the classifier folder again"
            ) from error

    @classmethod
    def _of(cls, content: Mapping[str, Any]) -> "Sidecar":
        labels = tuple(str(label) for label in content["labels"])
        thresholds = {label: float(content["thresholds"][label]) for label in labels}
        if content["schema"] == 1:
            return cls(labels, thresholds, int(content["max_length"]))
        calibration = content["calibration"].items()
        return cls(
            labels,
            thresholds,
            int(content["max_length"]),
            review_thresholds={label: float(value) for label, value in content["review_thresholds"].items()},
            policies={label: str(text) for label, text in content["policies"].items()},
            calibration={label: LabelCalibration.from_json(one) for label, one in calibration},
            in_head=frozenset(label for label, one in calibration if one["in_head"]),
            kind=_kind(content["kind"]) if content["schema"] > 2 else "encoder",
            chosen_on=ChosenOn(
                str(content["chosen_on"]["epoch"]),
                {label: str(digest) for label, digest in content["chosen_on"]["calibration"].items()},
                {label: str(digest) for label, digest in content["chosen_on"]["thresholds"].items()},
            ),
        )


def _kind(name: Any) -> Kind:
    if name not in get_args(Kind):
        raise ValueError(f"kind {name!r}, expected one of {', '.join(get_args(Kind))}")
    kind: Kind = name
    return kind
