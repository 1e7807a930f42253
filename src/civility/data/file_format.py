"""How data files are written, where it is named rather than recognised. Imports nothing heavy: options use it."""

import codecs
from dataclasses import dataclass, replace
from typing import Literal

Format = Literal["auto", "lines", "csv", "tsv", "jsonl", "json", "parquet"]
FORMAT_NAMES: tuple[Format, ...] = ("auto", "lines", "csv", "tsv", "jsonl", "json", "parquet")
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
MAX_CELL_BYTES = 16_000_000
FEWEST_CELL_BYTES, MOST_CELL_BYTES = 1024, 2**30
WIDE_ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
# What a codec that is made for other things than text would change: escapes of Python, a name in the form of IDNA.
_PROBE = rb"a\u0041\n,.xn--mnchen-3ya.de" + b"\n"


@dataclass(frozen=True)
class FileFormat:
    """How files are written, where it is not to be recognised from their content.

    Parameters
    ----------
    format : one of ``FORMAT_NAMES``; auto = recognised
    separator : between the cells of a row; empty = recognised
    encoding : as Python or iconv call it; empty = UTF-8, UTF-16 and UTF-32 are recognised
    max_cell_bytes : the most that a line, a cell or a JSON object may have
    """

    format: Format = "auto"
    separator: str = ""
    encoding: str = ""
    max_cell_bytes: int = MAX_CELL_BYTES

    def or_limit_of(self, usual: "FileFormat") -> "FileFormat":
        """Return this, with the limit of another where it has the default."""
        return self if self.max_cell_bytes != MAX_CELL_BYTES else replace(self, max_cell_bytes=usual.max_cell_bytes)


RECOGNISED = FileFormat()
"""Everything by suffix and content."""


def separator_of(text: str) -> str:
    r"""Return a separator as a person writes it, also ``tab`` and ``\t``; empty for empty.

    Raises
    ------
    ValueError : it is not a single character, or one that stands in names or numbers; says what is expected
    """
    separator = {"\\t": "\t", **{name: sign for sign, name in SEPARATORS.items()}}.get(text.lower(), text)
    if text and (len(separator) != 1 or separator.isalnum() or separator in "\"'_\r\n\0"):
        raise ValueError("a separator of one character, such as ';', '|' or tab")
    return separator


def encoding_of(text: str) -> str:
    """Return the name that Python has for an encoding of text; empty for empty.

    Raises
    ------
    ValueError : there is none of this name; says what is expected
    """
    try:
        name = codecs.lookup(text).name if text else ""
        # In some encodings of Asia a byte of ASCII is another sign, as ¥ for the backslash, but still one sign.
        if name in ("", *WIDE_ENCODINGS) or (
            b"a,\n".decode(name) == "a,\n" and len(_PROBE.decode(name)) == len(_PROBE)
        ):
            return name
    except (LookupError, ValueError):
        pass
    raise ValueError("an encoding that Python knows, such as utf-8, utf-16, cp1252, latin-1, cp1251 or gbk")
