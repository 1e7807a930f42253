"""The forward pass of a model: transformers' own, or a faster one that agrees with it in a self-test."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch

from civility.models.batches import Batch
from civility.models.packed_forward import PackedForward, why_not_packed

Attention = Literal["auto", "eager", "packed"]
Autocast = Callable[[], contextlib.AbstractContextManager[Any]]
_Outcome = tuple[torch.Tensor, dict[str, torch.Tensor]]
"""The logits of a sample, and the gradient of their sum for each parameter, by name."""

_LOW_TOLERANCE = 0.1
"""The same in bfloat16; observed: below 2e-2, in the plain packed pass too."""
_TOLERANCE = 1e-3
"""Relative difference of logits and gradients that counts as rounding in float32; observed: below 1e-5."""
_SMALL = 1e-3
"""Share of the whole gradient's norm below which a parameter's gradient is rounding; BERT's key biases have none."""

_READS_THE_LAST_TOKEN = ("xlnet",)
"""Types of models whose head reads the last token of a row, so that padding has to be on the left."""


class Forward(Protocol):
    """Computes the logits of a batch, with gradients if they are enabled."""

    name: str

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return the logits of a batch on the model's device, (B, L)."""
        ...

    def num_computed(self, batch: Batch) -> int:
        """Return the number of tokens that a pass computes, padding included."""
        ...

    def undo(self) -> None:
        """Restore the model as it was before this forward pass was made; call it before training."""
        ...


class EagerForward:
    """The forward pass of transformers, over a batch padded to its longest text."""

    name = "eager"

    def __init__(self, model: Any, *, checkpointing: bool = False) -> None:
        self._model = model
        if checkpointing:
            # transformers renamed it, and warns about the old name.
            old, new = "gradient_checkpointing_enable", "activation_checkpointing_enable"
            getattr(model, new if hasattr(model, new) else old)({"use_reentrant": False})

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return the logits of a batch, (B, L)."""
        ids, mask = batch.padded(left=self._model.config.model_type in _READS_THE_LAST_TOKEN)
        logits: torch.Tensor = self._model(input_ids=ids, attention_mask=mask).logits
        return logits

    def num_computed(self, batch: Batch) -> int:
        """Return the number of tokens that a pass computes, padding included."""
        return len(batch) * max(batch.lengths)

    def undo(self) -> None:
        """Do nothing: the model was not changed."""


@dataclass(frozen=True, eq=False)
class ForwardChoice:
    """A forward pass, and why it is not a faster one; empty if it is the fastest."""

    forward: Forward
    reason: str = ""


def choose_forward(
    model: Any,
    wanted: Attention,
    sample: Batch,
    *,
    checkpointing: bool = False,
    gradients: bool = True,
    autocast: Autocast = contextlib.nullcontext,
    cache: Path | None = None,
) -> ForwardChoice:
    """Return the fastest forward pass that agrees with transformers' own on this model's weights.

    Call it after the model has moved to its device and before the optimizer is built: a forward pass may replace
    modules by its own, with parameters of the same names.

    Parameters
    ----------
    model : a sequence classifier of transformers
    wanted : "auto", the fastest on the device; "eager", transformers' own; "packed", ours on any device
    sample : a few texts for the self-test
    checkpointing : compute layers again in the backward pass instead of keeping their activations
    gradients : whether gradients have to agree too, or only the logits
    autocast : makes the context of training, in which the forward pass has to work too
    cache : folder that keeps compiled kernels
    """
    eager = EagerForward(model, checkpointing=checkpointing)
    if wanted == "eager":
        return ForwardChoice(eager)
    reason = why_not_packed(model)
    if reason:
        return ForwardChoice(eager, reason)
    kind: type[PackedForward] = PackedForward
    if wanted == "auto" and sample.ids.device.type != "cpu":
        if model.config.model_type != "deberta-v2":
            return ForwardChoice(eager, "transformers' own attention is made for GPUs")
        kind = FlashForward
    before = _outcome(model, eager, sample, gradients=gradients)
    why_not_fused = ""
    if wanted == "auto" and kind is PackedForward and gradients:
        fused = _fused(before, model, sample, autocast, checkpointing=checkpointing, cache=cache)
        if not isinstance(fused, str):
            return ForwardChoice(fused)
        why_not_fused = fused
    try:
        forward = kind(model, checkpointing=checkpointing)
    except ImportError:
        return ForwardChoice(eager, "disentangled-flash is not installed: pip install 'civility[flash]'")
    except Exception as error:  # kernels of another package, on any GPU: they may fail in any way
        return ForwardChoice(eager, f"disentangled-flash: {error}")
    if reason := _self_test(before, model, forward, sample, autocast, gradients=gradients):
        forward.undo()
        return ForwardChoice(eager, reason)
    return ForwardChoice(forward, why_not_fused)


def _fused(
    before: _Outcome, model: Any, sample: Batch, autocast: Autocast, *, checkpointing: bool, cache: Path | None
) -> Forward | str:
    """Return the packed pass with compiled kernels, or why it cannot be used."""
    from civility.kernels.compile import Unavailable
    from civility.models.fused_forward import FusedForward, why_not_fused

    if reason := why_not_fused(model):
        return reason
    try:
        forward = FusedForward(model, checkpointing=checkpointing, cache=cache)
    except Unavailable as error:
        return str(error)
    if reason := _self_test(before, model, forward, sample, autocast, gradients=True):
        return reason
    low = _outcome(model, forward, sample, gradients=True, autocast=autocast)
    off = _difference(before, low, _LOW_TOLERANCE)
    return f"the self-test failed: in 16 bits, {off}" if off else forward


def _self_test(
    before: _Outcome, model: Any, forward: Forward, sample: Batch, autocast: Autocast, *, gradients: bool
) -> str:
    """Return how a forward pass fails or differs from transformers' own; empty if it does not."""
    try:
        found = _difference(before, _outcome(model, forward, sample, gradients=gradients))
        if gradients and not found:
            found = _failure(model, forward, sample, autocast)
    except Exception as error:  # transformers' own pass still works
        found = f"{type(error).__name__}: {error}"
    return f"the self-test failed: {found}" if found else ""


