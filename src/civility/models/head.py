"""The classification head: drawing a new one, putting its labels in another order, folding a calibration into it."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from civility.arrays import Floats
from civility.errors import UserError
from civility.models.batches import gather
from civility.models.tokenizer import tokenise

if TYPE_CHECKING:
    from civility.models.encoder import Encoder

_ANY_WORDS = "the a of and to in 0 1 2"
_FEW_TOKENS = 16
_DEFAULT_STD = 0.02
"""Standard deviation of a new head if the configuration has none, such as T5's."""


def draw_head(model: Any, seed: int) -> None:
    """Draw the linear layers outside the encoder as a function of the seed.

    Even if the checkpoint has a head: one for other labels and of the same size loads without an error.
    """
    generator = torch.Generator().manual_seed(seed)
    prefix, config = f"{model.base_model_prefix}.", model.config.get_text_config()
    std: float = getattr(config, "initializer_range", getattr(config, "init_std", _DEFAULT_STD))
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and not name.startswith(prefix):
            with torch.no_grad():
                module.weight.normal_(0.0, std, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()


def reorder_head(model: Any, found: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Reorder the rows of the output layer, so that the logits come in the order of ``wanted``.

    Parameters
    ----------
    model : a sequence classifier of transformers
    found, wanted : (L,) the same labels, in the order of its logits now and afterwards

    Raises
    ------
    UserError : no linear layer has L outputs
    """
    head = _output_layer(model, len(found))
    if head is None:
        raise UserError(
            "models.unknown-part",
            f"the checkpoint has the labels {', '.join(found)} in this order, and no head that can be reordered",
            remedy="name the labels in the checkpoint's order (data.labels)",
        )
    rows = [found.index(label) for label in wanted]
    with torch.no_grad():
        head.weight.copy_(head.weight[rows].clone())
        if head.bias is not None:
            head.bias.copy_(head.bias[rows].clone())
    model.config.id2label = dict(enumerate(wanted))
    model.config.label2id = {label: i for i, label in enumerate(wanted)}


def fold_into_head(encoder: "Encoder", scale: Floats, shift: Floats) -> bool:
    """Change the output layer in place, so that each logit becomes ``scale * logit + shift``.

    Parameters
    ----------
    encoder : whose model is changed
    scale, shift : (L,) in the order of the labels

    Returns
    -------
    False, with nothing changed, if the logits are not the outputs of a linear layer with a bias, or if a changed weight
    would overflow float32
    """
    head = _output_layer(encoder.model, len(encoder.labels))
    if head is None or head.bias is None or not _gives_the_logits(encoder, head):
        return False
    with torch.no_grad():
        factor = torch.as_tensor(scale, dtype=torch.float64, device=head.weight.device)
        summand = torch.as_tensor(shift, dtype=torch.float64, device=head.weight.device)
        weight = (head.weight.double() * factor[:, None]).float()
        bias = (head.bias.double() * factor + summand).float()
        if not (weight.isfinite().all() and bias.isfinite().all()):
            return False
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    return True


def _output_layer(model: Any, num_outputs: int) -> torch.nn.Linear | None:
    """Return the last linear layer with this number of outputs."""
    heads = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == num_outputs]
    return heads[-1] if heads else None


def _gives_the_logits(encoder: "Encoder", head: torch.nn.Linear) -> bool:
    """Whether the layer's outputs are the model's logits, bit for bit, on a short text."""
    seen: list[torch.Tensor] = []
    hook = head.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs))
    try:
        with torch.no_grad():
            tokens = gather(tokenise(encoder.tokenizer, [_ANY_WORDS], _FEW_TOKENS), np.array([0]))
            ids, mask = tokens.to(head.weight.device).padded()
            logits = encoder.model(input_ids=ids, attention_mask=mask).logits
    finally:
        hook.remove()
    return len(seen) == 1 and torch.equal(seen[0], logits)
