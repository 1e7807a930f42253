"""Reports made up from drawn scores: every section filled, any number of comments and labels, any names."""

import base64
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from civility.documents.behaviour_report import (
    BiasReport,
    Example,
    FunctionReport,
    GroupBias,
    InvarianceReport,
    LabelErrorsShown,
    PerturbationReport,
    PerturbedLabel,
    RobustnessReport,
    Slice,
    SliceLabel,
    SuiteReport,
)
from civility.documents.label_report import (
    AnyLabel,
    CalibrationReport,
    Curve,
    Estimate,
    Histogram,
    LabelReport,
    Macro,
    ReliabilityBin,
    ScoreQuality,
    VerdictWord,
)
from civility.documents.note import as_note
from civility.documents.report import (
    ClassifierFacts,
    CoOccurrence,
    DataFacts,
    EpochLine,
    Explorer,
    Report,
    Resampling,
    TrainingCurves,
)

LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
_RATES = (0.1, 0.02, 0.06, 0.012, 0.05, 0.015)
NOTHING = Estimate(value=None)

Scores = npt.NDArray[np.float64]
Truth = npt.NDArray[np.bool_]


def make_report(num_comments: int = 1500, labels: Sequence[str] = LABELS, seed: int = 0) -> Report:
    """Return a report with every section; the numbers of labels and of any label are right for drawn scores."""
    random = np.random.default_rng(seed)
    rates = np.array([_RATES[i % len(_RATES)] for i in range(len(labels))])
    base = random.normal(size=num_comments)
    truth = base[:, None] * 0.7 + 0.7 * random.normal(size=(num_comments, len(labels)))
    edges = [
        [np.quantile(column, 1 - rate * some) for column, rate in zip(truth.T, rates, strict=True)] for some in (1, 0.5)
    ]
    targets = truth > np.array(edges[0])
    logits = 2.2 * (truth - np.array(edges[1])) + 0.8 * random.normal(size=truth.shape)
    scores = np.round(1 / (1 + np.exp(-2 * logits)), 4)
    # An unknown target is one that counts for no label, and leaves unknown whether any is positive.
    known = np.ones_like(targets)
    known[: num_comments // 20, 0] = False
    thresholds = [round(0.3 + 0.1 * (i % 4), 2) for i in range(len(labels))]
    parts = {
        label: label_report(
            targets[known[:, i], i], scores[known[:, i], i], thresholds[i], int((~known[:, i]).sum()), banded=i % 3 == 0
        )
        for i, label in enumerate(labels)
    }
    any_target = np.where((targets & known).any(axis=1), 1, np.where(known.all(axis=1), 0, 2))
    flagged = scores >= np.array(thresholds)
    return Report(
        name="baseline on validation",
        data=DataFacts(files=("comments.csv",), digest="sha256:5f0c8a77be", num_comments=num_comments),
        classifier=ClassifierFacts(name="baseline", max_length=256),
        resampling=Resampling(num_resamples=2000, seed=0),
        optimistic=("epoch", "thresholds"),
        not_chosen_from_data=tuple(labels[-1:]),
        notes=(as_note("identity_hate has 22 positive comments: its numbers are rough"),),
        verdict="review",
        labels=parts,
        macro=_macro(list(parts.values())),
        any_label=_any_label(any_target, flagged.any(axis=1)),
        co_occurrence=CoOccurrence(targets=_pairs(targets & known), decisions=_pairs(flagged)),
        explorer=_explorer(list(parts.values()), scores, any_target),
        training=_training(labels),
        bias=_bias("columns of comments.csv", labels[0], random),
        templates={"madlibs.csv": _bias("madlibs.csv", labels[0], random)},
        suites={"hatecheck": _suite()},
        robustness=_robustness(labels, random),
        slices=_slices(labels),
        errors={label: _errors(label) for label in labels},
        undefined={},
    )


def share(part: int, whole: int) -> Estimate:
    """Return a share with Wilson's interval."""
    if not whole:
        return NOTHING
    value, z = part / whole, 1.96
    middle = (value + z * z / (2 * whole)) / (1 + z * z / whole)
    wide = z / (1 + z * z / whole) * math.sqrt(value * (1 - value) / whole + z * z / (4 * whole * whole))
    return Estimate(value=value, low=max(0.0, middle - wide), high=min(1.0, middle + wide))


def around(value: float, wide: float = 0.02) -> Estimate:
    return Estimate(value=value, low=max(-1.0, value - wide), high=min(1.0, value + wide))


def label_report(
    targets: Truth, scores: Scores, threshold: float, num_unknown: int = 0, *, banded: bool = False
) -> LabelReport:
    """Return what one label's scores are worth, by counting; with a band for review from half the threshold up."""
    positive, negative = int(targets.sum()), int((~targets).sum())
    cuts = np.unique(np.concatenate([np.quantile(scores, np.linspace(0, 1, 150)), [0, 1, threshold]]))
    true = [int((scores[targets] >= cut).sum()) for cut in cuts]
    false = [int((scores[~targets] >= cut).sum()) for cut in cuts]
    tp, fp = int((scores[targets] >= threshold).sum()), int((scores[~targets] >= threshold).sum())
    histograms = [np.histogram(scores[side], bins=40, range=(0, 1))[0].tolist() for side in (targets, ~targets)]
    f1 = 2 * tp / (positive + tp + fp) if positive else None
    ranked = np.concatenate([scores[targets], scores[~targets]]).argsort(kind="stable").argsort(kind="stable")
    both = positive * negative
    auc = (float(ranked[:positive].sum()) - positive * (positive - 1) / 2) / both if both else None
    return LabelReport(
        num_positive=positive,
        num_negative=negative,
        num_unknown=num_unknown,
        roc_auc=NOTHING if auc is None else around(auc, 0.008),
        average_precision=NOTHING if not positive else around(0.71, 0.04),
        recall_at_fpr={"0.01": share(tp, positive), "0.001": share(tp // 2, positive)},
        threshold=threshold,
        review_threshold=threshold / 2 if banded else None,
        policy="bands(precision>=0.8, review<=25 per 1000)" if banded else "precision>=0.8",
        true_positives=tp,
        false_positives=fp,
        false_negatives=positive - tp,
        true_negatives=negative - fp,
        precision=share(tp, tp + fp),
        recall=share(tp, positive),
        f1=NOTHING if f1 is None else around(f1, 0.05),
        false_positive_rate=share(fp, negative),
        flagged_per_1000=Estimate(value=1000 * (tp + fp) / (positive + negative)),
        review_per_1000=1000 * float(((scores >= threshold / 2) & (scores < threshold)).mean()) if banded else None,
        calibration=CalibrationReport(
            method="isotonic", cross_fitted=True, before=_quality(targets, scores**0.5), after=_quality(targets, scores)
        ),
        verdict=_verdict(f1),
        curve=Curve(thresholds=tuple(cuts.tolist()), true_positives=tuple(true), false_positives=tuple(false)),
        histogram=Histogram(positive=tuple(histograms[0]), negative=tuple(histograms[1])),
    )


def _verdict(f1: float | None) -> VerdictWord:
    if f1 is None:
        return "undefined"
    return "good" if f1 > 0.75 else "review" if f1 > 0.65 else "unsure" if f1 > 0.55 else "weak"


def _quality(targets: Truth, scores: Scores) -> ScoreQuality:
    bins = []
    for i in range(10):
        inside = (scores >= i / 10) & (scores < (i + 1) / 10 + (i == 9))
        if inside.any():
            found = share(int(targets[inside].sum()), int(inside.sum()))
            mean = float(scores[inside].mean())
            bins.append(
                ReliabilityBin(
                    low=i / 10, high=(i + 1) / 10, num_comments=int(inside.sum()), mean_score=mean, share_positive=found
                )
            )
    brier = float(((scores - targets) ** 2).mean()) if len(scores) else None
    return ScoreQuality(calibration_error=0.012, brier=brier, log_loss=0.031, bins=tuple(bins))


def _macro(parts: list[LabelReport]) -> Macro:
    def mean(key: str) -> Estimate:
        values = [value for part in parts if (value := getattr(part, key).value) is not None]
        return around(sum(values) / len(values), 0.02) if values else NOTHING

    names = ("roc_auc", "average_precision", "precision", "recall", "f1")
    return Macro.model_validate({key: mean(key) for key in names} | {"recall_at_fpr": {"0.01": around(0.7)}})


def _any_label(target: npt.NDArray[np.int64], flagged: Truth) -> AnyLabel:
    positive, negative = int((target == 1).sum()), int((target == 0).sum())
    tp, fp = int((flagged & (target == 1)).sum()), int((flagged & (target == 0)).sum())
    return AnyLabel(
        num_positive=positive,
        num_negative=negative,
        num_unknown=int((target == 2).sum()),
        roc_auc=around(0.981, 0.004),
        average_precision=around(0.83),
        recall_at_fpr={"0.01": around(0.75)},
        precision=share(tp, tp + fp),
        recall=share(tp, positive),
        f1=around(2 * tp / max(1, positive + tp + fp)),
        false_positive_rate=share(fp, negative),
        flagged_per_1000=Estimate(value=1000 * (tp + fp) / max(1, positive + negative)),
    )


def _pairs(matrix: Truth) -> tuple[tuple[int, ...], ...]:
    counts = matrix.T.astype(np.int64) @ matrix.astype(np.int64)
    return tuple(tuple(row) for row in counts.tolist())


def _explorer(parts: list[LabelReport], scores: Scores, any_target: npt.NDArray[np.int64]) -> Explorer:
    buckets = [
        np.searchsorted(part.curve.thresholds, scores[:, i], side="right").astype(np.uint8)
        for i, part in enumerate(parts)
    ]
    return Explorer(
        buckets=base64.b64encode(b"".join(row.tobytes() for row in buckets)).decode(),
        any_target=base64.b64encode(any_target.astype(np.uint8).tobytes()).decode(),
    )


def _training(labels: Sequence[str]) -> TrainingCurves:
    steps = tuple(range(20, 2401, 20))
    return TrainingCurves(
        steps=steps,
        losses=tuple(0.04 + 0.6 * math.exp(-step / 180) + 0.008 * math.sin(step) for step in steps),
        learning_rates=tuple(2e-5 for _ in steps),
        epochs=tuple(
            EpochLine(
                epoch=epoch,
                step=400 * epoch,
                training_loss=0.3 / epoch,
                validation_loss=0.05 + 0.02 * abs(epoch - 3),
                macro_roc_auc=0.985 - 0.003 * abs(epoch - 3),
                roc_auc={label: 0.985 - 0.004 * abs(epoch - 3) - 0.002 * (i % 5) for i, label in enumerate(labels)},
            )
            for epoch in range(1, 7)
        ),
        best_epoch=3,
    )


def _bias(source: str, label: str, random: np.random.Generator) -> BiasReport:
    names = ("female", "male", "black", "white", "muslim", "jewish", "homosexual_gay_or_lesbian", "mental_illness")
    groups = {
        group: GroupBias(
            num_positive=40 + 10 * i,
            num_negative=300 + 41 * i,
            subgroup_auc=around(float(random.uniform(0.78, 0.97))),
            bpsn_auc=around(float(random.uniform(0.66, 0.97))),
            bnsp_auc=around(float(random.uniform(0.9, 0.99)), 0.01),
            false_positive_rate=around(0.08),
            false_negative_rate=around(0.2),
            false_positive_gap=around(float(random.uniform(-0.05, 0.22)), 0.04),
            false_negative_gap=around(float(random.uniform(-0.1, 0.1)), 0.05),
            too_few=not i,
        )
        for i, group in enumerate(names)
    }
    return BiasReport(
        source=source,
        label=label,
        overall_auc=around(0.972, 0.004),
        final=around(0.914, 0.01),
        subgroup_auc=0.87,
        bpsn_auc=0.84,
        bnsp_auc=0.95,
        power=-5,
        groups=groups,
    )


def example(i: int, text: str = "", label: str = "toxic") -> Example:
    words = text or f"an unkind sentence number {i} that {label} is about"
    return Example(
        id=f"c{i:05d}", text=words, score=0.97 - i / 100, target=0, times=1 + 3 * (i == 1), likely_label_error=i == 0
    )


def _errors(label: str) -> LabelErrorsShown:
    return LabelErrorsShown(
        false_positives=tuple(example(i, label=label) for i in range(4)),
        false_negatives=tuple(example(50 + i, label=label) for i in range(4)),
    )


def _suite() -> SuiteReport:
    names = ("derog_neg_emote_h", "slur_h", "slur_reclaimed_nh", "negate_neg_nh", "counter_quote_nh", "spell_leet_h")
    functions = tuple(
        FunctionReport(
            function=name,
            expected="allow" if name.endswith("_nh") else "flag",
            num_cases=100,
            num_right=95 - 14 * i,
            share_right=share(95 - 14 * i, 100),
            wrong=tuple(example(j, f"wrong case {j} of {name}") for j in range(2)),
        )
        for i, name in enumerate(names)
    )
    return SuiteReport(
        source="hatecheck_cases.csv",
        num_cases=600,
        num_left_out=12,
        share_right=share(410, 600),
        functions=functions,
        groups={"women": share(70, 100), "trans people": share(61, 100)},
    )


def _robustness(labels: Sequence[str], random: np.random.Generator) -> RobustnessReport:
    names = ("leetspeak", "homoglyphs", "spacing", "typos")
    parts = [
        PerturbationReport(
            name=name,
            strength=strength,
            share_changed=0.97,
            macro_recall_change=around(-0.1 * i * strength * 2 + 0.01, 0.03),
            labels={
                label: PerturbedLabel(
                    recall_before=0.7,
                    recall_after=0.7 - 0.1 * strength * i + float(random.normal()) / 50,
                    roc_auc_before=0.98,
                    roc_auc_after=0.95,
                )
                for label in labels
            },
        )
        for i, name in enumerate(names)
        for strength in (0.2, 0.5)
    ]
    moved = (
        InvarianceReport(name="trailing space", largest_difference=0.0, share_of_decisions_changed=0.0),
        InvarianceReport(name="Unicode NFC", share_changed=0.0, largest_difference=0.0, share_of_decisions_changed=0.0),
        InvarianceReport(
            name="Unicode NFD", share_changed=0.31, largest_difference=0.042, share_of_decisions_changed=0.0013
        ),
    )
    return RobustnessReport(num_comments=2000, seed=0, perturbations=tuple(parts), invariances=moved)


def _slices(labels: Sequence[str]) -> dict[str, tuple[Slice, ...]]:
    def one(name: str, num: int) -> Slice:
        numbers = SliceLabel(
            num_positive=num // 10, num_negative=num, roc_auc=0.97, precision=share(8, 10), recall=share(31, 50)
        )
        return Slice(
            name=name,
            num_comments=num,
            labels=dict.fromkeys(labels, numbers),
            too_few=tuple(labels) if num < 300 else (),
        )

    return {
        "length": (one("up to 50 characters", 420), one("51 to 200", 760), one("over 1,000", 21)),
        "links": (one("none", 1400), one("one or more", 100)),
    }


def empty_report() -> Report:
    """Return the report of one comment without a positive: nearly every number is None."""
    part = label_report(np.zeros(1, dtype=np.bool_), np.array([0.2]), 0.5).model_copy(
        update={"calibration": None, "policy": ""}
    )
    nothing = {"roc_auc": NOTHING, "average_precision": NOTHING, "precision": NOTHING, "recall": NOTHING, "f1": NOTHING}
    counts = {"num_positive": 0, "num_negative": 1, "num_unknown": 0}
    rates = {"false_positive_rate": NOTHING, "flagged_per_1000": NOTHING}
    return Report(
        name="one comment",
        data=DataFacts(files=(), digest="", num_comments=1),
        classifier=ClassifierFacts(name="baseline", max_length=1),
        resampling=Resampling(num_resamples=0, seed=0),
        verdict="undefined",
        labels={"toxic": part},
        macro=Macro.model_validate(nothing | {"recall_at_fpr": {}}),
        any_label=AnyLabel.model_validate(nothing | counts | rates | {"recall_at_fpr": {"0.01": NOTHING}}),
        co_occurrence=CoOccurrence(targets=((0,),), decisions=((0,),)),
        undefined={"labels.toxic": "no_positive", "macro": "undefined_for_every_label"},
    )
