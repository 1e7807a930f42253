"""What a step does beside its plain loss: each part is None, or a number without effect, where it is off."""

from dataclasses import dataclass

from civility.engine.adversarial import Adversary
from civility.engine.gradual_unfreezing import Thaw
from civility.engine.token_dropout import TokenDropout


@dataclass(frozen=True, eq=False)
class Regularizers:
    """What keeps a model from learning its training comments by heart, but for what the model itself does.

    Parameters
    ----------
    r_drop : weight of the agreement of two passes; 0 for one pass
    token_dropout : masks tokens
    thaw : lets layers join the training one after the other
    adversary : moves weights to where the loss is worse
    """

    r_drop: float = 0.0
    token_dropout: TokenDropout | None = None
    thaw: Thaw | None = None
    adversary: Adversary | None = None
