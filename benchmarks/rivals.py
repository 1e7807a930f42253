"""Fine-tune a classifier plainly or with transformers.Trainer, as their users would write it; train_speed.py starts it.

    python benchmarks/rivals.py trainer --model DIR --data train.csv --batch-size 16 --max-length 256 --precision bf16

*trainer*: batches by length, padded to their longest comment, fused AdamW. *plain*: shuffled, padded to the maximum,
torch's AdamW with its defaults. Both: 16 bits where the hardware has them, weighted binary cross-entropy, clipping at
1.0, linear schedule. Prints a line of JSON: seconds, comments and tokens of all steps but the first ones.
"""

import argparse
import csv
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speed_corpus import LABELS

SKIPPED = 3
"""First steps, which choose kernels and take memory, and are not counted for any contestant."""

_BATCHES_PER_CHUNK = 50
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Loaded:
    """Model, tokenizer, comments and loss."""

    model: Any
    tokenizer: Any
    texts: list[str]
    targets: "np.ndarray[Any, np.dtype[np.float32]]"
    loss: torch.nn.Module

    @classmethod
    def of(cls, model: str, data: Path) -> "Loaded":
        """Load a model in float32 as its own documentation says, and read a file."""
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        with data.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        targets = np.array([[float(row[label]) for label in LABELS] for row in rows], dtype=np.float32)
        weight = 1 / (targets.mean(0) + 1e-6)
        given = {"num_labels": len(LABELS), "problem_type": "multi_label_classification", "dtype": torch.float32}
        return cls(
            AutoModelForSequenceClassification.from_pretrained(model, trust_remote_code=False, **given),
            AutoTokenizer.from_pretrained(model, trust_remote_code=False),
            [row["comment_text"] for row in rows],
            targets,
            torch.nn.BCEWithLogitsLoss(weight=torch.from_numpy(weight / weight.sum() * len(LABELS))),
        )


def train_plainly(options: argparse.Namespace) -> dict[str, float]:
    """Train as the recipe is usually written."""
    from transformers import get_linear_schedule_with_warmup

    loaded, device = Loaded.of(options.model, options.data), "cuda" if torch.cuda.is_available() else "cpu"
    model, loss_of = loaded.model.to(device), loaded.loss.to(device)
    given = {"max_length": options.max_length, "truncation": True, "return_tensors": "pt"}
    encoded = loaded.tokenizer(loaded.texts, padding="max_length", **given)
    targets = torch.from_numpy(loaded.targets)
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))
    batches = torch.split(order, options.batch_size)
    batches = batches[: options.steps or None]
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, len(batches) // 10, len(batches))
    scaler = torch.amp.GradScaler(device, enabled=options.precision == "fp16")
    dtype, started, num_tokens = _DTYPES.get(options.precision), 0.0, 0
    model.train()
    for step, batch in enumerate(batches):
        if step == SKIPPED:
            started = time.perf_counter()
        ids, mask = (encoded[name][batch].to(device) for name in ("input_ids", "attention_mask"))
        with torch.autocast(device, dtype=dtype, enabled=dtype is not None):
            loss = loss_of(model(input_ids=ids, attention_mask=mask).logits.float(), targets[batch].to(device))
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        optimizer.zero_grad()
        loss.item()
        num_tokens += int(mask.sum()) if step >= SKIPPED else 0
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "num_comments": sum(map(len, batches[SKIPPED:])), "num_tokens": num_tokens}


def train_with_trainer(options: argparse.Namespace) -> dict[str, float]:
    """Train with transformers.Trainer and its best settings."""
    from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments
    from transformers.trainer_pt_utils import get_length_grouped_indices

    loaded, times = Loaded.of(options.model, options.data), {}

    class Clock(TrainerCallback):  # type: ignore[misc]  # transformers has no types
        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            times[state.global_step] = time.perf_counter()

    ids = loaded.tokenizer(loaded.texts, truncation=True, max_length=options.max_length)["input_ids"]
    torch.manual_seed(0)
    # What train_sampling_strategy="group_by_length" does in an epoch of many comments: of few, it sorts shorter chunks.
    order = get_length_grouped_indices([len(one) for one in ids], options.batch_size, _BATCHES_PER_CHUNK)
    on_gpu = torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=options.batch_size,
            num_train_epochs=1,
            learning_rate=options.learning_rate,
            weight_decay=0.01,
            max_grad_norm=1.0,
            warmup_steps=0.1,
            optim="adamw_torch_fused",
            train_sampling_strategy="sequential",
            bf16=options.precision == "bf16",
            fp16=options.precision == "fp16",
            torch_compile=options.compile,
            use_cpu=not on_gpu,
            dataloader_num_workers=2 if on_gpu else 0,  # on a CPU they take what training needs
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        loss_of = loaded.loss.to(arguments.device)
        trainer = Trainer(
            model=loaded.model,
            args=arguments,
            train_dataset=[{"input_ids": ids[i], "labels": loaded.targets[i]} for i in order],
            data_collator=DataCollatorWithPadding(loaded.tokenizer),
            compute_loss_func=lambda outputs, labels, num_items_in_batch: loss_of(outputs.logits.float(), labels),
            callbacks=[Clock()],
        )
        trainer.train()
    counted = order[SKIPPED * options.batch_size :]
    seconds, num_tokens = max(times.values()) - times[SKIPPED], sum(len(ids[i]) for i in counted)
    return {"seconds": seconds, "num_comments": len(counted), "num_tokens": num_tokens}


def main() -> None:
    """Train one epoch, or some steps of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("how", choices=("plain", "trainer"))
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--batch-size", required=True, type=int)
    parser.add_argument("--max-length", required=True, type=int)
    parser.add_argument("--learning-rate", default=2e-5, type=float)
    parser.add_argument("--precision", required=True, choices=("bf16", "fp16", "fp32"))
    parser.add_argument("--steps", default=0, type=int, help="of plain; 0: the whole epoch")
    parser.add_argument("--compile", action="store_true", help="torch_compile of Trainer")
    options = parser.parse_args()
    print(json.dumps((train_plainly if options.how == "plain" else train_with_trainer)(options)))


if __name__ == "__main__":
    main()
