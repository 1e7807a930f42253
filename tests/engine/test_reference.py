"""The training loop against a plain reading of the baseline recipe in bare PyTorch, which shares no code with it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from civility.data.prepare import prepare
from civility.recipe import Recipe
from civility.training.train_run import train

LABELS = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
EPOCHS, BATCH, RATE, MAX_LENGTH, SEED = 2, 16, 2e-4, 24, 7


def reference(
    model_folder: Path, texts: list[str], targets: torch.Tensor, accumulation: int
) -> tuple[list[dict[str, torch.Tensor]], list[float]]:
    """Fine-tune as the recipe's text says: returns the weights after each epoch and the loss of every step."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        get_linear_schedule_with_warmup,
    )

    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = AutoModelForSequenceClassification.from_pretrained(model_folder, dtype=torch.float32)
    model.train()
    weights = 1 / (targets.mean(0) + 1e-6)
    weights = weights / weights.sum() * len(LABELS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    num_steps = EPOCHS * -(-len(texts) // BATCH)
    schedule = get_linear_schedule_with_warmup(optimizer, int(0.1 * num_steps), num_steps)
    losses, after_epoch = [], []
    for epoch in range(EPOCHS):
        order = np.random.default_rng([SEED, epoch]).permutation(len(texts))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            parts = [rows[i : i + BATCH // accumulation] for i in range(0, len(rows), BATCH // accumulation)]
            total = 0.0
            for part in parts:
                batch = tokenizer(
                    [texts[i] for i in part],
                    truncation=True,
                    max_length=MAX_LENGTH,
                    padding=True,
                    return_tensors="pt",
                )
                logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
                bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets[part], reduction="none")
                loss = (bce * weights).mean() / len(parts)
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.item()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(total)
        after_epoch.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
    return after_epoch, losses


@pytest.fixture(scope="module")
def headed_model(still_deberta: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny DeBERTa-v2 with a head on the six labels, so that both readings start from the same weights."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("headed") / "model"
    torch.manual_seed(1)
    AutoModelForSequenceClassification.from_pretrained(
        still_deberta,
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
        problem_type="multi_label_classification",
    ).save_pretrained(folder)
    AutoTokenizer.from_pretrained(still_deberta).save_pretrained(folder)
    return folder


def ours(
    model_folder: Path, data: Path, out: Path, accumulation: int, **training: Any
) -> tuple[dict[str, torch.Tensor], int, list[float]]:
    """Fine-tune with a run: returns the weights of its classifier, their 1-based epoch, and the losses."""
    changes = {
        "seed": SEED,
        "data.files": [str(data)],
        "data.validation": [str(data)],
        "data.max_length": MAX_LENGTH,
        "model.name": str(model_folder),
        "model.revision": "",
        "training.epochs": EPOCHS,
        "training.batch_size": BATCH // accumulation,
        "training.gradient_accumulation": accumulation,
        "training.learning_rate": RATE,
        "training.group_by_length": False,
        "training.log_every": 1,
        "training.precision": "fp32",
        "training.device": "cpu",
        "evaluation.calibration": "none",  # it changes the weights of the head, when training is over
        **{f"training.{key}": value for key, value in training.items()},
    }
    recipe = Recipe.load("baseline", changes)
    prepared = prepare(recipe.wanted)
    run = train(recipe, prepared, out)
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    best = [line["epoch"] for line in lines if line["kind"] == "epoch" and line["best"]][-1]
    weights = load_file(run.classifier / "model.safetensors")
    return weights, best, [line["loss"] for line in lines if line["kind"] == "step"]


def largest_difference(some: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert some.keys() == other.keys()
    return max((some[name] - other[name]).abs().max().item() for name in some)


def comments(path: Path) -> tuple[list[str], torch.Tensor]:
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    targets = torch.tensor([[float(row[label]) for label in LABELS] for row in rows])
    return [row["comment_text"] for row in rows], targets


LONG_WAY = {"attention": "eager", "vocabulary_in_use": False}


# 72 comments in batches of 16: the last step of an epoch is a half one.
@pytest.mark.parametrize(
    ("accumulation", "parts"),
    [
        (1, LONG_WAY),
        (4, LONG_WAY),
        (1, {}),
        (4, {}),
        (1, {"gradient_checkpointing": True}),
        (1, {"attention": "eager", "gradient_checkpointing": True}),
    ],
    ids=["long-way", "long-way-in-parts", "fast", "fast-in-parts", "fast-checkpointed", "eager-checkpointed"],
)
def test_training_is_the_recipe(
    headed_model: Path,
    write_comments: Callable[..., Path],
    tmp_path: Path,
    accumulation: int,
    parts: dict[str, Any],
) -> None:
    data = write_comments(72)
    expected, expected_losses = reference(headed_model, *comments(data), accumulation)
    weights, best, losses = ours(headed_model, data, tmp_path / "run", accumulation, **parts)
    assert len(losses) == EPOCHS * 5
    assert losses == pytest.approx(expected_losses, abs=1e-6)
    assert largest_difference(weights, expected[best - 1]) < 1e-6


@pytest.mark.parametrize(
    "change",
    [
        {"weight_decay": 0.0},
        {"weight_power": 0.0},
        {"warmup_fraction": 0.0},
        {"max_gradient_norm": 0.01},
        {"loss": "pos_weight_bce"},
        {"learning_rate": 2.1e-4},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_control_any_other_recipe_differs(
    headed_model: Path, write_comments: Callable[..., Path], tmp_path: Path, change: dict[str, Any]
) -> None:
    data = write_comments(72)
    expected, _ = reference(headed_model, *comments(data), 1)
    weights, best, _ = ours(headed_model, data, tmp_path / "run", 1, **change)
    assert largest_difference(weights, expected[best - 1]) > 2e-6
