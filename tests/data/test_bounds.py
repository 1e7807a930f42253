"""Bombs: small files that unpack to more than memory holds end early, in bounded memory, with the true reason."""

import gzip
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from civility.data.file_format import FileFormat
from civility.data.reading.opening import open_table
from civility.data.reading.parquet import _bounded, column_chunks, largest_entry, pages_of
from civility.data.reading.tables import CHUNK_ROWS
from civility.errors import UserError

from ..refusals import refused

MB = 1_000_000
MOST_MEMORY = 600 * MB
"""Of which the modules take some 150 MB, and a batch of up to 256 MB is allowed."""

# Prints the error, and the peak of memory in use.
READ = """
import sys
from civility.data.reading.opening import open_table
from civility.errors import UserError
try:
    table = open_table(sys.stdin.buffer if sys.argv[1] == "-" else sys.argv[1])
    for chunk in table.chunks(table.columns): pass
    print("read")
except UserError as error:
    print(error.message)
print(next(int(line.split()[1]) * 1000 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _zeros(write: Callable[[bytes], object], num: int, first: bytes = b"") -> None:
    write(first)
    block = bytes(MB)
    for _ in range(num // MB):
        write(block)


def _gzip(path: str, first: bytes = b"id,text\n1,") -> None:
    with gzip.open(path, "wb", compresslevel=6) as file:
        _zeros(file.write, 100 * MB, first)


def _zst(path: str) -> None:
    with pa.output_stream(path, compression="zstd") as file:
        _zeros(file.write, 1_500 * MB, b"text\n")


def _zip(path: str, compression: int = zipfile.ZIP_DEFLATED) -> None:
    with (
        zipfile.ZipFile(path, "w", compression) as archive,
        archive.open("a.csv", "w", force_zip64=True) as file,
    ):
        _zeros(file.write, 20 * MB if compression == zipfile.ZIP_LZMA else 100 * MB, b"text\n")


def _blank_lines(path: str) -> None:
    with gzip.open(path, "wb", compresslevel=6) as file:
        file.write(b"id,text\n" + b"\n" * 20 * MB)


def _repeated_entry(path: str, size: int, rows: int) -> None:
    """Write a dictionary of one large entry that every row repeats."""
    entry = pa.array(["x" * size])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), entry)
    pq.write_table(pa.table({"text": column}), path, dictionary_pagesize_limit=size * 2, compression="zstd")


def _one_cell(path: str, size: int, compression: str = "zstd") -> None:
    pq.write_table(pa.table({"text": ["a", "b", "x" * size]}), path, use_dictionary=False, compression=compression)


BOMBS: dict[str, tuple[str, Callable[[str], None], str]] = {
    "gzip": ("a.csv.gz", _gzip, "looks like a decompression bomb"),
    "gzip, blank lines": ("a.csv.gz", _blank_lines, "1,000,000 empty lines in a row"),
    "gzip to be spooled": ("a.parquet.gz", lambda path: _gzip(path, b"PAR1\x15"), "looks like a decompression bomb"),
    "gzip as .zst": ("a.csv.zst", _gzip, "looks like a decompression bomb"),
    "zip as .gz": ("a.csv.gz", _zip, "looks like a decompression bomb"),
    "zstd": ("a.csv.zst", _zst, "looks like a decompression bomb"),
    "zip": ("a.csv.zip", _zip, "looks like a decompression bomb"),
    "zip, lzma": ("a.csv.zip", lambda path: _zip(path, zipfile.ZIP_LZMA), "not compressed with deflate"),
    "page": ("a.parquet", lambda path: _one_cell(path, 100 * MB), "a page of "),
    "dictionary": ("a.parquet", lambda path: _repeated_entry(path, 100 * MB, 10), "a dictionary of "),
    "large entry": ("a.parquet", lambda path: _repeated_entry(path, 31 * MB, 20_000), "row 1, column text: 31,000,000"),
    "repeated entry": ("a.parquet", lambda path: _repeated_entry(path, MB, 4096), "looks like a decompression bomb"),
    "large cell": ("a.parquet", lambda path: _one_cell(path, 30 * MB), "row 3, column text: 30,000,000 bytes"),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to measure the peak of memory")
@pytest.mark.parametrize(
    ("case", "is_piped"), [*((case, False) for case in BOMBS), ("gzip", True), ("zip", True), ("large cell", True)]
)
def test_a_bomb_ends_in_bounded_memory_with_its_reason(case: str, is_piped: bool) -> None:
    name, build, reason = BOMBS[case]
    build(name)
    assert Path(name).stat().st_size < 4 * MB
    command = [sys.executable, "-c", READ, "-" if is_piped else name]
    with Path(name).open("rb") as source:
        done = subprocess.run(command, stdin=source, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    message, peak = done.stdout.splitlines()
    assert reason in message
    assert message.startswith("standard input" if is_piped else name)
    assert int(peak) < MOST_MEMORY


def test_an_entry_that_many_rows_repeat_is_read_a_few_rows_at_once() -> None:
    """The control: 20,000 rows of 15 MB each are 300 GB, which the reader never holds."""
    _repeated_entry("a.parquet", 15 * MB, 20_000)
    script = READ.replace("pass", "print(len(chunk), len(chunk.columns['text'][0])); raise SystemExit")
    done = subprocess.run([sys.executable, "-c", script, "a.parquet"], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [f"2 {15 * MB}"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"so\n" + b"x" * 2000 + b"\n", "a.txt, line 2: 2,001 bytes, expected at most 1,024"),
        ("a.csv", b"id,text\n1,so\n2," + b"x" * 2000 + b"\n", "a.csv, row 2 (line 3): 2,003 bytes, expected"),
        (
            "a.csv",
            b'id,text\n1,so\n2,"' + b"x\n" * 1000,
            "row 2 (line 3): 1,025 bytes, expected at most 1,024",
        ),
        ("a.csv", b"id" * 1000 + b",text\n1,so\n", "a.csv, the header (line 1): 2,006 bytes, expected"),
        ("a.csv", b'id,text\n1,"' + "é\n".encode() * 400 + b'"\n', "row 1 (line 2): 1,200 bytes, expected"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "' + b"x" * 2000 + b'"}', "a.jsonl, line 2: 2,012 bytes, expected"),
        ("a.json", b'[{"text": "a"},\n{"text": "' + b"x" * 2000 + b'"}]', "a.json, row 2 (line 2): 2,012 bytes"),
        ("a.csv", "id,text\n1,".encode("utf-16") + "x".encode("utf-16-le") * 2000, "row 1 (line 2): 2,002 bytes"),
    ],
)
def test_a_line_or_cell_that_is_too_large_is_refused_with_its_place_and_size(
    name: str, data: bytes, message: str
) -> None:
    Path(name).write_bytes(data)
    form = FileFormat(max_cell_bytes=1024)
    with refused("data.too-large") as caught:
        _read(name, form)
    assert message in caught.value.message
    assert "data.max_cell_bytes" in caught.value.remedy
    with refused("data.too-large"):
        _read(io.BytesIO(data), form)
    if "never closed" not in caught.value.remedy and name != "a.csv":
        _read(name, FileFormat())


def _read(source: str | io.BytesIO, form: FileFormat) -> int:
    table = open_table(source, form)
    return sum(len(chunk) for chunk in table.chunks(table.columns[:1]))


def test_the_limit_itself_is_allowed() -> None:
    cell = "x" * 1024
    form = FileFormat(max_cell_bytes=1024)
    assert _read(io.BytesIO(f"{cell[:-1]}\nb\n".encode()), form) == 2
    pq.write_table(pa.table({"text": [cell, cell[:5]]}), "a.parquet")
    assert _read("a.parquet", form) == 2
    pq.write_table(pa.table({"text": [cell[:5], cell + "x"]}), "b.parquet")
    with refused("data.too-large", match=r"^b.parquet, row 2, column text: 1,025 bytes, expected at most 1,024"):
        _read("b.parquet", form)


def test_parquet_of_many_kinds_is_read_as_it_is() -> None:
    columns = {
        "text": ["a", None, "c"],
        "tags": [["x", "y"], [], None],
        "more": [{"a": 1, "b": "q"}, None, {"a": None, "b": None}],
        "kind": pa.array(["u", "v", "u"]).dictionary_encode(),
        "fixed": pa.array([b"ab", None, b"cd"], pa.binary(2)),
        "number": [1.5, None, 2.5],
        "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    }
    table = pa.table(columns)
    for version in ("1.0", "2.0"):
        pq.write_table(table, "a.parquet", data_page_version=version, row_group_size=2)
        chunks = list(open_table("a.parquet").chunks(tuple(columns)))
        read = {name: [cell for chunk in chunks for cell in chunk.columns[name]] for name in columns}
        assert read == {name: table.column(name).to_pylist() for name in columns}


@pytest.mark.parametrize("rows_in_group", [2, 7, 1500, 10_000])
def test_lists_in_parquet_are_read_across_row_groups(rows_in_group: int) -> None:
    lists = [cell for number in range(750) for cell in (["x", str(number) * 900], [], None, ["x"])]
    pq.write_table(pa.table({"labels": lists}), "a.parquet", row_group_size=rows_in_group)
    chunks = open_table("a.parquet").chunks(("labels",))
    assert [cell for chunk in chunks for cell in chunk.columns["labels"]] == lists


def test_chunks_of_parquet_are_bounded_in_characters() -> None:
    pq.write_table(pa.table({"text": ["x" * 4 * MB] * 6}), "a.parquet")
    assert [len(chunk) for chunk in open_table("a.parquet").chunks(("text",))] == [4, 2]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip"])
@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", ""])
def test_pages_are_found_without_decoding(version: str, encoding: str, compression: str) -> None:
    texts = [f"text {number % 1000} " * 20 for number in range(20_000)]
    pq.write_table(
        pa.table({"text": texts}),
        "a.parquet",
        data_page_version=version,
        data_page_size=100_000,
        use_dictionary=not encoding,
        column_encoding=encoding or None,
        compression=compression,
    )
    known = pq.ParquetFile("a.parquet").metadata.row_group(0).column(0)
    with Path("a.parquet").open("rb") as stream:
        ((chunk,),) = column_chunks(stream, ["BYTE_ARRAY"])
        pages = list(pages_of(stream, chunk))
        sizes = [largest_entry(stream, page, chunk.codec) for page in pages]
    assert chunk.num_values == known.num_values == len(texts)
    assert chunk.codec.upper() == known.compression
    assert [page.is_dictionary for page in pages] == [not encoding] + [False] * (len(pages) - 1)
    assert all(page.repeats == (encoding == "DELTA_BYTE_ARRAY" or page.is_dictionary) for page in pages)
    assert sizes == [len(texts[100]) if page.is_dictionary else page.size for page in pages]
    headers = known.total_uncompressed_size - sum(page.size for page in pages)
    assert 0 < headers < 1000 * len(pages)
    assert len(pages) > (3 if encoding in ("PLAIN", "DELTA_LENGTH_BYTE_ARRAY") else 0)


def test_a_page_header_that_is_something_else_is_damage() -> None:
    pq.write_table(pa.table({"text": ["a"] * 10}), "a.parquet")
    data = bytearray(Path("a.parquet").read_bytes())
    for place in range(4, 20):
        changed = data.copy()
        changed[place] ^= 0xFF
        Path("b.parquet").write_bytes(changed)
        try:
            assert _read("b.parquet", FileFormat()) <= CHUNK_ROWS
        except UserError as error:
            assert error.message.startswith("b.parquet")  # noqa: PT017 - either is right


def test_json_of_deep_nesting_and_long_numbers_is_refused() -> None:
    for text in ('{"a": ' + "[" * 100_000, '{"a": ' + "9" * 5000 + "}"):
        for name, data in (("a.jsonl", text), ("a.json", f"[{text}]")):
            Path(name).write_text(data)
            with refused("data.bad-row", match=rf"^{name}"):
                _read(name, FileFormat())
    Path("a.json").write_text(json.dumps([{"a": 10**4000}]))
    assert _read("a.json", FileFormat()) == 1


# Changes one bit at a time of small Parquet files, reads each, and prints how many were read and refused.
FLIP = """
import io, random, sys
import pyarrow as pa, pyarrow.parquet as pq
from civility.data.reading.opening import open_table
from civility.errors import UserError

