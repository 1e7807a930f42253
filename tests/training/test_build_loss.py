"""The loss that a recipe asks for: its settings reach it, with weights from the training targets."""

from typing import Any

import numpy as np
import pytest

from civility.engine.loss import (
    Asymmetric,
    EffectiveNumber,
    ElementLoss,
    Focal,
    cross_entropy,
    inverse_frequency_weights,
    positive_share,
)
from civility.recipe import Recipe
from civility.training.build_trainer import loss_of

TARGETS = np.array([[1, 0], [0, 1], [0.4, np.nan], [0.2, 0], [0.7, 0], [0, 0]], dtype=np.float32)


def _recipe(**changes: Any) -> Recipe:
    return Recipe.load("baseline", {key.replace("__", "."): value for key, value in changes.items()})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, cross_entropy),
        ({"training__loss": "focal"}, Focal(2.0, 0.25)),
        ({"training__loss": "focal", "loss__focal_gamma": 1.5, "loss__focal_alpha": -1.0}, Focal(1.5, None)),
        ({"training__loss": "asymmetric"}, Asymmetric(0.0, 4.0, 0.05)),
        (
            {
                "training__loss": "asymmetric",
                "loss__asymmetric_gamma_positive": 1.0,
                "loss__asymmetric_gamma_negative": 2.0,
                "loss__asymmetric_margin": 0.1,
            },
            Asymmetric(1.0, 2.0, 0.1),
        ),
    ],
)
def test_the_settings_reach_the_elements(changes: dict[str, Any], expected: ElementLoss) -> None:
    assert loss_of(_recipe(**changes), TARGETS).elements == expected


def test_the_baseline_is_weighed_by_inverse_frequency_and_not_smoothed() -> None:
    loss = loss_of(_recipe(), TARGETS)
    expected = inverse_frequency_weights(positive_share(TARGETS))
    np.testing.assert_allclose(loss.label_weights.numpy(), expected, rtol=1e-6)
    assert loss.smoothing == 0


@pytest.mark.parametrize("name", ["focal", "asymmetric"])
def test_labels_are_weighed_where_that_is_asked_for(name: str) -> None:
    assert loss_of(_recipe(training__loss=name), TARGETS).label_weights.tolist() == [1, 1]
    weighed = loss_of(_recipe(training__loss=name, loss__weigh_labels=True), TARGETS).label_weights
    assert weighed.tolist() == loss_of(_recipe(), TARGETS).label_weights.tolist() != [1, 1]


def test_weights_by_effective_number_know_how_many_targets_are_known() -> None:
    more: dict[str, Any] = {"loss__class_weights": "effective_number", "loss__effective_beta": 0.5}
    loss = loss_of(_recipe(training__weight_power=0.5, loss__label_smoothing=0.1, **more), TARGETS)
    expected = EffectiveNumber(0.5, np.array([6, 5])).label_weights(np.array([2 / 6, 1 / 5]), 0.5)
    np.testing.assert_allclose(loss.label_weights.numpy(), expected, rtol=1e-6)
    assert loss.smoothing == 0.1
