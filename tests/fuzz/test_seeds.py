"""Inputs that failed once, written out small; each ends as promised now, and for the right reason."""

import json
import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ..conftest import forget_digests
from .command import Command, Outcome, Server
from .families.documents import sign
from .shelf import LINEAR, Shelf, settings
from .verdict import judge

pytestmark = pytest.mark.processes


def end(server: Server, folder: Path, command: Command, files: Mapping[str, str] | None = None) -> Outcome:
    """Run a command beside some files, hold it to the verdict, and return what it left."""
    for name, content in (files or {}).items():
        (folder / name).write_text(content, encoding="utf-8")
    outcome = server.run(command, folder)
    assert judge(command, outcome) == [], outcome.err[-1500:]
    return outcome


def test_a_model_card_that_is_not_utf8(server: Server, shelf: Shelf, tmp_path: Path) -> None:
    card = shelf.copy("linear", tmp_path / "run") / "classifier" / "README.md"
    card.write_bytes(b"# caf\xe9\n")
    given = ("--data", str(shelf.comments), "--calibrate")
    outcome = end(server, tmp_path, Command(("thresholds", "run", *given)))  # nothing may change
    assert outcome.code == 2
    assert "README.md: not UTF-8 text" in outcome.err


def without_shape(content: bytes) -> bytes:
    """Return a file of tensors, the first of which has lost its shape."""
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    del next(value for name, value in header.items() if name != "__metadata__")["shape"]
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + size :]


def with_nan(content: bytes) -> bytes:
    """Return a file of tensors, the last number of which is NaN."""
    return content[:-4] + struct.pack("<f", float("nan"))


def with_step_of_text(content: bytes) -> bytes:
    """Return the progress of a checkpoint, its step a text."""
    return content.replace(b'"step": ', b'"step": "x", "_": ', 1)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("model.safetensors", without_shape, "damaged: SafetensorError"),
        ("optimizer.safetensors", without_shape, "damaged: SafetensorError"),
        ("model.safetensors", with_nan, "are not finite"),
        ("validation.safetensors", with_nan, "are not finite"),
        ("progress.json", with_step_of_text, "expected whole numbers from 0 up"),
    ],
)
def test_a_checkpoint_whose_sums_are_right_and_whose_content_is_not(
    server: Server, shelf: Shelf, tmp_path: Path, name: str, change: Callable[[bytes], bytes], told: str
) -> None:
    run = shelf.copy("interrupted", tmp_path / "run")
    for folder in (run / "checkpoints").iterdir():
        if (folder / name).is_file():
            (folder / name).write_bytes(change((folder / name).read_bytes()))
            sign(folder)
    outcome = end(server, tmp_path, Command(("train", "--resume", "--out", "run"), ("run",)))
    assert outcome.code == 2, outcome.out
    assert told in outcome.err


@pytest.mark.parametrize("has_digests", [True, False], ids=["with digests", "without"])
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("encoder", "config.json"),
        ("encoder", "tokenizer.json"),
        ("encoder", "model.safetensors"),
        ("encoder", "civility.json"),
        ("linear", "civility.json"),
        ("ensemble", "members/2/linear.safetensors"),
        ("linear", "linear.safetensors"),
    ],
)
def test_a_pipe_in_a_classifier_folder_is_not_waited_for(
    server: Server, shelf: Shelf, tmp_path: Path, kind: str, name: str, has_digests: bool
) -> None:
    folder = shelf.copy(kind, tmp_path / "run") / "classifier"
    if not has_digests:
        forget_digests(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    command = Command(("predict", "run", "--data", "-"), scores="-", stdin=b"you fool\n", seconds=5)
    assert end(server, tmp_path, command).code == 2


def test_a_checkpoint_before_the_first_validation_is_json(server: Server, shelf: Shelf, tmp_path: Path) -> None:
    shelf.copy("interrupted", tmp_path / "run")
    end(server, tmp_path, Command(("train", "--out", "run", "--restart"), ("run", "run.before-1")))


@pytest.mark.parametrize("storage", ["nonsense", "nosuch://machine/database"])
def test_a_database_that_cannot_be_used_leaves_no_folder(
    server: Server, shelf: Shelf, tmp_path: Path, storage: str
) -> None:
    command = shelf.sweep_arguments("new/folder/sweep")
    outcome = end(server, tmp_path, Command((*command, "--storage", storage), ("new",)))
    assert outcome.code == 2
    assert outcome.after == {}


@pytest.mark.parametrize("verb", ["train", "sweep", "evaluate", "compare", "ensemble", "soup"])
def test_a_name_that_is_too_long_leaves_none_of_the_folders_around_it(
    server: Server, shelf: Shelf, tmp_path: Path, verb: str
) -> None:
    out = f"new/folder/{'x' * 300}"
    ways = {
        "train": ("train", "fast", "--data", str(shelf.comments), *settings(*LINEAR), "--out", out),
        "sweep": shelf.sweep_arguments(out),
        "evaluate": ("evaluate", str(shelf.linear), "--resamples", "100", "--out", out),
        "compare": ("compare", str(shelf.linear), str(shelf.encoder), "--out", out),
        "ensemble": ("ensemble", str(shelf.linear), str(shelf.encoder), "--out", out),
        "soup": ("soup", str(shelf.encoder), str(shelf.other_encoder), "--out", out),
    }
    outcome = end(server, tmp_path, Command(ways[verb], ("new",)))
    assert outcome.code == 2
    assert "File name too long" in outcome.err
    assert outcome.after == {}
