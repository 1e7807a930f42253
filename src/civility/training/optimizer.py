"""AdamW, and the clipping of gradients."""

from collections.abc import Iterable

import torch


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
