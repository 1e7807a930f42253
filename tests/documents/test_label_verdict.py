"""Verdicts: a word by F1 and its interval, and a sentence that a person understands."""

import math

import numpy as np
import pytest

from civility.data.dataset import Dataset
from civility.documents.label_verdict import judge, judge_all
from civility.documents.report import ClassifierFacts, Verdict
from civility.evaluation import Estimate, Scored
from civility.evaluation.label_measures import measure, proportion

SURE = proportion(900, 1_000)


def _judge(value: float, low: float, high: float, num_positive: int = 100) -> Verdict:
    return judge(num_positive, 900, Estimate(value=value, low=low, high=high), SURE, SURE)


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
    assert _judge(value, low, high).word == word


def test_fewer_than_twenty_positives_are_too_few() -> None:
    assert _judge(0.95, 0.9, 1, num_positive=20).word == "good"
    few = _judge(0.95, 0.9, 1, num_positive=19)
    assert few.word == "unsure"
    assert few.why == "only 19 positive: F1 from 0.90 to 1.00; recall 90 %, precision 90 %"


@pytest.mark.parametrize(("num_positive", "num_negative", "what"), [(0, 9, "positive"), (9, 0, "negative")])
def test_one_class_alone_is_not_judged(num_positive: int, num_negative: int, what: str) -> None:
    found = judge(num_positive, num_negative, Estimate(value=None), SURE, SURE)
    assert found == Verdict(word="undefined", why=f"no {what} comment among 9 known")


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
def test_recall_is_told_as_a_percentage(num_right: int, num: int, said: str) -> None:
    why = judge(100, 900, Estimate(value=0.7, low=0.6, high=0.8), SURE, proportion(num_right, num)).why
    assert f"; {said}, " in why


def test_what_flags_nothing_is_said_to_flag_nothing() -> None:
    found = judge(100, 900, Estimate(value=0.0), Estimate(value=None), proportion(0, 100))
    assert found == Verdict(word="weak", why="F1 0.00, at least 0.00; recall 0 %, flags nothing")


def _perfect(num_positive: int) -> Verdict:
    targets = (np.arange(4 * num_positive) < num_positive).astype(np.float32)[:, None]
    names = tuple(map(str, range(len(targets))))
    scored = Scored(Dataset(names, targets, names, ("a",)), np.where(targets > 0, 0.9, 0.1).astype(np.float32))
    facts = ClassifierFacts(name="c", max_length=8)
    return measure(scored, (), name="n", classifier=facts, num_resamples=20).labels["a"].verdict


def test_perfect_decisions_are_as_good_as_their_number_tells() -> None:
    # Every resample of them is perfect, too: the interval of F1 is by the number of comments.
    assert _perfect(100).word == "good"
    share = proportion(100, 100).low
    assert share is not None
    low = 2 * share / (1 + share)
    assert _perfect(100).why.startswith(f"F1 1.00, at least {low:.2f}; recall 100 %, precision 100 %")
    assert not math.isclose(low, 1)
    assert _perfect(10).word == "unsure"


def test_the_whole_is_as_good_as_the_lowest_label_that_could_be_measured() -> None:
    words = {
        word: Verdict.model_validate({"word": word, "why": ""})
        for word in ("good", "review", "weak", "unsure", "undefined")
    }
    assert judge_all(words).word == "weak"
    assert judge_all(words).why == (
        "good enough to act on: good; worth a person's review: review; too weak to use: weak; "
        "too few positives to tell: unsure; could not be measured: undefined"
    )
    assert judge_all({"a": words["good"], "b": words["review"], "c": words["unsure"]}).word == "unsure"
    assert judge_all({"a": words["good"], "b": words["undefined"]}).word == "good"
    assert judge_all({"a": words["undefined"]}).word == "undefined"
    assert judge_all({"a": words["good"], "b": words["good"]}).why == "good enough to act on: a, b"
