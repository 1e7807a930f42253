"""Tokenising: the very ids of the tokenizer, whatever the text holds."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from civility.models.tokenizer import backend_for, load_tokenizer, tokenise
from civility.scoring.tokens import Tokens, token_lengths

TEXTS = [
    "the garden is nice",
    "",
    "you damn fool " * 30,
    "zebra quartz",
    "ünïcödé 漢字 🙂 ‮right to left",
    "\t\n ",
    "nul \0 inside",
]


@pytest.fixture(scope="module", params=["tiny_deberta", "tiny_bert"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return load_tokenizer(str(request.getfixturevalue(request.param)))


def _rows(tokens: Tokens) -> list[list[int]]:
    return [tokens.ids[start:end].tolist() for start, end in zip(tokens.offsets, tokens.offsets[1:], strict=False)]


def _one_by_one(tokenizer: Any, texts: list[str], max_length: int) -> list[list[int]]:
    return [tokenizer(text, truncation=True, max_length=max_length)["input_ids"] for text in texts]


@pytest.mark.parametrize("max_length", [3, 8, 64])
def test_the_ids_are_those_of_the_tokenizer_one_by_one(tokenizer: Any, max_length: int) -> None:
    tokens = tokenise(tokenizer, TEXTS, max_length)
    assert _rows(tokens) == _one_by_one(tokenizer, TEXTS, max_length)
    assert tokens.lengths.max() == max_length
    assert tokens.pad_id == tokenizer.pad_token_id
    assert (tokens.ids.dtype.name, tokens.offsets.dtype.name) == ("int32", "int64")
    turned = TEXTS[1:] + TEXTS[:1]
    assert _rows(tokenise(tokenizer, turned, max_length)) != _rows(tokens), "the control: another order is seen"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=60), max_size=12), st.integers(3, 20))
def test_any_texts_give_the_ids_of_the_tokenizer(tokenizer: Any, texts: list[str], max_length: int) -> None:
    tokens = tokenise(tokenizer, texts, max_length)
    assert _rows(tokens) == _one_by_one(tokenizer, texts, max_length)
    assert len(tokens) == len(texts)


def test_more_texts_than_are_tokenised_at_once_keep_their_order(tokenizer: Any) -> None:
    texts = [f"{'fool ' * (i % 7)}{i}" for i in range(2_345)]
    tokens = tokenise(tokenizer, texts, 32)
    rows = _rows(tokens)
    assert len(rows) == 2_345
    for i in (0, 998, 999, 1_000, 1_001, 1_999, 2_000, 2_344):
        assert rows[i] == tokenizer(texts[i])["input_ids"]


def test_the_padding_that_a_tokenizer_was_saved_with_is_not_applied(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_bert))
    expected = _rows(tokenise(tokenizer, ["a fool", "nice"], 32))
    tokenizer._tokenizer.enable_padding(length=32)
    tokenizer._tokenizer.enable_truncation(max_length=4)
    assert len(tokenizer._tokenizer.encode("nice").ids) == 32, "the control: the setting is in force"
    assert _rows(tokenise(tokenizer, ["a fool", "nice"], 32)) == expected


def test_truncated_texts_are_counted_once_each(tokenizer: Any) -> None:
    texts = ["fool " * count for count in (1, 2, 5, 30, 400)]
    uncut = [len(tokenizer(text)["input_ids"]) for text in texts]
    for max_length in (3, *uncut):
        tokens = tokenise(tokenizer, texts, max_length)
        assert tokens.num_truncated == sum(length > max_length for length in uncut), max_length
        assert tokens.lengths.tolist() == [min(length, max_length) for length in uncut]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("fo l🙂\n", max_size=40), max_size=8), st.integers(3, 12))
def test_the_truncated_texts_are_the_longer_ones(tokenizer: Any, texts: list[str], max_length: int) -> None:
    uncut = [len(tokenizer(text)["input_ids"]) for text in texts]
    assert tokenise(tokenizer, texts, max_length).num_truncated == sum(length > max_length for length in uncut)


@pytest.mark.parametrize("text", ["\ud800", "fool \udfff nice", "\ud83d\ude00", "a\udcffb" * 50])
def test_lone_surrogates_become_replacement_characters(tokenizer: Any, text: str) -> None:
    with pytest.raises((UnicodeEncodeError, TypeError)):
        tokenizer([text])  # the trap: no tokenizer can encode them
    replaced = "".join("\ufffd" if "\ud800" <= one <= "\udfff" else one for one in text)
    assert _rows(tokenise(tokenizer, [text], 16)) == _rows(tokenise(tokenizer, [replaced], 16))


def test_no_texts_give_no_tokens(tokenizer: Any) -> None:
    tokens = tokenise(tokenizer, [], 16)
    assert len(tokens) == 0
    assert tokens.ids.shape == (0,)
    assert tokens.lengths.shape == (0,)
    assert tokens.num_truncated == 0


def test_an_empty_text_is_its_special_tokens(tokenizer: Any) -> None:
    assert _rows(tokenise(tokenizer, [""], 16)) == [[tokenizer.cls_token_id, tokenizer.sep_token_id]]


def test_a_text_of_a_million_characters_is_truncated(tokenizer: Any) -> None:
    text = "you damn fool " * 71_429
    assert len(text) > 1_000_000
    tokens = tokenise(tokenizer, ["nice", text], 64)
    assert tokens.lengths.tolist() == [len(tokenizer("nice")["input_ids"]), 64]
    assert tokens.num_truncated == 1
    assert _rows(tokens)[1] == _one_by_one(tokenizer, ["you damn fool " * 100], 64)[0]


def test_a_word_of_a_million_characters_is_one_text(tokenizer: Any) -> None:
    assert len(tokenise(tokenizer, ["a" * 1_000_000], 64)) == 1


def test_lengths_are_those_of_whole_texts(tokenizer: Any) -> None:
    expected = [len(tokenizer(text)["input_ids"]) for text in TEXTS]
    # Padding and cutting that were asked for earlier are remembered by the tokenizer.
    tokenizer(TEXTS, truncation=True, max_length=4, padding=True)
    assert token_lengths(backend_for(tokenizer, None), TEXTS).tolist() == expected
    assert max(expected) > 64, "the control: one is longer than the model takes"
    assert token_lengths(backend_for(tokenizer, None), ["lone \ud800"]).shape == (1,)
    assert token_lengths(backend_for(tokenizer, None), []).shape == (0,)


def test_the_settings_of_a_tokenizer_that_change_ids_are_obeyed(tiny_bert: Path) -> None:
    texts = ["a fool [SEP] nice garden film", *TEXTS]
    plain = load_tokenizer(str(tiny_bert))
    for name, value in (("truncation_side", "left"), ("split_special_tokens", True)):
        tokenizer = load_tokenizer(str(tiny_bert))
        setattr(tokenizer, name, value)
        rows = _rows(tokenise(tokenizer, texts, 6))
        assert rows == _one_by_one(tokenizer, texts, 6)
        assert rows != _rows(tokenise(plain, texts, 6)), "the control: the setting changes something"


def test_all_cores_give_the_ids_of_one(tiny_bert: Path) -> None:
    code = (
        "import sys; from civility.models.tokenizer import load_tokenizer, tokenise\n"
        "texts = [f'{i} fool ' * (i % 40) for i in range(3_000)]\n"
        "tokens = tokenise(load_tokenizer(sys.argv[1]), texts, 32); print(tokens.digest, tokens.num_truncated)"
    )
    found = set()
    for parallel in ("true", "false"):
        environ = {**os.environ, "TOKENIZERS_PARALLELISM": parallel, "RAYON_NUM_THREADS": "4"}
        words = [sys.executable, "-c", code, str(tiny_bert)]
        found.add(subprocess.run(words, capture_output=True, text=True, check=True, env=environ).stdout)
    texts = [f"{i} fool " * (i % 40) for i in range(3_000)]
    expected, turned = (tokenise(load_tokenizer(str(tiny_bert)), given, 32) for given in (texts, texts[::-1]))
    assert found == {f"{expected.digest} {expected.num_truncated}\n"}
    assert turned.digest != expected.digest, "the control: the order of texts is seen"


def test_tokens_of_some_texts_are_those_of_these_texts_alone(tokenizer: Any) -> None:
    texts = ["a short one", "", "have a nice day " * 9, "film", "\ud800", "garden"] * 500
    rows = np.random.default_rng(0).permutation(len(texts))[:2_500]
    chosen, alone = (
        tokenise(tokenizer, texts, 12).select(rows),
        tokenise(tokenizer, [texts[row] for row in rows], 12),
    )
    assert chosen.digest == alone.digest
    np.testing.assert_array_equal(chosen.truncated, alone.truncated)
    assert tokenise(tokenizer, texts, 12).select(rows[::-1]).digest != alone.digest, "the control"
    assert len(tokenise(tokenizer, texts, 12).select(rows[:0])) == 0
