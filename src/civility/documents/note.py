"""Note: something a reader of a document should know, as a code with names and numbers."""

from typing import Any, Literal

from pydantic import Field, model_validator

from civility.documents.document import Part

NoteCode = Literal[
    "text",
    "seen_in_training",
    "seen_in_validation",
    "unknown_training",
    "other_scores_in_pipeline",
    "one_row",
    "single_runs",
    "single_runs_of_others",
    "two_runs",
    "no_seed",
    "missing_runs",
    "different_training",
    "chosen_here",
    "not_measurable",
    "not_measurable_in_macro",
    "undefined",
    "undefined_macro",
]


class Note(Part):
    """A note. `civility.render.sentences.report_sentences` turns it into a sentence.

    A plain string, as in documents of older schemas, is read as the code ``text``.
    """

    code: NoteCode = Field(description="what the note says; 'text' is a sentence as it stands, mostly of the reader")
    text: str = Field(default="", description="the sentence of the code 'text'")
    names: tuple[str, ...] = Field(default=(), description="runs or rows concerned; empty: all")
    labels: tuple[str, ...] = Field(default=(), description="labels concerned")
    metrics: tuple[str, ...] = Field(default=(), description="metrics concerned; empty: all")
    num: int = Field(default=0, description="comments concerned, or runs present; 0 or more")
    total: int = Field(default=0, description="of how many comments or planned runs; 0 or more")
    epochs: tuple[int, ...] = Field(
        default=(), description="for each of 'names', the epochs its best was chosen from; 0: chosen otherwise"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"code": "text", "text": value} if isinstance(value, str) else value


def as_note(note: "Note | str") -> Note:
    """Return a note; a string becomes one of the code ``text``."""
    return Note(code="text", text=note) if isinstance(note, str) else note
