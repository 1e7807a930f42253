"""Bias in a report: the numbers of civility.metrics.bias, with intervals, and small groups left out of the means."""

import math
from typing import Any

import numpy as np
import pytest

from civility.data.dataset import Dataset
from civility.documents.behaviour_report import BiasReport
from civility.documents.report import ClassifierFacts
from civility.evaluation import Scored
from civility.evaluation.build_report import Aspects, Subject, main_label, report_on
from civility.evaluation.group_bias import Grouped, bias_of
from civility.metrics import bias as metrics
from civility.metrics.intervals import newcombe
from civility.metrics.ranking import roc_auc
from civility.metrics.small_samples import FEWEST
from civility.render.sentences.report_sentences import group_note

from ..bias_auc import bias_auc

NAN = float("nan")
NAMES = ("women", "men", "three members", "no positive", "nobody", "unknown")


def _grouped(num: int = 1_200, seed: int = 0) -> Grouped:
    """Return comments of which large, tiny and empty groups are mentioned; harmless ones about women score high."""
    rng = np.random.default_rng(seed)
    targets = (rng.random(num) < 0.25).astype(np.float32)
    targets[rng.random(num) < 0.05] = NAN
    groups = np.zeros((num, len(NAMES)), dtype=np.float32)
    groups[:, 0] = rng.choice([0, 0.4, 0.5, 1, NAN], num)
    groups[:, 1] = rng.random(num) < 0.3
    groups[np.flatnonzero(~np.isnan(targets))[:3], 2] = 1
    groups[np.flatnonzero(targets == 0)[:40], 3] = 1
    groups[:, 5] = NAN
    scores = rng.normal(0.4, 0.15, num) + 0.2 * np.nan_to_num(targets) + 0.08 * (np.nan_to_num(groups[:, 0]) >= 0.5)
    scores = np.clip(scores, 0, 1).round(2).astype(np.float32)
    return Grouped(targets, scores, scores >= np.float32(0.5), groups, NAMES)


GROUPED = _grouped()


@pytest.fixture(scope="module")
def report() -> BiasReport:
    return bias_of(GROUPED, "a.csv", "toxic", num_resamples=100)


def _defined(value: float) -> object:
    return None if math.isnan(value) else pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("column", range(len(NAMES)))
def test_the_numbers_of_a_group_are_those_of_the_metrics(report: BiasReport, column: int) -> None:
    group, in_group = report.groups[NAMES[column]], GROUPED.groups[:, column]
    for kind in metrics.KINDS:
        expected = bias_auc(kind, GROUPED.targets, GROUPED.scores, in_group)
        assert getattr(group, f"{kind}_auc").value == _defined(expected), kind
    errors = metrics.error_counts(GROUPED.targets, GROUPED.flagged, in_group)
    (missed, own_missed), (wrong, own_wrong) = (
        [1 - one.recall for one in (errors.background, errors.group)],
        [one.fpr for one in (errors.background, errors.group)],
    )
    assert (group.num_positive, group.num_negative) == (errors.group.num_positive, errors.group.num_negative)
    assert group.false_positive_rate.value == _defined(own_wrong)
    assert group.false_negative_rate.value == _defined(own_missed)
    assert group.false_positive_gap.value == _defined(own_wrong - wrong)
    assert group.false_negative_gap.value == _defined(own_missed - missed)


def test_the_groups_are_of_every_size_that_matters(report: BiasReport) -> None:
    sizes = {name: (group.num_positive, group.num_negative) for name, group in report.groups.items()}
    assert sum(sizes["three members"]) == 3
    assert sizes["no positive"] == (0, 40)
    assert sizes["nobody"] == sizes["unknown"] == (0, 0)
    assert min(*sizes["women"], *sizes["men"]) >= FEWEST


def test_small_groups_are_noted_and_left_out_of_the_means(report: BiasReport) -> None:
    noted = {name for name, group in report.groups.items() if group.too_few}
    assert noted == {"three members", "no positive", "nobody", "unknown"}
    assert group_note(report.groups["nobody"]) == "fewer than 10 positive or negative comments: left out of the means"
    assert group_note(report.groups["women"]) == ""
    for kind in metrics.KINDS:
        large = [getattr(report.groups[name], f"{kind}_auc").value for name in ("women", "men")]
        assert getattr(report, f"{kind}_auc") == pytest.approx(metrics.power_mean(large), abs=1e-12)


