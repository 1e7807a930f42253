"""sha256 of files: recorded when a folder is written, compared when it is read."""

import contextlib
import errno
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from civility.errors import UserError

_LARGE = 32 << 20
"""Bytes. A larger file is hashed while it is read, a smaller one before."""


def digest_of_file(path: Path) -> str:
    """Return the sha256 of a file, 64 hex digits; OSError if it cannot be read."""
    if path.exists() and not path.is_file():  # opening a pipe would wait for a writer
        raise OSError(errno.EINVAL, "not a file", str(path))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the sha256 of files in a folder, by name; OSError if one cannot be read."""
    wanted = sorted(names)
    with ThreadPoolExecutor() as pool:  # hashing releases the interpreter lock
        return dict(zip(wanted, pool.map(digest_of_file, (folder / name for name in wanted)), strict=True))


@contextlib.contextmanager
def verified(folder: Path, recorded: Mapping[str, str], remedy: str) -> Iterator[None]:
    """Run the block, which reads files of a folder, and compare the files with their recorded sha256.

    Large files are hashed in threads while the block runs. Damage is reported in place of any error of the block.

    Parameters
    ----------
    folder : holds the files
    recorded : file name -> 64 hex digits; empty: nothing is compared
    remedy : what to do about damage

    Raises
    ------
    UserError : a file is missing or has another sha256
    """
    paths = {name: folder / name for name in recorded}
    large = {name for name, path in paths.items() if path.is_file() and path.stat().st_size > _LARGE}
    for name in sorted(set(paths) - large):
        _compare(paths[name], recorded[name], remedy)
    with ThreadPoolExecutor() as pool:
        pending = {name: pool.submit(_compare, paths[name], recorded[name], remedy) for name in sorted(large)}
        try:
            yield
        finally:
            for comparison in pending.values():
                comparison.result()


def _compare(path: Path, expected: str, remedy: str) -> None:
    try:
        found = digest_of_file(path)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            remedy = "copy or download the folder again, since a file is missing"
        raise UserError(
            "storage.damaged", f"damaged: cannot be read: {error.strerror or error}", where=path, remedy=remedy
        ) from error
    if found != expected:
        raise UserError(
            "storage.damaged",
            "damaged: its sha256 is not the one recorded when it was written",
            where=path,
            remedy=remedy,
        )
