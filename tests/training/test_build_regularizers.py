"""What a recipe's section of regularisation is made into: what it refuses, what it costs, what it changes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from civility.errors import UserError
from civility.models.encoder import load_encoder
from civility.recipe import Recipe
from civility.training.build_regularizers import (
    Costs,
    average_of,
    change_model,
    costs_of,
    mask_id_of,
    refuse_unfit,
    regularizers_of,
)

LABELS = ("toxic", "threat")


def recipe(**settings: Any) -> Recipe:
    """Return the baseline with settings named ``section__key``."""
    return Recipe.load("baseline", {key.replace("__", "."): value for key, value in settings.items()})


@pytest.mark.parametrize(
    ("settings", "found", "remedy"),
    [
        (
            {"regularization__average": "ema", "training__optimizer": "schedule_free"},
            'regularization.average = "ema" with training.optimizer = "schedule_free"',
            'set regularization.average to "none"',
        ),
        ({"regularization__adversarial": "fgm", "training__freeze_layers": 1}, "which is frozen", 'choose "awp"'),
        ({"regularization__adversarial": "fgm", "training__freeze_embeddings": True}, "which is frozen", '"awp"'),
    ],
)
def test_what_cannot_go_together_is_refused(settings: dict[str, Any], found: str, remedy: str) -> None:
    with pytest.raises(UserError) as stop:
        refuse_unfit(recipe(**settings))
    assert found in stop.value.message
    assert remedy in stop.value.remedy
    for key, value in settings.items():  # the control: each alone is fine
        refuse_unfit(recipe(**{key: value}))


def test_layers_that_would_stay_as_they_are_drawn_are_refused(tiny_bert: Path) -> None:
    model = load_encoder(str(tiny_bert), LABELS, seed=0).model
    change_model(recipe(regularization__reinit_layers=1, training__freeze_layers=1), model)
    with pytest.raises(UserError, match="of 2 layers, some would stay as they are drawn"):
        change_model(recipe(regularization__reinit_layers=2, training__freeze_layers=1), model)


def test_costs_are_those_of_what_is_on() -> None:
    assert costs_of(recipe()) == Costs(1, 0, 0)
    assert costs_of(recipe(training__optimizer="schedule_free")) == Costs(1, 4, 0), "it averages by itself"
    everything = {"r_drop": 1.0, "average": "swa", "adversarial": "awp"}
    assert costs_of(recipe(**{f"regularization__{key}": value for key, value in everything.items()})) == Costs(2, 4, 8)


class Tokenizer:
    """What is asked of a tokenizer."""

    def __init__(self, mask: int | None, unknown: int | None) -> None:
        self.mask_token_id, self.unk_token_id = mask, unknown


@pytest.mark.parametrize(("mask", "unknown", "expected"), [(7, 3, 7), (0, 3, 0), (None, 3, 3)])
def test_the_mask_or_the_unknown_token_is_put_in_the_place_of_others(
    mask: int | None, unknown: int | None, expected: int
) -> None:
    assert mask_id_of(recipe(regularization__token_dropout=0.1), Tokenizer(mask, unknown)) == expected
    assert mask_id_of(recipe(), Tokenizer(mask, unknown)) is None


def test_a_tokenizer_without_either_is_refused() -> None:
    with pytest.raises(UserError, match="neither a mask nor an unknown token"):
        mask_id_of(recipe(regularization__token_dropout=0.1), Tokenizer(None, None))


def test_nothing_is_made_of_the_baseline_and_its_model_stays(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS, seed=0)
    before = {name: tensor.clone() for name, tensor in encoder.model.state_dict().items()}
    change_model(recipe(), encoder.model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.model.state_dict().items())
    regularizers = regularizers_of(recipe(), encoder.model, encoder.tokenizer)
    assert (regularizers.r_drop, regularizers.token_dropout, regularizers.thaw, regularizers.adversary) == (
        0.0,
        None,
        None,
        None,
    )
    assert average_of(recipe(), encoder.model) is None


def test_the_adversary_moves_the_table_or_the_matrices(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS, seed=0)
    table = encoder.model.get_input_embeddings().weight
    moved = {}
    for kind in ("fgm", "awp"):
        found = regularizers_of(recipe(regularization__adversarial=kind), encoder.model, encoder.tokenizer).adversary
        assert found is not None
        moved[kind] = found.parameters
    assert [parameter is table for parameter in moved["fgm"]] == [True]
    assert len(moved["awp"]) > 10
    assert all(parameter.ndim == 2 and parameter is not table for parameter in moved["awp"])
