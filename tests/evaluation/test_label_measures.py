"""The numbers of a report against scikit-learn and by counting, exact JSON, and bad input: right or with a reason."""

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from civility.arrays import Bools, Decisions, Scores
from civility.data.dataset import Dataset
from civility.documents.label_report import AnyLabel, LabelReport
from civility.documents.report import ClassifierFacts
from civility.errors import UserError
from civility.evaluation import Report, Scored
from civility.evaluation.build_report import Aspects, Subject, report_on
from civility.evaluation.label_measures import FPRS, measure
from civility.metrics.small_samples import auc_interval
from civility.render.markdown.report_markdown import to_markdown
from civility.render.sentences.report_sentences import (
    not_measurable_sentence,
    note_sentence,
    slice_name,
    undefined_reason,
)

from ..refusals import refused

NAN = float("nan")
FACTS = ClassifierFacts(name="a classifier", max_length=256)


def _scored(targets: npt.ArrayLike, scores: npt.ArrayLike, labels: tuple[str, ...] = (), **more: Any) -> Scored:
    truth = np.asarray(targets, dtype=np.float32)
    num, width = truth.shape
    texts = more.pop("texts", None) or tuple(f"comment {i}" for i in range(num))
    dataset = Dataset(texts, truth, tuple(map(str, range(num))), labels or tuple(f"label{i}" for i in range(width)))
    return Scored(dataset, np.asarray(scores, dtype=np.float32), **more)


def _measure(scored: Scored, num_resamples: int = 50, seed: int = 0) -> Report:
    return measure(scored, ["a.csv"], name="mine", classifier=FACTS, num_resamples=num_resamples, seed=seed)


def _whole(scored: Scored, num_resamples: int = 50) -> Report:
    return report_on(scored, Subject("mine", ("a.csv",), FACTS), Aspects(num_resamples=num_resamples))


def _drawn(num: int = 1_500, seed: int = 0) -> Scored:
    """Return comments with unknown and soft targets, ties, and thresholds that differ by label."""
    rng = np.random.default_rng(seed)
    positive = rng.random((num, 3)) < [0.3, 0.04, 0.1]
    targets = np.where(positive, 0.5 + rng.integers(0, 6, (num, 3)) / 10, rng.integers(0, 5, (num, 3)) / 10)
    targets[rng.random(targets.shape) < 0.1] = NAN
    scores = np.clip(rng.normal(0.3, 0.15, (num, 3)) + 0.25 * positive, 0, 1).round(2)
    return _scored(
        targets,
        scores,
        ("toxic", "threat", "insult"),
        thresholds={"toxic": 0.44, "threat": 0.6},
        review_thresholds={"toxic": 0.3},
        policies={"toxic": "recall>=0.7"},
    )


def _brute_recall(positive: Bools, scores: npt.NDArray[np.float64], fpr: float) -> float:
    """Return the best recall of all thresholds that flag at most that share of the negatives."""
    best = 0.0
    for cut in np.unique(scores):
        flagged = scores >= cut
        if flagged[~positive].mean() <= fpr:
            best = max(best, float(flagged[positive].mean()))
    return best


def _check(
    numbers: LabelReport | AnyLabel,
    positive: Bools,
    scores: npt.NDArray[np.float64],
    flagged: Decisions,
    num_unknown: int,
) -> None:
    assert (numbers.num_positive, numbers.num_negative) == (positive.sum(), (~positive).sum())
    assert numbers.num_unknown == num_unknown
    assert numbers.roc_auc.value == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
    assert numbers.average_precision.value == pytest.approx(average_precision_score(positive, scores), abs=1e-12)
    assert list(numbers.recall_at_fpr) == ["0.01", "0.001"]
    for fpr in FPRS:
        fprs, recalls, _ = roc_curve(positive, scores, drop_intermediate=False)
        found = numbers.recall_at_fpr[str(fpr)].value
        assert found == pytest.approx(recalls[fprs <= fpr].max(), abs=1e-12)
        assert found == pytest.approx(_brute_recall(positive, scores, fpr), abs=1e-12)
    assert numbers.precision.value == pytest.approx(precision_score(positive, flagged), abs=1e-12)
    assert numbers.recall.value == pytest.approx(recall_score(positive, flagged), abs=1e-12)
    assert numbers.f1.value == pytest.approx(f1_score(positive, flagged), abs=1e-12)
    assert numbers.false_positive_rate.value == pytest.approx(flagged[~positive].mean(), abs=1e-12)
    assert numbers.flagged_per_1000.value == pytest.approx(1000 * flagged.mean(), abs=1e-12)


