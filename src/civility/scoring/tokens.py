"""Texts as flat token ids, made with the `tokenizers` library alone; slicing and padding them is array arithmetic.

A long text is read only as far as its first tokens depend on it, so that megabytes cost no more than a page. The
normaliser replaces characters, the pre-tokeniser splits the text into words, and the model splits each word by itself.
What the first two make of a character depends on the text before it and, to its right, on the rest of its own run of
characters (a word, spaces, combining marks, the text of an added token). So only the last few words of a prefix can
differ from those of the whole text: if the tokens that are kept end some words earlier, they are those of the whole
text. This holds for the normalisers and pre-tokenisers listed here, and for regular expressions without look-ahead.
With any other, with an endless word, or with truncation on the left, the whole text is tokenised.

Axes: N texts.
"""

import hashlib
import json
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from civility.arrays import Bools, Ints

Side = Literal["left", "right"]
_TEXTS_AT_ONCE = 1_000
_CHARACTERS_COUNTED = 200_000
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

_CHARACTERS_PER_TOKEN, _SHORTEST_PREFIX = 8, 1_024  # for the first prefix; English has 4 to 5 characters per token
_WORDS_APART = 8
"""Words at the end of a prefix that may differ, besides those of a truncated added token. Spaces make up to three."""
_NORMALISERS = frozenset(
    {
        *("BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled", "Prepend"),
        *("Replace", "Sequence", "Strip", "StripAccents"),
    }
)
_PRE_TOKENISERS = frozenset(
    {
        *("BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "Metaspace", "Punctuation", "Sequence"),
        *("Split", "UnicodeScripts", "Whitespace", "WhitespaceSplit"),
    }
)
_LOOKS_AHEAD = ("$", "\\z", "\\Z", "(?=", "(?!", ".*", ".+")
"""Parts of a regular expression that may look further than their own run of characters."""
_LOOKS_AT_ONE_CHARACTER = "(?!\\S)"


@dataclass(frozen=True, eq=False)
class Tokens:
    """The token ids of N texts, one text after the other."""

    ids: npt.NDArray[np.int32]  # (all tokens,) int32
    offsets: Ints  # (N + 1,) int64; text ``i`` is ``ids[offsets[i]:offsets[i + 1]]``
    pad_id: int  # the id that pads a batch
    truncated: Bools = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))  # (N,) whether a text was truncated

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """(N,) tokens of each text, special tokens included."""
        return np.diff(self.offsets)

    @property
    def num_truncated(self) -> int:
        """Number of truncated texts."""
        return int(self.truncated.sum())

    def select(self, rows: Ints) -> "Tokens":
        """Return the tokens of the given texts, in the given order."""
        starts, lengths = self.offsets[:-1][rows], self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        ids = np.empty(int(offsets[-1]), dtype=self.ids.dtype)
        for first in range(0, len(rows), _TEXTS_AT_ONCE):  # an index for each token takes memory: not for all at once
            last = min(first + _TEXTS_AT_ONCE, len(rows))
            shift = starts[first:last] - offsets[first:last]
            places = np.arange(offsets[first], offsets[last]) + np.repeat(shift, lengths[first:last])
            ids[offsets[first] : offsets[last]] = self.ids[places]
        truncated = self.truncated[rows] if len(self.truncated) else self.truncated
        return Tokens(ids, offsets, self.pad_id, truncated)

    @property
    def digest(self) -> str:
        """SHA-256 of all ids and offsets, as ``sha256:<64 hex digits>``; it differs between tokenizers."""
        state = hashlib.sha256(np.ascontiguousarray(self.offsets, dtype="<i8").data)
        state.update(np.ascontiguousarray(self.ids, dtype="<i4").data)
        return f"sha256:{state.hexdigest()}"


def encode(backend: Any, texts: Sequence[str], max_length: int, *, pad_id: int, side: Side = "right") -> Tokens:
    """Tokenise texts, truncated to ``max_length`` tokens including the special tokens.

    The work is spread over all cores, unless the environment sets TOKENIZERS_PARALLELISM to "false";
    RAYON_NUM_THREADS sets the number of threads. Neither is set here: with the first unset, a forked process continues
    on one core; with "true" it hangs (tokenizers 0.23).

    Parameters
    ----------
    backend : a ``tokenizers.Tokenizer``; its truncation and padding settings are replaced
    texts : (N,); lone surrogates, which no tokenizer can encode, become U+FFFD
    max_length : tokens, at least 3
    pad_id : the id of the padding token
    side : which end of a long text is dropped
    """
    # Arrays of the standard library grow in place: two million texts are never in memory twice.
    ids, ends, truncated = array("i"), array("q", [0]), bytearray()
    for encodings in _encodings(backend, texts, max_length, side):
        for one in encodings:
            # Without special tokens an empty text has no token at all, and a model needs at least one.
            ids.extend(one.ids or (pad_id,))
            ends.append(len(ids))
            # `overflowing` builds Python objects: ask for it only where there may be something.
            truncated.append(len(one) == max_length and bool(one.overflowing))
    return Tokens(
        ids=np.asarray(ids, dtype=np.int32),
        offsets=np.asarray(ends, dtype=np.int64),
        pad_id=pad_id,
        truncated=np.asarray(truncated, dtype=np.uint8).view(np.bool_),
    )


