"""How long an audit takes as the file grows, stage by stage, and how much memory; whether it finds what was planted.

    python benchmarks/audit_speed.py [--rows 160000 2000000] [--json FILE]

The comments are generated: words of a Zipf vocabulary, lengths as in Jigsaw 2018, one in a
hundred a copy of an earlier comment, and one in a hundred a copy with a word added. Each size runs in a process of its
own, so that its peak memory is its own. Stages are measured in CPU seconds, which other work on the
machine disturbs least, and in multiples of reading.
"""

import argparse
import csv
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from own_process import in_own_process, peak_bytes

from civility.audit.audit_comments import AuditRequest, audit

LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
SHARES = (0.096, 0.010, 0.053, 0.003, 0.049, 0.009)
# Words of a comment of the Jigsaw 2018 training file: minimum, median, 90 %, 99 %, maximum.
QUANTILES = {0: 1, 0.5: 34, 0.9: 147, 0.99: 580, 1: 1411}
VOCABULARY = 50_000
ROWS_AT_ONCE = 10_000
PLANTED_EVERY = 100
STAGES = ("reading", "looking for copies", "looking at characters", "guessing languages", "measuring tokens", "writing")


def write_comments(path: Path, num_rows: int) -> None:
    """Write a CSV in the shape of Jigsaw 2018's train.csv, with planted copies."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(rng.choice(letters, size)) for size in rng.integers(2, 11, VOCABULARY)])
    cumulated = np.cumsum(1 / (np.arange(VOCABULARY) + 2.7))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "comment_text", *LABELS])
        for start in range(0, num_rows, ROWS_AT_ONCE):
            size = min(ROWS_AT_ONCE, num_rows - start)
            lengths = np.interp(rng.random(size), list(QUANTILES), list(QUANTILES.values())).astype(int)
            chosen = words[np.searchsorted(cumulated, rng.random(lengths.sum()) * cumulated[-1])]
            texts = [" ".join(part) for part in np.split(chosen, np.cumsum(lengths)[:-1])]
            for place in range(PLANTED_EVERY, size, PLANTED_EVERY):
                texts[place] = texts[place - 1].upper()
                texts[place - 2] = f"{texts[place - 3]} {words[place]}"
            marks = (rng.random((size, len(LABELS))) < np.array(SHARES)).astype(int)
            writer.writerows([f"{start + i:016x}", text, *marks[i]] for i, text in enumerate(texts))


def measure(path: Path) -> dict[str, float]:
    """Audit one file, and return the seconds of each stage, peak memory and what was found."""
    began: dict[str, tuple[float, float]] = {}
    done = audit(
        [str(path)],
        AuditRequest(),
        out=path.parent / "audit",
        on_stage=lambda stage: began.update({stage: (time.perf_counter(), time.process_time())}),
    )
    ends = [*list(began.values())[1:], (time.perf_counter(), time.process_time())]
    seconds = ends[-1][0] - next(iter(began.values()))[0]
    cpu = {stage: end[1] - start[1] for (stage, start), end in zip(began.items(), ends, strict=True)}
    counts = {finding.name: finding.count for finding in done.audit.findings}
    return {
        **{stage: cpu[stage] for stage in STAGES},
        "seconds": seconds,
        "cpu_seconds": sum(cpu.values()),
        "peak_gib": peak_bytes() / 2**30,
        "equal_copies": counts["equal_copies"],
        "near_copies": counts["near_copies"],
    }


def main() -> None:
    """Print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", nargs="+", type=int, default=[160_000])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for num_rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "train.csv"
            write_comments(path, num_rows)
            row = {"comments": num_rows, "file_mb": path.stat().st_size / 1e6, **in_own_process(measure, path)}
        rows.append(row)
        print(f"{num_rows:,} comments, {row['file_mb']:,.0f} MB")
        print(f"  {row['seconds']:.0f} s, CPU {row['cpu_seconds']:.0f} s, peak {row['peak_gib']:.2f} GiB")
        print(f"  found {row['equal_copies']:,} copies and {row['near_copies']:,} comments with a near one")
        print("  (planted: one in a hundred, and two)")
        for stage in STAGES:
            print(f"  {stage:<24} {row[stage]:>7.1f} s   {row[stage] / row['reading']:>6.2f} x reading")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
