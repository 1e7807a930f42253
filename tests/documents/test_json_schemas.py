"""The JSON Schemas of reports, comparisons, audits and sweeps: described, and true of what is written."""

import json
from typing import Any

import pytest

from civility.documents.audit_result import Audit
from civility.documents.comparison_result import Comparison
from civility.documents.document import Document
from civility.documents.report import Report
from civility.documents.sweep_result import SweepResult

from ..evaluation.synthetic import empty_report, make_report


@pytest.mark.parametrize("kind", [Report, Comparison, Audit, SweepResult])
def test_every_entry_is_described(kind: type[Document]) -> None:
    schema = kind.model_json_schema(mode="serialization")
    assert "schema" in schema["properties"]
    for part in (schema, *schema["$defs"].values()):
        assert part.get("description"), part
        for entry, described in part.get("properties", {}).items():
            assert "description" in described, (part["title"], entry)


_TYPES: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,)}


def _check(value: Any, schema: dict[str, Any], whole: dict[str, Any]) -> None:
    """Assert that a value has the form of a schema, as far as pydantic uses JSON Schema."""
    if "$ref" in schema:
        _check(value, whole["$defs"][schema["$ref"].rpartition("/")[2]], whole)
    elif "anyOf" in schema:
        if value is not None or {"type": "null"} not in schema["anyOf"]:
            _check(value, next(one for one in schema["anyOf"] if one.get("type") != "null"), whole)
    elif "const" in schema or "enum" in schema:
        assert value in schema.get("enum", [schema.get("const")])
    elif schema["type"] == "array":
        for part in value:
            _check(part, schema["items"], whole)
    elif schema["type"] == "object":
        _check_entries(value, schema, whole)
    else:
        assert isinstance(value, _TYPES[schema["type"]])


def _check_entries(value: dict[str, Any], schema: dict[str, Any], whole: dict[str, Any]) -> None:
    entries = schema.get("properties")
    if entries is not None:
        assert set(schema.get("required", ())) <= set(value) <= set(entries)
    for entry, part in value.items():
        _check(part, schema["additionalProperties"] if entries is None else entries[entry], whole)


@pytest.mark.parametrize("report", [make_report(100), empty_report()], ids=["whole", "empty"])
def test_a_report_has_the_form_of_its_schema(report: Report) -> None:
    schema = Report.model_json_schema(mode="serialization")
    document = json.loads(report.to_json())
    _check(document, schema, schema)
    for wrong in ({**document, "verdict": "fine"}, {**document, "surprise": 1}, {**document, "name": 1}):
        with pytest.raises(AssertionError):
            _check(wrong, schema, schema)
