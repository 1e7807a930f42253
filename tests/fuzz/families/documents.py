"""What civility has written, changed by somebody since: classifiers, runs, checkpoints, sweeps, reports."""

import hashlib
import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ...conftest import SENTENCES, forget_digests
from ..command import Command
from ..mutations import Chance, any_file, bytes_of, file_of, json_file, some
from ..shelf import Shelf
from .comments import predict_options


def _change_some(chance: Chance, folder: Path, names: tuple[str, ...] = ("*",)) -> list[Path]:
    """Change one file of a folder, or a few, and return which."""
    files = sorted({path for name in names for path in folder.rglob(name) if path.is_file() and not path.is_symlink()})
    chosen = list(dict.fromkeys(chance.choice(files) for _ in some(chance)))
    for path in chosen:
        any_file(chance, path)
    return chosen


def classifiers(chance: Chance, place: Path, shelf: Shelf) -> Command:
    """A classifier folder that is used."""
    kind = chance.choices(("encoder", "linear", "ensemble", "ranks"), (5, 5, 2, 1))[0]
    shelf.copy(kind, place / "run")
    folder = place / "run" / "classifier"
    if chance.random() < 0.03:
        path = chance.choice([path for path in sorted(folder.rglob("*")) if path.is_file()])
        path.unlink()
        os.mkfifo(path)
    else:
        _change_some(chance, folder)
    if chance.random() < 0.6:
        forget_digests(folder)
    target = "run" if chance.random() < 0.3 else "run/classifier"
    verbs = (_predict, _evaluate, _thresholds, _audit, _train)
    return chance.choices(verbs, (14, 2, 2, 1, 2 if kind == "encoder" else 0))[0](chance, place, target, shelf)


def _predict(chance: Chance, place: Path, target: str, shelf: Shelf) -> Command:
    (place / "comments.txt").write_text("\n".join(SENTENCES[:5]) + "\n", encoding="utf-8")
    options, out = predict_options(chance)
    return Command(("predict", target, "--data", "comments.txt", *options), (out,), out)


def _evaluate(chance: Chance, place: Path, target: str, shelf: Shelf) -> Command:
    options = ("--data", str(shelf.comments), "--resamples", "100", "--out", "reports")
    return Command(("evaluate", target, *options), ("reports",))


def _thresholds(chance: Chance, place: Path, target: str, shelf: Shelf) -> Command:
    more = chance.choice(((), ("--calibrate",), ("--check",)))
    return Command(("thresholds", target, "--data", str(shelf.comments), *more), ("run",))


def _audit(chance: Chance, place: Path, target: str, shelf: Shelf) -> Command:
    return Command(("audit", str(shelf.comments), "--with", target, "--out", "audit"), ("audit",))


def _train(chance: Chance, place: Path, target: str, shelf: Shelf) -> Command:
    options = ("--model", target, "--set", "data.max_length=24", "--set", "training.precision=fp32", "--check")
    return Command(("train", "baseline", "--data", str(shelf.comments), *options))


def runs(chance: Chance, place: Path, shelf: Shelf) -> Command:
    """A run directory, finished or interrupted, that is resumed or read."""
    if chance.random() < 0.5:
        return _resumed(chance, place, shelf)
    kind = chance.choice(("encoder", "linear", "seeds"))
    shelf.copy(kind, place / "run")
    run = place / "run" / ("seed-42" if kind == "seeds" else "")
    names = ("recipe.toml", "environment.json", "metrics.jsonl", "timing.jsonl", "reports/*.json", "reports/*.parquet")
    _change_some(chance, run, (*names, "summary.json"))
    data = ("--data", str(shelf.comments))
    ways: tuple[tuple[str, ...], ...] = (
        ("evaluate", str(run), "--resamples", "100"),
        ("thresholds", str(run), "--check"),
        ("compare", "run", str(shelf.linear), "--out", "cmp"),
        ("audit", str(shelf.comments), "--with", str(run), "--out", "audit"),
        ("ensemble", str(run), str(shelf.linear), "--out", "both"),
        ("train", "--resume", "--out", "run", *(("--seeds", "2") if kind == "seeds" else ())),
        ("soup", str(run), str(shelf.encoder), "--out", "soup", *data),
        ("predict", str(run), *data, "--out", "out.csv"),
    )
    words = tuple(word.replace(f"{place}/", "") for word in chance.choice(ways))
    return Command(words, ("run", "cmp", "audit", "both", "soup", "out.csv"))


