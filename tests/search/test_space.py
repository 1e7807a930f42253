"""Space files: what they may contain, and the errors of those that are wrong."""

from pathlib import Path
from typing import Any

import pytest

from civility.errors import UserError
from civility.recipe import Recipe
from civility.search.space import Choices, Range, Search, Space, read_space, with_settings

from ..refusals import refused

FILES = {"data.files": ["train.csv"]}


def read(folder: Path, text: str, **changes: Any) -> Space:
    path = folder / "space.toml"
    path.write_text(text, encoding="utf-8")
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return read_space(path, Recipe.load("baseline", {**FILES, **named}))


def refusal(folder: Path, text: str, **changes: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(folder, text, **changes)
    assert caught.value.remedy
    assert caught.value.code.startswith(("search.", "recipe.", "storage."))
    return caught.value.message.replace(str(folder), "")


def test_a_space_holds_ranges_and_choices(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        """
        [sweep]
        sampler = "random"
        seed = 7
        [space]
        "training.learning_rate" = {low = 1e-5, high = 1e-3, log = true}
        "training.epochs" = {low = 1, high = 3}
        "regularization.layer_decay" = {low = 0.7, high = 1.0, step = 0.1}
        training.loss = ["bce", "focal"]
        "data.augmentation" = [[], ["typos"]]
        """,
    )
    assert (space.search.sampler, space.search.seed, space.search.pruner) == ("random", 7, "median")
    rate, epochs, decay, loss, augmentation = space.dimensions
    assert rate == Range("training.learning_rate", 1e-5, 1e-3, log=True, step=None, whole=False)
    assert isinstance(epochs, Range)
    assert epochs.points == (1, 2, 3)
    assert isinstance(decay, Range)
    assert decay.points == pytest.approx((0.7, 0.8, 0.9, 1.0))
    assert loss == Choices("training.loss", ("bce", "focal"))
    assert isinstance(augmentation, Choices)
    assert augmentation.names == ("[]", '["typos"]')
    assert space.size is None


def test_a_point_becomes_settings_of_the_right_types(tmp_path: Path) -> None:
    space = read(
        tmp_path,
        """
        [space]
        "training.epochs" = {low = 1, high = 3}
        "training.learning_rate" = {low = 1e-5, high = 1e-3}
        "loss.weigh_labels" = [true, false]
        "data.augmentation" = [[]]
        """,
    )
    point: dict[str, str | float] = {
        "training.epochs": 2.0,
        "training.learning_rate": 1e-4,
        "loss.weigh_labels": "true",
    }
    settings = space.settings({**point, "data.augmentation": "[]"})
    assert settings == {
        "training.epochs": 2,
        "training.learning_rate": 1e-4,
        "loss.weigh_labels": True,
        "data.augmentation": [],
    }
    assert isinstance(settings["training.epochs"], int)
    changed = with_settings(Recipe.load("baseline", FILES), settings, "here")
    assert changed.training.epochs == 2
    assert changed.loss.weigh_labels is True


def test_another_model_leaves_the_revision_of_the_recipe_s_own_behind() -> None:
    recipe = Recipe.load("baseline", FILES)
    assert recipe.model.revision
    assert with_settings(recipe, {"model.name": "other"}, "here").model.revision == ""
    assert with_settings(recipe, {"training.epochs": 1}, "here").model.revision == recipe.model.revision


def test_a_grid_has_every_point_once(tmp_path: Path) -> None:
    text = '[sweep]\nsampler = "grid"\n[space]\n"training.epochs" = {low = 1, high = 5, step = 2}\n'
    space = read(tmp_path, text + '"training.loss" = ["bce", "focal"]\n')
    points = [tuple(point.values()) for point in space.grid()]
    assert points == [(e, loss) for e in (1, 3, 5) for loss in ("bce", "focal")]
    assert space.size == 6


RATE = '"training.learning_rate" = {low = 1e-5, high = 1e-3}\n'
WRONG = {
    "unknown setting": ('"training.learning_rat" = [1e-4]', "did you mean training.learning_rate?"),
    "unknown table": ("[serch]\nsampler = 'tpe'\n[space]\n" + RATE, "unknown table [serch]"),
    "unknown way": ("[sweep]\nsampler = 'tpee'\n[space]\n" + RATE, "sweep.sampler = 'tpee', expected 'tpe', 'random'"),
    "unknown key of it": ("[sweep]\nsamplr = 'tpe'\n[space]\n" + RATE, "sweep.samplr (did you mean sampler?)"),
    "no table of it": ("sweep = 3\n[space]\n" + RATE, "sweep = 3, expected a table [sweep]"),
    "wrong type of a choice": ('"training.epochs" = [1, "two"]', "training.epochs = 'two', expected a whole number"),
    "impossible choice": ('"training.loss" = ["bce", "hinge"]', "training.loss = 'hinge', expected"),
    "impossible end": ('"training.learning_rate" = {low = 0.0, high = 1e-3}', "training.learning_rate = 0.0, expected"),
    "ends in the wrong order": (
        '"training.epochs" = {low = 4, high = 2}',
        "low = 4, high = 2, expected low below high",
    ),
    "no high": ('"training.epochs" = {low = 4}', "training.epochs: no high, expected {low = …, high = …}"),
    "misspelt end": ('"training.epochs" = {low = 4, hihg = 5}', "unknown hihg (did you mean high?)"),
    "fraction of a whole number": ('"training.epochs" = {low = 1.5, high = 2}', "training.epochs = 1.5, expected"),
    "range of a word": ('"training.loss" = {low = 1, high = 2}', "not a number, and has no range"),
    "logarithm of zero": ('"training.weight_decay" = {low = 0, high = 0.1, log = true}', "expected low above 0"),
    "step past the end": ('"training.epochs" = {low = 1, high = 4, step = 2}', "the last one is 3"),
    "log and step": ('"training.epochs" = {low = 1, high = 4, step = 1, log = true}', "expected one of them"),
    "step of nothing": ('"training.weight_decay" = {low = 0, high = 0.1, step = 0}', "expected a number above 0"),
    "a single value": ('"training.epochs" = 3', "training.epochs = 3, expected {low = …, high = …} or a list"),
    "no choices": ('"training.loss" = []', "expected at least one choice"),
    "a choice twice": ('"training.loss" = ["bce", "bce"]', "bce twice, expected different choices"),
    "nothing": ("", "[space] is empty"),
    "a section": ('"training" = [1]', "expected a setting as section.key, or seed"),
    "other comments": ('"data.validation" = [0.1, 0.2]', "must not vary: all trials are scored on the same comments"),
    "another metric": ('"training.metric" = ["loss"]', "must not vary: all trials are scored by the same metric"),
}


@pytest.mark.parametrize("text_and_part", WRONG.values(), ids=WRONG)
def test_a_wrong_space_is_refused(tmp_path: Path, text_and_part: tuple[str, str]) -> None:
    text, part = text_and_part
    message = refusal(tmp_path, text if "[space]" in text else f"[space]\n{text}\n")
    assert "space.toml" in message
    assert part in message


def test_a_grid_over_a_continuous_range_is_refused(tmp_path: Path) -> None:
    grid = '[sweep]\nsampler = "grid"\n[space]\n'
    with refused("search.bad-space", 'training.learning_rate: a continuous range, and sampler = "grid"'):
        read(tmp_path, grid + '"training.learning_rate" = {low = 1e-5, high = 1e-4}')
    assert read(tmp_path, grid + '"training.weight_decay" = {low = 0.0, high = 0.1, step = 0.05}').size == 3


def test_the_seed_may_vary_only_where_the_split_does_not(tmp_path: Path) -> None:
    seeds = "[space]\nseed = [1, 2]"
    with refused("search.must-not-vary", "seed: each seed holds out other comments"):
        read(tmp_path, seeds)
    assert read(tmp_path, seeds, data__split_seed=3).size == 2
    assert read(tmp_path, seeds, data__validation=["validation.csv"]).size == 2


def test_trials_of_several_losses_are_not_scored_by_their_loss(tmp_path: Path) -> None:
    text = '[space]\n"training.loss" = ["bce", "focal"]'
    assert 'training.loss: changes the loss, and training.metric = "loss"' in refusal(
        tmp_path, text, training__metric="loss"
    )
    assert read(tmp_path, text).size == 2
    assert read(tmp_path, "[space]\n" + RATE, training__metric="loss").size is None
    text = '[space]\n"data.augmentation_share" = [0.25, 0.5]\n'
    weighted = {"training__metric": "loss", "data__augmentation": ["typos"]}
    assert "data.augmentation_share: changes the loss" in refusal(tmp_path, text, **weighted)
    assert read(tmp_path, text, **weighted, training__loss="bce").size == 2, "the control: no weights, one loss"
    seeds = '[space]\n"seed" = [1, 2]\n'
    assert "seed: changes the loss" in refusal(tmp_path, seeds, **weighted, data__split_seed=1)
    assert read(tmp_path, seeds, training__metric="loss", data__split_seed=1).size == 2


def test_a_missing_file_and_a_file_that_is_not_toml_are_refused(tmp_path: Path) -> None:
    recipe = Recipe.load("baseline", FILES)
    with pytest.raises(UserError, match=r"none\.toml: no such file"):
        read_space(tmp_path / "none.toml", recipe)
    (tmp_path / "bad.toml").write_text("[space\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"bad\.toml: not valid TOML"):
        read_space(tmp_path / "bad.toml", recipe)


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    text = '\ufeff[space]\n"training.epochs" = {low = 1, high = 3}\n'
    assert read(tmp_path, text).dimensions[0].key == "training.epochs"


def test_the_size_of_a_grid_is_counted_without_listing_it() -> None:
    search = Search.model_validate({"sampler": "grid"})
    million = Range("training.log_every", 1, 10**6, log=False, step=None, whole=True)
    assert Space(search, (million, million, million)).size == 10**18


HOSTILE = {
    "a grid of 10^18 points": (
        '[sweep]\nsampler = "grid"\n[space]\n"training.log_every" = {low = 1, high = 1000000}\n'
        '"training.warmup_steps" = {low = 1, high = 1000000}\n'
        '"training.checkpoint_steps" = {low = 1, high = 1000000}\n',
        "a grid of 1,000,000,000,000,000,000 points, each a trial, expected at most 100,000",
    ),
    "a setting out of range": (
        '[space]\n"training.epochs" = {low = 1, high = 1000000000000000000}\n',
        "training.epochs = 1000000000000000000, expected at most 10,000",
    ),
    "ends beyond all numbers": (
        f'[space]\n"training.epochs" = {{low = 1, high = 1{"0" * 400}}}\n',
        "not valid TOML: an integer beyond 64 bits",
    ),
    "an infinite end": ('[space]\n"training.r" = {low = 1, high = inf}\n', "unknown setting training.r"),
    "no number": ('[space]\n"linear.c" = {low = nan, high = 1.0}\n', "linear.c = nan, expected"),
    "a step of nothing": (
        '[space]\n"training.learning_rate" = {low = 1e-5, high = 1e-3, step = 5e-324}\n',
        "step = 5e-324, expected at most 1,000,000 steps from low to high",
    ),
    "a step beyond all numbers": (
        f'[space]\n"training.learning_rate" = {{low = 1e-5, high = 1e-3, step = 1{"0" * 400}}}\n',
        "not valid TOML: an integer beyond 64 bits",
    ),
    "an unknown section": (
        '[space]\n"trainig.learning_rate" = {low = 1e-5, high = 1e-3}\n',
        "unknown setting trainig (did you mean training?)",
    ),
    "ten thousand choices": (
        f'[space]\n"training.epochs" = {list(range(1, 10_000))}\n',
        "training.epochs: 9,999 choices, expected at most 1,000",
    ),
    "many settings": (
        "[space]\n" + "".join(f'"data.c{i}" = [1]\n' for i in range(101)),
        "[space] varies 101 settings, expected at most 100",
    ),
    "nested lists": (f'[space]\n"training.epochs" = {"[" * 5000}{"]" * 5000}\n', "not valid TOML: nested too deeply"),
    "trials to warm up": (
        f'[sweep]\nwarmup_trials = {10**9}\n[space]\n"training.epochs" = [1]\n',
        "sweep.warmup_trials = 1000000000, expected at most 100,000",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_space_is_refused_before_any_work(tmp_path: Path, name: str) -> None:
    text, message = HOSTILE[name]
    found = refusal(tmp_path, text)
    assert message in found
    assert len(found) < 400
