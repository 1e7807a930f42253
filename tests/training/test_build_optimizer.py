"""Each optimizer in the loop: resumed to the bit, shared out in any way, and what a recipe may not ask for."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from civility.engine.checkpoint import load_best_weights, load_checkpoint, save_checkpoint, take_snapshot
from civility.engine.devices import MixedPrecision
from civility.engine.loop import Trainer
from civility.errors import UserError
from civility.recipe import Recipe
from civility.training.build_optimizer import optimizer_of, refuse_conflicts, why_whole_embedding

from ..refusals import refused
from .regularized import build, equal, largest_difference, no_validation, raw, steps_of, validated, whole

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adafactor": {"training.optimizer": "adafactor"},
    "muon": {"training.optimizer": "muon"},
    "schedule_free": {"training.optimizer": "schedule_free", "training.schedule": "constant"},
    "groups": {"training.weight_decay_on": "matrices", "regularization.layer_decay": 0.7},
    "muon in groups": {
        "training.optimizer": "muon",
        "training.weight_decay_on": "matrices",
        "regularization.layer_decay": 0.7,
    },
}


def trained(folder: Path, settings: dict[str, Any], **more: Any) -> Trainer:
    _, some = build(folder, {}, settings=settings, **more)
    list(some.run(no_validation))
    return some


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_entered_again_ends_with_the_same_weights(tiny_bert: Path, tmp_path: Path, name: str) -> None:
    settings = OPTIMIZERS[name]
    in_use = not why_whole_embedding(Recipe.load("baseline", settings))
    entire = trained(tiny_bert, settings, in_use=in_use)
    assert not equal(raw(entire), raw(trained(tiny_bert, {}, in_use=in_use))), "the control: another optimizer"
    _, first = build(tiny_bert, {}, settings=settings, in_use=in_use)
    steps = steps_of(first)
    for _ in range(4):
        next(steps)
    snapshot = take_snapshot(first.model, first.optimizer, None, first.progress, average=first.average).copied()
    next(steps)  # what a copy is of stays
    save_checkpoint(tmp_path / "half", snapshot)
    _, second = build(tiny_bert, {}, settings=settings, in_use=in_use)
    second.progress = load_checkpoint(tmp_path / "half", second.model, second.optimizer, None, second.average)
    list(second.run(no_validation))
    assert equal(raw(second), raw(entire))
    assert equal(validated(second), validated(entire))
    if name == "schedule_free":
        assert largest_difference(raw(entire), validated(entire)) > 1e-4, "the mean is validated"
        load_best_weights(tmp_path / "half", second.model)
        assert not equal(raw(second), snapshot.weights)
        assert equal(raw(second), {**snapshot.weights, **snapshot.average})


@pytest.mark.parametrize("name", ["adafactor", "muon", "schedule_free"])
def test_the_control_without_the_state_of_the_optimizer_it_ends_otherwise(
    tiny_bert: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = OPTIMIZERS[name]
    entire = trained(tiny_bert, settings)
    _, first = build(tiny_bert, {}, settings=settings)
    steps = steps_of(first)
    for _ in range(4):
        next(steps)
    save_checkpoint(tmp_path / "half", take_snapshot(first.model, first.optimizer, None, first.progress))
    _, second = build(tiny_bert, {}, settings=settings)
    second.progress = load_checkpoint(tmp_path / "half", second.model, second.optimizer, None)
    if name == "schedule_free":  # its counters alone
        for group in second.optimizer.param_groups:
            group["weight_sum"] = 0.0
    else:
        second.optimizer.state.clear()
    list(second.run(no_validation))
    assert not equal(raw(second), raw(entire))


def test_a_checkpoint_of_another_optimizer_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    some = trained(tiny_bert, OPTIMIZERS["adafactor"])
    save_checkpoint(tmp_path / "step", take_snapshot(some.model, some.optimizer, None, some.progress))
    for other in ({}, OPTIMIZERS["schedule_free"], OPTIMIZERS["muon"]):
        _, unlike = build(tiny_bert, {}, settings=other)
        with pytest.raises(UserError, match="its optimizer is of another kind, or has the parameters in other groups"):
            load_checkpoint(tmp_path / "step", unlike.model, unlike.optimizer, None)


@pytest.mark.parametrize("name", ["adafactor", "muon", "schedule_free"])
def test_micro_batches_make_the_same_step(still_deberta: Path, name: str) -> None:
    one, parts = (trained(still_deberta, OPTIMIZERS[name], accumulation=num) for num in (1, 4))
    # The iterations of Muon are in bfloat16: the last bit of a gradient can move its third digit. And where a gradient
    # is zero except for rounding, its share of its own size is not.
    limit = {"adafactor": 5e-5, "muon": 2e-3, "schedule_free": 5e-4}[name]
    assert largest_difference(raw(one), raw(parts)) < limit
    other = trained(still_deberta, OPTIMIZERS[name], batch_size=4)
    assert largest_difference(raw(one), raw(other)) > 5e-3, "the control: steps of fewer comments"


def test_muon_trains_the_rows_in_use_as_it_trains_all(still_deberta: Path) -> None:
    settings = {**OPTIMIZERS["muon in groups"], "training.weight_decay": 0.5}
    all_rows, in_use = (trained(still_deberta, settings, in_use=used) for used in (False, True))
    one, other = (whole(some, raw(some)) for some in (all_rows, in_use))
    assert largest_difference(one, other) < 1e-5
    words = "deberta.embeddings.word_embeddings.weight"
    fresh = raw(build(still_deberta, {})[1])[words]
    assert (one[words][100] - fresh[100]).abs().max() > 1e-5, "the control: rows out of use decay"


@pytest.mark.parametrize("name", ["adafactor", "muon", "schedule_free"])
def test_steps_that_overflow_are_skipped(still_deberta: Path, name: str) -> None:
    scaled = MixedPrecision("fp32", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0**127, backoff_factor=2.0**-80))
    _, some = build(still_deberta, {}, settings=OPTIMIZERS[name], precision=scaled)
    before, skipped = raw(some), []
    for event in steps_of(some):
        skipped.append(event.skipped)
        assert equal(raw(some), before) == (event.skipped or event.learning_rate == 0)
        before = raw(some)
    assert 0 < sum(skipped) < len(skipped)


@pytest.mark.parametrize(
    ("changes", "message", "remedy"),
    [
        (
            {"training.optimizer": "schedule_free"},
            'training.optimizer = "schedule_free" with training.schedule = "linear": '
            "it averages weights in place of a decay of the learning rate",
            '--set training.schedule=constant, with a warm-up; or choose "adamw"',
        ),
        (
            {"training.optimizer": "schedule_free", "training.schedule": "constant", "training.adam_beta1": 0.0},
            'training.optimizer = "schedule_free" with training.adam_beta1 = 0: its average would have no weight',
            "--set training.adam_beta1=0.9",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], message: str, remedy: str) -> None:
    with refused("training.conflicting-settings") as at:
        refuse_conflicts(Recipe.load("baseline", changes))
    assert (at.value.message, at.value.remedy) == (message, remedy)


def test_schedule_free_without_its_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "schedulefree", None)
    with refused("training.missing-package", "needs the package schedulefree, which is not installed") as at:
        refuse_conflicts(Recipe.load("baseline", OPTIMIZERS["schedule_free"]))
    assert at.value.remedy == "pip install 'civility[train]'"


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_goes_together_is_not_refused(name: str) -> None:
    refuse_conflicts(Recipe.load("baseline", OPTIMIZERS[name]))


def test_the_settings_reach_the_optimizers(tiny_bert: Path) -> None:
    from civility.models.encoder import load_encoder

    model = load_encoder(str(tiny_bert), ("toxic",), seed=5).model
    adafactor = optimizer_of(
        Recipe.load(
            "baseline",
            {**OPTIMIZERS["adafactor"], "optimizer.adafactor_beta2_decay": -0.5, "optimizer.adafactor_clip": 2.0},
        ),
        model,
    ).param_groups[0]
    assert (adafactor["beta2_decay"], adafactor["d"], adafactor["weight_decay"]) == (-0.5, 2.0, 0.01)
    muon = optimizer_of(
        Recipe.load("baseline", {**OPTIMIZERS["muon"], "optimizer.muon_momentum": 0.8, "optimizer.muon_iterations": 3}),
        model,
    ).param_groups
    assert (muon[0]["momentum"], muon[0]["ns_steps"], muon[0]["weight_decay"]) == (0.8, 3, 0.01)
    assert muon[1]["betas"] == (0.9, 0.999)
    free = optimizer_of(
        Recipe.load("baseline", {**OPTIMIZERS["schedule_free"], "training.adam_beta1": 0.8}), model
    ).param_groups[0]
    assert (free["betas"], free["eps"], free["weight_decay"]) == ((0.8, 0.999), 1e-8, 0.01)
    assert free["warmup_steps"] == 0, "the warm-up is the schedule's"
