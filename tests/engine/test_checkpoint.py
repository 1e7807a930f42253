"""Checkpoints: state that comes back bit for bit, and folders that are complete if they exist."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from civility.documents.checkpoint_state import Progress
from civility.engine.checkpoint import (
    load_checkpoint,
    load_logits,
    load_weights,
    read_facts,
    save_checkpoint,
    take_snapshot,
    verify_checkpoint,
)
from civility.engine.optimizer import build_adamw
from civility.errors import UserError
from civility.models import model_files as storage
from civility.models.encoder import load_encoder
from civility.storage.atomic_files import explain_os_error

from ..refusals import refused

LABELS = ("toxic", "threat", "insult")
PROGRESS = Progress(epoch=1, num_comments=48, step=17, loss_sum=12.3456789012345678, num_known=459)


def _start(folder: Path, labels: tuple[str, ...] = LABELS) -> tuple[Any, torch.optim.AdamW]:
    model = load_encoder(str(folder), labels, seed=5).model
    return model, build_adamw(model, weight_decay=0.01, betas=(0.9, 0.999), epsilon=1e-8)


def _train(model: Any, optimizer: torch.optim.Optimizer, num_steps: int, seed: int) -> None:
    model.train()
    for group in optimizer.param_groups:
        group["lr"] = 1e-3
    for step in range(num_steps):
        torch.manual_seed(seed + step)
        ids = torch.randint(5, 90, (4, 9))
        model(input_ids=ids).logits.square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


def _weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _state(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value.clone() for index, values in state.items() for name, value in values.items()}


def _equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        first[name].dtype == second[name].dtype and torch.equal(first[name], second[name]) for name in first
    )


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def saved(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the tiny BERT after three steps."""
    model, optimizer = _start(tiny_bert)
    _train(model, optimizer, 3, seed=0)
    folder = tmp_path_factory.mktemp("checkpoints") / "step-000017"
    save_checkpoint(folder, take_snapshot(model, optimizer, None, PROGRESS))
    return folder


def test_weights_optimizer_state_and_place_come_back_bit_for_bit(tiny_bert: Path, tmp_path: Path) -> None:
    model, optimizer = _start(tiny_bert)
    _train(model, optimizer, 3, seed=0)
    weights, state = _weights(model), _state(optimizer)
    save_checkpoint(tmp_path / "step-000003", take_snapshot(model, optimizer, None, PROGRESS))
    assert _equal(_weights(model), weights), "saving changes nothing"
    _train(model, optimizer, 2, seed=50)
    assert not _equal(_weights(model), weights), "the control: training on moves the weights"
    assert not _equal(_state(optimizer), state)
    assert load_checkpoint(tmp_path / "step-000003", model, optimizer, None) == PROGRESS
    assert _equal(_weights(model), weights)
    assert _equal(_state(optimizer), state)


def test_a_new_process_trains_on_as_the_old_one_would_have(tiny_bert: Path, saved: Path) -> None:
    model, optimizer = _start(tiny_bert)
    _train(model, optimizer, 5, seed=0)
    resumed, resumed_optimizer = _start(tiny_bert)
    load_checkpoint(saved, resumed, resumed_optimizer, None)
    _train(resumed, resumed_optimizer, 2, seed=3)
    assert _equal(_weights(resumed), _weights(model))
    assert _equal(_state(resumed_optimizer), _state(optimizer))
    weights_only, fresh_optimizer = _start(tiny_bert)
    load_weights(saved, weights_only)
    _train(weights_only, fresh_optimizer, 2, seed=3)
    assert not _equal(_weights(weights_only), _weights(model)), "the control: the optimizer's state matters"


def test_a_checkpoint_of_an_optimizer_that_has_not_stepped_empties_one_that_has(
    tiny_bert: Path, tmp_path: Path
) -> None:
    model, optimizer = _start(tiny_bert)
    save_checkpoint(tmp_path / "step-000000", take_snapshot(model, optimizer, None, Progress()))
    _train(model, optimizer, 1, seed=0)
    assert _state(optimizer)
    assert load_checkpoint(tmp_path / "step-000000", model, optimizer, None) == Progress()
    assert not _state(optimizer)


FILES = ["SHA256SUMS", "model.safetensors", "optimizer.safetensors", "progress.json"]


def test_a_checkpoint_is_four_files(saved: Path) -> None:
    assert _names(saved) == FILES
    assert json.loads((saved / "progress.json").read_text()) == {
        "schema": 3,
        "progress": {
            "epoch": 1,
            "num_comments": 48,
            "step": 17,
            "loss_sum": 12.3456789012345678,
            "num_known": 459,
        },
        "scaler": None,
        "facts": {},
        "groups": "",
        "counters": [],
        "average": None,
    }


