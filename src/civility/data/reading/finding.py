"""Which kind of file a path names, by its suffixes and its first bytes: format and compression."""

import codecs
import zipfile
from pathlib import Path
from typing import IO

from civility.data.file_format import Format
from civility.data.reading.files import (
    EXPORT,
    PARQUET_MAGIC,
    DataFile,
    Rewound,
    explain_damage,
    only_member,
    refuse_workbook,
    unreadable,
)
from civility.errors import UserError, did_you_mean_file

FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".txt": "auto",
}
COMPRESSIONS = (".gz", ".zst", ".zip")
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


def find_file(given: str | Path, *, any_suffix: bool = False) -> DataFile:
    """Return the file at a path. Its suffix gives the format, its first bytes and its suffix the compression.

    Parameters
    ----------
    any_suffix : whether the suffix may be unknown, since the format is known otherwise

    Raises
    ------
    UserError : no such file, a folder, or a suffix or content that cannot be read
    """
    name, path = str(given), Path(given)
    _refuse_no_file(name, path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    named = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSIONS else ""
    suffix = suffixes[-1] if suffixes else ""
    with explain_damage(DataFile(name, path, "auto")), path.open("rb") as stream:
        head = stream.read(16)
    found = _compression_of(name, head)
    if suffix in _SPREADSHEETS:
        raise unreadable(name, "a spreadsheet", EXPORT)
    # A file that looks neither compressed nor like text is a damaged file of the kind that its suffix names.
    compression = found or ("" if _may_be_plain(head) else named)
    if compression == ".zip":
        member = _member_of(name, path, named)
        suffix = suffix if suffix in FORMATS else Path(member).suffix.lower()
    is_known = suffix in FORMATS or (bool(named) and not suffix) or head.startswith(PARQUET_MAGIC)
    if not is_known and not any_suffix:
        raise UserError(
            "data.unknown-format",
            f"unknown suffix; known: {', '.join(FORMATS)}, each also with {', '.join(COMPRESSIONS)}",
            where=name,
            remedy="rename the file, or name its format: --input-format (train, sweep: --set data.format=…)",
        )
    return DataFile(name, path, FORMATS.get(suffix, "auto"), compression, named in ("", compression))


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


def _member_of(name: str, path: Path, named: str) -> str:
    """Return the name of the only file in an archive; a UserError if it is a workbook, or there are several."""
    with explain_damage(DataFile(name, path, "auto", ".zip")), zipfile.ZipFile(path) as archive:
        if not named:
            refuse_workbook(archive, name)
        return only_member(archive, name).filename


def piped(stream: IO[bytes], name: str = "standard input") -> DataFile:
    """Return standard input as a file. Its first bytes give the compression."""
    source = Rewound(stream)
    return DataFile(name, source, "auto", _compression_of(name, source.look(16)))


def _compression_of(name: str, head: bytes) -> str:
    """Return the compression by the first bytes, or an empty string; a UserError for a kind that is not read."""
    for magic, what, remedy in _OTHER_MAGIC:
        if head.startswith(magic):
            raise unreadable(name, what, remedy)
    return next((compression for magic, compression in _MAGIC if head.startswith(magic)), "")
