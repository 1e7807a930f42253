"""Checks of the model and its tokenizer, once they are loaded. Knows neither the data nor the plan."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from civility.models.encoder import PROBLEM_TYPE
from civility.plain_text import listed
from civility.scoring.tokens import Tokens
from civility.training.preflight.check import Check, judge

_ANY_WORD = "a"
_LEAST_ROWS_IN_USE = 0.5
_MOST_UNKNOWN_TOKENS = 0.05


def check_parameter_type(model: torch.nn.Module) -> Check:
    """Fail unless every parameter is float32: smaller types lose small updates without an error."""
    counts: dict[torch.dtype, int] = {}
    for parameter in model.parameters():
        counts[parameter.dtype] = counts.get(parameter.dtype, 0) + parameter.numel()
    names = [f"{number:,} {str(dtype).removeprefix('torch.')}" for dtype, number in counts.items()]
    return judge(
        "parameter type",
        " and ".join(names),
        fails=set(counts) != {torch.float32},
        remedy="load the model in float32 (huggingface/sentence-transformers#3773)",
    )


def check_problem_type(config: Any) -> Check:
    """Fail unless the configuration says multi-label: with another, others would read our scores by a softmax."""
    return judge(
        "problem type",
        str(config.problem_type),
        fails=config.problem_type != PROBLEM_TYPE,
        remedy=f"set problem_type to {PROBLEM_TYPE} in the model's config.json",
    )


def check_model_labels(config: Any, labels: Sequence[str]) -> Check:
    """Fail unless the outputs of the model are named as the labels of the data, in their order."""
    names = tuple(str(config.id2label[i]) for i in range(len(config.id2label)))
    agrees = names == tuple(labels)
    return judge(
        "model labels",
        f"{len(names)} outputs in the order of the data"
        if agrees
        else f"{', '.join(names)}; data: {', '.join(labels)}",
        fails=not agrees,
        remedy="the logits would be taken for other labels: name the labels in the model's order (data.labels)",
    )


def check_head(found: Sequence[str], found_problem: str | None, labels: Sequence[str]) -> Check:
    """Tell what becomes of the head that a checkpoint brings; warn where a trained one is dropped.

    Parameters
    ----------
    found, found_problem : label names and problem type of the checkpoint's configuration
    labels : of this run
    """
    own = ", ".join(found)
    same = sorted(found) == sorted(labels)
    if found_problem == PROBLEM_TYPE and same:
        how = "kept" if tuple(found) == tuple(labels) else f"kept, its rows moved from the order {own}"
        return judge("head", f"the checkpoint's own, {how}")
    unnamed = all(name.startswith("LABEL_") for name in found)
    if found_problem is None and unnamed:
        return judge("head", "new: the checkpoint has none")
    kind = "labels" if found_problem == PROBLEM_TYPE else f"classes ({found_problem or 'no problem type'})"
    return judge(
        "head",
        f"new: the checkpoint's own has other {kind}: {own}; this run: {', '.join(labels)}",
        warns=True,
        remedy="to go on with the trained head, name the same labels (data.labels)",
    )


def check_vocabulary(tokenizer: Any, num_rows: int) -> Check:
    """Fail if the tokenizer has ids beyond the embedding; warn if it leaves most rows without an id.

    More rows than ids is usual: DeBERTa-v3 has a hundred to spare (huggingface/transformers#19301).

    Parameters
    ----------
    tokenizer : of the model
    num_rows : of the token embedding
    """
    ids = tokenizer.get_vocab()
    num_ids = max(ids.values()) + 1
    found = f"{num_ids:,} token ids, {num_rows:,} embedding rows"
    beyond = [token for token, number in ids.items() if number >= num_rows]
    if beyond and set(beyond) <= set(tokenizer.added_tokens_encoder):
        return judge(
            "vocabulary",
            f"{found}: the model has no embedding for the added tokens {listed(beyond, most=3)}",
            fails=True,
            remedy='set "pad_token" and the like in tokenizer_config.json to tokens that the model has, or resize its '
            "embedding (transformers: resize_token_embeddings)",
        )
    return judge(
        "vocabulary",
        found,
        fails=num_ids > num_rows,
        warns=num_ids < _LEAST_ROWS_IN_USE * num_rows,
        remedy="this looks like the tokenizer of another model: get model and tokenizer from one place",
    )


def check_special_tokens(tokenizer: Any) -> Check:
    """Warn if the tokenizer has marks for the ends of a text and does not set them.

    The head reads the first token. In early releases of transformers 5 the tokenizer of mDeBERTa set none, without
    a word (huggingface/transformers#44568).
    """
    ids = tokenizer(_ANY_WORD)["input_ids"] or [None]  # a word that it does not know, and no marks
    wanted = {"first": (tokenizer.cls_token_id, 0), "last": (tokenizer.sep_token_id, -1)}
    missing = [where for where, (mark, place) in wanted.items() if mark is not None and ids[place] != mark]
    marks = [mark for mark in (tokenizer.cls_token, tokenizer.sep_token) if mark is not None]
    return judge(
        "special tokens",
        f"no mark is set as the {' and the '.join(missing)} token"
        if missing
        else f"each text stands between {' and '.join(marks)}"
        if marks
        else "the tokenizer has no marks for the ends of a text",
        warns=bool(missing),
        remedy="update transformers (huggingface/transformers#44568), or replace the tokenizer's files",
    )


def check_unknown_tokens(tokens: Tokens, unknown_id: int | None) -> Check:
    """Warn if many tokens of the comments are unknown to the tokenizer: it was made for other text."""
    share = float(np.mean(tokens.ids == unknown_id)) if unknown_id is not None and len(tokens.ids) else 0.0
    return judge(
        "unknown tokens",
        f"{share:.2%} of {len(tokens.ids):,} tokens",
        warns=share > _MOST_UNKNOWN_TOKENS,
        remedy="the model cannot read what is unknown: choose one made for the language of the comments",
    )
