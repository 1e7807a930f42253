"""How valid things are made invalid: bytes, JSON, TOML, tables. Each a function of its chance alone."""

import json
import random
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Chance = random.Random

_RAW = "@@raw:"
DEEP = "[" * 100_000
ODD_TEXTS = (
    *("", " ", "\x00", "\x1b[31mred\x1b[0m", "\x9b2J", "\u202eevil", "=1+1", "-1", "@x", "NaN", "null", "\r", "a\nb"),
    *('"', "'", "a,b", "\t", "\u00a0", "\u200b", "\ufeff", "../../x", "/", "x" * 3_000, "🙂" * 40, "ß", "ﬁ", "İ", "٣"),
    *("{}", "[]", "[red]x[/red]", "%s%n", "{0}", "$HOME", "~", "con", "a" * 300, "👩\u200d👩\u200d👧", "\u0301" * 50),
)
"""Texts that can be encoded."""
LONE = "\ud800"
ODD_NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2, 0.5, 1e-320, -0.0, 2**31, 2**63, -(2**63) - 1, 10**30, 10**400, float("nan"), float("inf")),
    *(f"{_RAW}1e999", f"{_RAW}-1e999", f"{_RAW}1E-999", f"{_RAW}{'9' * 5000}", f"{_RAW}0.{'1' * 5000}"),
)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, [], {}, "", [None], {"": 1}, [[1, 2], [3]], ["a", "a"], f"{_RAW}{DEEP}", LONE),
    *ODD_NUMBERS,
    *ODD_TEXTS,
)


def some(chance: Chance, most: int = 3) -> range:
    """Return how often something is done: once, mostly."""
    return range(1 + (chance.randrange(most) if chance.random() < 0.3 else 0))


def bytes_of(chance: Chance, content: bytes) -> bytes:
    """Flip, cut, insert, repeat, or blank a few bytes."""
    for _ in some(chance):
        content = _change_of_bytes(chance, content)
    return content


def _change_of_bytes(chance: Chance, content: bytes) -> bytes:
    at = chance.randrange(len(content) + 1)
    end = min(len(content), at + chance.choice((1, 8, 100, 10_000)))
    before, between, after = content[:at], content[at:end], content[end:]
    piece = chance.choice(_PIECES)
    flipped = bytes([between[0] ^ (1 << chance.randrange(8))]) + between[1:] if between else b""
    ways = (
        before + flipped + after,
        before + chance.randbytes(1) + content[at + 1 :],
        before,
        before + after,
        before + between + between + after,
        before + bytes(len(between)) + after,
        before + piece + between + after,
        content + piece,
        piece,
    )
    return chance.choices(ways, (4, 4, 3, 3, 2, 2, 4, 1, 0.5))[0]


_PIECES = (
    *(b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"\r", b'"', b"\x1b[2J", b"\xed\xa0\x80", b"\x80"),
    *(b"PK\x03\x04",),
    *(b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"PAR1", b"{", b"[" * 5000, b"," * 2000, b"a" * 5000, b"\n" * 500),
)


def file_of(chance: Chance, path: Path) -> None:
    """Change the bytes of a file, or put something else in its place."""
    kind = chance.random()
    if kind < 0.85:
        path.write_bytes(bytes_of(chance, path.read_bytes()))
    elif kind < 0.9:
        path.unlink()
    elif kind < 0.95:
        path.unlink()
        path.mkdir()
    else:
        path.unlink()
        path.symlink_to(chance.choice((path.name, "nowhere", "/dev/null", "..")))


def tree(chance: Chance, value: Any) -> Any:
    """Change a value somewhere in a tree of objects and lists."""
    spots = [spot for spot in _spots(value) if chance.random() < 0.9] or list(_spots(value))
    if not spots:
        return chance.choice(ODD_VALUES)
    holder, key = chance.choice(spots)
    kinds: tuple[Callable[[], None], ...] = (
        lambda: _put(holder, key, chance.choice(ODD_VALUES)),
        lambda: _put(holder, key, chance.choice(ODD_NUMBERS)),
        lambda: _put(holder, key, _like(chance, holder[key])),
        lambda: holder.pop(key),
        lambda: _put(holder, key, [holder[key]]),
        lambda: _put(holder, key, str(holder[key])),
        lambda: _rename(chance, holder, key),
        lambda: _swap(chance, spots, holder, key),
    )
    chance.choices(kinds, (3, 3, 4, 3, 1, 1, 2, 2))[0]()
    return value


def _spots(value: Any) -> Any:
    """Yield every (holder, key) of a tree; of long lists the first few."""
    keys: Sequence[Any] = ()
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = range(min(len(value), 8))
    for key in keys:
        yield value, key
        yield from _spots(value[key])


def _put(holder: Any, key: Any, value: Any) -> None:
    holder[key] = value


def _like(chance: Chance, value: Any) -> Any:
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return chance.choice((value + 1, -value, value * 1_000_000, value / 3, 0, value - 1))
    if isinstance(value, str):
        return chance.choice((value + "x", value.upper(), value[:-1], chance.choice(ODD_TEXTS), value * 2))
    if isinstance(value, list):
        return chance.choice((value[::-1], value[:-1], value + value[:1], value * 2, []))
    return {}


