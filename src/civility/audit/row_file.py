"""rows.csv: the comments of the findings, for a person to open in a spreadsheet."""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np

from civility.audit.findings import Finding
from civility.data.dataset import POSITIVE_FROM
from civility.data.reading import Reading
from civility.plain_text import as_cell

COLUMNS = (
    "finding",
    "file",
    "row",
    "id",
    "labels",
    "label",
    "score",
    "held_out",
    "similarity",
    "other_file",
    "other_row",
    "other_id",
    "other_labels",
    "text",
    "other_text",
)
_LONGEST_EXCERPT = 500
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")


def write_rows(file: IO[str], findings: Sequence[Finding], reading: Reading, held_out: bool | None) -> None:
    """Write a line for each comment that a finding lists.

    Parameters
    ----------
    file : opened for text with its newlines as written
    findings : in the order wanted
    reading : what their rows are rows of
    held_out : whether the scores are held out; None if that cannot be told
    """
    file.write("\ufeff")  # without it Excel reads UTF-8 as Windows-1252
    writer = csv.DictWriter(file, COLUMNS, restval="")
    writer.writeheader()
    for finding in findings:
        for line in _lines(finding, reading):
            if "score" in line:
                line["held_out"] = "unknown" if held_out is None else str(held_out).lower()
            writer.writerow({name: as_cell(str(value)) for name, value in line.items()})


def _lines(finding: Finding, reading: Reading) -> Iterator[dict[str, Any]]:
    listed = finding.listed
    for file, row in listed.places:
        yield {"finding": finding.name, "file": reading.files[file], "row": row}
    for place, row in enumerate(listed.rows):
        line = {"finding": finding.name, **_comment(reading, int(row), "")}
        if len(listed.others) and listed.others[place] >= 0:
            line |= _comment(reading, int(listed.others[place]), "other_")
        if len(listed.labels):
            line["label"] = listed.labels[place]
        if len(listed.scores):
            line["score"] = f"{listed.scores[place]:.4f}"
        if len(listed.similarities):
            line["similarity"] = f"{listed.similarities[place]:.3f}"
        yield line


def _comment(reading: Reading, row: int, prefix: str) -> dict[str, Any]:
    """Return a comment's place, id, positive labels and excerpt, under names with a prefix."""
    dataset = reading.dataset
    targets = dataset.targets[row]
    known = [label for label, target in zip(dataset.labels, targets, strict=True) if target >= POSITIVE_FROM]
    unknown = [f"{label}?" for label, target in zip(dataset.labels, targets, strict=True) if np.isnan(target)]
    return {
        f"{prefix}file": reading.files[reading.origin.file[row]],
        f"{prefix}row": int(reading.origin.row[row]),
        f"{prefix}id": dataset.ids[row],
        f"{prefix}labels": " ".join([*known, *unknown]),
        f"{prefix}text": excerpt(dataset.texts[row]),
    }


def excerpt(text: str) -> str:
    """Return the beginning of a text on one line, what cannot be seen written as its code point."""
    start = " ".join(text[: 4 * _LONGEST_EXCERPT].split())
    shown = start if len(start) <= _LONGEST_EXCERPT else f"{start[:_LONGEST_EXCERPT]} …"
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", shown)
