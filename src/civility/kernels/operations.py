"""The kernels as operations of torch: each computes in one pass what a layer does between two matrix products.

Axes: S tokens of all texts, E width of a layer, F of its inner layer, H heads, D width of a head, R distances. Products
are bfloat16 or float32; biases, gains and the stream between the layers are float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from civility.kernels.compile import Dropout, Kernels

_DRAWS = 1 << 32


@dataclass(frozen=True)
class Run:
    """Adjacent texts of equal length, which are attended together."""

    start: int
    num: int
    length: int

    @property
    def tokens(self) -> int:
        """How many tokens they have."""
        return self.num * self.length


def norm(
    kernels: Kernels,
    product: torch.Tensor,
    bias: torch.Tensor,
    residual: torch.Tensor,
    layer_norm: torch.nn.LayerNorm,
    dropout: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``LayerNorm(dropout(product + bias) + residual)`` in float32 and in the type of the product, (S, E) each.

    Parameters
    ----------
    kernels : from `civility.kernels.compile.load_kernels`
    product : (S, E)
    bias : (E,)
    residual : (S, E), float32
    layer_norm : with weight and bias, float32
    dropout : probability, in [0, 1)
    """
    given = product, bias, residual, layer_norm.weight, layer_norm.bias
    found = _Norm.apply(kernels, *given, layer_norm.eps, _dropout(dropout))  # type: ignore[no-untyped-call]
    return (found, found) if isinstance(found, torch.Tensor) else found


def gelu(kernels: Kernels, product: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Return ``gelu(product + bias)``, (S, F)."""
    found: torch.Tensor = _Gelu.apply(kernels, product, bias)  # type: ignore[no-untyped-call]
    return found


def attend(  # noqa: PLR0913 - as of civility.models.attention.attend
    kernels: Kernels,
    product: torch.Tensor,
    bias: torch.Tensor,
    positions: tuple[torch.Tensor | None, torch.Tensor | None],
    runs: Sequence[Run],
    num_heads: int,
    scale: float,
    dropout: float,
) -> torch.Tensor:
    """Let every token attend to all tokens of its own text, as `civility.models.attention.attend`.

    Parameters
    ----------
    product : (S, 3 E): query, key and value of all heads, without their biases (3 E,)
    positions : what queries, and keys, are multiplied with for each distance of the longest text: (H, R, D), or None
    runs : in order; they sum to S
    scale : of the scores, before the softmax
    dropout : probability with which an attention probability is dropped, in [0, 1)

    Returns
    -------
    (S, E)
    """
    found: torch.Tensor = _FusedAttention.apply(  # type: ignore[no-untyped-call]
        kernels, product, bias, *positions, tuple(runs), num_heads, scale, _dropout(dropout)
    )
    return found


def _dropout(share: float) -> Dropout:
    """Return what a kernel drops. The key is drawn from torch's generator, and only if anything is dropped."""
    return (
        Dropout(int(torch.randint(1 << 62, ())), round(share * _DRAWS), 1 / (1 - share)) if share else Dropout(0, 0, 1)
    )


def _call(kernels: Kernels, name: str, like: torch.Tensor, *arguments: Any) -> None:
    """Call a kernel for the type of a tensor; tensors are passed as addresses, and None as null."""
    if like.device.type != "cpu" or like.dtype not in (torch.float32, torch.bfloat16):
        raise TypeError(f"no kernel for {like.dtype} on {like.device}")  # it would read beyond the tensor
    passed = (one.data_ptr() if isinstance(one, torch.Tensor) else one for one in arguments)
    kernels[name, like.dtype == torch.bfloat16](*passed)


def _contiguous(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return None if tensor is None else tensor.contiguous()


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kernels: Kernels, *given: Any) -> Any:
        product, bias, residual, gain, shift, epsilon, dropout = given
        product, residual = product.contiguous(), residual.contiguous()
        out, normed = torch.empty_like(residual), torch.empty_like(residual)
        low = torch.empty_like(product) if product.dtype != torch.float32 else None
        inverse, threads = residual.new_empty(len(residual)), torch.get_num_threads()
        arrays = product, bias, residual, gain, shift, out, low, normed, inverse
        _call(kernels, "norm_forward", product, *arrays, *product.shape, threads, epsilon, dropout)
        ctx.save_for_backward(normed, inverse, gain)
        ctx.kernels, ctx.dropout, ctx.dtype = kernels, dropout, product.dtype
        ctx.set_materialize_grads(False)
        return out if low is None else (out, low)

    @staticmethod
    def backward(ctx: Any, gradient: Any, of_low: Any = None) -> Any:
        normed, inverse, gain = ctx.saved_tensors
        (rows, width), threads = normed.shape, torch.get_num_threads()
        to_residual, to_product = torch.empty_like(normed), torch.empty_like(normed, dtype=ctx.dtype)
        sums = normed.new_zeros(threads, 3, width)
        arrays = _contiguous(gradient), _contiguous(of_low), normed, inverse, gain, to_residual, to_product, sums
        _call(ctx.kernels, "norm_backward", to_product, *arrays, rows, width, threads, ctx.dropout)
        to_gain, to_shift, to_bias = sums.sum(0)
        return None, to_product, to_bias, to_residual, to_gain, to_shift, None, None


class _Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kernels: Kernels, *given: Any) -> Any:
        product, bias = given[0].contiguous(), given[1]
        out = torch.empty_like(product)
        _call(kernels, "gelu_forward", product, product, bias, out, *product.shape, torch.get_num_threads())
        ctx.save_for_backward(product, bias)
        ctx.kernels = kernels
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        (product, bias), threads = ctx.saved_tensors, torch.get_num_threads()
        to_product, sums = torch.empty_like(product), bias.new_zeros(threads, len(bias))
        arrays = product, bias, gradient.contiguous(), to_product, sums
        _call(ctx.kernels, "gelu_backward", product, *arrays, *product.shape, threads)
        return None, to_product, sums.sum(0)


