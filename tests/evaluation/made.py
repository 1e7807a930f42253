"""Reports and runs without a training: made-up scores, and the files that a finished run leaves."""

import json
from pathlib import Path

import numpy as np

from civility.arrays import Float32s, Scores, Targets
from civility.data.dataset import Dataset
from civility.documents.report import ClassifierFacts
from civility.evaluation import Scored
from civility.evaluation.label_measures import measure
from civility.evaluation.report_files import write_scores_of
from civility.recipe import Recipe
from civility.run import OWN_REPORT, ReportFiles

LABELS = ("toxic", "any label")
THRESHOLDS = {"toxic": 0.4}


def make_targets(num: int = 300, seed: int = 0) -> Float32s:
    """Return targets of two labels, some of them unknown."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((num, 2)) < [0.4, 0.2]).astype(np.float32)
    targets[rng.random(targets.shape) < 0.05] = np.nan
    return targets


def make_scores(targets: Targets, strength: float, seed: int) -> Float32s:
    """Return scores with ties that separate positives from negatives, better with greater strength."""
    noise = np.random.default_rng(seed).normal(0.4, 0.15, targets.shape)
    scores: Scores = np.clip(noise + strength * np.nan_to_num(targets), 0, 1).round(2).astype(np.float32)
    return scores


def write_scored(
    folder: Path,
    name: str,
    targets: Targets,
    scores: Scores,
    labels: tuple[str, ...] = LABELS,
    **said: object,
) -> str:
    """Write the JSON of a report, changed as given, and the scores beside it; return the path of the JSON."""
    ids = tuple(map(str, range(len(targets))))
    scored = Scored(Dataset(ids, targets, ids, labels), scores, THRESHOLDS)
    facts = ClassifierFacts(name="c", max_length=8)
    report = measure(scored, ("a.csv",), name=name, classifier=facts, num_resamples=2).model_copy(update=said)
    files = ReportFiles(folder, name)  # of which a comparison reads two
    folder.mkdir(parents=True, exist_ok=True)
    files.json.write_text(report.to_json(), encoding="utf-8")
    write_scores_of(scored, files.scores, report.to_json())
    return str(files.json)


def write_run(path: Path, targets: Targets, scores: Scores, *, finished: bool = True, **settings: object) -> str:
    """Write what a comparison reads of a run: ``seed=1`` and settings as ``training__loss="bce"``."""
    write_scored(path / "reports", OWN_REPORT, targets, scores)
    changes = {key.replace("__", "."): value for key, value in settings.items()}
    (path / "recipe.toml").write_text(Recipe.load("baseline", changes).to_toml(), encoding="utf-8")
    environment = {
        "device": "CPU, 1 thread",
        "data": {"training": {"digest": "sha256:trained on"}, "validation": {"digest": "sha256:validated on"}},
    }
    (path / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    write_log(path / "metrics.jsonl", [{"kind": "epoch", "epoch": i, "step": 10 * i, "best": i < 3} for i in (1, 2, 3)])
    times: list[dict[str, object]] = [{"kind": "step", "step": 10, "seconds": 0.5}]
    for i in (1, 2, 3):
        times += [
            {"kind": "epoch", "step": 10 * i, "seconds": 60.0 + i},
            {"kind": "memory", "step": 10 * i, "peak": i * 2**30},
        ]
    write_log(path / "timing.jsonl", times)
    if finished:
        (path / "classifier").mkdir()
    return str(path)


def write_log(path: Path, lines: list[dict[str, object]]) -> None:
    """Write a log, a line each."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
