"""What the user names as data: paths, glob patterns, and built-in corpora. Reads no rows."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from civility.data.dataset import Dataset
from civility.errors import UserError, did_you_mean
from civility.storage.atomic_files import real_path

PREFIX = "civility:"
# Name -> part of the starter corpus.
_BUILT_IN = {"civility:starter/train": "train", "civility:starter/held-out": "held-out"}


def is_built_in(name: object) -> bool:
    """Return whether this names a corpus of the package rather than a file."""
    return isinstance(name, str) and name.startswith(PREFIX)


def built_in(name: str) -> Dataset:
    """Return a corpus of the package; a UserError if none has this name."""
    if name not in _BUILT_IN:
        raise UserError(
            "data.no-file",
            f"no built-in data '{name}'{did_you_mean(name, _BUILT_IN)}",
            remedy=f"built-in data: {', '.join(_BUILT_IN)}",
        )
    from civility.data.starter import starter_corpus  # composing it takes time

    return starter_corpus(_BUILT_IN[name])


def expand(files: Sequence[str | Path]) -> tuple[str, ...]:
    """Return the files named, with glob patterns expanded in sorted order.

    Raises
    ------
    UserError : no file is named, a pattern matches none, or a file is named twice
    """
    names = [name for given in files for name in _matches(given)]
    if not names:
        raise UserError("data.no-file", "no data files given", remedy="name at least one file")
    seen: dict[str, str] = {}
    for name in names:
        place = name if is_built_in(name) else str(real_path(name))
        if place in seen:
            also = f" (first as {seen[place]})" if seen[place] != name else ""
            raise UserError(
                "data.no-file",
                f"given twice{also}",
                where=name,
                remedy="name each file once, and check what the patterns match",
            )
        seen[place] = name
    return tuple(names)


def _matches(given: str | Path) -> Iterator[str]:
    name = str(given)
    if is_built_in(name) or Path(name).exists() or not glob.has_magic(name):
        yield name
        return
    # Path.glob does not accept absolute patterns.
    matches = glob.glob(name, recursive=True)  # noqa: PTH207
    found = sorted(match for match in matches if Path(match).is_file())
    if not found:
        raise UserError("data.no-file", "no file matches", where=name, remedy="check the pattern and the folder")
    yield from found