def test_the_numbers_of_each_label_are_those_of_scikit_learn() -> None:
    scored = _drawn()
    report = _measure(scored)
    assert list(report.labels) == ["toxic", "threat", "insult"]
    thresholds = {"toxic": 0.44, "threat": 0.6, "insult": 0.5}
    for column, (label, numbers) in enumerate(report.labels.items()):
        targets = scored.dataset.targets[:, column]
        known = ~np.isnan(targets)
        positive, scores = targets[known] >= 0.5, scored.scores[known, column].astype(np.float64)
        flagged = scored.scores[known, column] >= np.float32(thresholds[label])
        _check(numbers, positive, scores, flagged, int((~known).sum()))
        assert numbers.threshold == thresholds[label]
        assert numbers.true_positives == (positive & flagged).sum()
        assert numbers.false_positives == (~positive & flagged).sum()
        assert numbers.false_negatives == (positive & ~flagged).sum()
        assert numbers.true_negatives == (~positive & ~flagged).sum()
        counts = (numbers.true_positives, numbers.false_positives, numbers.false_negatives, numbers.true_negatives)
        assert sum(counts) == known.sum() < len(known)
        assert numbers.calibration is not None
        quality = numbers.calibration.after
        assert quality.brier == pytest.approx(brier_score_loss(positive, scores), abs=1e-12)
        assert quality.log_loss == pytest.approx(log_loss(positive, np.clip(scores, 2**-25, 1 - 2**-25)), abs=1e-12)
        assert sum(numbers.histogram.positive) == positive.sum()
        assert sum(numbers.histogram.negative) == (~positive).sum()
    toxic = scored.scores[~np.isnan(scored.dataset.targets[:, 0]), 0]
    in_band = (toxic >= np.float32(0.3)) & (toxic < np.float32(0.44))
    assert report.labels["toxic"].review_per_1000 == pytest.approx(1000 * in_band.mean())
    assert (report.labels["toxic"].review_threshold, report.labels["toxic"].policy) == (0.3, "recall>=0.7")
    assert (report.labels["threat"].review_per_1000, report.labels["threat"].policy) == (None, "")
    assert report.undefined == {}


def test_any_label_is_flagged_if_one_is_and_unknown_where_no_label_tells() -> None:
    scored = _drawn()
    targets = scored.dataset.targets
    truth = np.array(
        [
            1.0 if any(one >= 0.5 for one in row) else NAN if any(math.isnan(one) for one in row) else 0.0
            for row in targets
        ]
    )
    known = ~np.isnan(truth)
    assert 0 < known.sum() < len(truth)
    np.testing.assert_array_equal(scored.any_target, truth.astype(np.float32))
    cuts = np.array([0.44, 0.6, 0.5], dtype=np.float32)
    flagged = np.any(scored.scores >= cuts, axis=1)[known]
    highest = scored.scores.max(axis=1)[known].astype(np.float64)
    _check(_measure(scored).any_label, truth[known] == 1, highest, flagged, int((~known).sum()))


def test_the_macro_is_the_mean_of_what_is_printed_for_the_labels() -> None:
    report = _measure(_drawn())
    for name in ("roc_auc", "average_precision", "precision", "recall", "f1"):
        values = [getattr(numbers, name).value for numbers in report.labels.values()]
        assert getattr(report.macro, name).value == pytest.approx(sum(values) / 3, abs=1e-12)
    for fpr in ("0.01", "0.001"):
        values = [numbers.recall_at_fpr[fpr].value for numbers in report.labels.values()]
        assert report.macro.recall_at_fpr[fpr].value == pytest.approx(sum(values) / 3, abs=1e-12)


