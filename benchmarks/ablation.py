"""Vary one factor at a time around the baseline recipe, on a sample of real comments: docs/explanation/experiments.md.

    CIVILITY_DATA=FOLDER python benchmarks/ablation.py OUT [--only NAME …] [--seeds 42 43 44] [--threads 1]
    CIVILITY_DATA=FOLDER python benchmarks/ablation.py OUT --table

Every variant is an ordinary run directory OUT/NAME/seed-S; finished ones are kept and interrupted ones resumed, so
the command can be repeated. The comments come from `jigsaw-2018/train.parquet`, from the nine tenths that
`civility train` trains on with seed 42: nothing that is screened here ever sees the tenth on which finalists are
judged. 6,000 comments train, drawn as they come; 2,400 others validate, among them many of rare labels, whose ROC AUC
would otherwise be too noisy (it does not depend on how frequent a label is; average precision and
calibration do, and are not read).
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ablation_variants import BASE, VARIANTS

from civility.arrays import POSITIVE_FROM
from civility.data.dataset import Dataset
from civility.data.prepare import prepare
from civility.evaluation import Report
from civility.recipe import Recipe
from civility.run import RunDirectory
from civility.storage.atomic_files import write_file

NUM_TRAINING = 6_000
WANTED = {"threat": 200, "identity_hate": 300, "severe_toxic": 300}
"""Positives of rare labels in the validation sample."""
NUM_VALIDATION = 2_400


def sample(out: Path) -> tuple[Path, Path]:
    """Write the comments to train on and those to validate on, unless they are there; return their paths."""
    training, validation = out / "screen-train.parquet", out / "screen-validation.parquet"
    if training.exists() and validation.exists():
        return training, validation
    if not os.environ.get("CIVILITY_DATA"):
        sys.exit("CIVILITY_DATA is not set: name the folder that holds jigsaw-2018/train.parquet")
    file = Path(os.environ["CIVILITY_DATA"]) / "jigsaw-2018" / "train.parquet"
    recipe = Recipe.load("baseline", {"data.files": [str(file)]})
    data = prepare(recipe.wanted).training
    order = np.random.default_rng(0).permutation(len(data))
    train, rest = order[:NUM_TRAINING], order[NUM_TRAINING:]
    positive = data.targets >= POSITIVE_FROM
    chosen: list[int] = []
    for label, num in WANTED.items():
        rows = rest[positive[rest, data.labels.index(label)]]
        chosen += rows[:num].tolist()
    chosen = list(dict.fromkeys(chosen))
    others = [row for row in rest.tolist() if row not in set(chosen)]
    chosen += others[: NUM_VALIDATION - len(chosen)]
    out.mkdir(parents=True, exist_ok=True)
    _write(data.select(np.sort(train)), training)
    _write(data.select(np.sort(np.array(chosen))), validation)
    return training, validation


def _write(dataset: Dataset, path: Path) -> None:
    columns = {label: dataset.targets[:, column] for column, label in enumerate(dataset.labels)}
    table = pa.table({"id": list(dataset.ids), "comment_text": list(dataset.texts), **columns})
    with write_file(path, "wb") as file:
        pq.write_table(table, file)


def train(name: str, seed: int, out: Path, threads: int) -> None:
    """Train one variant, or resume it; nothing if it is finished."""
    run = RunDirectory(out / name / f"seed-{seed}")
    if run.is_finished:
        return
    training, validation = sample(out)
    settings = {**BASE, **VARIANTS[name], "seed": str(seed), "training.threads": str(threads)}
    changes = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    files = ["--data", str(training), "--validation", str(validation)]
    command = ["civility", "train", "baseline", *files, *changes, "--out", str(run.path), "--resume", "auto"]
    print(f"{name} seed {seed}", flush=True)
    if subprocess.run([sys.executable, "-m", *command], stdout=subprocess.DEVNULL, check=False).returncode:
        print(f"{name} seed {seed} failed", flush=True)


def table(out: Path) -> str:
    """Return the finished variants as Markdown: macro ROC AUC of the best epoch by seed, and by label on average."""
    lines = []
    for name in VARIANTS:
        reports = [_report(RunDirectory(path)) for path in sorted((out / name).glob("seed-*"))]
        finished = [report for report in reports if report is not None]
        if not finished:
            continue
        labels = list(finished[0].labels)
        macro = np.array([report.macro.roc_auc.value for report in finished], dtype=float)
        by_label = np.array([[report.labels[label].roc_auc.value for label in labels] for report in finished], float)
        spread = f"{macro.std(ddof=1):.4f}" if len(macro) > 1 else "one"
        cells = [f"{value:.3f}" for value in by_label.mean(axis=0)]
        lines.append((float(macro.mean()), [name, str(len(macro)), f"{macro.mean():.4f}", spread, *cells]))
    if not lines:
        return "nothing is finished"
    head = ["variant", "seeds", "macro", "spread", *labels]
    rows = [cells for _, cells in sorted(lines, key=lambda line: -line[0])]
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def _report(run: RunDirectory) -> Report | None:
    if not run.is_finished:
        return None
    path = run.own_report.json
    return Report.read(path)


def main() -> None:
    """Train what is wanted, seed by seed, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), metavar="NAME", default=list(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[42])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="train nothing")
    options = parser.parse_args()
    if not options.table:
        for seed in options.seeds:
            for name in options.only:
                train(name, seed, options.out, options.threads)
    print(table(options.out))


if __name__ == "__main__":
    main()
