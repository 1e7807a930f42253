"""What a recipe asks for reaches the plan of the loop."""

import pytest

from civility.engine.step_plan import BatchShape, Schedule
from civility.recipe import Recipe
from civility.training.build_trainer import plan_of


def test_the_schedule_of_the_baseline() -> None:
    plan = plan_of(Recipe.load("baseline"), BatchShape.of(16), 1_000)
    schedule = plan.schedule
    assert (schedule.name, schedule.peak, schedule.num_warmup_steps, schedule.num_steps) == ("linear", 2e-5, 37, 378)


@pytest.mark.parametrize("name", ["cosine", "constant", "polynomial", "one_cycle"])
def test_the_settings_of_a_schedule_reach_it(name: str) -> None:
    changes = {"power": 1.5, "final_share": 0.2, "start_share": 0.3}
    recipe = Recipe.load(
        "baseline",
        {"training.schedule": name, "training.warmup_steps": 9, **{f"schedule.{key}": v for key, v in changes.items()}},
    )
    found = plan_of(recipe, BatchShape.of(16), 1_000).schedule
    assert found == Schedule(2e-5, 9, 378, name, power=1.5, final_share=0.2, start_share=0.3)  # type: ignore[arg-type]
