"""How fast the same recipe trains: written plainly, with transformers.Trainer, and with civility and without its parts.

    python benchmarks/train_speed.py [--model mdeberta minilm] [--rounds 3] [--batches 10] [--json FILE]
    python benchmarks/train_speed.py --quick

mDeBERTa-v3-base has its true size and random weights, since speed does not depend on their values. All contestants get
the same comments: whole batches of a sorted chunk, evenly spaced, so that a short pass is padded as an epoch is (see
speed_corpus.py). They run in turn, in an order that favours none; what is printed is the median over the rounds, and
in brackets the least and the greatest. Ratios are taken round by round.

*of the peak*: useful tokens per second x 6 floating-point operations a parameter outside the embedding, over what a
large matrix product reaches on this machine in the same precision. Attention is left out of the count, and the last
layer is counted whole, of which civility computes what the head looks at.
*reduced*: bytes that each process gives to be summed at a step with several of them; bytes_reduced.py measures them.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from contest import Spread, in_rounds, machine, markdown_table, product_peak, ratios, write_json
from contestants import PARTS, Measured, Task, run_civility, run_plain, run_trainer
from speed_corpus import (
    LABELS,
    MAX_LENGTH,
    ROWS_IN_USE,
    Corpus,
    mdeberta_config,
    number_corpus,
    prepared,
    representative_rows,
    starter_corpus,
    write_mdeberta,
)

from civility.engine.devices import choose_device, choose_precision
from civility.models.encoder import load_config
from civility.models.model_size import ModelSize
from civility.models.model_source import STARTER_MODEL

EPOCH = 159_571
"""Comments of the official training file of Jigsaw 2018."""

BATCH_SIZE = 16
_CORPUS = 20_000
_OPERATIONS = 6
_HEAD = (
    "contestant",
    "comments/s",
    "x plain",
    "x trainer",
    "useful tokens/s",
    "padding",
    "peak GiB, training",
    "peak GiB, with loading",
    "gradients and state, MB",
    "reduced, MB/step",
    "of the peak",
    "an epoch, h",
)


@dataclass(frozen=True)
class Contest:
    """A model with its comments, and who takes part."""

    name: str
    task: Task
    corpus: Corpus
    size: ModelSize
    contestants: dict[str, Callable[[], Any]]


def contestants_of(task: Task) -> dict[str, Callable[[], Measured]]:
    """Return everyone who can take part, by name."""
    switched = {f"without {part}": partial(run_civility, task, changes) for part, changes in PARTS.items()}
    changes_of_all = {key: value for changes in PARTS.values() for key, value in changes.items()}
    return {
        "plain": partial(run_plain, task),
        "trainer": partial(run_trainer, task),
        "civility": partial(run_civility, task, {}),
        **switched,
        "without any": partial(run_civility, task, changes_of_all),
    }


def contest_of(name: str, folder: Path, options: argparse.Namespace) -> Contest:
    """Make or find the model, choose its comments, and the contestants that were asked for."""
    if name == "minilm":
        model, corpus = STARTER_MODEL, starter_corpus(_CORPUS)
    else:
        write_mdeberta(folder, options.shrink)
        num_rows = mdeberta_config(options.shrink)["vocab_size"]
        model, corpus = str(folder), number_corpus(_CORPUS, num_rows, options.rows_in_use // options.shrink)
    rows = representative_rows(corpus.lengths, BATCH_SIZE, options.batches)
    device = choose_device(options.device)
    # On a CPU the first step is like the others; a GPU has kernels to choose and memory to take for each length.
    num_warmup_steps = options.batches if device == "cuda" else 1
    num_plain_steps = options.batches if device == "cuda" else min(options.plain_steps, options.batches)
    task = Task(
        model,
        prepared(corpus, rows),
        device,
        choose_precision(options.precision, device),
        BATCH_SIZE,
        MAX_LENGTH,
        num_plain_steps,
        num_warmup_steps,
    )
    there = contestants_of(task)
    size = ModelSize.of(load_config(model, None), len(LABELS))
    return Contest(name, task, corpus, size, {key: there[key] for key in options.contestants})


def row_of(name: str, results: dict[str, list[Measured]], contest: Contest, peak: float) -> dict[str, Any]:
    """Return the numbers of one contestant over all rounds."""
    rounds = results[name]
    rates = {key: [one.num_comments / one.seconds for one in given] for key, given in results.items()}
    last, others = rounds[-1], [other for other in ("plain", "trainer") if other in results]
    tokens = Spread.of([one.num_tokens / one.seconds for one in rounds])
    operations = _OPERATIONS * (contest.size.num_parameters - contest.size.num_embedding)
    return {
        "contestant": name,
        "comments_per_second": Spread.of(rates[name]),
        **{f"times_{other}": ratios(rates[name], rates[other]) for other in others},
        "tokens_per_second": tokens,
        "padding": 1 - sum(one.num_tokens for one in rounds) / sum(one.num_padded for one in rounds),
        "peak_bytes": max(one.peak for one in rounds),
        "whole_peak_bytes": max(one.whole_peak for one in rounds),
        "gradient_bytes": last.gradient_bytes,
        "state_bytes": last.state_bytes,
        "share_of_peak": tokens.median * operations / peak,
        "epoch_hours": EPOCH / Spread.of(rates[name]).median / 3600,
    }


def cells(row: dict[str, Any]) -> list[str]:
    """Return a row as it is printed."""
    times = [row[key].written(2) if key in row else "" for key in ("times_plain", "times_trainer")]
    return [
        row["contestant"],
        row["comments_per_second"].written(2),
        *times,
        row["tokens_per_second"].written(0),
        f"{row['padding']:.1%}",
        *(f"{row[key] / 2**30:.2f}" for key in ("peak_bytes", "whole_peak_bytes")),
        f"{(row['gradient_bytes'] + row['state_bytes']) / 1e6:,.1f}",
        f"{row['gradient_bytes'] / 1e6:,.1f}",
        f"{row['share_of_peak']:.1%}",
        f"{row['epoch_hours']:.2f}",
    ]


def summary(rows: list[dict[str, Any]], results: dict[str, list[Measured]]) -> list[str]:
    """Say what each part is worth, and how civility's gradients and state compare with plain's."""
    by_name = {row["contestant"]: row for row in rows}
    lines = []
    if "civility" in by_name:
        ours = [one.num_comments / one.seconds for one in results["civility"]]
        for name in by_name:
            if name.startswith("without "):
                worth = ratios(ours, [one.num_comments / one.seconds for one in results[name]])
                lines.append(f"civility is {worth.written(2)} times as fast as {name.replace('_', ' ')}")
    if {"civility", "plain"} <= by_name.keys():
        kept = [by_name[name]["gradient_bytes"] + by_name[name]["state_bytes"] for name in ("civility", "plain")]
        lines.append(f"gradients and optimizer state: {kept[0] / kept[1]:.1%} of plain's")
    return lines


def run_contest(contest: Contest, num_rounds: int, shrink: int) -> dict[str, Any]:
    """Run all rounds, print a table, and return the numbers."""
    task, corpus = contest.task, contest.corpus
    peak = product_peak(task.device, task.precision)
    results = in_rounds(contest.contestants, num_rounds, lambda line: print(line, file=sys.stderr, flush=True))
    peak = max(peak, product_peak(task.device, task.precision))
    rows = [row_of(name, results, contest, peak) for name in results]
    facts = machine(task.device, task.precision)
    chosen = sum(one.num_tokens for one in results["civility"]) if "civility" in results else 0
    print(f"\n## {contest.name}{'' if shrink == 1 else f', widths and vocabulary divided by {shrink}'}\n")
    print(", ".join(f"{key} {value}" for key, value in facts.items()), end="; ")
    print(f"a large product in {task.precision}: {peak / 1e9:,.0f} GFLOP/s; rounds: {num_rounds}")
    print(
        f"{contest.size.num_parameters / 1e6:.1f} M parameters, {contest.size.num_embedding / 1e6:.1f} M of them token "
        f"embeddings; {corpus.origin}; {corpus.lengths.mean():.1f} tokens a comment in {len(corpus.texts):,}, "
        f"{chosen / max(1, num_rounds * task.num_comments):.1f} in the {task.num_comments} of a pass; batches of "
        f"{task.batch_size}; plain takes {task.num_plain_steps} steps\n"
    )
    print(markdown_table(_HEAD, [cells(row) for row in rows]) + "\n")
    print("\n".join(summary(rows, results)))
    plain_rows = [{key: asdict(v) if isinstance(v, Spread) else v for key, v in row.items()} for row in rows]
    rounds = {name: [asdict(one) for one in given] for name, given in results.items()}
    return {"model": contest.name, **facts, "product_flops": peak, "contestants": plain_rows, "rounds": rounds}


def parse() -> argparse.Namespace:
    """Return the options; --quick sets those that were not given."""
    everyone = ["plain", "trainer", "civility", *(f"without {part}" for part in PARTS), "without any"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=("mdeberta", "minilm"), default=["mdeberta", "minilm"])
    parser.add_argument("--contestants", nargs="+", choices=everyone)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--batches", type=int, help="of a pass")
    parser.add_argument("--plain-steps", type=int, help="of plain, whose steps all cost the same (not on a GPU)")
    parser.add_argument("--rows-in-use", type=int, default=ROWS_IN_USE, help="of mDeBERTa's embedding: an assumption")
    parser.add_argument("--shrink", type=int, default=1, help="divide mDeBERTa's widths and vocabulary: to try it out")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp16", "fp32"), default="auto")
    parser.add_argument("--quick", action="store_true", help="one short round, without the rows of single parts")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    quick = options.quick
    options.rounds = options.rounds or (1 if quick else 3)
    options.batches = options.batches or (4 if quick else 10)
    options.plain_steps = options.plain_steps or (1 if quick else 3)
    options.contestants = options.contestants or (everyone[:3] if quick else everyone[:-1])
    return options


def main() -> None:
    """Run a contest for each model."""
    options = parse()
    torch.set_float32_matmul_precision("highest")
    results = []
    for name in options.model:
        with tempfile.TemporaryDirectory() as folder:
            contest = contest_of(name, Path(folder), options)
            results.append(run_contest(contest, options.rounds, options.shrink if name == "mdeberta" else 1))
    write_json(options.json, results)


if __name__ == "__main__":
    main()
