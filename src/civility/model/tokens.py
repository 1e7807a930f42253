"""Texts as flat token ids: tokenised once, then sliced and padded without Python work per token."""

import copy
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

_TEXTS_AT_ONCE = 1_000
_CHARACTERS_COUNTED = 200_000
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, eq=False)
class Tokens:
    """The token ids of N texts, one after the other.

    Parameters
    ----------
    ids : (all tokens,) int32
    offsets : (N + 1,) int64; text ``i`` is ``ids[offsets[i]:offsets[i + 1]]``
    pad_id : the id that fills a batch up
    truncated : (N,) whether a text was cut at the maximum length
    """

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    pad_id: int
    truncated: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(N,) tokens of each text, special tokens included."""
        return np.diff(self.offsets)

    @property
    def num_truncated(self) -> int:
        """Texts that were cut at the maximum length."""
        return int(self.truncated.sum())

    @property
    def digest(self) -> str:
        """A sha256 over all ids and offsets, as ``sha256:<64 hex digits>``: another tokenizer gives another."""
        state = hashlib.sha256(self.offsets.astype("<i8").tobytes())
        state.update(self.ids.astype("<i4").tobytes())
        return f"sha256:{state.hexdigest()}"


def tokenise(tokenizer: Any, texts: Sequence[str], max_length: int) -> Tokens:
    """Tokenise texts, cut to ``max_length`` tokens with the special tokens counted in.

    Parameters
    ----------
    tokenizer : a fast tokenizer of transformers
    texts : (N,); lone surrogates, which no tokenizer can encode, become U+FFFD
    max_length : tokens, at least 3
    """
    ids: list[npt.NDArray[np.int32]] = []
    lengths: list[int] = []
    truncated: list[bool] = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = [_LONE_SURROGATE.sub("\ufffd", text) for text in texts[start : start + _TEXTS_AT_ONCE]]
        encoded = tokenizer(part, truncation=True, max_length=max_length, return_attention_mask=False)
        truncated += [bool(one.overflowing) for one in encoded.encodings]
        for row in encoded["input_ids"]:
            ids.append(np.asarray(row, dtype=np.int32))
            lengths.append(len(row))
    return Tokens(
        ids=np.concatenate(ids) if ids else np.zeros(0, dtype=np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        pad_id=int(tokenizer.pad_token_id),
        truncated=np.array(truncated, dtype=np.bool_),
    )


def token_lengths(tokenizer: Any, texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the tokens of each text, (N,) special ones included, cut nowhere.

    Parameters
    ----------
    tokenizer : a fast tokenizer of transformers
    texts : (N,); of a text of more than 200,000 characters the first are counted
    """
    # A copy, since a fast tokenizer remembers how it was last told to cut and pad.
    backend = copy.deepcopy(tokenizer.backend_tokenizer)
    backend.no_truncation()
    backend.no_padding()
    lengths: list[int] = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        part = [
            _LONE_SURROGATE.sub("\ufffd", text[:_CHARACTERS_COUNTED]) for text in texts[start : start + _TEXTS_AT_ONCE]
        ]
        lengths += [len(one) for one in backend.encode_batch(part)]
    return np.array(lengths, dtype=np.int64)
