"""Whether a label's scores mean what they say, before calibration and after it. Arrays only."""

from civility.arrays import Scores, Targets
from civility.documents.report import CalibrationReport, Estimate, ReliabilityBin, ScoreQuality
from civility.evaluation.scored_comments import Scored
from civility.metrics.reliability import brier, expected_calibration_error, log_loss, reliability

_NUM_BINS = 15
"""Of equal width: the number that the field uses since Guo et al., On Calibration of Modern Neural Networks, 2017."""


def calibration_of(scored: Scored, column: int) -> CalibrationReport:
    """Return the quality of one label's scores before and after calibration.

    Where the calibration was fitted on these very comments, "after" is of calibrations fitted on the other folds.
    """
    targets = scored.dataset.targets[:, column]
    before = scored.scores if scored.uncalibrated is None else scored.uncalibrated
    after = scored.scores if scored.out_of_fold is None else scored.out_of_fold
    return CalibrationReport(
        method=scored.calibrations.get(scored.dataset.labels[column], "none"),
        cross_fitted=scored.out_of_fold is not None,
        before=_quality(targets, before[:, column]),
        after=_quality(targets, after[:, column]),
    )


def _quality(targets: Targets, scores: Scores) -> ScoreQuality:
    bins = tuple(
        ReliabilityBin(
            low=one.low,
            high=one.high,
            num_comments=one.num,
            mean_score=one.mean_score,
            share_positive=Estimate(value=one.share_positive, low=one.share_low, high=one.share_high),
        )
        for one in reliability(scores, targets, _NUM_BINS)
        if one.num
    )
    return ScoreQuality(
        calibration_error=expected_calibration_error(scores, targets, _NUM_BINS),
        brier=brier(scores, targets),
        log_loss=log_loss(scores, targets),
        bins=bins,
    )
