"""StepProfiler: where the time of a few steps goes."""

import gzip
import json
from pathlib import Path

import pytest
import torch

from civility.engine.step_profile import OPTIMIZER, StepProfiler, StepsProfiled


def _train(profiler: StepProfiler, num_steps: int) -> list[StepsProfiled]:
    model = torch.nn.Linear(64, 64)
    optimizer: torch.optim.Optimizer = torch.optim.Muon([model.weight], lr=0.1)
    found = []
    for step in range(1, num_steps + 1):
        profiler.before()
        torch.bmm(*[model(torch.ones(4, 64, 64))] * 2).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        done = profiler.after(step)
        found += [] if done is None else [done]
    return found


@pytest.mark.parametrize(("num_left", "first", "last"), [(100, 4, 11), (11, 4, 11), (5, 4, 5), (2, 2, 2), (1, 1, 1)])
def test_a_few_steps_of_the_epoch_are_profiled_after_the_first_ones(
    tmp_path: Path, num_left: int, first: int, last: int
) -> None:
    profiler = StepProfiler(tmp_path / "profile", num_left, "cpu")
    (found,) = _train(profiler, min(num_left, 12))
    assert (found.first, found.last, profiler.is_done) == (first, last, True)


def test_the_parts_add_up_and_the_products_of_the_optimizer_are_its_own(tmp_path: Path) -> None:
    (found,) = _train(StepProfiler(tmp_path, 20, "cpu"), 12)
    assert sum(found.parts.values()) == pytest.approx(found.seconds)
    assert list(found.parts.values()) == sorted(found.parts.values(), reverse=True)
    # Five iterations of Newton and Schulz, three products each, of which none is among those of the layer.
    events = json.loads(gzip.decompress(found.trace.read_bytes()))["traceEvents"]
    num_products = sum(event.get("name") in ("aten::mm", "aten::addmm") for event in events)
    assert num_products >= 8 * 15, "the control: the trace has the optimizer's products"
    assert found.parts[OPTIMIZER] > found.parts["products of linear layers"]
    assert found.parts["products of attention"] > 0
    table = found.table.read_text(encoding="utf-8")
    assert table.startswith("Steps 4 to 11: ")
    assert all(f"| {kind} |" in table for kind in found.parts)
