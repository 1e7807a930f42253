"""The tokens of a run's comments, made once for all processes of a machine and for all folds."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from civility.data.prepare import PreparedData
from civility.engine.devices import first_of_machine_first
from civility.models.token_cache import CacheUse, cached_tokens, default_cache_folder
from civility.models.tokenizer import load_tokenizer
from civility.models.vocabulary import ids_in_use
from civility.recipe import Recipe
from civility.scoring.tokens import Tokens


@dataclass(frozen=True, eq=False)
class RunTokens:
    """The tokens of a run's comments, the tokenizer that made them, and how the cache was used."""

    tokenizer: Any
    training: Tokens
    validation: Tokens
    cache_uses: tuple[CacheUse, ...]

    @functools.cached_property
    def in_use(self) -> npt.NDArray[np.int64]:
        """(U,) ids that the comments use, ascending."""
        return ids_in_use(self.training, self.validation)

    @property
    def cache_note(self) -> str:
        """How the cache was used, in a few words; empty if tokens were made and kept as usual."""
        reasons = [use.reason for use in self.cache_uses if use.reason]
        if reasons:
            return f"tokens not kept in {default_cache_folder(os.environ)}: {reasons[0]}"
        return "tokens from the cache" if any(use.outcome == "read" for use in self.cache_uses) else ""


def tokenise_comments(recipe: Recipe, data: PreparedData, accelerator: Any) -> RunTokens:
    """Tokenise the comments of a run or read their tokens from the cache; one process of a machine does it for all.

    Raises
    ------
    UserError : the tokenizer cannot be loaded
    """
    tokenizer = load_tokenizer(recipe.model.name, recipe.model.revision or None)
    cache = default_cache_folder(os.environ)
    with first_of_machine_first(accelerator):
        if _are_the_comments_of_every_fold(recipe, data):
            training, validation, use = _tokens_of_a_fold(tokenizer, data, recipe.data.max_length, cache)
            return RunTokens(tokenizer, training, validation, (use,))
        training, use = cached_tokens(tokenizer, data.training.texts, recipe.data.max_length, cache)
        validation, other = cached_tokens(tokenizer, data.validation.texts, recipe.scoring_length, cache)
    return RunTokens(tokenizer, training, validation, (use, other))


def _are_the_comments_of_every_fold(recipe: Recipe, data: PreparedData) -> bool:
    """Whether every fold has these comments, in training or validation, truncated at one length."""
    as_read = data.original is None and not recipe.data.pseudo_labels
    return bool(recipe.data.folds) and as_read and recipe.data.max_length == recipe.scoring_length


def _tokens_of_a_fold(
    tokenizer: Any, data: PreparedData, max_length: int, cache: Path | None
) -> tuple[Tokens, Tokens, CacheUse]:
    """Select the tokens of training and validation from those of all comments, which all folds share."""
    assert data.held_out is not None
    is_held_out = np.zeros(len(data.training) + len(data.validation), dtype=np.bool_)
    is_held_out[data.held_out] = True
    training, validation = iter(data.training.texts), iter(data.validation.texts)
    texts = [next(validation if held_out else training) for held_out in is_held_out.tolist()]
    tokens, use = cached_tokens(tokenizer, texts, max_length, cache)
    return tokens.select(np.flatnonzero(~is_held_out)), tokens.select(np.flatnonzero(is_held_out)), use
