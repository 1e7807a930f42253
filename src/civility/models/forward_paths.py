"""Which way a batch takes through a model: transformers' own, or a faster one that has shown that it agrees with it.

Knows models and batches; no recipe, no training loop.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch

from civility.models.batches import Batch
from civility.models.flash_forward import FlashForward
from civility.models.packed_forward import PackedForward, why_not_packed

Attention = Literal["auto", "eager", "packed"]
Autocast = Callable[[], contextlib.AbstractContextManager[Any]]

_TOLERANCE = 1e-3
"""Relative difference that rounding may make in float32, of logits and of gradients; seen: below 1e-5."""
_SMALL = 1e-3
"""Share of the whole gradient's norm below which a parameter's own is rounding: that of BERT's key biases is zero."""


_READS_THE_LAST_TOKEN = ("xlnet",)
"""Whose head reads the last token of the batch, which has to be one of the text."""


class Forward(Protocol):
    """Callable: a batch to its logits, (B, L), with gradients where they are enabled."""

    name: str

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return the logits of a batch on the model's device, (B, L)."""
        ...

    def num_computed(self, batch: Batch) -> int:
        """Return the tokens that a pass computes, padding counted in."""
        ...

    def undo(self) -> None:
        """Leave the model as it was before this way was made; before it is trained."""
        ...


class EagerForward:
    """The pass of transformers itself, over a batch that is padded to its longest text.

    Parameters
    ----------
    model : a sequence classifier of transformers
    checkpointing : compute the layers again in the backward pass instead of keeping what they computed
    """

    name = "eager"

    def __init__(self, model: Any, *, checkpointing: bool = False) -> None:
        self._model = model
        if checkpointing:
            # Its name until transformers 5.2x, which warns of it.
            old, new = "gradient_checkpointing_enable", "activation_checkpointing_enable"
            getattr(model, new if hasattr(model, new) else old)({"use_reentrant": False})

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return the logits of a batch, (B, L)."""
        ids, mask = batch.padded(left=self._model.config.model_type in _READS_THE_LAST_TOKEN)
        logits: torch.Tensor = self._model(input_ids=ids, attention_mask=mask).logits
        return logits

    def num_computed(self, batch: Batch) -> int:
        """Return the tokens that a pass computes, padding counted in."""
        return len(batch) * max(batch.lengths)

    def undo(self) -> None:
        """Leave the model as it is: nothing of it was changed."""


@dataclass(frozen=True, eq=False)
class ForwardChoice:
    """A way through the model, and why it is not a faster one; nothing if it is the fastest there is."""

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
) -> ForwardChoice:
    """Return the fastest way through a model that agrees with transformers' own on this model's weights.

    Called after the model has moved to its device and before an optimiser takes hold of its parameters: a way may put
    modules of its own in the place of others, with parameters of the same names.

    Parameters
    ----------
    model : a sequence classifier of transformers
    wanted : "auto", what is fastest on the device; "eager", transformers' own; "packed", ours on any device
    sample : a few texts to try it with
    checkpointing : compute layers again in the backward pass
    gradients : whether they have to agree too, or just the logits
    autocast : makes the context in which training computes, which the way has to survive too
    """
    eager = EagerForward(model, checkpointing=checkpointing)
    if wanted == "eager":
        return ForwardChoice(eager)
    reason = why_not_packed(model)
    if reason:
        return ForwardChoice(eager, reason)
    way: type[PackedForward] = PackedForward
    if wanted == "auto" and sample.ids.device.type != "cpu":
        if model.config.model_type != "deberta-v2":
            return ForwardChoice(eager, f"transformers' own ({model.config._attn_implementation}) is meant for GPUs")
        way = FlashForward
    before = _Outcome.of(model, eager, sample, gradients=gradients)
    try:
        forward = way(model, checkpointing=checkpointing)
    except ImportError:
        return ForwardChoice(eager, "disentangled-flash is not installed: pip install 'civility[flash]'")
    except Exception as error:  # young code of others, on whatever GPU: it may fail in any way
        return ForwardChoice(eager, f"disentangled-flash: {error}")
    reason = _difference(before, model, forward, sample, gradients=gradients)
    if gradients and not reason:
        reason = _failure(model, forward, sample, autocast)
    if reason:
        forward.undo()
        return ForwardChoice(eager, reason)
    return ForwardChoice(forward)


def _failure(model: Any, forward: Forward, sample: Batch, autocast: Autocast) -> str:
    """Return how a way fails as training will use it, with dropout and in its precision; nothing if it does not.

    Kernels that are compiled for each type, and for dropout, would fail at the first step otherwise.
    """
    device = sample.ids.device
    with _undisturbed(model), torch.random.fork_rng([device] if device.type == "cuda" else []):
        model.train()
        try:
            with autocast():
                logits = forward(sample).float()
            logits.sum().backward()  # type: ignore[no-untyped-call]
        except Exception as error:  # whatever it is, transformers' own way is still there
            return f"the self-test failed: {type(error).__name__}: {error}"
        return "" if bool(logits.isfinite().all()) else "the self-test failed: logits are not finite"


@dataclass(frozen=True, eq=False)
class _Outcome:
    """The logits of a sample and the gradient of their sum for each parameter, by name."""

    logits: torch.Tensor
    gradients: dict[str, torch.Tensor]

    @classmethod
    def of(cls, model: Any, forward: Forward, sample: Batch, *, gradients: bool) -> "_Outcome":
        with _undisturbed(model), torch.set_grad_enabled(gradients):
            logits = forward(sample).float()
            if not gradients:
                return cls(logits, {})
            logits.sum().backward()  # type: ignore[no-untyped-call]
            found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
            return cls(logits.detach(), found)


@contextlib.contextmanager
def _undisturbed(model: Any) -> Iterator[None]:
    """Put the model in evaluation mode while the block runs, and leave no gradient behind."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
        model.zero_grad(set_to_none=True)


def _difference(before: _Outcome, model: Any, forward: Forward, sample: Batch, *, gradients: bool) -> str:
    try:
        after = _Outcome.of(model, forward, sample, gradients=gradients)
    except Exception as error:  # whatever it is, transformers' own way is still there
        return f"the self-test failed: {type(error).__name__}: {error}"
    off = _relative(after.logits, before.logits, before.logits.norm().item())
    if not off <= _TOLERANCE:
        return f"the self-test failed: logits differ by {off:.1e} from transformers' own"
    if set(after.gradients) != set(before.gradients):
        return "the self-test failed: it gives other parameters gradients than transformers' own"
    whole = sum(float(gradient.norm()) ** 2 for gradient in before.gradients.values()) ** 0.5
    for name, expected in before.gradients.items():
        off = _relative(after.gradients[name], expected, max(expected.norm().item(), _SMALL * whole))
        if not off <= _TOLERANCE:
            return f"the self-test failed: the gradient of {name} differs by {off:.1e} from transformers' own"
    return ""


def _relative(found: torch.Tensor, expected: torch.Tensor, scale: float) -> float:
    return float((found - expected).norm()) / max(scale, 1e-12)
