"""Verdicts: a word by F1 and its interval, and a sentence with the numbers behind it."""

import math

import numpy as np
import pytest

from civility.data.dataset import Dataset
from civility.documents.label_report import LabelReport, VerdictWord
from civility.documents.report import ClassifierFacts, Report
from civility.evaluation import Estimate, Scored
from civility.evaluation.label_measures import label_verdict, measure, overall_verdict, proportion
from civility.render.sentences import report_sentences

SURE = proportion(900, 1_000)


def _verdict(value: float, low: float, high: float, num_positive: int = 100) -> VerdictWord:
    return label_verdict(num_positive, 900, Estimate(value=value, low=low, high=high))


@pytest.mark.parametrize(
    ("value", "low", "high", "word"),
    [
        (0.9, 0.8, 0.95, "good"),
        (0.9, 0.799, 0.95, "review"),
        (0.6, 0.5, 0.7, "review"),
        (0.599, 0.5, 0.7, "weak"),
        (0.0, 0.0, 0.1, "weak"),
        (0.7, 0.5, 0.801, "unsure"),
        (0.7, 0.55, 0.8, "review"),
    ],
)
def test_the_word_follows_from_f1_and_its_interval(value: float, low: float, high: float, word: str) -> None:
    assert _verdict(value, low, high) == word


def test_fewer_than_twenty_positives_are_too_few() -> None:
    assert _verdict(0.95, 0.9, 1, num_positive=20) == "good"
    assert _verdict(0.95, 0.9, 1, num_positive=19) == "unsure"


@pytest.mark.parametrize(("num_positive", "num_negative"), [(0, 9), (9, 0)])
def test_one_class_alone_gets_no_verdict(num_positive: int, num_negative: int) -> None:
    assert label_verdict(num_positive, num_negative, Estimate(value=None)) == "undefined"


def _perfect(num_positive: int) -> LabelReport:
    targets = (np.arange(4 * num_positive) < num_positive).astype(np.float32)[:, None]
    names = tuple(map(str, range(len(targets))))
    scored = Scored(Dataset(names, targets, names, ("a",)), np.where(targets > 0, 0.9, 0.1).astype(np.float32))
    facts = ClassifierFacts(name="c", max_length=8)
    return measure(scored, (), name="n", classifier=facts, num_resamples=20).labels["a"]


def _sentence(**changes: object) -> str:
    return report_sentences.verdict_basis(_perfect(25).model_copy(update=changes))


def test_the_sentence_has_the_numbers_behind_the_word() -> None:
    f1 = Estimate(value=0.95, low=0.9, high=1)
    few = _sentence(verdict="unsure", num_positive=19, f1=f1, recall=SURE, precision=SURE)
    assert few == "only 19 positive: F1 from 0.90 to 1.00; recall 90 %, precision 90 %"
    for num_positive, num_negative, what in ((0, 9, "positive"), (9, 0, "negative")):
        missing = _sentence(verdict="undefined", num_positive=num_positive, num_negative=num_negative)
        assert missing == f"no {what} comment among 9 known"
    nothing = _sentence(
        verdict="weak", f1=Estimate(value=0.0), recall=proportion(0, 100), precision=Estimate(value=None)
    )
    assert nothing == "F1 0.00, at least 0.00; recall 0 %, flags nothing"


@pytest.mark.parametrize(
    ("num_right", "num", "said"),
    [
        (0, 100, "recall 0 %"),
        (3, 1_000, "recall 0.3 %"),
        (4, 100, "recall 4 %"),
        (50, 100, "recall 50 %"),
        (52, 100, "recall 52 %"),
        (55, 100, "recall 55 %"),
        (97, 100, "recall 97 %"),
        (999, 1_000, "recall over 99 %"),
        (100, 100, "recall 100 %"),
    ],
)
def test_recall_is_a_percentage(num_right: int, num: int, said: str) -> None:
    assert f"; {said}, " in _sentence(verdict="review", recall=proportion(num_right, num))


def test_perfect_decisions_are_only_as_good_as_the_number_of_comments() -> None:
    # Every resample of them is perfect too, so the interval of F1 comes from the number of comments.
    good = _perfect(100)
    assert good.verdict == "good"
    share = proportion(100, 100).low
    assert share is not None
    low = 2 * share / (1 + share)
    sentence = report_sentences.verdict_basis(good)
    assert sentence.startswith(f"F1 1.00, at least {low:.2f}; recall 100 %, precision 100 %")
    assert not math.isclose(low, 1)
    assert _perfect(10).verdict == "unsure"


def test_the_whole_is_as_good_as_the_lowest_label_that_could_be_measured() -> None:
    assert overall_verdict({"a": "good", "b": "review", "c": "weak", "d": "unsure", "e": "undefined"}) == "weak"
    assert overall_verdict({"a": "good", "b": "review", "c": "unsure"}) == "unsure"
    assert overall_verdict({"a": "good", "b": "undefined"}) == "good"
    assert overall_verdict({"a": "undefined"}) == "undefined"


def _with_verdicts(report: Report, **verdicts: VerdictWord) -> Report:
    (label,) = report.labels.values()
    labels = {name: label.model_copy(update={"verdict": word}) for name, word in verdicts.items()}
    return report.model_copy(update={"labels": labels})


def test_the_overall_sentence_lists_the_labels_of_each_verdict() -> None:
    targets = np.array([[1], [0]], dtype=np.float32)
    scored = Scored(Dataset(("a", "b"), targets, ("1", "2"), ("x",)), targets)
    report = measure(scored, (), name="n", classifier=ClassifierFacts(name="c", max_length=8), num_resamples=5)
    every = _with_verdicts(report, a="good", b="review", c="weak", d="unsure", e="undefined")
    assert report_sentences.labels_by_verdict(every) == (
        "good enough to act on: a; worth a person's review: b; too weak to use: c; "
        "too few positives to be sure: d; could not be measured: e"
    )
    assert (
        report_sentences.labels_by_verdict(_with_verdicts(report, a="good", b="good")) == "good enough to act on: a, b"
    )
