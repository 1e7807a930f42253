"""AdamW, Adafactor and schedule-free AdamW; what checkpoints keep of an optimizer; gradient clipping.

Muon is in `civility.engine.muon`, weight decay groups in `civility.engine.parameter_groups`. The learning rate of a new
optimizer is 0 until the loop sets it from the schedule.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from civility.engine.parameter_groups import DecayOn, Group, parameter_groups

_COUNTERS = ("k", "weight_sum", "lr_max")
"""What schedule-free AdamW counts for each group: the weights of its mean."""

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
    """Build AdamW over all trainable parameters.

    Parameters
    ----------
    model : of transformers; only its trainable parameters are optimized
    weight_decay, decay_on, layer_decay : as of `parameter_groups`
    betas, epsilon : as of torch's AdamW

    Raises
    ------
    TypeError : a parameter is not float32
    UserError : ``layer_decay`` is not 1, and the layers of the model are not known
    """
    groups = parameter_groups(model, weight_decay=weight_decay, decay_on=decay_on, layer_decay=layer_decay)
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=epsilon, fused=True)


def build_adafactor(groups: Sequence[Group], *, beta2_decay: float, clip: float) -> torch.optim.Adafactor:
    """Build Adafactor, which keeps the means of the rows and columns of a matrix's squared gradients.

    Shazeer & Stern 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", algorithms 4 and 5. Its
    learning rate is relative to each parameter's root mean square, at least 1e-3: 1e-3 to 1e-2 are usual.

    Parameters
    ----------
    groups : of parameters
    beta2_decay : exponent of the step in the decay of squared gradients, below 0
    clip : largest root mean square of an update, at least 1
    """
    # torch squares its first epsilon, by default 1e-7, and keeps means of squares above it: far above those of
    # clipped gradients. The square of this one is the 1e-30 of the paper.
    epsilons = (_SMALLEST, 1e-3)
    return torch.optim.Adafactor(list(groups), lr=0.0, beta2_decay=beta2_decay, eps=epsilons, d=clip)


def build_schedule_free(
    groups: Sequence[Group], *, betas: tuple[float, float], epsilon: float
) -> torch.optim.Optimizer:
    """Build schedule-free AdamW, which averages its weights instead of decaying its learning rate.

    Defazio et al. 2024, "The Road Less Scheduled", algorithm 1, in the authors' code. Three sequences: z takes the
    steps, x is their weighted mean, and gradients are taken at y, between the two. A step counts in the mean by the
    square of the highest learning rate so far, so those of a warm-up count less. The model holds y; a validation swaps
    in x (`civility.engine.weight_averaging`), so the optimizer's ``eval`` mode is never used.

    Parameters
    ----------
    groups : of parameters
    betas : where y stands between z and x, above 0; decay of the mean of squared gradients
    epsilon : added to the root of that mean
    """
    from schedulefree import AdamWScheduleFree

    optimizer: torch.optim.Optimizer = AdamWScheduleFree(list(groups), lr=0.0, betas=betas, eps=epsilon)
    optimizer.train()  # type: ignore[attr-defined]
    return optimizer


@torch.no_grad()
def averaged_weights(model: Any, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return x of schedule-free AdamW, by name in the model's state dictionary; empty before the first step.

    ``y = (1 - beta) z + beta x``, so ``x = y + (1 - 1 / beta) (z - y)``, as in the authors' ``eval``.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: torch.lerp(parameter.detach(), optimizer.state[parameter]["z"], 1 - 1 / group["betas"][0])
        for group in optimizer.param_groups
        for parameter in group["params"]
        if "z" in optimizer.state.get(parameter, {})
    }


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Return the bytes of an optimizer's state after its first step, without step counters."""
    return sum(_FLOAT * _num_kept(group, one) for group in optimizer.param_groups for one in group["params"])


def _num_kept(group: Mapping[str, Any], parameter: torch.Tensor) -> int:
    """Return how many numbers an optimizer keeps for a parameter."""
    if "ns_steps" in group:  # Muon
        return parameter.numel()
    if "beta2_decay" in group:  # Adafactor
        num_rows = parameter.numel() // parameter.shape[-1]
        return num_rows + parameter.numel() // parameter.shape[-2] if parameter.ndim > 1 else parameter.numel()
    return 2 * parameter.numel()


def counters(optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
    """Return what an optimizer counts for each group, ready for JSON; empty if it counts nothing."""
    found = [{name: group[name] for name in _COUNTERS if name in group} for group in optimizer.param_groups]
    return found if any(found) else []


def restore_counters(optimizer: torch.optim.Optimizer, found: Sequence[Mapping[str, float]]) -> None:
    """Restore what `counters` returned."""
    for group, one in zip(optimizer.param_groups, found, strict=bool(found)):
        group.update(one)


def clip_gradients(parameters: Iterable[torch.nn.Parameter], max_norm: float) -> float:
    """Scale the gradients down to a global L2 norm of ``max_norm``, in place, and return the norm before.

    As ``torch.nn.utils.clip_grad_norm_``, which multiplies all gradients by 1 if there is nothing to clip.
    """
    with_gradient = [parameter for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm([p.grad for p in with_gradient if p.grad is not None])
    found = norm.item()
    if not found + 1e-6 <= max_norm:  # torch's factor is 1 there; a norm that is not finite is handled as torch does
        torch.nn.utils.clip_grads_with_norm_(with_gradient, max_norm, norm)
    return found
