"""The parts of a report on groups, behaviour suites, perturbed texts, slices and single comments."""

from typing import Literal

from pydantic import Field

from civility.documents.document import Number, Part
from civility.documents.label_report import Estimate

FEWEST_OF_SLICE = 30
"""Positives of a label in a slice below which its numbers are uncertain."""
_POSITIVE = "positive comments, 0 or more"
_NEGATIVE = "negative comments, 0 or more"
_ROC_AUC = "area under the ROC curve, 0 to 1"
_MEAN = "generalised mean over the groups that are large enough, 0 to 1"
_RECALL = "share of positive comments that are flagged, 0 to 1"


class GroupBias(Part):
    """One group: comments that mention it, compared with the background, which does not."""

    num_positive: int = Field(description=_POSITIVE)
    num_negative: int = Field(description=_NEGATIVE)
    subgroup_auc: Estimate = Field(description=f"{_ROC_AUC}, of the group")
    bpsn_auc: Estimate = Field(description=f"{_ROC_AUC}, of background positives and group negatives")
    bnsp_auc: Estimate = Field(description=f"{_ROC_AUC}, of background negatives and group positives")
    false_positive_rate: Estimate = Field(description="share of the group's negatives that are flagged, 0 to 1")
    false_negative_rate: Estimate = Field(description="share of the group's positives that are missed, 0 to 1")
    false_positive_gap: Estimate = Field(description="rate of the group less that of the background, -1 to 1")
    false_negative_gap: Estimate = Field(description="rate of the group less that of the background, -1 to 1")
    too_few: bool = Field(
        default=False, description="fewer than 10 positive or negative comments: left out of the means"
    )


class BiasReport(Part):
    """One label's errors in groups and in the background (Borkan et al., 2019)."""

    source: str = Field(description="files the groups come from")
    label: str = Field(description="label measured")
    overall_auc: Estimate = Field(description=f"{_ROC_AUC}, of all comments")
    final: Estimate = Field(description="final metric of Jigsaw 2019, 0 to 1")
    subgroup_auc: Number = Field(description=_MEAN)
    bpsn_auc: Number = Field(description=_MEAN)
    bnsp_auc: Number = Field(description=_MEAN)
    power: float = Field(description="power of the generalised means")
    groups: dict[str, GroupBias] = Field(description="by group")


class Example(Part):
    """A comment for a person to read, shortened to a few hundred characters."""

    id: str = Field(description="id of the comment")
    text: str = Field(description="its text, shortened; empty if texts are not shown")
    score: float = Field(description="score, 0 to 1")
    target: Number = Field(default=None, description="target, 0 to 1; null if unknown")
    times: int = Field(default=1, description="number of equal comments, 1 or more")
    likely_label_error: bool = Field(default=False, description="the target is probably wrong")


class FunctionReport(Part):
    """One function of a behaviour suite."""

    function: str = Field(description="what its cases test")
    expected: Literal["flag", "allow"] = Field(description="the right decision")
    num_cases: int = Field(description="cases decided, 1 or more")
    num_right: int = Field(description="cases decided rightly, 0 or more")
    share_right: Estimate = Field(description="share of cases decided rightly, 0 to 1")
    wrong: tuple[Example, ...] = Field(default=(), description="some of the cases decided wrongly")


class SuiteReport(Part):
    """A behaviour suite, function by function."""

    source: str = Field(description="file of the suite")
    num_cases: int = Field(description="cases decided, 0 or more")
    num_left_out: int = Field(description="cases that name a label the classifier lacks, 0 or more")
    share_right: Estimate = Field(description="share of cases decided rightly, 0 to 1")
    functions: tuple[FunctionReport, ...] = Field(description="in the order of the file")
    groups: dict[str, Estimate] = Field(default={}, description="by 'GROUP: flag' or 'GROUP: allow': share_right")


class PerturbedLabel(Part):
    """One label's numbers on the sample as it is, and perturbed."""

    recall_before: Number = Field(description=_RECALL)
    recall_after: Number = Field(description=_RECALL)
    roc_auc_before: Number = Field(description=_ROC_AUC)
    roc_auc_after: Number = Field(description=_ROC_AUC)


class PerturbationReport(Part):
    """A perturbation at one strength."""

    name: str = Field(description="name of the perturbation, as 'leetspeak'")
    strength: float = Field(description="share of the places that change, 0 to 1")
    share_changed: float = Field(description="share of texts that it changed, 0 to 1")
    macro_recall_change: Estimate = Field(description="recall after less before, mean over labels, -1 to 1")
    labels: dict[str, PerturbedLabel] = Field(description="by label")


class InvarianceReport(Part):
    """A change that should not matter."""

    name: str = Field(description="name of the change, as 'nfc'")
    share_changed: float = Field(default=1.0, description="share of texts that it changed, 0 to 1")
    largest_difference: float = Field(description="largest move of a score, 0 to 1")
    share_of_decisions_changed: float = Field(description="share of decisions that changed, 0 to 1")


class RobustnessReport(Part):
    """How easily the classifier is fooled, on a sample of the comments."""

    num_comments: int = Field(description="comments in the sample, 0 or more")
    seed: int = Field(description="seed of the sample and the perturbations")
    perturbations: tuple[PerturbationReport, ...] = Field(description="each perturbation at each strength")
    invariances: tuple[InvarianceReport, ...] = Field(description="changes that should not matter")


class SliceLabel(Part):
    """One label in one slice."""

    num_positive: int = Field(description=_POSITIVE)
    num_negative: int = Field(description=_NEGATIVE)
    roc_auc: Number = Field(description=_ROC_AUC)
    precision: Estimate = Field(description="share of flagged comments that are positive, 0 to 1")
    recall: Estimate = Field(description=_RECALL)


SliceCode = Literal["value", "empty", "rest", "words", "capitals", "no_cased_letters", "with_link", "without_link"]


class Slice(Part):
    """A part of the comments. `civility.render.sentences.report_sentences` names it."""

    code: SliceCode = Field(
        default="value",
        description="what its comments have in common: the value 'name', or an empty one; 'rest': any rarer value; "
        "'words' and 'capitals': how many words, or what share of capitals among cased letters",
    )
    name: str = Field(default="", description="the value of the code 'value', such as a script")
    low: Number = Field(default=None, description="fewest words, or the share that capitals exceed, 0 to 1")
    high: Number = Field(default=None, description="most words, null for any number; or most capitals, 0 to 1")
    num_values: int = Field(default=0, description="values that are merged in 'rest'")
    num_comments: int = Field(description="comments, 1 or more")
    labels: dict[str, SliceLabel] = Field(description="by label")
    too_few: tuple[str, ...] = Field(
        default=(), description=f"labels with fewer than {FEWEST_OF_SLICE} positives in the slice"
    )


class LabelErrorsShown(Part):
    """The worst errors of one label."""

    false_positives: tuple[Example, ...] = Field(description="flagged negatives, highest scores first")
    false_negatives: tuple[Example, ...] = Field(description="missed positives, lowest scores first")
