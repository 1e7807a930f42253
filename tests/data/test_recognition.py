"""Recognising what a file or standard input is: the same bytes give the same comments either way."""

import bz2
import contextlib
import encodings.aliases
import gzip
import io
import json
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from civility.data.file_format import FileFormat, Format, encoding_of, separator_of
from civility.data.reading import Columns, read_dataset, stream_comments
from civility.data.reading.opening import open_table
from civility.data.reading.tables import Table
from civility.errors import UserError

from ..refusals import refused


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


RECOGNISE = Columns()


def _comments(source: str | bytes, columns: Columns = RECOGNISE) -> tuple[list[str], list[str], str]:
    """Return ids, texts and what is said of the source."""
    said: list[str] = []
    opened = io.BytesIO(source) if isinstance(source, bytes) else source
    chunks = list(stream_comments(opened, columns, on_opened=said.append))
    texts = [text for chunk in chunks for text in chunk.texts]
    return [id for chunk in chunks for id in chunk.ids], texts, "\n".join(said)


def _parquet(**columns: list[object]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _zipped(name: str, data: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return sink.getvalue()


def _tar(data: bytes) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        member = tarfile.TarInfo("a.csv")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return sink.getvalue()


def _zst(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


ROWS = (["7", "9"], ["so, it goes", 'a "b"\nc'])
COMMA = b'Id,Comment\n7,"so, it goes"\n9,"a ""b""\nc"\n'
JSON_ROWS = [{"Id": id, "Comment": text} for id, text in zip(*ROWS, strict=True)]
ARRAY = json.dumps(JSON_ROWS, indent=2).encode()
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in JSON_ROWS)
PARQUET = _parquet(Id=list(ROWS[0]), Comment=list(ROWS[1]))

SAME: dict[str, tuple[str, bytes, str]] = {
    "comma": ("a.csv", COMMA, "comma-separated table with a header, UTF-8"),
    "an empty first line": ("a.csv", b"\n" + COMMA, "comma-separated table"),
    "a mark": ("a.csv", b"\xef\xbb\xbf" + COMMA, "comma-separated table"),
    "semicolon": ("a.csv", COMMA.replace(b"Id,", b"Id;").replace(b"7,", b"7;").replace(b"9,", b"9;"), "semicolon"),
    "pipe": ("a.csv", COMMA.replace(b"Id,", b"Id|").replace(b"7,", b"7|").replace(b"9,", b"9|"), "pipe-separated"),
    "tab in .csv": ("a.csv", COMMA.replace(b"Id,", b"Id\t").replace(b"7,", b"7\t").replace(b"9,", b"9\t"), "tab-separ"),
    "tab": ("a.tsv", COMMA.replace(b"Id,", b"Id\t").replace(b"7,", b"7\t").replace(b"9,", b"9\t"), "tab-separated"),
    "table in .txt": ("a.txt", COMMA, "comma-separated table"),
    "Excel's first line": ("a.csv", b"sep=,\r\n" + COMMA, "comma-separated table"),
    "Excel's first line, quoted": ("a.csv", b'"sep=,"\n' + COMMA, "comma-separated table"),
    "UTF-16": ("a.csv", COMMA.decode().encode("utf-16"), "UTF-16-LE"),
    "UTF-16 without a mark": ("a.csv", COMMA.decode().encode("utf-16-be"), "UTF-16-BE"),
    "UTF-32": ("a.csv", COMMA.decode().encode("utf-32"), "UTF-32-LE"),
    "UTF-32 without a mark": ("a.csv", COMMA.decode().encode("utf-32-le"), "UTF-32-LE"),
    "JSON lines": ("a.jsonl", LINES, "JSON lines"),
    "JSON lines in .json": ("a.json", LINES, "JSON lines"),
    "JSON lines in .csv": ("a.csv", LINES, "JSON lines"),
    "JSON array": ("a.json", ARRAY, "JSON array"),
    "JSON array in .jsonl": ("a.jsonl", b"\n" + ARRAY.replace(b"\n", b""), "JSON array"),
    "JSON array in UTF-16": ("a.json", ARRAY.decode().encode("utf-16"), "JSON array, UTF-16-LE"),
    "gzip": ("a.csv.gz", gzip.compress(COMMA), "UTF-8, .gz"),
    "gzip without a suffix": ("a.csv", gzip.compress(COMMA), "UTF-8, .gz"),
    "zstd": ("a.csv.zst", _zst(COMMA), "UTF-8, .zst"),
    "zip": ("a.zip", _zipped("inside.csv", COMMA), "UTF-8, .zip"),
    "zip of JSON": ("a.json.zip", _zipped("inside.json", ARRAY), "JSON array, UTF-8, .zip"),
    "gzip as .zst": ("a.csv.zst", gzip.compress(COMMA), "UTF-8, .gz"),
    "gzip as .zip": ("a.csv.zip", gzip.compress(COMMA), "UTF-8, .gz"),
    "zip as .gz": ("a.csv.gz", _zipped("inside.csv", COMMA), "UTF-8, .zip"),
    "zstd as .gz": ("a.csv.gz", _zst(COMMA), "UTF-8, .zst"),
    "plain text as .gz": ("a.csv.gz", COMMA, "UTF-8"),
    "plain text as .zip": ("a.csv.zip", b"\xef\xbb\xbf" + COMMA, "UTF-8"),
    "UTF-16 as .zst": ("a.csv.zst", COMMA.decode().encode("utf-16"), "UTF-16-LE"),
    "JSON lines as .gz": ("a.jsonl.gz", LINES, "JSON lines, UTF-8"),
    "Parquet as .zst": ("a.parquet.zst", PARQUET, "Parquet"),
    "gzip and nothing more": ("a.gz", gzip.compress(COMMA), "UTF-8, .gz"),
    "zstd and nothing more": ("a.zst", _zst(LINES), "JSON lines, UTF-8, .zst"),
    "zip of a file without a suffix": ("a.zip", _zipped("inside", COMMA), "UTF-8, .zip"),
    "Parquet": ("a.parquet", PARQUET, "Parquet"),
    "Parquet without a suffix": ("a", PARQUET, "Parquet"),
    "Parquet in gzip": ("a.parquet.gz", gzip.compress(PARQUET), "Parquet, .gz"),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_bytes_give_the_same_comments_piped_or_as_a_file(case: str) -> None:
    name, data, said = SAME[case]
    Path(name).write_bytes(data)
    as_file, as_pipe = _comments(name), _comments(data)
    assert as_file[:2] == as_pipe[:2] == ROWS
    for source, (_, _, words) in ((name, as_file), ("standard input", as_pipe)):
        assert words.startswith(f"{source}: read as ")
        assert said in words
        assert "text column 'Comment', id column 'Id'" in words


@pytest.mark.parametrize(
    ("data", "columns", "texts"),
    [
        (b"text,label\nhello,1\n", Columns(), ["hello"]),
        (b"label;text\n1;hello, you\n", Columns(), ["hello, you"]),
        (b",text\n0,a\n1,b\n", Columns(), ["a", "b"]),
        (b"id, comment_text\n1, a\n", Columns(text=" comment_text"), [" a"]),
        (b'text\na\n"b, c"\n', Columns(), ["a", "b, c"]),
        (b"words,key\na,1\n", Columns(text="words"), ["a"]),
        (b"words\na\n", Columns(text="words"), ["a"]),
        (b"comment_text\n", Columns(), None),
        (b"text,label\nhello, you,1\n", Columns(), None),
        (b"Review,Stars\ngood,5\nbad,1\n", Columns(), None),
        (b"id\tReview\n1\tgood\n", Columns(), None),
    ],
)
def test_a_table_does_not_become_lines(data: bytes, columns: Columns, texts: list[str] | None) -> None:
    if texts is None:  # what cannot be read as a table is an error, never lines with a header among them
        with pytest.raises(UserError):
            _comments(data, columns)
    else:
        assert _comments(data, columns)[1] == texts


LONG = "Which of the rules of this forum do you think are applied too rarely, and which too often, these days?"
SEVEN = "is it rude or not, in your own plain opinion"


@pytest.mark.parametrize(
    "data",
    [
        "id,text,\n1,a,\n",
        "id,text,,,\n1,a,,,\n",
        "id,,text\n1,,a\n",
        "id;text;\n1;a;\n",
        "id\ttext\t\n1\ta\t\n",
        "id,text,Score.\n1,a,3\n",
        "id,text,rude!\n1,a,3\n",
        'id,text,"notes\n(free)"\n1,a,\n',
        f'id,text,"{LONG}"\n1,a,yes\n',
        f'id,text,"{SEVEN}"\n1,a,yes\n',
        f"id\t{LONG}\ttext\n1\tyes\ta\n",
        'id, text, Score.\n1,"a",3\n',
        "id,text ,Score.\n1,a,3\n",
        "id\t text \tScore.\n1\ta\t3\n",
        "id\ttext\tnote, if any\n1\ta\tb\n",
    ],
)
def test_an_odd_cell_beside_a_known_name_does_not_hide_a_header(data: str) -> None:
    Path("a.csv").write_text(data)
    ids, texts, _ = _comments(data.encode())
    assert (ids, [text.strip() for text in texts]) == (["1"], ["a"])
    if ", " not in data.partition("\n")[0].replace(LONG, "").replace(SEVEN, ""):
        assert _comments("a.csv")[:2] == (ids, texts)


def test_a_named_column_may_have_a_long_name() -> None:
    data = f'Timestamp,"{LONG}"\n1 May,a\n2 May,b\n'.encode()
    assert _comments(data, Columns(text=LONG))[1] == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "option"),
    [
        ("id,text,Score.\n1,a\n", "csv"),
        ("text\nhello, you\nand you\n", "csv"),
        ("id, text, and more.\n1,a\n", "csv"),
        (f'Timestamp,"{LONG}"\n1 May,a\n', "csv"),
        ("hm,\nok,\n", "csv"),
        ("Score., text\n1,a\n", "csv"),
        ("Score. | text\n1|a\n", "csv"),
        ("1\ta\n2\tb\n", "tsv"),
    ],
)
def test_lines_that_could_be_a_table_are_said_to_be(data: str, option: str) -> None:
    _, texts, said = _comments(data.encode())
    assert texts == data.splitlines()
    assert said.endswith(f"--input-format {option}")


JSON_PIECES = [
    '{\n "comments": [\n  "a",\n  "b"\n ]\n}\n',
    '{\n  "text": "a"\n}\n{\n  "text": "b"\n}\n',
    "{'text': 'a'}\n{'text': \"it's\"}\n",
    '{"text": "a",}\n',
    '{"text": "a"}{"text": "b"}\n',
    '{"text": "a"}\r{"text": "b"}\r',
    '{"text": NULL, "id": 1}\n',
    '{"text":"a","n":' + "1" * 5000 + "}\n",
    "['a', 'you fool']\n",
    '[\n ["a", 1],\n ["b", 2]\n]\n',
    '[["text"], ["a"]]\n',
    '{\n  text: "a"\n}\n',
]


@pytest.mark.parametrize("data", JSON_PIECES)
def test_pieces_of_json_are_no_comments(data: str) -> None:
    for source in (data.encode(), "a.txt"):
        Path("a.txt").write_text(data, newline="")
        with refused("data.unknown-format", match="looks like JSON, but is neither") as caught:
            _comments(source)
        assert "--input-format lines" in caught.value.remedy
        assert len(_comments(source, Columns(file=FileFormat("lines")))[1]) == data.count("\n") or "\r" in data


def test_json_that_is_too_deep_or_longer_than_the_sample_is_json() -> None:
    with refused("data.bad-row", match="line 1: not a JSON object: nested too deeply"):
        _comments(b'{"text":"a","x":' + b"[" * 200_000 + b"\n")
    text = "word " * 400_000
    assert _comments(json.dumps({"text": text}).encode())[1] == [text]
    with refused("data.bad-row", match="line 1: not a JSON object"):
        _comments(json.dumps({"text": text}).encode()[:-1])


@pytest.mark.parametrize("data", ["id,text\r1,hello\r2,you fool\r", "hello\ryou fool", "a\rb\rc\n", "text\ra\r"])
def test_carriage_returns_alone_do_not_end_lines(data: str) -> None:
    Path("a.txt").write_text(data, newline="")
    with refused("data.unknown-format", match=r"^standard input: lines end with carriage returns") as caught:
        _comments(data.encode())
    assert "… | tr '\\r' '\\n' | civility …" in caught.value.remedy
    with refused("data.unknown-format", match=r"^a.txt: lines end with carriage returns") as caught:
        _comments("a.txt")
    command = caught.value.remedy.removeprefix("convert the line ends: ").partition(";")[0]
    subprocess.run(command, shell=True, check=True)
    assert len(_comments("lines.txt")[1]) >= 2 or "text" in data
    assert len(_comments(data.encode(), Columns(file=FileFormat("lines")))[1]) == 1


@pytest.mark.parametrize("data", [b"hello\r", b"a\rb\nc\n", b"a\r\nb\r\n", b"a\r\r\nb\r\r\n"])
def test_a_stray_carriage_return_stays_in_its_comment(data: bytes) -> None:
    assert _comments(data)[1] == [line.decode().rstrip("\r") for line in data.rstrip(b"\n").split(b"\n")]


@pytest.mark.parametrize("data", ['<?xml version="1.0"?>\n<a>\n', "<!DOCTYPE html>\n<p>\n", "{\\rtf1\\ansi\nhello}\n"])
def test_a_document_is_not_a_comments(data: str) -> None:
    with refused("data.unknown-format", match="a document in a markup language") as caught:
        _comments(data.encode())
    assert "--input-format lines" in caught.value.remedy


def test_names_of_a_run_count_where_standard_input_has_them() -> None:
    usual = Columns(text="words", id="key")
    [chunk] = stream_comments(io.BytesIO(b"key;words\nx;a\n"), usual=usual)
    assert (chunk.ids, chunk.texts) == (["x"], ["a"])
    [chunk] = stream_comments(io.BytesIO(b"id;text\nx;a\n"), usual=usual)
    assert (chunk.ids, chunk.texts) == (["x"], ["a"])


WORDS = st.sampled_from(
    "I you they comment text id body content hate this that's really fine, well; no, label why? stop! the | of".split()
)
SENTENCES = st.lists(WORDS, min_size=2, max_size=12).map(" ".join)


@given(st.lists(SENTENCES, min_size=1, max_size=30))
def test_a_line_of_prose_does_not_become_a_header(lines: list[str]) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()
    ids, texts, said = _comments(data)
    assert texts == lines
    assert ids == [str(number) for number in range(1, len(lines) + 1)]
    assert "one comment per line" in said


@pytest.mark.parametrize(
    "line",
    [
        "text, please",
        "Comment, then id.",
        "[deleted]",
        "{not json}",
        "sep is short for september",
        "PAR1 is a magic number",
        "PK is fine",
        "comment",
        "BZh",
        "a|b",
        "yes;no",
        '"third", fourth',
        "NULL",
        "# text",
        "{",
        "[1] says so",
        "[[citation needed]]",
        "{{helpme}}",
        '{"quoted"} he said',
        "<b>no</b>",
        '""',
    ],
)
def test_an_odd_comment_stays_a_comment(line: str) -> None:
    assert _comments(f"{line}\nand another one, or two\n".encode())[1] == [line, "and another one, or two"]


def test_what_could_be_something_else_is_said() -> None:
    assert "if it is a comment: --input-format lines" in _comments(b"text\na\n")[2]
    assert _comments(b"text\na\n", Columns(file=FileFormat("lines")))[1] == ["text", "a"]
    assert "--input-format tsv" in _comments(b"1\ta\n2\tb\n")[2]
    assert "if" not in _comments(b"id,text\n1,a\n")[2]


@pytest.mark.parametrize(
    ("form", "data", "texts"),
    [
        ("lines", b'{"text": "a"}\n', ['{"text": "a"}']),
        ("csv", b"text\na\n", ["a"]),
        ("tsv", b"id\ttext\n1\ta, b\n", ["a, b"]),
        ("jsonl", b'{"text": "a"}\n', ["a"]),
        ("json", b'[{"text": "a"}]', ["a"]),
        ("parquet", _parquet(text=["a"]), ["a"]),
    ],
)
def test_a_named_format_is_taken_whatever_the_suffix(form: Format, data: bytes, texts: list[str]) -> None:
    Path("a.dat").write_bytes(data)
    columns = Columns(file=FileFormat(form))
    assert _comments("a.dat", columns)[1] == _comments(data, columns)[1] == texts
    with pytest.raises(UserError):
        _comments(b"nothing of the sort", Columns(file=FileFormat("json" if form == "lines" else form)))


def test_a_named_separator_and_encoding_win() -> None:
    data = "id,text;more:text\n1,a;b:ç\n".encode("cp1252")
    columns = Columns(text="text", file=FileFormat(separator=":", encoding="cp1252"))
    assert _comments(data, columns)[1] == ["ç"]
    with refused("data.encoding", match=r"not UTF-8 \(byte 0xe7 at offset 24") as caught:
        _comments(data, Columns(text="text", file=FileFormat(separator=":")))
    assert "--encoding cp1252" in caught.value.remedy
    assert _comments(b"sep=;\nid:text\n1:a\n", Columns(file=FileFormat(separator=":")))[1] == ["a"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1251"])
def test_letters_of_another_script(encoding: str) -> None:
    text = "привет, как дела"
    data = f"id;text\n1;{text}\n2;{text}\n".encode(encoding)
    form = FileFormat(encoding=encoding if encoding == "cp1251" else "")
    assert _comments(data, Columns(file=form))[1] == [text, text]


def test_a_stray_nul_is_not_utf16() -> None:
    assert _comments(b"id,text\n1,a\0b\n2,c\n")[1] == ["a b", "c"]
    assert _comments("text,id\n\u043f\u0440\0,1\n".encode())[1] == ["\u043f\u0440 "]


def test_a_wide_text_that_is_cut_short_is_refused() -> None:
    data = ("id,text\n" + "1,abc\n" * 100_000).encode("utf-16")[:-1]
    with refused("data.encoding", match=r"standard input: not utf-16-le \(near byte"):
        _comments(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "an Excel workbook"),
        (_zipped("xl/workbook.xml", b"<x/>"), "a spreadsheet"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\xfd7zXZ\0" + b"\0" * 30, "an .xz file"),
        (bz2.compress(COMMA), "a .bz2 file"),
        (bz2.compress(COMMA, 1), "a .bz2 file"),
        (b"Rar!\x1a\x07\0" + b"\0" * 30, "a .rar file"),
        (b"ARROW1\0\0" + b"\0" * 30, "an Arrow (Feather) file"),
        (_tar(COMMA), "a tar archive"),
        (gzip.compress(_tar(COMMA)), "a tar archive"),
        (_zipped("a.csv", COMMA)[:-10], "not a .zip file, or incomplete"),
        (gzip.compress(COMMA)[:-10], "not a .gz file, or incomplete"),
        (PARQUET[:-10], "not a Parquet file, or incomplete"),
        (b'[{"text": "a"}', "row 1 (line 1)"),
        (b'[{"text": "a"},\n {"text": b}]', "row 2 (line 2): not valid JSON"),
        (b'[{"text": "a"},\n 5]', "row 2 (line 2): not an object, expected an array of objects"),
        (b'[{"text": "a"}] and', "text after the end of the array"),
        (b'[{"text": ' + b"[" * 100_000, "row 1"),
        (b'["hello", "you idiot"]\n', "expected an array of objects"),
        (b"[]", "no rows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # what gzip packs has the time in it
)
def test_reports_what_cannot_be_read(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as piped:
        _comments(data)
    assert piped.value.remedy
    Path("a.txt").write_bytes(data)
    with pytest.raises(UserError, match=re.escape(message)):
        _comments("a.txt")


JSON_TEXT = st.text(alphabet='ab"\\{}[],: \n\u00e9\U0001f600')


@given(
    st.lists(st.dictionaries(st.sampled_from(["text", "a"]), JSON_TEXT | st.none() | st.lists(st.integers()))),
    st.sampled_from([None, 1]),
)
def test_an_array_gives_its_objects(rows: list[dict[str, object]], indent: int | None) -> None:
    data = json.dumps([{"id": 1}, *rows], indent=indent, ensure_ascii=False).encode()
    table: Table = open_table(io.BytesIO(data), FileFormat("json"))
    read = [cell for chunk in table.chunks(["text"]) for cell in chunk.columns["text"]]
    assert read == [None, *(row.get("text") for row in rows)]


def test_an_array_larger_than_a_block_is_read_with_its_lines() -> None:
    rows = [{"id": number, "text": "word " * (number % 300)} for number in range(3_000)]
    Path("a.json").write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    [first, *others] = open_table("a.json").chunks(["id", "text"])
    assert [cell for chunk in (first, *others) for cell in chunk.columns["id"]] == list(range(3_000))
    assert first.place(7) == "row 8 (line 9)"
    assert others[-1].columns["text"][-1] == rows[-1]["text"]


def test_a_file_that_is_not_what_its_suffix_says_is_noted() -> None:
    Path("a.csv").write_bytes("id;text;toxic\n1;a;0\n2;b;1\n".encode("utf-16"))
    reading = read_dataset(["a.csv"])
    assert reading.dataset.texts == ("a", "b")
    assert reading.notes == ("a.csv: read as semicolon-separated table with a header, UTF-16-LE",)
    Path("b.csv").write_bytes(b"id,text,toxic\n1,a,0\n")
    assert read_dataset(["b.csv"]).notes == ()
    Path("c.csv").write_bytes(b"id;text;toxic\n1;a;0\n")
    assert read_dataset(["c.csv"], Columns(file=FileFormat(separator=";"))).notes == ()


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("a.csv.gz", b"id,text,toxic\n1,a,0\n", "comma-separated table with a header, UTF-8, not compressed"),
        ("a.csv.zst", gzip.compress(b"id,text,toxic\n1,a,0\n"), "comma-separated table with a header, UTF-8, .gz"),
        ("a.parquet.gz", _parquet(id=["1"], text=["a"], toxic=[0]), "Parquet, not compressed"),
    ],
    ids=["plain", "gzip", "Parquet"],
)
def test_a_file_that_is_not_packed_as_its_suffix_says_is_noted(name: str, data: bytes, what: str) -> None:
    Path(name).write_bytes(data)
    assert read_dataset([name]).notes == (f"{name}: read as {what}",)


def test_how_to_convert_an_encoding_fits_where_the_bytes_come_from() -> None:
    data = "id,text\n1,ç\n".encode("cp1252")
    Path("a b.csv").write_bytes(data)
    Path("a.csv.gz").write_bytes(gzip.compress(data))
    remedies: dict[str, str] = {}
    for source in (data, "a b.csv", "a.csv.gz"):
        with refused("data.encoding") as caught:
            _comments(source)
        remedies[str(source)] = caught.value.remedy
    piped, plain, packed = remedies.values()
    assert piped.endswith("or convert it: … | iconv -f cp1252 -t utf-8 | civility …")
    for remedy in (plain, packed):
        subprocess.run(remedy.rpartition("or convert it: ")[2], shell=True, check=True)
        assert _comments("utf-8.csv")[1] == ["ç"]


@pytest.mark.parametrize(("text", "separator"), [("", ""), (";", ";"), ("tab", "\t"), ("\\t", "\t"), ("Pipe", "|")])
def test_separators_as_people_write_them(text: str, separator: str) -> None:
    assert separator_of(text) == separator


@pytest.mark.parametrize("text", ["a", ";;", "7", '"', "_"])
def test_refuses_what_is_not_a_separator(text: str) -> None:
    with pytest.raises(ValueError, match="a separator of one character"):
        separator_of(text)


NOT_OF_TEXT = ["hex", "klingon", "rot13", "a\0b", "base64", "idna", "punycode", "unicode_escape", "raw_unicode_escape"]


@pytest.mark.parametrize("text", NOT_OF_TEXT)
def test_refuses_what_is_not_an_encoding(text: str) -> None:
    with pytest.raises(ValueError, match="an encoding that Python knows"):
        encoding_of(text)
    assert encoding_of("latin1") == "iso8859-1"


@pytest.mark.parametrize("named", ["utf-16", "utf-16-le", "UTF_16_BE", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["you fool", "привет", "你好"])
def test_a_wide_encoding_may_be_named_without_a_mark(named: str, text: str) -> None:
    encoding = encoding_of(named)
    order = "" if encoding.endswith("e") else "-le"
    data = f"id,text\n1,{text}\n".encode(encoding + order)
    Path("a.csv").write_bytes(data)
    columns = Columns(file=FileFormat(encoding=encoding))
    assert _comments(data, columns)[1] == _comments("a.csv", columns)[1] == [text]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_a_text_that_is_not_of_the_wide_encoding_named_is_refused(encoding: str) -> None:
    columns = Columns(file=FileFormat(encoding=encoding))
    for data in (b"id,text\n1,you fool\n", "id,text\n1,é\n".encode()):
        with refused("data.encoding", match=f"not {encoding}: the first bytes are UTF-8") as caught:
            _comments(data, columns)
        assert "leave out --encoding" in caught.value.remedy


@pytest.mark.parametrize(("encoding", "named"), [("utf-16-le", "utf-16-be"), ("utf-32-be", "utf-16-be")])
def test_a_text_of_another_wide_encoding_than_named_is_refused(encoding: str, named: str) -> None:
    for text in ("you fool\n", "привет\n", "你好\n"):
        with refused("data.encoding", match=f"not {named}: the first bytes are {encoding}"):
            _comments(text.encode(encoding), Columns(file=FileFormat(encoding=named)))


def test_an_unknown_byte_order_is_refused() -> None:
    data = "привет".encode("utf-16-le")
    with refused("data.encoding", match="do not show the byte order") as caught:
        _comments(data, Columns(file=FileFormat(encoding="utf-16")))
    assert "--encoding utf-16-le" in caught.value.remedy


@pytest.mark.parametrize("name", sorted({*encodings.aliases.aliases.values(), "idna", "raw_unicode_escape"}))
def test_any_encoding_that_python_knows_is_refused_or_reads_any_bytes_in_words(name: str) -> None:
    try:
        columns = Columns(file=FileFormat(encoding=encoding_of(name)))
    except ValueError:
        return
    plain = r"a\n .xn--mnchen-3ya.de"
    wide = "utf-16" in columns.file.encoding or "utf-32" in columns.file.encoding
    data = f"id,text\n1,{plain}\n".encode(columns.file.encoding if wide else "ascii")
    assert len(_comments(data, columns)[1][0]) == len(plain)
    with contextlib.suppress(UserError):
        _comments(b"id,text\n1,\xe9\xff+2AA-~x\x1b$B~{\n", columns)
