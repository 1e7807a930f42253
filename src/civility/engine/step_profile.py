"""Where the time of training steps goes: torch's profiler over a few of them, its operations summed by kind of work."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from civility.storage.atomic_files import make_folder, write_file

_MOST_SKIPPED, _MOST_STEPS = 3, 8
"""The first steps choose kernels and take memory; more steps make the trace large, and say the same."""

_KINDS = {
    "products of linear layers": ("mm", "addmm", "linear"),
    "products of attention": ("bmm", "baddbmm", "_scaled_dot_product"),
    "copies and fills": ("copy_", "fill_", "zero_", "cat", "stack", "clone", "_to_copy", "index", "index_select"),
    "dropout": ("random_", "bernoulli_", "native_dropout", "masked_fill", "lt"),
    "LayerNorm": ("native_layer_norm",),
    "softmax": ("_softmax",),
    "activations": ("gelu", "tanh", "relu", "silu"),
    "embeddings": ("embedding", "gather", "scatter_add"),
    "norm of the gradients": ("linalg_vector_norm", "_foreach_norm"),
}
"""Names of operations, without ``aten::``, ``_`` at the end and what marks a backward pass."""

OPTIMIZER, OTHER, WAITING = "optimizer", "other operations", "outside of operations"


@dataclass(frozen=True)
class StepsProfiled:
    """The mean time of some training steps.

    Parameters
    ----------
    first, last : steps
    seconds : of a step, by the clock
    parts : seconds of a step by kind of work, the largest first; they sum to ``seconds``. On a GPU, `WAITING` is the
        time in which it has nothing to do
    table, trace : the files of the profile
    """

    first: int
    last: int
    seconds: float
    parts: dict[str, float]
    table: Path
    trace: Path


class StepProfiler:
    """Profiles a few steps of an epoch, without its validation; call `before` and `after` with each.

    Parameters
    ----------
    folder : where the profile is written; made if it is missing
    num_steps : that are left of the epoch; at least 1
    device : "cuda" or "cpu"
    """

    def __init__(self, folder: Path, num_steps: int, device: str) -> None:
        self._folder, self._device = folder, device
        self._num_skipped = min(_MOST_SKIPPED, num_steps - 1)
        self._num_steps = min(_MOST_STEPS, num_steps - self._num_skipped)
        self._num_seen = 0
        self._profile: Any = None
        self._started = 0.0
        self.is_done = False

    def before(self) -> None:
        """Begin to profile if the next step is the first one to be profiled."""
        if self._num_seen != self._num_skipped or self._profile is not None:
            return
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else some builds of torch print two lines of their own
        activity = torch.profiler.ProfilerActivity
        activities = [activity.CPU, *([activity.CUDA] if self._device == "cuda" else [])]
        self._profile = torch.profiler.profile(activities=activities)
        self._profile.start()
        self._started = time.perf_counter()

    def after(self, step: int) -> StepsProfiled | None:
        """Count a step; write the profile and return it if this was the last one to be profiled."""
        self._num_seen += 1
        if self._num_seen != self._num_skipped + self._num_steps:
            return None
        if self._device == "cuda":
            torch.cuda.synchronize()
        seconds = (time.perf_counter() - self._started) / self._num_steps
        self._profile.stop()
        self.is_done = True
        make_folder(self._folder)
        trace, table = self._folder / "trace.json.gz", self._folder / "steps.md"
        self._profile.export_chrome_trace(str(trace))
        parts = _parts(self._profile.events(), self._num_steps, seconds, on_gpu=self._device == "cuda")
        found = StepsProfiled(step - self._num_steps + 1, step, seconds, parts, table, trace)
        with write_file(table) as file:
            file.write(_markdown(found))
        return found


def _parts(events: Iterable[Any], num_steps: int, seconds: float, *, on_gpu: bool) -> dict[str, float]:
    """Return the seconds of a step by kind of work, from the events of torch's profiler."""
    parts: dict[str, float] = {}
    for event in events:
        if event.device_type != torch.profiler.DeviceType.CPU:
            continue  # kernels, whose time the operations that started them have too
        own = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        if own:
            kind = _kind(event)
            parts[kind] = parts.get(kind, 0.0) + own / 1e6 / num_steps
    parts[WAITING] = max(0.0, seconds - sum(parts.values()))
    return dict(sorted(parts.items(), key=lambda part: -part[1]))


def _kind(event: Any) -> str:
    if _is_in_optimizer(event):
        return OPTIMIZER
    name = event.name.removeprefix("aten::")
    for kind, names in _KINDS.items():
        if any(name in (one, f"{one}_") or name.startswith(f"{one}_backward") for one in names):
            return kind
        if any(one.startswith("_") and name.startswith(one) for one in names):
            return kind
    return OTHER


def _is_in_optimizer(event: Any) -> bool:
    return any(one.name.startswith("Optimizer.step") for one in _with_ancestors(event))


def _with_ancestors(event: Any) -> Iterator[Any]:
    while event is not None:
        yield event
        event = event.cpu_parent


def _markdown(found: StepsProfiled) -> str:
    lines = [f"Steps {found.first:,} to {found.last:,}: {found.seconds:.4f} s each.", "", "| part | seconds | share |"]
    lines += ["|---|---:|---:|"]
    lines += [f"| {kind} | {part:.4f} | {part / found.seconds:.1%} |" for kind, part in found.parts.items()]
    return "\n".join([*lines, "", f"Open {found.trace.name} in https://ui.perfetto.dev to see every operation.", ""])
