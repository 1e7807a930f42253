"""What training costs as the comments grow: comments per second and memory, and the time before the first step.

    python benchmarks/train_growth.py [--comments 10000 160000 2000000] [--steps 20] [--json FILE]

all-MiniLM-L6-v2 on generated comments with the lengths of Jigsaw 2018, a tenth of them for validation; a few steps of
an epoch over all of them. Each size runs in a process of its own, so that its peak memory is its own. A few steps have
longer or shorter comments than the average, so comments per second are useful tokens per second over the mean length;
and memory is shown before the first step, where it grows with the comments, and after the last, where it grows with the
longest comments that those few steps met.
"""

import argparse
import gc
import statistics
import time
from pathlib import Path

import numpy as np
from bare_trainer import civility_trainer, take_steps
from contest import markdown_table, write_json
from own_process import forget_peak, in_own_process, peak_bytes
from speed_corpus import MAX_LENGTH, generated_corpus, prepared

from civility.models.model_source import STARTER_MODEL

_HEAD = (
    "comments",
    "texts, GiB",
    "to load and tokenise, s",
    "to the first step, s",
    "useful tokens/s",
    "comments/s",
    "padding",
    "peak GiB, before",
    "peak GiB, with the steps",
)


def measure(num_comments: int, num_steps: int) -> dict[str, float]:
    """Train a few steps on this many comments; return seconds, rates and bytes."""
    corpus = generated_corpus(num_comments)
    data = prepared(corpus, np.arange(num_comments - num_comments // 10))
    mean_length, text_bytes = float(corpus.lengths.mean()), sum(len(text) for text in corpus.texts)
    del corpus
    gc.collect()
    knows_peak = forget_peak()
    started = time.perf_counter()
    trainer = civility_trainer(STARTER_MODEL, data, {"data.max_length": MAX_LENGTH})
    prepared_in, prepared_peak = time.perf_counter() - started, peak_bytes()
    started = time.perf_counter()
    first = take_steps(trainer, 1)[0]
    before = time.perf_counter() - started - first.seconds
    facts = take_steps(trainer, num_steps)[1:]
    rate = sum(fact.num_tokens for fact in facts) / sum(fact.seconds for fact in facts)
    return {
        "num_comments": num_comments,
        "text_bytes": text_bytes,
        "prepare_seconds": prepared_in,
        "first_step_seconds": before,
        "tokens_per_second": rate,
        "comments_per_second": rate / mean_length,
        "median_step_seconds": statistics.median(fact.seconds for fact in facts),
        "padding": 1 - sum(fact.num_tokens for fact in facts) / sum(fact.num_padded for fact in facts),
        "prepared_peak_bytes": prepared_peak if knows_peak else float("nan"),
        "peak_bytes": peak_bytes() if knows_peak else float("nan"),
    }


def main() -> None:
    """Print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comments", nargs="+", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--quick", action="store_true", help="10,000 and 40,000 comments, fewer steps")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sizes = options.comments or ([10_000, 40_000] if options.quick else [10_000, 160_000, 2_000_000])
    num_steps = options.steps or (5 if options.quick else 20)
    rows = [in_own_process(measure, size, num_steps) for size in sizes]
    cells = [
        [
            f"{row['num_comments']:,}",
            f"{row['text_bytes'] / 2**30:.2f}",
            f"{row['prepare_seconds']:.1f}",
            f"{row['first_step_seconds']:.2f}",
            f"{row['tokens_per_second']:,.0f}",
            f"{row['comments_per_second']:.1f}",
            f"{row['padding']:.1%}",
            f"{row['prepared_peak_bytes'] / 2**30:.2f}",
            f"{row['peak_bytes'] / 2**30:.2f}",
        ]
        for row in rows
    ]
    print(f"\n## Training as the comments grow, {STARTER_MODEL}\n\n{markdown_table(_HEAD, cells)}")
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
