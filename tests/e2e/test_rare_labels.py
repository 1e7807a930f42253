"""On real comments: one positive of a label turns no verdict round, and no interval hides how little it says."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from civility import Classifier
from civility.cli import main

from .conftest import Run

pytestmark = pytest.mark.skipif("CIVILITY_DATA" not in os.environ, reason="CIVILITY_DATA names no folder of real data")
RARE = ("severe_toxic", "identity_hate")
NUM_FEW, NUM_OF_RARE = 150, 15


@pytest.fixture(scope="module")
def comments() -> pa.Table:
    """Some comments of Jigsaw 2018, in a random order."""
    table = pq.read_table(Path(os.environ["CIVILITY_DATA"]).resolve() / "jigsaw-2018" / "train.parquet")
    return table.take(pa.array(np.random.default_rng(0).permutation(len(table))[:20_000]))


@pytest.fixture(scope="module")
def two(comments: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two classifiers, the second of which is better."""
    folder = tmp_path_factory.mktemp("two")
    pq.write_table(comments[:3_000], folder / "training.parquet")
    for name, size in (("weak", 1_000), ("strong", 50_000)):
        settings = ["--set", f"linear.max_features={size}"]
        with pytest.raises(SystemExit) as stop:
            main(["train", "fast", "--data", f"{folder}/training.parquet", "--out", str(folder / name), *settings])
        assert not stop.value.code
    return folder / "weak", folder / "strong"


@pytest.fixture(scope="module")
def many(comments: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough other comments to measure every label on."""
    path = tmp_path_factory.mktemp("many") / "many.parquet"
    pq.write_table(comments[14_000:], path)
    return path


@pytest.fixture(scope="module")
def few(comments: pa.Table, two: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 comments with a single threat: the one on which the better classifier looks worst beside the other."""
    pool = comments[3_000:14_000]
    targets = {label: np.asarray(pool[label]) for label in (*RARE, "threat")}
    threats, others = np.flatnonzero(targets["threat"] == 1), targets["threat"] == 0
    rare = [np.flatnonzero(others & (targets[label] == 1))[:NUM_OF_RARE] for label in RARE]
    plain = np.flatnonzero(others & (targets[RARE[0]] + targets[RARE[1]] == 0))
    without = np.concatenate([np.unique(np.concatenate(rare)), plain])[: NUM_FEW - 1]
    texts = pool["comment_text"].take(pa.array([*without, *threats])).to_pylist()
    columns = [Classifier.load(path).score(texts)[:, 3] for path in two]
    num_below = [np.searchsorted(np.sort(column[: len(without)]), column[len(without) :]) for column in columns]
    chosen = np.append(without, threats[np.argmax(num_below[0] - num_below[1])])
    path = tmp_path_factory.mktemp("few") / "few.parquet"
    pq.write_table(pool.take(pa.array(chosen)), path)
    return path


def differences(civility: Run, two: tuple[Path, Path], data: Path, out: Path) -> dict[str, Any]:
    """Return what the second classifier is against the first, by `compare`."""
    done = civility("compare", *two, "--data", data, "--out", out)
    assert done.code == 0, done.err
    content = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    measured = content["rows"][1]["metrics"]["roc_auc"]
    parts = {**measured["labels"], "macro": measured["macro"], "measurable": measured["macro_measurable"]}
    named = {"not measurable": content["not_measurable"], "said": done.words}
    return {**named, **{name: part and part["difference"] for name, part in parts.items()}}


def test_one_positive_turns_no_verdict_round(
    civility: Run, two: tuple[Path, Path], few: Path, many: Path, tmp_path: Path
) -> None:
    shown = differences(civility, two, few, tmp_path / "few")
    assert shown["threat"]["value"] < -0.1, "the control: this comment speaks for the worse classifier"
    assert shown["not measurable"] == ["threat"]
    assert "positive or negative comments of threat: not measurable" in shown["said"]
    assert shown["threat"]["verdict"] == shown["macro"]["verdict"] == "not_measurable"
    assert shown["measurable"]["verdict"] in ("better", "not_shown")
    assert shown["measurable"]["value"] > 0

    truth = differences(civility, two, many, tmp_path / "many")

    assert truth["not measurable"] == []
    assert truth["macro"]["verdict"] == truth["threat"]["verdict"] == "better"
    for name in ("threat", "macro"):
        assert shown[name]["low"] < truth[name]["value"] < shown[name]["high"]


def test_the_interval_of_a_report_holds_what_more_comments_show(
    civility: Run, two: tuple[Path, Path], few: Path, many: Path, tmp_path: Path
) -> None:
    macro = {}
    for name, data in (("few", few), ("many", many)):
        done = civility("evaluate", two[1], "--data", data, "--out", tmp_path)
        assert done.code == 0, done.err
        macro[name] = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))["macro"]["roc_auc"]
    assert macro["few"]["low"] < macro["many"]["value"] < macro["few"]["high"]
    assert macro["many"]["high"] - macro["many"]["low"] < 0.05
