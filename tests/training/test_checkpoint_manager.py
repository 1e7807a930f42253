"""Keeping checkpoints on a disk that fails: whatever happens while one is written, the run can be resumed."""

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from civility.documents.checkpoint_state import Progress
from civility.engine.checkpoint import load_checkpoint, take_snapshot, verify_checkpoint
from civility.engine.progress import StepDone
from civility.engine.validation import EarlyStopping
from civility.engine.watch import LossWatch, Warned
from civility.errors import UserError
from civility.run import RunDirectory
from civility.run.log import LineLog
from civility.training.build import Job, RunParts, build_run
from civility.training.checkpoint_manager import CheckpointManager
from civility.training.events import EpochJudged, Event
from civility.training.resume import find_starting_point
from civility.training.session import Session

from ..conftest import differing, files_up_to
from ..refusals import refused
from .conftest import Small

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


SHARING = {"training.batch_size": 8, "training.gradient_accumulation": 2}
DATA = dict.fromkeys(("training", "validation", "tokens", "validation_tokens", "model", "embedding"), "sha256:0")
FACTS: dict[str, Any] = {"recipe": SHARING, "data": DATA, "circumstances": {}, "global_size": 16}


class Faults:
    """Calls to the file system that concern a checkpoint, counted; one of them may fail or kill the process.

    An audit hook cannot be taken away again, so there is one for all tests, which does nothing unless it is armed.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.at = 0
        self.act: Callable[[], None] = lambda: None
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.at and event.startswith(("open", "os.", "shutil.")) and "step-" in str(arguments[0]):
            self.seen += 1
            if self.seen == self.at:
                self.act()

    @contextmanager
    def armed(self, at: int, act: Callable[[], None]) -> Iterator[None]:
        """Let the call with the 1-based number ``at`` end in ``act`` while the block runs."""
        self.seen, self.at, self.act = 0, at, act
        try:
            yield
        finally:
            self.at = 0


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults()


@pytest.fixture(scope="module")
def parts(small: Small, tmp_path_factory: pytest.TempPathFactory) -> RunParts:
    """A model and an optimizer that have trained for three steps, not on disk."""
    recipe = small.recipe()
    run = RunDirectory(tmp_path_factory.mktemp("session"))
    built = build_run(Job(recipe, small.prepare(recipe), run))
    for number, _ in enumerate(built.trainer.run(lambda: Session(built).validate(lambda: False)), start=1):
        if number == 3:
            return built
    raise AssertionError("it has five steps an epoch")


class Place:
    """A run directory with the checkpoints of steps 1, 2 (the best) and 3, about to get that of step 4."""

    def __init__(self, parts: RunParts, path: Path) -> None:
        self.run = RunDirectory(path)
        self.run.create()
        self.run.make_folders()
        self.troubles: list[UserError] = []
        self.saved: list[int] = []
        self.left: list[UserError] = []
        self.trainer = parts.trainer
        self.checkpoints = CheckpointManager(
            *(self.run, self.trainer, EarlyStopping(2), LossWatch(10, 1), FACTS),
            minutes=0,
            steps=1,
            metrics=LineLog(self.run.metrics),
            on_saved=lambda step, seconds: self.saved.append(step),
            on_trouble=self.troubles.append,
            on_left=self.left.append,
            best_step=2,
        )
        self.save(2)
        self.save(3)

    def save(self, step: int) -> bool:
        self.trainer.progress = Progress(0, 16 * step, step)
        return self.checkpoints.save(np.zeros((8, 6), dtype=np.float32))

    def start(self) -> str:
        """Return where a run that begins now would go on."""
        folder = find_starting_point(self.run, FACTS).folder
        assert folder is not None
        return folder.name


def fails(number: int) -> Callable[[], None]:
    def act() -> None:
        raise OSError(number, os.strerror(number))

    return act


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_an_error_at_any_write_of_a_save_is_reported_and_costs_no_checkpoint(
    parts: RunParts, faults: Faults, tmp_path: Path, number: int
) -> None:
    at = 0
    while True:
        at += 1
        place = Place(parts, tmp_path / str(at))
        with faults.armed(at, fails(number)):
            saved = place.save(4)
        if faults.seen < at:
            break  # the save has no such call: all were tried
        assert saved or place.troubles, "the trouble was not reported"
        assert len(place.troubles) + len(place.left) <= 1
        assert place.start() in ("step-000003", "step-000004")
        assert not saved or place.start() == "step-000004"
        # The disk is well again: the next save is as any other.
        assert place.save(5)
        assert place.start() == "step-000005"
        shutil.rmtree(tmp_path / str(at))
    assert at > 10, "a save makes many calls"
    assert saved
    assert place.start() == "step-000004", "the control: without a fault it is there"


def test_a_kill_at_any_write_of_a_save_costs_no_checkpoint(parts: RunParts, faults: Faults, tmp_path: Path) -> None:
    at, killed, starts = 0, True, set()
    while killed:
        at += 1
        place = Place(parts, tmp_path / str(at))
        child = os.fork()
        if not child:
            with faults.armed(at, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                place.save(4)
            os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        starts.add(place.start())
        place.run.remove_leftovers()
        assert place.save(5)
        assert place.start() == "step-000005"
        shutil.rmtree(tmp_path / str(at))
    assert at > 10
    assert starts == {"step-000003", "step-000004"}


@pytest.mark.parametrize("size", [0, 100, 1_000, 20_000, 60_000, 100_000, 150_000])
def test_a_disk_that_fills_up_in_the_middle_of_a_file_costs_no_checkpoint(
    parts: RunParts, tmp_path: Path, size: int
) -> None:
    place = Place(parts, tmp_path / "run")
    largest = max(path.stat().st_size for path in place.run.checkpoints.rglob("*") if path.is_file())
    assert size < largest
    with files_up_to(size):
        assert not place.save(4)
    assert "cannot write: the file is larger than is allowed here" in place.troubles[0].message
    assert place.start() == "step-000003"
    assert not list(place.run.checkpoints.glob(".*")), "nothing half-written is left"
    assert place.save(5)
    assert place.start() == "step-000005"


def test_a_run_goes_on_when_the_disk_is_full_and_keeps_its_best_epoch(
    small: Small, whole: Path, tmp_path: Path
) -> None:
    emitted: list[Event] = []
    limit: list[Any] = []

    def listen(event: Event) -> None:
        emitted.append(event)
        # Full from before the first epoch is saved until after the second was: neither finds a place.
        if isinstance(event, StepDone) and event.step == 5:
            limit.append(files_up_to(60_000))
            limit[0].__enter__()
        if isinstance(event, EpochJudged) and event.epoch.epoch == 2:
            limit[0].__exit__(None, None, None)

    out = small.train(tmp_path / "run", listen=listen).path
    warnings = [event.text for event in emitted if isinstance(event, Warned)]
    assert len(warnings) == 2, warnings
    assert all(text.startswith("no checkpoint was written, and training continues: ") for text in warnings)
    other = [name for name in differing(whole, out) if not name.startswith("checkpoints/")]
    assert other == [], "log, report and classifier are those of a run with room enough"


def test_a_run_whose_disk_stays_full_ends_with_a_word_and_is_resumed(small: Small, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    limit: list[Any] = []

    def listen(event: Event) -> None:
        if isinstance(event, StepDone) and event.step == 4:
            limit.append(files_up_to(60_000))
            limit[0].__enter__()

    try:
        with pytest.raises(UserError, match="cannot write"):
            small.train(out, listen=listen)
    finally:
        limit[0].__exit__(None, None, None)
    assert not (out / "classifier").exists()
    small.train(out, begin="resume")
    assert differing(whole, out) == []


def test_a_checkpoint_is_made_by_steps_or_by_time_and_not_at_the_end_of_an_epoch(
    parts: RunParts, tmp_path: Path
) -> None:
    place = Place(parts, tmp_path / "run")
    manager = place.checkpoints

    def made_at(num_comments: int, step: int) -> bool:
        parts.trainer.progress = Progress(0, num_comments, step)
        before = len(place.saved)
        manager.after_step()
        manager.settle()
        return len(place.saved) > before

    manager.steps, manager.minutes = 3, 0
    assert not made_at(64, 4)
    assert made_at(66, 6)
    manager.steps = 1
    assert not made_at(len(parts.trainer.data.tokens), 7)
    manager.steps = 0
    assert not made_at(64, 8)
    manager.minutes = 1e-9
    assert made_at(64, 9)
    assert place.start() == "step-000009"


def test_a_checkpoint_written_beside_training_is_of_the_moment_it_was_asked_for(
    parts: RunParts, tmp_path: Path
) -> None:
    place = Place(parts, tmp_path / "run")
    trainer, manager = parts.trainer, place.checkpoints
    manager.steps, manager.minutes = 0, 1e-9
    trainer.progress = Progress(0, 64, 4)
    kept = take_snapshot(trainer.model, trainer.optimizer, None, trainer.progress).copied()
    manager.after_step()
    with torch.no_grad():  # training goes on while it is being written
        for parameter in trainer.model.parameters():
            parameter.add_(1.0)
    manager.settle()
    assert place.saved[-1] == 4
    folder = place.run.checkpoint(4)
    verify_checkpoint(folder)
    moved = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    assert load_checkpoint(folder, trainer.model, trainer.optimizer, None) == Progress(0, 64, 4)
    now = trainer.model.state_dict()
    assert all(torch.equal(now[name], tensor) for name, tensor in kept.weights.items())
    parameters = dict(trainer.model.named_parameters())
    assert not any(torch.equal(now[name], moved[name]) for name in parameters)


def test_a_full_disk_is_reported_of_a_checkpoint_written_beside_training_too(parts: RunParts, tmp_path: Path) -> None:
    place = Place(parts, tmp_path / "run")
    place.checkpoints.steps, place.checkpoints.minutes = 0, 1e-9
    parts.trainer.progress = Progress(0, 64, 4)
    with files_up_to(60_000):
        place.checkpoints.after_step()
        place.checkpoints.settle()
    assert "cannot write" in place.troubles[0].message
    assert place.start() == "step-000003"
    parts.trainer.progress = Progress(0, 66, 5)
    place.checkpoints.after_step()
    assert len(place.troubles) == 1, "not before a minute has passed"
    assert place.start() == "step-000003"


def test_a_best_epoch_that_fits_neither_on_the_disk_nor_into_memory_ends_the_run(
    parts: RunParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(parts, tmp_path / "run")
    parts.trainer.progress = Progress(1, 0, 4)
    logits = np.zeros((8, 6), dtype=np.float32)

    def full(*arguments: Any) -> torch.Tensor:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    with files_up_to(60_000):
        assert not place.checkpoints.save_epoch(True, logits), "the control: a full disk alone does not end it"
        monkeypatch.setattr(torch, "clone", full)
        with refused("training.best-epoch-lost", "fits neither on the disk nor into memory"):
            place.checkpoints.save_epoch(True, logits)


def test_a_checkpoint_that_cannot_be_removed_costs_a_word_only(
    parts: RunParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(parts, tmp_path / "run")
    place.save(4)
    rename = Path.rename

    def busy(path: Path, target: Path) -> Path:
        if path.name == "step-000003":
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", busy)
    assert place.save(5)
    assert place.start() == "step-000005"
    assert "step-000003: cannot write: Device or resource busy" in place.left[0].message
    assert not place.troubles


def test_what_a_kept_checkpoint_goes_back_to_is_kept(parts: RunParts, tmp_path: Path) -> None:
    place = Place(parts, tmp_path / "run")
    place.save(4)
    place.checkpoints.best_step = 5  # a new best epoch, whose checkpoint may yet turn out to be damaged
    place.save(5)
    assert [folder.name for folder in place.run.checkpoint_folders()] == ["step-000002", "step-000004", "step-000005"]
    weights = place.run.checkpoint(5) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert place.start() == "step-000004"


def test_the_last_two_and_the_best_are_kept(parts: RunParts, tmp_path: Path) -> None:
    place = Place(parts, tmp_path / "run")
    for step in (4, 5, 6):
        place.save(step)
    assert [folder.name for folder in place.run.checkpoint_folders()] == ["step-000002", "step-000005", "step-000006"]