class _FusedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kernels: Kernels, *given: Any) -> Any:
        product, bias, position_key, position_query, runs, num_heads, scale, dropout = given
        places = torch.tensor([(run.start, run.tokens) for run in runs])
        ctx.kernels, ctx.runs, ctx.places, ctx.scale, ctx.dropout = kernels, runs, places, scale, dropout
        ctx.num_heads, ctx.longest = num_heads, max(run.length for run in runs)
        heads = _split(ctx, product, 3, scale, bias)
        mixed = torch.empty_like(heads[:1])
        kept, row, threads = [], 0, torch.get_num_threads()
        for run in runs:
            query, key, value = _of_run(heads, run, num_heads)
            near = _near(ctx, run)
            by_query = None if position_key is None else torch.bmm(query, position_key[:, near].mT)
            # By key and ``i - j``: the same distances the other way round.
            by_key = None if position_query is None else torch.bmm(key, position_query[:, near].flip(1).mT)
            scores = torch.bmm(_by_text(query, run), _by_text(key, run).mT)
            probabilities, used = torch.empty_like(scores), torch.empty_like(scores)
            num_rows = num_heads * run.tokens
            arrays = scores, by_query, by_key, probabilities, used
            _call(kernels, "softmax_forward", scores, *arrays, num_rows, run.length, row, threads, scale, dropout)
            torch.bmm(used, _by_text(value, run), out=_by_text(_of_run(mixed, run, num_heads)[0], run))
            kept.append(probabilities)
            row += num_rows
        ctx.save_for_backward(heads, position_key, position_query, *kept)
        return _join(ctx, mixed, 1.0)[0]

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        heads, position_key, position_query, *kept = ctx.saved_tensors
        outer = _split(ctx, gradient, 1, 1.0)
        to_heads = torch.empty_like(heads)
        positions = position_key, position_query
        to_positions = [None if p is None else torch.zeros_like(p, dtype=torch.float32) for p in positions]
        row, threads = 0, torch.get_num_threads()
        for run, probabilities in zip(ctx.runs, kept, strict=True):
            query, key, value = _of_run(heads, run, ctx.num_heads)
            to_query, to_key, to_value = _of_run(to_heads, run, ctx.num_heads)
            (to_mixed,), near = _of_run(outer, run, ctx.num_heads), _near(ctx, run)
            to_used = torch.bmm(_by_text(to_mixed, run), _by_text(value, run).mT)
            used, to_scores = torch.empty_like(to_used), torch.empty_like(to_used)
            by_distance = [
                None if p is None else query.new_empty(ctx.num_heads, run.tokens, 2 * run.length - 1) for p in positions
            ]
            num_rows = ctx.num_heads * run.tokens
            arrays = probabilities, to_used, used, to_scores, *by_distance
            numbers = num_rows, run.length, row, threads, ctx.scale, ctx.dropout
            _call(ctx.kernels, "softmax_backward", used, *arrays, *numbers)
            torch.bmm(used.mT, _by_text(to_mixed, run), out=_by_text(to_value, run))
            torch.bmm(to_scores, _by_text(key, run), out=_by_text(to_query, run))
            torch.bmm(to_scores.mT, _by_text(query, run), out=_by_text(to_key, run))
            by_query, by_key = by_distance
            to_position_key, to_position_query = to_positions
            if by_query is not None and to_position_key is not None:
                to_query.baddbmm_(by_query, position_key[:, near])
                to_position_key[:, near] += torch.bmm(by_query.mT, query)
            if by_key is not None and to_position_query is not None:
                to_key.baddbmm_(by_key, position_query[:, near].flip(1))
                to_position_query[:, near] += torch.bmm(by_key.mT, key).flip(1)
            row += num_rows
        to_product, to_bias = _join(ctx, to_heads, ctx.scale, sums=True)
        to_positions = [None if p is None else p.to(heads.dtype) for p in to_positions]
        return None, to_product, to_bias, *to_positions, None, None, None, None


