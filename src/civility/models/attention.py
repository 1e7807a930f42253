"""Exact attention without padding, over the texts of a batch one after the other.

Two kinds: BERT's, and DeBERTa's disentangled attention (He et al. 2021, section 3), where the score of two tokens i and
j has two more terms, of the query with their distance and of the key with it::

    (Q_i . K_j  +  Q_i . P_k(j - i)  +  K_j . P_q(j - i)) * scale

transformers computes these terms for all 512 distances and selects from them with two gathers, whose backward passes
scatter; that takes most of the time of its attention. Here only distances that occur are multiplied, and row i of such
a product, shifted by one column for each row, *is* the row of scores: a view instead of a gather.

Axes: S tokens of all texts, B texts, T tokens of one, H heads, D width of a head, R = 2 T - 1 distances of the longest
text.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch.nn import functional

_SCORES_AT_ONCE = 1 << 20
"""Elements of a matrix of scores: 4 MB in float32, which fit into CPU caches and come from malloc's heap."""

_WORD = 1 << 16


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    positions: tuple[torch.Tensor | None, torch.Tensor | None],
    lengths: Sequence[int],
    *,
    scale: float,
    dropout: float,
) -> torch.Tensor:
    """Let every token attend to all tokens of its own text.

    Parameters
    ----------
    query, key, value : (S, H, D); adjacent texts of equal length are computed together
    positions : what queries, and keys, are multiplied with for each distance ``j - i``, ascending from ``-(T - 1)``
        with T of the longest text: (H, R, D) each, or None
    lengths : (B,) tokens of each text; they sum to S
    scale : of the scores, before the softmax
    dropout : probability with which an attention probability is dropped, in [0, 1)

    Returns
    -------
    (S, H, D)
    """
    output: torch.Tensor = _Attention.apply(  # type: ignore[no-untyped-call]
        query, key, value, *positions, tuple(lengths), scale, dropout
    )
    return output


def attend_first(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    positions: tuple[torch.Tensor | None, torch.Tensor | None],
    lengths: Sequence[int],
    *,
    scale: float,
    dropout: float,
) -> torch.Tensor:
    """As `attend`, for the first token of each text only: ``query`` and the result are (B, H, D)."""
    position_key, position_query = positions
    longest = max(lengths)
    outputs = []
    text = 0
    for start, num, length in runs_of(lengths, query.shape[1]):
        keys, values = (_heads(tensor, start, num, length) for tensor in (key, value))
        queries = query[text : text + num, :, None] * scale
        scores = queries @ keys.transpose(-1, -2)
        forward = slice(longest - 1, longest - 1 + length)  # distances 0 to T - 1
        if position_key is not None:
            scores = scores + queries @ position_key[:, forward].transpose(-1, -2)
        if position_query is not None:
            scores = scores + (keys * position_query[:, forward]).sum(-1)[:, :, None] * scale
        probabilities = torch.softmax(scores, dim=-1, dtype=torch.float32).to(values.dtype)
        outputs.append((drop(probabilities, dropout) @ values)[:, :, 0])
        text += num
    return torch.cat(outputs)


def drop(tensor: torch.Tensor, share: float) -> torch.Tensor:
    """Return the tensor with a share of its elements dropped, as ``torch.nn.functional.dropout``.

    On a CPU torch draws at least 32 random bits for each element, one after the other, which takes longer than the
    matrix products of a short text. Here 16 bits do: the share is rounded to 1 / 65,536, and the scaling with it.
    """
    if not share:
        return tensor
    if tensor.device.type != "cpu":
        return functional.dropout(tensor, share)
    return (tensor * _scale_up(share)).masked_fill(_dropped(tensor.shape, share, tensor.device), 0.0)


def _scale_up(share: float) -> float:
    """Return the factor of the elements that are not dropped."""
    return _WORD / (_WORD - round(share * _WORD))


