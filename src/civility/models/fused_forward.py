"""The packed forward pass on a CPU, with the element-wise work between its matrix products in compiled kernels.

What a layer computes is that of `PackedForward`, in the same order. The stream between the layers is float32; what a
matrix product reads is also kept in the precision of the products, so nothing is cast twice. Query, key and value are
one product. Biases are added by the kernel that reads the product.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from civility.kernels.compile import load_kernels
from civility.kernels.operations import Run, attend, gelu, norm
from civility.models.attention import runs_of
from civility.models.packed_forward import PackedForward, distances_of, share_of

Hidden = tuple[torch.Tensor, torch.Tensor]
"""Hidden states in float32 and in the precision of the products, (S, hidden) each."""


def why_not_fused(model: Any) -> str:
    """Return why the layers of a model, which can have a packed pass, cannot use the kernels; empty if they can."""
    if model.config.hidden_act != "gelu":
        return f"the kernels do not know the activation {model.config.hidden_act}"
    for layer in model.base_model.encoder.layer:
        for part in (layer.attention.output, layer.output):
            if type(part.LayerNorm) is not nn.LayerNorm or part.LayerNorm.bias is None:
                return f"the kernels do not know a {type(part.LayerNorm).__name__} without shift"
    return ""


class FusedForward(PackedForward):
    """Computes the logits of a batch without padding, on a CPU, in float32 or under bfloat16 autocast.

    Parameters
    ----------
    model : a sequence classifier of transformers, for which `why_not_fused` has no reason
    checkpointing : compute the layers again in the backward pass instead of keeping their activations
    cache : folder that keeps the compiled kernels; None to compile them for this process

    Raises
    ------
    civility.kernels.compile.Unavailable : the kernels cannot be compiled here
    """

    name = "fused"

    def __init__(self, model: Any, *, checkpointing: bool = False, cache: Path | None = None) -> None:
        super().__init__(model, checkpointing=checkpointing)
        self._kernels = load_kernels(cache)

    def _layer(
        self,
        layer: Any,
        hidden: Any,
        lengths: tuple[int, ...],
        relative: torch.Tensor | None,
        first: torch.Tensor | None,
    ) -> Any:
        """Return the output of a layer, `Hidden`; with ``first``, (B,), only of these tokens and only in float32."""
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        stream, low = hidden if isinstance(hidden, tuple) else (hidden.float(), hidden.to(dtype))
        after_attention, intermediate, after_inner = layer.attention.output, layer.intermediate.dense, layer.output
        if first is None:
            context = self._attend_all(layer.attention.self, low, lengths, relative)
        else:
            context, stream = self._attend(layer.attention.self, low, lengths, relative, first), stream[first]
        with torch.autocast("cpu", enabled=False):
            attended, low = self._norm(after_attention, context, stream)
            inner = gelu(self._kernels, _product(intermediate, low), intermediate.bias)
            output = self._norm(after_inner, inner, attended)
        return output if first is None else output[0]

    def _norm(self, part: Any, inner: torch.Tensor, residual: torch.Tensor) -> Hidden:
        product = _product(part.dense, inner)
        return norm(self._kernels, product, part.dense.bias, residual, part.LayerNorm, share_of(part.dropout))

    def _attend_all(
        self, attention: Any, low: torch.Tensor, lengths: tuple[int, ...], relative: torch.Tensor | None
    ) -> torch.Tensor:
        """Return the output of attention, (S, hidden)."""
        positions, scale = distances_of(attention, relative, max(lengths))
        projections = [getattr(attention, name) for name in self._family.projections]
        with torch.autocast("cpu", enabled=False):
            product = functional.linear(low, torch.cat([one.weight for one in projections]).to(low.dtype))
            return attend(
                self._kernels,
                product,
                torch.cat([one.bias for one in projections]),
                positions,
                [Run(*run) for run in runs_of(lengths, attention.num_attention_heads)],
                attention.num_attention_heads,
                scale,
                share_of(attention.dropout),
            )


def _product(linear: nn.Linear, inner: torch.Tensor) -> torch.Tensor:
    """Return the product with a linear layer's weights, without its bias."""
    return functional.linear(inner, linear.weight.to(inner.dtype))
