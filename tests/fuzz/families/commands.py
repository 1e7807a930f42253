"""Command lines and environments: every command with options as they come."""

import argparse
import os
from pathlib import Path
from typing import Any

from civility import __version__
from civility.cli.parser import build_parser

from ...conftest import SENTENCES
from ..command import Command
from ..mutations import ODD_TEXTS, Chance, some
from ..shelf import LINEAR, Shelf, settings

_WORDS = (
    *("0", "1", "-1", "2", "nan", "inf", "1e999", "0.5", "9" * 30, "x" * 300, "toxic", "f1", "csv", "ranks"),
    *("auto", "-"),
    *("--", "nowhere", "nowhere.csv", "./nowhere", "a/b", "*.csv", "[", "civility:suite", "civility:starter/held-out"),
    *("civility:x", "tensorboard", "default: f1", "macro.roc_auc >= 0.5", "id", "comment_text", "/proc/nothing/x", "."),
    *("sqlite:///study.db", "sqlite://", "nonsense://x", "fast", "starter.toml", os.fsdecode(b"caf\xe9.csv")),
    *("%s", "out"),
)
_PLACES = ("out", "out.csv", "new/out", "comments.csv", "", ".", "x" * 300, os.fsdecode(b"caf\xe9"), "\x1b[31m", "link")
_WRITES = (
    "runs",
    "reports",
    "audit-*",
    "out*",
    "new",
    "caf*",
    "\x1b*",
    "x*",
    "*.json",
    "*.md",
    "*.svg",
    "*.db",
    "comments[-.][!c]*",
)
_NOT_TRIED = ("--help", "--version", "--worker", "--jobs", "--check", "--out", "--fit")


def _commands() -> dict[str, argparse.ArgumentParser]:
    for action in build_parser(__version__)._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise LookupError("the parser has no commands")


def arguments(chance: Chance, place: Path, shelf: Shelf) -> Command:
    """A command with what it needs, most often, and some of its options, their values from a bag of words."""
    name, parser = chance.choice(sorted(_commands().items()))
    (place / "comments.csv").write_bytes(shelf.comments.read_bytes())
    (place / "link").symlink_to("nowhere.csv")
    words = [name, *_needed(chance, name, shelf)]
    options = [
        action for action in parser._actions if action.option_strings and action.option_strings[-1] not in _NOT_TRIED
    ]
    for _ in some(chance, 5):
        if options:
            words += _option(chance, chance.choice(options), shelf)
    if chance.random() < 0.15:
        words.insert(chance.randrange(len(words) + 1), _word(chance, shelf))
    if name in ("evaluate", "audit", "compare", "ensemble", "soup", "train", "sweep", "predict"):
        words += ["--out", chance.choice(_PLACES)] if chance.random() < 0.5 else ["--out", "out"]
    if name == "train":
        words.append("--check")
    return Command(tuple(words), _WRITES, stdin=b"hello\nyou fool\n")


def _needed(chance: Chance, name: str, shelf: Shelf) -> list[str]:
    """Return arguments that the command needs, and that would be right."""
    linear, other = str(shelf.linear), str(shelf.other_linear)
    needed: dict[str, list[str]] = {
        "train": ["fast", "--data", "comments.csv", *settings(*LINEAR)],
        "predict": [linear, "--data", chance.choice(("comments.csv", "-"))],
        "evaluate": [linear, "--data", "comments.csv", "--resamples", "100"],
        "thresholds": [linear, "--data", "comments.csv", "--check"],
        "compare": [linear, other],
        "ensemble": [linear, other, "--data", "comments.csv"],
        "soup": [str(shelf.encoder), str(shelf.other_encoder)],
        "audit": ["comments.csv", "--model", str(shelf.bert)],
        "sweep": ["fast", "--data", "comments.csv", "--space", str(shelf.space), "--trials", "1", *settings(*LINEAR)],
        "recipes": [],
    }
    words = needed.get(name, [])
    if chance.random() < 0.1 and words:
        words[chance.randrange(len(words))] = _word(chance, shelf)
    return words


def _word(chance: Chance, shelf: Shelf) -> str:
    near = (str(shelf.comments), str(shelf.linear), str(shelf.bert), str(shelf.space), str(shelf.report / "a.json"))
    texts = tuple(text.replace("\x00", "") for text in ODD_TEXTS)
    word: str = chance.choices((chance.choice(_WORDS), chance.choice(near), chance.choice(texts)), (4, 1, 2))[0]
    return word