columns = {
    "id": [str(row) for row in range(12)],
    "text": ["so what", "n\u00e9", "", "x" * 40] * 3,
    "tags": [["x", "y"], [], None] * 4,
    "kind": pa.array(["u", "v", "u"] * 4).dictionary_encode(),
    "toxic": [0, 1, None] * 4,
    "threat": [0.5, None, 1.0] * 4,
    "when": pa.array([0] * 12, pa.timestamp("us")),
}
files = []
for version, compression in (("1.0", "none"), ("1.0", "zstd"), ("2.0", "none"), ("2.0", "snappy")):
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, data_page_version=version, compression=compression, row_group_size=7)
    files.append(out.getvalue())
seed, num_flips = map(int, sys.argv[1:])
chance = random.Random(seed)
ends = {"read": 0, "refused": 0}
for number in range(num_flips):
    data = bytearray(chance.choice(files))
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    place = chance.randrange(footer if chance.random() < 0.3 else 0, len(data))
    data[place] ^= 1 << chance.randrange(8)
    with open("flipped.parquet", "wb") as file:
        file.write(data)
    sys.stderr.write(f"flip {number}\\n")
    try:
        table = open_table("flipped.parquet")
        for chunk in table.chunks(table.columns):
            pass
        ends["read"] += 1
    except UserError as error:
        assert error.message.startswith("flipped.parquet"), error.message
        ends["refused"] += 1
