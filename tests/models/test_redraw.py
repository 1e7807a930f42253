"""Layers that are drawn anew: as the model's own initialisation does, and no others."""

from pathlib import Path

import pytest
import torch

from civility.errors import UserError
from civility.models.encoder import load_encoder
from civility.models.redraw import redraw_layers

from ..conftest import build_tiny_deberta

LABELS = ("toxic", "threat")


@pytest.mark.parametrize(("fixture", "pooler"), [("tiny_bert", "bert.pooler."), ("tiny_deberta", "pooler.")])
def test_the_top_layers_and_the_pooler_are_drawn_and_nothing_else(
    fixture: str, pooler: str, request: pytest.FixtureRequest
) -> None:
    encoder = load_encoder(str(request.getfixturevalue(fixture)), LABELS)
    model = encoder.model
    with torch.no_grad():
        for parameter in model.parameters():  # as pretraining has left norms and biases
            if parameter.ndim == 1:
                parameter.add_(0.3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(11)
    draws = torch.get_rng_state()
    redraw_layers(model, 1, seed=3)
    assert torch.equal(torch.get_rng_state(), draws)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    drawn = {name for name in before if ".layer.1." in name or name.startswith(pooler)}
    assert drawn == changed
    again = load_encoder(str(request.getfixturevalue(fixture)), LABELS).model
    redraw_layers(again, 1, seed=3)
    assert all(torch.equal(again.state_dict()[name], model.state_dict()[name]) for name in drawn)
    redraw_layers(again, 1, seed=4)
    assert not torch.equal(again.state_dict()[f"{pooler}dense.weight"], model.state_dict()[f"{pooler}dense.weight"])
    after = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    redraw_layers(model, 0, seed=9)
    assert all(torch.equal(tensor, after[name]) for name, tensor in model.state_dict().items()), "none asked for"


def test_they_are_distributed_as_those_of_a_fresh_model(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    folder = build_tiny_deberta(tmp_path / "wide", hidden_size=64, intermediate_size=256, initializer_range=0.05)
    model = load_encoder(str(folder), LABELS).model
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3).add_(0.1)
    fresh = AutoModelForSequenceClassification.from_config(model.config)
    redraw_layers(model, 2, seed=0)
    for (name, ours), (_, theirs) in zip(model.named_parameters(), fresh.named_parameters(), strict=True):
        if ".layer." not in name and not name.startswith("pooler."):
            continue
        if ours.ndim == 1:
            assert torch.equal(ours, theirs), name
        else:
            assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.08), name
            assert abs(ours.mean().item()) < 4 * 0.05 / ours.numel() ** 0.5, name
    weights = [model.deberta.encoder.layer[0].attention.self.query_proj.weight, model.pooler.dense.weight]
    assert not torch.equal(*weights), "each is drawn for itself"


def test_more_layers_than_there_are_are_refused(tiny_bert: Path) -> None:
    model = load_encoder(str(tiny_bert), LABELS).model
    with pytest.raises(UserError, match=r"regularization\.reinit_layers = 3: the model has 2 layers"):
        redraw_layers(model, 3, seed=0)


def test_parts_that_are_not_known_are_refused(tiny_bert: Path) -> None:
    model = load_encoder(str(tiny_bert), LABELS).model
    model.bert.encoder.layer[1].intermediate.dense = torch.nn.Conv1d(3, 3, 1)
    with pytest.raises(UserError, match="how a Conv1d is drawn is not known"):
        redraw_layers(model, 1, seed=0)
