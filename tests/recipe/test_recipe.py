"""Recipes: complete, frozen, and every bad setting with its message."""

import json
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from civility.errors import UserError
from civility.recipe import SECTIONS, Recipe, change_of, note_on_validation, shipped_recipe, shipped_recipes
from civility.recipe.settings import REMOVED
from civility.search.space import Search

from ..refusals import refused

REMEDY = "'civility recipes baseline' prints every setting with its range"


def _names(content: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in content.items():
        found |= _names(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key}
    return found


EVERY_SETTING = set(Recipe().flat())


def test_the_baseline_is_the_defaults() -> None:
    assert tomllib.loads(shipped_recipe("baseline")) == {}
    assert Recipe.load("baseline") == Recipe()
    assert Recipe.load("baseline", {"training.epochs": 5}) != Recipe(), "the control: a change is seen"


def test_the_baseline_is_the_recipe_that_the_project_exists_to_train() -> None:
    recipe = Recipe()
    assert recipe.model.name == "microsoft/mdeberta-v3-base"
    assert recipe.data.labels == ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
    assert recipe.data.max_length == 256
    training = recipe.training
    assert (training.epochs, training.batch_size, training.patience) == (6, 16, 2)
    assert (training.learning_rate, training.weight_decay, training.warmup_fraction) == (2e-5, 0.01, 0.1)
    assert (training.loss, training.weight_power, training.max_gradient_norm) == ("weighted_bce", 1.0, 1.0)


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_a_built_in_file_holds_only_what_differs(name: str) -> None:
    recipe, baseline = Recipe.load(name), Recipe().flat()
    differing = {key for key, value in recipe.flat().items() if value != baseline[key]}
    # The revision goes with the baseline's model; no file needs to drop it.
    assert _names(tomllib.loads(shipped_recipe(name))) == differing - {"model.revision"}
    assert _names(tomllib.loads(recipe.to_toml())) == EVERY_SETTING
    assert Recipe.checked(tomllib.loads(recipe.to_toml()), "again") == recipe


def test_the_shipped_recipes_start_with_the_baseline() -> None:
    assert list(shipped_recipes()) == ["baseline", "fast", "starter", "strong"]


def test_the_starter_needs_no_file_and_no_network() -> None:
    recipe = Recipe.load("starter")
    assert recipe.model.name == "all-MiniLM-L6-v2"
    assert recipe.data.files == ("civility:starter/train",)
    assert recipe.data.validation == ("civility:starter/held-out",)
    assert recipe.data.labels == Recipe().data.labels


def test_the_linear_recipe_is_the_baseline_except_its_model() -> None:
    baseline, linear = Recipe().flat(), Recipe.load("fast").flat()
    assert {name for name in EVERY_SETTING if baseline[name] != linear[name]} == {"model.name", "model.revision"}
    assert Recipe.load("fast").is_linear
    assert not Recipe().is_linear


def test_the_strong_recipe_is_a_small_encoder_that_trains_short_and_scores_long() -> None:
    baseline, strong = Recipe().flat(), Recipe.load("strong").flat()
    assert strong["model.name"] == "all-MiniLM-L6-v2"
    assert {name for name in EVERY_SETTING if baseline[name] != strong[name]} == {
        "model.name",
        "model.revision",
        "data.max_length",
        "evaluation.max_length",
        "training.epochs",
        "training.batch_size",
        "training.learning_rate",
        "training.optimizer",
        "training.loss",
        "training.weight_power",
    }


def test_settings_without_effect_on_a_linear_model_are_known() -> None:
    assert Recipe.load("fast").without_effect == ()
    changes = {"training.epochs": 3, "linear.c": 2.0, "data.max_length": 64, "loss.focal_gamma": 1.0, "seed": 1}
    assert Recipe.load("fast", changes).without_effect == ("data.max_length", "training.epochs", "loss.focal_gamma")


def test_a_setting_applies_to_one_kind_of_model_or_to_both() -> None:
    encoder, linear = Recipe(), Recipe.load("fast")
    assert [encoder.takes_part(key) for key in ("training.epochs", "linear.c", "data.labels")] == [True, False, True]
    assert [linear.takes_part(key) for key in ("training.epochs", "linear.c", "data.labels")] == [False, True, True]


def test_the_starter_is_the_baseline_except_a_few_settings() -> None:
    baseline, starter = Recipe().flat(), Recipe.load("starter").flat()
    assert {name for name in EVERY_SETTING if baseline[name] != starter[name]} == {
        "data.files",
        "data.validation",
        "data.max_length",
        "model.name",
        "model.revision",
        "training.epochs",
        "training.learning_rate",
        "training.loss",
        "training.weight_power",
    }


def test_an_empty_recipe_is_the_baseline(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("")
    assert Recipe.load(str(path)) == Recipe()


def test_a_recipe_file_says_only_what_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('seed = 7\n[data]\nlabels = ["rude", "spam"]\n[training]\nlearning_rate = 3e-5\n')
    recipe = Recipe.load(str(path), {"training.epochs": 2})
    changed = {name: value for name, value in recipe.flat().items() if Recipe().flat()[name] != value}
    assert changed == {"seed": 7, "data.labels": "rude,spam", "training.learning_rate": 3e-5, "training.epochs": 2}


CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXT = st.text(CHARACTERS, max_size=12)
NAMES = st.lists(st.text(CHARACTERS, min_size=1, max_size=12), max_size=3)


@settings(max_examples=50, deadline=None)
@given(
    files=NAMES,
    validation=st.one_of(NAMES, st.floats(0.001, 0.999)),
    column=TEXT,
    rate=st.floats(1e-12, 0.99),
    power=st.floats(0, 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_written_as_toml_and_read_again_a_recipe_is_the_same(
    files: list[str], validation: list[str] | float, column: str, rate: float, power: float, seed: int
) -> None:
    content: dict[str, Any] = {
        "seed": seed,
        "data": {"files": files, "validation": validation, "text_column": column},
        "training": {"learning_rate": rate, "weight_power": power},
    }
    recipe = Recipe.checked(content, "drawn")
    again = tomllib.loads(recipe.to_toml())
    assert Recipe.checked(again, "written") == recipe
    assert _names(again) == EVERY_SETTING


def _error(name: str, changes: dict[str, object] | None = None) -> UserError:
    with pytest.raises(UserError) as caught:
        Recipe.load(name, changes)
    return caught.value


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("training.learning_rat", 1e-5, "unknown setting training.learning_rat (did you mean training.learning_rate?)"),
        ("data.max_lenght", 128, "unknown setting data.max_lenght (did you mean data.max_length?)"),
        ("trainin.epochs", 3, "unknown setting trainin (did you mean training?)"),
        ("sed", 3, "unknown setting sed (did you mean seed?)"),
        ("zzz.epochs", 3, "unknown setting zzz"),
        ("training.epochs", "three", "training.epochs = 'three', expected a whole number"),
        ("training.epochs", 2.0, "training.epochs = 2.0, expected a whole number"),
        ("training.epochs", True, "training.epochs = True, expected a whole number"),
        ("training.epochs", 0, "training.epochs = 0, expected at least 1"),
        ("training.learning_rate", "2e-5", "training.learning_rate = '2e-5', expected a number"),
        ("optimizer.adafactor_clip", 0.5, "optimizer.adafactor_clip = 0.5, expected at least 1"),
        ("training.learning_rate", 0, "training.learning_rate = 0, expected at least 1e-12"),
        ("training.learning_rate", math.nan, "training.learning_rate = nan, expected a number"),
        ("training.adam_epsilon", math.inf, "training.adam_epsilon = inf, expected below 1"),
        ("training.warmup_fraction", 1, "training.warmup_fraction = 1, expected below 1"),
        (
            "training.loss",
            "hinge",
            "training.loss = 'hinge', expected 'weighted_bce', 'pos_weight_bce', 'bce', 'focal' or 'asymmetric'",
        ),
        (
            "training.precision",
            "fp8",
            "training.precision = 'fp8', expected 'auto', 'bf16', 'fp16', 'tf32' or 'fp32'",
        ),
        ("training.group_by_length", 1, "training.group_by_length = 1, expected true or false"),
        ("data.max_length", 4, "data.max_length = 4, expected at least 8"),
        ("data.text_column", 3, "data.text_column = 3, expected a string"),
        ("data.label_separator", "", "data.label_separator = '', expected at least 1 character"),
        ("data.labels", ["toxic", 3, 4], "data.labels = 3, expected a string"),
        ("model.name", "", "model.name = '', expected at least 1 character"),
        ("seed", -1, "seed = -1, expected at least 0"),
        ("training", 3, "training = 3, expected a section"),
        (
            "regularization.dropout",
            -0.5,
            "regularization.dropout = -0.5, expected a share from 0 to below 1, or -1",
        ),
        *(
            (
                "data.validation",
                value,
                f"data.validation = {value!r}, expected a share between 0 and 1, or the names of the validation files",
            )
            for value in (0, 1, 1.5, -0.1, math.nan, True, ["a.csv", 3])
        ),
    ],
)
def test_a_bad_setting_gives_its_message(key: str, value: object, message: str) -> None:
    error = _error("baseline", {key: value})
    assert error.message == f"recipe baseline: {message}"
    assert error.remedy == REMEDY


NO_GAIN = "brought no gain in the project's experiments (docs/explanation/experiments.md); delete it"
REFUSED = {
    ("regularization.reinit_layers", 1): f"this setting was removed because re-initialising the top layers {NO_GAIN}",
    (
        "regularization.multi_sample_dropout",
        4,
    ): f"this setting was removed because several dropout masks before the head {NO_GAIN}",
    ("regularization.token_dropout", 0.1): f"this setting was removed because masking tokens {NO_GAIN}",
    ("regularization.adversarial", "awp"): "this value was removed because no experiment of the project showed a gain "
    "from moving weight matrices; 'fgm' moves the token embedding",
}


@pytest.mark.parametrize(("setting", "reason"), REFUSED.items())
def test_a_removed_setting_is_refused_with_the_reason(tmp_path: Path, setting: tuple[str, object], reason: str) -> None:
    (key, value), path = setting, tmp_path / "mine.toml"
    assert _error("baseline", {key: value}).message == f"recipe baseline: {key} = {value!r}: {reason}"
    path.write_text(f"[regularization]\n{key.partition('.')[2]} = {json.dumps(value)}\n")
    assert _error(str(path)).message == f"{path}: {key} = {value!r}: {reason}"


def test_removed_settings_that_are_off_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "old.toml"
    path.write_text(
        "[regularization]\nreinit_layers = 0\nmulti_sample_dropout = 1\ntoken_dropout = 0.0\nr_drop = 1.0\n"
    )
    assert Recipe.load(str(path)) == Recipe.load("baseline", {"regularization.r_drop": 1.0})
    assert Recipe.load("baseline", {"regularization.token_dropout": 0}) == Recipe()
    assert "this setting was removed" in _error("baseline", {"regularization.reinit_layers": False}).message
    assert "this setting was removed" in _error("baseline", {"regularization.multi_sample_dropout": 0}).message


def test_no_removed_setting_is_a_setting() -> None:
    assert not EVERY_SETTING & set(REMOVED)


def test_every_invalid_setting_of_a_file_is_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("sead = 1\n[training]\nepochs = 0\nbatch_size = 0\n")
    error = _error(str(path))
    assert error.code == "recipe.invalid-setting"
    assert error.message.splitlines() == [
        f"{path}: training.epochs = 0, expected at least 1",
        "       training.batch_size = 0, expected at least 1",
        "       unknown setting sead (did you mean seed?)",
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("basline", "unknown recipe 'basline' (did you mean baseline?)"),
        ("stater", "unknown recipe 'stater' (did you mean starter?)"),
        ("bert", "unknown recipe 'bert'"),
    ],
)
def test_an_unknown_recipe_gets_a_suggestion(name: str, message: str) -> None:
    error = _error(name)
    assert error.code == "recipe.unknown-recipe"
    assert error.message == message
    assert error.remedy == "built-in recipes: baseline, fast, starter, strong; or name a .toml file"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    error = _error(str(tmp_path / "mine.toml"))
    assert error.code == "storage.cannot-read"
    assert error.message == f"{tmp_path / 'mine.toml'}: no such file"
    assert error.remedy == "a recipe is a TOML file, as 'civility recipes baseline' prints one"


def test_a_folder_is_not_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").mkdir()
    assert _error(str(tmp_path / "mine.toml")).message == f"{tmp_path / 'mine.toml'}: a folder, not a file"


def test_invalid_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("seed = 1\n[training\n")
    error = _error(str(path))
    assert error.message.startswith(f"{path}: not valid TOML: ")
    assert "line 2" in error.message


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"seed = 1 # \xff\n")
    error = _error(str(path))
    assert error.message == f"{path}: not UTF-8 text (byte 11)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training.epochs=3", ("training.epochs", 3)),
        (" training.epochs = 3 ", ("training.epochs", 3)),
        ("training.learning_rate=2e-5", ("training.learning_rate", 2e-5)),
        ("seed=7", ("seed", 7)),
        ('data.labels=["rude", "spam"]', ("data.labels", ["rude", "spam"])),
        ("data.labels=rude,spam", ("data.labels", "rude,spam")),
        ("model.name=./a=b", ("model.name", "./a=b")),
        ("data.text_column=", ("data.text_column", "")),
        ("training.group_by_length=false", ("training.group_by_length", False)),
    ],
)
def test_a_change_is_toml_or_a_bare_string(text: str, expected: tuple[str, object]) -> None:
    assert change_of(text) == expected


