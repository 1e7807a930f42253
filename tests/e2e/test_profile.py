"""`civility train --profile`: where the time of a step goes, on a real run."""

import gzip
import json
from pathlib import Path

import pytest

from .conftest import Run, quick

DATA = "civility:starter/held-out"


def test_a_run_shows_where_the_time_of_its_steps_goes(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    options = ("train", "starter", "--data", DATA, "--model", tiny_bert, *quick("training.epochs=1"))
    done = civility(*options, "--out", tmp_path / "profiled", "--profile")
    assert done.code == 0
    assert "products of linear layers" in done.out
    assert "ui.perfetto.dev" in done.words
    assert "USDT" not in done.err, "torch's profiler prints nothing of its own"
    table = (tmp_path / "profiled" / "profile" / "steps.md").read_text(encoding="utf-8")
    assert "| optimizer |" in table
    trace = json.loads(gzip.decompress((tmp_path / "profiled" / "profile" / "trace.json.gz").read_bytes()))
    assert any(event.get("name") == "aten::mm" for event in trace["traceEvents"])
    assert civility(*options, "--out", tmp_path / "plain").code == 0
    assert not (tmp_path / "plain" / "profile").exists()
    weights = [tmp_path / name / "classifier" / "model.safetensors" for name in ("profiled", "plain")]
    assert weights[0].read_bytes() == weights[1].read_bytes(), "profiling changes nothing"


@pytest.mark.parametrize("other", [("--check",), ("--seeds", 2), ("--folds", 2)])
def test_a_profile_is_of_a_single_run(civility: Run, tmp_path: Path, other: tuple[object, ...]) -> None:
    done = civility("train", "starter", "--profile", *other, "--out", tmp_path / "run")
    assert (done.code, "--profile is for a single run" in done.err) == (2, True)


def test_a_linear_model_has_no_steps_to_profile(civility: Run, tmp_path: Path) -> None:
    done = civility("train", "fast", "--data", DATA, "--profile", "--out", tmp_path / "run")
    assert (done.code, "a linear model is not trained in steps" in done.err) == (2, True)
    assert not (tmp_path / "run").exists()
