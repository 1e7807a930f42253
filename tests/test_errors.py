"""Every error has a code that is described, raised and shown in a test."""

import ast
import re
from pathlib import Path

import pytest

from civility.errors import CODES, UserError, did_you_mean_file
from civility.recipe import Recipe

from .refusals import refused

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "civility"
_CODE = re.compile(r"[a-z]+\.[a-z0-9-]+")


def codes_in(folder: Path) -> dict[str, list[str]]:
    """Return the codes in the source, and where: every text that is a code or looks like one, as helpers take it."""
    settings, rooms = Recipe().flat(), {code.partition(".")[0] for code in CODES}
    found: dict[str, list[str]] = {}
    for path in folder.rglob("*.py"):
        if path.name == "errors.py":
            continue
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        calls = [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserError"]
        first_arguments = {id(argument) for node in calls for argument in node.args[:1]}
        for node in nodes:
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            text = node.value
            looks_like_one = _CODE.fullmatch(text) and (text.partition(".")[0] in rooms or "-" in text)
            is_something_else = text in settings or text.endswith((".json", ".jsonl", ".toml"))
            if text in CODES or (looks_like_one and not is_something_else) or id(node) in first_arguments:
                found.setdefault(text, []).append(f"{path.name}:{node.lineno}")
    return found


def test_every_code_that_is_raised_is_described_and_every_description_is_raised() -> None:
    raised = codes_in(SOURCE)
    assert {code: places for code, places in raised.items() if code not in CODES} == {}
    assert sorted(set(CODES) - set(raised)) == []
    assert all(_CODE.fullmatch(code) for code in CODES)


@pytest.mark.parametrize("code", ["data.no-colum", "dta.no-column"])
def test_the_control_an_unknown_code_is_seen_though_a_helper_takes_it(tmp_path: Path, code: str) -> None:
    (tmp_path / "a.py").write_text(f'raise refuse("{code}", "data.files", "audit.json", "data.no-column")')
    (tmp_path / "b.py").write_text('raise UserError("oops", "what was found")')
    assert codes_in(tmp_path) == {code: ["a.py:1"], "data.no-column": ["a.py:1"], "oops": ["b.py:1"]}


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


def test_every_error_has_a_remedy() -> None:
    """A call passes one that is not an empty text; what a subclass or a helper adds, its own call has."""
    without, num_calls = [], 0
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserError":
                num_calls += 1
                remedy = next((keyword.value for keyword in node.keywords if keyword.arg == "remedy"), None)
                if remedy is None or (isinstance(remedy, ast.Constant) and not remedy.value):
                    without.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert num_calls > 200
    assert without == []


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("trian.csv", " (did you mean train.csv?)"),
        ("train.cvs", " (did you mean train.csv?)"),
        ("train.jsonl", " (did you mean train.json?)"),
        ("test_lables.csv", " (did you mean test_labels.csv?)"),
        ("nothere.csv", ""),
        ("a.csv", ""),
    ],
)
def test_a_file_is_suggested_if_its_name_is_nearly_the_same(name: str, guess: str) -> None:
    """Alike suffixes alone suggest nothing."""
    siblings = ["scored.csv", "train.csv", "train.json", "test_labels.csv", "b.csv"]
    assert did_you_mean_file(name, siblings) == guess
