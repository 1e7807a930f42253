"""Runs with another loss, optimizer, schedule and metric: end to end, and resumed to the bit."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from civility.engine.progress import StepDone
from civility.training.events import Event, RunPlanned

from ..refusals import refused
from .conftest import Small

CHOICES: dict[str, dict[str, Any]] = {
    "schedule_free": {
        "training__optimizer": "schedule_free",
        "training__schedule": "constant",
        "training__warmup_steps": 2,
        "training__loss": "focal",
        "training__metric": "loss",
        "loss__label_smoothing": 0.1,
        "loss__weigh_labels": True,
        "loss__class_weights": "effective_number",
    },
    "muon": {
        "training__optimizer": "muon",
        "training__schedule": "one_cycle",
        "training__loss": "asymmetric",
        "training__metric": "macro_average_precision",
        "training__min_gain": 0.001,
        "training__weight_decay_on": "matrices",
        "regularization__layer_decay": 0.8,
    },
    "adafactor": {
        "training__optimizer": "adafactor",
        "training__schedule": "cosine",
        "schedule__final_share": 0.1,
        "training__learning_rate": 5e-3,
    },
}


def _lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", CHOICES)
def test_a_run_stopped_and_resumed_is_the_run_that_never_stopped(small: Small, tmp_path: Path, name: str) -> None:
    changes, planned = CHOICES[name], []

    def listen(event: Event) -> None:
        if isinstance(event, RunPlanned):
            planned.append(event)

    whole = small.train(tmp_path / "whole", listen=listen, **changes).path
    out = tmp_path / "run"
    small.interrupt(out, lambda event: isinstance(event, StepDone) and event.step == 7, **changes)
    small.train(out, begin="resume", **changes)
    for file in ("metrics.jsonl", "classifier/model.safetensors", "classifier/civility.json", "recipe.toml"):
        assert (out / file).read_bytes() == (whole / file).read_bytes(), file
    (plan,) = planned
    assert plan.metric == changes.get("training__metric", "macro_roc_auc")
    expected = {"schedule_free": "schedule-free · constant schedule", "muon": "muon · one-cycle schedule"}
    assert plan.steps_by == expected.get(name, "adafactor · cosine schedule")
    weighed = name != "muon"
    assert (len(set(plan.loss_weights.values())) > 1) == weighed, "weights are expected as they are applied"
    why = {"schedule_free": "schedule-free AdamW averages every row", "adafactor": "Adafactor measures the matrix"}
    assert plan.speed.why_whole.startswith(why.get(name, ""))
    assert (plan.speed.rows_in_use is None) == (name in why)


def test_the_best_epoch_is_the_one_of_the_metric(small: Small, tmp_path: Path) -> None:
    changes = {**CHOICES["schedule_free"], "training__epochs": 3, "training__patience": 3}
    epochs = {}
    for metric in ("loss", "macro_average_precision"):
        run = small.train(tmp_path / metric, **{**changes, "training__metric": metric}).path
        epochs[metric] = [line for line in _lines(run) if line["kind"] == "epoch"]
    for metric, lines in epochs.items():
        best = float("-inf")
        for line in lines:
            value = line["validation"][metric] * (-1 if metric == "loss" else 1)
            assert line["best"] == (value > best), metric
            best = max(best, value)
    first, second = ([line["validation"] for line in lines] for lines in epochs.values())
    assert first == second, "what is chosen disturbs nothing that is trained"


def test_the_classifier_has_the_averaged_weights(small: Small, tmp_path: Path) -> None:
    changes = {**CHOICES["schedule_free"], "training__epochs": 1, "evaluation__calibration": "none"}
    run = small.train(tmp_path / "run", **changes).path
    (last,) = sorted(run.glob("checkpoints/step-*"))[-1:]
    raw, mean, kept = (
        load_file(path)
        for path in (
            last / "model.safetensors",
            last / "average.safetensors",
            run / "classifier" / "model.safetensors",
        )
    )
    assert mean.keys() == kept.keys()
    for name, tensor in kept.items():
        assert tensor.equal(mean[name]), name
    assert any(not tensor.equal(raw[name]) for name, tensor in kept.items()), "the control: they are not the raw ones"


def test_what_cannot_go_together_is_refused_before_anything_is_written(small: Small, tmp_path: Path) -> None:
    with refused(
        "training.conflicting-settings", r'training\.optimizer = "schedule_free" with training\.schedule = "linear"'
    ):
        small.train(tmp_path / "run", training__optimizer="schedule_free")
    assert not (tmp_path / "run").exists()
    unfreezing = {**CHOICES["schedule_free"], "regularization__unfreeze_fraction": 0.5}
    with refused("training.conflicting-settings", r"unfreeze_fraction = 0\.5: layers that are unfrozen later"):
        small.train(tmp_path / "run", **unfreezing)
    assert not (tmp_path / "run").exists()
    with refused("training.failed-check", "schedule") as at:
        small.train(tmp_path / "run", training__warmup_steps=100)
    assert "the warm-up of 100 steps leaves nothing of the run" in at.value.message
    assert not (tmp_path / "run").exists()