@pytest.mark.parametrize("text", ["", "training.epochs", "=3", ".epochs=3", "training.=3", "a.b.c=3", " =3"])
def test_a_change_of_another_form_is_refused(text: str) -> None:
    with refused("recipe.bad-change") as caught:
        change_of(text)
    assert caught.value.message == f"--set {text}, expected section.key=value"
    assert caught.value.remedy == "as in --set training.epochs=3"


def test_labels_joined_by_commas_are_several() -> None:
    assert Recipe.load("baseline", dict([change_of("data.labels= rude, spam ,")])).data.labels == ("rude", "spam")


def test_a_setting_is_not_a_section() -> None:
    assert _error("baseline", {"seed.x": 3}).message == "seed.x: seed is not a section of the recipe"


def test_a_section_that_is_replaced_after_its_setting_is_refused() -> None:
    error = _error("baseline", {"data.files": ["a.csv"], "data": 5})
    assert error.message == "recipe baseline: data = 5, expected a section"


def test_other_training_files_keep_the_validation_files_of_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[data]\nfiles = ["a.csv"]\nvalidation = ["held.csv"]\n')
    recipe = Recipe.load(str(path), {"data.files": ["b.csv"]})
    assert (recipe.data.files, recipe.data.validation) == (("b.csv",), ("held.csv",))
    note = "validation comments: held.csv, from the recipe; --validation replaces them"
    assert note_on_validation(recipe, {"data.files": ["b.csv"]}) == note
    share = {"data.files": ["b.csv"], "data.validation": 0.2}
    assert Recipe.load(str(path), share).data.validation == 0.2
    assert note_on_validation(Recipe.load(str(path), share), share) == ""
    assert note_on_validation(Recipe.load(str(path)), {}) == ""


