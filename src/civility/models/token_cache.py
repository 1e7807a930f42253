"""A cache of tokens on disk, by tokenizer, maximum length and texts; mapped into memory when read.

An entry is a folder that appears once it is complete. It is used only if its key matches and its content has the
recorded sha256; otherwise it is made again. A cache that cannot be used costs time, but never fails a run.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from civility.errors import UserError
from civility.models.tokenizer import backend_for, tokenise
from civility.scoring.tokens import Tokens
from civility.storage.atomic_files import PARTIAL, remove_folder, write_folder
from civility.storage.parsing import read_json

FEWEST_TEXTS = 2_000  # fewer texts are tokenised faster than a disk writes their tokens

LARGEST_CACHE = 4 * 10**9  # bytes of all entries together; the least recently used ones are removed

_SCHEMA = 1
_SPARE_BYTES = 10**9
_SECONDS_OF_A_WRITER = 24 * 3600.0
_OFF = ("", "off")
_ENTRY = re.compile("[0-9a-f]{64}")
_LEFT_BEHIND = re.compile(rf"\.[0-9a-f]{{64}}\.[0-9a-f]+{re.escape(PARTIAL)}")


@dataclass(frozen=True)
class CacheUse:
    """How the cache was used."""

    outcome: Literal["read", "written", "unused"]
    reason: str = ""  # what went wrong if it is "unused"; empty if no cache was wanted or the texts are few


def default_cache_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the folder of the token cache, or None if it is switched off or the user has no home folder.

    In ``CIVILITY_CACHE`` ("" or "off": no cache), else in ``civility`` under ``XDG_CACHE_HOME`` or ``~/.cache``.
    """
    wanted = environ.get("CIVILITY_CACHE")
    if wanted is not None and wanted.strip().lower() in _OFF:
        return None
    try:
        if wanted is not None:
            return Path(wanted).expanduser() / "tokens"
        base = Path(environ.get("XDG_CACHE_HOME", ""))
        if not base.is_absolute():  # ignored according to the specification
            base = Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return None
    return base / "civility" / "tokens"


def cached_tokens(
    tokenizer: Any, texts: Sequence[str], max_length: int, cache: Path | None, largest: int = LARGEST_CACHE
) -> tuple[Tokens, CacheUse]:
    """Return the tokens of `tokenise` from the cache, or compute them and write them to it.

    Tokens that were read are mapped from the disk and read-only.

    Parameters
    ----------
    cache : its folder, made if it is missing; None for no cache
    largest : bytes of all entries together
    """
    if cache is None or len(texts) < FEWEST_TEXTS:
        return tokenise(tokenizer, texts, max_length), CacheUse("unused")
    try:
        key = _key(tokenizer, texts, max_length)
    except Exception as error:  # a tokenizer with parts in Python
        use = CacheUse("unused", f"the tokenizer cannot be serialised: {error}")
        return tokenise(tokenizer, texts, max_length), use
    place = cache / _digest(json.dumps(key, sort_keys=True).encode())
    found = _read(place, key)
    if found is not None:
        with contextlib.suppress(OSError):  # the cache may belong to another user
            os.utime(place)
        return found, CacheUse("read")
    tokens = tokenise(tokenizer, texts, max_length)
    try:
        reason = _write(place, key, tokens, largest)
    except (OSError, UserError) as error:
        # Another process may have written the same entry at the same time.
        reason = "" if _is_taken(error) or _read(place, key) is not None else _in_short(error)
    return tokens, CacheUse("unused", reason) if reason else CacheUse("written")


def _key(tokenizer: Any, texts: Sequence[str], max_length: int) -> dict[str, Any]:
    """Return everything that token ids depend on; another version of tokenizers may interpret settings differently."""
    backend = backend_for(tokenizer, max_length)
    state = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        state.update(b"%d:" % len(data))
        state.update(data)
    return {
        "tokenizer": _digest(backend.to_str().encode()),
        "tokenizers": version("tokenizers"),
        "split_special_tokens": bool(backend.encode_special_tokens),  # is not in the serialised form
        "pad_id": int(tokenizer.pad_token_id),
        "max_length": max_length,
        "texts": f"sha256:{state.hexdigest()}",
        "num_texts": len(texts),
    }