def token_lengths(backend: Any, texts: Sequence[str]) -> Ints:
    """Return the tokens of each text without truncation, (N,), special tokens included.

    Parameters
    ----------
    backend : a ``tokenizers.Tokenizer``; its truncation and padding settings are removed
    texts : (N,); of a text longer than 200,000 characters only the first 200,000 are counted
    """
    prefixes = [text[:_CHARACTERS_COUNTED] for text in texts]
    lengths = [len(one) for encodings in _encodings(backend, prefixes, None) for one in encodings]
    return np.array(lengths, dtype=np.int64)


def set_truncation(backend: Any, max_length: int | None, side: Side = "right") -> None:
    """Let a tokenizer truncate at ``max_length`` tokens (None: never) and not pad, whatever it was saved with."""
    if backend.padding is not None:  # only real changes: another thread may be using the tokenizer
        backend.no_padding()
    if max_length is None:
        if backend.truncation is not None:
            backend.no_truncation()
        return
    wanted = {"max_length": max_length, "stride": 0, "strategy": "longest_first", "direction": side}
    if backend.truncation != wanted:
        backend.enable_truncation(**wanted)


def _encodings(backend: Any, texts: Sequence[str], max_length: int | None, side: Side = "right") -> Iterator[list[Any]]:
    """Yield the encodings of the texts by the thousand: an encoding takes a hundred times the memory of its ids."""
    set_truncation(backend, max_length, side)
    long = first_prefix_length(max_length) if max_length is not None and reads_left_to_right(backend) else None
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        # `isascii` reads a flag of the string, so most texts are not searched.
        part = [
            text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)
            for text in texts[start : start + _TEXTS_AT_ONCE]
        ]
        if long is not None:
            part = [text if len(text) <= long else sufficient_prefix(backend, text, long) for text in part]
        yield backend.encode_batch_fast(part)  # fast: without the characters that each token stands for


def first_prefix_length(max_length: int) -> int:
    """Return the characters of the first prefix to try for ``max_length`` tokens; shorter texts are taken whole."""
    return max(_SHORTEST_PREFIX, _CHARACTERS_PER_TOKEN * max_length)


def reads_left_to_right(backend: Any) -> bool:
    """Whether the first tokens of a text are known not to depend on its end, with the tokenizer's truncation set."""
    if (backend.truncation or {}).get("direction") != "right":
        return False
    try:
        parts = [
            (json.loads(part.__getstate__()), known)
            for part, known in ((backend.normalizer, _NORMALISERS), (backend.pre_tokenizer, _PRE_TOKENISERS))
            if part is not None
        ]
    except Exception:  # a part written in Python cannot be serialised
        return False
    return backend.pre_tokenizer is not None and all(_is_local(content, known) for content, known in parts)


def sufficient_prefix(backend: Any, text: str, num_characters: int) -> str:
    """Return a prefix with the same tokens as the text up to the maximum length, and more tokens than that.

    Return the whole text if no prefix shorter than half of it is known to be sufficient.

    Parameters
    ----------
    backend : a tokenizer that `reads_left_to_right`
    text : without lone surrogates
    num_characters : length of the first prefix to try; each further one is twice as long
    """
    apart = _WORDS_APART + max((len(one.content) for one in backend.get_added_tokens_decoder().values()), default=0)
    while 2 * num_characters < len(text):
        prefix = text[:num_characters]
        encoding = backend.encode(prefix)
        if encoding.overflowing:
            kept, last = _last_word(encoding), _last_word(encoding.overflowing[-1])
            if kept is not None and last is not None and last - kept > apart:
                return prefix
        num_characters *= 2
    return text


def _last_word(encoding: Any) -> int | None:
    """Return the index of the word that the last token belongs to, ignoring special tokens."""
    return next((word for word in reversed(encoding.word_ids) if word is not None), None)


def _is_local(content: dict[str, Any], known: frozenset[str]) -> bool:
    """Whether a part of a tokenizer, as JSON, and the parts inside it look no further than their own run."""
    if content["type"] not in known:
        return False
    pattern = content.get("pattern")
    if isinstance(pattern, dict) and "Regex" in pattern:
        rest = pattern["Regex"].replace(_LOOKS_AT_ONE_CHARACTER, "")
        if any(mark in rest for mark in _LOOKS_AHEAD):
            return False
    inner = content.get("normalizers") or content.get("pretokenizers") or ()
    return all(_is_local(one, known) for one in inner)
