"""A prefix of a long text that has the same first tokens as the whole text, so that megabytes cost no more than a page.

A tokenizer works in steps: the normaliser replaces characters, the pre-tokeniser splits the text into words, and the
model splits each word into tokens by itself. The first two steps read from left to right: what they make of a character
depends on the text before it and, to its right, on the rest of its own run of characters (a word, spaces, combining
marks, the text of an added token). So only the last few words of a prefix can differ from those of the whole text. If
the tokens that are kept end some words earlier, they are the tokens of the whole text.

This holds for the normalisers and pre-tokenisers listed here, and for regular expressions without look-ahead. With any
other, with an endless word, or with truncation on the left, the whole text is tokenised.
"""

import json
from typing import Any

_CHARACTERS_PER_TOKEN, _SHORTEST_PREFIX = 8, 1_024
"""For the first prefix; English has 4 to 5 characters per token."""
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


def first_prefix_length(max_length: int) -> int:
    """Return the characters of the first prefix to try for ``max_length`` tokens; shorter texts are taken whole."""
    return max(_SHORTEST_PREFIX, _CHARACTERS_PER_TOKEN * max_length)


def reads_left_to_right(backend: Any) -> bool:
    """Whether the first tokens of a text are known not to depend on its end.

    Parameters
    ----------
    backend : a ``tokenizers.Tokenizer`` with its truncation set
    """
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
    backend : a tokenizer that `reads_left_to_right`, with its truncation set
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
