"""How a data file is written: its format, separator and encoding. Imports nothing heavy, since options use it."""

import codecs
from dataclasses import dataclass, replace
from typing import Literal

Format = Literal["auto", "lines", "csv", "tsv", "jsonl", "json", "parquet"]
FORMAT_NAMES: tuple[Format, ...] = ("auto", "lines", "csv", "tsv", "jsonl", "json", "parquet")
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
MAX_CELL_BYTES = 16_000_000
FEWEST_CELL_BYTES, MOST_CELL_BYTES = 1024, 2**30
WIDE_ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
# A codec that is not made for text changes part of this: escapes of Python, a name in IDNA form.
_PROBE = rb"a\u0041\n,.xn--mnchen-3ya.de" + b"\n"


@dataclass(frozen=True)
class FileFormat:
    """What the user says about how files are written. The rest is recognised from their content."""

    format: Format = "auto"  # one of `FORMAT_NAMES`; auto: recognised
    separator: str = ""  # between the cells of a row; empty: recognised
    encoding: str = ""  # a name that Python or iconv knows; empty: UTF-8, or UTF-16 and UTF-32 if recognised
    max_cell_bytes: int = MAX_CELL_BYTES  # the largest line, cell or JSON object

    def or_limit_of(self, usual: "FileFormat") -> "FileFormat":
        """Return this format, with the size limit of another one if it has the default limit."""
        return self if self.max_cell_bytes != MAX_CELL_BYTES else replace(self, max_cell_bytes=usual.max_cell_bytes)


UNSPECIFIED = FileFormat()  # nothing is given: everything is to be recognised from suffix and content


def separator_of(text: str) -> str:
    r"""Return a separator as a single character: ``tab`` and ``\t`` become a tab. Empty stays empty.

    A ValueError, whose message is what is expected, for several characters, or one that occurs in names or numbers.
    """
    separator = {"\\t": "\t", **{name: sign for sign, name in SEPARATORS.items()}}.get(text.lower(), text)
    if text and (len(separator) != 1 or separator.isalnum() or separator in "\"'_\r\n\0"):
        raise ValueError("a separator of one character, such as ';', '|' or tab")
    return separator


def encoding_of(text: str) -> str:
    """Return Python's name for a text encoding. Empty stays empty. A ValueError, whose message is what is expected."""
    try:
        name = codecs.lookup(text).name if text else ""
        # Some Asian encodings have another sign for an ASCII byte, such as ¥ for the backslash, but still one sign.
        if name in ("", *WIDE_ENCODINGS) or (
            b"a,\n".decode(name) == "a,\n" and len(_PROBE.decode(name)) == len(_PROBE)
        ):
            return name
    except (LookupError, ValueError):
        pass
    raise ValueError("an encoding that Python knows, such as utf-8, utf-16, cp1252, latin-1, cp1251 or gbk")
