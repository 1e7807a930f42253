"""Whether the weights of runs can be averaged: same pretrained weights, tokenizer, maximum length and architecture."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from civility.errors import UserError
from civility.recipe import Recipe
from civility.run import RunDirectory, classifier_folder
from civility.storage.parsing import read_json

_ENSEMBLE = "average their scores instead: civility ensemble"


def check_same_start(targets: Sequence[str]) -> tuple[Recipe, list[str]]:
    """Return the recipe of the first run, and notes on the runs.

    Raises
    ------
    UserError : the files of the runs show that their weights cannot be averaged
    """
    recipes = [_recipe(target) for target in targets]
    first = recipes[0]
    start = _start(first)
    for target, recipe in zip(targets, recipes, strict=True):
        if recipe.is_linear or not (Path(classifier_folder(target)) / "config.json").is_file():
            raise UserError(
                "combine.unlike-runs",
                "not an encoder, so its weights cannot be averaged",
                where=target,
                remedy=_ENSEMBLE,
            )
        if _start(recipe) != start:
            raise UserError(
                "combine.unlike-runs",
                f"was fine-tuned from {_start(recipe)}, {targets[0]} from {start}: the average of their weights would "
                "be meaningless",
                where=target,
                remedy=f"name runs with the same pretrained weights, or {_ENSEMBLE}",
            )
    _check_same_tokenizer(targets)
    if len({recipe.seed for recipe in recipes}) > 1:
        return first, [
            "the runs have different seeds, so their heads started from different random weights and may read the "
            "encoder differently: compare the soup with its members, and with an ensemble of them"
        ]
    return first, []


def _recipe(target: str) -> Recipe:
    run = RunDirectory.find(Path(target))
    if run is None:
        raise UserError(
            "combine.not-a-run",
            "not a run directory, so the weights it was fine-tuned from are unknown",
            where=target,
            remedy=f"name run directories, or {_ENSEMBLE}",
        )
    return run.load_recipe()


def _start(recipe: Recipe) -> str:
    return f"{recipe.model.name} {recipe.model.revision}".strip()


def _check_same_tokenizer(targets: Sequence[str]) -> None:
    """Raise a UserError unless all have the same vocabulary and maximum length."""
    digests = [_tokenizer_digest(Path(classifier_folder(target))) for target in targets]
    for target, digest in zip(targets, digests, strict=True):
        if digest != digests[0]:
            raise UserError(
                "combine.unlike-runs",
                f"its tokenizer or its maximum length differs from that of {targets[0]}",
                where=target,
                remedy=f"train them with the same data.max_length, or {_ENSEMBLE}",
            )


def _tokenizer_digest(folder: Path) -> str:
    """Return a sha256 of vocabulary and maximum length.

    The truncation and padding in tokenizer.json are left out: they depend on how the tokenizer was last used.
    """
    remedy = f"restore the file, or {_ENSEMBLE}"
    content = read_json(folder / "tokenizer.json", remedy)
    settings = read_json(folder / "tokenizer_config.json", remedy)
    own = {key: value for key, value in content.items() if key not in ("truncation", "padding")}
    text = json.dumps([own, settings.get("model_max_length")], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def check_same_architecture(first: str, settings: Mapping[str, Any], target: str, own: Mapping[str, Any]) -> None:
    """Raise a UserError unless two models have the same settings.

    Parameters
    ----------
    first, target : the runs, as the user named them
    settings, own : of their models, from `civility.models.encoder.settings_of`
    """
    if own == settings:
        return
    key = next(key for key in sorted({*own, *settings}) if own.get(key) != settings.get(key))
    raise UserError(
        "combine.unlike-runs",
        f"its architecture differs from that of {first}: {key} is {own.get(key)!r} and {settings.get(key)!r}",
        where=target,
        remedy=_ENSEMBLE,
    )
