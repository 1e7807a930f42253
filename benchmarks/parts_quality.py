"""Whether what makes training fast leaves its quality alone: all parts on against all off, on real comments.

    CIVILITY_DATA=FOLDER python benchmarks/parts_quality.py [--comments 8000] [--seeds 3] [--max-length 128]

Trains the starter model on a sample of `jigsaw-2018/train.parquet`, each seed twice, with the same split and head; the
parts change the order of comments and what dropout drops, so either is another draw of the same run. The difference of
macro ROC AUC between on and off is set beside its spread between the seeds. Half of the comments are held out, so that
the rare labels have positives to be measured on. An hour on two CPU cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from contest import write_json

from civility.render.sentences.plan_sentences import device_words
from civility.run import RunDirectory

SETTINGS = {
    "data.validation": "0.5",
    "training.epochs": "1",
    "training.batch_size": "32",
    "training.learning_rate": "2e-4",
    "training.loss": "pos_weight_bce",
    "training.weight_power": "0.5",
}
OFF = {
    "training.group_by_length": "false",
    "training.vocabulary_in_use": "false",
    "training.attention": "eager",
}


def sample(source: Path, num_comments: int, place: Path) -> Path:
    """Write every n-th comment of a file, so that about this many remain."""
    table = pq.read_table(source)
    step = max(1, table.num_rows // num_comments)
    pq.write_table(table.take(list(range(0, table.num_rows, step))[:num_comments]), place)
    return place


def macro_roc_auc(data: Path, out: Path, seed: int, changes: dict[str, str]) -> float:
    """Train a run by the command line, and return the macro ROC AUC of its report."""
    settings = {"seed": str(seed), **SETTINGS, **changes}
    words = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "civility", "train", "starter", "--data", str(data), "--out", str(out), *words]
    subprocess.run(command, check=True, stdout=sys.stderr, env={**os.environ, "CIVILITY_CACHE": "off"})
    report = json.loads((RunDirectory(out).own_report.json).read_text(encoding="utf-8"))
    return float(report["macro"]["roc_auc"])


def main() -> None:
    """Train, and print a line a seed, the mean difference and the spread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comments", type=int, default=8_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-length", type=int, default=128, help="tokens")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not os.environ.get("CIVILITY_DATA"):
        sys.exit("CIVILITY_DATA is not set: name the folder that holds jigsaw-2018/train.parquet")
    source = Path(os.environ["CIVILITY_DATA"]) / "jigsaw-2018" / "train.parquet"
    found: dict[str, list[float]] = {"on": [], "off": []}
    print("| seed | all parts on | all off | difference |\n|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        data = sample(source, options.comments, Path(name) / "comments.parquet")
        for seed in range(1, options.seeds + 1):
            for parts, switched in (("on", {}), ("off", OFF)):
                changes = {"data.max_length": str(options.max_length), **switched}
                found[parts].append(macro_roc_auc(data, Path(name) / f"{parts}-{seed}", seed, changes))
            on, off = found["on"][-1], found["off"][-1]
            print(f"| {seed} | {on:.4f} | {off:.4f} | {on - off:+.4f} |", flush=True)
        facts = RunDirectory(Path(name) / f"on-{options.seeds}").environment()
    differences = [on - off for on, off in zip(found["on"], found["off"], strict=True)]
    spread = {parts: statistics.stdev(values) if len(values) > 1 else float("nan") for parts, values in found.items()}
    print(
        f"\nmean difference {statistics.mean(differences):+.4f}; standard deviation between seeds "
        f"{spread['on']:.4f} (on), {spread['off']:.4f} (off); {options.comments:,} comments, half held out, "
        f"truncated at {options.max_length} tokens"
    )
    known = {
        "device": device_words(facts.device) if facts.device else "",
        "precision": facts.precision,
        "versions": facts.versions,
    }
    write_json(
        options.json,
        {**known, "found": found, "spread": spread, "settings": SETTINGS, "options": vars(options) | {"json": None}},
    )


if __name__ == "__main__":
    main()
