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
from .shelf import LINEAR, QUICK, Shelf, settings
from .verdict import judge

pytestmark = pytest.mark.processes


def end(server: Server, folder: Path, command: Command, files: Mapping[str, str] | None = None) -> Outcome:
    """Run a command beside some files, hold it to the verdict, and return what it left."""
    for name, content in (files or {}).items():
        (folder / name).write_text(content, encoding="utf-8")
    outcome = server.run(command, folder)
    assert judge(command, outcome) == [], outcome.err[-1500:]
    return outcome


def test_a_config_that_names_no_label(server: Server, shelf: Shelf, tmp_path: Path) -> None:
    folder = shelf.copy("encoder", tmp_path / "run") / "classifier"
    forget_digests(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    files = {"run/classifier/config.json": json.dumps({**config, "id2label": {}}), "comments.txt": "a comment\n"}
    outcome = end(server, tmp_path, Command(("predict", "run", "--data", "comments.txt")), files)
    assert outcome.code == 2
    assert "config.json: id2label names no label" in outcome.err


def test_a_report_in_a_folder_whose_name_is_not_utf8(server: Server, shelf: Shelf, tmp_path: Path) -> None:
    given = ("evaluate", str(shelf.linear), "--data", str(shelf.comments), "--resamples", "100", "--out", "caf\udce9")
    outcome = end(server, tmp_path, Command(given, writes=("caf\udce9",)))
    assert outcome.code == 0
    assert (tmp_path / "caf\udce9" / "comments.scores.parquet").is_file()


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
    ("name", "change", "found"),
    [
        ("model.safetensors", without_shape, "damaged: SafetensorError"),
        ("optimizer.safetensors", without_shape, "damaged: SafetensorError"),
        ("model.safetensors", with_nan, "are not finite"),
        ("validation.safetensors", with_nan, "are not finite"),
        ("progress.json", with_step_of_text, "a whole number"),
    ],
)
def test_a_checkpoint_with_right_sums_and_wrong_content(
    server: Server, shelf: Shelf, tmp_path: Path, name: str, change: Callable[[bytes], bytes], found: str
) -> None:
    run = shelf.copy("interrupted", tmp_path / "run")
    for folder in (run / "checkpoints").iterdir():
        if (folder / name).is_file():
            (folder / name).write_bytes(change((folder / name).read_bytes()))
            sign(folder)
    outcome = end(server, tmp_path, Command(("train", "--resume", "--out", "run"), ("run",)))
    assert outcome.code == 2, outcome.out
    assert found in outcome.err


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
def test_a_name_that_is_too_long_leaves_no_folder(server: Server, shelf: Shelf, tmp_path: Path, verb: str) -> None:
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


@pytest.mark.parametrize(
    ("recipe", "found"),
    [
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("data.files = " + "{a=" * 5_000, "nested too deeply"),
        (".".join("a" * 20_000) + " = 1", "nested too deeply"),
        ("[" + ".".join("a" * 20_000) + "]\n", "nested too deeply"),
        ("data.files = " + "[" * 60 + "]" * 60, "data.files"),
        ('data.files = "a\\u0000b.csv"', "expected UTF-8 text without NUL"),
        ("\ufefflinear.c = 1e-320", "linear.c = 1e-320, expected at least 1e-06"),
        ("seed = " + "9" * 5_000, "an integer beyond 64 bits"),
        ("training.learning_rate = nan", "training.learning_rate = nan"),
        ("trainig.epochs = 1", "did you mean training?"),
        ("seed = 1979-05-27", "seed = "),
    ],
    ids=["lists", "tables", "key", "table", "60 lists", "NUL", "1e-320", "digits", "NaN", "misspelt", "date"],
)
def test_a_recipe_with_impossible_values(server: Server, tmp_path: Path, recipe: str, found: str) -> None:
    outcome = end(server, tmp_path, Command(("train", "recipe.toml", "--out", "run")), {"recipe.toml": recipe})
    assert outcome.code == 2
    assert found in outcome.err


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("linear.c=1e-320", "linear.c = 1e-320, expected at least 1e-06"),
        ("linear.c=nan", "linear.c = nan"),
        ("linear.c=1e999", "linear.c = inf"),
        ("data.max_length=inf", "data.max_length = inf, expected a whole number"),
        ("training.max_length=inf", "unknown setting training.max_length"),
        ("data.max_length=" + "9" * 5_000, "an integer beyond 64 bits"),
        ("linear.c=" + "[" * 5_000, "nested too deeply"),
        ("seed.x=1", "seed is not a section of the recipe"),
        ("training=1", "training = 1, expected a section"),
        ("a.b.c=1", "expected section.key=value"),
    ],
)
def test_a_change_to_an_impossible_value(server: Server, shelf: Shelf, tmp_path: Path, change: str, found: str) -> None:
    given = ("train", "fast", "--data", str(shelf.comments), "--out", "run", "--set", change)
    outcome = end(server, tmp_path, Command(given))
    assert outcome.code == 2
    assert found in outcome.err


@pytest.mark.parametrize(
    ("space", "found"),
    [
        ('"linear.c" = {low = 1e-320, high = 1}', "linear.c = 1e-320"),
        ('"linear.c" = {low = 1, high = inf}', "linear.c"),
        ('"linear.cc" = [1]', "did you mean linear.c?"),
        ('"linear.c" = {low = 0.1, high = 10, step = 1e-30}', "linear.c"),
        ('"linear.c" = ' + "[" * 5_000, "nested too deeply"),
        ('"seed" = {low = 0, high = 4294967295}', "seed"),
    ],
    ids=["1e-320", "inf", "misspelt", "step", "lists", "seeds"],
)
def test_an_impossible_space(server: Server, shelf: Shelf, tmp_path: Path, space: str, found: str) -> None:
    given = ("sweep", "fast", "--data", str(shelf.comments), "--space", "space.toml", "--out", "sweep")
    files = {"space.toml": f'[sweep]\nsampler = "grid"\n[space]\n{space}\n'}
    outcome = end(server, tmp_path, Command(given), files)
    assert outcome.code == 2
    assert found in outcome.err


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("ACCELERATE_USE_CPU", "", 0),
        ("ACCELERATE_USE_CPU", "abc", 2),
        ("ACCELERATE_DEBUG_MODE", "abc", 2),
        ("ACCELERATE_TORCH_DEVICE", "meta", 2),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "abc", 0),
        ("ACCELERATE_USE_SAGEMAKER", "true", 2),
        ("PMI_SIZE", "", 0),
        ("PMI_SIZE", "2", 2),
    ],
)
def test_a_variable_that_only_accelerate_knows(
    server: Server, shelf: Shelf, tmp_path: Path, name: str, value: str, code: int
) -> None:
    given = ("train", "baseline", "--data", str(shelf.comments), "--model", str(shelf.bert), *settings(*QUICK))
    outcome = end(server, tmp_path, Command((*given, "--out", "run", "--check"), environment={name: value}))
    assert outcome.code == code, outcome.err
    assert code == 0 or name in outcome.err