def test_other_training_files_leave_the_built_in_validation_with_the_built_in_corpus() -> None:
    changes = {"data.files": ["mine.csv"]}
    recipe = Recipe.load("starter", changes)
    assert recipe.data.files == ("mine.csv",)
    assert recipe.data.validation == 0.1
    assert note_on_validation(recipe, changes).startswith("validation comments: 0.1 of the training comments are held")
    kept = Recipe.load("starter", {"training.epochs": 1})
    assert kept.data.validation == ("civility:starter/held-out",), "the control: other changes keep them"


def test_other_training_files_keep_a_share_and_what_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[data]\nfiles = ["a.csv"]\nvalidation = 0.2\n')
    assert Recipe.load(str(path), {"data.files": "b.csv"}).data.validation == 0.2
    both = Recipe.load("starter", {"data.files": ["mine.csv"], "data.validation": ["held.csv"]})
    assert both.data.validation == ("held.csv",)


def test_a_recipe_is_frozen() -> None:
    recipe = Recipe()
    with pytest.raises(ValidationError, match="frozen"):
        recipe.seed = 1  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        recipe.training.epochs = 1  # type: ignore[misc]
    assert recipe == Recipe()


def test_the_flat_form_holds_plain_values_for_trackers() -> None:
    flat = Recipe().flat()
    assert flat["training.learning_rate"] == 2e-5
    assert flat["data.labels"] == "toxic,severe_toxic,obscene,threat,insult,identity_hate"
    assert flat["data.files"] == ""
    assert {type(value) for value in flat.values()} == {str, int, float, bool}


