"""Two gloo processes against one process with the same global batch."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

pytestmark = pytest.mark.processes


def run_training(num_processes: int, data: Path, model: Path, out: Path, **training: object) -> Path:
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
    command = [*launcher, "civility", "train", "baseline", "--data", str(data), "--validation", str(data)]
    command += ["--model", str(model), "--out", str(out)]
    for key, value in settings.items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


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


@pytest.fixture(scope="module")
def processes_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("processes")


# 75 comments in global batches of 16: the last step has 11, which two processes share unevenly.
def test_two_processes_train_as_one_with_the_same_global_batch(
    still_deberta: Path, write_comments: Callable[..., Path], tmp_path: Path
) -> None:
    data = with_unknown(write_comments(75))
    two = run_training(2, data, still_deberta, tmp_path / "two", batch_size=4, gradient_accumulation=2)
    one = run_training(1, data, still_deberta, tmp_path / "one", batch_size=16)
    assert difference(two, one) < 1e-5
    for ours, theirs in zip(epochs(two), epochs(one), strict=True):
        assert ours["training_loss"] == pytest.approx(theirs["training_loss"], abs=1e-5)
        assert ours["validation"]["macro_roc_auc"] == pytest.approx(  # type: ignore[index]
            theirs["validation"]["macro_roc_auc"],  # type: ignore[index]
            abs=1e-3,  # two nearly equal scores may change places
        )
    other = run_training(1, data, still_deberta, tmp_path / "other", batch_size=8)
    assert difference(two, other) > 1e-4, "the control: another global batch trains otherwise"


def test_a_mistake_is_told_once_and_ends_every_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "civility", "train", "baseline", "--data", str(tmp_path / "nowhere.csv")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ)
    assert done.returncode != 0
    assert done.stderr.count("nowhere.csv: no such file") == 1