def test_an_undefined_label_is_left_out_of_the_macro_and_not_taken_as_zero() -> None:
    rng = np.random.default_rng(1)
    targets, scores = (rng.random((200, 2)) < 0.3).astype(float), rng.random((200, 2))
    both = _measure(_scored(targets, scores))
    targets[:, 1] = 0
    one = _measure(_scored(targets, scores))
    assert one.labels["label1"].roc_auc.value is None
    assert one.macro.roc_auc == one.labels["label0"].roc_auc, "with its interval"
    assert both.macro.roc_auc.value != one.macro.roc_auc.value, "the control"


def test_a_resample_in_which_a_label_flags_nothing_counts_for_the_macro() -> None:
    targets, scores = np.tile([[1, 0], [0, 0]], (40, 1)), np.tile([[0.9, 0.1], [0.9, 0.1]], (40, 1))
    targets[0, 1], scores[0, 1] = 1, 0.9
    targets[2, 1] = 1  # in the stratum of the other, so that the one that is flagged may not be drawn
    macro = _measure(_scored(targets, scores), num_resamples=400).macro.precision
    assert macro.value == pytest.approx((0.5 + 1) / 2)
    assert macro.low is not None
    assert macro.high is not None
    # Where the label flags nothing the mean is the other label's alone, about 0.5: never so where both flag.
    assert macro.low < 0.5 < 0.75 < macro.high < 0.85


def _estimates(document: Any, path: str = "") -> Iterator[tuple[str, dict[str, float | None]]]:
    if isinstance(document, dict):
        if set(document) == {"value", "low", "high"}:
            yield path, document
            return
        for key, value in document.items():
            yield from _estimates(value, f"{path}.{key}" if path else key)
    elif isinstance(document, list):
        for place, value in enumerate(document):
            yield from _estimates(value, f"{path}[{place}]")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([0.05, 0.3, 0.9]))
