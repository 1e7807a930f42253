"""`--fit`: the same step in micro-batches that fit, emitted and written down; and the number of threads of a run."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from civility.engine.hardware import Memory
from civility.engine.progress import StepDone
from civility.engine.watch import Warned
from civility.errors import UserError
from civility.recipe.settings import RegularizationSettings
from civility.run import RunDirectory
from civility.training.build import Job, RunParts, build_run
from civility.training.device_batch import _estimated_peaks, fit_to_memory
from civility.training.events import Event, RunPlanned

from ..conftest import differing
from ..refusals import refused
from .conftest import Small

MIB = 2**20


@pytest.fixture
def parts(small: Small, tmp_path: Path) -> RunParts:
    """A run with steps of 16 comments, asked for in micro-batches of 16."""
    recipe = small.recipe(training__batch_size=16, training__gradient_accumulation=1, training__checkpoint_minutes=0.0)
    run = RunDirectory(tmp_path / "run")
    return build_run(Job(recipe, small.prepare(recipe), run))


def fitted(parts: RunParts, num_bytes: float) -> tuple[int, int, str, str]:
    """Return micro-batch, accumulation, and both tellings of what fits into a memory."""
    size = int(num_bytes)
    recipe, words, check = fit_to_memory(parts.recipe, parts.trainer, Memory(size, size))
    training = recipe.training
    assert parts.trainer.shape.batch_size == training.batch_size
    assert parts.trainer.shape.global_size == training.batch_size * training.gradient_accumulation == 16
    assert not training.fit
    assert check.name == "memory"
    return training.batch_size, training.gradient_accumulation, words, check.found


def reserved(parts: RunParts) -> float:
    num_parameters: int = sum(parameter.numel() for parameter in parts.trainer.model.parameters())
    return 12.0 * num_parameters


def test_the_micro_batch_shrinks_with_the_memory_and_the_step_stays(parts: RunParts) -> None:
    ample = fitted(parts, 1e9)
    assert ample[:3] == (16, 1, "16 at once (estimated)")
    shared = {}
    for power in range(16):
        try:
            size, accumulation, words, found = fitted(parts, (reserved(parts) + 0.1 * MIB * 1.5**power) / 0.9)
        except UserError:
            continue
        shared[size] = accumulation
        if size < 16:
            assert words == f"{size} at once, since {2 * size} do not fit (estimated)"
            assert found.startswith(f"a micro-batch of {size} is estimated to take ")
            assert found.endswith(f"; {accumulation} to a step on each process")
    assert shared == {1: 16, 2: 8, 4: 4, 8: 2, 16: 1}


def test_no_room_for_a_single_comment_is_an_error(parts: RunParts) -> None:
    for size, message in (
        (reserved(parts) / 0.9 + 1000, "the memory is too small to train on a single comment: with up to 24 tokens it"),
        (reserved(parts) / 2, "the memory is too small for weights and optimizer: "),
    ):
        with refused("training.too-little-memory") as caught:
            fitted(parts, size)
        assert caught.value.message.startswith(message)
        for way in ("training.gradient_checkpointing", "training.freeze_layers", "data.max_length", "--model"):
            assert way in caught.value.remedy
    with refused("training.unknown-memory", "does not report how much memory"):
        fit_to_memory(parts.recipe, parts.trainer, None)


def test_less_is_chosen_where_more_is_kept(parts: RunParts) -> None:
    enough = (reserved(parts) + 0.5 * MIB) / 0.9
    plain = fitted(parts, enough)[0]
    assert 1 < plain < 16
    parts.recipe = parts.recipe.model_copy(update={"regularization": RegularizationSettings(r_drop=1.0)})
    parts.recipe = parts.recipe.with_batch(16, 1)
    assert fitted(parts, enough)[0] == plain // 2, "two passes are kept at once"
    checkpointed = parts.recipe.training.model_copy(update={"gradient_checkpointing": True})
    parts.recipe = parts.recipe.model_copy(update={"training": checkpointed})
    assert fitted(parts, enough)[0] > plain // 2


def test_a_micro_batch_never_takes_less_than_the_largest_gradient(parts: RunParts) -> None:
    largest = max(parameter.numel() for parameter in parts.trainer.model.parameters())
    found = fitted(parts, 1e9)
    trainer = parts.trainer
    assert _estimated_peaks(parts.recipe, trainer, [torch.nn.Parameter(torch.zeros(10**7))])(1) == 4e7
    assert 4 * largest < 4e7, "the control"
    assert found[0] == 16


def test_a_cpu_gets_no_larger_micro_batch_than_it_was_asked_for(parts: RunParts) -> None:
    parts.recipe = parts.recipe.with_batch(4, 4)
    assert fitted(parts, 1e9)[:2] == (4, 4)


def test_fitting_draws_nothing_and_leaves_the_model_as_it_was(parts: RunParts) -> None:
    model, draws = parts.trainer.model, torch.get_rng_state()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    mode = model.training
    fitted(parts, 1e9)
    assert torch.equal(torch.get_rng_state(), draws)
    assert model.training == mode
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not parts.trainer.optimizer.state


def test_a_run_that_fits_as_it_is_asked_for_is_the_same_run(small: Small, whole: Path, tmp_path: Path) -> None:
    emitted: list[Event] = []
    out = small.train(tmp_path / "run", listen=emitted.append, training__fit=True).path
    assert differing(whole, out) == [], "its recipe too: it can be repeated without --fit"
    assert tomllib.loads((out / "recipe.toml").read_text())["training"]["fit"] is False
    (plan,) = [event for event in emitted if isinstance(event, RunPlanned)]
    assert plan.fitted == "8 at once (estimated)"
    checks = json.loads((out / "environment.json").read_text())["checks"]
    (memory,) = [check["facts"] for check in checks if check["name"] == "memory"]
    assert (memory["batch_size"], memory["is_estimated"]) == (8, True)
    other = small.train(tmp_path / "other", training__batch_size=4, training__gradient_accumulation=4).path
    assert "classifier/model.safetensors" in differing(whole, other), "the control: another sharing is seen"


def test_a_run_that_is_resumed_keeps_its_sharing(small: Small, whole: Path, tmp_path: Path) -> None:
    out, emitted = tmp_path / "run", list[Event]()
    small.interrupt(out, lambda event: isinstance(event, StepDone) and event.step == 3)
    asked = {"training__batch_size": 16, "training__gradient_accumulation": 1, "training__fit": True}
    small.train(out, begin="resume", listen=emitted.append, **asked)
    assert differing(whole, out) == []
    assert not [event for event in emitted if isinstance(event, Warned)]
    (plan,) = [event for event in emitted if isinstance(event, RunPlanned)]
    assert plan.fitted == "as before: a resumed run keeps its micro-batch"


@pytest.fixture
def free_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away what the tests say of threads, and put it back."""
    before = torch.get_num_threads()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    yield
    torch.set_num_threads(before)


def threads_of(run: Path) -> Any:
    environment = json.loads((run / "environment.json").read_text())
    return [life["threads"] for life in (environment, *environment.get("resumed", ()))]


def test_a_run_that_is_resumed_keeps_its_threads(small: Small, whole: Path, tmp_path: Path, free_threads: None) -> None:
    out, emitted = tmp_path / "run", list[Event]()
    small.interrupt(out, lambda event: isinstance(event, StepDone) and event.step == 3, training__threads=1)
    small.train(out, begin="resume", listen=emitted.append)
    assert torch.get_num_threads() == 1
    first, second = threads_of(out)
    assert (first["num"], first["why"]) == (1, "recipe")
    assert (second["num"], second["why"]) == (1, "resumed")
    assert not [event for event in emitted if isinstance(event, Warned)]
    assert [name for name in differing(whole, out) if name.endswith(("model.safetensors", "metrics.jsonl"))] == []


def test_the_tests_number_of_threads_is_obeyed_and_reported(whole: Path) -> None:
    (threads,) = threads_of(whole)
    assert (threads["num"], threads["why"], threads["text"]) == (1, "variable", "OMP_NUM_THREADS")
    assert (threads["is_busy"], threads["is_fixed"]) == (False, True)
