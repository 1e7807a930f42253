"""Dropout with other probabilities than published."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from civility.models.batches import gather
from civility.models.dropout import has_dropout, override_dropout
from civility.models.encoder import load_encoder
from civility.models.forward_paths import EagerForward
from civility.models.packed_forward import PackedForward
from civility.models.tokenizer import tokenise

from ..refusals import refused

LABELS = ("toxic", "threat")


def shares(model: Any) -> dict[str, float]:
    return {name: module.p for name, module in model.named_modules() if isinstance(module, nn.Dropout)}


def roberta() -> Any:
    from transformers import RobertaConfig, RobertaForSequenceClassification

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    return RobertaForSequenceClassification(RobertaConfig(vocab_size=20, max_position_embeddings=12, **small))


@pytest.mark.parametrize("fixture", ["tiny_bert", "tiny_deberta", "roberta"])
def test_each_share_goes_to_its_own_places(fixture: str, request: pytest.FixtureRequest) -> None:
    model = roberta() if fixture == "roberta" else load_encoder(str(request.getfixturevalue(fixture)), LABELS).model
    before = shares(model)
    override_dropout(model, hidden=-1.0, attention=-1.0, head=-1.0)
    assert shares(model) == before
    settings = model.config.to_dict()
    override_dropout(model, hidden=0.2, attention=0.3, head=0.4)
    after = shares(model)
    attention = {name for name in after if name.endswith("attention.self.dropout")}
    head = {"dropout", "classifier.dropout"} & set(after)
    assert attention
    assert len(head) == 1
    assert all(after[name] == 0.3 for name in attention)
    assert all(after[name] == 0.4 for name in head)
    own = {"pooler.dropout"} & set(after)
    assert all(after[name] == 0.0 for name in own), "DeBERTa's own, as published"
    assert all(after[name] == 0.2 for name in set(after) - attention - head - own)
    assert ("deberta.encoder.layer.0.attention.self.pos_dropout" in after) == (fixture == "tiny_deberta")
    assert model.config.to_dict() == settings


def test_places_that_are_not_known_are_refused() -> None:
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    model = DistilBertForSequenceClassification(
        DistilBertConfig(vocab_size=20, dim=8, n_layers=1, n_heads=2, hidden_dim=8, max_position_embeddings=12)
    )
    with refused(
        "models.unknown-part", r"regularization\.attention_dropout = 0\.1: civility does not know where a DistilBert"
    ):
        override_dropout(model, hidden=-1.0, attention=0.1, head=-1.0)


@pytest.mark.parametrize("way", [EagerForward, PackedForward])
@pytest.mark.parametrize("fixture", ["tiny_bert", "tiny_deberta"])
def test_both_forward_passes_use_the_dropout_that_was_set(
    way: Any, fixture: str, request: pytest.FixtureRequest
) -> None:
    encoder = load_encoder(str(request.getfixturevalue(fixture)), LABELS)
    model, tokens = encoder.model, tokenise(encoder.tokenizer, ["nice film music", "stupid fool"], 16)
    batch = gather(tokens, tokens.lengths.argsort())
    forward = way(model)
    assert has_dropout(model)
    with torch.no_grad():
        still = forward(batch) if not model.eval().training else None
        model.train()
        assert not torch.equal(forward(batch), forward(batch)), "the control: as published it drops"
        for one in ("hidden", "attention", "head"):
            override_dropout(model, **{**dict.fromkeys(("hidden", "attention", "head"), 0.0), one: 0.5})
            assert not torch.equal(forward(batch), forward(batch)), one
        override_dropout(model, hidden=0.0, attention=0.0, head=0.0)
        torch.testing.assert_close(forward(batch), still)
    assert not has_dropout(model)


def test_flash_kernels_use_the_dropout_that_was_set(tiny_deberta: Path) -> None:
    pytest.importorskip("disentangled_flash", reason="the extra civility[flash] is not installed")
    from civility.models.forward_paths import FlashForward, _keep_dropout

    model = load_encoder(str(tiny_deberta), LABELS).model
    override_dropout(model, hidden=0.2, attention=0.3, head=-1.0)
    FlashForward(model, backend="torch")
    attention = model.deberta.encoder.layer[1].attention.self
    assert (attention.dropout.p, attention.pos_dropout.p) == (0.3, 0.2)

    class Kernel(nn.Module):  # what the kernels' own module reads: there is none without a GPU
        attention_probability_dropout = 0.1

    kernel = Kernel()
    _keep_dropout(kernel, attention)
    assert kernel.attention_probability_dropout == 0.3