print(*ends.values())
"""
NUM_FLIPS = 1_000


def test_parquet_of_a_changed_bit_is_read_or_refused() -> None:
    command = [sys.executable, "-c", FLIP, "1", str(NUM_FLIPS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]  # pyarrow ends the process where it meets a contradiction
    num_read, num_refused = map(int, done.stdout.split())
    assert num_read + num_refused == NUM_FLIPS
    assert min(num_read, num_refused) > NUM_FLIPS // 10


def _as_text(*cells: bytes) -> pa.Array:
    """Return texts that need not be UTF-8."""
    data = pa.array(cells, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(cells), data.buffers())


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (_as_text(b"so", b"caf\xe9"), "row 4, column text: not UTF-8"),
        (pa.array([0, 2**62], pa.timestamp("us")), "row 4, column text: not a timestamp[us] (date value out of range)"),
        (
            pa.array([0, 1], pa.timestamp("us", "Nowhere/Town")),
            "row 3, column text: not a timestamp[us, tz=Nowhere/Town]",
        ),
    ],
    ids=["text", "time", "time zone"],
)
def test_a_cell_of_parquet_without_a_value_is_refused_with_its_row(column: pa.Array, message: str) -> None:
    first = pa.table({"text": pa.array([None, None], column.type)})
    pq.write_table(pa.concat_tables([first, pa.table({"text": column})]), "a.parquet")
    with pytest.raises(UserError) as caught:
        _read("a.parquet", FileFormat())
    assert caught.value.message.startswith(f"a.parquet, {message}")


@pytest.mark.parametrize(
    "column",
    [
        _as_text(b"so", b"caf\xe9").dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, 2**30]), ["so"], safe=False),
    ],
    ids=["not UTF-8", "no such entry"],
)
def test_a_dictionary_that_is_wrong_is_damage(column: pa.Array) -> None:
    batch = pa.record_batch({"text": column})
    with pytest.raises(pa.ArrowInvalid):
        list(_bounded(batch, "a.parquet", 1, 1000))


def test_a_header_that_is_not_utf8_is_damage() -> None:
    pq.write_table(pa.table({"café": ["so"]}), "a.parquet", store_schema=False)
    data = Path("a.parquet").read_bytes()
    Path("a.parquet").write_bytes(data.replace("café".encode(), b"caf\xff\xff"))
    with refused("data.damaged", match=r"^a.parquet: not a Parquet file, or incomplete"):
        _read("a.parquet", FileFormat())