def test_every_interval_holds_its_value(seed: int, num: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    targets = (rng.random((num, 2)) < share).astype(float)
    targets[rng.random((num, 2)) < 0.1] = NAN
    scores = rng.random((num, 2)) * 0.7 + 0.3 * np.nan_to_num(targets)
    document = _whole(_scored(targets, scores), num_resamples=60).content()
    found = dict(_estimates(document))
    assert len(found) > 25
    for path, one in found.items():
        value, low, high = one["value"], one["low"], one["high"]
        assert (low is None) == (high is None), path
        if low is not None:
            assert value is not None, path
            assert low <= value <= (high or 0), path


def _missing(report: Report) -> list[str]:
    """Return the paths of the numbers of labels, any label and the macro average that are None, or lack an interval."""
    document = report.content()
    parts = {key: document[key] for key in ("labels", "any_label", "macro", "macro_measurable")}
    estimates = list(_estimates(parts))
    found = [path for path, one in estimates if one["value"] is None]
    found += [f"{path}.low" for path, one in estimates if one["value"] is not None and one["low"] is None]
    for label, numbers in document["labels"].items():
        for when in ("before", "after"):
            quality = numbers["calibration"][when]
            names = ("calibration_error", "brier", "log_loss")
            found += [f"labels.{label}.calibration.{when}.{name}" for name in names if quality[name] is None]
        if numbers["review_threshold"] is not None and numbers["review_per_1000"] is None:
            found.append(f"labels.{label}.review_per_1000")
    return found


def _has_reason(report: Report, path: str) -> bool:
    return any(path == place or path.startswith(f"{place}.") for place in report.undefined)


@pytest.mark.parametrize(
    "column",
    [
        [NAN, NAN, NAN, NAN],
        [0, 0, 0, 0],
        [1, 1, 1, 1],
        [0, NAN, 0, NAN],
        [1, NAN, NAN, NAN],
        [0, 1, NAN, 0.3],
    ],
)
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_every_number_that_is_undefined_has_a_reason(column: list[float], threshold: float) -> None:
    scored = _scored(
        np.array(column)[:, None],
        [[0.1], [0.6], [0.4], [0.2]],
        ("a",),
        thresholds={"a": threshold},
        review_thresholds={"a": 0.0},
    )
    report = _whole(scored)
    missing = _missing(report)
    assert [path for path in missing if not _has_reason(report, path)] == []
    assert Report.parse(report.to_json(), "report.json") == report
    known = [place for place in report.undefined if place not in missing and not place.endswith("calibration")]
    assert known == [], "a reason for a number that exists"
    if column == [0, 1, NAN, 0.3] and threshold == 0.5:
        assert [path for path in missing if not path.startswith("macro_measurable")] == [], "the control"


def test_the_reasons_in_words() -> None:
    targets = [[0, 1, NAN, 1, 0], [0, 1, NAN, 0, 1]] * 1_000
    scores = [[0.1, 0.6, 0.3, 0.9, 0.2], [0.1, 0.6, 0.3, 0.1, 0.4]] * 1_000
    report = _measure(_scored(targets, scores, ("none", "all", "unknown", "perfect", "silent")), num_resamples=10)
    assert {path: undefined_reason(report, path) for path in report.undefined if path.startswith("labels.none")} == {
        "labels.none.roc_auc": "no positive comment among 2,000",
        "labels.none.average_precision": "no positive comment among 2,000",
        "labels.none.recall_at_fpr.0.01": "no positive comment among 2,000",
        "labels.none.recall_at_fpr.0.001": "no positive comment among 2,000",
        "labels.none.recall": "no positive comment among 2,000",
        "labels.none.f1": "no positive comment among 2,000",
        "labels.none.precision": "nothing is flagged at the threshold",
    }
    assert undefined_reason(report, "labels.all.false_positive_rate") == "no negative comment among 2,000"
    assert undefined_reason(report, "labels.unknown.precision") == "no known target"
    assert undefined_reason(report, "labels.unknown.flagged_per_1000") == "no known target"
    perfect = report.labels["perfect"]
    for found in (perfect.roc_auc, perfect.average_precision, perfect.recall_at_fpr["0.01"], perfect.f1):
        assert found.value == found.high == 1
        assert found.low is not None
        assert 0.99 < found.low < 1, "every resample gives 1, and 1,000 positives do not prove it"
    assert undefined_reason(report, "labels.silent.precision") == "nothing is flagged at the threshold"
    assert report.labels["silent"].f1.value == 0, "it has positives, and finds none"
    assert undefined_reason(report, "any_label.roc_auc") == "no negative comment among 2,000"
    nothing = _measure(_scored([[NAN], [NAN]], [[0.1], [0.2]], ("a",)))
    assert undefined_reason(nothing, "macro.roc_auc") == "undefined for every label"


def test_the_same_seed_gives_the_same_report_and_another_other_intervals() -> None:
    scored = _drawn(300)
    assert _measure(scored, seed=3).to_json() == _measure(scored, seed=3).to_json()
    first, other = _measure(scored, seed=3), _measure(scored, seed=4)
    assert first.labels["toxic"].roc_auc.value == other.labels["toxic"].roc_auc.value
    assert first.macro.roc_auc.low != other.macro.roc_auc.low


def test_the_json_has_exactly_these_keys_and_no_nan() -> None:
    report = _whole(_scored([[1, NAN], [0, NAN]], [[0.2, 0.4], [0.4, 0.2]], ("größe", "b")))
    text = report.to_json()
    document = json.loads(text, parse_constant=lambda found: pytest.fail(f"{found} in the JSON"))
    assert list(document) == [
        *("schema", "name", "data", "classifier", "resampling", "optimistic", "notes", "verdict", "labels", "macro"),
        *("not_measurable", "macro_measurable", "not_chosen_from_data"),
        *("any_label", "co_occurrence", "explorer", "training", "bias", "templates", "suites", "robustness"),
        *("slices", "errors", "undefined"),
    ]
    assert (document["schema"], document["name"], document["training"]) == (6, "mine", None)
    assert text.endswith("}\n")
    assert "größe" in text
    assert document["data"] == {"files": ["a.csv"], "digest": report.data.digest, "num_comments": 2}


def test_written_and_read_again_a_report_is_exactly_the_same() -> None:
    report = _whole(_drawn(400))
    again = Report.parse(report.to_json(), "report.json")
    assert again == report
    assert again.to_json() == report.to_json()
    assert _whole(_drawn(400, seed=1)).to_json() != report.to_json(), "the control"


def _changed(**changes: object) -> str:
    return json.dumps({**_measure(_drawn(20)).content(), **changes})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "5",
        "null",
        "{}",
        '{"schema": 2}',
        _changed(labels={"toxic": {"roc_auc": 1}}),
        _changed(labels=[]),
        _changed(data=None),
        _changed(surprise=1),
        _changed(name=NAN),
    ],
)
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(UserError) as caught:
        Report.parse(text, "a.json")
    assert caught.value.code in ("documents.damaged", "documents.not-a-document", "storage.damaged")
    assert caught.value.message.startswith(("a.json: damaged: ", "a.json: not a civility report: it has no "))
    assert caught.value.remedy == "evaluate again"


