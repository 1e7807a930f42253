"""AdamW and its schedule. The schedule is a function of the step, with no state to save or to drift."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class LinearSchedule:
    """Linear warm-up from 0 to the peak, then linear decay that reaches 0 at ``num_steps``.

    The factors are those of transformers' ``get_linear_schedule_with_warmup``: with a warm-up the very first
    step has learning rate 0. Ours is a function of our own step counter, since accelerate's prepared
    schedulers step once a *process* and only when gradients sync (huggingface/accelerate#963).

    Parameters
    ----------
    peak : highest learning rate
    num_warmup_steps : optimiser steps of warm-up; may be 0
    num_steps : optimiser steps in all planned epochs
    """

    peak: float
    num_warmup_steps: int
    num_steps: int

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of the optimiser step with this 0-based number."""
        if step < self.num_warmup_steps:
            return self.peak * (step / self.num_warmup_steps)
        remaining = max(0, self.num_steps - step)
        return self.peak * (remaining / max(1, self.num_steps - self.num_warmup_steps))


def linear_schedule(peak: float, warmup_fraction: float, num_steps: int) -> LinearSchedule:
    """Plan a schedule whose warm-up takes ``int(warmup_fraction * num_steps)`` optimiser steps."""
    return LinearSchedule(peak, int(warmup_fraction * num_steps), num_steps)


def build_adamw(
    model: torch.nn.Module,
    *,
    weight_decay: float,
    betas: tuple[float, float],
    epsilon: float,
) -> torch.optim.AdamW:
    """Build AdamW over all trainable parameters, with weight decay on every one of them.

    The learning rate is 0 until the loop sets it: only the schedule knows it.

    Raises
    ------
    TypeError : a parameter is not float32. Half-precision weights would lose small updates, and fp16 mixed
        precision cannot unscale their gradients (huggingface/sentence-transformers#3773)
    """
    parameters = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    for name, parameter in parameters:
        if parameter.dtype != torch.float32:
            raise TypeError(f"parameter {name} is {parameter.dtype}; training needs float32 weights")
    return torch.optim.AdamW(
        [p for _, p in parameters], lr=0.0, weight_decay=weight_decay, betas=betas, eps=epsilon, fused=True
    )


def clip_gradients(parameters: Iterable[torch.nn.Parameter], max_norm: float) -> float:
    """Scale the gradients down to a global L2 norm of ``max_norm``, in place, and return the norm before.

    As ``torch.nn.utils.clip_grad_norm_``, which multiplies all gradients by 1 when there is nothing to clip.
    """
    with_gradient = [parameter for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm([p.grad for p in with_gradient if p.grad is not None])
    found = norm.item()
    if not found + 1e-6 <= max_norm:  # where its factor is 1; one that is not finite goes on as it does there
        torch.nn.utils.clip_grads_with_norm_(with_gradient, max_norm, norm)
    return found
