"""Slices: each comment in one of each kind, small ones marked, and the numbers those of the comments alone."""

import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from civility.data.dataset import Dataset
from civility.documents.behaviour_report import Slice
from civility.documents.report import ClassifierFacts
from civility.evaluation import Report, Scored
from civility.evaluation.build_report import Aspects, Subject, report_on, slices_of
from civility.render.sentences.report_sentences import slice_name, slice_note

TEXTS = [
    "fine",
    "word " * 11,
    "word " * 31,
    "word " * 101,
    "word " * 301,
    "YOU FOOL",
    "Some Text of mine",
    "see https://example.com",
    "see WWW.example.com",
    "привет всем",
    "123 !!!",
    "",
    "\u202e\u05e9\u05dc\u05d5\u05dd\u202c <i>\x00\x07",
]


def _scored(texts: Sequence[str], width: int = 2, seed: int = 0) -> Scored:
    rng = np.random.default_rng(seed)
    targets = (rng.random((len(texts), width)) < 0.4).astype(np.float32)
    targets[rng.random(targets.shape) < 0.1] = np.nan
    scores = (rng.random(targets.shape) * 0.7 + 0.3 * np.nan_to_num(targets)).astype(np.float32)
    labels = tuple(f"label{i}" for i in range(width))
    ids = tuple(map(str, range(len(texts))))
    return Scored(Dataset(tuple(texts), targets, ids, labels), scores, {"label0": 0.4})


def _sizes(slices: Sequence[Slice]) -> dict[str, int]:
    return {slice_name(one): one.num_comments for one in slices}


def test_every_comment_is_in_one_slice_of_each_kind() -> None:
    scored = _scored(TEXTS * 20)
    found = slices_of(scored, {"author": ["a", "b"] * 130})
    assert list(found) == ["length", "script", "capitals", "links", "author"]
    known = (~np.isnan(scored.dataset.targets)).sum(axis=0)
    positive = (scored.dataset.targets >= 0.5).sum(axis=0)
    for slices in found.values():
        assert sum(one.num_comments for one in slices) == 260
        for column, label in enumerate(scored.dataset.labels):
            numbers = [one.labels[label] for one in slices]
            assert sum(one.num_positive for one in numbers) == positive[column]
            assert sum(one.num_positive + one.num_negative for one in numbers) == known[column]


def test_the_slices_by_text() -> None:
    found = slices_of(_scored(TEXTS), {})
    assert _sizes(found["length"]) == {
        "up to 10 words": 9,
        "11 to 30 words": 1,
        "31 to 100 words": 1,
        "101 to 300 words": 1,
        "over 300 words": 1,
    }
    names = ["up to 10 words", "11 to 30 words", "31 to 100 words", "101 to 300 words", "over 300 words"]
    assert [slice_name(one) for one in found["length"]] == names, "in this order, and not by size"
    assert _sizes(found["script"]) == {"latin": 9, "none": 2, "cyrillic": 1, "hebrew": 1}
    assert _sizes(found["capitals"]) == {
        "up to 10 % capitals": 8,
        "10 % to half capitals": 2,
        "no cased letters": 2,
        "over half capitals": 1,
    }
    assert _sizes(found["links"]) == {"without a link": 11, "with a link": 2}


@pytest.mark.parametrize(("num", "name"), [(10, "up to 10 words"), (11, "11 to 30 words"), (30, "11 to 30 words")])
def test_lengths_are_counted_in_words(num: int, name: str) -> None:
    (only,) = slices_of(_scored([" \n ".join(["w"] * num)]), {})["length"]
    assert slice_name(only) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Abcdefghij", "up to 10 % capitals"),
        ("Abcdefghi", "10 % to half capitals"),
        ("ABcd", "10 % to half capitals"),
        ("ABc", "over half capitals"),
        ("漢字 123", "no cased letters"),
    ],
)
def test_shares_of_capitals(text: str, name: str) -> None:
    (only,) = slices_of(_scored([text]), {})["capitals"]
    assert slice_name(only) == name


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("aB\u0131\u017fßǅ:/wHtTpPsS."), max_size=40))
def test_capitals_and_links_are_told_as_character_by_character(text: str) -> None:
    upper = sum(character.isupper() for character in text)
    cased = upper + sum(character.islower() for character in text)
    found = slices_of(_scored([text]), {})
    share = upper / cased if cased else -1.0
    names = ("no cased letters", "up to 10 % capitals", "10 % to half capitals", "over half capitals")
    assert slice_name(found["capitals"][0]) == names[(share >= 0) + (share > 0.1) + (share > 0.5)]
    has_link = re.search(r"https?://|www\.", text, re.IGNORECASE)
    assert slice_name(found["links"][0]) == ("with a link" if has_link else "without a link")


