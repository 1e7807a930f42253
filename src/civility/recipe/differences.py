"""Which settings may differ between two runs that count as the same, by reason, and how the others differ.

Resuming a run, resuming a sweep and comparing runs each name the reasons that they allow.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from civility.plain_text import shortened
from civility.recipe.fields import LINEAR_MODEL
from civility.recipe.recipe import defaults_of_all_versions, takes_part


class Reason(Enum):
    """Why two runs may differ in a setting."""

    UPKEEP = "how the process works and when it saves, which does not change the result"
    MACHINE = "where it is computed, which changes only rounding, time and memory"
    LOGGING = "what is logged"
    FILES = "the names of data files, since the comments themselves are compared"
    READING = "how files are read, since the comments themselves are compared"
    MODEL = "the place of the pretrained model, since its configuration is compared"
    STEP = "how a step is divided, since the number of comments in a step is compared"
    SEED = "the seed, which distinguishes runs with the same settings"


_REASONS = {
    Reason.UPKEEP: ("training.threads", "training.checkpoint_minutes", "training.checkpoint_steps"),
    Reason.MACHINE: ("training.device", "training.gradient_checkpointing"),
    Reason.LOGGING: ("training.log_every",),
    Reason.FILES: ("data.files", "data.validation", "data.pseudo_labels"),
    Reason.READING: (
        *("data.text_column", "data.id_column", "data.label_list_column", "data.label_separator"),
        *("data.none_word", "data.multi_hot_labels"),
        *("data.format", "data.separator", "data.encoding", "data.max_cell_bytes"),
    ),
    Reason.MODEL: ("model.name", "model.revision"),
    Reason.STEP: ("training.batch_size", "training.gradient_accumulation", "training.fit"),
    Reason.SEED: ("seed", "data.split_seed"),
}


def settings_for(*reasons: Reason) -> frozenset[str]:
    """Return the settings that may differ for any of these reasons, as ``section.key``."""
    return frozenset(key for reason in reasons for key in _REASONS[reason])


_OF_A_RUN = settings_for(Reason.UPKEEP, Reason.MACHINE, Reason.FILES, Reason.READING, Reason.STEP, Reason.MODEL)


def differing_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line with both values for each setting in which two recipes of a run differ.

    Settings that do not apply to the kind of model are left out, and so are those whose effect is compared elsewhere:
    in the comments, the model, or the size of a step. A validation share and validation files always differ.

    Parameters
    ----------
    before, now : ``{"section.key": value}``, from `Recipe.flat`; settings that one version lacks have their defaults
    """
    defaults = defaults_of_all_versions()
    model, other = (recipe.get("model.name", defaults["model.name"]) for recipe in (before, now))
    is_linear = other == LINEAR_MODEL
    if (model == LINEAR_MODEL) != is_linear:
        return [changed("model.name", model, other)]
    problems = []
    for key in sorted({*before, *now} - _OF_A_RUN | {"data.validation"}):
        was, wanted = before.get(key, defaults.get(key)), now.get(key, defaults.get(key))
        both_files = key == "data.validation" and isinstance(was, str) and isinstance(wanted, str)
        if was != wanted and not both_files and takes_part(key, is_linear=is_linear):
            problems.append(changed(key, was, wanted))
    if _step(before) != _step(now) and not is_linear:
        product = "training.batch_size times training.gradient_accumulation"
        problems.append(changed(product, _step(before), _step(now)))
    return problems


def changed(name: str, was: object, wanted: object) -> str:
    """Return a line on a setting with the value before and the value now."""
    return f"{name} was {shortened(repr(was), 120)}, and is {shortened(repr(wanted), 120)} now"


def _step(recipe: Mapping[str, Any]) -> int:
    return int(recipe["training.batch_size"] * recipe["training.gradient_accumulation"])
