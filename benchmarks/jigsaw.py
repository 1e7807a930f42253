"""The starter model on real comments: the numbers of docs/explanation/results.md, made again.

    CIVILITY_DATA=FOLDER python benchmarks/jigsaw.py [--out runs/jigsaw]

FOLDER holds `jigsaw-2018/train.parquet`: 69,068 comments of the Jigsaw Toxic Comment Classification Challenge with
their six labels. Takes about two hours on two shared CPU cores without bf16. Prints the result as Markdown
when training has ended; `--report-only` prints it for a run that is there already.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from civility.evaluation import Report
from civility.render.markdown.report_markdown import table
from civility.render.sentences.plan_sentences import device_words
from civility.run import RunDirectory

SETTINGS = {
    "data.max_length": "128",
    "evaluation.max_length": "256",
    "training.epochs": "2",
    "training.batch_size": "32",
    "training.learning_rate": "2e-4",
    "training.loss": "pos_weight_bce",
    "training.weight_power": "0.5",
}


def command(data: Path, out: Path) -> list[str]:
    """Return the training command."""
    settings = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    return ["civility", "train", "starter", "--data", str(data), *settings, "--out", str(out)]


def describe(run: Path) -> str:
    """Return data, machine, versions, epochs and the report of a finished run as Markdown."""
    directory = RunDirectory(run)
    facts, lines, times = directory.environment(), list(directory.read_metrics()), list(directory.read_timing())
    seconds = {(time["kind"], time["step"]): time["seconds"] for time in times if "seconds" in time}
    steps = [line for line in lines if line["kind"] == "step"]
    rates = sorted(step["num_comments"] / seconds["step", step["step"]] for step in steps)
    training, validation = facts.data.training, facts.data.validation
    device = device_words(facts.device) if facts.device else ""
    versions = ", ".join(f"{name} {facts.versions[name]}" for name in ("python", "torch", "transformers"))
    parts = [
        f"{training.num_comments:,} comments trained on, {validation.num_comments:,} held out "
        f"(`{validation.digest[:19]}`); {device}, {facts.precision}; {versions}; "
        f"median {rates[len(rates) // 2]:.0f} comments/s.",
        "| epoch | training loss | validation loss | macro ROC AUC | hours |\n|---:|---:|---:|---:|---:|",
    ]
    for epoch in (line for line in lines if line["kind"] == "epoch"):
        parts[-1] += (
            f"\n| {epoch['epoch']} | {epoch['training_loss']:.4f} | {epoch['validation']['loss']:.4f} "
            f"| {epoch['validation']['macro_roc_auc']:.4f} | {seconds['epoch', epoch['step']] / 3600:.2f} |"
        )
    path = directory.own_report.json
    return "\n\n".join([*parts, table(Report.read(path))])


def main() -> None:
    """Train, then print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/jigsaw"))
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    if not options.report_only:
        if not os.environ.get("CIVILITY_DATA"):
            sys.exit("CIVILITY_DATA is not set: name the folder that holds jigsaw-2018/train.parquet")
        data = Path(os.environ["CIVILITY_DATA"]) / "jigsaw-2018" / "train.parquet"
        subprocess.run([sys.executable, "-m", *command(data, options.out)], check=True)
    print(describe(options.out))


if __name__ == "__main__":
    main()