def test_the_numbers_are_those_of_the_comments_of_the_slice() -> None:
    cells = ["a", "b", "b"] * 100
    scored = _scored(["text"] * 300)
    for one in slices_of(scored, {"author": cells})["author"]:
        inside = np.array(cells) == one.name
        for column, (label, numbers) in enumerate(one.labels.items()):
            targets = scored.dataset.targets[:, column]
            rows = inside & ~np.isnan(targets)
            truth, scores = targets[rows] >= 0.5, scored.scores[rows, column]
            flagged = scores >= np.float32(scored.threshold(label))
            assert numbers.roc_auc == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
            assert numbers.precision.value == pytest.approx(precision_score(truth, flagged), abs=1e-12)
            assert numbers.recall.value == pytest.approx(recall_score(truth, flagged), abs=1e-12)
            assert (numbers.num_positive, numbers.num_negative) == (truth.sum(), (~truth).sum())


def test_small_slices_say_so() -> None:
    targets = np.zeros((200, 2), dtype=np.float32)
    targets[:30, 0] = targets[:29, 1] = 1
    targets[100:129, 0] = 1
    ids = tuple(map(str, range(200)))
    scored = Scored(Dataset(("text",) * 200, targets, ids, ("a", "b")), np.full((200, 2), 0.5, dtype=np.float32))
    first, second = slices_of(scored, {"half": ["1"] * 100 + ["2"] * 100})["half"]
    assert slice_note(first) == "fewer than 30 positives of b: too few to rely on"
    assert slice_note(second) == "fewer than 30 positives of every label: too few to rely on"
    (whole,) = slices_of(scored.select(np.r_[:100, :100]), {})["length"]
    assert slice_note(whole) == "", "the control"


def test_rare_values_go_together() -> None:
    cells = [str(i) for i in range(40) for _ in range(50 - i)]
    found = slices_of(_scored(["text"] * len(cells)), {"author": cells})["author"]
    assert [slice_name(one) for one in found] == [str(i) for i in range(30)] + ["other (10 values)"]
    assert found[-1].num_comments == sum(50 - i for i in range(30, 40))
    assert sum(one.num_comments for one in found) == len(cells)
    thirty = slices_of(_scored(["text"] * 30), {"author": cells[-30:]})["author"]
    assert not any(one.code == "rest" for one in thirty)


def test_cells_may_be_empty_blank_or_odd() -> None:
    cells = ["", "  ", " a ", "a", "lone \ud800", "</script>|`\n"]
    found = slices_of(_scored(["text"] * 6), {"author": cells})["author"]
    assert _sizes(found) == {"(empty)": 2, "a": 2, "lone ?": 1, "</script>|`": 1}
    report = report_on(
        _scored(["text"] * 6),
        Subject("n", (), ClassifierFacts(name="c", max_length=8)),
        Aspects(columns={"author": cells}, num_resamples=5),
    )
    assert report.slices["author"] == found
    assert Report.parse(report.to_json(), "report.json") == report


def test_a_column_named_as_a_kind_stands_beside_it() -> None:
    found = slices_of(_scored(["text", "text"]), {"length": ["long", "short"]})
    assert _sizes(found["length"]) == {"up to 10 words": 2}
    assert _sizes(found["column length"]) == {"long": 1, "short": 1}


def test_without_comments_there_are_no_slices() -> None:
    assert slices_of(_scored([]), {"author": []}) == {
        "length": (),
        "script": (),
        "capitals": (),
        "links": (),
        "author": (),
    }


def test_a_comment_of_five_megabytes() -> None:
    found = slices_of(_scored(["Ab " * 1_750_000]), {})
    assert [slice_name(slices[0]) for slices in found.values()] == [
        "over 300 words",
        "latin",
        "10 % to half capitals",
        "without a link",
    ]
