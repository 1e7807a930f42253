"""Several gloo processes against one with the same global batch, and what becomes of all when one of them fails."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from safetensors.torch import load_file

from ..conftest import comment_rows
from ..served import Served

pytestmark = pytest.mark.processes
_RANKS = Path(__file__).resolve().parent.parent / "ranks.py"


def command(num_processes: int, data: Path, model: Path, out: Path, *more: str, **training: object) -> list[str]:
    settings = {
        "data.max_length": 24,
        "training.epochs": 2,
        "training.learning_rate": 2e-4,
        "training.precision": "fp32",
        "training.device": "cpu",
        "training.log_every": 1,
        **{f"training.{key}": value for key, value in training.items()},
    }
    launcher = [sys.executable, "-m"]
    if num_processes > 1:
        launcher += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(num_processes), "-m"]
    words = [*launcher, "civility", "train", "baseline", "--data", str(data), "--validation", str(data)]
    words += ["--model", str(model), "--out", str(out), *more]
    for key, value in settings.items():
        words += ["--set", f"{key}={json.dumps(value)}"]
    return words


class Training(Protocol):
    """Trains on a number of processes, and returns the run."""

    def __call__(
        self, num_processes: int, data: Path, model: Path, out: Path, *more: str, **training: object
    ) -> Path: ...


@pytest.fixture(scope="module")
def run_training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Training]:
    ranks, log = Served(_RANKS), tmp_path_factory.mktemp("ranks") / "log.txt"

    def run(num_processes: int, data: Path, model: Path, out: Path, *more: str, **training: object) -> Path:
        words = command(num_processes, data, model, out, *more, **training)
        arguments = words[words.index("civility") + 1 :]
        answer = ranks.ask({"num": num_processes, "arguments": arguments, "log": str(log)})
        assert answer["code"] == 0, log.read_text(encoding="utf-8")[-6000:]
        return out

    yield run
    ranks.close()


def last_weights(run: Path) -> Path:
    return sorted(run.glob("checkpoints/step-*"))[-1] / "model.safetensors"


def difference(some: Path, other: Path) -> float:
    first, second = load_file(last_weights(some)), load_file(last_weights(other))
    return max((first[name] - second[name]).abs().max().item() for name in first)


def epochs(run: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "epoch"]


def with_unknown(path: Path) -> Path:
    """Blank every seventh target: the mean must be over the targets that all processes know together."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for i in range(1, len(lines)):
        cells = lines[i].split(",")
        cells = [cell if (i + k) % 7 or k < 2 else "" for k, cell in enumerate(cells)]
        lines[i] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# 75 comments in global batches of 12: the last step has 3, which leave a process without one, or with one each.