def test_the_columns_are_those_of_the_data_section() -> None:
    columns = Recipe.load("baseline", {"data.text_column": "body", "data.labels": "rude", "data.id_column": "key"}).data
    assert (columns.columns.text, columns.columns.id, columns.columns.labels) == ("body", "key", ("rude",))


def test_a_huge_gradient_norm_switches_clipping_off_and_can_be_written() -> None:
    recipe = Recipe.load("baseline", {"training.max_gradient_norm": 1e9})
    assert Recipe.checked(tomllib.loads(recipe.to_toml()), "again") == recipe


def _bounds(schema: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each number in the schema of a recipe, with the name of its setting."""
    for branch in schema.get("anyOf", [schema]):
        if branch.get("type") in ("integer", "number"):
            yield where, branch


def test_every_number_has_both_ends_of_its_range_and_says_what_it_counts() -> None:
    sections: dict[str, type[BaseModel]] = {
        "": Recipe,
        **{f"{name}.": type(getattr(Recipe(), name)) for name in SECTIONS},
        "sweep.": Search,
    }
    numbers = 0
    for prefix, section in sections.items():
        for name, schema in section.model_json_schema()["properties"].items():
            for where, number in _bounds(schema, f"{prefix}{name}"):
                numbers += 1
                low = number.get("minimum", number.get("exclusiveMinimum"))
                high = number.get("maximum", number.get("exclusiveMaximum"))
                assert low is not None, f"{where} has no lower bound"
                assert high is not None, f"{where} has no upper bound"
                assert -1 <= low < high <= 2**32, where
                assert schema.get("description"), f"{where} has no description"
    assert numbers > 50


@pytest.mark.parametrize("key", [key for key, value in Recipe().flat().items() if isinstance(value, int | float)])
@pytest.mark.parametrize(
    "text", ["inf", "-inf", "nan", "1" + "0" * 400, "-1" + "0" * 5000, "[[[1]]]", "{a = 1}", "1979-05-27"]
)
def test_no_setting_accepts_a_value_outside_its_range(key: str, text: str) -> None:
    if isinstance(Recipe().flat()[key], bool):
        return
    with pytest.raises(UserError) as caught:
        Recipe.load("baseline", dict([change_of(f"{key}={text}")]))
    assert key in caught.value.message
    assert len(caught.value.message) < 300


HOSTILE_TOML = {
    "nested lists": (b"[data]\nlabels = " + b"[" * 5000 + b"]" * 5000, "not valid TOML: nested too deeply"),
    "dotted keys": (b"data." + b"a." * 5000 + b"a = 1\n", "not valid TOML: nested too deeply"),
    "a long number": (b"seed = 1" + b"0" * 5000, "not valid TOML: an integer beyond 64 bits"),
    "a large number": (b"seed = 1" + b"0" * 400, "not valid TOML: an integer beyond 64 bits"),
    "NUL": (b"seed = \0", "not valid TOML: Invalid value"),
    "UTF-16": ("seed = 1".encode("utf-16"), "not UTF-8 text (byte 0)"),
    "NUL in a name": (b'[data]\nfiles = ["a\\u0000b"]', "data.files = ['a\\x00b'], expected UTF-8 text without NUL"),
    "an array of sections": (b"[[data]]\n", "data = [{}], expected a section"),
}


@pytest.mark.parametrize("name", HOSTILE_TOML)
def test_a_hostile_file_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    content, message = HOSTILE_TOML[name]
    path = tmp_path / "r.toml"
    path.write_bytes(content)
    error = _error(str(path))
    assert error.message.startswith(f"{path}: {message}")
    assert len(error.message.splitlines()) == 1
    assert len(error.message) < 300


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbfseed = 7\n")
    assert Recipe.load(str(path)).seed == 7


def test_ten_of_ten_thousand_unknown_settings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[data]\n" + "".join(f"column_{i} = 1\n" for i in range(10_000)))
    lines = _error(str(path)).message.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "       and 9,990 more"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data.labels=" + "[" * 5000 + "]" * 5000, "--set data.labels: not valid TOML: nested too deeply"),
        ("data.max_length=1" + "0" * 400, "--set data.max_length: not valid TOML: an integer beyond 64 bits"),
        ("x" * 100_000, f"--set {'x' * 57}..., expected section.key=value"),
    ],
)
def test_a_hostile_change_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        change_of(text)
    assert caught.value.message == message


def test_a_change_of_two_lines_is_not_a_second_setting() -> None:
    assert change_of("training.epochs=3\nseed=4") == ("training.epochs", "3\nseed=4")


@pytest.mark.parametrize("name", ["\0.toml", "a\0b.toml", "x" * 100_000, "x" * 5000 + ".toml", "\udcff.toml", "\0"])
def test_a_name_that_is_not_a_path_is_refused(name: str) -> None:
    error = _error(name)
    assert "no such file" in error.message or "unknown recipe" in error.message or "too long" in error.message
    assert len(error.message) < 400
    assert "\0" not in error.message


def test_a_file_name_that_is_not_utf_8_is_refused_before_a_run_writes_its_recipe() -> None:
    error = _error("baseline", {"data.files": ["caf\udce9.csv"]})
    assert error.message == (
        "recipe baseline: data.files = ['caf\\udce9.csv'], expected UTF-8 text without NUL (rename the file)"
    )