def test_a_report_of_another_schema_is_refused() -> None:
    with refused("documents.damaged", "a.json: damaged: schema 1 is too old"):
        Report.parse(_changed(schema=1), "a.json")
    with refused("documents.newer", "written by a newer civility"):
        Report.parse(_changed(schema=7), "a.json")


def _in_schema(schema: int) -> dict[str, Any]:
    """Return a report as older versions wrote it: with sentences in place of codes."""
    document: dict[str, Any] = json.loads(_changed(schema=schema))
    document["verdict"] = {"word": document["verdict"], "why": "good enough"}
    for numbers in document["labels"].values():
        numbers["verdict"] = {"word": numbers["verdict"], "why": "F1"}
    document["notes"] = ["one copy removed"]
    document["undefined"] = {"labels.threat.roc_auc": "no positive comment among 20", "macro.f1": "who knows"}
    auc = {"value": 0.5, "low": None, "high": None}
    rates = {f"{kind}_{what}": auc for kind in ("false_positive", "false_negative") for what in ("rate", "gap")}
    aucs = dict.fromkeys(("subgroup_auc", "bpsn_auc", "bnsp_auc"), auc)
    group = {"num_positive": 3, "num_negative": 30, **aucs, **rates, "note": "fewer than 10: too few"}
    means = dict.fromkeys(("subgroup_auc", "bpsn_auc", "bnsp_auc"), 0.5)
    document["bias"] = {"source": "a", "label": "toxic", "overall_auc": auc, "final": auc, **means, "power": -5.0}
    document["bias"]["groups"] = {"small": group, "large": {**group, "note": ""}}
    part = {"num_positive": 4, "num_negative": 4, "roc_auc": 0.5, "precision": auc, "recall": auc}
    slices = [{"name": "latin", "num_comments": 8, "labels": {"toxic": part}, "note": "fewer than 30 positives"}]
    document["slices"] = {"script": slices}
    change = {"name": "case", "what": "iDiOt", "strength": 0.2, "share_changed": 1.0, "macro_recall_change": auc}
    robustness = {"num_comments": 8, "seed": 0, "perturbations": [{**change, "labels": {}}], "invariances": []}
    document["robustness"] = robustness
    return document


