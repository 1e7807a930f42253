"""The pages of the reference that are made from the source, as Markdown. `make docs` builds the site of them."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from civility.cli.parser import COMMANDS
from civility.errors import CODES
from civility.recipe.listing import all_settings

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def generate() -> dict[str, Any]:
    return runpy.run_path(str(DOCS / "generate.py"))


def test_the_command_line_page_has_every_command_and_its_defaults(generate: dict[str, Any]) -> None:
    page = generate["command_line"]()
    assert all(f"## `civility {name}`" in page for name in COMMANDS)
    assert "%(" not in page
    assert "%%" not in page


def test_the_settings_page_has_every_setting(generate: dict[str, Any]) -> None:
    page = generate["settings"]()
    assert [setting.key for setting in all_settings() if f"| `{setting.key}` |" not in page] == []
    assert "| `training.learning_rate` | `2e-5` |" in page


def test_the_page_of_errors_has_every_code(generate: dict[str, Any]) -> None:
    page = generate["errors"]()
    assert [code for code, sentence in CODES.items() if f"| `{code}` | {sentence} |" not in page] == []


def test_every_document_is_described_with_a_schema(generate: dict[str, Any]) -> None:
    page, kinds = generate["documents"](), generate["all_documents"]()
    assert {"report", "comparison", "classifier file"} <= {kind.WHAT for kind in kinds.values()}
    for name, kind in kinds.items():
        assert f"## {kind.WHAT}\n" in page
        assert f"(schemas/{name})" in page
        assert json.dumps(kind.model_json_schema(mode="serialization"))
    assert "| `schema` | integer | number of the schema of this document |" in page


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"type": "number"}, "number"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "number or null"),
        ({"type": "array", "items": {"$ref": "#/$defs/Curve"}}, "list of Curve"),
        ({"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}]}, "(number, string)"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "string by name"),
        ({"enum": ["a", "b"]}, "`a`, `b`"),
        ({}, "any"),
    ],
)
def test_a_type_is_written_in_a_few_words(generate: dict[str, Any], entry: dict[str, Any], words: str) -> None:
    assert generate["_type"](entry) == words


def test_the_text_of_an_entry_stands_below_its_name() -> None:
    pytest.importorskip("griffe")
    as_numpydoc = runpy.run_path(str(DOCS / "docstrings.py"))["as_numpydoc"]
    docstring = "Score.\n\nParameters\n----------\ntexts : (N,) comments\n\nReturns\n-------\n(N, L) scores"
    expected = (
        "Score.\n\nParameters\n----------\ntexts\n    (N,) comments\n\nReturns\n-------\nScores\n    (N, L) scores"
    )
    assert as_numpydoc(docstring, "Scores") == expected
    assert as_numpydoc("Nothing : here.") == "Nothing : here."
