"""What the user names as data: paths, globs, and the corpora built into the package.

Knows names; reads no rows.
"""

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
    """Return a corpus of the package; a UserError if there is none of this name."""
    if name not in _BUILT_IN:
        raise UserError(
            "data.todo",
            f"no built-in data '{name}'{did_you_mean(name, _BUILT_IN)}",
            remedy=f"there is: {', '.join(_BUILT_IN)}",
        )
    from civility.data.starter import starter_corpus  # only who asks for it waits for it

    return starter_corpus(_BUILT_IN[name])


def expand(files: Sequence[str | Path]) -> tuple[str, ...]:
    """Return the files named, globs expanded in sorted order.

    Raises
    ------
    UserError : nothing is named, a glob matches nothing, or a file is named twice
    """
    names = [name for given in files for name in _matches(given)]
    if not names:
        raise UserError("data.todo", "no data files given", remedy="name at least one file")
    seen: dict[str, str] = {}
    for name in names:
        place = name if is_built_in(name) else str(real_path(name))
        if place in seen:
            also = f" (the other time as {seen[place]})" if seen[place] != name else ""
            raise UserError(
                "data.todo",
                f"given twice{also}",
                where=name,
                remedy="name each file once, and mind what the globs match",
            )
        seen[place] = name
    return tuple(names)


def _matches(given: str | Path) -> Iterator[str]:
    name = str(given)
    if is_built_in(name) or Path(name).exists() or not glob.has_magic(name):
        yield name
        return
    # Path.glob takes no absolute pattern.
    matches = glob.glob(name, recursive=True)  # noqa: PTH207
    found = sorted(match for match in matches if Path(match).is_file())
    if not found:
        raise UserError("data.todo", "no file matches", where=name, remedy="check the pattern and the folder")
    yield from found