@pytest.fixture(scope="module")
def one(run_training: Training, still_deberta: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The data, and the run of a single process."""
    folder = tmp_path_factory.mktemp("one")
    data = folder / "comments.csv"
    rows = comment_rows(75)
    with data.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with_unknown(data)
    return data, run_training(1, data, still_deberta, folder / "run", batch_size=12)


@pytest.mark.parametrize(("num_processes", "batch_size", "accumulation"), [(2, 3, 2), (3, 2, 2)])
def test_several_processes_train_as_one_with_the_same_global_batch(
    *,
    run_training: Training,
    one: tuple[Path, Path],
    still_deberta: Path,
    tmp_path: Path,
    num_processes: int,
    batch_size: int,
    accumulation: int,
) -> None:
    data, single = one
    out = tmp_path / "several"
    sharing = {"batch_size": batch_size, "gradient_accumulation": accumulation}
    several = run_training(num_processes, data, still_deberta, out, **sharing)
    assert difference(several, single) < 1e-5
    for ours, theirs in zip(epochs(several), epochs(single), strict=True):
        assert ours["training_loss"] == pytest.approx(theirs["training_loss"], abs=1e-5)
        assert ours["validation"]["macro_roc_auc"] == pytest.approx(  # type: ignore[index]
            theirs["validation"]["macro_roc_auc"],  # type: ignore[index]
            abs=1e-3,  # two nearly equal scores may change places
        )


def test_several_processes_regularize_as_one(
    run_training: Training, one: tuple[Path, Path], still_deberta: Path, tmp_path: Path
) -> None:
    data, plain = one
    settings = {
        "average": "ema",
        "ema_decay": 0.8,
        "adversarial": "fgm",
        "unfreeze_fraction": 0.5,
    }
    more = [word for key, value in settings.items() for word in ("--set", f"regularization.{key}={json.dumps(value)}")]
    several = run_training(2, data, still_deberta, tmp_path / "several", *more, batch_size=6)
    single = run_training(1, data, still_deberta, tmp_path / "single", *more, batch_size=12)
    assert difference(several, single) < 1e-5
    ours, theirs, off = (load_file(run / "classifier" / "model.safetensors") for run in (several, single, plain))
    assert max((ours[name] - theirs[name]).abs().max().item() for name in theirs) < 1e-5
    assert max((theirs[name] - off[name]).abs().max().item() for name in off) > 1e-4, "the control: it does something"


def test_several_processes_draw_the_same_comments_as_one(
    run_training: Training, one: tuple[Path, Path], still_deberta: Path, tmp_path: Path
) -> None:
    data, plain = one
    several = run_training(2, data, still_deberta, tmp_path / "several", batch_size=6, sampling="class_aware")
    single = run_training(1, data, still_deberta, tmp_path / "single", batch_size=12, sampling="class_aware")
    assert difference(several, single) < 1e-5
    assert difference(single, plain) > 1e-4, "the control: comments taken once each train otherwise"


def test_several_processes_with_every_part_on_end_as_one_with_every_part_off(
    run_training: Training, one: tuple[Path, Path], still_deberta: Path, tmp_path: Path
) -> None:
    data, _ = one
    fast = run_training(2, data, still_deberta, tmp_path / "fast", batch_size=6)
    parts = {"attention": "eager", "vocabulary_in_use": False}
    slow = run_training(1, data, still_deberta, tmp_path / "slow", batch_size=12, **parts)
    ours, theirs = (load_file(run / "classifier" / "model.safetensors") for run in (fast, slow))
    assert ours.keys() == theirs.keys()
    assert max((ours[name] - theirs[name]).abs().max().item() for name in theirs) < 1e-5
    words = "deberta.embeddings.word_embeddings.weight"
    assert len(load_file(last_weights(fast))[words]) < len(load_file(last_weights(slow))[words]) == len(theirs[words])
    untrained = load_file(still_deberta / "model.safetensors")["embeddings.word_embeddings.weight"]
    moved = (theirs[words] - untrained).abs().amax(dim=1) > 0
    assert moved[untrained.any(dim=1)].all(), "the control: every row has moved, but that of padding, which is zero"


def test_two_processes_train_as_one_with_another_optimizer_and_loss(
    run_training: Training, one: tuple[Path, Path], still_deberta: Path, tmp_path: Path
) -> None:
    data, single = one
    settings = {
        "optimizer": "schedule_free",
        "schedule": "constant",
        "loss": "focal",
        "metric": "loss",
        "epochs": 1,
        "weight_decay_on": "matrices",
    }
    more = ("--set", "regularization.layer_decay=0.8", "--set", "loss.label_smoothing=0.1")
    two = run_training(2, data, still_deberta, tmp_path / "two", *more, batch_size=6, **settings)
    alone = run_training(1, data, still_deberta, tmp_path / "one", *more, batch_size=12, **settings)
    assert difference(two, alone) < 1e-5
    ours, theirs = (load_file(last_weights(run).parent / "average.safetensors") for run in (two, alone))
    assert max((ours[name] - theirs[name]).abs().max().item() for name in theirs) < 1e-5
    (first,), (second,) = epochs(two), epochs(alone)
    assert first["validation"]["loss"] == pytest.approx(second["validation"]["loss"], abs=1e-5)  # type: ignore[index]
    assert first["training_loss"] != pytest.approx(epochs(single)[0]["training_loss"], rel=0.1), "the control"


def test_the_control_another_global_batch_trains_otherwise(
    run_training: Training, one: tuple[Path, Path], still_deberta: Path, tmp_path: Path
) -> None:
    data, single = one
    assert difference(run_training(1, data, still_deberta, tmp_path / "other", batch_size=6), single) > 1e-4


def test_a_run_resumes_on_another_number_of_processes(
    one: tuple[Path, Path], still_deberta: Path, tmp_path: Path
) -> None:
    data, single = one
    out = tmp_path / "run"
    words = command(2, data, still_deberta, out, batch_size=3, gradient_accumulation=2, checkpoint_steps=1)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: (out / "checkpoints" / "step-000003").exists(), process)
        process.send_signal(signal.SIGTERM)  # the launcher passes it on
        _, errors = process.communicate(timeout=60)
    saved = sorted((out / "checkpoints").glob("step-*"))[-1]
    assert f", saved in {saved}" in errors, errors
    again = command(1, data, still_deberta, out, "--resume", batch_size=3, gradient_accumulation=2, log_every=1)
    done = subprocess.run(again, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "the number of processes was 2, and is 1 now: the order of comments stays" in " ".join(done.stdout.split())
    assert "12 comments per step" in done.stdout, "the effective batch is the run's"
    # Without dropout the only difference is rounding, so every comment was seen exactly once.
    assert difference(out, single) < 1e-5


def test_a_signal_in_the_middle_of_a_validation_saves_and_ends_all_without_a_traceback(
    still_deberta: Path, tmp_path: Path, write_comments: Callable[..., Path]
) -> None:
    few, many = write_comments(40, "few.csv"), write_comments(3000, "many.csv")
    out = tmp_path / "run"
    words = command(2, few, still_deberta, out, "--set", "evaluation.tokens_per_batch=24", batch_size=10, log_every=1)
    words[words.index("--validation") + 1] = str(many)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        # Both steps of the first epoch are done: its validation takes seconds, a comment at a time.
        until(lambda: (out / "metrics.jsonl").is_file() and '"step": 2' in (out / "metrics.jsonl").read_text(), process)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    saved = out / "checkpoints" / "step-000002-before-validation"
    assert f"stopped after step 2, saved in {saved}" in errors, errors
    assert "bug in civility" not in errors
    assert "Connection closed" not in errors


def until(happens: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Wait until something happens while the process lives."""
    while not happens():
        if process.poll() is not None:
            said, errors = process.communicate()
            raise AssertionError(f"it ended too early\n{said}\n{errors}")
        time.sleep(0.05)


def children(parent: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(number) for number in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the processes of the launcher in /proc")
def test_one_process_that_dies_ends_all_within_a_minute(
    still_deberta: Path, tmp_path: Path, write_comments: Callable[..., Path]
) -> None:
    out = tmp_path / "run"
    settings = {"epochs": 50, "patience": 50, "batch_size": 4, "checkpoint_steps": 1}
    words = command(2, write_comments(600), still_deberta, out, **settings)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: (out / "checkpoints" / "step-000002").exists(), process)
        workers = children(process.pid)
        assert len(workers) == 2
        os.kill(workers[1], signal.SIGKILL)
        started = time.monotonic()
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert time.monotonic() - started < 60
    assert "exitcode: -9" in errors.replace(" ", "").replace("exitcode:", "exitcode: "), errors[-3000:]
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    assert sorted((out / "checkpoints").glob("step-*")), "what was saved is there"


def test_a_mistake_is_reported_once_and_ends_every_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "civility", "train", "baseline", "--data", str(tmp_path / "nowhere.csv")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ)
    assert done.returncode != 0
    assert done.stderr.count("nowhere.csv: no such file") == 1
