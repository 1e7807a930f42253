"""What a recipe's section of regularization is made into: what it refuses, what it costs, what it changes."""

from pathlib import Path
from typing import Any

import pytest

from civility.models.encoder import load_encoder
from civility.recipe import Recipe
from civility.training.build_optimizer import (
    Costs,
    average_of,
    costs_of,
    optimizer_of,
    refuse_conflicts,
    regularizers_of,
)

from ..refusals import refused

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
        ({"regularization__adversarial": "fgm", "training__freeze_layers": 1}, "which is frozen", 'to "none"'),
        ({"regularization__adversarial": "fgm", "training__freeze_embeddings": True}, "which is frozen", 'to "none"'),
    ],
)
def test_what_cannot_go_together_is_refused(settings: dict[str, Any], found: str, remedy: str) -> None:
    with refused("training.conflicting-settings") as stop:
        refuse_conflicts(recipe(**settings))
    assert found in stop.value.message
    assert remedy in stop.value.remedy
    for key, value in settings.items():  # the control: each alone is fine
        refuse_conflicts(recipe(training__schedule="constant", **{key: value}))


def test_costs_are_those_of_what_is_on() -> None:
    assert costs_of(recipe()) == Costs(1, 0, 0)
    assert costs_of(recipe(training__optimizer="schedule_free")) == Costs(1, 4, 0), "it averages by itself"
    everything = {"r_drop": 1.0, "average": "swa", "adversarial": "fgm"}
    assert costs_of(recipe(**{f"regularization__{key}": value for key, value in everything.items()})) == Costs(2, 4, 8)


def test_nothing_is_made_of_the_baseline(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS, seed=0)
    regularizers = regularizers_of(recipe(), encoder.model)
    assert (regularizers.r_drop, regularizers.unfreezing, regularizers.adversary) == (0.0, None, None)
    assert average_of(recipe(), encoder.model, optimizer_of(recipe(), encoder.model)) is None


def test_the_adversary_moves_the_token_embedding(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS, seed=0)
    asked = recipe(regularization__adversarial="fgm", regularization__adversarial_size=0.5)
    found = regularizers_of(asked, encoder.model).adversary
    assert found is not None
    assert found.table is encoder.model.get_input_embeddings().weight
    assert found.size == 0.5
