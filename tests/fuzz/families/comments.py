"""Files and streams of comments, in every format, as people have them and as nobody has them."""

import csv
import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ...conftest import LABELS, comment_rows
from ..command import Command
from ..mutations import ODD_TEXTS, ODD_VALUES, Chance, bytes_of, json_text, some
from ..shelf import LINEAR, Shelf, settings

ODD_TARGETS = (
    *("0", "1", "0.5", "1.0", "TRUE", "false", "yes", "No", "NA", "None", "nan", "inf", "-inf", "1e999", "-1", "2"),
    *(
        "0,5",
        "50%",
        "",
        " ",
        "1e-320",
        "\u0660",
        "1_0",
        "0x1",
        "toxic",
        "9" * 400,
        "\x1b[2J",
        "[]",
        "1e-9",
        "+1",
        "1.",
        "½",
    ),
)
ODD_HEADERS = (
    *("Id", "id ", "\ufeffid", "\u00a0id", "Comment_Text", "text", "comment", "body", "toxic", "Toxic", "toxic "),
    *("toxi", "target", "toxicity", "label", "labels", "", "=id", "\x1b[31m", "threat\u200b", "x" * 3000),
    *(
        "sep=",
        "comment_text",
        "score:toxic",
        "toxic:decision",
        "0",
        "severe toxic",
        "identity_attack",
        '"',
        "a\nb",
        "\u202ecixot",
    ),
)
Table = list[dict[str, Any]]


def table_of(chance: Chance) -> tuple[list[str], list[list[Any]]]:
    """Return a header and rows of comments, a few things in them odd."""
    header = ["id", "comment_text", *LABELS]
    rows = [[str(value) for value in row.values()] for row in comment_rows(chance.choice((1, 2, 12, 12, 30)))]
    for _ in some(chance, 4) if chance.random() < 0.85 else ():
        _change_table(chance, header, rows)
    return header, rows


def _change_table(chance: Chance, header: list[str], rows: list[list[Any]]) -> None:
    row = chance.choice(rows) if rows else []
    at = chance.randrange(len(header)) if header else 0
    kinds: tuple[Callable[[], None], ...] = (
        lambda: _set(header, at, chance.choice(ODD_HEADERS)),
        lambda: _set(row, 1, chance.choice(ODD_TEXTS)),
        lambda: _set(row, 2 + chance.randrange(6), chance.choice(ODD_TARGETS)),
        lambda: _set(row, 0, chance.choice(ODD_TEXTS)),
        lambda: _drop_column(header, rows, at),
        lambda: rows.append(list(row)),
        lambda: row.append(chance.choice(ODD_TEXTS)),
        lambda: _drop(row, at),
        rows.clear,
        lambda: _set(row, at, "x" * chance.choice((70_000, 200_000))),
    )
    chance.choices(kinds, (5, 4, 5, 2, 3, 1, 1, 1, 0.3, 0.3))[0]()


def _set(row: list[Any], at: int, value: Any) -> None:
    if at < len(row):
        row[at] = value


def _drop(row: list[Any], at: int) -> None:
    if at < len(row):
        row.pop(at)


def _drop_column(header: list[str], rows: list[list[Any]], at: int) -> None:
    for row in (header, *rows):
        _drop(row, at)


def as_csv(chance: Chance, header: list[str], rows: list[list[Any]], separator: str = "") -> bytes:
    """Return them with a separator; quoted as csv does, or not at all."""
    separator = separator or chance.choices((",", ";", "\t", "|"), (6, 2, 1, 1))[0]
    if chance.random() < 0.1:
        text = "\n".join(separator.join(map(str, row)) for row in (header, *rows)) + "\n"
    else:
        out = io.StringIO(newline="")
        end = chance.choice(("\n", "\r\n"))
        if chance.random() < 0.5:
            writer = csv.writer(out, delimiter=separator, lineterminator=end)
        else:
            writer = csv.writer(out, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL)
        writer.writerows([header, *rows])
        text = out.getvalue()
    text = chance.choices(("", f"sep={separator}\n", "\n", "# comments\n"), (20, 1, 1, 1))[0] + text
    return text.encode(_encoding(chance), errors="replace")


