"""The compiled kernels against the operations of torch that they replace, in both types, with gradients."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.nn import functional

from civility.kernels.compile import Unavailable, load_kernels
from civility.kernels.operations import Run, attend, gelu, norm

EXACT, LOW = 2e-6, 1.2e-2
"""Relative differences: float32; bfloat16, which has three digits."""
TYPES = pytest.mark.parametrize(
    ("dtype", "limit"), [(torch.float32, EXACT), (torch.bfloat16, LOW)], ids=["float", "half"]
)
RUNS = (Run(0, 3, 7), Run(21, 1, 5), Run(26, 2, 1))
TOKENS, HEADS, SIZE = 28, 3, 5


@pytest.fixture(scope="module")
def kernels() -> Any:
    """Compiled for this module, since the cache of the user is none of its business."""
    try:
        return load_kernels(None)
    except Unavailable as error:
        pytest.skip(f"no kernels here: {error}")


def _random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype).requires_grad_()


def _off(found: torch.Tensor, expected: torch.Tensor) -> float:
    found, expected = found.detach().double(), expected.detach().double()
    return float((found - expected).norm() / expected.norm())


def _gradients(outputs: Sequence[torch.Tensor], inputs: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    weighed = [output.float() * torch.arange(output.numel()).view_as(output).sin() for output in outputs]
    return torch.autograd.grad(sum(one.sum() for one in weighed), inputs)  # type: ignore[arg-type]


@TYPES
@pytest.mark.parametrize("width", [1, 7, 64, 385])
@pytest.mark.parametrize("threads", [1, 2])
def test_norm_is_the_sum_and_the_layer_norm(
    kernels: Any, dtype: torch.dtype, limit: float, width: int, threads: int
) -> None:
    product, bias, residual = _random(9, width, dtype=dtype), _random(width, seed=1), _random(9, width, seed=2)
    layer = torch.nn.LayerNorm(width, eps=1e-7)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        out, low = norm(kernels, product, bias, residual, layer, 0.0)
        inputs = (product, bias, residual, *layer.parameters())
        found = _gradients((out, low), inputs)
    finally:
        torch.set_num_threads(before)
    plain = layer(product.float() + bias + residual)
    expected = _gradients((plain, plain), inputs)
    assert (out.dtype, low.dtype) == (torch.float32, dtype)
    assert _off(out, plain) < 5e-6  # the stream is float32, whatever the products are
    for one, other in zip(found, expected, strict=True):
        if width > 1:  # of a single number, the norm is constant
            assert _off(one, other) < limit


@TYPES
def test_gelu_is_that_of_torch(kernels: Any, dtype: torch.dtype, limit: float) -> None:
    product, bias = _random(9, 33, dtype=dtype), _random(33, seed=1)
    with torch.no_grad():
        product[0] = torch.linspace(-40, 40, 33).to(dtype)
    found, plain = gelu(kernels, product, bias), functional.gelu(product.float() + bias)
    assert found.isfinite().all()
    assert _off(found, plain) < limit
    for one, other in zip(_gradients([found], (product, bias)), _gradients([plain], (product, bias)), strict=True):
        assert _off(one, other) < limit


def _plain_attention(product: torch.Tensor, bias: torch.Tensor, positions: Any, scale: float) -> torch.Tensor:
    """Attention written out: text by text, head by head, one distance for each pair."""
    heads = (product.float() + bias).view(TOKENS, 3, HEADS, SIZE)
    outputs = []
    for run in RUNS:
        for text in range(run.num):
            start = run.start + text * run.length
            query, key, value = heads[start : start + run.length].permute(1, 2, 0, 3)
            scores = query @ key.mT
            place = torch.arange(run.length)
            distances = place[None] - place[:, None] + 6  # j - i, from -6 on: the longest text has 7 tokens
            position_key, position_query = positions
            if position_key is not None:
                scores = scores + (query[:, :, None] * position_key.float()[:, distances]).sum(-1)
            if position_query is not None:
                scores = scores + (key[:, None] * position_query.float()[:, distances]).sum(-1)
            outputs.append((torch.softmax(scores * scale, -1) @ value).transpose(0, 1).flatten(1))
    return torch.cat(outputs)


@TYPES
@pytest.mark.parametrize("which", ["no distances", "by query", "by key", "both"])
def test_attention_is_attention(kernels: Any, dtype: torch.dtype, limit: float, which: str) -> None:
    product, bias = _random(TOKENS, 3 * HEADS * SIZE, dtype=dtype), _random(3 * HEADS * SIZE, seed=1)
    by_query = _random(HEADS, 13, SIZE, seed=2, dtype=dtype) if which in ("by query", "both") else None
    by_key = _random(HEADS, 13, SIZE, seed=3, dtype=dtype) if which in ("by key", "both") else None
    scale = 1 / math.sqrt(2 * SIZE)
    found = attend(kernels, product, bias, (by_query, by_key), RUNS, HEADS, scale, 0.0)
    plain = _plain_attention(product, bias, (by_query, by_key), scale)
    assert _off(found, plain) < limit
    inputs = [one for one in (product, bias, by_query, by_key) if one is not None]
    for one, other in zip(_gradients([found], inputs), _gradients([plain], inputs), strict=True):
        assert _off(one, other) < 2 * limit
    assert _off(found, _plain_attention(product, bias, (by_query, by_key), 2 * scale)) > 2 * LOW, "the control"


@TYPES
def test_dropout_drops_its_share_and_the_backward_pass_drops_the_same(
    kernels: Any, dtype: torch.dtype, limit: float
) -> None:
    share, rows, width = 0.3, 200, 500
    layer = torch.nn.LayerNorm(width)
    product = torch.ones(rows, width, dtype=dtype, requires_grad=True)
    residual = torch.arange(float(width)).repeat(rows, 1)
    torch.manual_seed(0)
    out, _ = norm(kernels, product, torch.zeros(width), residual, layer, share)
    # Undo the norm: mean and deviation of a row are those of what was added.
    (gradient,) = torch.autograd.grad((out * torch.randn(rows, width)).sum(), product)
    kept = gradient != 0
    assert float(kept.float().mean()) == pytest.approx(1 - share, abs=0.005)
    assert kept.float().mean(0).std() < 0.05, "columns are alike"
    assert kept.float().mean(1).std() < 0.05, "rows are alike"
    expected = functional.layer_norm(kept * torch.tensor(1 / (1 - share)).to(dtype).float() + residual, (width,))
    assert _off(out, expected) < 1e-5
    assert not torch.equal(kept, kept.roll(1, 0)), "the control: rows differ"


def test_dropout_is_a_function_of_torchs_seed(kernels: Any) -> None:
    product, bias = _random(TOKENS, 3 * HEADS * SIZE), torch.zeros(3 * HEADS * SIZE)

    def outputs(seeds: Sequence[int]) -> Iterator[torch.Tensor]:
        for seed in seeds:
            torch.manual_seed(seed)
            yield attend(kernels, product, bias, (None, None), RUNS, HEADS, 1.0, 0.5).detach()

    same, again, other = outputs((1, 1, 2))
    assert torch.equal(same, again)
    assert not torch.equal(same, other)


def test_dropped_attention_is_not_used_in_either_pass(kernels: Any) -> None:
    tokens, run = 40, (Run(0, 1, 40),)
    product = torch.zeros(tokens, 3 * 40)
    product[:, 80:] = torch.eye(40)  # the values: each output is a row of probabilities
    product.requires_grad_()
    torch.manual_seed(0)
    found = attend(kernels, product, torch.zeros(120), (None, None), run, 1, 1.0, 0.25)
    kept = found > 0
    assert float(kept.float().mean()) == pytest.approx(0.75, abs=0.04)
    assert torch.allclose(found[kept], torch.tensor(1 / 40 / 0.75))
    (gradient,) = torch.autograd.grad(found.sum(), product)
    # Each value's gradient is what all queries took of it.
    assert torch.allclose(gradient[:, 80:], found.sum(0)[:, None].expand(40, 40).detach(), atol=1e-6)


@TYPES
def test_nan_is_passed_on(kernels: Any, dtype: torch.dtype, limit: float) -> None:
    product = torch.ones(2, 8, dtype=dtype)
    product[1, 3] = torch.nan
    layer = torch.nn.LayerNorm(8)
    assert norm(kernels, product, torch.zeros(8), torch.ones(2, 8), layer, 0.0)[0].isnan().any(1).tolist() == [
        False,
        True,
    ]
    assert gelu(kernels, product, torch.zeros(8)).isnan().sum() == 1
    qkv = torch.ones(TOKENS, 3 * HEADS * SIZE, dtype=dtype)
    qkv[4, 0] = torch.nan
    found = attend(kernels, qkv, torch.zeros(3 * HEADS * SIZE), (None, None), RUNS, HEADS, 1.0, 0.0)
    assert found.isnan().any(1).sum() >= 1
    assert not found[7:].isnan().any(), "other texts are not touched"


def test_other_types_are_refused_and_not_read(kernels: Any) -> None:
    for dtype in (torch.float16, torch.float64):
        with pytest.raises(TypeError, match=f"no kernel for {dtype} on cpu"):
            gelu(kernels, torch.ones(2, 3, dtype=dtype), torch.zeros(3))


def test_runs_need_not_be_of_different_lengths() -> None:
    assert [run.tokens for run in RUNS] == [21, 5, 2]
    assert all(one.start + one.tokens == other.start for one, other in pairwise(RUNS))
