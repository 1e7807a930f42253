"""Three ways to fine-tune the same model on the same comments: plainly, with transformers.Trainer, and with civility.

Each loads the model, warms up, and measures a pass over the training comments. The recipe is the same: batches of 16,
AdamW, clipping at 1.0, linear schedule, weighted binary cross-entropy, autocast in the same precision.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contest import Meter

from civility.data.prepare import PreparedData
from civility.documents.checkpoint_state import Progress
from civility.engine.devices import MixedPrecision
from civility.engine.loop import Trainer
from civility.engine.loss import inverse_frequency_weights, positive_share
from civility.engine.progress import StepDone, Validation
from civility.models.encoder import PROBLEM_TYPE, load_encoder
from civility.models.model_source import locate, quiet_transformers
from civility.models.tokenizer import load_tokenizer
from civility.recipe import Recipe
from civility.run import RunDirectory
from civility.training.build import start_devices
from civility.training.build_trainer import build_trainer, tokenise_comments

PARTS: dict[str, Mapping[str, object]] = {
    "group_by_length": {"training.group_by_length": False},
    "vocabulary_in_use": {"training.vocabulary_in_use": False},
    "attention": {"training.attention": "eager"},
}
"""What makes civility fast, and the settings that switch it off."""

_LEARNING_RATE, _DECAY, _NORM, _WARMUP = 2e-5, 0.01, 1.0, 0.1
_BATCHES_PER_CHUNK = 50


@dataclass(frozen=True)
class Task:
    """What every contestant does.

    Parameters
    ----------
    model : a folder, or the starter model's name
    data : to train on, in passes; the validation comments only say which words are in use besides
    device, precision : "cuda" or "cpu"; "bf16", "fp16" or "fp32"
    batch_size, max_length : comments of a step; tokens of a comment
    num_plain_steps : of *plain*, whose steps all cost the same
    num_warmup_steps : before the clock starts
    """

    model: str
    data: PreparedData
    device: str
    precision: str
    batch_size: int
    max_length: int
    num_plain_steps: int
    num_warmup_steps: int

    @property
    def num_comments(self) -> int:
        """Comments of a pass."""
        return len(self.data.training)


@dataclass(frozen=True)
class Measured:
    """What a contestant took for its pass.

    Parameters
    ----------
    num_comments, num_tokens, num_padded : done; tokens without and with padding
    seconds : without loading, tokenising and warming up
    peak : bytes while training; whole_peak : loading included
    gradient_bytes, state_bytes : of the tensors that training keeps: gradients; the optimizer's moments
    """

    num_comments: int
    num_tokens: int
    num_padded: int
    seconds: float
    peak: float
    whole_peak: float
    gradient_bytes: int
    state_bytes: int

    @classmethod
    def of(cls, meter: Meter, optimizer: Any, num_comments: int, num_tokens: int, num_padded: int) -> "Measured":
        """Return what a stopped meter and an optimizer say."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        tensors = [t for state in optimizer.state.values() for t in state.values() if isinstance(t, torch.Tensor)]
        gradients, moments = (sum(t.numel() * t.element_size() for t in part) for part in (parameters, tensors))
        took = meter.seconds, meter.peak, meter.whole_peak
        return cls(num_comments, num_tokens, num_padded, *took, gradients, moments)


def run_plain(task: Task) -> Measured:
    """Train as the recipe is usually written: shuffled, padded to the maximum, AdamW as it comes."""
    from transformers import get_linear_schedule_with_warmup

    meter, device = Meter(task.device), task.device
    model, tokenizer = _load(task)
    texts, targets = list(task.data.training.texts), torch.from_numpy(task.data.training.targets).to(device)
    given = {"max_length": task.max_length, "truncation": True, "return_tensors": "pt"}
    encoded = tokenizer(texts, padding="max_length", **given)
    precision = MixedPrecision.of(task.precision, device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=_DECAY)
    num_steps = task.num_warmup_steps + task.num_plain_steps
    schedule = get_linear_schedule_with_warmup(optimizer, int(_WARMUP * num_steps), num_steps)
    loss_of = torch.nn.BCEWithLogitsLoss(weight=_label_weights(task).to(device))
    scaler = torch.amp.GradScaler(device, enabled=task.precision == "fp16")
    rows = torch.randperm(len(texts), generator=torch.Generator().manual_seed(0))
    batches = list(torch.split(rows, task.batch_size))
    total_loss = 0.0
    model.train()
    for step in range(num_steps):
        if step == task.num_warmup_steps:
            meter.start()
        batch = batches[step % len(batches)]
        ids, mask = (encoded[name][batch].to(device) for name in ("input_ids", "attention_mask"))
        with precision.autocast():
            loss = loss_of(model(input_ids=ids, attention_mask=mask).logits.float(), targets[batch])
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), _NORM)
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        optimizer.zero_grad()
        total_loss += loss.item()
    meter.stop()
    num_done = task.num_plain_steps * task.batch_size
    # Which comments they were does not change what a step costs: useful tokens are those of an average comment.
    num_tokens = round(int(encoded["attention_mask"].sum()) * num_done / len(texts))
    return Measured.of(meter, optimizer, num_done, num_tokens, num_done * task.max_length)


