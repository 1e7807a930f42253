"""Audit: everything an audit found. Terminal tables are drawn from it alone."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field

from civility.documents.document import Document, Number, Part
from civility.documents.note import Note

FindingName = Literal[
    "leak_equal",
    "leak_near",
    "contradicting_labels",
    "near_contradicting_labels",
    "label_errors",
    "few_positives",
    "no_negatives",
    "no_labels",
    "no_known_label",
    "truncated",
    "equal_copies",
    "near_copies",
    "blank",
    "mojibake",
    "replacement_character",
    "lone_surrogates",
    "nul_characters",
    "control_characters",
    "invisible_characters",
    "html_entities",
    "byte_order_mark",
    "mixed_scripts",
    "repeats_itself",
    "only_url",
    "no_letters",
    "long_word",
    "very_long",
]
"""The findings in the order in which they are shown: what spoils a result first, what is merely odd last."""


class AuditedFile(Part):
    """One of the files."""

    name: str = Field(description="name, as given")
    num_comments: int = Field(description="comments with a text, 0 or more")
    languages: dict[str, int] | None = Field(description="by value of its column 'lang': rows; null without one")


def short_names(files: Sequence[str]) -> list[str]:
    """Return the names of files without their folders, if they stay unique."""
    short = [Path(name).name for name in files]
    return short if len(set(short)) == len(short) else list(files)


class AuditData(Part):
    """The comments that were looked at."""

    files: tuple[AuditedFile, ...] = Field(description="in the order given")
    num_comments: int = Field(description="comments, 0 or more")
    digest: str = Field(description="SHA-256 of ids, texts and targets, as in reports")
    notes: tuple[Note, ...] = Field(default=(), description="notes of the reader")


class Finding(Part):
    """One thing that is wrong. `civility.render.sentences.audit_sentences` says what it is and what to do."""

    name: FindingName = Field(description="what was found")
    unit: Literal["comment", "label", "file"] = Field(default="comment", description="what is counted")
    count: int = Field(description="how many, 1 or more")
    total: int = Field(description="of how many")
    share: Number = Field(description="count / total, 0 to 1")
    by_label: dict[str, int] = Field(default={}, description="by label: texts, pairs, errors or positives")
    names: tuple[str, ...] = Field(default=(), description="labels or files concerned")
    num: int | None = Field(default=None, description="texts that occur more than once, or pairs of near copies")
    num_listed: int = Field(default=0, description="comments listed in rows.csv, 0 or more")
    text: str = Field(default="", description="details of a document of schema 1, as they stand")


class LabelCounts(Part):
    """Comments of one label; positive, negative and unknown add up to all."""

    num_positive: int = Field(description="target 0.5 or more")
    num_negative: int = Field(description="target below 0.5")
    num_unknown: int = Field(description="no target")
    num_soft: int = Field(description="targets between 0 and 1, which also count as positive or negative")


class LabelPairs(Part):
    """Comments that have two labels at once."""

    labels: tuple[str, ...] = Field(description="rows and columns")
    num_comments: tuple[tuple[int, ...], ...] = Field(description="(L, L) comments; the diagonal counts each label")


class TruncatedShare(Part):
    """Comments that are longer than the maximum length."""

    num_measured: int = Field(description="comments measured, 0 or more")
    num_truncated: int = Field(description="comments longer than the maximum length, 0 or more")
    share: Number = Field(description="num_truncated / num_measured, 0 to 1; null of none")

    @classmethod
    def of(cls, num_measured: int, num_truncated: int) -> "TruncatedShare":
        """Return the counts with their share."""
        share = num_truncated / num_measured if num_measured else None
        return cls(num_measured=num_measured, num_truncated=num_truncated, share=share)


class TokenLengths(Part):
    """Lengths in tokens, special tokens included."""

    tokenizer: str = Field(description="name or path, as given")
    max_length: int = Field(description="tokens beyond which a comment is truncated")
    is_sample: bool = Field(description="the comments measured are a random sample")
    quantiles: dict[str, int] = Field(description="minimum, median, p90, p99, maximum: tokens")
    truncated: TruncatedShare = Field(description="of all comments measured")
    truncated_by_label: dict[str, TruncatedShare] = Field(description="by label: of its positives measured")


class LabelSuspicion(Part):
    """Suspected errors of one label among the comments scored."""

    num_positive: int = Field(description="positive comments")
    num_negative: int = Field(description="negative comments")
    num_positive_suspected: int = Field(description="positive comments whose target is probably wrong")
    num_negative_suspected: int = Field(description="negative comments whose target is probably wrong")
    sure_positive: Number = Field(description="score from which the classifier is sure of a positive, 0 to 1")
    sure_negative: Number = Field(description="1 - score from which it is sure of a negative, 0 to 1")


class UnknownTraining(Part):
    """Why it is unknown whether a classifier was trained on the comments that it scores."""

    code: Literal["text", "not_a_run", "combined", "unreadable", "files_changed"] = Field(
        description="'text': a sentence as it stands; 'unreadable': the comments cannot be read again"
    )
    text: str = Field(default="", description="the sentence, or the message of the error of 'unreadable'")

    @classmethod
    def of_words(cls, words: str) -> Self | None:
        """Return the reason from the sentence that schemas 1 and 2 had; None if it is empty."""
        # Words of older schemas, frozen: render/sentences may change, this must not.
        endings: dict[str, Literal["not_a_run", "combined", "files_changed"]] = {
            " is not a run directory, so its training comments are unknown": "not_a_run",
            " combines classifiers that were trained on different comments": "combined",
            " was trained on have changed since": "files_changed",
        }
        code = next((code for ending, code in endings.items() if words.endswith(ending)), None)
        if code is not None:
            return cls(code=code)
        unreadable = re.fullmatch(r"the training comments of .+? cannot be read again \((.*)\)", words, re.DOTALL)
        if unreadable is not None:
            return cls(code="unreadable", text=unreadable[1])
        return cls(code="text", text=words) if words else None


class Suspicion(Part):
    """Labels that a classifier doubts."""

    classifier: str = Field(description="name or path, as given")
    held_out: bool | None = Field(description="it was trained on none of the comments scored; null if unknown")
    why_unknown: UnknownTraining | None = Field(default=None, description="why that is unknown; null if it is known")
    num_scored: int = Field(description="comments scored")
    num_trained_on: int = Field(description="comments left out because it was trained on them")
    labels: dict[str, LabelSuspicion] = Field(description="by label that classifier and comments share")


class LeakCounts(Part):
    """Comments of one file whose text is also in another."""

    file: str = Field(description="file of the comments")
    other: str = Field(description="file that has their text too")
    num_equal: int = Field(description="comments with an equal text in the other file")
    num_near: int = Field(description="comments with only a nearly equal one")


class NotMeasured(Part):
    """Why a part of the audit is null."""

    code: Literal["text", "not_installed", "no_classifier"] = Field(description="'text': a sentence as it stands")
    text: str = Field(default="", description="the sentence, or the name of the package that is not installed")


class Audit(Document):
    """Everything an audit found."""

    WHAT: ClassVar[str] = "audit"
    SCHEMA: ClassVar[int] = 3
    REMEDY: ClassVar[str] = "audit again"

    data: AuditData = Field(description="the comments")
    seed: int = Field(description="seed of the random samples")
    findings: tuple[Finding, ...] = Field(description="the most important first")
    labels: dict[str, LabelCounts] = Field(description="by label")
    co_occurrence: LabelPairs = Field(description="labels that come together")
    characters: dict[str, int] = Field(description="minimum, median, p90, p99, maximum: characters of a comment")
    tokens: TokenLengths | None = Field(description="null if not measured")
    label_errors: Suspicion | None = Field(description="null without a classifier")
    leaks: tuple[LeakCounts, ...] = Field(description="pairs of files that share comments")
    scripts: dict[str, int] = Field(description="by script: comments")
    languages: dict[str, int] | None = Field(description="by ISO 639 code: comments of a random sample")
    undefined: dict[str, NotMeasured] = Field(description="by part that is null: the reason")

    @classmethod
    def upgrade(cls, content: dict[str, Any], schema: int) -> dict[str, Any]:
        """Read schemas 1 and 2: both have a sentence in ``why_unknown``, schema 1 also in findings and reasons."""
        if content["label_errors"]:
            why = UnknownTraining.of_words(content["label_errors"].get("why_unknown", ""))
            content = {**content, "label_errors": {**content["label_errors"], "why_unknown": why}}
        if schema > 1:
            return content
        findings = []
        for one in content["findings"]:
            kept = {key: value for key, value in one.items() if key not in ("title", "advice", "details")}
            findings.append({**kept, "text": one["details"]})
        undefined = {part: {"code": "text", "text": reason} for part, reason in content["undefined"].items()}
        return {**content, "findings": findings, "undefined": undefined}
