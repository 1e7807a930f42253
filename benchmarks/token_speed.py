"""How fast comments become tokens, and what share of a training step goes to making batches of them.

    [CIVILITY_DATA=FOLDER] python benchmarks/token_speed.py [--comments 20000] [--rounds 3] [--steps 20] [--json FILE]

The comments are those of FOLDER/jigsaw-2018/train.parquet, else the built-in corpus, again and again; the tokenizer is
the starter's. Four ways take turns, round after round: the usual one (`tokenizer(...)` on a thousand texts at a time),
ours, ours with the tokens put into a cache, and ours with the tokens found there. All have to give the same tokens.
Medians of wall seconds with their spread, and of the CPU seconds of all cores, which a busy neighbour changes less.
Then the starter model trains for a few steps on the tokens from the cache, and the making of the very batches of these
steps is timed apart.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from civility.data.dataset import Dataset
from civility.data.prepare import PreparedData, Wanted, prepare
from civility.data.reading import Columns
from civility.engine.step_plan import epoch_order, micro_batches
from civility.models.batches import gather
from civility.models.model_source import STARTER_MODEL
from civility.models.token_cache import cached_tokens, default_cache_folder
from civility.models.tokenizer import load_tokenizer, tokenise
from civility.recipe import Recipe
from civility.run import RunDirectory
from civility.scoring.tokens import Tokens
from civility.training.build import Job, build_run
from civility.training.session import Session

MAX_LENGTH = 128


def read_comments(num: int) -> tuple[PreparedData, str]:
    """Return this many training comments, and what they are."""
    folder = os.environ.get("CIVILITY_DATA")
    files = [str(Path(folder) / "jigsaw-2018" / "train.parquet")] if folder else ["civility:starter/train"]
    data = prepare(Wanted(files, 0.1, Columns(), 42))
    rows = np.arange(num) % len(data.training)
    training: Dataset = data.training.select(rows)
    name = "Jigsaw 2018" if folder else "the built-in corpus, repeated"
    return PreparedData(training, data.validation, data.files, data.validation_files, data.notes), name


def usual_way(tokenizer: Any, texts: tuple[str, ...]) -> Tokens:
    """Tokenise as it is usually written, and as civility did it before."""
    ids, truncated = [], []
    for start in range(0, len(texts), 1_000):
        encoded = tokenizer(list(texts[start : start + 1_000]), truncation=True, max_length=MAX_LENGTH)
        truncated += [bool(one.overflowing) for one in encoded.encodings]
        ids += [np.asarray(row, dtype=np.int32) for row in encoded["input_ids"]]
    offsets = np.cumsum([0, *map(len, ids)])
    return Tokens(np.concatenate(ids), offsets, int(tokenizer.pad_token_id), np.array(truncated))


def race(texts: tuple[str, ...], cache: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return the wall and CPU seconds of every way, one a round; the order of the ways turns with the rounds."""
    tokenizer = load_tokenizer(STARTER_MODEL)
    filled = cache / "filled"
    expected = cached_tokens(tokenizer, texts, MAX_LENGTH, filled)[0].digest
    ways: dict[str, Callable[[int], Tokens]] = {
        "usual": lambda turn: usual_way(tokenizer, texts),
        "civility": lambda turn: tokenise(tokenizer, texts, MAX_LENGTH),
        "civility, first run": lambda turn: cached_tokens(tokenizer, texts, MAX_LENGTH, cache / str(turn))[0],
        "civility, second run": lambda turn: cached_tokens(tokenizer, texts, MAX_LENGTH, filled)[0],
    }
    seconds: dict[str, dict[str, list[float]]] = {name: {"wall": [], "cpu": []} for name in ways}
    for turn in range(rounds):
        for name, way in list(ways.items()) if turn % 2 == 0 else reversed(ways.items()):
            started = time.perf_counter(), time.process_time()
            tokens = way(turn)
            seconds[name]["wall"].append(time.perf_counter() - started[0])
            seconds[name]["cpu"].append(time.process_time() - started[1])
            assert tokens.digest == expected, name
    return seconds


def wait_share(data: PreparedData, steps: int, folder: Path) -> dict[str, float]:
    """Return the seconds of some training steps, and those that making their batches takes."""
    recipe = Recipe.load("starter", {"data.max_length": MAX_LENGTH, "training.device": "auto"})
    run = RunDirectory(folder / "run")
    parts = build_run(Job(recipe, data, run))
    trainer = parts.trainer
    facts = trainer.run(lambda: Session(parts).validate(lambda: False))
    next(facts)  # the first one warms up
    training = sum(fact.seconds for fact, _ in zip(facts, range(steps), strict=False))
    tokens, plan = trainer.data.tokens, trainer.plan
    order = epoch_order(tokens.lengths, trainer.shape.global_size, plan.seed, 0, plan.group_by_length)
    started = time.perf_counter()
    for rows in order[1 : steps + 1]:
        for part in micro_batches(rows, trainer.shape, 0):
            gather(tokens, part)
    making = time.perf_counter() - started
    return {"steps": steps, "training_seconds": training, "batches_seconds": making, "share": making / training}


def print_table(seconds: dict[str, dict[str, list[float]]], num_comments: int) -> None:
    """Print a line a way, each against the usual one."""
    usual = {clock: statistics.median(times) for clock, times in seconds["usual"].items()}
    print(f"  {'way':<22} {'wall s':>8} {'(least-most)':>16} {'comments/s':>11} {'ratio':>8} {'cpu s':>8} {'ratio':>8}")
    for way, times in seconds.items():
        wall, cpu = (statistics.median(times[clock]) for clock in ("wall", "cpu"))
        spread = f"({min(times['wall']):.2f}-{max(times['wall']):.2f})"
        print(
            f"  {way:<22} {wall:>8.2f} {spread:>16} {num_comments / wall:>11,.0f} {usual['wall'] / wall:>7.2f}x "
            f"{cpu:>8.2f} {usual['cpu'] / cpu:>7.2f}x"
        )


def main() -> None:
    """Print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comments", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data, name = read_comments(options.comments)
    texts = data.training.texts
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CIVILITY_CACHE"] = folder  # the cache of whoever measures is left alone
        cache = default_cache_folder(os.environ)
        assert cache is not None
        seconds = race(texts, cache, options.rounds)
        wait = wait_share(data, options.steps, Path(folder))
    print(f"{len(texts):,} comments ({name}), {sum(map(len, texts)):,} characters, truncated at {MAX_LENGTH} tokens\n")
    print_table(seconds, len(texts))
    print(
        f"\n{wait['steps']:.0f} training steps of {STARTER_MODEL}: {wait['training_seconds']:.2f} s, of which making "
        f"batches takes {wait['batches_seconds']:.3f} s: the model waits for {wait['share']:.3%} of the time"
    )
    if options.json:
        content = {"comments": len(texts), "texts": name, "seconds": seconds, "wait": wait}
        options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