@pytest.mark.parametrize("schema", [2, 3, 4])
def test_a_report_of_an_older_schema_is_read(schema: int) -> None:
    document = _in_schema(schema)
    if schema < 4:
        del document["not_chosen_from_data"]
    if schema == 2:
        del document["not_measurable"], document["macro_measurable"]
    found = Report.parse(json.dumps(document), "report.json")
    assert found.not_chosen_from_data == ()
    assert [note_sentence(note) for note in found.notes] == ["one copy removed"]
    assert found.undefined == {"labels.threat.roc_auc": "no_positive", "macro.f1": "unknown"}
    assert found.bias is not None
    assert [group.too_few for group in found.bias.groups.values()] == [True, False]
    assert found.slices["script"][0].too_few == ("toxic",)
    assert Report.parse(found.to_json(), "report.json") == found
    if schema == 2:
        assert (found.not_measurable, found.macro_measurable, found.measurable) == ((), None, None)
        assert not_measurable_sentence(found) == ""
    to_markdown(found)


def test_the_slices_of_an_older_report_keep_their_names() -> None:
    names = {
        "length": ("up to 10 words", "11 to 30 words", "31 to 100 words", "101 to 300 words", "over 300 words"),
        "capitals": ("no cased letters", "up to 10 % capitals", "10 % to half capitals", "over half capitals"),
        "links": ("with a link", "without a link"),
        "author": ("(empty)", "over 300 words", "other (1,200 values)"),
    }
    document = json.loads(_changed(schema=5))
    numbers = {"num_comments": 8, "labels": {}, "too_few": ["toxic"]}
    document["slices"] = {kind: [{"name": name, **numbers} for name in some] for kind, some in names.items()}
    found = Report.parse(json.dumps(document), "report.json")
    assert {kind: tuple(map(slice_name, slices)) for kind, slices in found.slices.items()} == names
    assert [one.code for one in found.slices["author"]] == ["empty", "value", "rest"]
    assert found.slices["links"][0].too_few == ("toxic",)
    assert Report.parse(found.to_json(), "report.json") == found


def test_the_macro_average_is_as_uncertain_as_its_rarest_label() -> None:
    """One positive "threat", badly ranked; the interval of the macro excluded what more comments show.

    The control: without the label with one positive the interval is narrow.
    """
    names = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
    rng = np.random.default_rng(0)
    targets = (rng.random((150, 6)) < 0.25).astype(np.float32)
    targets[:, 3] = np.arange(150) == 7
    scores = 1 / (1 + np.exp(-(2.6 * targets + rng.normal(size=targets.shape))))
    scores[7, 3] = np.quantile(scores[:, 3], 0.35)
    report = _measure(_scored(targets, scores, names), num_resamples=400)
    macro, measurable = report.macro.roc_auc, report.measurable
    assert report.not_measurable == ("threat",)
    assert measurable is not None
    assert macro.value is not None
    assert macro.low is not None
    assert macro.high is not None
    assert measurable.roc_auc.low is not None
    assert measurable.roc_auc.high is not None
    true = 0.967
    assert macro.value < 0.9
    assert macro.low < true < macro.high
    rare = report.labels["threat"].roc_auc
    assert rare.high is not None
    assert rare.value is not None
    assert macro.high - macro.value >= (rare.high - rare.value) / 6
    assert measurable.roc_auc.high - measurable.roc_auc.low < 0.05 < macro.high - macro.low
    assert measurable.roc_auc.value == pytest.approx(
        np.mean([report.labels[label].roc_auc.value for label in names if label != "threat"])
    )
    sentence = "Fewer than 10 positive or negative comments: threat (1 positive). The macro averages rest on them"
    assert sentence in to_markdown(report)
    assert "| **macro, measurable** |" in to_markdown(report)


def test_enough_comments_of_every_label_leave_one_macro_average() -> None:
    found = _measure(_drawn(800))
    assert found.not_measurable == ()
    assert found.measurable is None
    assert found.macro_measurable == found.macro
    assert "measurable" not in to_markdown(found)