def _resumed(chance: Chance, place: Path, shelf: Shelf) -> Command:
    run = shelf.copy("interrupted", place / "run")
    chosen = _change_some(chance, run, ("checkpoints/*/*", "recipe.toml", "environment.json", "*.jsonl"))
    if chance.random() < 0.6:
        for folder in {path.parent for path in chosen}:
            sign(folder)
    more = chance.choices(((), ("--set", "training.patience=1"), ("--restart",)), (8, 1, 1))[0]
    start = ("train", "--out", "run") if more == ("--restart",) else ("train", "--resume", "--out", "run")
    return Command((*start, *more), ("run", "run.before-1"))


def sign(folder: Path) -> None:
    """Write the sums of a checkpoint anew, so that what reads its files is reached."""
    sums = folder / "SHA256SUMS"
    if sums.is_file():
        files = [path for path in sorted(folder.iterdir()) if path.is_file() and path != sums]
        lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in files]
        sums.write_text("\n".join(lines) + "\n", encoding="utf-8")


def sweeps(chance: Chance, place: Path, shelf: Shelf) -> Command:
    """The folder of a sweep that is resumed."""
    sweep = shelf.copy("sweep", place / "sweep")
    if chance.random() < 0.4:
        file_of(chance, sweep / "study.db")
    else:
        _change_some(chance, sweep, ("sweep.json", "best.toml", "trials/*/*", "trials/*/reports/*.json", "*.md"))
    if chance.random() < 0.8:
        return Command(shelf.sweep_arguments("sweep"), ("sweep",))
    return Command(("train", "sweep/best.toml", "--out", "run", "--check"), ("run",))


def reports(chance: Chance, place: Path, shelf: Shelf) -> Command:
    """Reports and their files of scores, compared."""
    folder = shelf.copy("report", place / "reports")
    report, scores = folder / "a.json", folder / "a.scores.parquet"
    if chance.random() < 0.5:
        json_file(chance, report)
        if report.is_file() and chance.random() < 0.7:
            write_scores(pq.read_table(scores), scores, report)
    elif chance.random() < 0.7:
        write_scores(_odd_scores(chance, pq.read_table(scores)), scores, report)
    else:
        scores.write_bytes(bytes_of(chance, scores.read_bytes()))
    names = chance.choice((("a.json", "b.json"), ("b.json", "a.json"), ("a.json", "a.json")))
    metrics = ("--metrics", *chance.choice((("f1", "recall"), ("average_precision",)))) if chance.random() < 0.3 else ()
    words = ("compare", *(f"reports/{name}" for name in names), *metrics, "--out", "cmp")
    return Command(words, ("cmp",))


def _odd_scores(chance: Chance, table: pa.Table) -> pa.Table:
    """Return scores with a few odd things in a column."""
    at = chance.randrange(table.num_columns)
    name = table.column_names[at]
    cells = table[name].to_pylist()
    row = chance.randrange(len(cells))
    if isinstance(cells[row], str):
        cells[row] = chance.choice(("", "x", "\x1b[31m", None, cells[0]))
        column = pa.array(cells, pa.string())
    else:
        cells[row] = chance.choice((float("nan"), float("inf"), -float("inf"), 9.0, -0.5, None, 1.5, 0.5))
        column = pa.array(cells, chance.choice((pa.float32(), pa.float64())))
    kinds = (
        lambda: table.set_column(at, name, column),
        lambda: table.drop_columns([name]),
        lambda: table.slice(0, chance.randrange(table.num_rows)),
        lambda: table.set_column(at, name, table[name].cast(pa.string())),
        lambda: table.append_column(name, table[name]),
        lambda: table.set_column(at, chance.choice(("id", "score:x", "target:x", "")), table[name]),
    )
    return chance.choices(kinds, (6, 1, 1, 1, 1, 1))[0]()


def write_scores(table: pa.Table, path: Path, report: Path) -> None:
    """Write a file of scores as one of this report."""
    digest = hashlib.sha256(report.read_bytes()).hexdigest()
    metadata = {**(table.schema.metadata or {}), b"civility.evaluation": digest.encode()}
    out = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), out)
    path.write_bytes(out.getvalue())
