"""What checkpoints cost: how long training waits for one, at mDeBERTa-v3-base's true size, and what it writes.

    python benchmarks/checkpoint_cost.py [--out DIR] [--repeat 3] [--json FILE]

The model has random weights (see true_size.py), and an AdamW whose moments are filled. Every five minutes is what a
recipe sets by default (`training.checkpoint_minutes`); such a checkpoint is written beside training,
which waits for the copy alone. The one after an epoch is waited for.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch
from transformers import DebertaV2Config, DebertaV2ForSequenceClassification
from true_size import CONFIG  # found beside the script

from civility.documents.checkpoint_state import Progress
from civility.engine.checkpoint import save_checkpoint, take_snapshot, verify_checkpoint
from civility.engine.optimizer import build_adamw

_SECONDS_BETWEEN = 300


def main() -> None:
    """Time the copy, the whole of a save, and its verification."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="the disk to write to; default: a temporary folder")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = DebertaV2ForSequenceClassification(DebertaV2Config(**CONFIG, num_labels=6))
    optimizer = build_adamw(model, weight_decay=0.01, betas=(0.9, 0.999), epsilon=1e-8)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 1e-3)
    optimizer.step()
    optimizer.zero_grad()
    times: dict[str, list[float]] = {"copy": [], "save": [], "verify": []}
    with tempfile.TemporaryDirectory(dir=options.out) as name:
        for number in range(options.repeat):
            folder = Path(name) / f"step-{number:06d}"
            started = time.perf_counter()
            snapshot = take_snapshot(model, optimizer, None, Progress()).copied()
            times["copy"].append(time.perf_counter() - started)
            started = time.perf_counter()
            save_checkpoint(folder, snapshot)
            times["save"].append(time.perf_counter() - started)
            started = time.perf_counter()
            verify_checkpoint(folder)
            times["verify"].append(time.perf_counter() - started)
            size = sum(path.stat().st_size for path in folder.iterdir())
            for path in folder.iterdir():
                path.unlink()
    result = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "gib": size / 2**30,
        **{f"{name}_seconds": statistics.median(values) for name, values in times.items()},
    }
    result["waited_share"] = result["copy_seconds"] / _SECONDS_BETWEEN
    result["save_share"] = result["save_seconds"] / _SECONDS_BETWEEN
    for key, value in result.items():
        print(f"{key:<16} {value:,.4g}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
