"""Document: the base of every JSON file that civility writes and reads, with one reader for all of them.

A document holds codes and numbers. Sentences are made from them in `civility.render`.
"""

import importlib
import json
import math
import pkgutil
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from civility import documents
from civility.errors import UserError
from civility.plain_text import as_json, escaped, expectation, listed, shortened, with_article
from civility.storage.parsing import parse_json, read_text


def _none_if_nan(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


Number = Annotated[float | None, BeforeValidator(_none_if_nan)]
"""A number, or None where it is undefined; NaN is read and written as None."""


class Part(BaseModel):
    """A part of a document: frozen, with no entry that is not named here, and no text taken for a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False)


class Document(Part):
    """A JSON document with a schema number.

    A subclass sets three class variables, and overrides `upgrade` once it has had more than one schema.

    Attributes
    ----------
    WHAT : what an error calls it, such as ``report``
    SCHEMA : the number of the schema that is written
    REMEDY : what to do about one that cannot be read
    """

    WHAT: ClassVar[str]
    SCHEMA: ClassVar[int]
    REMEDY: ClassVar[str]

    schema_number: int = Field(default=0, alias="schema", description="number of the schema of this document")

    def model_post_init(self, context: Any, /) -> None:
        """Stamp a document that was not read with the schema that is written."""
        object.__setattr__(self, "schema_number", self.SCHEMA)

    @classmethod
    def upgrade(cls, content: dict[str, Any], schema: int) -> dict[str, Any]:
        """Return what a document of an older schema, 1 to ``SCHEMA - 1``, says in the entries of this one.

        Raises
        ------
        ValueError : this schema is too old to be read
        """
        raise ValueError(f"schema {schema} is too old")

    @classmethod
    def parse(cls, text: str, source: object, remedy: str = "") -> Self:
        """Return the document in a JSON text.

        Parameters
        ----------
        text : JSON
        source : the file or URL that errors name
        remedy : what to do about a damaged one; default: ``REMEDY``

        Raises
        ------
        UserError : not JSON, damaged, written by a newer civility, or too old to be read
        """
        content = parse_json(text, str(source), remedy or cls.REMEDY)
        return cls.from_content(content, source, remedy)

    @classmethod
    def from_content(cls, content: dict[str, Any], source: object, remedy: str = "") -> Self:
        """Return the document in a parsed JSON object; as `parse`."""
        remedy = remedy or cls.REMEDY
        schema = content.get("schema")
        if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
            found = f"not a civility {cls.WHAT}: it has no schema number"
            raise UserError("documents.not-a-document", found, where=source, remedy=remedy)
        if schema > cls.SCHEMA:
            cls._refuse_another_kind(content, source, remedy, only_known=True)
            raise UserError(
                "documents.newer",
                f"written by a newer civility (schema {schema}; this version reads up to {cls.SCHEMA})",
                where=source,
                remedy="upgrade civility",
            )
        try:
            if schema < cls.SCHEMA:
                content = {**cls.upgrade(content, schema), "schema": cls.SCHEMA}
            return cls.model_validate(content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            is_explained = isinstance(error, ValueError) and not isinstance(error, ValidationError)  # by `upgrade`
            cls._refuse_another_kind(content, source, remedy, only_known=is_explained)
            found = f"damaged: {_problem(error, schema)}"
            raise UserError("documents.damaged", found, where=source, remedy=remedy) from error

    @classmethod
    def _refuse_another_kind(cls, content: dict[str, Any], source: object, remedy: str, *, only_known: bool) -> None:
        """Raise a UserError if a document that cannot be read lacks most entries of this class.

        Parameters
        ----------
        only_known : whether to raise only if it is a document of another kind
        """
        missing = [name for name in cls._required() if name not in content]
        if len(missing) < 2 or 2 * len(missing) <= len(cls._required()):
            return
        kind = _kind_of(content)
        if kind is not None and kind is not cls:
            wanted = with_article(cls.WHAT)
            found, remedy = f"{with_article(kind.WHAT)}, not {wanted}", f"give {wanted} instead"
        elif not only_known:
            found = f"not a civility {cls.WHAT}: it has no {listed(missing, 4)}"
        else:
            return
        raise UserError("documents.not-a-document", found, where=source, remedy=remedy)

    @classmethod
    def _required(cls) -> list[str]:
        return [field.alias or name for name, field in cls.model_fields.items() if field.is_required()]

    @classmethod
    def read(cls, path: Path, remedy: str = "") -> Self:
        """Return the document in a file; as `parse`, and a UserError if the file cannot be read."""
        return cls.parse(read_text(path, remedy or cls.REMEDY), path, remedy)

    @classmethod
    def read_to_replace(cls, path: Path) -> Self | UserError:
        """Return the document in a file that will be written again, or why it cannot be read.

        Raises
        ------
        UserError : it was written by a newer civility, whose entries would be lost
        """
        try:
            return cls.read(path)
        except UserError as error:
            if error.code == "documents.newer":
                raise
            return error

    def content(self) -> dict[str, Any]:
        """Return the document as plain values, by the names that the file has."""
        return self.model_dump(mode="json", by_alias=True)

    def to_json(self) -> str:
        """Return the text of the file: indented JSON and a final line break.

        Lone surrogates, as in a file name that is not UTF-8, become U+FFFD.
        """
        text = json.dumps(self.content(), indent=1, ensure_ascii=False, allow_nan=False)
        return escaped(text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")) + "\n"


class ExactDocument(Document):
    """A document whose texts are read back exactly, lone surrogates included: folders and labels are found by them."""

    def content(self) -> dict[str, Any]:
        """Return the document as plain values, by the names that the file has."""
        return self.model_dump(by_alias=True)

    def to_json(self) -> str:
        """Return the text of the file: indented JSON and a final line break; NaN and infinity become null."""
        return as_json(finite_or_null(self.content()), indent=2) + "\n"


def finite_or_null(value: Any) -> Any:
    """Return a JSON value with null for NaN and infinity, and lists for tuples."""
    if isinstance(value, dict):
        return {key: finite_or_null(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_null(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _kind_of(content: dict[str, Any]) -> type[Document] | None:
    """Return the kind of document that a JSON object has all required entries of; None if there is no such kind."""
    for module in pkgutil.iter_modules(documents.__path__):
        importlib.import_module(f"{documents.__name__}.{module.name}")
    kinds = [kind for kind in (*Document.__subclasses__(), *ExactDocument.__subclasses__()) if kind._required()]
    fitting = [kind for kind in kinds if content.keys() >= set(kind._required())]
    return max(fitting, key=lambda kind: len(kind._required()), default=None)


def _problem(error: Exception, schema: int) -> str:
    """Return what is wrong with a document, as ``labels.toxic.roc_auc: expected a number``."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        expected = expectation(first["msg"])
        message = f"expected {expected}" if expected else first["msg"]
        return shortened(f"{place}: {message}" if place else message, 300)
    if isinstance(error, ValueError):
        return shortened(str(error), 200)
    what = f"no entry {error}" if isinstance(error, KeyError) else "an entry of the wrong type"
    return f"{shortened(what, 200)}, which schema {schema} does not allow"
