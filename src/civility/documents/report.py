"""Report: every number of an evaluation. Page, Markdown, model card and terminal table are drawn from it alone."""

import re
from typing import Any, ClassVar, Literal

from pydantic import Field

from civility.documents.behaviour_report import (
    FEWEST_OF_SLICE,
    BiasReport,
    LabelErrorsShown,
    RobustnessReport,
    Slice,
    SuiteReport,
)
from civility.documents.document import Document, Number, Part
from civility.documents.label_report import (
    AnyLabel,
    LabelReport,
    Macro,
    VerdictWord,
)
from civility.documents.note import Note

Optimistic = Literal["epoch", "calibration", "thresholds"]
"""What may have been chosen on the very comments of a report."""

Undefined = Literal[
    "no_known_target",
    "no_positive",
    "no_negative",
    "nothing_flagged",
    "undefined_for_every_label",
    "no_measurable_label",
    "unknown",
]
"""Why a number is undefined; ``unknown`` stands for a reason of an older schema that has no code."""


class DataFacts(Part):
    """The comments that were scored."""

    files: tuple[str, ...] = Field(description="files they came from")
    digest: str = Field(description="SHA-256 of ids, texts and targets")
    num_comments: int = Field(description="comments, 0 or more")


class ClassifierFacts(Part):
    """The classifier that scored them."""

    name: str = Field(description="name or path, as given")
    max_length: int = Field(description="tokens at which comments are truncated; 0: comments are not truncated")


class Resampling(Part):
    """The bootstrap behind the intervals, stratified by the rarest positive label of each comment."""

    num_resamples: int = Field(description="resamples, 1 or more")
    seed: int = Field(description="seed of the bootstrap")
    level: float = Field(default=0.95, description="level of the intervals, 0 to 1")


class CoOccurrence(Part):
    """Comments that have two labels at once, as (L, L) matrices; the diagonal counts each label."""

    targets: tuple[tuple[int, ...], ...] = Field(description="by target")
    decisions: tuple[tuple[int, ...], ...] = Field(description="by decision")


class Explorer(Part):
    """What the threshold explorer of the page needs to count the comments that any label flags."""

    buckets: str = Field(
        description="base64 of uint8 (L, N): how many of the label's curve thresholds the score reaches"
    )
    any_target: str = Field(description="base64 of uint8 (N): whether any label is positive: 0, 1, or 2 if unknown")


class EpochLine(Part):
    """One epoch of training, measured on the validation comments."""

    epoch: int = Field(description="number of the epoch, from 1")
    step: int = Field(description="optimizer steps so far")
    training_loss: Number = Field(description="mean loss of the epoch")
    validation_loss: Number = Field(description="loss on the validation comments")
    macro_roc_auc: Number = Field(description="mean area under the ROC curve, 0 to 1")
    roc_auc: dict[str, Number] = Field(description="by label: area under the ROC curve, 0 to 1")


class TrainingCurves(Part):
    """How the classifier was trained."""

    steps: tuple[int, ...] = Field(description="logged steps, thinned")
    losses: tuple[Number, ...] = Field(description="training loss at each of 'steps'")
    learning_rates: tuple[Number, ...] = Field(description="learning rate at each of 'steps'")
    epochs: tuple[EpochLine, ...] = Field(description="all epochs")
    best_epoch: int = Field(description="epoch whose weights were kept, from 1; 0: none was marked")


