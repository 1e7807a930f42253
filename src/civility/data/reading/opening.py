"""The one way into data: what the user names becomes files, built-in corpora, and tables, whatever they are written as.

The suffixes and the first bytes of a file give its format and compression, and its first lines the rest.
"""

import codecs
import glob
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from civility.data.dataset import Dataset
from civility.data.file_format import UNSPECIFIED, FileFormat, Format
from civility.data.reading.encodings import text_of
from civility.data.reading.files import (
    EXPORT,
    PARQUET_MAGIC,
    DataFile,
    Rewound,
    begin,
    explain_damage,
    only_member,
    unreadable,
)
from civility.data.reading.recognition import describe, is_as_named, recognise
from civility.data.reading.tables import Table, table_of
from civility.errors import UserError, did_you_mean, did_you_mean_file
from civility.storage.atomic_files import real_path

_PREFIX = "civility:"
# Name -> part of the starter corpus.
_BUILT_IN = {"civility:starter/train": "train", "civility:starter/held-out": "held-out"}

_FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".txt": "auto",
}
_COMPRESSIONS = (".gz", ".zst", ".zip")
_SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".ods")
_MAGIC = ((b"\x1f\x8b\x08", ".gz"), (b"\x28\xb5\x2f\xfd", ".zst"), (b"PK\x03\x04", ".zip"), (b"PK\x05\x06", ".zip"))
_UNPACK = "unpack it, or compress it as .gz or .zst"
_OTHER_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook", EXPORT),
    (b"\xfd7zXZ\0", "an .xz file", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a .7z file", _UNPACK),
    # Ten bytes, since a comment may begin with "BZh".
    *((b"BZh%d1AY&SY" % level, "a .bz2 file", _UNPACK) for level in range(1, 10)),
    (b"\x04\x22\x4d\x18", "an .lz4 file", _UNPACK),
    (b"Rar!\x1a\x07", "a .rar file", _UNPACK),
    (b"ARROW1\0\0", "an Arrow (Feather) file", "save the table as Parquet or CSV"),
    (b"Obj\x01", "an Avro file", "save the table as Parquet or CSV"),
    (b"%PDF-", "a PDF document", "save the comments as text or CSV"),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
)


def is_built_in(name: object) -> bool:
    """Return whether this names a corpus of the package rather than a file."""
    return isinstance(name, str) and name.startswith(_PREFIX)


def built_in(name: str) -> Dataset:
    """Return a corpus of the package; a UserError if none has this name."""
    if name not in _BUILT_IN:
        found = f"no built-in data '{name}'{did_you_mean(name, _BUILT_IN)}"
        raise UserError("data.no-file", found, remedy=f"built-in data: {', '.join(_BUILT_IN)}")
    from civility.data.starter import starter_corpus  # composing it takes time

    return starter_corpus(_BUILT_IN[name])


def expand(files: Sequence[str | Path]) -> tuple[str, ...]:
    """Return the files named, with glob patterns expanded in sorted order. Reads no file.

    A UserError if no file is named, a pattern matches none, or a file is named twice.
    """
    names = [name for given in files for name in _matches(str(given))]
    if not names:
        raise UserError("data.no-file", "no data files given", remedy="name at least one file")
    seen: dict[str, str] = {}
    for name in names:
        place = name if is_built_in(name) else str(real_path(name))
        if place in seen:
            also = f" (first as {seen[place]})" if seen[place] != name else ""
            remedy = "name each file once, and check what the patterns match"
            raise UserError("data.no-file", f"given twice{also}", where=name, remedy=remedy)
        seen[place] = name
    return tuple(names)


def _matches(name: str) -> Iterator[str]:
    if is_built_in(name) or Path(name).exists() or not glob.has_magic(name):
        yield name
        return
    # Path.glob does not accept absolute patterns.
    matches = glob.glob(name, recursive=True)  # noqa: PTH207
    found = sorted(match for match in matches if Path(match).is_file())
    if not found:
        raise UserError("data.no-file", "no file matches", where=name, remedy="check the pattern and the folder")
    yield from found