def _digest(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(place: Path, key: Mapping[str, Any]) -> Tokens | None:
    """Return the tokens of an entry, or None if no intact entry has this key."""
    try:
        facts = read_json(place / "meta.json")
        if facts["schema"] != _SCHEMA or facts["key"] != key:
            return None
        # As plain arrays: each slice of a memmap is a memmap again, which takes longer than the slicing.
        ids, offsets, truncated = (
            np.asarray(np.lib.format.open_memmap(place / f"{name}.npy", mode="r"))
            for name in ("ids", "offsets", "truncated")
        )
        tokens = Tokens(ids, offsets, key["pad_id"], truncated)
        is_whole = _has_shape(tokens, key["num_texts"]) and tokens.digest == facts["digest"]
        return tokens if is_whole and _digest(truncated.data) == facts["truncated_digest"] else None
    except Exception:  # a damaged file may raise anything, and must not stop a run
        return None


def _has_shape(tokens: Tokens, num_texts: int) -> bool:
    types = (tokens.ids.dtype.str, tokens.offsets.dtype.str, tokens.truncated.dtype.str)
    shapes = (tokens.ids.ndim, tokens.offsets.shape, tokens.truncated.shape)
    return (
        types == tuple(np.dtype(name).str for name in ("int32", "int64", "bool"))
        and shapes == (1, (num_texts + 1,), (num_texts,))
        and (tokens.offsets[0], tokens.offsets[-1]) == (0, len(tokens.ids))
        and bool((tokens.lengths >= 0).all())
    )


def _write(place: Path, key: Mapping[str, Any], tokens: Tokens, largest: int) -> str:
    """Write an entry, replacing a damaged one; return why it was left out, empty if it was not.

    Raises OSError or UserError if the cache cannot be written.
    """
    size = tokens.ids.nbytes + tokens.offsets.nbytes + tokens.truncated.nbytes
    if size > largest:
        return f"{size / 1e9:.1f} GB are more than the cache may hold"
    # The comments can be recovered from tokens, so other users must not read them.
    for folder in (place.parent.parent, place.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _read(place, key) is not None:
        return ""  # written by another process in the meantime
    _remove(place)  # it is damaged
    _make_room(place.parent, largest - size)
    if shutil.disk_usage(place.parent).free < size + _SPARE_BYTES:
        return "the disk is nearly full"  # leave room for a checkpoint
    facts = {
        "schema": _SCHEMA,
        "key": dict(key),
        "digest": tokens.digest,
        "truncated_digest": _digest(tokens.truncated.data),
        "num_tokens": len(tokens.ids),
    }
    with write_folder(place) as folder:
        for name, values in (("ids", tokens.ids), ("offsets", tokens.offsets), ("truncated", tokens.truncated)):
            np.save(folder / f"{name}.npy", values, allow_pickle=False)
        (folder / "meta.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return ""


def _is_taken(error: OSError | UserError) -> bool:
    """Whether an entry could not be written because there was one at that moment."""
    cause = error.__cause__ if isinstance(error, UserError) else error
    return isinstance(cause, OSError) and cause.errno in (errno.ENOTEMPTY, errno.EEXIST) and cause.filename2 is not None


def _remove(entry: Path) -> None:
    try:
        if entry.exists():
            remove_folder(entry)
    except UserError:
        if entry.exists():  # otherwise another process has removed it
            raise


def _make_room(cache: Path, allowed: int) -> None:
    """Remove what killed processes left, and the least recently used entries until the rest is within ``allowed``."""
    entries = []
    for folder in cache.iterdir():
        with contextlib.suppress(OSError):  # another process may be removing it
            used = folder.stat().st_mtime
            # Only by their names: a folder that the user chose may hold other things.
            if _ENTRY.fullmatch(folder.name):
                entries.append((used, sum(file.stat().st_size for file in folder.iterdir()), folder))
            elif _LEFT_BEHIND.fullmatch(folder.name) and time.time() - used > _SECONDS_OF_A_WRITER:
                shutil.rmtree(folder)
    total = sum(size for _, size, _ in entries)
    for _, size, folder in sorted(entries):
        if total <= allowed:
            return
        with contextlib.suppress(OSError, UserError):
            _remove(folder)
            total -= size


def _in_short(error: OSError | UserError) -> str:
    """Return why the cache could not be written, without the path and its 64 digits of digest."""
    if isinstance(error, UserError):
        return error.message.rpartition(": ")[2]
    return error.strerror or "it could not be written whole"  # numpy gives no reason if the disk is full
