"""The fast tokenizer of a model: loading and checking it, tokenising with it, and the longest text that it allows."""

import math
from collections.abc import Sequence
from typing import Any

from civility.errors import UserError
from civility.models.model_source import explain_loading, locate
from civility.plain_text import shortened, shown
from civility.scoring.tokens import Tokens, encode, set_truncation

_UNKNOWN = "\U0010fffd"  # a character for private use that no text has
_WORD_MARK = "\u2581"  # with it sentencepiece marks the beginning of a word
_NO_LIMIT = 1_000_000


def load_tokenizer(name: str, revision: str | None = None) -> Any:
    """Load the fast tokenizer of a model.

    Parameters
    ----------
    name : a folder, a hub repository, or ``all-MiniLM-L6-v2`` for the packaged starter model
    revision : commit or tag of a hub repository

    Raises
    ------
    UserError : it cannot be found or read, has no fast form, no padding token, no vocabulary or no unknown token
    """
    from transformers import AutoTokenizer

    place = locate(name)
    with explain_loading(name):
        tokenizer = AutoTokenizer.from_pretrained(place, revision=revision or "main", trust_remote_code=False)
    if not tokenizer.is_fast:
        raise _unfit(name, "no fast tokenizer", "civility needs a model with a tokenizer.json")
    if tokenizer.pad_token_id is None:
        raise _unfit(
            name,
            "the tokenizer has no padding token",
            'set "pad_token" in tokenizer_config.json to one of its special tokens '
            '("<|endoftext|>" for GPT-2), or choose an encoder such as BERT',
        )
    if not _has_vocabulary(tokenizer):
        raise _unfit(
            name,
            "the tokenizer has no vocabulary: its files are missing",
            "copy the tokenizer's files (tokenizer.json, or vocab.txt, spm.model, …) into the folder",
        )
    longest = tokenizer.model_max_length
    if isinstance(longest, bool) or not isinstance(longest, int | float) or math.isnan(longest):
        raise _unfit(
            name,
            f"tokenizer_config.json: model_max_length is {shown(longest)}",
            "write how many tokens the model takes, or take the entry out",
            expected="a number of tokens",
        )
    _check_unknown_token(name, tokenizer)
    return tokenizer


def _unfit(name: str, found: str, remedy: str, *, expected: str = "") -> UserError:
    return UserError("models.tokenizer", found, where=name, expected=expected, remedy=remedy)


def _check_unknown_token(name: str, tokenizer: Any) -> None:
    """Refuse a tokenizer that raises for a character outside its vocabulary: some comment would end the run."""
    try:
        tokenizer(_UNKNOWN)
    except Exception as error:
        if type(error) is Exception:  # how the tokenizers library reports a token that it does not have
            raise _unfit(
                name,
                f"the tokenizer fails on a character that it does not know: {shortened(str(error), 200)}",
                "give its model an unknown token (unk_token or unk_id in tokenizer.json), or choose another model",
            ) from error
        raise _unfit(
            name,
            f"the tokenizer fails on any text: {shortened(f'{type(error).__name__}: {error}', 200)}",
            "put back the tokenizer_config.json and the tokenizer.json that belong to the model",
        ) from error


def _has_vocabulary(tokenizer: Any) -> bool:
    """Whether the tokenizer knows any token besides special ones.

    When its files are missing, transformers makes a tokenizer of special tokens, in some classes with a word mark.
    """
    added = tokenizer.added_tokens_encoder
    return any(token.strip(_WORD_MARK) for token in tokenizer.get_vocab() if token not in added)


def check_ids(name: str, model: Any, tokenizer: Any) -> None:
    """Raise a UserError for a token without a row in the model's embedding: it would end a run halfway."""
    num_rows = getattr(model.get_input_embeddings(), "num_embeddings", None)
    if num_rows is None:
        return
    without = [(token, number) for token, number in tokenizer.get_vocab().items() if number >= num_rows]
    if without:
        token, number = min(without, key=lambda one: one[1])
        raise _unfit(
            name,
            "the tokenizer has tokens without a row in the model's embedding, which has "
            f"{num_rows:,} rows: {shortened(token, 40)!r} is number {number} ({len(without):,} "
            "such tokens)",
            "use the tokenizer that belongs to these weights, or add the rows: model.resize_token_embeddings",
        )


def backend_for(tokenizer: Any, max_length: int | None) -> Any:
    """Return the ``tokenizers.Tokenizer`` of a fast tokenizer of transformers, set to truncate at ``max_length``."""
    backend = tokenizer.backend_tokenizer
    if backend.encode_special_tokens != tokenizer.split_special_tokens:
        backend.encode_special_tokens = tokenizer.split_special_tokens
    set_truncation(backend, max_length, tokenizer.truncation_side)
    return backend


def tokenise(tokenizer: Any, texts: Sequence[str], max_length: int) -> Tokens:
    """Return the ids that ``tokenizer(texts, truncation=True, max_length=max_length)`` of transformers gives."""
    backend, side = backend_for(tokenizer, max_length), tokenizer.truncation_side
    return encode(backend, texts, max_length, pad_id=int(tokenizer.pad_token_id), side=side)


def longest_text(model: Any, tokenizer: Any) -> int:
    """Return the tokens that a model takes, special tokens included; 1,000,000 where nothing limits them."""
    limits = (_limit(tokenizer.model_max_length), _limit_of_config(model.config), *_limits_of_tables(model))
    return min((limit for limit in limits if limit is not None), default=_NO_LIMIT)


def _limit_of_config(config: Any) -> int | None:
    if getattr(config, "relative_attention", False) and not config.position_biased_input:
        return None  # DeBERTa embeds distances, not positions: longer texts only share buckets
    return _limit(getattr(config.get_text_config(), "max_position_embeddings", None))


def _limits_of_tables(model: Any) -> list[int]:
    """Return the usable rows of tables of positions that begin after the padding's own row.

    RoBERTa and its relatives give the first token the position ``padding_idx + 1``, so a table of 514 rows holds texts
    of 512 tokens.
    """
    found = []
    for name, module in model.named_modules():
        padding = getattr(module, "padding_idx", None)
        if name.rpartition(".")[2] == "position_embeddings" and padding is not None:
            found.append(len(module.weight) - padding - 1)
    return found


def _limit(value: Any) -> int | None:
    """Return a number of tokens, or None for no limit: XLNet writes -1 for that, tokenizers 1e30."""
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 1 or value > _NO_LIMIT:
        return None
    return int(value)
