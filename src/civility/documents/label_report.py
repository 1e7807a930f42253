"""The parts of a report on labels: ranking, decisions, calibration and curves."""

from typing import Literal

from pydantic import Field

from civility.documents.document import Number, Part

_COMMENTS = "comments, 0 or more"
_ROC_AUC = "area under the ROC curve, 0 to 1; 0.5 is chance"
_AVERAGE_PRECISION = "average precision, 0 to 1; the share of positives is chance"
_AT_RATE = "by false positive rate, as '0.01': the recall, 0 to 1, at the threshold that allows this rate"
_PRECISION = "share of flagged comments that are positive, 0 to 1"
_RECALL = "share of positive comments that are flagged, 0 to 1"
_F1 = "harmonic mean of precision and recall, 0 to 1"
_FALSE_POSITIVE_RATE = "share of negative comments that are flagged, 0 to 1"
_FLAGGED = "flagged comments in 1,000, 0 to 1,000"

VerdictWord = Literal["good", "review", "weak", "unsure", "undefined"]
"""Whether a label can be used; docs/how-to/read-a-report.md has the rules."""


class Estimate(Part):
    """A number with its 95 % interval."""

    value: Number = Field(description="null where undefined")
    low: Number = Field(default=None, description="lower end; null where no interval can be given")
    high: Number = Field(default=None, description="upper end; null where no interval can be given")


class Curve(Part):
    """Counts of one label at rising thresholds; comments with ``score >= threshold`` are flagged.

    The first threshold flags every comment, the last flags none or the fewest; the one in use is among them.
    """

    thresholds: tuple[float, ...] = Field(description="scores, 0 to 1, rising; at most 254")
    true_positives: tuple[int, ...] = Field(description="flagged positive comments at each threshold")
    false_positives: tuple[int, ...] = Field(description="flagged negative comments at each threshold")


class Histogram(Part):
    """Comments by score, in equal bins from 0 to 1."""

    positive: tuple[int, ...] = Field(description="positive comments in each bin")
    negative: tuple[int, ...] = Field(description="negative comments in each bin")


class ReliabilityBin(Part):
    """Comments with a score from ``low`` to below ``high``."""

    low: float = Field(description="lowest score, 0 to 1")
    high: float = Field(description="end of the bin, 0 to 1")
    num_comments: int = Field(description="comments, 1 or more")
    mean_score: float = Field(description="mean score, 0 to 1")
    share_positive: Estimate = Field(description="share of positive comments, 0 to 1")


class ScoreQuality(Part):
    """Whether scores match the share of positive comments. Lower is better."""

    calibration_error: Number = Field(description="expected calibration error, 0 to 1")
    brier: Number = Field(description="Brier score, 0 to 1")
    log_loss: Number = Field(description="log loss in nats, 0 or more")
    bins: tuple[ReliabilityBin, ...] = Field(description="reliability diagram; empty bins are left out")


class CalibrationReport(Part):
    """One label's scores before and after calibration."""

    method: str = Field(description="calibration method: none, temperature, platt or isotonic")
    cross_fitted: bool = Field(
        description="fitted on these comments; 'after' is of calibrations fitted on the other folds"
    )
    before: ScoreQuality = Field(description="before calibration")
    after: ScoreQuality = Field(description="after calibration")


class LabelReport(Part):
    """One label's scores and decisions. Counts cover the comments whose target is known."""

    num_positive: int = Field(description=f"positive {_COMMENTS}")
    num_negative: int = Field(description=f"negative {_COMMENTS}")
    num_unknown: int = Field(description=f"{_COMMENTS}, whose target is unknown")
    roc_auc: Estimate = Field(description=_ROC_AUC)
    average_precision: Estimate = Field(description=_AVERAGE_PRECISION)
    recall_at_fpr: dict[str, Estimate] = Field(description=_AT_RATE)
    threshold: float = Field(description="score from which comments are flagged, 0 to 1")
    review_threshold: Number = Field(default=None, description="score from which comments are reviewed, 0 to 1")
    policy: str = Field(default="", description="policy that chose the threshold, as 'recall>=0.9'")
    true_positives: int = Field(description=f"flagged positive {_COMMENTS}")
    false_positives: int = Field(description=f"flagged negative {_COMMENTS}")
    false_negatives: int = Field(description=f"missed positive {_COMMENTS}")
    true_negatives: int = Field(description=f"negative {_COMMENTS}, not flagged")
    precision: Estimate = Field(description=_PRECISION)
    recall: Estimate = Field(description=_RECALL)
    f1: Estimate = Field(description=_F1)
    false_positive_rate: Estimate = Field(description=_FALSE_POSITIVE_RATE)
    flagged_per_1000: Estimate = Field(description=_FLAGGED)
    review_per_1000: Number = Field(default=None, description="comments to review in 1,000, 0 to 1,000")
    calibration: CalibrationReport | None = Field(description="null without a known target")
    verdict: VerdictWord = Field(description="whether the label can be used")
    curve: Curve = Field(description="counts at thresholds")
    histogram: Histogram = Field(description="comments by score")


class AnyLabel(Part):
    """All labels taken as one: the highest score ranks, and a comment is flagged if any label is."""

    num_positive: int = Field(description=f"{_COMMENTS}, with a positive label")
    num_negative: int = Field(description=f"{_COMMENTS}, with all labels known and negative")
    num_unknown: int = Field(description=f"all other {_COMMENTS}")
    roc_auc: Estimate = Field(description=_ROC_AUC)
    average_precision: Estimate = Field(description=_AVERAGE_PRECISION)
    recall_at_fpr: dict[str, Estimate] = Field(description=_AT_RATE)
    precision: Estimate = Field(description=_PRECISION)
    recall: Estimate = Field(description=_RECALL)
    f1: Estimate = Field(description=_F1)
    false_positive_rate: Estimate = Field(description=_FALSE_POSITIVE_RATE)
    flagged_per_1000: Estimate = Field(description=_FLAGGED)


class Macro(Part):
    """Means over the labels for which a number is defined."""

    roc_auc: Estimate = Field(description=_ROC_AUC)
    average_precision: Estimate = Field(description=_AVERAGE_PRECISION)
    recall_at_fpr: dict[str, Estimate] = Field(description=_AT_RATE)
    precision: Estimate = Field(description=_PRECISION)
    recall: Estimate = Field(description=_RECALL)
    f1: Estimate = Field(description=_F1)