def test_the_final_metric_is_that_of_jigsaw_2019(report: BiasReport) -> None:
    targets, scores = GROUPED.targets, GROUPED.scores
    large = GROUPED.groups[:, :2].T
    subgroup, bpsn, bnsp = ([bias_auc(kind, targets, scores, column) for column in large] for kind in metrics.KINDS)
    expected = metrics.final_score(roc_auc(targets, scores), subgroup, bpsn, bnsp)
    assert report.final.value == pytest.approx(expected, abs=1e-12)
    assert report.overall_auc.value == pytest.approx(roc_auc(targets, scores), abs=1e-12)
    assert (report.source, report.label, report.power) == ("a.csv", "toxic", -5)
    without = Grouped(targets, scores, GROUPED.flagged, GROUPED.groups[:, 2:], NAMES[2:])
    alone = bias_of(without, "a.csv", "toxic", num_resamples=10)
    assert (alone.final.value, alone.subgroup_auc) == (None, None), "the control: no group is large enough"
    assert alone.overall_auc.value == report.overall_auc.value


def test_a_group_of_ten_of_each_is_large_enough() -> None:
    targets = (np.arange(60) % 2).astype(np.float32)
    scores = np.linspace(0, 1, 60, dtype=np.float32)
    members = np.stack([np.arange(60) < 20, np.arange(60) < 19], axis=1).astype(np.float32)
    found = bias_of(Grouped(targets, scores, scores >= 0.5, members, ("ten", "nine")), "s", "l", num_resamples=10)
    assert (found.groups["ten"].too_few, found.groups["nine"].too_few) == (False, True)
    assert found.subgroup_auc == found.groups["ten"].subgroup_auc.value


def test_every_interval_holds_its_value(report: BiasReport) -> None:
    names = ["subgroup_auc", "bpsn_auc", "bnsp_auc", "false_positive_rate", "false_negative_rate"]
    names += ["false_positive_gap", "false_negative_gap"]
    estimates = [getattr(group, name) for group in report.groups.values() for name in names]
    estimates += [report.final, report.overall_auc]
    held = [one for one in estimates if one.low is not None]
    assert len(held) > 20
    assert all(one.low <= one.value <= one.high for one in held)
    women = report.groups["women"]
    assert women.false_positive_gap.low is not None
    assert women.false_positive_gap.low > 0, "harmless comments about women are flagged more often, and it shows"
    assert report.groups["men"].false_positive_gap.low is not None
    assert report.groups["men"].false_positive_gap.low < 0, "the control"


def test_the_gaps_have_newcombes_interval(report: BiasReport) -> None:
    in_group = GROUPED.groups[:, 1] >= 0.5
    negative, flagged = GROUPED.targets < 0.5, GROUPED.flagged
    counts = [int((negative & flagged & side).sum()) for side in (in_group, ~in_group)]
    totals = [int((negative & side).sum()) for side in (in_group, ~in_group)]
    gap = report.groups["men"].false_positive_gap
    assert (gap.low, gap.high) == pytest.approx(newcombe(counts[0], totals[0], counts[1], totals[1]))


def test_the_same_seed_gives_the_same_numbers(report: BiasReport) -> None:
    assert bias_of(GROUPED, "a.csv", "toxic", num_resamples=100) == report
    assert bias_of(GROUPED, "a.csv", "toxic", num_resamples=100, seed=1) != report


def _of_dataset(label: str, labels: tuple[str, ...] = ("insult", "toxic")) -> BiasReport | None:
    num = len(GROUPED.targets)
    targets = np.stack([GROUPED.targets, 1 - GROUPED.targets], axis=1)
    scores = np.stack([GROUPED.scores, GROUPED.scores], axis=1)
    names = tuple(map(str, range(num)))
    groups: Any = GROUPED.groups
    dataset = Dataset(names, targets, names, labels, groups, NAMES)
    facts = ClassifierFacts(name="c", max_length=8)
    aspects = Aspects(label=label, num_resamples=10)
    return report_on(Scored(dataset, scores), Subject("n", ("a.csv", "b.csv"), facts), aspects).bias


def test_a_report_measures_the_bias_of_the_label_asked_for_or_of_toxic() -> None:
    named, usual = _of_dataset("insult"), _of_dataset("")
    assert named is not None
    assert usual is not None
    assert (named.label, usual.label) == ("insult", "toxic")
    assert named.source == "a.csv, b.csv"
    assert named.overall_auc.value == pytest.approx(1 - (usual.overall_auc.value or 0))
    assert named.groups["men"].subgroup_auc.value == pytest.approx(
        bias_auc("subgroup", GROUPED.targets, GROUPED.scores, GROUPED.groups[:, 1])
    )
    assert main_label(("insult", "threat")) == "insult"