def _option(chance: Chance, action: Any, shelf: Shelf) -> list[str]:
    name = chance.choice(action.option_strings)
    if action.nargs == 0:
        return [name]
    if action.dest == "set":
        return [
            name,
            chance.choice(("seed=1", "seed=-1", "training.epochs=nan", "x", "linear.c=2", _word(chance, shelf))),
        ]
    return [name, *(_word(chance, shelf) for _ in range(chance.choice((0, 1, 1, 1, 1, 2))))]


_VARIABLES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), ("", "abc", "1.0", "0", "-1", "1", "2", "9" * 30, " 1")),
    **dict.fromkeys(("RANK", "LOCAL_RANK"), ("", "abc", "0", "-1", "1.5", " ")),
    **dict.fromkeys(("COLUMNS", "LINES"), ("", "abc", "0", "-5", "1", "20", "80", "100000")),
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), ("", "abc", "0", "-1", "1", "1,2", "9" * 30)),
    "MASTER_ADDR": ("", "nowhere.invalid", "127.0.0.1"),
    "MASTER_PORT": ("", "abc", "0", "99999999"),
    "CUDA_VISIBLE_DEVICES": ("", "-1", "abc", "0", "0,1", "NoDevFiles"),
    "CIVILITY_CACHE": ("", "off", "cache", "comments.txt", "/dev/null", "x" * 300, "\x1b[31m", "/proc/nothing"),
    "XDG_CACHE_HOME": ("", "cache", "comments.txt", "/proc/nothing"),
    "HOME": ("", ".", "/proc/nothing", "comments.txt"),
    "TMPDIR": ("", ".", "/proc/nothing"),
    "TERM": ("", "dumb", "xterm", "nonsense"),
    **dict.fromkeys(("NO_COLOR", "ACCELERATE_USE_CPU", "ACCELERATE_MIXED_PRECISION"), ("", "1", "abc")),
    **dict.fromkeys(("ACCELERATE_DEBUG_MODE", "ACCELERATE_CPU_AFFINITY", "FORK_LAUNCHED"), ("", "abc", "0")),
    **dict.fromkeys(("ACCELERATE_TORCH_DEVICE", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS"), ("", "abc", "meta", "4")),
    **dict.fromkeys(("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "ACCELERATE_USE_SAGEMAKER"), ("", "abc", "1", "2", "true")),
    **dict.fromkeys(("LANG", "LC_ALL", "TZ", "HF_HOME", "ACCELERATE_USE_FSDP"), ("", "C", "nonsense", "/proc/nothing")),
}


def environments(chance: Chance, place: Path, shelf: Shelf) -> Command:
    """An ordinary command in an odd environment."""
    (place / "comments.txt").write_text("\n".join(SENTENCES[:5]) + "\n", encoding="utf-8")
    names = list(dict.fromkeys(chance.choice(list(_VARIABLES)) for _ in some(chance, 2)))
    environment = {name: chance.choice(_VARIABLES[name]) for name in names}
    quick = settings("data.max_length=24", "data.validation=0.3", "training.precision=fp32")
    ways: tuple[tuple[str, ...], ...] = (
        ("predict", str(shelf.linear), "--data", "comments.txt", "--out", "out.csv"),
        ("predict", str(shelf.encoder), "--data", "comments.txt", "--out", "out.csv"),
        ("train", "fast", "--data", str(shelf.comments), *settings(*LINEAR), "--out", "run"),
        ("train", "baseline", "--data", str(shelf.comments), "--model", str(shelf.bert), *quick, "--check"),
        ("evaluate", str(shelf.linear), "--data", str(shelf.comments), "--resamples", "100", "--out", "reports"),
        (
            "sweep",
            "fast",
            "--data",
            str(shelf.comments),
            "--space",
            str(shelf.space),
            "--trials",
            "1",
            "--out",
            "sweep",
        ),
    )
    words = chance.choices(ways, (4, 3, 3, 3, 1, 1))[0]
    return Command(
        words, ("run", "reports", "out.csv", "sweep", "cache", "civility", ".cache"), environment=environment
    )
