"""Checks of what a recipe does against learning by heart: what it costs, and what would have no effect."""

from civility.recipe.settings import RegularizationSettings
from civility.training.preflight.check import Check, judge
from civility.training.preflight.machine_checks import gib

_NUMBER = 4


def check_regularization(settings: RegularizationSettings, num_trained: int, *, drops: bool) -> list[Check]:
    """Tell what regularisation costs in time and memory; warn of what has no effect. Nothing where all is off.

    Parameters
    ----------
    settings : of the recipe
    num_trained : parameters that are trained, those that are yet to thaw counted in
    drops : whether the model drops anything in training
    """
    found, remedy = [], ""
    if settings.r_drop:
        found.append("R-Drop passes every comment twice: about twice the time, and the memory of activations")
        if not drops:
            found[-1] += "; nothing is dropped, so that both passes are the same"
            remedy = "R-Drop needs dropout: raise regularization.dropout"
    if settings.adversarial != "none":
        start = max(settings.adversarial_start, settings.unfreeze_fraction)  # the embedding, which moves, thaws last
        from_step = f" from {start:.0%} of the steps on" if start else ""
        found.append(
            f"{settings.adversarial} takes every step twice{from_step}: about twice the time, and up to "
            f"{gib(2 * _NUMBER * num_trained)} for gradients set aside and a copy of the embedding"
        )
    if settings.average != "none":
        found.append(f"{settings.average} keeps {gib(_NUMBER * num_trained)} of averaged weights")
    if not found:
        return []
    return [judge("regularization", "; ".join(found), warns=bool(remedy), remedy=remedy)]
