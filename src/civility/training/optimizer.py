"""AdamW, and the clipping of gradients."""

from collections.abc import Iterable

import torch

from civility.training.groups import DecayOn, parameter_groups


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
