"""Tables: each format in each packing, in chunks, and each kind of damage with its message."""

import gzip
import io
import itertools
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from civility.data.reading.opening import open_table
from civility.data.reading.tables import CHUNK_ROWS, MOST_COLUMNS, Table
from civility.errors import UserError

from ..refusals import refused

ROWS = [
    ("1", "plain"),
    ("2", 'a "quoted", text'),
    ("3", "two\nlines\r\nor three"),
    ("4", "grüße \U0001f600 \u202eright to left"),
    ("5", "\u2028, \x0b and \x85 do not end a line"),
]
FORMATS = ["csv", "tsv", "jsonl", "ndjson", "parquet"]
PACKINGS = ["", ".gz", ".zst", ".zip"]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _bytes(kind: str, rows: list[tuple[str, str]]) -> bytes:
    if kind == "parquet":
        sink = io.BytesIO()
        ids, texts = zip(*rows, strict=True)
        pq.write_table(pa.table({"id": list(ids), "comment_text": list(texts)}), sink)
        return sink.getvalue()
    if kind in ("jsonl", "ndjson"):
        lines = [json.dumps({"id": id, "comment_text": text}) for id, text in rows]
        return "".join(f"{line}\n" for line in lines).encode()
    separator = "\t" if kind == "tsv" else ","
    lines = [separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    return "\n".join([f"id{separator}comment_text", *lines, ""]).encode()


def _write(name: str, data: bytes) -> str:
    path = Path(name)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(data))
    elif name.endswith(".zst"):
        with pa.output_stream(name, compression="zstd") as stream:
            stream.write(data)
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(Path(name).stem, data)
    else:
        path.write_bytes(data)
    return name


def _read(table: Table, *columns: str) -> list[tuple[Any, ...]]:
    chunks = list(table.chunks(columns))
    return [row for chunk in chunks for row in zip(*(chunk.columns[c] for c in columns), strict=True)]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("kind", FORMATS)
def test_reads_back_each_format_in_each_packing(kind: str, packing: str) -> None:
    table = open_table(_write(f"comments.{kind}{packing}", _bytes(kind, ROWS)))
    assert table.columns == ("id", "comment_text")
    assert _read(table, "comment_text", "id") == [(text, id) for id, text in ROWS]
    # A second reading starts anew.
    assert _read(table, "id") == [(id,) for id, _ in ROWS]


@pytest.mark.parametrize("packing", PACKINGS)
def test_reads_one_comment_a_line(packing: str) -> None:
    name = _write(f"comments.txt{packing}", b'\xef\xbb\xbffirst\r\n\n"third", fourth\nlast')
    assert _read(open_table(name), "text") == [("first",), ("",), ('"third", fourth',), ("last",)]


def test_an_archive_may_tell_the_format_inside() -> None:
    with zipfile.ZipFile("download.zip", "w") as archive:
        archive.writestr("train.csv", _bytes("csv", ROWS))
        archive.writestr("__MACOSX/._train.csv", b"\0\0")
    assert len(_read(open_table("download.zip"), "id")) == len(ROWS)


@pytest.mark.parametrize("kind", FORMATS)
def test_chunks_are_bounded_and_numbered(kind: str) -> None:
    rows = [(str(n), f"text\n{n}") for n in range(2 * CHUNK_ROWS + 7)]
    table = open_table(_write(f"comments.{kind}", _bytes(kind, rows)))
    chunks = list(table.chunks(("id",)))
    assert [(chunk.first_row, len(chunk)) for chunk in chunks] == [(1, 1024), (1025, 1024), (2049, 7)]
    # Each row takes two lines of CSV, below a header of one.
    place = chunks[1].place(1)
    assert place == ("row 1026 (line 2052)" if kind in ("csv", "tsv") else "row 1026")


def test_chunks_of_huge_comments_end_early() -> None:
    rows = [(str(n), "x" * 4_000_000) for n in range(6)]
    chunks = open_table(_write("comments.csv", _bytes("csv", rows))).chunks(("comment_text",))
    assert [len(chunk) for chunk in chunks] == [4, 2]


