"""The JSON documents that civility writes and reads: typed, versioned, with one reader (`document.Document`)."""

from typing import Any


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each public document, by a file name that it has on disk."""
    from civility.documents.audit_result import Audit
    from civility.documents.classifier_file import ClassifierFile
    from civility.documents.comparison_result import Comparison
    from civility.documents.document import Document
    from civility.documents.report import Report
    from civility.documents.sweep_result import SweepResult

    public: dict[str, type[Document]] = {
        "reports/NAME.json": Report,
        "comparison.json": Comparison,
        "audit.json": Audit,
        "sweep.json": SweepResult,
        "civility.json": ClassifierFile,
    }
    return {
        name: {"title": kind.WHAT, **_with_number(kind.model_json_schema(), kind.SCHEMA)}
        for name, kind in public.items()
    }


def _with_number(schema: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a JSON Schema that asks for the number of the document's schema."""
    entries = schema["properties"]
    entry = {"const": number, "description": entries["schema"]["description"]}
    return {**schema, "properties": {**entries, "schema": entry}, "required": ["schema", *schema["required"]]}
