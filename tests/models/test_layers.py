"""What is frozen, and what refuses it."""

from pathlib import Path

import pytest

from civility.models.encoder import load_encoder
from civility.models.layers import freeze

from ..refusals import refused

LABELS = ("toxic", "threat")


@pytest.mark.parametrize("fixture", ["tiny_bert", "tiny_deberta"])
def test_embeddings_and_the_lowest_layers_are_frozen(fixture: str, request: pytest.FixtureRequest) -> None:
    model = load_encoder(str(request.getfixturevalue(fixture)), LABELS).model
    freeze(model, embeddings=False, num_layers=1)
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    prefix = model.base_model_prefix
    of_distances = (f"{prefix}.encoder.rel_embeddings.", f"{prefix}.encoder.LayerNorm.")
    parts = (f"{prefix}.embeddings.", f"{prefix}.encoder.layer.0.", *of_distances)
    assert frozen == {name for name, _ in model.named_parameters() if name.startswith(parts)}


def test_embeddings_can_be_frozen_alone(tiny_deberta: Path) -> None:
    model = load_encoder(str(tiny_deberta), LABELS).model
    freeze(model, embeddings=True, num_layers=0)
    assert not any(parameter.requires_grad for parameter in model.deberta.embeddings.parameters())
    assert all(parameter.requires_grad for parameter in model.deberta.encoder.layer.parameters())


def test_nothing_is_frozen_unless_asked_for(tiny_bert: Path) -> None:
    model = load_encoder(str(tiny_bert), LABELS).model
    freeze(model, embeddings=False, num_layers=0)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_freezing_more_layers_than_the_model_has_is_refused(tiny_bert: Path) -> None:
    model = load_encoder(str(tiny_bert), LABELS).model
    with refused("models.unknown-part", r"training\.freeze_layers = 3: the model has 2 layers"):
        freeze(model, embeddings=False, num_layers=3)
    model.bert.encoder = None
    with refused("models.unknown-part", "the layers of a BertModel are not known"):
        freeze(model, embeddings=False, num_layers=1)
