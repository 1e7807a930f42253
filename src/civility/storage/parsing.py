"""Reads JSON and TOML files within bounds: a damaged or hostile one is a UserError."""

import json
import math
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from civility.errors import UserError
from civility.plain_text import shortened

_LARGEST = 512 << 20
"""Bytes. The largest files are the terms of a linear model, tens of megabytes."""
_LARGEST_NUMBER = 2**63
_BEYOND = "an integer beyond 64 bits"
_REMEDY = "restore the file from a copy, or write it again"
_DEEPEST = 64
"""Levels of nested tables and lists in a TOML file."""


def read_json(path: Path, remedy: str = _REMEDY, *, finite: bool = True) -> dict[str, Any]:
    """Return the object in a JSON file. Numbers are finite, and integers below 2^63.

    Parameters
    ----------
    remedy : what to do if it is missing or damaged
    finite : whether NaN, Infinity and -Infinity are errors; if not, the caller checks them

    Raises
    ------
    UserError : no such file, too large, not UTF-8, not JSON, nested too deeply, or not an object
    """
    return parse_json(read_text(path, remedy), str(path), remedy, finite=finite)


def parse_json(text: str, source: str, remedy: str = _REMEDY, *, finite: bool = True) -> dict[str, Any]:
    """Return the object in a JSON text, which ``source`` names in messages; see `read_json`."""
    constant = _refuse_constant if finite else float
    try:
        content = json.loads(text, parse_constant=constant, parse_float=_finite, parse_int=_whole)
    except RecursionError as error:
        raise UserError("storage.damaged", "damaged: nested too deeply", where=source, remedy=remedy) from error
    except ValueError as error:
        reason = shortened(str(error), 200)
        raise UserError("storage.damaged", f"damaged: {reason}", where=source, remedy=remedy) from error
    if not isinstance(content, dict):
        found = f"damaged: a {type(content).__name__}"
        raise UserError("storage.damaged", found, where=source, expected="a JSON object", remedy=remedy)
    return content


def read_toml(path: Path, remedy: str = _REMEDY) -> dict[str, Any]:
    """Return the content of a TOML file; a UserError if it is missing, too large, not TOML or nested too deeply."""
    return parse_toml(read_text(path, remedy), str(path), remedy)


def parse_toml(text: str, source: str, remedy: str = _REMEDY) -> dict[str, Any]:
    """Return the content of a TOML text, which ``source`` names in messages; see `read_toml`."""
    try:
        return _within_bounds(tomllib.loads(text))
    except RecursionError as error:
        raise UserError("storage.bad-toml", "not valid TOML: nested too deeply", where=source, remedy=remedy) from error
    except ValueError as error:  # also integers of thousands of digits, and impossible dates
        reason = _BEYOND if "digits" in str(error) else shortened(str(error), 200)
        raise UserError("storage.bad-toml", f"not valid TOML: {reason}", where=source, remedy=remedy) from error


def read_text(path: Path, remedy: str = _REMEDY) -> str:
    """Return the text of a UTF-8 file, without a byte order mark; a UserError if it is larger than 512 MiB."""
    name = shortened(str(path), 300)
    try:
        if not path.is_file():
            found = "a folder, not a file" if path.is_dir() else "not a file" if path.exists() else "no such file"
            raise UserError("storage.cannot-read", found, where=name, remedy=remedy)
        if path.stat().st_size > _LARGEST:
            raise UserError("storage.damaged", f"damaged: larger than {_LARGEST >> 20} MiB", where=name, remedy=remedy)
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError("storage.damaged", f"not UTF-8 text (byte {error.start})", where=name, remedy=remedy) from error
    except OSError as error:
        raise UserError("storage.cannot-read", cannot_read(error), where=name, remedy=remedy) from error
    except ValueError as error:  # a NUL in the path
        raise UserError("storage.cannot-read", f"not a path: {error}", where=name, remedy=remedy) from error


def cannot_read(error: OSError) -> str:
    """Return that a file cannot be read, and why."""
    is_permission = isinstance(error, PermissionError)
    return f"cannot read: {'no permission to read it' if is_permission else error.strerror or error}"


def text_table(content: dict[str, Any], name: str) -> dict[str, str]:
    """Return an object of strings in a document; a ValueError if it is missing or something else."""
    found = content.get(name)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError(f"{name}: expected an object of strings, found {shortened(repr(found), 40)}")
    return found


def whole_number(value: Any, name: str, low: int, high: int) -> int:
    """Return an integer of a document; a ValueError for another value, or one outside ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name}: expected a whole number from {low} to {high}, found {shortened(repr(value), 40)}")
    return value


def _within_bounds(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a TOML document; an error if it nests too deeply or has integers beyond 64 bits.

    TOML allows dotted keys and numbers of any length.
    """
    level: list[Any] = [content]
    for _ in range(_DEEPEST):
        if not level:
            return content
        for one in level:
            if isinstance(one, int) and not -_LARGEST_NUMBER <= one < _LARGEST_NUMBER:
                raise ValueError(_BEYOND)
        level = [part for one in level for part in _parts(one)]
    raise RecursionError


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _finite(digits: str) -> float:
    read = float(digits)
    if not math.isfinite(read):
        raise ValueError(f"{shortened(digits, 40)} is too large a number")
    return read


def _whole(digits: str) -> int:
    read = int(digits) if len(digits) < 25 else _LARGEST_NUMBER
    if not -_LARGEST_NUMBER <= read < _LARGEST_NUMBER:
        raise ValueError(f"{shortened(digits, 40)} is too large a number")
    return read