def _near(ctx: Any, run: Run) -> slice:
    """Return where the distances of a run stand among those of the longest text."""
    return slice(ctx.longest - run.length, ctx.longest + run.length - 1)


def _split(ctx: Any, product: torch.Tensor, num: int, scale: float, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Return (S, num E) as (num, S, E), in which a run is (num, H, tokens, D); the first part times ``scale``."""
    product = product.contiguous()
    out = product.new_empty(num, len(product), product.shape[1] // num)
    sizes = len(ctx.runs), len(product), num, ctx.num_heads, out.shape[2] // ctx.num_heads
    _call(ctx.kernels, "split_heads", product, product, bias, out, ctx.places, *sizes, torch.get_num_threads(), scale)
    return out


def _join(
    ctx: Any, heads: torch.Tensor, scale: float, *, sums: bool = False
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the inverse of `_split`, and the sum of its rows if asked for."""
    (num, tokens, width), threads = heads.shape, torch.get_num_threads()
    out = heads.new_empty(tokens, num * width)
    summed = heads.new_zeros(threads, num * width, dtype=torch.float32) if sums else None
    sizes = len(ctx.runs), tokens, num, ctx.num_heads, width // ctx.num_heads
    _call(ctx.kernels, "join_heads", heads, heads, out, summed, ctx.places, *sizes, threads, scale)
    return out, None if summed is None else summed.sum(0)


def _of_run(heads: torch.Tensor, run: Run, num_heads: int) -> torch.Tensor:
    """Return a run of (num, S, E) as (num, H, tokens, D): a view."""
    num, _, width = heads.shape
    return heads[:, run.start : run.start + run.tokens].view(num, num_heads, run.tokens, width // num_heads)


def _by_text(heads: torch.Tensor, run: Run) -> torch.Tensor:
    """Return (H, tokens, D) as (H num, length, D): a view."""
    return heads.view(-1, run.length, heads.shape[-1])