def test_scores_of_another_shape_or_nan_are_refused() -> None:
    with pytest.raises(ValueError, match=r"scores have shape \(2, 1\), targets \(2, 2\)"):
        _scored([[1, 0], [0, 1]], [[0.1], [0.2]])
    with pytest.raises(ValueError, match="uncalibrated: a score is NaN or infinite"):
        _scored([[1], [0]], [[0.1], [0.2]], uncalibrated=np.array([[NAN], [0]], dtype=np.float32))


@pytest.mark.parametrize("target", [0.0, 1.0, 0.5, NAN])
def test_one_comment_gives_a_report(target: float) -> None:
    report = _whole(_scored([[target, 1]], [[0.5, 0.5]]))
    assert report.verdict == "undefined"
    assert report.labels["label0"].num_positive == int(target >= 0.5)
    assert Report.parse(report.to_json(), "report.json") == report
    assert "| `label0` |" in to_markdown(report)


def test_no_comment_at_all_gives_reasons() -> None:
    report = _whole(_scored(np.zeros((0, 2)), np.zeros((0, 2))))
    assert report.undefined["labels.label1.roc_auc"] == "no_known_target"
    assert Report.parse(report.to_json(), "report.json") == report


def test_equal_scores_rank_nothing() -> None:
    numbers = _whole(_scored(np.arange(40)[:, None] % 2, np.full((40, 1), 0.5))).labels["label0"]
    assert numbers.roc_auc.value == 0.5
    assert (numbers.roc_auc.low, numbers.roc_auc.high) == pytest.approx(auc_interval(0.5, 20, 20))
    assert numbers.average_precision.value == 0.5
    assert numbers.recall_at_fpr["0.01"].value == 0
    assert (numbers.true_positives, numbers.false_positives) == (20, 20), "a score at the threshold is flagged"


def test_soft_targets_are_positive_from_a_half_up() -> None:
    numbers = _measure(_scored([[0.5], [0.49], [1.0], [0.0]], [[0.9], [0.2], [0.8], [0.1]])).labels["label0"]
    assert (numbers.num_positive, numbers.num_negative, numbers.roc_auc.value) == (2, 2, 1)


def test_sixty_four_labels() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((60, 64)) < 0.3).astype(float)
    report = _whole(_scored(targets, rng.random((60, 64))), num_resamples=10)
    assert len(report.labels) == 64
    assert np.shape(report.co_occurrence.targets) == (64, 64)
    assert Report.parse(report.to_json(), "report.json") == report


def test_co_occurrence_counts_pairs_of_labels() -> None:
    scored = _drawn(200)
    report = _measure(scored, num_resamples=2)
    for kind, marks in (("targets", scored.dataset.targets >= 0.5), ("decisions", scored.flagged)):
        expected = [[int((marks[:, i] & marks[:, j]).sum()) for j in range(3)] for i in range(3)]
        assert [list(row) for row in getattr(report.co_occurrence, kind)] == expected


@pytest.mark.parametrize("label", ["any label", "any label'", "macro", "overall", "rank any label", "labels.b.c", "."])
def test_a_label_may_have_any_name(label: str) -> None:
    targets, scores = np.eye(4)[:, :2], np.array([[0.9, 0.2], [0.3, 0.1], [0.2, 0.6], [0.1, 0.7]])
    named = _whole(_scored(targets, scores, (label, "b")))
    usual = _whole(_scored(targets, scores, ("a", "b")))
    assert named.labels[label].model_copy(update={"calibration": None}) == usual.labels["a"].model_copy(
        update={"calibration": None}
    )
    assert (named.any_label, named.macro) == (usual.any_label, usual.macro)


def test_decisions_are_taken_in_float32_at_the_threshold_that_is_printed() -> None:
    cut = float(np.float32(0.1)) + 1e-10  # between two float32
    scores: Scores = np.array([[0.1], [0.05]], dtype=np.float32)
    scored = _scored([[1], [0]], scores, ("a",), thresholds={"a": cut})
    report = _measure(scored)
    assert report.labels["a"].threshold == 0.1
    assert report.labels["a"].true_positives == 1
