"""LinearFile: ``linear.json``, the labels and terms of a linear model; its numbers are in ``linear.safetensors``."""

import json
from typing import ClassVar, Literal, get_args

from pydantic import Field

from civility.documents.document import ExactDocument, Part

LINEAR_FILE = "linear.json"
TermKind = Literal["word", "character"]
TERM_KINDS: tuple[TermKind, ...] = get_args(TermKind)
"""In the order of the weights."""
LONGEST_TERM = 100
"""Words or characters in a row; no use of n-grams comes near."""


class TermList(Part):
    """The terms of one kind: word n-grams, or character n-grams."""

    form: TermKind
    longest: int = Field(strict=True, ge=1, le=LONGEST_TERM, description="words or characters in a row, at most")
    names: tuple[str, ...]


class LinearFile(ExactDocument):
    """``linear.json`` of a classifier folder."""

    WHAT: ClassVar = "linear model file"
    SCHEMA: ClassVar = 1
    REMEDY: ClassVar = "copy the classifier folder again, or train it again"

    labels: tuple[str, ...] = Field(description="in the order of the logits")
    terms: tuple[TermList, ...]

    def to_json(self) -> str:
        """Return the text of the file: ASCII, since a term may be half of a surrogate pair, and without indentation."""
        return json.dumps(self.content(), ensure_ascii=True) + "\n"
