"""Audit: everything found in an audit, and the JSON of it. Knows no files of comments and no screen."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civility.audit.copies import Leak
from civility.audit.counts import LabelCounts
from civility.audit.findings import Finding
from civility.audit.lengths import CutShare
from civility.audit.token_lengths import TokenLengths
from civility.storage.parsing import json_text

if TYPE_CHECKING:
    from civility.audit.label_errors import Suspicion  # brings torch

SCHEMA = 1


@dataclass(frozen=True)
class FileFacts:
    """One of the files.

    Parameters
    ----------
    name : as it was given
    num_comments : those with a text
    languages : its own column of languages counted, or None if it has none
    """

    name: str
    num_comments: int
    languages: dict[str, int] | None


def short_names(files: Sequence[str]) -> list[str]:
    """Return names for a person: those of the files without their folders, if these tell them apart."""
    short = [Path(name).name for name in files]
    return short if len(set(short)) == len(short) else list(files)


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found.

    Parameters
    ----------
    files : in the order given
    digest : of the comments, as in the reports
    seed : of the samples
    labels : counts by label, in the order of the axis
    co_occurrence : (L, L) comments that have both labels
    characters : quantiles of the lengths in characters
    tokens, suspicion : None where they could not be found out
    languages : comments of a random sample by language, or None
    scripts : comments by script
    findings : the most important first
    leaks : between files
    notes : of the reader
    undefined : the reason for each part that is None
    """

    files: tuple[FileFacts, ...]
    num_comments: int
    digest: str
    seed: int
    labels: dict[str, LabelCounts]
    co_occurrence: list[list[int]]
    characters: dict[str, int]
    tokens: TokenLengths | None
    suspicion: "Suspicion | None"
    languages: dict[str, int] | None
    scripts: dict[str, int]
    findings: tuple[Finding, ...]
    leaks: tuple[Leak, ...]
    notes: tuple[str, ...]
    undefined: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the audit as the JSON document has it: what is undefined is None, its reason beside it."""
        return {
            "schema": SCHEMA,
            "data": {
                "files": [asdict(file) for file in self.files],
                "num_comments": self.num_comments,
                "digest": self.digest,
                "notes": list(self.notes),
            },
            "seed": self.seed,
            "findings": [_finding(finding) for finding in self.findings],
            "labels": {label: asdict(counts) for label, counts in self.labels.items()},
            "co_occurrence": {"labels": list(self.labels), "num_comments": self.co_occurrence},
            "characters": self.characters,
            "tokens": _tokens(self.tokens) if self.tokens else None,
            "label_errors": _suspicion(self.suspicion) if self.suspicion else None,
            "leaks": [_leak(leak, self.files) for leak in self.leaks],
            "scripts": self.scripts,
            "languages": self.languages,
            "undefined": self.undefined,
        }

    def to_json(self) -> str:
        """Return the canonical form: JSON with a final line break."""
        return json_text(self.to_dict())


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "title": finding.title,
        "unit": finding.unit,
        "count": finding.count,
        "total": finding.total,
        "share": _number(finding.share),
        "details": finding.details,
        "advice": finding.advice,
        "num_listed": len(finding.listed),
    }


def _tokens(tokens: TokenLengths) -> dict[str, Any]:
    return {
        "tokenizer": tokens.tokenizer,
        "max_length": tokens.max_length,
        "is_sample": tokens.is_sample,
        "quantiles": tokens.quantiles,
        "truncated": _cut(tokens.cut),
        "truncated_by_label": {label: _cut(cut) for label, cut in tokens.cut_by_label.items()},
    }


def _cut(cut: CutShare) -> dict[str, Any]:
    return {"num_measured": cut.num_measured, "num_truncated": cut.num_cut, "share": _number(cut.share)}


def _suspicion(suspicion: "Suspicion") -> dict[str, Any]:
    content = asdict(suspicion)
    content["labels"] = {
        label: {name: _number(value) for name, value in asdict(numbers).items()}
        for label, numbers in suspicion.labels.items()
    }
    return content


def _leak(leak: Leak, files: tuple[FileFacts, ...]) -> dict[str, Any]:
    return {
        "file": files[leak.file].name,
        "other": files[leak.other].name,
        "num_equal": len(leak.equal),
        "num_near": len(leak.near),
    }


def _number(value: float) -> float | None:
    return None if isinstance(value, float) and math.isnan(value) else value