@pytest.mark.parametrize("kind", FORMATS)
def test_reads_a_comment_of_a_million_characters(kind: str) -> None:
    rows = [("1", "word, " * 200_000)]
    assert _read(open_table(_write(f"comments.{kind}", _bytes(kind, rows))), "id", "comment_text") == rows


def test_a_byte_order_mark_is_not_a_part_of_the_first_name() -> None:
    table = open_table(_write("comments.csv", b"\xef\xbb\xbf" + _bytes("csv", ROWS)))
    assert table.columns == ("id", "comment_text")
    table = open_table(_write("comments.jsonl", b"\xef\xbb\xbf" + _bytes("jsonl", ROWS)))
    assert table.columns == ("id", "comment_text")


def test_json_lines_may_lack_keys_and_skip_lines() -> None:
    table = open_table(_write("comments.jsonl", b'{"a": 1}\n\n  \n{"b": [true, null], "c": "x"}\n'))
    assert table.columns == ("a",)
    assert table.all_columns() == ("a", "b", "c")
    assert _read(table, "a", "b", "d") == [(1, None, None), (None, [True, None], None)]
    assert next(table.chunks(("a",))).place(1) == "row 2 (line 4)"


def test_empty_lines_of_a_csv_are_no_rows() -> None:
    table = open_table(_write("comments.csv", b'\nid,text\r\n\r\n1,a\r\n\r\n2,""\r\n'))
    assert _read(table, "id", "text") == [("1", "a"), ("2", "")]
    assert next(table.chunks(("id",))).place(1) == "row 2 (line 6)"


