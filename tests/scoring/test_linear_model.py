"""The linear model in numpy: scikit-learn's terms and scores, for any text; damage is reported."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from civility.documents.classifier_file import TermKind
from civility.errors import UserError
from civility.scoring.linear_model import LinearModel, Terms, characters, words

from ..refusals import refused

TEXTS = [
    "You FOOL, you fool!",
    "a b c",
    "",
    "   ",
    "été ǅ İstanbul",
    "x",
    "ab\x1fcd\u00a0ef",
    "no\ud800 end",
    "aa aa aa bb",
]
WORDS, CHARACTERS = TfidfVectorizer(ngram_range=(1, 3)), TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))


@given(st.text(max_size=60))
@settings(max_examples=200)
def test_terms_are_those_of_scikit_learn(text: str) -> None:
    assert sorted(words(text, 3)) == sorted(WORDS.build_analyzer()(text))
    assert sorted(characters(text, 4)) == sorted(CHARACTERS.build_analyzer()(text))


@pytest.mark.parametrize("text", TEXTS)
def test_terms_of_odd_texts_are_those_of_scikit_learn(text: str) -> None:
    for longest in (1, 2, 5):
        assert sorted(words(text, longest)) == sorted(TfidfVectorizer(ngram_range=(1, longest)).build_analyzer()(text))
    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)).build_analyzer()(text)
    assert sorted(characters(text, 5)) == sorted(theirs)
    if "fool" in text:
        assert sorted(characters(text, 4)) != sorted(theirs), "the control: a length is seen"


@given(st.lists(st.sampled_from(["fool", "You", "you", "a", "aa", "été", "Σ", "x" * 9]), max_size=30), st.data())
@settings(max_examples=200)
def test_terms_are_counted_as_they_come(parts: list[str], data: st.DataObject) -> None:
    """The order too: in another the sum of a share is rounded in another way."""
    text = " ".join(parts)
    found: dict[TermKind, list[str]] = {"word": list(words(text, 2)), "character": list(characters(text, 4))}
    for form, every in found.items():
        known = data.draw(st.lists(st.sampled_from(every), unique=True)) if every else []
        terms = Terms(form, 2 if form == "word" else 4, tuple(known), np.ones(len(known)))
        assert list(terms.counted(text).items()) == list(Counter(term for term in every if term in known).items())


def test_a_long_comment_takes_the_time_of_its_different_words() -> None:
    """The control is the same text without its spaces, which has as many terms as characters."""
    terms = Terms("character", 5, (" yo", "ool"), np.ones(2))
    seconds = []
    for text in ("you fool " * 100_000, "youfool" * 130_000):
        start = time.process_time()
        terms.counted(text)
        seconds.append(time.process_time() - start)
    assert seconds[0] < seconds[1] / 3


def test_progress_is_reported_after_each_long_comment() -> None:
    seen: list[int] = []
    model().logits(["you fool " * 120_000, "you"] * 2 + ["fool"], on_scored=seen.append)
    assert seen == [1, 2, 2]


def model() -> LinearModel:
    terms = (
        Terms("word", 2, ("fool", "you", "you fool"), np.array([2.0, 1.0, 3.0])),
        Terms("character", 3, (" y", "aa"), np.array([1.5, 2.5])),
    )
    weights = np.arange(10, dtype=np.float64).reshape(5, 2) - 4
    return LinearModel(("toxic", "odd é"), terms, weights, np.array([-0.5, 0.25]))


def test_logits_are_a_linear_layer_on_normalised_counts() -> None:
    values = np.array([2 * (1 + np.log(2)), 1 * (1 + np.log(2)), 3 * (1 + np.log(2))])  # "you fool you fool"
    share = values / np.linalg.norm(values) @ model().weights[:3]
    (found,) = model().logits(["You fool, YOU FOOL"])
    # " y" is in it twice: alone of its form, its share after the norm is 1.
    np.testing.assert_allclose(found, share + model().weights[3] + model().bias, rtol=1e-6)


def test_a_logit_does_not_depend_on_neighbours_or_batches() -> None:
    texts = [*TEXTS, "you fool"] * 60
    whole = model().logits(texts)
    assert np.array_equal(whole, np.concatenate([model().logits([text]) for text in texts]))
    np.testing.assert_array_equal(model().logits([""])[0], model().bias.astype(np.float32))
    assert len(np.unique(whole, axis=0)) > 2, "the control: texts do differ"
    seen: list[int] = []
    model().logits(texts, on_scored=seen.append)
    assert sum(seen) == len(texts)
    assert len(seen) > 1
    assert model().logits([]).shape == (0, 2)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    model().save(tmp_path)
    again = LinearModel.load(tmp_path)
    assert again.labels == model().labels
    assert np.array_equal(again.logits(TEXTS), model().logits(TEXTS))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["linear.json", "linear.safetensors"]


def _cut(folder: Path) -> None:
    (folder / "linear.safetensors").write_bytes((folder / "linear.safetensors").read_bytes()[:-8])


def _change(folder: Path, key: str, value: object) -> None:
    path = folder / "linear.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        lambda folder: (folder / "linear.json").write_text("{"),
        lambda folder: (folder / "linear.safetensors").unlink(),
        lambda folder: _change(folder, "labels", ["one"]),
        lambda folder: _change(folder, "terms", []),
        lambda folder: _change(folder, "terms", None),
    ],
)
def test_damage_is_reported(tmp_path: Path, damage: object) -> None:
    model().save(tmp_path)
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(UserError, match=r"linear\.(json|safetensors): damaged") as caught:
        LinearModel.load(tmp_path)
    assert caught.value.code in ("scoring.damaged", "documents.damaged", "storage.damaged")


@pytest.mark.parametrize("longest", [0, -1, 101, 10**9, "2", 2.0, True, None])
def test_a_length_out_of_range_is_refused_before_work(tmp_path: Path, longest: object) -> None:
    model().save(tmp_path)
    terms = json.loads((tmp_path / "linear.json").read_text())["terms"]
    _change(tmp_path, "terms", [{**terms[0], "longest": longest}, terms[1]])
    with refused("documents.damaged", r"linear\.json: damaged: terms\.0\.longest: expected"):
        LinearModel.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("bias", lambda values: values.astype(np.int64), "bias has numbers of type int64"),
        ("bias", lambda values: values * np.nan, "a weight is not finite"),
        ("weights", lambda values: values + np.inf, "a weight is not finite"),
        ("idf.0", lambda values: values * 0, r"an idf of word terms is not in \(0, 100\]"),
        ("idf.1", lambda values: values * 1e300, r"an idf of character terms is not in \(0, 100\]"),
        ("idf.1", lambda values: values * np.nan, r"an idf of character terms is not in \(0, 100\]"),
    ],
)
def test_numbers_that_give_no_score_are_refused(tmp_path: Path, name: str, change: Any, message: str) -> None:
    from safetensors.numpy import load_file, save_file

    model().save(tmp_path)
    tensors = load_file(tmp_path / "linear.safetensors")
    save_file({**tensors, name: change(tensors[name])}, tmp_path / "linear.safetensors")
    with refused("scoring.damaged", message):
        LinearModel.load(tmp_path)


def test_weights_in_half_precision_are_read(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    model().save(tmp_path)
    tensors = load_file(tmp_path / "linear.safetensors")
    save_file({name: values.astype(np.float16) for name, values in tensors.items()}, tmp_path / "linear.safetensors")
    np.testing.assert_allclose(LinearModel.load(tmp_path).logits(TEXTS), model().logits(TEXTS), atol=1e-3)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    model().save(tmp_path)
    _change(tmp_path, "schema", 2)
    with refused("documents.newer", r"linear\.json: written by a newer civility \(schema 2; .*up to 1\)\nupgrade"):
        LinearModel.load(tmp_path)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ValueError, match="a word term occurs twice"):
        Terms("word", 2, ("a", "a"), np.ones(2))
    with pytest.raises(ValueError, match="2 word terms with idf"):
        Terms("word", 2, ("a", "b"), np.ones(3))
    with pytest.raises(ValueError, match="not finite"):
        LinearModel(("toxic",), (Terms("word", 2, ("a",), np.ones(1)),), np.array([[np.nan]]), np.zeros(1))