def _failure(model: Any, forward: Forward, sample: Batch, autocast: Autocast) -> str:
    """Return how a forward pass fails in training, with dropout and in its precision; empty if it does not.

    Kernels are compiled for each type, and for dropout: otherwise they would fail at the first step.
    """
    device = sample.ids.device
    with _undisturbed(model), torch.random.fork_rng([device] if device.type == "cuda" else []):
        model.train()
        with autocast():
            logits = forward(sample).float()
        logits.sum().backward()  # type: ignore[no-untyped-call]
        return "" if bool(logits.isfinite().all()) else "logits are not finite"


def _outcome(
    model: Any, forward: Forward, sample: Batch, *, gradients: bool, autocast: Autocast = contextlib.nullcontext
) -> _Outcome:
    with _undisturbed(model), torch.set_grad_enabled(gradients):
        with autocast():
            logits = forward(sample).float()
        if not gradients:
            return logits, {}
        logits.sum().backward()  # type: ignore[no-untyped-call]
        return logits.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@contextlib.contextmanager
def _undisturbed(model: Any) -> Iterator[None]:
    """Put the model in evaluation mode inside the block, and remove the gradients afterwards."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
        model.zero_grad(set_to_none=True)


def _difference(before: _Outcome, after: _Outcome, tolerance: float = _TOLERANCE) -> str:
    """Return how the outcome of a forward pass differs from that of transformers' own; empty if it agrees."""
    (logits, gradients), (new_logits, new_gradients) = before, after
    off = _relative(new_logits, logits, logits.norm().item())
    if not off <= tolerance:
        return f"logits differ by {off:.1e} from transformers' own"
    if set(new_gradients) != set(gradients):
        return "other parameters have gradients than with transformers' own"
    whole = sum(float(gradient.norm()) ** 2 for gradient in gradients.values()) ** 0.5
    for name, expected in gradients.items():
        off = _relative(new_gradients[name], expected, max(expected.norm().item(), _SMALL * whole))
        if not off <= tolerance:
            return f"the gradient of {name} differs by {off:.1e} from transformers' own"
    return ""


def _relative(found: torch.Tensor, expected: torch.Tensor, scale: float) -> float:
    return float((found - expected).norm()) / max(scale, 1e-12)


class FlashForward(PackedForward):
    """DeBERTa's attention in the fused Triton kernels of ``disentangled-flash``, an optional extra for NVIDIA GPUs.

    The kernels take packed texts, so everything else is as in `PackedForward`. The constructor replaces transformers'
    attention by that of the package, with parameters of the same names and values: call it before the optimizer is
    built. The backend "torch" is slower than "triton" and runs anywhere.

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
