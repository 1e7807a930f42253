"""Folding a scale and a shift into the output layer: heads of several architectures, and those that take none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from civility.models.encoder import Encoder, fold_into_head, load_encoder

LABELS = ("toxic", "threat", "insult")
SCALE, SHIFT = np.array([0.5, 3.0, 1.0]), np.array([-2.0, 0.25, 0.0])
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "vocab_size": 400,
}
KINDS: dict[str, dict[str, Any]] = {
    "roberta": SMALL,
    "xlm-roberta": SMALL,
    "electra": SMALL,
    "albert": {**SMALL, "embedding_size": 16},
    "deberta-v2": SMALL,
    "modernbert": {**SMALL, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2},
    "distilbert": {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 32, "vocab_size": 400},
}


def _encoder(kind: str, tiny_bert: Path) -> Encoder:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, num_labels=len(LABELS), **KINDS[kind])
    model = AutoModelForSequenceClassification.from_config(config).float().eval()
    return Encoder(model, load_encoder(str(tiny_bert), LABELS).tokenizer, LABELS, head_is_new=True)


def _logits(encoder: Encoder) -> torch.Tensor:
    tokens = encoder.tokenizer(["nice garden", "you stupid clown"], padding=True, return_tensors="pt")
    tokens.pop("token_type_ids")
    with torch.no_grad():
        logits: torch.Tensor = encoder.model.eval()(**tokens).logits
    return logits.double()


@pytest.mark.parametrize("kind", KINDS)
def test_the_logits_become_what_was_asked(kind: str, tiny_bert: Path) -> None:
    encoder = _encoder(kind, tiny_bert)
    before = _logits(encoder)
    assert fold_into_head(encoder, SCALE, SHIFT)
    expected = before * torch.as_tensor(SCALE) + torch.as_tensor(SHIFT)
    torch.testing.assert_close(_logits(encoder), expected, atol=1e-5, rtol=1e-5)
    assert (expected[:, :2] - before[:, :2]).abs().min() > 0.01, "the control: they were others"


def test_a_head_without_a_bias_is_left_alone(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS)
    encoder.model.classifier.bias = None
    before = _logits(encoder)
    assert not fold_into_head(encoder, SCALE, SHIFT)
    assert torch.equal(_logits(encoder), before)


def test_a_layer_whose_outputs_are_not_the_logits_is_left_alone(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS)
    encoder.model.classifier = torch.nn.Sequential(encoder.model.classifier, torch.nn.Tanh())
    before = _logits(encoder)
    assert not fold_into_head(encoder, SCALE, SHIFT)
    assert torch.equal(_logits(encoder), before)


def test_a_model_in_training_keeps_its_mode(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS)
    encoder.model.train()
    assert fold_into_head(encoder, SCALE, SHIFT)
    assert encoder.model.training
