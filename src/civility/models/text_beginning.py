"""The beginning of a long text that has the same first tokens as the whole, so that a text of megabytes costs no more.

A tokenizer works in steps: it replaces characters (normaliser), splits the text into words (pre-tokeniser), and splits
each word into tokens (model), which sees one word at a time. The steps before the model read from left to right: what
they make of a character depends on those before it and, to its right, on the rest of its own run of characters (a word,
spaces, combining marks, the text of an added token). So, in a beginning of the text, only its last few words may differ
from those of the whole. If the tokens that are kept end some words earlier, they are the tokens of the whole.

This holds for the normalisers and pre-tokenisers named here, and for regular expressions that do not look ahead. For
all others, for one word without end, and for a tokenizer that truncates on the left, the whole text is taken.
"""

import json
from typing import Any

_CHARACTERS_PER_TOKEN, _FEWEST_CHARACTERS = 8, 1_024
"""Of what is tried first: English has 4 to 5 characters per token."""
_WORDS_APART = 8
"""Words at the end that may differ, besides those of an added token that is cut in two. A run of spaces makes three."""
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
_FAR_SIGHTED = ("$", "\\z", "\\Z", "(?=", "(?!", ".*", ".+")
"""Of a regular expression: what may look further ahead than its own run of characters."""
_SEES_ONE_CHARACTER = "(?!\\S)"


def num_tried_first(max_length: int) -> int:
    """Return the characters of the beginning that is tried first; shorter texts are taken whole."""
    return max(_FEWEST_CHARACTERS, _CHARACTERS_PER_TOKEN * max_length)


def reads_left_to_right(backend: Any) -> bool:
    """Whether what a tokenizer makes of a text's beginning is known not to depend on its end.

    Parameters
    ----------
    backend : of the tokenizers library, with its truncation set
    """
    if (backend.truncation or {}).get("direction") != "right":
        return False
    try:
        parts = [
            (json.loads(part.__getstate__()), known)
            for part, known in ((backend.normalizer, _NORMALISERS), (backend.pre_tokenizer, _PRE_TOKENISERS))
            if part is not None
        ]
    except Exception:  # a part written in Python has no such form
        return False
    return backend.pre_tokenizer is not None and all(_is_local(content, known) for content, known in parts)


def beginning(backend: Any, text: str, num_characters: int) -> str:
    """Return a beginning of the text with the same tokens up to the maximum length, and more tokens than that.

    The whole text, where no beginning shorter than half of it is known to be one.

    Parameters
    ----------
    backend : one that `reads_left_to_right`, told where to truncate
    text : without lone surrogates
    num_characters : of the first beginning tried; each further one is twice as long
    """
    apart = _WORDS_APART + max((len(one.content) for one in backend.get_added_tokens_decoder().values()), default=0)
    while 2 * num_characters < len(text):
        part = text[:num_characters]
        encoding = backend.encode(part)
        if encoding.overflowing:
            kept, last = _last_word(encoding), _last_word(encoding.overflowing[-1])
            if kept is not None and last is not None and last - kept > apart:
                return part
        num_characters *= 2
    return text


def _last_word(encoding: Any) -> int | None:
    """Return the number of the word that the last token belongs to, special tokens left out."""
    return next((word for word in reversed(encoding.word_ids) if word is not None), None)


def _is_local(content: dict[str, Any], known: frozenset[str]) -> bool:
    """Whether a part of a tokenizer, as JSON, and all the parts in it, are known to look at their own run alone."""
    if content["type"] not in known:
        return False
    pattern = content.get("pattern")
    if isinstance(pattern, dict) and "Regex" in pattern:
        rest = pattern["Regex"].replace(_SEES_ONE_CHARACTER, "")
        if any(mark in rest for mark in _FAR_SIGHTED):
            return False
    inner = content.get("normalizers") or content.get("pretokenizers") or ()
    return all(_is_local(one, known) for one in inner)
