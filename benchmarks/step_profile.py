"""Where the time of a training step goes, by kind of work: civility's, and transformers' own way for comparison.

    python benchmarks/step_profile.py [--model mdeberta|minilm] [--batches 4] [--json FILE]

The same comments and models as train_speed.py. torch's profiler gives the time that each operation takes by itself, on
the CPU or on the GPU; here they are summed by kind.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from contest import machine, markdown_table, write_json
from contestants import PARTS, Task, civility_trainer, take_steps
from torch.profiler import ProfilerActivity, profile
from train_speed import contest_of

KINDS = {
    "products of linear layers": ("aten::mm", "aten::addmm", "aten::addmm_", "aten::linear"),
    "products of attention": ("aten::bmm", "aten::baddbmm", "aten::baddbmm_"),
    "picking by distance": ("aten::gather", "aten::scatter_add", "aten::scatter_add_", "aten::index_select"),
    "drawing what is dropped": ("aten::random_", "aten::bernoulli_", "aten::native_dropout"),
    "optimizer": ("aten::_fused_adamw_",),
    "norm of gradients": ("aten::linalg_vector_norm", "aten::_foreach_norm"),
    "gradient of the embedding": ("aten::embedding_dense_backward",),
    "copies and fills": ("aten::copy_", "aten::fill_", "aten::zero_", "aten::cat"),
}
REST = "element by element, softmax, norms"


_SETTLED = {
    "contestants": [],
    "device": "auto",
    "precision": "auto",
    "plain_steps": 1,
    "rows_in_use": 45_000,
    "shrink": 1,
}
"""Options of train_speed.py that are not asked for here."""


def shares(task: Task, changes: Mapping[str, object], num_steps: int) -> dict[str, float]:
    """Return the seconds a step of each kind of work, and of all together."""
    trainer = civility_trainer(task.model, task.data, {"training.batch_size": task.batch_size, **changes})
    take_steps(trainer, 1)  # the first one takes memory and chooses kernels
    on_gpu = task.device == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as found:
        take_steps(trainer, num_steps)
    kind_of = {name: kind for kind, names in KINDS.items() for name in names}
    seconds = dict.fromkeys([*KINDS, REST], 0.0)
    for event in found.key_averages():
        own = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        seconds[kind_of.get(event.key, REST)] += own / 1e6 / num_steps
    return {**seconds, "all": sum(seconds.values())}


def main() -> None:
    """Profile both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("mdeberta", "minilm"), default="mdeberta")
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(namespace=argparse.Namespace(**_SETTLED))
    slow = {key: value for changes in PARTS.values() for key, value in changes.items()}
    del slow["training.group_by_length"]  # the same batches in both
    with tempfile.TemporaryDirectory() as folder:
        task = contest_of(options.model, Path(folder), options).task
        found = {}
        for name, changes in (("civility", {}), ("transformers' own", slow)):
            print(f"profiling {name}", file=sys.stderr, flush=True)
            found[name] = shares(task, changes, options.batches)
    facts = machine(task.device, task.precision)
    print(", ".join(f"{key} {value}" for key, value in facts.items()) + "\n")
    rows = [
        [kind, *(f"{one[kind]:.2f} ({one[kind] / one['all']:.0%})" for one in found.values())]
        for kind in found["civility"]
    ]
    print(markdown_table([f"{options.model}, seconds a step of {task.batch_size} comments", *found], rows))
    write_json(options.json, {**facts, "seconds": found})


if __name__ == "__main__":
    torch.set_float32_matmul_precision("highest")
    main()
