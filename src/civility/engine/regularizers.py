"""What a step does beside its plain loss: each part is None, or a number without effect, where it is off."""

from dataclasses import dataclass

from civility.engine.adversarial import Adversary
from civility.engine.gradual_unfreezing import Thaw


@dataclass(frozen=True, eq=False)
class Regularizers:
    """What keeps a model from learning its training comments by heart, but for what the model itself does.

    Parameters
    ----------
    r_drop : weight of the agreement of two passes; 0 for one pass
    thaw : lets layers join the training one after the other
    adversary : moves the token embedding to where the loss is worse
    """

    r_drop: float = 0.0
    thaw: Thaw | None = None
    adversary: Adversary | None = None
