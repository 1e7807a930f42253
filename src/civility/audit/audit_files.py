"""The folder of an audit: ``audit.json`` and ``rows.csv``. The only module that knows these names."""

import os
from collections.abc import Sequence
from pathlib import Path

from civility.audit.audit_result import Audit
from civility.audit.row_file import write_rows
from civility.data.reading import Reading
from civility.errors import UserError
from civility.storage.atomic_files import write_folder

DOCUMENT, ROWS = "audit.json", "rows.csv"


def free_folder(out: Path | None, files: Sequence[str]) -> Path:
    """Return where an audit can be written, before minutes of looking: the folder asked for, or a free name.

    Raises
    ------
    UserError : something is there already, or nothing can be made there
    """
    folder = out or _next_free(f"audit-{Path(files[0]).name.split('.')[0].replace('*', 'all') or 'comments'}")
    if folder.exists():
        raise _taken(folder)
    if not folder.parent.is_dir():
        raise UserError(
            "audit.todo",
            f"the folder {folder.parent} does not exist",
            where=folder,
            remedy="make it, or choose another --out",
        )
    if not os.access(folder.parent, os.W_OK):
        raise UserError("audit.todo", "no permission to write there", where=folder, remedy="choose another --out")
    return folder


def _taken(folder: Path) -> UserError:
    return UserError(
        "audit.todo",
        "exists already: an audit never writes over another",
        where=folder,
        remedy="choose another --out, or remove it",
    )


def _next_free(name: str) -> Path:
    path, number = Path(name), 1
    while path.exists():
        number += 1
        path = Path(f"{name}-{number}")
    return path


def write_audit(audit: Audit, reading: Reading, folder: Path) -> None:
    """Write the audit as a folder that appears when it is whole.

    Raises
    ------
    UserError : no permission, no space, or something has come to stand there
    """
    try:
        with write_folder(folder) as place:
            (place / DOCUMENT).write_text(audit.to_json(), encoding="utf-8")
            with (place / ROWS).open("w", encoding="utf-8", newline="") as file:
                write_rows(file, audit.findings, reading, audit.suspicion.held_out if audit.suspicion else None)
    except FileExistsError as error:
        raise _taken(folder) from error