def run_trainer(task: Task) -> Measured:
    """Train with transformers.Trainer: batches by length, padded to their longest, fused AdamW, 16 bits where fast."""
    from transformers import DataCollatorWithPadding, PrinterCallback, TrainingArguments
    from transformers import Trainer as TransformersTrainer

    meter, (model, tokenizer) = Meter(task.device), _load(task)
    texts, targets = list(task.data.training.texts), task.data.training.targets
    ids = tokenizer(texts, truncation=True, max_length=task.max_length)["input_ids"]
    order = _trainer_order([len(one) for one in ids], task)
    # The model's own loss has no weights, and the recipe's has.
    loss_of = torch.nn.BCEWithLogitsLoss(weight=_label_weights(task).to(task.device))
    with tempfile.TemporaryDirectory() as folder, quiet_transformers():
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=task.batch_size,
            num_train_epochs=1,
            learning_rate=_LEARNING_RATE,
            weight_decay=_DECAY,
            max_grad_norm=_NORM,
            warmup_steps=_WARMUP,
            optim="adamw_torch_fused",
            train_sampling_strategy="sequential",  # the order is made by the sampler's own function, see there
            bf16=task.precision == "bf16",
            fp16=task.precision == "fp16",
            use_cpu=task.device == "cpu",
            dataloader_num_workers=2 if task.device == "cuda" else 0,  # on a CPU they take what training needs
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = TransformersTrainer(
            model=model,
            args=arguments,
            train_dataset=[{"input_ids": ids[i], "labels": targets[i]} for i in order],
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_loss_func=lambda outputs, labels, num_items_in_batch: loss_of(outputs.logits.float(), labels),
            callbacks=[_clock(meter, task.num_warmup_steps)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    done = order[task.num_warmup_steps * task.batch_size :]
    lengths = np.array([len(ids[i]) for i in done])
    longest = [part.max() * len(part) for part in np.split(lengths, range(task.batch_size, len(done), task.batch_size))]
    return Measured.of(meter, trainer.optimizer, len(done), int(lengths.sum()), int(sum(longest)))


def run_civility(task: Task, changes: Mapping[str, object]) -> Measured:
    """Train with civility's own loop, by the baseline recipe with some settings changed."""
    meter = Meter(task.device)
    settings = {"device": task.device, "precision": task.precision, "batch_size": task.batch_size}
    given = {f"training.{key}": value for key, value in settings.items()}
    trainer = civility_trainer(task.model, task.data, {"data.max_length": task.max_length, **given, **changes})
    take_steps(trainer, task.num_warmup_steps)
    meter.start()
    facts = take_steps(trainer, trainer.shape.num_steps(task.num_comments))
    meter.stop()
    counts = (sum(getattr(fact, name) for fact in facts) for name in ("num_comments", "num_tokens", "num_padded"))
    return Measured.of(meter, trainer.optimizer, *counts)


def civility_trainer(model: str, data: PreparedData, changes: Mapping[str, object]) -> Trainer:
    """Return the trainer that `civility train baseline` makes of a model, comments and settings."""
    os.environ["CIVILITY_CACHE"] = "off"  # neither read from it nor fill it
    # As many threads as the others have: what a probe finds is another matter.
    recipe = Recipe.load("baseline", {"model.name": model, "training.threads": torch.get_num_threads(), **changes})
    run = RunDirectory(Path(tempfile.gettempdir()) / "unused")  # without a tracker nothing is written
    accelerator, precision, _ = start_devices(recipe, run, tracker="", threads_before=0)
    tokens = tokenise_comments(recipe, data, accelerator)
    encoder = load_encoder(model, data.training.labels, seed=recipe.seed, tokenizer=tokens.tokenizer)
    trainer, _ = build_trainer(recipe, data, tokens, encoder, accelerator, precision, None)
    return trainer


def take_steps(trainer: Trainer, num_steps: int) -> list[StepDone]:
    """Take this many steps from the beginning of a run, at most those of its first epoch."""
    trainer.progress = Progress()
    run = trainer.run(lambda: Validation(0.0, {}, 0.0))
    facts: list[StepDone] = []
    while len(facts) < num_steps:
        fact = next(run)
        assert isinstance(fact, StepDone)
        facts.append(fact)
    return facts


def _load(task: Task) -> tuple[Any, Any]:
    """Load the model as its own documentation says, in float32, and its tokenizer."""
    from transformers import AutoModelForSequenceClassification

    num_labels = len(task.data.training.labels)
    with quiet_transformers():
        model = AutoModelForSequenceClassification.from_pretrained(
            locate(task.model),
            trust_remote_code=False,
            num_labels=num_labels,
            problem_type=PROBLEM_TYPE,
            dtype=torch.float32,
        )
    return model.to(task.device), load_tokenizer(task.model)


def _label_weights(task: Task) -> torch.Tensor:
    share = positive_share(task.data.training.targets)
    return torch.tensor(inverse_frequency_weights(share), dtype=torch.float32)


def _trainer_order(lengths: Sequence[int], task: Task) -> list[int]:
    """Return the comments of the warm-up and of a pass, in the order of Trainer's group_by_length.

    Its sampler sorts chunks of 50 batches, but of an epoch as short as a benchmark's chunks of a quarter, which would
    pad more than a real epoch does. So its own function is asked for chunks of 50.
    """
    from transformers.trainer_pt_utils import get_length_grouped_indices

    torch.manual_seed(0)
    order = get_length_grouped_indices(list(lengths), task.batch_size, mega_batch_mult=_BATCHES_PER_CHUNK)
    num_warmup = task.num_warmup_steps * task.batch_size
    return [int(i) for i in (order * (1 + num_warmup // len(order)))[:num_warmup] + order]


def _clock(meter: Meter, num_warmup_steps: int) -> Any:
    """Return a callback that starts the meter when the warm-up is over, and stops it with the last step."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):  # type: ignore[misc]  # transformers has no types
        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            if state.global_step == num_warmup_steps:
                meter.start()
            if state.global_step == state.max_steps:
                meter.stop()

    return Clock()
