"""Texts as flat token ids: tokenised once, then sliced and padded without Python work per token."""

import hashlib
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.models.text_beginning import beginning, num_tried_first, reads_left_to_right

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

    def select(self, rows: npt.NDArray[np.int64]) -> "Tokens":
        """Return the tokens of the given texts, in the given order."""
        starts, lengths = self.offsets[:-1][rows], self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        ids = np.empty(int(offsets[-1]), dtype=self.ids.dtype)
        for first in range(0, len(rows), _TEXTS_AT_ONCE):  # one place a token, for some texts at a time
            last = min(first + _TEXTS_AT_ONCE, len(rows))
            shift = starts[first:last] - offsets[first:last]
            places = np.arange(offsets[first], offsets[last]) + np.repeat(shift, lengths[first:last])
            ids[offsets[first] : offsets[last]] = self.ids[places]
        truncated = self.truncated[rows] if len(self.truncated) else self.truncated
        return Tokens(ids, offsets, self.pad_id, truncated)

    @property
    def digest(self) -> str:
        """A sha256 over all ids and offsets, as ``sha256:<64 hex digits>``: another tokenizer gives another."""
        state = hashlib.sha256(np.ascontiguousarray(self.offsets, dtype="<i8").data)
        state.update(np.ascontiguousarray(self.ids, dtype="<i4").data)
        return f"sha256:{state.hexdigest()}"


def tokenise(tokenizer: Any, texts: Sequence[str], max_length: int) -> Tokens:
    """Tokenise texts, cut to ``max_length`` tokens with the special tokens counted in.

    The ids are those of ``tokenizer(texts, truncation=True, max_length=max_length)``. All cores take part, unless
    TOKENIZERS_PARALLELISM is "false"; RAYON_NUM_THREADS says how many. Neither is set here: where the first is unset,
    a forked process goes on with one core, and where it is "true", it hangs (tokenizers 0.23).

    Parameters
    ----------
    tokenizer : a fast tokenizer of transformers
    texts : (N,); lone surrogates, which no tokenizer can encode, become U+FFFD. Of a long text only as much is read as
        its tokens depend on, see `civility.models.text_beginning`
    max_length : tokens, at least 3
    """
    # Arrays of the standard library, since they grow in place: two million texts are never there twice.
    ids, ends, truncated = array("i"), array("q", [0]), bytearray()
    for encodings in _encoded(tokenizer, texts, max_length):
        for one in encodings:
            # A tokenizer without special tokens makes none of an empty text: a model takes one at least.
            ids.extend(one.ids or (tokenizer.pad_token_id,))
            ends.append(len(ids))
            # What was cut off is only asked for where there may be some: Python objects are made of it.
            truncated.append(len(one) == max_length and bool(one.overflowing))
    return Tokens(
        ids=np.asarray(ids, dtype=np.int32),
        offsets=np.asarray(ends, dtype=np.int64),
        pad_id=int(tokenizer.pad_token_id),
        truncated=np.asarray(truncated, dtype=np.uint8).view(np.bool_),
    )


def token_lengths(tokenizer: Any, texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the tokens of each text, (N,) special ones included, cut nowhere.

    Parameters
    ----------
    tokenizer : a fast tokenizer of transformers
    texts : (N,); of a text of more than 200,000 characters the first are counted
    """
    begun = [text[:_CHARACTERS_COUNTED] for text in texts]
    lengths = [len(one) for encodings in _encoded(tokenizer, begun, None) for one in encodings]
    return np.array(lengths, dtype=np.int64)


def backend_for(tokenizer: Any, max_length: int | None) -> Any:
    """Return the part of a tokenizer that does the work, told where to cut (None: nowhere) and not to pad.

    As ``tokenizer(…)`` does it before every batch; a tokenizer that was saved with other settings loses them here.
    """
    from transformers.tokenization_utils_base import TruncationStrategy
    from transformers.utils import PaddingStrategy

    cut = TruncationStrategy.DO_NOT_TRUNCATE if max_length is None else TruncationStrategy.LONGEST_FIRST
    tokenizer.set_truncation_and_padding(PaddingStrategy.DO_NOT_PAD, cut, max_length, 0, None, None)
    backend = tokenizer.backend_tokenizer
    if backend.encode_special_tokens != tokenizer.split_special_tokens:
        backend.encode_special_tokens = tokenizer.split_special_tokens
    return backend


def _encoded(tokenizer: Any, texts: Sequence[str], max_length: int | None) -> Iterator[list[Any]]:
    """Yield the encodings of the texts, a thousand at a time, since each takes a hundred times its ids' memory."""
    backend = backend_for(tokenizer, max_length)
    long = num_tried_first(max_length) if max_length is not None and reads_left_to_right(backend) else None
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        # `isascii` looks at a flag of the string: most texts need not be searched.
        part = [
            text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)
            for text in texts[start : start + _TEXTS_AT_ONCE]
        ]
        if long is not None:
            part = [text if len(text) <= long else beginning(backend, text, long) for text in part]
        yield backend.encode_batch_fast(part)  # fast: the characters that each token stands for are not kept
