"""What an error calls a JSON file that is not the document it should be."""

import importlib
import pkgutil
from typing import Any

import pytest

from civility import documents
from civility.documents.audit_result import Audit
from civility.documents.classifier_file import ClassifierFile, EnsembleFile
from civility.documents.comparison_result import Comparison
from civility.documents.document import Document, ExactDocument
from civility.documents.report import Report
from civility.documents.run_environment import RunEnvironment
from civility.documents.sweep_result import SweepResult

from ..refusals import refused

for _module in pkgutil.iter_modules(documents.__path__):
    importlib.import_module(f"civility.documents.{_module.name}")
# A record of a run has a single entry that it must have: without it, it is called damaged.
KINDS = sorted(
    {*Document.__subclasses__(), *ExactDocument.__subclasses__()} - {ExactDocument, RunEnvironment},
    key=lambda kind: kind.__name__,
)


def _entries(kind: type[Document], schema: int) -> dict[str, Any]:
    """Return an object with all required entries of a kind of document."""
    return {**{field.alias or name: {} for name, field in kind.model_fields.items()}, "schema": schema}


@pytest.mark.parametrize(
    ("read", "given", "schema", "words"),
    [
        (Report, Comparison, 4, "a comparison, not a report"),
        (Report, Comparison, 5, "a comparison, not a report"),
        (Report, Audit, 2, "an audit, not a report"),
        (Report, SweepResult, 2, "a sweep result, not a report"),
        (Comparison, Report, 5, "a report, not a comparison"),  # its schema is higher than that of a comparison
        (EnsembleFile, ClassifierFile, 1, "a classifier file, not an ensemble file"),
    ],
)
def test_a_document_of_another_kind_is_called_by_its_name(
    read: type[Document], given: type[Document], schema: int, words: str
) -> None:
    with refused("documents.not-a-document", rf"^a\.json: {words}\ngive an? {read.WHAT} instead$"):
        read.from_content(_entries(given, schema), "a.json")


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_of_no_kind_is_not_called_damaged(kind: type[Document]) -> None:
    with refused("documents.not-a-document", f"^a.json: not a civility {kind.WHAT}: it has no [a-z_]+"):
        kind.from_content({"schema": kind.SCHEMA, "x": 1}, "a.json")
    with refused("documents.newer"):
        kind.from_content({"schema": 99, "x": 1}, "a.json")


@pytest.mark.parametrize(("labels", "words"), [({"a": {}}, "no entry 'verdict'"), (3, "an entry of the wrong type")])
def test_a_damaged_document_of_an_older_schema_is_described_in_words(labels: object, words: str) -> None:
    content = {**_entries(Report, 4), "verdict": {"word": "good"}, "labels": labels}
    with refused("documents.damaged", f"a.json: damaged: {words}, which schema 4 does not allow\nevaluate again"):
        Report.from_content(content, "a.json")
