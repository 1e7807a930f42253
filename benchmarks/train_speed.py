"""How fast `civility train` trains, as a process started on files, beside plain PyTorch and transformers.Trainer.

    CIVILITY_DATA=FOLDER python benchmarks/train_speed.py [--task minilm strong mdeberta] [--rounds 3] [--steps 40]
    python benchmarks/train_speed.py --quick
    python benchmarks/train_speed.py --other FOLDER/src      # beside another checkout of civility
    python benchmarks/train_speed.py --also 'no groups=training.group_by_length=false'
    python benchmarks/train_speed.py --environment sleeps=OMP_WAIT_POLICY=PASSIVE --neighbours 1

*minilm* is the recipe `baseline` with all-MiniLM-L6-v2, in batches of 16, at most 256 tokens; *mdeberta* the same with
a model of mDeBERTa-v3-base's size and random weights; *strong* is that recipe. Comments are of Jigsaw 2018 if
CIVILITY_DATA names the folder, else generated with its lengths; an epoch of them is whole batches of a sorted chunk,
evenly spaced, so that it is padded as a long one. Contestants run in turn, in an order that favours none. Printed are
medians over the rounds, with the least and the greatest in brackets; ratios are taken round by round.

*comments/s* is by the clock on the wall, from one logged step to another, with all that happens between steps; the
first three steps are left out. It is of comments of the mean length, since contestants order them differently and
leave out longer or shorter ones. *plain* and *trainer* are in rivals.py. CPU time and memory are those of the whole
process. *of the peak*: tokens per second x 6 floating-point operations for each parameter outside the embedding, over
what a large product reaches here in the same precision; attention and the optimizer are not counted.
"""

import argparse
import contextlib
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from contest import Spread, machine, markdown_table, orders, product_peak, ratios, write_json
from rivals import SKIPPED
from speed_corpus import (
    LABELS,
    ROWS_IN_USE,
    SHARES,
    Corpus,
    mdeberta_config,
    number_corpus,
    representative_rows,
    starter_corpus,
    write_mdeberta,
)

from civility.engine.devices import choose_device, choose_precision
from civility.models.encoder import load_config
from civility.models.model_size import ModelSize
from civility.models.model_source import STARTER_MODEL, locate
from civility.recipe import Recipe
from civility.run import RunDirectory

EPOCH = 159_571
"""Comments of the official training file of Jigsaw 2018."""

_CORPUS, _VALIDATION = 20_000, 64
_OPERATIONS = 6
_LOOK = 0.01  # seconds


@dataclass(frozen=True)
class Task:
    """A recipe, its model, and the files that all contestants get."""

    name: str
    recipe: str
    model: str
    batch_size: int
    max_length: int
    precision: str
    training: Path
    validation: Path
    origin: str
    mean_tokens: float

    def settings(self) -> dict[str, object]:
        """Return what changes of the recipe."""
        return {
            "data.validation": json.dumps([str(self.validation)]),
            "training.epochs": 1,
            "training.log_every": 1,
            "training.batch_size": self.batch_size,
            "training.precision": json.dumps(self.precision),
            "data.max_length": self.max_length,
        }


@dataclass(frozen=True)
class Process:
    """What a process took: seconds by the clock and of the CPU, bytes, and when each line of a log was written."""

    seconds: float
    cpu_seconds: float
    peak: int
    lines: tuple[float, ...]
    output: str


@dataclass(frozen=True)
class Measured:
    """A contestant's run: its steps after the first ones, and the process. NaN is unknown."""

    num_comments: int
    num_tokens: int
    seconds: float
    process: Process
    parts: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Useful tokens a second."""
        return self.num_tokens / self.seconds


def run_process(command: Sequence[str], environment: Mapping[str, str], log: Path | None) -> Process:
    """Run a command, and look at a log while it runs; CalledProcessError if it fails."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        started = time.perf_counter()
        lines: list[float] = []
        child = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
        while True:
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            now = time.perf_counter() - started
            if log is not None and log.is_file():
                there = log.read_bytes().count(b"\n")
                lines += [now] * (there - len(lines))
            if pid:
                break
            time.sleep(_LOOK)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if child.returncode:
        print(text, file=sys.stderr)
        raise subprocess.CalledProcessError(child.returncode, command)
    unit = 1 if sys.platform == "darwin" else 1024
    return Process(now, used.ru_utime + used.ru_stime, used.ru_maxrss * unit, tuple(lines), text)


