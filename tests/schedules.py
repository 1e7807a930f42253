"""The schedule of most recipes, for tests of the loop without a recipe."""

from civility.engine.step_plan import Schedule


def linear_schedule(peak: float, warmup_fraction: float, num_steps: int) -> Schedule:
    """Return a linear schedule whose warm-up is a share of the steps, rounded down."""
    return Schedule(peak, int(warmup_fraction * num_steps), num_steps)