def test_the_sums_are_those_of_sha256sum(saved: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=saved, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.count(": OK") == 3


def test_facts_and_validation_logits_come_back(tiny_bert: Path, tmp_path: Path) -> None:
    model, optimizer = _start(tiny_bert)
    logits = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    facts = {"recipe": {"seed": 3}, "best_score": 0.1 + 0.2}
    snapshot = take_snapshot(model, optimizer, None, PROGRESS, facts=facts, logits=logits)
    save_checkpoint(tmp_path / "step", snapshot)
    verify_checkpoint(tmp_path / "step")
    assert read_facts(tmp_path / "step") == facts
    assert np.array_equal(load_logits(tmp_path / "step"), logits)
    assert "validation.safetensors" in _names(tmp_path / "step")


def test_a_copied_snapshot_is_not_changed_by_training_on(tiny_bert: Path, tmp_path: Path) -> None:
    model, optimizer = _start(tiny_bert)
    _train(model, optimizer, 2, seed=0)
    live = take_snapshot(model, optimizer, None, PROGRESS)
    copied = live.copied()
    weights, state = _weights(model), _state(optimizer)
    _train(model, optimizer, 2, seed=9)
    assert _equal(copied.weights, weights)
    assert _equal(copied.optimizer, state)
    assert not _equal(live.weights, weights), "the control: what is not copied is"


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "step-000017"))


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_flipped_bit_is_found(copy: Path, name: str, share: float) -> None:
    verify_checkpoint(copy)
    _flip(copy / name, int(share * (copy / name).stat().st_size))
    with refused("engine.damaged-checkpoint", r"damaged|SHA256SUMS is missing or cannot be read"):
        verify_checkpoint(copy)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_truncated_file_is_found(copy: Path, name: str, share: float) -> None:
    os.truncate(copy / name, int(share * (copy / name).stat().st_size))
    with refused("engine.damaged-checkpoint"):
        verify_checkpoint(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found_and_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with refused("engine.damaged-checkpoint", f"{name} is missing"):
        verify_checkpoint(copy)


def test_a_foreign_folder_is_not_a_checkpoint(tmp_path: Path) -> None:
    with refused("engine.damaged-checkpoint", "not a checkpoint: SHA256SUMS is missing"):
        verify_checkpoint(tmp_path)
    with refused("engine.damaged-checkpoint", "not a checkpoint"):
        verify_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema": 1}', "damaged: schema 1 is too old"),
        ('{"schema": 4}', "written by a newer civility"),
        ('{"schema": 3}', "not a civility checkpoint: it has no progress, scaler, facts"),
        ("{}", "not a civility checkpoint: it has no schema number"),
        ("[]", "damaged: a list, expected a JSON object"),
        ("{", "damaged: Expecting"),
    ],
)
def test_what_another_program_wrote_is_refused_though_its_sums_are_right(
    copy: Path, content: str, message: str
) -> None:
    (copy / "progress.json").write_text(content)
    lines = []
    for name in FILES[1:]:
        lines.append(f"{hashlib.sha256((copy / name).read_bytes()).hexdigest()}  {name}\n")
    (copy / "SHA256SUMS").write_text("".join(lines))
    with refused("engine.damaged-checkpoint", message):
        verify_checkpoint(copy)


@pytest.mark.parametrize("loss_sum", [0.1 + 0.2, 1e-300, 12345678.000000001])
def test_the_sum_of_losses_loses_no_bit(tiny_bert: Path, tmp_path: Path, loss_sum: float) -> None:
    model, optimizer = _start(tiny_bert)
    save_checkpoint(tmp_path / "step", take_snapshot(model, optimizer, None, Progress(loss_sum=loss_sum)))
    assert load_checkpoint(tmp_path / "step", model, optimizer, None).loss_sum == loss_sum


def test_the_scale_of_mixed_precision_comes_back(tiny_bert: Path, tmp_path: Path) -> None:
    model, optimizer = _start(tiny_bert)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    save_checkpoint(tmp_path / "step", take_snapshot(model, optimizer, scaler, PROGRESS))
    other = torch.amp.GradScaler("cpu", init_scale=2.0)
    assert other.get_scale() == 2.0
    load_checkpoint(tmp_path / "step", model, optimizer, other)
    assert other.state_dict() == scaler.state_dict()


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_a_disk_that_fails_at_any_flush_leaves_no_folder(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    model, optimizer = _start(tiny_bert)
    _train(model, optimizer, 1, seed=0)
    calls: list[int] = []

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) == nth and nth < 5:  # the last is of the folder itself, where a failure is tolerated
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    folder = tmp_path / "step-000001"
    if nth == 5:
        save_checkpoint(folder, take_snapshot(model, optimizer, None, PROGRESS))
        assert _names(tmp_path) == ["step-000001"], "the control: without a failure it is there"
        return
    with pytest.raises(UserError) as caught:
        save_checkpoint(folder, take_snapshot(model, optimizer, None, PROGRESS))
    assert caught.value.message == f"{folder}: cannot write: no space left on the disk"
    assert caught.value.remedy == "free some space, or write elsewhere"
    assert _names(tmp_path) == []


