"""Drawing the top layers of a pretrained model anew: they know most of what it was pretrained for.

Zhang, Wu, Katiyar, Weinberger & Artzi 2021, "Revisiting Few-sample BERT Fine-tuning", section 4.
"""

import hashlib
from typing import Any

import torch
from torch import nn

from civility.errors import UserError
from civility.models.model_parts import layers_of, pooler_of


def redraw_layers(model: Any, num_layers: int, seed: int) -> None:
    """Draw the top layers and the pooler anew, as the model's own initialisation does.

    Linear layers from a normal distribution with the deviation ``initializer_range`` of the configuration, their
    biases 0, norms 1 and 0. A function of the seed alone; torch's own random numbers are left alone.

    Parameters
    ----------
    model : a sequence classifier of transformers
    num_layers : at the top; the embeddings stay
    seed : of the run

    Raises
    ------
    UserError : the model has not so many layers, they are not where encoders have them, or hold other parts
    """
    if not num_layers:
        return
    layers = layers_of(model, "regularization.reinit_layers", num_layers)
    if num_layers > len(layers):
        raise UserError(
            "models.todo",
            f"regularization.reinit_layers = {num_layers}: the model has {len(layers)} layers",
            remedy=f"--set regularization.reinit_layers={len(layers)} keeps the embeddings alone",
        )
    folded = hashlib.blake2b(f"layers/{seed}".encode(), digest_size=8).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(folded, "little") >> 1)
    deviation = float(getattr(model.config, "initializer_range", 0.02))
    pooler = pooler_of(model)
    for part in [*layers[len(layers) - num_layers :], *([] if pooler is None else [pooler])]:
        for module in part.modules():
            _redraw(module, deviation, generator)


@torch.no_grad()
def _redraw(module: nn.Module, deviation: float, generator: torch.Generator) -> None:
    own = dict(module.named_parameters(recurse=False))
    if isinstance(module, nn.Linear):
        module.weight.normal_(0.0, deviation, generator=generator)
        if module.bias is not None:
            module.bias.zero_()
    elif "LayerNorm" in type(module).__name__:
        for name, parameter in own.items():
            parameter.fill_(1.0 if name == "weight" else 0.0)
    elif own:
        raise UserError(
            "models.todo",
            f"regularization.reinit_layers: how a {type(module).__name__} is drawn is not known",
            remedy="set it to 0, or choose a BERT, RoBERTa or DeBERTa",
        )