def _encoding(chance: Chance) -> str:
    names = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1")
    return chance.choices(names, (20, 2, 1, 1, 1, 1, 1))[0]


def _objects(chance: Chance, header: list[str], rows: list[list[Any]]) -> Table:
    objects: Table = [dict(zip(header, row, strict=False)) for row in rows]
    for one in objects:
        one.update({key: int(one[key]) for key in LABELS if one.get(key) in ("0", "1")})
    for _ in some(chance):
        one = chance.choice(objects) if objects else {}
        key = chance.choice(list(one) or ["id"])
        one[key] = chance.choice((*ODD_VALUES, {"labels": {"toxic": 1}}, ["toxic"], "['toxic', 'threat']", [0, 1]))
    return objects


def as_json_lines(chance: Chance, header: list[str], rows: list[list[Any]]) -> bytes:
    """Return an object a line."""
    lines = [json_text(one) for one in _objects(chance, header, rows)]
    if chance.random() < 0.1:
        lines.insert(chance.randrange(len(lines) + 1), chance.choice(("", "[1]", "null", '"x"', "{", "{}", "\ufeff")))
    return "\n".join(lines).encode(_encoding(chance), errors="replace")


def as_json(chance: Chance, header: list[str], rows: list[list[Any]]) -> bytes:
    """Return an array of objects, or an object with one in it, or one of columns."""
    objects = _objects(chance, header, rows)
    forms: tuple[Any, ...] = (objects, {"data": objects}, {key: [one.get(key) for one in objects] for key in header})
    return json_text(chance.choices(forms, (6, 1, 1))[0]).encode()


def as_lines(chance: Chance, header: list[str], rows: list[list[Any]]) -> bytes:
    """Return a comment a line."""
    return "\n".join(str(row[1]) for row in rows if len(row) > 1).encode(_encoding(chance), errors="replace")


def as_parquet(chance: Chance, header: list[str], rows: list[list[Any]]) -> bytes:
    """Return Parquet, its columns of types that may hold such things."""
    columns = {}
    for at, name in enumerate(header):
        cells = [row[at] if at < len(row) else None for row in rows]
        columns[name] = _column(chance, cells, is_label=at > 1)
    out = io.BytesIO()
    compression = chance.choice(("snappy", "zstd", "none"))
    pq.write_table(pa.table(columns), out, compression=compression, use_dictionary=chance.random() < 0.5)
    return out.getvalue()


def _column(chance: Chance, cells: list[Any], *, is_label: bool) -> Any:
    numbers = [float(cell) if cell in ("0", "1") else None for cell in cells]
    if is_label and chance.random() < 0.7:
        odd = [chance.choice((float("nan"), float("inf"), 2.0, -1.0, None, 0.5)), *numbers[1:]]
        typed: tuple[Any, ...] = (
            pa.array(numbers, pa.float64()),
            pa.array([None if one is None else int(one) for one in numbers], pa.int64()),
            pa.array([None if one is None else bool(one) for one in numbers], pa.bool_()),
            pa.array(odd[: len(numbers)], pa.float32()),
            pa.array([None] * len(numbers), pa.null()),
            pa.array([[one] for one in numbers], pa.list_(pa.float64())),
            pa.array(numbers, pa.float32()).cast(pa.float16()),
        )
        return chance.choices(typed, (4, 4, 2, 2, 1, 1, 1))[0]
    texts = [None if cell is None else str(cell) for cell in cells]
    others: tuple[Callable[[], Any], ...] = (
        lambda: pa.array(texts, pa.string()),
        lambda: pa.array(texts, pa.large_string()),
        lambda: pa.array(texts, pa.string()).dictionary_encode(),
        lambda: pa.array([None if one is None else one.encode() + b"\xff" for one in texts], pa.binary()),
        lambda: pa.array(range(len(texts)), pa.int64()),
        lambda: pa.array([{"a": one} for one in texts]),
        lambda: pa.array([0] * len(texts), pa.timestamp("us")),
        lambda: pa.array([None] * len(texts), pa.string()),
    )
    return chance.choices(others, (10, 1, 1, 1, 1, 1, 1, 1))[0]()