def run_civility(task: Task, changes: Mapping[str, object], variables: Mapping[str, str] = {}) -> Measured:
    """Run `civility train` with changed settings and environment variables."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        settings = {**task.settings(), **changes}
        options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        command = [sys.executable, "-m", "civility", "train", task.recipe, "--data", str(task.training)]
        command += ["--model", task.model, "--out", str(run.path), *options]
        environment = {"CIVILITY_CACHE": str(task.training.parent / "cache"), **variables}
        process = run_process(command, environment, run.metrics)
        steps = [line for line in _lines(run.metrics) if line["kind"] == "step"]
        timing = _lines(run.timing)
    counted = steps[SKIPPED:]
    seconds = process.lines[len(steps) - 1] - process.lines[SKIPPED - 1]
    of_kind = {kind: [one["seconds"] for one in timing if one["kind"] == kind] for kind in ("step", "epoch", "save")}
    between = process.lines[len(steps) - 1] - process.lines[0]
    parts = {
        "first step": process.lines[0],
        "steps": between,
        "validation": of_kind["epoch"][0] - sum(of_kind["step"]),
        "checkpoints": sum(of_kind["save"]),
        "end": process.seconds - process.lines[len(steps)],
    }
    num_tokens = sum(step["num_tokens"] for step in counted)
    return Measured(sum(step["num_comments"] for step in counted), num_tokens, seconds, process, parts)


def run_rival(task: Task, how: str, *more: str) -> Measured:
    """Run plain PyTorch or transformers.Trainer."""
    script = Path(__file__).with_name("rivals.py")
    command = [
        sys.executable,
        str(script),
        how,
        "--model",
        str(locate(task.model)),
        "--data",
        str(task.training),
        *more,
    ]
    given = {"batch-size": task.batch_size, "max-length": task.max_length, "precision": task.precision}
    process = run_process([*command, *(f"--{key}={value}" for key, value in given.items())], {}, None)
    found = json.loads(process.output.splitlines()[-1])
    return Measured(found["num_comments"], found["num_tokens"], found["seconds"], process, {})


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def task_of(name: str, folder: Path, options: argparse.Namespace) -> Task:
    """Make or find the model, and write the comments."""
    folder.mkdir()
    if name == "mdeberta":
        model = folder / "model"
        write_mdeberta(model, options.shrink)
        num_rows = mdeberta_config(options.shrink)["vocab_size"]
        corpus = number_corpus(_CORPUS, num_rows, options.rows_in_use // options.shrink)
    else:
        model, corpus = Path(STARTER_MODEL), starter_corpus(_CORPUS)
    recipe = "strong" if name == "strong" else "baseline"
    plan = Recipe.load(recipe)
    batch_size, max_length = plan.training.batch_size, plan.data.max_length
    corpus = replace(corpus, lengths=np.minimum(corpus.lengths, max_length))
    rows = representative_rows(corpus.lengths, batch_size, options.steps)
    others = np.setdiff1d(np.arange(len(corpus.texts)), rows)[:_VALIDATION]
    training, validation = folder / "train.csv", folder / "validation.csv"
    for path, chosen in ((training, rows), (validation, others)):
        _write(path, corpus, chosen)
    device = choose_device("auto")
    precision = choose_precision(options.precision, device)
    mean = float(corpus.lengths[rows].mean())
    return Task(name, recipe, str(model), batch_size, max_length, precision, training, validation, corpus.origin, mean)


def _write(path: Path, corpus: Corpus, rows: "np.ndarray[Any, Any]") -> None:
    """Write comments with drawn labels; every label has a positive and a negative."""
    targets = (np.random.default_rng(1).random((len(rows), len(LABELS))) < np.array(SHARES)).astype(int)
    targets[0], targets[-1] = 1, 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "comment_text", *LABELS])
        writer.writerows([row, corpus.texts[row], *line] for row, line in zip(rows, targets, strict=True))


def contest(task: Task, options: argparse.Namespace) -> dict[str, list[Measured]]:
    """Run everyone in turn; return what each measured, round by round."""
    contestants: dict[str, Callable[[], Measured]] = {"civility": partial(run_civility, task, {})}
    if options.other:
        contestants["other checkout"] = partial(run_civility, task, {}, {"PYTHONPATH": options.other})
    for name, key, value in map(_named, options.also):
        contestants[name] = partial(run_civility, task, {key: value})
    for name, key, value in map(_named, options.environment):
        contestants[name] = partial(run_civility, task, {}, {key: value})
    if "trainer" in options.rivals:
        contestants["trainer"] = partial(run_rival, task, "trainer")
    if "compiled" in options.rivals:
        contestants["trainer, compiled"] = partial(run_rival, task, "trainer", "--compile")
    if "plain" in options.rivals:
        contestants["plain"] = partial(run_rival, task, "plain", f"--steps={SKIPPED + options.plain_steps}")
    found: dict[str, list[Measured]] = {name: [] for name in contestants}
    for number, order in enumerate(orders(list(contestants), options.rounds), start=1):
        for name in order:
            print(f"{task.name}, round {number} of {options.rounds}: {name}", file=sys.stderr, flush=True)
            found[name].append(contestants[name]())
    return found


def _named(text: str) -> tuple[str, str, str]:
    """Return the parts of NAME=KEY=VALUE."""
    name, _, rest = text.partition("=")
    key, _, value = rest.partition("=")
    return name, key, value


@contextlib.contextmanager
def busy(num: int) -> Iterator[None]:
    """Keep this many cores busy with other processes inside the block."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(num)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def report(task: Task, found: Mapping[str, Sequence[Measured]], options: argparse.Namespace, peak: float) -> None:
    """Print both tables."""
    size = ModelSize.of(load_config(task.model, None), len(LABELS))
    operations = _OPERATIONS * (size.num_parameters - size.num_embedding)
    facts = {
        **machine(choose_device("auto"), task.precision),
        "rounds": options.rounds,
        "neighbours": options.neighbours,
    }
    rates = {name: [one.rate for one in rounds] for name, rounds in found.items()}
    others = [name for name in found if name != "civility"]
    print(f"\n## {task.name}\n")
    print(", ".join(f"{key} {value}" for key, value in facts.items()), end="; ")
    print(f"a large product: {peak / 1e9:,.0f} GFLOP/s")
    mean = task.mean_tokens
    print(f"{task.origin}; {mean:.1f} tokens a comment, batches of {task.batch_size}, {options.steps} steps\n")
    rows = [
        [
            name,
            Spread.of([rate / mean for rate in rates[name]]).written(2),
            ratios(rates["civility"], rates[name]).written(2),
            f"{Spread.of([one.process.cpu_seconds for one in rounds]).median:,.0f}",
            f"{max(one.process.peak for one in rounds) / 2**30:.2f}",
            f"{Spread.of(rates[name]).median * operations / peak:.1%}",
            f"{EPOCH * mean / Spread.of(rates[name]).median / 3600:.2f}",
        ]
        for name, rounds in found.items()
    ]
    head = ("contestant", "comments/s", "civility is times as fast", "CPU s", "peak GiB", "of the peak", "an epoch, h")
    print(markdown_table(head, rows) + "\n")
    ours = [name for name in ("civility", *others) if found[name][0].parts]
    kinds = list(found["civility"][0].parts)
    rows = [
        [name, *(Spread.of([one.parts[kind] for one in found[name]]).written(1) for kind in kinds)] for name in ours
    ]
    print(markdown_table(("seconds", "command to first step", *kinds[1:]), rows))