class Report(Document):
    """Every number of an evaluation."""

    WHAT: ClassVar[str] = "report"
    SCHEMA: ClassVar[int] = 6
    REMEDY: ClassVar[str] = "evaluate again"

    name: str = Field(description="name of the report")
    data: DataFacts = Field(description="the comments")
    classifier: ClassifierFacts = Field(description="the classifier")
    resampling: Resampling = Field(description="the bootstrap")
    optimistic: tuple[Optimistic, ...] = Field(default=(), description="what was chosen on these very comments")
    notes: tuple[Note, ...] = Field(default=(), description="what a reader should know of the comments")
    verdict: VerdictWord = Field(description="the lowest verdict of a label that could be measured")
    labels: dict[str, LabelReport] = Field(description="by label")
    macro: Macro = Field(description="means over the labels for which a number is defined")
    not_measurable: tuple[str, ...] = Field(
        default=(), description="labels with fewer than 10 positive or negative comments, on which 'macro' rests"
    )
    macro_measurable: Macro | None = Field(default=None, description="means over the other labels")
    not_chosen_from_data: tuple[str, ...] = Field(
        default=(), description="labels with too few comments to choose their threshold by the policy"
    )
    any_label: AnyLabel = Field(description="all labels taken as one")
    co_occurrence: CoOccurrence = Field(description="labels that come together")
    explorer: Explorer | None = Field(default=None, description="null for very many comments")
    training: TrainingCurves | None = Field(default=None, description="null if not known")
    bias: BiasReport | None = Field(default=None, description="null without columns of groups")
    templates: dict[str, BiasReport] = Field(default={}, description="by file of identity templates")
    suites: dict[str, SuiteReport] = Field(default={}, description="by behaviour suite")
    robustness: RobustnessReport | None = Field(default=None, description="null if not measured")
    slices: dict[str, tuple[Slice, ...]] = Field(default={}, description="by what the comments are sliced by")
    errors: dict[str, LabelErrorsShown] = Field(default={}, description="by label: the worst errors")
    undefined: dict[str, Undefined] = Field(
        default={}, description="by path of a number that is null, as 'labels.threat.roc_auc': the reason"
    )

    def _repr_html_(self) -> str:
        """Return the small table that a notebook shows."""
        from civility.render.html.notebook import report_table

        return report_table(self)

    @property
    def measurable(self) -> Macro | None:
        """The mean over the measurable labels, if it differs from ``macro`` and is defined."""
        macro = self.macro_measurable
        return macro if self.not_measurable and macro is not None and macro.roc_auc.value is not None else None

    @classmethod
    def upgrade(cls, content: dict[str, Any], schema: int) -> dict[str, Any]:
        """Read older schemas: 2 to 5 have the slices in words, 2 to 4 more sentences; 2 and 3 lack optional parts."""
        if schema < 2:
            raise ValueError(f"schema {schema} is too old")
        slices = content.get("slices", {})
        content = {
            **content,
            "slices": {kind: [_upgraded_slice(one, kind) for one in parts] for kind, parts in slices.items()},
        }
        return content if schema == 5 else cls._upgrade_codes(content)

    @classmethod
    def _upgrade_codes(cls, content: dict[str, Any]) -> dict[str, Any]:
        content = {**content, "verdict": content["verdict"]["word"]}
        content["labels"] = {
            label: {**numbers, "verdict": numbers["verdict"]["word"]} for label, numbers in content["labels"].items()
        }
        content["undefined"] = {path: _code_of(reason) for path, reason in content.get("undefined", {}).items()}
        if content.get("bias"):
            content["bias"] = _upgraded_bias(content["bias"])
        content["templates"] = {name: _upgraded_bias(one) for name, one in content.get("templates", {}).items()}
        if content.get("robustness"):
            kept = [
                {key: value for key, value in one.items() if key != "what"}
                for one in content["robustness"]["perturbations"]
            ]
            content["robustness"] = {**content["robustness"], "perturbations": kept}
        return content


def _code_of(reason: str) -> Undefined:
    """Return the code of the sentence that schemas 2 to 4 had."""
    beginnings: dict[str, Undefined] = {
        "no known target": "no_known_target",
        "no positive comment": "no_positive",
        "no negative comment": "no_negative",
        "nothing is flagged": "nothing_flagged",
        "undefined for every label": "undefined_for_every_label",
        "no label where it is defined": "no_measurable_label",
    }
    return next((code for words, code in beginnings.items() if reason.startswith(words)), "unknown")


def _upgraded_bias(bias: dict[str, Any]) -> dict[str, Any]:
    groups = {name: dict(group) for name, group in bias["groups"].items()}
    for group in groups.values():
        group["too_few"] = bool(group.pop("note", ""))
    return {**bias, "groups": groups}


_SLICES_BY_TEXT: dict[str, dict[str, Any]] = {
    "up to 10 words": {"code": "words", "low": 0, "high": 10},
    "11 to 30 words": {"code": "words", "low": 11, "high": 30},
    "31 to 100 words": {"code": "words", "low": 31, "high": 100},
    "101 to 300 words": {"code": "words", "low": 101, "high": 300},
    "over 300 words": {"code": "words", "low": 301},
    "no cased letters": {"code": "no_cased_letters"},
    "up to 10 % capitals": {"code": "capitals", "low": 0, "high": 0.1},
    "10 % to half capitals": {"code": "capitals", "low": 0.1, "high": 0.5},
    "over half capitals": {"code": "capitals", "low": 0.5, "high": 1},
    "with a link": {"code": "with_link"},
    "without a link": {"code": "without_link"},
}
"""The names of slices by text up to schema 5."""


def _upgraded_slice(content: dict[str, Any], kind: str) -> dict[str, Any]:
    content = dict(content)
    note = content.pop("note", "")
    if note:
        few = [label for label, numbers in content["labels"].items() if numbers["num_positive"] < FEWEST_OF_SLICE]
        content["too_few"] = few
    name = content["name"]
    rest = re.fullmatch(r"other \(([\d,]+) values\)", name)
    if kind in ("length", "capitals", "links") and name in _SLICES_BY_TEXT:
        return {**content, "name": "", **_SLICES_BY_TEXT[name]}
    if rest is not None:
        return {**content, "name": "", "code": "rest", "num_values": int(rest[1].replace(",", ""))}
    return {**content, "name": "", "code": "empty"} if name == "(empty)" else content