FORMATS: dict[str, Callable[[Chance, list[str], list[list[Any]]], bytes]] = {
    ".csv": as_csv,
    ".tsv": lambda chance, header, rows: as_csv(chance, header, rows, "\t"),
    ".jsonl": as_json_lines,
    ".json": as_json,
    ".parquet": as_parquet,
    ".txt": as_lines,
}


def compressed(chance: Chance, name: str, content: bytes) -> tuple[str, bytes]:
    """Return a file's name and content after a compression, if any; the name need not say so."""
    kind = chance.choices(("", ".gz", ".zst", ".zip"), (14, 2, 2, 2))[0]
    if kind == ".gz":
        content = gzip.compress(content, 1, mtime=0)
    elif kind == ".zst":
        content = pa.compress(content, "zstd", asbytes=True)
    elif kind == ".zip":
        content = _zipped(chance, name, content)
    return (name + kind if chance.random() < 0.9 else name), content


def _zipped(chance: Chance, name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    inner = chance.choices((name, "\x1b[31m.csv", "../../x.csv", "", "a/"), (8, 1, 1, 1, 1))[0]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(inner or "x"), content)
        if chance.random() < 0.2:
            archive.writestr(zipfile.ZipInfo(chance.choice(("__MACOSX/._x", "b.csv", "readme.md"))), content)
    return out.getvalue()


def some_comments(chance: Chance) -> tuple[str, bytes]:
    """Return the name and content of a file of comments."""
    suffix = chance.choices(list(FORMATS), (6, 1, 3, 1, 3, 1))[0]
    content = FORMATS[suffix](chance, *table_of(chance))
    name, content = compressed(chance, f"comments{suffix}", content)
    if chance.random() < 0.25:
        content = bytes_of(chance, content)
    if chance.random() < 0.05:
        name = chance.choice(
            ("comments", "comments.xlsx", "comments.csv", "comments.jsonl", "comments.parquet", "=x.csv")
        )
    return name, content


def comments(chance: Chance, place: Path, shelf: Shelf) -> Command:
    """A verb that reads a file of comments, or the standard input."""
    name, content = some_comments(chance)
    (place / name).write_bytes(content)
    verbs = (_predict, _audit, _train, _evaluate, _thresholds, _compare, _stdin)
    return chance.choices(verbs, (8, 3, 4, 2, 1, 1, 5))[0](chance, name, content, shelf)


def predict_options(chance: Chance) -> tuple[list[str], str]:
    """Return options of predict for its output, and the file of scores that they name."""
    out = chance.choice(("-", "out.csv", "out.jsonl", "out.parquet"))
    options = [] if out == "-" and chance.random() < 0.5 else ["--out", out]
    if chance.random() < 0.3:
        options.append("--decisions")
    if chance.random() < 0.1:
        options += ["--id-column", chance.choice(("id", "comment_text", "toxic", "nothing", ""))]
    return options, out


def _predict(chance: Chance, name: str, content: bytes, shelf: Shelf) -> Command:
    options, out = predict_options(chance)
    run = shelf.linear if chance.random() < 0.85 else shelf.encoder
    return Command(("predict", str(run), "--data", name, *options), (out,), out)


def _stdin(chance: Chance, name: str, content: bytes, shelf: Shelf) -> Command:
    options, out = predict_options(chance)
    return Command(("predict", str(shelf.linear), "--data", "-", *options), (out,), out, content)


def _audit(chance: Chance, name: str, content: bytes, shelf: Shelf) -> Command:
    more = ("--with", str(shelf.linear)) if chance.random() < 0.3 else ()
    names = (name, str(shelf.comments)) if chance.random() < 0.2 else (name,)
    return Command(("audit", *names, "--model", str(shelf.bert), "--out", "audit", *more), ("audit",))


