"""The longest text that a model takes is one that it can score, and the next longer one is not."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from civility.models.tokenizer import longest_text

SILENT = SimpleNamespace(model_max_length=int(1e30))
_SHAPE = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 66,
}


def _model(model_type: str, **settings: Any) -> Any:
    from transformers import AutoConfig

    shape = {key: value for key, value in _SHAPE.items() if not (model_type == "xlnet" and "position" in key)}
    config = AutoConfig.for_model(model_type, **{**shape, **settings})
    return AutoModelForSequenceClassification.from_config(config, trust_remote_code=False).eval()


def _takes(model: Any, length: int) -> bool:
    try:
        with torch.inference_mode():
            model(input_ids=torch.full((1, length), 7), attention_mask=torch.ones(1, length, dtype=torch.int64))
    except (IndexError, RuntimeError):
        return False
    return True


@pytest.mark.parametrize(
    ("model_type", "padding", "expected"),
    [
        ("roberta", 1, 64),
        ("xlm-roberta", 1, 64),
        ("camembert", 1, 64),
        ("mpnet", 1, 64),
        ("data2vec-text", 1, 64),
        ("roberta", 5, 60),
        ("bert", 0, 66),
        ("bert", 1, 66),
        ("electra", 1, 66),
    ],
)
def test_the_longest_text_is_scored_and_the_next_is_not(model_type: str, padding: int, expected: int) -> None:
    model = _model(model_type, pad_token_id=padding)
    assert longest_text(model, SILENT) == expected
    assert _takes(model, expected)
    assert not _takes(model, expected + 1)


def test_padding_inside_a_longformers_windows_is_not_counted() -> None:
    model = _model("longformer", pad_token_id=1, attention_window=[16])
    assert longest_text(model, SILENT) == 64
    assert _takes(model, 64)
    assert not _takes(model, 65)


def test_a_tokenizer_may_allow_less() -> None:
    assert longest_text(_model("roberta", pad_token_id=1), SimpleNamespace(model_max_length=32)) == 32


def test_minus_one_of_xlnet_means_no_limit() -> None:
    model = _model("xlnet", d_head=8)
    assert model.config.max_position_embeddings == -1
    assert longest_text(model, SILENT) == 1_000_000
    assert longest_text(model, SimpleNamespace(model_max_length=512)) == 512
    assert _takes(model, 200)


@pytest.mark.parametrize("value", [None, 0, -1, float("inf"), float("nan"), "512", 10**30])
def test_an_invalid_number_of_tokens_does_not_limit(value: object) -> None:
    assert longest_text(_model("bert"), SimpleNamespace(model_max_length=value)) == 66


def test_distances_of_deberta_do_not_limit(tiny_deberta: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(tiny_deberta)
    assert longest_text(model, SILENT) == 1_000_000
