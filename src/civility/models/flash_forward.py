"""DeBERTa's attention in the fused Triton kernels of ``disentangled-flash``, for NVIDIA GPUs. An optional extra.

Its kernels take packed texts, so all but the attention is as in `civility.models.packed_forward`.
"""

import functools
from typing import Any

import torch

from civility.models.packed_forward import PackedForward


class FlashForward(PackedForward):
    """Callable: a batch to its logits, (B, L).

    Making one puts the package's attention in place of transformers', with parameters of the same names and values:
    before an optimiser takes hold of them.

    Parameters
    ----------
    model : a DeBERTa-v2 or -v3 sequence classifier of transformers, on its device
    checkpointing : compute the layers again in the backward pass instead of keeping what they computed
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
        for name, parameter in model.named_parameters():  # the new ones among them would all be trained
            parameter.requires_grad_(name not in frozen)

    def undo(self) -> None:
        """Put transformers' modules back, with the weights that they had."""
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
    """Let an attention drop what the one before it did: it is made from the configuration, not from that one."""
    for name in ("dropout", "pos_dropout"):
        if hasattr(attention, name) and hasattr(former, name):
            getattr(attention, name).p = getattr(former, name).p
    if hasattr(attention, "attention_probability_dropout"):  # what its kernels read
        attention.attention_probability_dropout = former.dropout.p


@functools.lru_cache(maxsize=2)  # the same for all layers of a pass
def _boundaries(lengths: tuple[int, ...], device: torch.device) -> tuple[torch.Tensor, Any]:
    """Return where texts begin and end, (B + 1,) int32, and the same for the host."""
    from disentangled_flash import PackedSequenceInfo

    # First asked for while scoring, perhaps: a tensor of inference mode could not be kept for a backward pass later.
    with torch.inference_mode(False):
        boundaries = torch.tensor((0, *lengths), dtype=torch.int32).cumsum(0, dtype=torch.int32)
        info = PackedSequenceInfo(tuple(boundaries.tolist()), lengths, max(lengths))
        return boundaries.to(device), info