def _rename(chance: Chance, holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        holder[chance.choice((key + "s", key.upper(), f" {key}", *ODD_TEXTS))] = holder.pop(key)
    else:
        holder.insert(key, holder[key])


def _swap(chance: Chance, spots: Sequence[tuple[Any, Any]], holder: Any, key: Any) -> None:
    other, place = chance.choice(spots)
    try:
        holder[key], other[place] = other[place], holder[key]
        json.dumps(holder)  # an object that holds itself is none
        json.dumps(other)
    except (ValueError, RecursionError):
        holder[key] = None
        other[place] = None


def json_text(value: Any) -> str:
    """Return a tree as JSON, odd numbers as they stand for."""
    return re.sub(f'"{_RAW}([^"]*)"', r"\1", json.dumps(value))


def json_file(chance: Chance, path: Path) -> None:
    """Change a JSON file: a value in it, mostly, else its bytes."""
    if chance.random() < 0.15:
        file_of(chance, path)
        return
    value = json.loads(path.read_text(encoding="utf-8"))
    for _ in some(chance):
        value = tree(chance, value)
    path.write_text(json_text(value), encoding="utf-8")


def json_lines_file(chance: Chance, path: Path) -> None:
    """Change a line of a log, or its bytes."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if chance.random() < 0.3 or not lines:
        file_of(chance, path)
        return
    at = chance.randrange(len(lines))
    lines[at] = json_text(tree(chance, json.loads(lines[at])))
    path.write_text("\n".join(lines) + chance.choice(("\n", "")), encoding="utf-8")


def tensors_file(chance: Chance, path: Path) -> None:
    """Change a safetensors file: its header as JSON, or the numbers."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header, numbers = content[8 : 8 + size], bytearray(content[8 + size :])
    kind = chance.random()
    if kind < 0.3:
        header = json_text(tree(chance, json.loads(header))).encode()
    elif kind < 0.75 and len(numbers) >= 8:
        form, odd = chance.choice((("<f", 4), ("<d", 8)))
        at = chance.randrange(len(numbers) // odd) * odd
        number = chance.choice((float("nan"), float("inf"), -float("inf"), 3e38, -3e38, 1e-45, 0.0))
        numbers[at : at + odd] = struct.pack(form, number)
    else:
        path.write_bytes(bytes_of(chance, content))
        return
    path.write_bytes(struct.pack("<Q", len(header)) + header + numbers)


TOML_VALUES = (
    *("nan", "inf", "-inf", "true", "false", "0", "-1", "1", "2", "0.5", "1e-320", "1e308", "1e999", "9" * 30),
    *("9" * 5000,),
    *("9223372036854775807", "-9223372036854775809", "0x7fffffff", "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00"),
    *("9999-99-99", '""', '" "', '"x"', '"\\u0000"', '"\\u001b[31m"', '"\\u202e"', "[]", "{}", "[1, 2]", '["a", "a"]'),
    *('[""]', "[[[]]]", "{a = 1}", "{low = 1, high = 2}", "[" * 5000, "{a=" * 500, "'''x\ny'''", '"../../x"'),
    *('"/dev/null"', '"' + "x" * 5000 + '"', "1_000", "+1", "", "x", "None", '"auto"', '"a,b"'),
    *('["toxic"]', '["toxic", "threat"]', "1e-9"),
)


def toml_text(chance: Chance, text: str) -> str:
    """Change a TOML text: the value of a line, its name, or its place."""
    lines = text.splitlines()
    for _ in some(chance):
        at = chance.randrange(len(lines)) if lines else 0
        line = lines[at] if lines else ""
        key = line.partition("=")[0].rstrip() if "=" in line else "seed"
        kinds: tuple[list[str], ...] = (
            [f"{key} = {chance.choice(TOML_VALUES)}"],
            [line, line],
            [],
            [line, f"{chance.choice(ODD_KEYS)} = {chance.choice(TOML_VALUES)}"],
            [line, f"[{chance.choice(ODD_KEYS)}]"],
            [chance.choice(("\ufeff", "\x00", "#", "[", " ", '"', "\x1b[31m", "a.b.c.")) + line],
            [line.replace("=", chance.choice(("", ":", "==")))],
        )
        lines[at : at + 1] = chance.choices(kinds, (8, 1, 1, 2, 1, 1, 1))[0]
    return "\n".join(lines) + "\n"


ODD_KEYS = (
    *("seed", "data", "model", "training", "trainin", "sweep", "space", '""', '"training.epochs"', "training.epochs"),
    *("a.b.c.d", "[data]", '"\\u001b[31m"', "data.files", "x" * 300, "é", ".".join("a" * 2000), "model.name"),
    *("linear.c",),
)


def toml_file(chance: Chance, path: Path) -> None:
    """Change a TOML file."""
    if chance.random() < 0.15:
        file_of(chance, path)
        return
    text = toml_text(chance, path.read_text(encoding="utf-8"))
    path.write_text(text, encoding=chance.choices(("utf-8", "utf-8-sig", "utf-16"), (18, 1, 1))[0])


def any_file(chance: Chance, path: Path) -> None:
    """Change a file in a way that suits what is in it."""
    kinds: dict[str, Callable[[Chance, Path], None]] = {
        ".json": json_file,
        ".jsonl": json_lines_file,
        ".toml": toml_file,
        ".safetensors": tensors_file,
    }
    kinds.get(path.suffix, file_of)(chance, path)