def open_table(source: str | Path | IO[bytes], form: FileFormat = UNSPECIFIED, text: str = "") -> Table:
    """Open a data file of any supported format and compression, or standard input.

    The same bytes give the same rows either way. Of standard input, only the beginning is read at once.

    Parameters
    ----------
    source : a path, or the bytes of standard input
    form : what is known about how the file is written; the rest is recognised
    text : the text column, if one is named: a first line that has it is a header

    Raises
    ------
    UserError : no such file, an unknown format, or an empty or damaged file. Reading a chunk raises what is wrong
        further down.
    """
    is_auto = form.format == "auto"
    if isinstance(source, str | Path):
        real_path(source)  # for a circle of links, its message says more than "no such file"
        file = find_file(source, any_suffix=not is_auto)
    else:
        stream = Rewound(source)
        file = DataFile("standard input", stream, "auto", _compression_of("standard input", stream.look(16)))
    beginning = begin(file)
    named = file.format if is_auto else form.format
    if named == "parquet" or (is_auto and beginning.head.startswith(PARQUET_MAGIC)):
        from civility.data.reading.parquet import parquet_table  # pyarrow loads slowly

        return parquet_table(beginning, form.max_cell_bytes)
    content = text_of(beginning, form.encoding, form.max_cell_bytes)
    found = recognise(content, form, text)
    table, described = table_of(content, found), describe(found, content)
    return replace(table, description=described, is_as_named=is_as_named(found, content, form), doubt=found.doubt)


def find_file(given: str | Path, *, any_suffix: bool = False) -> DataFile:
    """Return the file at a path. Its suffix gives the format, its first bytes and its suffix the compression.

    With ``any_suffix`` the suffix may be unknown, since the format is known otherwise. A UserError for no such file, a
    folder, or a suffix or content that cannot be read.
    """
    name, path = str(given), Path(given)
    _refuse_no_file(name, path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    named = suffixes.pop() if suffixes and suffixes[-1] in _COMPRESSIONS else ""
    suffix = suffixes[-1] if suffixes else ""
    with explain_damage(DataFile(name, path, "auto")), path.open("rb") as stream:
        head = stream.read(16)
    found = _compression_of(name, head)
    if suffix in _SPREADSHEETS:
        raise unreadable(name, "a spreadsheet", EXPORT)
    # A file that looks neither compressed nor like text is a damaged file of the kind that its suffix names.
    compression = found or ("" if _may_be_plain(head) else named)
    if compression == ".zip":
        with explain_damage(DataFile(name, path, "auto", ".zip")), zipfile.ZipFile(path) as archive:
            member = only_member(archive, name).filename
        suffix = suffix if suffix in _FORMATS else Path(member).suffix.lower()
    is_known = suffix in _FORMATS or (bool(named) and not suffix) or head.startswith(PARQUET_MAGIC)
    if not is_known and not any_suffix:
        known = f"unknown suffix; known: {', '.join(_FORMATS)}, each also with {', '.join(_COMPRESSIONS)}"
        remedy = "rename the file, or name its format: --input-format (train, sweep: --set data.format=…)"
        raise UserError("data.unknown-format", known, where=name, remedy=remedy)
    return DataFile(name, path, _FORMATS.get(suffix, "auto"), compression, named in ("", compression))


def _may_be_plain(head: bytes) -> bool:
    """Whether a file that begins with these bytes may be text or Parquet."""
    is_wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
    return is_wide or head.startswith(PARQUET_MAGIC) or not any(byte < 32 and byte not in b"\t\r\n" for byte in head)


def _refuse_no_file(name: str, path: Path) -> None:
    if path.is_dir():
        found, remedy = "a folder, not a file", "name the files in it, as in FOLDER/*.csv"
    elif not path.exists():
        siblings = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        found, remedy = f"no such file{did_you_mean_file(path.name, siblings)}", "check the path"
    elif not path.is_file():
        found, remedy = "not a regular file", "pipe it into standard input instead, or save it first"
    else:
        return
    raise UserError("data.no-file", found, where=name, remedy=remedy)


def _compression_of(name: str, head: bytes) -> str:
    """Return the compression by the first bytes, or an empty string; a UserError for a kind that is not read."""
    for magic, what, remedy in _OTHER_MAGIC:
        if head.startswith(magic):
            raise unreadable(name, what, remedy)
    return next((compression for magic, compression in _MAGIC if head.startswith(magic)), "")
