"""Settings that refine a choice that was not made are written; those that are read are not."""

import pytest

from civility.recipe import Recipe
from civility.training.preflight.plan_checks import _readers, check_effect


@pytest.mark.parametrize("name", ["baseline", "starter"])
def test_a_shipped_recipe_sets_nothing_in_vain(name: str) -> None:
    assert check_effect(Recipe.load(name)) == []


@pytest.mark.parametrize(
    ("setting", "reader"),
    [
        ({"loss.focal_gamma": 3.0}, {"training.loss": "focal"}),
        ({"loss.asymmetric_margin": 0.1}, {"training.loss": "asymmetric"}),
        ({"schedule.power": 3.0}, {"training.schedule": "polynomial"}),
        ({"schedule.final_share": 0.1}, {"training.schedule": "cosine"}),
        ({"regularization.ema_decay": 0.9}, {"regularization.average": "ema"}),
        ({"regularization.adversarial_size": 0.5}, {"regularization.adversarial": "fgm"}),
        ({"optimizer.muon_momentum": 0.9}, {"training.optimizer": "muon"}),
        ({"training.sampling_power": 1.0}, {"training.sampling": "class_aware"}),
        ({"data.augmentation_share": 0.1}, {"data.augmentation": ["typos"]}),
        ({"training.adam_beta2": 0.9, "training.optimizer": "adafactor"}, {"training.optimizer": "muon"}),
        ({"training.warmup_fraction": 0.2, "training.warmup_steps": 9}, {"training.warmup_steps": 0}),
        ({"linear.c": 2.0}, {"model.name": "tf-idf"}),
        ({"loss.effective_beta": 0.9}, {"loss.class_weights": "effective_number"}),
    ],
)
def test_what_nothing_reads_is_reported_and_what_is_read_is_not(
    setting: dict[str, object], reader: dict[str, object]
) -> None:
    (found,) = check_effect(Recipe.load("baseline", setting))
    assert found.state == "warned"
    assert found.found == f"changed, and read by nothing that this recipe chooses: {next(iter(setting))}"
    assert check_effect(Recipe.load("baseline", setting | reader)) == [], "the control"


def test_weights_are_of_no_meaning_to_a_loss_that_does_not_weigh() -> None:
    changes = {"training.loss": "focal", "loss.class_weights": "effective_number", "training.weight_power": 0.5}
    (found,) = check_effect(Recipe.load("baseline", changes))
    assert found.found.endswith("chooses: training.weight_power, loss.class_weights")
    assert check_effect(Recipe.load("baseline", {**changes, "loss.weigh_labels": True})) == []


def test_every_setting_of_the_table_is_one() -> None:
    assert set(_readers(Recipe())) <= set(Recipe().flat())