def _train(chance: Chance, name: str, content: bytes, shelf: Shelf) -> Command:
    options = [
        [],
        ["--set", "data.label_list_column=labels", "--set", "data.labels=toxic,threat"],
        ["--set", "data.labels="],
        ["--set", 'data.labels=["toxic"]', "--validation", str(shelf.comments)],
        ["--folds", "2"],
        ["--set", f"data.pseudo_labels={shelf.comments}"],
        ["--set", "data.groups=toxic,threat"],
    ]
    more = chance.choices(options, (6, 1, 1, 1, 1, 1, 1))[0]
    if chance.random() < 0.2:
        return Command(
            (
                "train",
                "fast",
                "--data",
                str(shelf.comments),
                *settings(*LINEAR, f"data.pseudo_labels={name}"),
                "--check",
            )
        )
    stop = ("--check",) if chance.random() < 0.8 else ()
    return Command(("train", "fast", "--data", name, "--out", "run", *settings(*LINEAR), *more, *stop), ("run",))


def _evaluate(chance: Chance, name: str, content: bytes, shelf: Shelf) -> Command:
    ways = (
        ("--data", name),
        ("--data", str(shelf.comments), "--suite", name),
        ("--data", str(shelf.comments), "--templates", name),
    )
    options = ("--resamples", "100", "--out", "reports")
    return Command(("evaluate", str(shelf.linear), *chance.choice(ways), *options), ("reports",))


def _thresholds(chance: Chance, name: str, content: bytes, shelf: Shelf) -> Command:
    more = ("--calibrate",) if chance.random() < 0.5 else ()
    return Command(("thresholds", str(shelf.linear), "--data", name, "--check", *more))


def _compare(chance: Chance, name: str, content: bytes, shelf: Shelf) -> Command:
    return Command(("compare", str(shelf.linear), str(shelf.other_linear), "--data", name, "--out", "cmp"), ("cmp",))


_PROBES = (
    *("function,text,expected,label,group\nf,you are a fool,flag,toxic,men\ng,have a nice day,allow,,\n" * 1,),
    *("functionality,test_case,label_gold,case_id,target_ident\nf,I hate you,hateful,1,women\ng,hi,non-hateful,2,\n",),
    *("text,target,group\nall men are fools,1,men\nsome men are nice,0,men\nhello,0,\nyou fool,1,\n",),
    *("Text,Label\nI am gay,NOT_BAD\nI hate gay people,BAD\nI am a man,NOT_BAD\nhate you,BAD\n",),
    *("template,toxicity,phrase\nx,toxic,I hate gay people\ny,nontoxic,I am gay\n",),
)


def probes(chance: Chance, place: Path, shelf: Shelf) -> Command:
    """A suite, or templates, that the user brings."""
    lines = [list(row) for row in csv.reader(io.StringIO(chance.choice(_PROBES)))]
    header, rows = lines[0], lines[1:]
    for _ in some(chance) if chance.random() < 0.7 else ():
        row, at = chance.choice(rows), chance.randrange(len(header))
        if chance.random() < 0.3:
            _set(header, at, chance.choice(ODD_HEADERS))
        else:
            _set(row, at, chance.choice((*ODD_TEXTS, *ODD_TARGETS, "flag", "allow", "NaN")))
    suffix = chance.choice((".csv", ".csv", ".jsonl", ".parquet", ".tsv"))
    name, content = compressed(chance, f"probe{suffix}", FORMATS[suffix](chance, header, rows))
    (place / name).write_bytes(bytes_of(chance, content) if chance.random() < 0.15 else content)
    option = chance.choice(("--suite", "--templates"))
    more = chance.choice(
        ((), ("--suite-label", "toxic"), ("--bias-label", "threat"), ("--robustness", "--sample", "5"))
    )
    options = ("--data", str(shelf.comments), "--resamples", "100", "--out", "reports")
    return Command(("evaluate", str(shelf.linear), option, name, *options, *more), ("reports",))
