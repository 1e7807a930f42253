"""AdamW and Adafactor, what checkpoints keep of an optimiser, and the clipping of gradients.

Muon and schedule-free AdamW have modules of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from civility.engine.parameter_groups import DecayOn, Group, parameter_groups

_COUNTERS = ("k", "weight_sum", "lr_max")
"""What an optimiser counts by group: schedule-free AdamW, the weights of its mean."""

_FLOAT = 4
_SMALLEST = 1e-15


def build_adamw(
    model: torch.nn.Module,
    *,
    weight_decay: float,
    betas: tuple[float, float],
    epsilon: float,
    decay_on: DecayOn = "all",
    layer_decay: float = 1.0,
) -> torch.optim.AdamW:
    """Build AdamW over all trainable parameters, in the groups of `parameter_groups`.

    The learning rate is 0 until the loop sets it: only the schedule knows it.

    Raises
    ------
    TypeError : a parameter is not float32
    UserError : the layers of the model are not known, and each shall learn at a rate of its own
    """
    groups = parameter_groups(model, weight_decay=weight_decay, decay_on=decay_on, layer_decay=layer_decay)
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=epsilon, fused=True)


def build_adafactor(groups: Sequence[Group], *, beta2_decay: float, clip: float) -> torch.optim.Adafactor:
    """Build Adafactor, which keeps of the squared gradients of a matrix the means of its rows and columns.

    Shazeer & Stern 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", algorithms 4 and 5. Its
    learning rate is a share of each parameter's root mean square, at least of 1e-3: 1e-3 to 1e-2 are usual.

    Parameters
    ----------
    groups : of parameters
    beta2_decay : exponent of the step in the decay of squared gradients, below 0
    clip : root mean square of an update at most, at least 1
    """
    # torch squares its first epsilon, by default 1e-7, and keeps means of squares above it: far above those of
    # gradients that are clipped. Squared, this one is the 1e-30 of the paper.
    epsilons = (_SMALLEST, 1e-3)
    return torch.optim.Adafactor(list(groups), lr=0.0, beta2_decay=beta2_decay, eps=epsilons, d=clip)


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Return the bytes of state that an optimiser of ours has after its first step, but for counters of steps."""
    return sum(_FLOAT * _num_kept(group, one) for group in optimizer.param_groups for one in group["params"])


def _num_kept(group: Mapping[str, Any], parameter: torch.Tensor) -> int:
    """Return how many numbers an optimiser keeps of a parameter."""
    if "ns_steps" in group:  # Muon
        return parameter.numel()
    if "beta2_decay" in group:  # Adafactor
        of_rows = parameter.numel() // parameter.shape[-1]
        return of_rows + parameter.numel() // parameter.shape[-2] if parameter.ndim > 1 else parameter.numel()
    return 2 * parameter.numel()


def counters(optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
    """Return what an optimiser counts by group, as JSON; empty where it counts nothing."""
    found = [{name: group[name] for name in _COUNTERS if name in group} for group in optimizer.param_groups]
    return found if any(found) else []


def restore_counters(optimizer: torch.optim.Optimizer, found: Sequence[Mapping[str, float]]) -> None:
    """Put back what `counters` returned."""
    for group, one in zip(optimizer.param_groups, found, strict=bool(found)):
        group.update(one)


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
