"""The sufficient prefix of a long text has the tokens of the whole, for every kind of tokenizer and any text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from civility.models.tokenizer import backend_for, load_tokenizer, tokenise
from civility.scoring.tokens import first_prefix_length, reads_left_to_right, sufficient_prefix

CORPUS = [
    "you damn fool, nice film  and music",
    "the people now: 12345 times!",
    "été 漢字漢 nai\u0308ve \U0001f642",
    "a\n\n b",
]
GPT_4 = r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def _wrapped(backend: Tokenizer) -> Any:
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>", mask_token="<mask>")


def _bytes(split: Any) -> Any:
    """Train a byte-level BPE, as GPT-2, RoBERTa (and with another split GPT-4) have one."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = split
    backend.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=330, special_tokens=["<pad>", "<unk>"], show_progress=False)
    )
    backend.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True), "<|end of the text|>"])
    return _wrapped(backend)


def _unigram(normaliser: Any, split: Any) -> Any:
    """Train a Unigram model, as XLM-R, ALBERT and mDeBERTa have one."""
    backend = Tokenizer(models.Unigram())
    backend.normalizer, backend.pre_tokenizer = normaliser, split
    backend.train_from_iterator(
        CORPUS,
        trainers.UnigramTrainer(
            vocab_size=120, special_tokens=["<pad>", "<unk>"], unk_token="<unk>", show_progress=False
        ),
    )
    return _wrapped(backend)


def _spaces() -> Any:
    return normalizers.Sequence([normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " "), normalizers.NFKC()])


MAKE: dict[str, Callable[[], Any]] = {
    "GPT-2": lambda: _bytes(pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "GPT-4": lambda: _bytes(
        pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(GPT_4), "isolated"), pre_tokenizers.ByteLevel(use_regex=False)]
        )
    ),
    "Unigram": lambda: _unigram(_spaces(), pre_tokenizers.Metaspace()),
    "Unigram of words": lambda: _unigram(
        normalizers.Nmt(), pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    ),
}


@pytest.fixture(scope="module", params=["tiny_bert", "tiny_deberta", *MAKE])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    if request.param in MAKE:
        return MAKE[request.param]()
    return load_tokenizer(str(request.getfixturevalue(request.param)))


PIECES = st.sampled_from(
    [
        *("fool", "you", " ", "  ", "\n", "\t", "a", ".", "!!", "12345", "'s", "'", "[SEP]", "[SE", "<mask>", "<ma"),
        *(
            "<|end of the text|>",
            "<|end of",
            "\u0301",
            "\u0327",
            "e",
            "\u200b",
            "\x00",
            "\u00ad",
            "漢",
            "\ufdfa",
            "\u1100",
        ),
        *("\u1161", "\U0001f1e6", "\U0001f642", "\u200d", "Σ", "İ", "\u3000", "\u00a0", "\ufffd", "▁", "zq"),
    ]
)
LONG_TEXTS = st.one_of(
    st.lists(PIECES, min_size=20, max_size=250).map("".join),
    st.builds(lambda part, more, times: part * times + more, st.text(min_size=1, max_size=6), st.text(), st.just(60)),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LONG_TEXTS, st.integers(4, 12), st.integers(16, 60))
@example("fool " * 30 + "\n" * 40 + "fool", 8, 20)
@example("e" + "\u0301\u0327" * 80 + " fool" * 20, 6, 16)
def test_the_tokens_are_those_of_the_whole(tokenizer: Any, text: str, max_length: int, tried_first: int) -> None:
    backend = backend_for(tokenizer, max_length)
    assert reads_left_to_right(backend)
    part = sufficient_prefix(backend, text, tried_first)
    assert text.startswith(part)
    whole, ours = backend.encode(text), backend.encode(part)
    assert ours.ids == whole.ids
    assert bool(ours.overflowing) == bool(whole.overflowing)


def test_a_long_text_is_read_as_far_as_it_matters(tokenizer: Any) -> None:
    text = "you damn fool, nice film. " * 200_000
    part = sufficient_prefix(backend_for(tokenizer, 32), text, first_prefix_length(32))
    assert len(part) == first_prefix_length(32) < 2_000
    tokens = tokenise(tokenizer, [text, "nice"], 32)
    assert tokens.lengths[0] == 32
    assert tokens.truncated.tolist() == [True, False]
    assert tokens.ids[:32].tolist() == tokenizer(text[:5_000], truncation=True, max_length=32)["input_ids"]


@pytest.mark.parametrize("character", ["a", " ", "\u200b", "\u0301"])
def test_one_run_of_characters_is_read_to_its_end(tokenizer: Any, character: str) -> None:
    text = character * 5_000 + " fool you" * 3
    tokens = tokenise(tokenizer, [text], 16)
    assert tokens.ids.tolist() == tokenizer(text, truncation=True, max_length=16)["input_ids"]


def test_the_control_a_beginning_that_ends_with_the_tokens_has_others() -> None:
    backend = backend_for(MAKE["GPT-2"](), 4)
    text = "fool " * 3 + " " * 30 + "fool"
    differs = [size for size in range(10, len(text)) if backend.encode(text[:size]).ids != backend.encode(text).ids]
    assert differs, "without words to spare the tokens do change"


FAR_SIGHTED: dict[str, Callable[[Tokenizer], None]] = {
    "no words": lambda backend: setattr(backend, "pre_tokenizer", None),
    "looks ahead": lambda backend: setattr(
        backend, "pre_tokenizer", pre_tokenizers.Split(Regex(r"\d{1,3}(?=(?:\d{3})*\b)"), "isolated")
    ),
    "replaces the end": lambda backend: setattr(backend, "normalizer", normalizers.Replace(Regex(r".*$"), "")),
    "unknown": lambda backend: setattr(
        backend, "pre_tokenizer", pre_tokenizers.Sequence([pre_tokenizers.FixedLength(5)])
    ),
    "left": lambda backend: backend.enable_truncation(8, direction="left"),
}


@pytest.mark.parametrize("name", FAR_SIGHTED)
def test_a_tokenizer_that_may_look_ahead_reads_the_whole(name: str) -> None:
    backend = backend_for(MAKE["GPT-2"](), 8)
    assert reads_left_to_right(backend)
    FAR_SIGHTED[name](backend)
    assert not reads_left_to_right(backend)


def test_truncation_on_the_left_keeps_the_end(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_bert))
    tokenizer.truncation_side = "left"
    text = "fool " * 3_000 + "nice film"
    assert tokenise(tokenizer, [text], 6).ids.tolist() == tokenizer(text, truncation=True, max_length=6)["input_ids"]
