"""How long reading, splitting and preparing take as the file grows, and how much memory.

    python benchmarks/read_speed.py [--rows 160000 2000000] [--json FILE]

The comments are generated with the length distribution of Jigsaw 2018 (quantiles below). Each size runs in a
process of its own, so that its peak memory is its own.
"""

import argparse
import csv
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from own_process import in_own_process, peak_bytes

from civility.data.reading import Columns, read_dataset
from civility.data.splits import split

LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
SHARES = (0.096, 0.010, 0.053, 0.003, 0.049, 0.009)
# Characters of a comment of the Jigsaw 2018 training file: minimum, quartiles, 90 %, 99 %, maximum.
QUANTILES = {0: 6, 0.25: 96, 0.5: 195, 0.75: 420, 0.9: 860, 0.99: 3540, 1: 5000}


def write_comments(path: Path, num_rows: int) -> None:
    """Write a CSV in the shape of Jigsaw 2018's train.csv."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), size)) for size in rng.integers(1, 10, 5000)]
    text = " ".join(rng.choice(words, 200_000))
    lengths = np.interp(rng.random(num_rows), list(QUANTILES), list(QUANTILES.values())).astype(int)
    starts = rng.integers(0, len(text) - 5000, num_rows)
    marks = (rng.random((num_rows, len(LABELS))) < np.array(SHARES)).astype(int)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "comment_text", *LABELS])
        for i in range(num_rows):
            writer.writerow([f"{i:016x}", text[starts[i] : starts[i] + lengths[i]], *marks[i]])


def measure(path: Path) -> dict[str, float]:
    """Read and split one file, and return seconds and peak memory."""
    started = time.perf_counter()
    dataset = read_dataset([path], Columns()).dataset
    read = time.perf_counter()
    split(dataset, 0.1, seed=0)
    done = time.perf_counter()
    return {"read_seconds": read - started, "split_seconds": done - read, "peak_gib": peak_bytes() / 2**30}


def main() -> None:
    """Print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", type=int, default=[160_000])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    print(f"{'comments':>10}  {'file MB':>8}  {'read s':>7}  {'split s':>7}  {'peak GiB':>8}")
    for num_rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "train.csv"
            write_comments(path, num_rows)
            row = {"comments": num_rows, "file_mb": path.stat().st_size / 1e6, **in_own_process(measure, path)}
        rows.append(row)
        print(
            f"{num_rows:>10,}  {row['file_mb']:>8.0f}  {row['read_seconds']:>7.1f}  {row['split_seconds']:>7.1f}  "
            f"{row['peak_gib']:>8.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
