"""Whether the weights of runs can be averaged: one pretrained start, one tokenizer, one length, one architecture."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from civility.errors import UserError
from civility.recipe import Recipe
from civility.run import RunDirectory, classifier_folder
from civility.storage.parsing import read_json


def check_same_start(targets: Sequence[str]) -> tuple[Recipe, list[str]]:
    """Return the first run's recipe, and what a person should know of the runs.

    Raises
    ------
    UserError : they cannot be averaged, as far as their files tell
    """
    recipes, folders = [], []
    for target in targets:
        run = RunDirectory.find(Path(target))
        if run is None:
            raise UserError(
                "combine.todo",
                "is no run directory, which would tell the weights it was fine-tuned from",
                where=target,
                remedy="name runs; classifiers of any origin can be averaged by their scores: civility ensemble",
            )
        recipes.append(Recipe.load(str(run.recipe)))
        folders.append(Path(classifier_folder(target)))
    first = recipes[0]
    for target, recipe in zip(targets, recipes, strict=True):
        if recipe.is_linear or not (Path(classifier_folder(target)) / "config.json").is_file():
            raise UserError(
                "combine.todo",
                "is no encoder: only weights of one architecture can be averaged",
                where=target,
                remedy="average scores instead: civility ensemble",
            )
        starts = [(one.model.name, one.model.revision) for one in (first, recipe)]
        if starts[0] != starts[1]:
            raise UserError(
                "combine.todo",
                f"{target} was fine-tuned from {' '.join(starts[1]).strip()}, {targets[0]} from "
                f"{' '.join(starts[0]).strip()}: weights of different origins do not average to "
                "anything",
                remedy="name runs from the same pretrained weights, or average scores instead: civility ensemble",
            )
    _check_same_tokens(targets, folders)
    if len({recipe.seed for recipe in recipes}) > 1:
        return first, [
            "the runs have different seeds, so their heads began at different random weights, and may have learned to "
            "read the encoder differently: compare the soup with its members, and with their ensemble"
        ]
    return first, []


def _check_same_tokens(targets: Sequence[str], folders: Sequence[Path]) -> None:
    """Raise a UserError unless all read comments alike: the same vocabulary, cut at the same length."""
    digests = [_digest_of_tokenizer(folder) for folder in folders]
    for target, digest in zip(targets, digests, strict=True):
        if digest != digests[0]:
            raise UserError(
                "combine.todo",
                f"{target} and {targets[0]} have different tokenizers, or cut comments at different lengths",
                remedy="train them with one data.max_length, or average scores instead: civility ensemble",
            )


def _digest_of_tokenizer(folder: Path) -> str:
    """Return a sha256 of vocabulary and length; truncation and padding in tokenizer.json are marks of its last use."""
    remedy = "put it back as it was, or average scores instead: civility ensemble"
    content = read_json(folder / "tokenizer.json", remedy)
    settings = read_json(folder / "tokenizer_config.json", remedy)
    own = {key: value for key, value in content.items() if key not in ("truncation", "padding")}
    text = json.dumps([own, settings.get("model_max_length")], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def check_same_architecture(first: str, settings: Mapping[str, Any], target: str, own: Mapping[str, Any]) -> None:
    """Raise a UserError unless two models have the same settings.

    Parameters
    ----------
    first, target : as the two were named
    settings, own : of the two, from `civility.models.encoder.settings_of`
    """
    if own == settings:
        return
    key = next(key for key in sorted({*own, *settings}) if own.get(key) != settings.get(key))
    raise UserError(
        "combine.todo",
        f"{target} is of another architecture than {first}: {key} is {own.get(key)!r} and {settings.get(key)!r}",
        remedy="only weights of one architecture can be averaged; average scores instead: civility ensemble",
    )
