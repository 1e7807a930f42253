"""A recipe in full: valid TOML that means the same, narrow, and with each difference from the baseline marked."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.recipe import SECTIONS, Recipe, shipped_recipe, shipped_recipes
from civility.recipe.listing import all_settings, as_toml, listing, section_help

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


def _flat(content: dict[str, Any]) -> dict[str, Any]:
    tables = {"": {"seed": content["seed"]}, **{name: content[name] for name in SECTIONS}}
    return {f"{name}.{key}".removeprefix("."): value for name, table in tables.items() for key, value in table.items()}


def _marked(text: str) -> set[str]:
    """Return the settings with a mark behind their value."""
    found, section = set(), ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]") + "."
        elif "  # baseline: " in line:
            found.add(section + line.partition(" = ")[0])
    return found


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("name", list(shipped_recipes()))
def test_a_shipped_recipe_in_full_means_the_same_and_fits(name: str, width: int) -> None:
    recipe = Recipe.load(name)
    text = listing(recipe, shipped_recipe(name), width)
    content = tomllib.loads(text)
    assert content == tomllib.loads(recipe.to_toml())
    assert list(_flat(content)) == list(Recipe().flat()), "in the order of the recipe"
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("name", list(shipped_recipes()))
def test_what_differs_from_the_baseline_is_marked_and_nothing_else(name: str) -> None:
    recipe = Recipe.load(name).flat()
    text = listing(Recipe.load(name), shipped_recipe(name))
    assert _marked(text) == {key for key, value in Recipe().flat().items() if recipe[key] != value}
    assert ("Settings that differ from the baseline" in text) == (name != "baseline")


def test_a_shipped_recipe_keeps_its_opening_and_its_reasons() -> None:
    text = listing(Recipe.load("starter"), shipped_recipe("starter"))
    assert text.startswith(shipped_recipe("starter").partition("\n\n")[0])
    assert "\n# Here: a small model takes and needs larger steps.\nlearning_rate = 3e-4  # baseline: 2e-5; " in text
    assert shipped_recipe("starter").count("  # ") == text.count("# Here: ") == 4


def test_every_setting_and_section_has_a_sentence_of_help() -> None:
    for setting in all_settings():
        assert setting.help[0].isupper(), setting
        assert setting.help.endswith("."), setting
        is_number = isinstance(setting.default, int | float) and not isinstance(setting.default, bool)
        assert not is_number or setting.values, setting
    assert {setting.key for setting in all_settings()} == set(Recipe().flat())
    assert all(section_help(section).endswith(".") for section in SECTIONS)


def test_a_range_says_what_it_counts_and_which_ends_belong_to_it() -> None:
    values = {setting.key: setting.values for setting in all_settings()}
    assert values["training.epochs"] == "1 to 10,000 epochs"
    assert values["training.learning_rate"] == "1e-12 to below 1"
    assert values["training.log_every"] == "1 to 1e9 optimizer steps"
    assert values["data.split_seed"] == "-1 to 4,294,967,295"
    assert values["regularization.dropout"] == "0 to below 1, or -1"
    assert values["training.device"] == "auto, cuda, mps, cpu"


@settings(max_examples=50, deadline=None)
@given(
    names=st.lists(TEXT.filter(bool), max_size=12),
    text=TEXT,
    rate=st.floats(1e-12, 0.99),
    count=st.integers(1, 10_000_000),
)
def test_any_recipe_in_full_is_read_as_the_same(names: list[str], text: str, rate: float, count: int) -> None:
    content = {
        "data": {"files": names, "text_column": text},
        "training": {"learning_rate": rate},
        "linear": {"max_features": count},
    }
    recipe = Recipe.checked(content, "drawn")
    again = tomllib.loads(listing(recipe, width=60))
    assert Recipe.checked(again, "listed") == recipe


def test_a_value_that_is_too_long_for_its_mark_has_it_above() -> None:
    lines = listing(Recipe.checked({"data": {"labels": ["rude"]}}, "mine")).splitlines()
    place = lines.index('labels = ["rude"]')
    assert lines[place - 2] == '# Baseline: ["toxic", "severe_toxic", "obscene", "threat", "insult",'


def test_values_are_written_as_a_person_writes_them_and_cannot_steer_a_terminal() -> None:
    assert [as_toml(value) for value in (0.0003, 2e-5, 1e-8, 0.04, 5.0)] == ["3e-4", "2e-5", "1e-8", "0.04", "5.0"]
    assert [as_toml(value) for value in (8192, 16_000_000, -1, True)] == ["8192", "16_000_000", "-1", "true"]
    assert as_toml("\x9b31m\u202e") == '"\\u009b31m\\u202e"'
