"""The folder of an audit: ``audit.json`` and ``rows.csv``. The only module that knows these names."""

import csv
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from civility.arrays import POSITIVE_FROM
from civility.audit.findings import Found
from civility.data.reading import Reading
from civility.documents.audit_result import Audit
from civility.errors import UserError
from civility.plain_text import as_cell
from civility.storage.atomic_files import write_folder

DOCUMENT, ROWS = "audit.json", "rows.csv"


def free_folder(out: Path | None, files: Sequence[str]) -> Path:
    """Return the folder to write: the one asked for, or a free name. Called before the minutes that an audit takes.

    Raises
    ------
    UserError : something is there already, or nothing can be written there
    """
    folder = out or _next_free(f"audit-{Path(files[0]).name.split('.')[0].replace('*', 'all') or 'comments'}")
    if folder.exists():
        raise _taken(folder)
    if not folder.parent.is_dir():
        found, remedy = f"the folder {folder.parent} does not exist", "make it, or choose another --out"
        raise UserError("audit.cannot-write", found, where=folder, remedy=remedy)
    if not os.access(folder.parent, os.W_OK):
        found = "no permission to write there"
        raise UserError("audit.cannot-write", found, where=folder, remedy="choose another --out")
    return folder


def _taken(folder: Path) -> UserError:
    found = "exists already: an audit never overwrites another"
    return UserError("audit.folder-exists", found, where=folder, remedy="choose another --out, or remove it")


def _next_free(name: str) -> Path:
    path, number = Path(name), 1
    while path.exists():
        number += 1
        path = Path(f"{name}-{number}")
    return path


def write_audit(audit: Audit, everything: Sequence[Found], reading: Reading, folder: Path) -> None:
    """Write the audit as a folder that appears when it is complete.

    Parameters
    ----------
    audit : the document
    everything : its findings with their comments
    reading : the comments
    folder : must not exist

    Raises
    ------
    UserError : no permission, no space, or the folder exists by now
    """
    try:
        with write_folder(folder) as place:
            (place / DOCUMENT).write_text(audit.to_json(), encoding="utf-8")
            with (place / ROWS).open("w", encoding="utf-8", newline="") as file:
                write_rows(file, everything, reading, audit.label_errors.held_out if audit.label_errors else None)
    except FileExistsError as error:
        raise _taken(folder) from error


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


def write_rows(file: IO[str], everything: Sequence[Found], reading: Reading, held_out: bool | None) -> None:
    """Write a line for each comment of each finding.

    Parameters
    ----------
    file : a text file opened with ``newline=""``
    everything : the findings, in the order wanted
    reading : the comments
    held_out : whether the classifier was trained on none of the comments it scored; None if unknown
    """
    file.write("\ufeff")  # without it Excel reads UTF-8 as Windows-1252
    writer = csv.DictWriter(file, COLUMNS, restval="")
    writer.writeheader()
    for one in everything:
        for line in _lines(one, reading):
            if "score" in line:
                line["held_out"] = "unknown" if held_out is None else str(held_out).lower()
            writer.writerow({name: as_cell(str(value)) for name, value in line.items()})


def _lines(one: Found, reading: Reading) -> Iterator[dict[str, Any]]:
    name, listed = one.finding.name, one.listed
    for file, row in listed.places:
        yield {"finding": name, "file": reading.files[file], "row": row}
    for place, row in enumerate(listed.rows):
        line = {"finding": name, **_comment(reading, int(row), "")}
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
    """Return the beginning of a text on one line, invisible characters as their code points."""
    start = " ".join(text[: 4 * _LONGEST_EXCERPT].split())
    shown = start if len(start) <= _LONGEST_EXCERPT else f"{start[:_LONGEST_EXCERPT]} …"
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", shown)
