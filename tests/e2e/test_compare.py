"""The verb ``compare`` on runs that were really trained: seeds in one row, refusals, and a common file."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from civility.cli import main
from civility.data.starter import starter_corpus

from .conftest import Run, quick


def _write(path: Path, first: int, last: int) -> Path:
    corpus = starter_corpus("held-out")
    lines = [
        json.dumps(
            {"id": corpus.ids[i], "text": corpus.texts[i]}
            | dict(zip(corpus.labels, corpus.targets[i].tolist(), strict=True))
        )
        for i in range(first, last)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def runs(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two settings with two seeds each, on the same validation comments."""
    folder = tmp_path_factory.mktemp("compared")
    train, validation = _write(folder / "train.jsonl", 0, 200), _write(folder / "validation.jsonl", 200, 500)
    for name, rate in (("slow", "1e-5"), ("fast", "5e-3")):
        settings = quick("training.epochs=1", f"training.learning_rate={rate}", "seed=1")
        arguments = ["train", "starter", "--data", str(train), "--validation", str(validation), "--seeds", "2"]
        with pytest.raises(SystemExit) as stop:
            main([*arguments, "--model", str(tiny_bert), "--out", str(folder / name), *settings])
        assert not stop.value.code
    return folder


def test_seeds_of_two_settings_are_two_rows(civility: Run, runs: Path, tmp_path: Path) -> None:
    done = civility("compare", runs / "fast", "--baseline", runs / "slow", "--out", tmp_path / "found")
    assert done.code == 0, done.err
    assert done.out.startswith("2 rows of 4 runs, on the same 300 comments\n")
    assert "training.learning_rate=0.005" in done.out
    document = json.loads((tmp_path / "found" / "comparison.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in document["rows"]] == ["slow", "fast"]
    macro = document["rows"][1]["metrics"]["roc_auc"]["macro"]
    assert macro["difference"]["holds_for"] == "settings"
    reports = [
        json.loads((runs / "fast" / f"seed-{seed}" / "reports" / "validation.json").read_text(encoding="utf-8"))
        for seed in (1, 2)
    ]
    assert macro["values"] == pytest.approx([report["macro"]["roc_auc"]["value"] for report in reports])
    for run in (run for row in document["rows"] for run in row["runs"]):
        assert run["seconds"] > 0
        assert run["peak_memory"] > 2**24
        assert (run["best_epoch"], run["num_epochs"], run["was_interrupted"]) == (1, 1, False)
    ET.parse(tmp_path / "found" / "comparison.svg")
    assert (tmp_path / "found" / "comparison.md").read_text(encoding="utf-8").startswith("# Comparison with slow\n")


def test_other_validation_comments_are_refused_unless_a_file_is_given(
    civility: Run, runs: Path, trained: Path, tmp_path: Path
) -> None:
    one = runs / "slow" / "seed-1"
    refused = civility("compare", one, trained)
    assert refused.code == 2
    assert f"error: {trained} is on other comments than {one}" in refused.err
    assert "give --data FILE" in refused.err
    file = _write(tmp_path / "common.jsonl", 150, 350)
    done = civility("compare", one, trained, trained / "classifier", "--data", file, "--out", tmp_path / "found.json")
    assert done.code == 0, done.err
    document = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert (document["num_comments"], document["files"]) == (200, [str(file)])
    seen, *others = [note for note in document["notes"] if note["code"] in ("seen_in_training", "unknown_training")]
    assert (seen["names"], seen["num"], seen["total"]) == ([str(one)], 50, 200)
    assert any(note["names"] == [str(trained)] for note in others), "each run for itself"
    assert (others[-1]["code"], others[-1]["names"]) == ("unknown_training", [str(trained / "classifier")])
    assert "50 of 200 comments are among those that the run was trained on" in done.words
    assert "not a run directory, so it may have been trained on some of these comments" in done.words
    own, classifier = (row["metrics"]["roc_auc"]["macro"]["mean"] for row in document["rows"][1:])
    assert own == classifier, "a run is scored by its classifier"
    assert own != document["rows"][0]["metrics"]["roc_auc"]["macro"]["mean"]


def test_one_run_and_wrong_metrics_are_refused(civility: Run, runs: Path) -> None:
    alone = civility("compare", runs / "slow" / "seed-1")
    assert alone.code == 2
    assert "a single run or report has nothing to be compared with" in alone.err
    wrong = civility("compare", runs / "slow", runs / "fast", "--metrics", "auc")
    assert wrong.code == 2
    assert "error: no metric 'auc'" in wrong.err
    assert "the metrics are roc_auc, average_precision, f1, precision, recall" in wrong.err