def _dropped(shape: torch.Size, share: float, device: torch.device) -> torch.Tensor:
    """Draw which elements are dropped: bool."""
    num_words = -(-shape.numel() // 4)
    words = torch.empty(num_words, dtype=torch.int64, device=device).random_(-(2**63), None).view(torch.int16)
    return (words[: shape.numel()] < round(share * _WORD) - _WORD // 2).view(shape)


def runs_of(lengths: Sequence[int], num_heads: int) -> Iterator[tuple[int, int, int]]:
    """Yield first token, number and length of texts that are computed together: equally long, and not too many."""
    start = 0
    for length, group in groupby(lengths):
        left = len(tuple(group))
        at_once = max(1, _SCORES_AT_ONCE // (num_heads * length * length))
        while left:
            num = min(left, at_once)
            yield start, num, length
            start += num * length
            left -= num


def _heads(tensor: torch.Tensor, start: int, num: int, length: int) -> torch.Tensor:
    """Return a run of texts of a (S, H, D) tensor as (num, H, T, D): a view."""
    return tensor[start : start + num * length].view(num, length, *tensor.shape[1:]).transpose(1, 2)


def _by_token(products: torch.Tensor) -> torch.Tensor:
    """Return products with distances, (…, T, R) by ``j - i``, as (…, T, T) by ``i, j``: a view of them.

    The column is ``j - i + T - 1``, so in the next row the same j is one column to the left.
    """
    length, num_distances = products.shape[-2:]
    *outer, _, _ = products.stride()
    return products.as_strided(
        (*products.shape[:-2], length, length),
        (*outer, num_distances - 1, 1),
        products.storage_offset() + length - 1,
    )


def _by_distance(scores: torch.Tensor) -> torch.Tensor:
    """Return (…, T, T) as (…, T, R) with zeros elsewhere: the inverse of `_by_token`."""
    length = scores.shape[-1]
    products = scores.new_zeros(*scores.shape[:-1], 2 * length - 1)
    _by_token(products).copy_(scores)
    return products


class _Attention(torch.autograd.Function):
    """`attend`, with a backward pass of its own that keeps only the probabilities of all matrices of scores."""

    @staticmethod
    def forward(  # noqa: PLR0913 (autograd passes on the arguments of `apply`)
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        position_key: torch.Tensor | None,
        position_query: torch.Tensor | None,
        lengths: tuple[int, ...],
        scale: float,
        dropout: float,
    ) -> torch.Tensor:
        output = torch.empty_like(value)
        kept = []
        with torch.autocast(query.device.type, enabled=False):
            for start, num, length in runs_of(lengths, query.shape[1]):
                queries, keys, values = (_heads(tensor, start, num, length) for tensor in (query, key, value))
                queries = queries * scale  # before the products, which would overflow in fp16
                scores = queries @ keys.transpose(-1, -2)
                near = slice(max(lengths) - length, max(lengths) + length - 1)
                if position_key is not None:
                    scores += _by_token(queries @ position_key[:, near].transpose(-1, -2))
                if position_query is not None:
                    # By key and ``i - j``: the same distances the other way round.
                    products = (keys * scale) @ position_query[:, near].flip(1).transpose(-1, -2)
                    scores += _by_token(products).transpose(-1, -2)
                probabilities = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
                kept.append(probabilities)
                if dropout:
                    kept.append(_dropped(probabilities.shape, dropout, query.device))
                    probabilities = (probabilities * _scale_up(dropout)).masked_fill_(kept[-1], 0.0)
                _heads(output, start, num, length).copy_(probabilities @ values)
        ctx.save_for_backward(query, key, value, position_key, position_query, *kept)
        ctx.lengths, ctx.scale, ctx.dropout = lengths, scale, dropout
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, position_key, position_query, *kept = ctx.saved_tensors
        (gradient,), longest = gradients, max(ctx.lengths)
        to_query, to_key, to_value = (torch.empty_like(tensor) for tensor in (query, key, value))
        to_position_key, to_position_query = _zeros_for(position_key), _zeros_for(position_query)
        for start, num, length in runs_of(ctx.lengths, query.shape[1]):
            queries, keys, values, outer = (_heads(one, start, num, length) for one in (query, key, value, gradient))
            probabilities = used = kept.pop(0)
            to_used = outer @ values.transpose(-1, -2)
            if ctx.dropout:
                dropped, up = kept.pop(0), _scale_up(ctx.dropout)
                used = (probabilities * up).masked_fill_(dropped, 0.0)
                to_used = (to_used * up).masked_fill_(dropped, 0.0)
            _heads(to_value, start, num, length).copy_(used.transpose(-1, -2) @ outer)
            to_scores = _through_softmax(to_used, probabilities) * ctx.scale
            flipped = to_scores.transpose(-1, -2)
            to_queries, to_keys = to_scores @ keys, flipped @ queries
            near = slice(longest - length, longest + length - 1)
            if to_position_key is not None:
                products = _by_distance(to_scores)
                to_queries += products @ position_key[:, near]
                to_position_key[:, near] += (products.transpose(-1, -2) @ queries).sum(0)
            if to_position_query is not None:
                products = _by_distance(flipped)
                to_keys += products @ position_query[:, near].flip(1)
                to_position_query[:, near] += (products.transpose(-1, -2) @ keys).sum(0).flip(1)
            _heads(to_query, start, num, length).copy_(to_queries)
            _heads(to_key, start, num, length).copy_(to_keys)
        if to_position_key is not None:
            to_position_key = to_position_key.to(query.dtype)
        if to_position_query is not None:
            to_position_query = to_position_query.to(query.dtype)
        return to_query, to_key, to_value, to_position_key, to_position_query, None, None, None


def _zeros_for(positions: torch.Tensor | None) -> torch.Tensor | None:
    """Return zeros to sum a gradient in, in float32, since every text adds to it."""
    return None if positions is None else torch.zeros_like(positions, dtype=torch.float32)


def _through_softmax(gradient: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """Return the gradient before a softmax from the one after it: ``p (g - sum(p g))``, in float32 as it was taken."""
    products = gradient.float() * probabilities
    return products.sub_(probabilities * products.sum(-1, keepdim=True)).to(gradient.dtype)