def parse() -> argparse.Namespace:
    """Return the options; --quick sets those that were not given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", nargs="+", choices=("minilm", "strong", "mdeberta"))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--steps", type=int, help="of an epoch; at most 50")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp16", "fp32"), default="auto")
    parser.add_argument("--other", default="", metavar="SRC", help="source folder of another checkout, to compare")
    parser.add_argument(
        "--also", nargs="+", default=[], metavar="NAME=KEY=VALUE", help="civility with a changed setting"
    )
    parser.add_argument(
        "--environment", nargs="+", default=[], metavar="NAME=VARIABLE=VALUE", help="civility with it set"
    )
    parser.add_argument("--neighbours", type=int, default=0, help="processes that keep a core busy each")
    parser.add_argument("--rivals", nargs="*", choices=("trainer", "compiled", "plain"), default=["trainer"])
    parser.add_argument("--plain-steps", type=int, default=3, help="of plain, whose steps all cost the same")
    parser.add_argument("--rows-in-use", type=int, default=ROWS_IN_USE, help="of mDeBERTa's embedding: an assumption")
    parser.add_argument("--shrink", type=int, default=1, help="divide mDeBERTa's widths and vocabulary: to try it out")
    parser.add_argument("--quick", action="store_true", help="one short round of minilm")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.steps = options.steps or (8 if options.quick else 40)
    options.task = options.task or (["minilm"] if options.quick else ["minilm", "strong", "mdeberta"])
    return options


def main() -> None:
    """Run a contest for each task."""
    options = parse()
    everything = []
    for name in options.task:
        with tempfile.TemporaryDirectory() as folder:
            task = task_of(name, Path(folder) / name, options)
            before = product_peak(choose_device("auto"), task.precision)
            with busy(options.neighbours):
                found = contest(task, options)
            peak = max(before, product_peak(choose_device("auto"), task.precision))
            report(task, found, options, peak)
        rounds = {key: [{**asdict(one), "rate": one.rate} for one in given] for key, given in found.items()}
        everything.append({"task": name, "product_flops": peak, "rounds": rounds})
    write_json(options.json, everything)


if __name__ == "__main__":
    main()