@pytest.mark.parametrize("failing", ["model.safetensors", "optimizer.safetensors"])
def test_a_disk_that_is_full_while_tensors_are_written_leaves_no_folder(
    tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    model, optimizer = _start(tiny_bert)
    _train(model, optimizer, 1, seed=0)

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        save_file(tensors, path)
        if path.name == failing:  # as safetensors 0.8 words it: a Rust error, no OSError
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("civility.models.model_files.save_file", full)
    with pytest.raises(UserError, match="cannot write: no space left on the disk"):
        save_checkpoint(tmp_path / "step-000001", take_snapshot(model, optimizer, None, PROGRESS))
    assert _names(tmp_path) == []


def test_what_safetensors_raises_carries_the_number_of_the_error(tmp_path: Path) -> None:
    path = tmp_path / "no" / "such" / "folder.safetensors"
    with pytest.raises(UserError, match="cannot write: the folder does not exist"), explain_os_error(path):
        storage.save_tensors({"weight": torch.zeros(3)}, path)


def test_an_exception_while_writing_leaves_no_folder_and_hinders_no_second_try(tiny_bert: Path, tmp_path: Path) -> None:
    model, optimizer = _start(tiny_bert)
    snapshot = take_snapshot(model, optimizer, None, PROGRESS)
    # Found when the tensors are already written.
    unwritable = replace(snapshot, state=snapshot.state.model_copy(update={"facts": {"it": object()}}))
    with pytest.raises(TypeError):
        save_checkpoint(tmp_path / "step-000001", unwritable)
    assert _names(tmp_path) == []
    save_checkpoint(tmp_path / "step-000001", snapshot)
    assert _names(tmp_path) == ["step-000001"]


def test_a_checkpoint_of_another_architecture_is_refused(still_deberta: Path, saved: Path) -> None:
    model, optimizer = _start(still_deberta)
    before = _weights(model)
    with refused("engine.other-model", r"step-000017: belongs to another model: \d+ tensors are missing, \d+ are"):
        load_checkpoint(saved, model, optimizer, None)
    assert _equal(_weights(model), before), "nothing was loaded halfway"


def test_a_checkpoint_of_another_label_axis_is_refused(tiny_bert: Path, saved: Path) -> None:
    model, optimizer = _start(tiny_bert, (*LABELS, "obscene"))
    before = _weights(model)
    with refused("engine.other-model") as caught:
        load_checkpoint(saved, model, optimizer, None)
    assert caught.value.message == (
        f"{saved}: belongs to another model: 0 tensors are missing, 0 are unknown, 2 have another shape"
    )
    assert _equal(_weights(model), before)


class _Tied(torch.nn.Module):
    def __init__(self, fill: float) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(3, 3)
        self.outer = torch.nn.Linear(3, 3)
        self.outer.weight = self.inner.weight
        self.register_buffer("nothing", torch.zeros(0))
        self.register_buffer("nothing_more", torch.zeros(0))
        torch.nn.init.constant_(self.inner.weight, fill)


def test_tied_weights_are_stored_once_and_stay_tied(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model, other = _Tied(2.0), _Tied(7.0)
    optimizers = [build_adamw(one, weight_decay=0, betas=(0.9, 0.999), epsilon=1e-8) for one in (model, other)]
    save_checkpoint(tmp_path / "step", take_snapshot(model, optimizers[0], None, PROGRESS))
    stored = load_file(tmp_path / "step" / "model.safetensors")
    assert {name for name in stored if name.endswith("weight")} == {"inner.weight"}
    load_checkpoint(tmp_path / "step", other, optimizers[1], None)
    assert _equal(_weights(other), _weights(model))
    assert other.outer.weight is other.inner.weight


def test_a_tensor_that_is_not_contiguous_comes_back(tmp_path: Path) -> None:
    model, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    model.weight = torch.nn.Parameter(torch.arange(6.0).reshape(3, 2).T)
    optimizer = build_adamw(model, weight_decay=0, betas=(0.9, 0.999), epsilon=1e-8)
    save_checkpoint(tmp_path / "step", take_snapshot(model, optimizer, None, PROGRESS))
    assert not torch.equal(other.weight, model.weight)
    load_weights(tmp_path / "step", other)
    assert torch.equal(other.weight, model.weight)


def test_a_checkpoint_may_be_moved(tiny_bert: Path, saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "elsewhere")
    model, optimizer = _start(tiny_bert)
    assert load_checkpoint(tmp_path / "elsewhere", model, optimizer, None) == PROGRESS
