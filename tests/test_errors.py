"""Every error has a code that is described, raised and shown in a test."""

import ast
import re
from pathlib import Path

import pytest

from civility.errors import CODES, UserError

from .refusals import refused

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "civility"
_CODE = re.compile(r"[a-z]+\.[a-z0-9-]+")


def codes_raised() -> dict[str, list[str]]:
    """Return the codes that the source gives to errors, and where."""
    found: dict[str, list[str]] = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in CODES:
                if path.name != "errors.py":
                    found.setdefault(node.value, []).append(f"{path.name}:{node.lineno}")
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserError":
                code = node.args[0] if node.args else None
                if isinstance(code, ast.Constant) and code.value not in CODES:
                    found.setdefault(str(code.value), []).append(f"{path.name}:{node.lineno}")
    return found


def test_every_code_that_is_raised_is_described_and_every_description_is_raised() -> None:
    raised = codes_raised()
    assert {code: places for code, places in raised.items() if code not in CODES} == {}
    assert sorted(set(CODES) - set(raised)) == []
    assert all(_CODE.fullmatch(code) for code in CODES)


def test_every_code_is_shown_in_a_test() -> None:
    shown = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    assert [code for code in CODES if f'"{code}"' not in shown] == []


def test_an_error_says_where_what_was_expected_and_what_to_do() -> None:
    error = UserError("data.no-column", "no column 'toxic'", where="a.csv", expected="a label", remedy="rename it")
    assert error.message == "a.csv: no column 'toxic', expected a label"
    assert str(error) == "a.csv: no column 'toxic', expected a label\nrename it"
    assert UserError("data.no-column", "found").message == "found"
    with pytest.raises(AssertionError), refused("another.code"):  # the control: another code is noticed
        raise error
