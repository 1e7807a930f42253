"""`civility train fast`: an ordinary run directory, which every verb takes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from civility import Classifier
from civility.data.reading.opening import built_in
from civility.evaluation.compared_scores import Target, facts_of
from civility.run import RunDirectory

from ..conftest import files_up_to
from .conftest import Run

DATA = "civility:starter/held-out"


def test_it_leaves_what_a_run_leaves(linear: Path) -> None:
    assert {path.name for path in linear.iterdir()} >= {"recipe.toml", "environment.json", "classifier", "reports"}
    assert {path.name for path in (linear / "classifier").iterdir()} == {
        *("civility.json", "README.md", "linear.json", "linear.safetensors"),
    }
    report = json.loads((linear / "reports" / "validation.json").read_text(encoding="utf-8"))
    assert report["macro"]["roc_auc"]["value"] > 0.6
    assert report["optimistic"] in (["thresholds"], ["calibration", "thresholds"])
    fit, memory = (json.loads(line) for line in (linear / "timing.jsonl").read_text(encoding="utf-8").splitlines())
    assert (fit["kind"], memory["kind"]) == ("fit", "memory")
    assert fit["seconds"] > 0
    assert memory["peak"] > 2**24
    facts, settings = facts_of(Target(str(linear), RunDirectory(linear)))
    assert (facts.seconds, facts.peak_memory) == (fit["seconds"], memory["peak"])
    assert settings["model.name"] == "tf-idf"
    environment = json.loads((linear / "environment.json").read_text(encoding="utf-8"))
    assert "scikit-learn" in environment["versions"]
    card = (linear / "classifier" / "README.md").read_text(encoding="utf-8")
    assert "logistic regression over TF-IDF" in card
    assert "transformers" not in card.split("The complete recipe")[0]
    assert "best epoch" not in card


def test_every_verb_takes_it(civility: Run, linear: Path, write_comments: Callable[..., Path], tmp_path: Path) -> None:
    classifier = Classifier.load(linear)
    assert (classifier.kind, classifier.max_length) == ("linear", 0)
    comments, out = write_comments(30), tmp_path / "scores.csv"
    for arguments in (
        ("evaluate", linear, "--resamples", "100"),
        ("evaluate", linear, "--data", comments, "--resamples", "100", "--out", tmp_path),
        ("thresholds", linear, "--data", comments, "--calibrate"),
        ("predict", linear, "--data", comments, "--out", out, "--decisions"),
        ("audit", comments, "--with", linear, "--out", tmp_path / "audit"),
    ):
        done = civility(*arguments)
        assert done.code == 0, (arguments, done.out, done.err)
    assert len(out.read_text(encoding="utf-8").splitlines()) == 31


def test_the_folder_scores_without_torch_and_scikit_learn(linear: Path) -> None:
    texts = ["have a nice day", "you stupid clown"]
    program = f"""
import sys
for name in ("torch", "sklearn", "scipy", "transformers"):
    sys.modules[name] = None
from civility import Classifier
print(Classifier.load({str(linear)!r}).score({texts!r}).tolist())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    np.testing.assert_allclose(json.loads(done.stdout), Classifier.load(linear).score(texts), atol=1e-7)


def test_another_fit_is_the_same_to_the_bit(civility: Run, linear: Path, tmp_path: Path) -> None:
    arguments = ("train", "fast", "--data", DATA, "--set", "linear.max_features=2000", "--out", tmp_path / "run")
    assert civility(*arguments).code == 0
    name = "classifier/linear.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (linear / name).read_bytes()


def test_check_writes_nothing(civility: Run, tmp_path: Path) -> None:
    done = civility("train", "fast", "--data", DATA, "--out", tmp_path / "run", "--check")
    assert done.code == 0, done.err
    assert "logistic regression over TF-IDF" in done.out
    assert "equal texts" in done.out
    assert not (tmp_path / "run").exists()


REFUSED = {
    "fit": (("--fit",), "error: --fit: a linear model has no micro-batches to fit to the memory"),
    "tracker": (
        ("--tracker", "wandb"),
        "error: --tracker wandb: a linear model has no steps to log",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_part_in_it_is_refused(civility: Run, tmp_path: Path, name: str) -> None:
    options, message = REFUSED[name]
    done = civility("train", "fast", "--data", DATA, "--out", tmp_path / "run", *options)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("launched")
def test_several_processes_are_refused(civility: Run, tmp_path: Path) -> None:
    done = civility("train", "fast", "--data", DATA, "--out", tmp_path / "run")
    assert done.code == 2
    assert "error: torchrun or accelerate launch: a linear model is fitted by one process on a CPU" in done.err


def test_settings_without_effect_are_told(civility: Run, tmp_path: Path) -> None:
    done = civility(
        *("train", "fast", "--data", DATA, "--out", tmp_path / "run", "--check"),
        *("--set", "training.epochs=3", "--set", "loss.focal_gamma=1.0"),
    )
    assert done.code == 0
    assert "a linear model ignores these settings: training.epochs, loss.focal_gamma; it reads those" in done.words


def test_a_run_that_did_not_end_begins_again(civility: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ("train", "fast", "--data", DATA, "--set", "linear.max_features=2000", "--out", out)
    with files_up_to(20_000):
        assert civility(*arguments).code == 2
    assert not (out / "classifier").exists()
    assert civility(*arguments).code == 2, "a new run does not write over it"
    assert civility(*arguments, "--resume", "auto").code == 0
    assert (out / "classifier").is_dir()
    assert civility(*arguments, "--restart").code == 0
    assert (tmp_path / "run.before-1" / "classifier").is_dir()
    assert built_in(DATA).labels == Classifier.load(out).labels