HEADER = b"id,comment_text,toxic\n"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"", "a.csv: the file is empty"),
        ("a.csv", b"\n\n", "a.csv: no rows"),
        ("a.csv", HEADER, "a.csv: a header and no rows below it"),
        ("a.jsonl", b"\n", "a.jsonl: no rows"),
        ("a.csv", b"id,text,id\n1,a,2\n", "a.csv: column 'id' occurs twice in the header"),
        (
            "a.csv",
            HEADER + b'1,"two\nlines",0\n2,x,0,0\n',
            "a.csv, row 2 (line 4): 4 fields, expected 3 as in the header",
        ),
        ("a.csv", HEADER + b"1,x,0\n2,x\n", "a.csv, row 2 (line 3): 2 fields, expected 3 as in the header"),
        (
            "a.csv",
            HEADER + b'1,x,0\n2,"open,0\n3,x,0\n',
            "a.csv, row 2 (line 3): a quote opens in this row and is never closed",
        ),
        (
            "a.csv",
            HEADER + b'1,"she said "no"",0\n',
            "a.csv, row 1 (line 2): ',' expected after '\"'",
        ),
        (
            "a.csv",
            b'"id,text\n1,a\n',
            "a.csv, the header (line 1): a quote opens in this row and is never closed",
        ),
        (
            "a.csv",
            b"id,text\r1,a\r",
            "a.csv, the header (line 1): a carriage return without a line feed outside quotes",
        ),
        ("a.tsv", b"id\ttext\n1\ta\tb\n", "a.tsv, row 1 (line 2): 3 fields, expected 2 as in the header"),
        (
            "a.csv",
            b"\xef\xbb\xbfid,text\n1,fine\n2,caf\xe9\n",
            "a.csv, line 3: not UTF-8 (byte 0xe9 at offset 23 of the file)",
        ),
        (
            "a.csv.gz",
            b"id,text\n1,\xff\n",
            "a.csv.gz, line 2: not UTF-8 (byte 0xff at offset 10 of the file)",
        ),
        ("a.jsonl", b'{"a": 1}\n\n{"a": \n', "a.jsonl, line 3: not a JSON object"),
        ("a.jsonl", b"[1, 2]\n", "a.jsonl, line 1: not a JSON object"),
        ("a.jsonl", b'{"a": ' + b"[" * 100_000 + b"\n", "a.jsonl, line 1: not a JSON object: nested too deeply"),
    ],
)
def test_reports_what_is_wrong_with_the_content(name: str, data: bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        _read_first_column(_write(name, data))
    assert caught.value.message == message
    assert caught.value.remedy


def _wide(kind: str, num: int) -> str:
    """Write a file with this many columns, or objects with this many different keys."""
    names = [f"c{place}" for place in range(num)]
    if kind == "parquet":
        pq.write_table(pa.table({name: [0] for name in names}), "a.parquet")
        return "a.parquet"
    if kind == "csv":
        return _write("a.csv", f"{','.join(names)}\n{','.join('0' * num)}\n".encode())
    return _write("a.jsonl", "".join(f'{{"{name}": 0}}\n' for name in names).encode())


@pytest.mark.parametrize(("kind", "what"), [("csv", "columns"), ("parquet", "columns"), ("jsonl", "different keys")])
def test_columns_are_limited_in_number(kind: str, what: str) -> None:
    assert len(open_table(_wide(kind, MOST_COLUMNS)).all_columns()) == MOST_COLUMNS
    with refused("data.too-large", match=f"a.{kind}: 10,001 {what}, expected at most 10,000"):
        open_table(_wide(kind, MOST_COLUMNS + 1)).all_columns()


def test_a_header_of_many_columns_is_read_at_once() -> None:
    """200,000 columns did not end: every name was compared with every other."""
    name = _wide("csv", 200_000)
    start = time.process_time()
    with refused("data.too-large", match="200,000 columns"):
        open_table(name)
    assert time.process_time() - start < 5


def _read_first_column(name: str) -> None:
    table = open_table(name)
    _read(table, table.columns[0])


def test_the_offset_of_a_wrong_byte_is_right() -> None:
    data = b"\xef\xbb\xbfid,text\n1,fine\n2,caf\xe9\n"
    assert data[23] == 0xE9


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv.gz", "a .gz file"),
        ("a.csv.zst", "a .zst file"),
        ("a.csv.zip", "a .zip file"),
        ("a.parquet", "a Parquet file"),
        ("a.parquet.gz", "a .gz file"),
    ],
)
@pytest.mark.parametrize("damage", ["cut", "nonsense"])
def test_reports_a_damaged_file(name: str, kind: str, damage: str) -> None:
    content = "parquet" if "parquet" in name else "csv"
    whole = Path(_write(name, _bytes(content, [(str(n), f"text {n * n}") for n in range(5000)])))
    whole.write_bytes(whole.read_bytes()[:-400] if damage == "cut" else b"\0nothing of the sort" * 50)
    with refused("data.damaged") as caught:
        _read_first_column(name)
    assert caught.value.message.startswith(f"{name}: not {kind}, or incomplete (")
    assert caught.value.remedy == "copy or download it again"


def test_reports_damage_inside_a_parquet_file() -> None:
    whole = Path(_write("a.parquet", _bytes("parquet", ROWS)))
    data = whole.read_bytes()
    whole.write_bytes(data[:4] + b"\xff" * 60 + data[64:])
    with refused("data.damaged", match=r"^a.parquet: not a Parquet file, or incomplete \("):
        _read_first_column("a.parquet")


def test_parquet_without_rows_or_with_a_name_twice() -> None:
    pq.write_table(pa.table({"id": pa.array([], pa.string())}), "a.parquet")
    with refused("data.empty", match=r"^a.parquet: no rows"):
        open_table("a.parquet")
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"]), "b.parquet")
    with refused("data.ambiguous-column", match=r"^b.parquet: column 'id' occurs twice in the header"):
        open_table("b.parquet")


