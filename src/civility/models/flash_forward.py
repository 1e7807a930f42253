"""DeBERTa's attention in the fused Triton kernels of ``disentangled-flash``, an optional extra for NVIDIA GPUs.

The kernels take packed texts, so everything except attention is as in `civility.models.packed_forward`.
"""

import functools
from typing import Any

import torch

from civility.models.packed_forward import PackedForward


class FlashForward(PackedForward):
    """Computes the logits of a batch with fused attention.

    The constructor replaces transformers' attention by that of the package, with parameters of the same names and
    values: call it before the optimizer is built.

    Parameters
    ----------
    model : a DeBERTa-v2 or -v3 sequence classifier of transformers, on its device
    checkpointing : compute the layers again in the backward pass instead of keeping their activations
    backend : "triton", or "torch", which is slower and runs anywhere

    Raises
    ------
    ImportError : the package is not installed
    ValueError : it has no kernel for this model or device
    """

    name = "flash"

    def __init__(self, model: Any, *, checkpointing: bool = False, backend: str = "triton") -> None:
        from disentangled_flash import DebertaV2OptimizedEncoder, optimize_deberta_training

        super().__init__(model, checkpointing=checkpointing)
        self._encoder = self._body.encoder
        self._attentions = [layer.attention.self for layer in self._encoder.layer]
        frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
        try:
            optimize_deberta_training(self._body, backend=backend)
            if not isinstance(self._body.encoder, DebertaV2OptimizedEncoder):
                raise ValueError("it has no kernel for this model on this device")
        except Exception:
            self.undo()
            raise
        for layer, former in zip(self._body.encoder.layer, self._attentions, strict=True):
            _keep_dropout(layer.attention.self, former)
        for name, parameter in model.named_parameters():  # the new parameters would all be trained
            parameter.requires_grad_(name not in frozen)

    def undo(self) -> None:
        """Restore the modules of transformers, with their weights."""
        self._body.encoder = self._encoder
        for layer, attention in zip(self._encoder.layer, self._attentions, strict=True):
            layer.attention.self = attention

    def _attend(
        self,
        attention: Any,
        hidden: torch.Tensor,
        lengths: tuple[int, ...],
        relative: torch.Tensor | None,
        first: torch.Tensor | None,
    ) -> torch.Tensor:
        boundaries, info = _boundaries(lengths, hidden.device)
        context: torch.Tensor = attention.forward_packed(
            hidden, boundaries, info.max_seqlen, rel_embeddings=relative, packed_info=info
        )[0]
        return context if first is None else context[first]


def _keep_dropout(attention: Any, former: Any) -> None:
    """Give a new attention the dropout of the old one, since it is made from the configuration alone."""
    for name in ("dropout", "pos_dropout"):
        if hasattr(attention, name) and hasattr(former, name):
            getattr(attention, name).p = getattr(former, name).p
    if hasattr(attention, "attention_probability_dropout"):  # the kernels read this one
        attention.attention_probability_dropout = former.dropout.p


@functools.lru_cache(maxsize=2)  # the same for all layers of a pass
def _boundaries(lengths: tuple[int, ...], device: torch.device) -> tuple[torch.Tensor, Any]:
    """Return where texts begin and end, (B + 1,) int32, and the same on the host."""
    from disentangled_flash import PackedSequenceInfo

    # The first call may be in inference mode, whose tensors cannot be kept for a later backward pass.
    with torch.inference_mode(False):
        boundaries = torch.tensor((0, *lengths), dtype=torch.int32).cumsum(0, dtype=torch.int32)
        info = PackedSequenceInfo(tuple(boundaries.tolist()), lengths, max(lengths))
        return boundaries.to(device), info
