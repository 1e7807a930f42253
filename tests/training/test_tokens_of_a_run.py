"""A run whose tokens come from the cache is the run without one, and says where they came from."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from civility.cli.training_display import TrainingDisplay
from civility.models.token_cache import FEWEST_TEXTS

from ..conftest import comment_rows
from .conftest import Small


@pytest.fixture(scope="module")
def many(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Small:
    """A job of one epoch with enough comments that their tokens are kept."""
    path = tmp_path_factory.mktemp("many") / "comments.csv"
    rows = comment_rows(FEWEST_TEXTS * 5 // 4)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    job = Small(path, tiny_bert)
    job.base |= {"training.epochs": 1, "training.batch_size": 64, "training.checkpoint_steps": 1_000}
    return job


def told_by(job: Small, out: Path, **changes: Any) -> str:
    """Train, and return what the screen shows of the cache, after "cut" in the row of the data."""
    screen = io.StringIO()
    display = TrainingDisplay(Console(file=screen, width=200))
    job.train(out, listen=display.listen, **changes)
    row = screen.getvalue().split("rows in use")[1].split("\n  device")[0]
    return " ".join(row.split()).strip(" ·")


def weights(run: Path) -> str:
    return hashlib.sha256((run / "classifier" / "model.safetensors").read_bytes()).hexdigest()


def test_a_run_from_the_cache_ends_with_the_same_weights(
    many: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told_by(many, tmp_path / "without") == ""
    monkeypatch.setenv("CIVILITY_CACHE", str(tmp_path / "cache"))
    assert told_by(many, tmp_path / "first") == ""
    assert told_by(many, tmp_path / "second") == "tokens from the cache"
    assert told_by(many, tmp_path / "shorter", data__max_length=8) == "", "the control: another length is made anew"
    runs = [tmp_path / name for name in ("without", "first", "second")]
    assert len({weights(run) for run in runs}) == 1
    assert len({(run / "metrics.jsonl").read_text() for run in runs}) == 1
    assert weights(tmp_path / "shorter") != weights(runs[0]), "the control: other tokens, other weights"


def test_a_cache_that_cannot_be_written_is_reported_and_stops_nothing(
    many: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CIVILITY_CACHE", str(tmp_path / "file"))
    assert told_by(many, tmp_path / "run") == f"tokens not kept in {tmp_path / 'file' / 'tokens'}: File exists"
    assert (tmp_path / "run" / "classifier").is_dir()


# Three processes of one machine; says who found what, and what becomes of the others if the first fails.
WORKER = """
import json, os, sys
from pathlib import Path
from civility.models.encoder import load_tokenizer
from civility.models.token_cache import cached_tokens
from civility.engine.devices import first_of_machine_first, start_accelerator
model, out, num = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
accelerator = start_accelerator("cpu", [], None)
tokenizer = load_tokenizer(model)
with first_of_machine_first(accelerator):
    tokens, use = cached_tokens(tokenizer, [f"{i} nice fool" for i in range(num)], 16, out / "tokens")
failed = False
try:
    with first_of_machine_first(accelerator):
        if accelerator.is_local_main_process:
            raise MemoryError
except MemoryError:
    failed = True
accelerator.wait_for_everyone()
written = {"outcome": use.outcome, "digest": tokens.digest, "failed": failed}
(out / f"{accelerator.process_index}.json").write_text(json.dumps(written))
accelerator.end_training()
os._exit(0)  # as civility leaves: the interpreter's own end may abort (civility.cli)
"""


@pytest.mark.processes
def test_one_process_a_machine_tokenises_and_none_waits_for_ever(tiny_bert: Path, tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3"]
    words = [*launcher, str(script), str(tiny_bert), str(tmp_path), str(FEWEST_TEXTS)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=os.environ)
    assert done.returncode == 0, done.stderr[-3000:]
    written = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    assert [one["outcome"] for one in written] == ["written", "read", "read"]
    assert len({one["digest"] for one in written}) == 1
    assert [one["failed"] for one in written] == [True, False, False]


def test_folds_take_their_tokens_from_those_of_all_comments(
    many: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told_by(many, tmp_path / "without", data__folds=4, data__fold=2) == ""
    monkeypatch.setenv("CIVILITY_CACHE", str(tmp_path / "cache"))
    assert told_by(many, tmp_path / "first", data__folds=4, data__fold=1) == ""
    assert told_by(many, tmp_path / "second", data__folds=4, data__fold=2) == "tokens from the cache"
    assert weights(tmp_path / "second") == weights(tmp_path / "without") != weights(tmp_path / "first")