def test_an_archive_holds_one_file() -> None:
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.writestr("train.csv", "x")
        archive.writestr("test.csv", "x")
    with refused("data.unknown-format") as caught:
        open_table("a.zip")
    assert caught.value.message == "a.zip: 2 files in this archive (train.csv, test.csv), expected one"
    with zipfile.ZipFile("b.csv.zip", "w"):
        pass
    with refused("data.unknown-format", match=r"^b.csv.zip: no file in this archive, expected one"):
        open_table("b.csv.zip")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trian.csv", "trian.csv: no such file (did you mean train.csv?)"),
        ("nowhere/else.csv", "nowhere/else.csv: no such file"),
        ("folder", "folder: a folder, not a file"),
        (
            "notes.docx",
            "notes.docx: unknown suffix; known: .csv, .tsv, .jsonl, .ndjson, .json, .parquet, .txt, "
            "each also with .gz, .zst, .zip",
        ),
        ("notes.xlsx", "notes.xlsx: a spreadsheet, which cannot be read"),
        ("notes.ods", "notes.ods: a spreadsheet, which cannot be read"),
    ],
)
def test_reports_a_path_that_is_not_a_data_file(name: str, message: str) -> None:
    Path("train.csv").write_text("x")
    for suffix in ("docx", "xlsx", "ods"):
        Path(f"notes.{suffix}").write_text("x")
    Path("folder").mkdir()
    with pytest.raises(UserError) as caught:
        open_table(name)
    assert caught.value.message == message
    assert caught.value.remedy


def test_reports_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    name = _write("a.csv", HEADER)

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with refused("data.damaged") as caught:
        open_table(name)
    assert caught.value.message == "a.csv: cannot read: no permission to read it"


@pytest.mark.parametrize(
    ("data", "columns", "rows"),
    [
        (b'{"comment_text": "a", "id": 7}\n{"id": 8}\n', ("comment_text", "id"), [("a", 7), (None, 8)]),
        (b'id,comment_text\n1,"a\nb"\n', ("id", "comment_text"), [("1", "a\nb")]),
        (b"\xef\xbb\xbfcomment_text\r\na\r\n", ("comment_text",), [("a",)]),
        (b"id,comment\n1,a\n", ("id", "comment"), [("1", "a")]),
        (b"comment,mine\n1,a\n", ("comment", "mine"), [("1", "a")]),
        (b'"comment_text\nb', ("text",), [('"comment_text',), ("b",)]),
        (b"{not json}\n\nb\n", ("text",), [("{not json}",), ("",), ("b",)]),
    ],
)
def test_the_first_line_shows_the_kind_of_standard_input(
    data: bytes, columns: tuple[str, ...], rows: list[tuple[object, ...]]
) -> None:
    table = open_table(io.BytesIO(data))
    assert table.columns == columns
    assert _read(table, *columns) == rows


def test_empty_standard_input_is_reported() -> None:
    with refused("data.empty", match=r"^standard input: the file is empty"):
        open_table(io.BytesIO(b""))


class _Endless(io.RawIOBase):
    """Bytes without an end, a line at a time: whoever waits for the end never returns."""

    def __init__(self, first: bytes, line: bytes) -> None:
        self._lines: Iterator[bytes] = itertools.chain([first], itertools.repeat(line))
        self.num_lines = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        line = next(self._lines)
        self.num_lines += 1
        buffer[: len(line)] = line
        return len(line)


@pytest.mark.parametrize(
    ("first", "line", "column"),
    [
        (b"id,comment_text\n", b"1,so it goes\n", "comment_text"),
        (b'{"comment_text": "so"}\n', b'{"comment_text": "it goes"}\n', "comment_text"),
        (b"so\n", b"it goes\n", "text"),
    ],
)
def test_standard_input_is_read_no_further_than_a_chunk(first: bytes, line: bytes, column: str) -> None:
    endless = _Endless(first, line)
    chunks = open_table(io.BufferedReader(endless, 64)).chunks((column,))
    assert endless.num_lines <= (CHUNK_ROWS if first.startswith(b"{") else 21)
    assert len(next(chunks)) == CHUNK_ROWS
    assert endless.num_lines <= CHUNK_ROWS + 2
    assert next(chunks).first_row == CHUNK_ROWS + 1
