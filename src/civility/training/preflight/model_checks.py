"""Preflight checks of the model and its tokenizer, and of one step and one padded text that are tried."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from civility.engine.loop import Trainer
from civility.engine.trial_step import PaddingTrial, Trial, try_padding, try_step
from civility.models.encoder import PROBLEM_TYPE
from civility.models.tokenizer import tokenise
from civility.scoring.tokens import Tokens
from civility.training.preflight import Check, outcome

_ANY_WORD = "a"
_LEAST_ROWS_IN_USE = 0.5
_MOST_UNKNOWN_TOKENS = 0.05
_MOST_BY_PADDING = 0.02
"""Largest difference, as a share of the range of logits: measured in docs/explanation/models.md."""


def checks_of_the_tokens(tokenizer: Any, tokens: Tokens, num_rows: int) -> list[Check]:
    """Check whether tokenizer and model belong together; ``num_rows`` are those of its token embedding."""
    return [
        check_vocabulary(tokenizer, num_rows),
        check_special_tokens(tokenizer),
        check_unknown_tokens(tokens, tokenizer.unk_token_id),
    ]


def checks_by_trying(tokenizer: Any, trainer: Trainer) -> list[Check]:
    """Try one step and two short texts on the device; the model is left unchanged."""
    step = check_trial(try_step(trainer), trainer.precision.name)
    if step.state == "failed":
        return [step]
    padding = try_padding(trainer, tokenise(tokenizer, [""], int(trainer.data.tokens.lengths.max())))
    return [step, check_padded_scores(padding, trainer.model.config.model_type)]


def checks_of_the_model(model: Any, labels: Sequence[str]) -> list[Check]:
    """Check a loaded model; ``labels`` are those of the data."""
    return [
        check_parameter_type(model),
        check_problem_type(model.config),
        check_model_labels(model.config, labels),
    ]


def check_parameter_type(model: torch.nn.Module) -> Check:
    """Fail unless every parameter is float32: smaller types lose small updates without an error."""
    counts: dict[torch.dtype, int] = {}
    for parameter in model.parameters():
        counts[parameter.dtype] = counts.get(parameter.dtype, 0) + parameter.numel()
    numbers = {str(dtype).removeprefix("torch."): number for dtype, number in counts.items()}
    return outcome("parameter type", fails=set(counts) != {torch.float32}, num_parameters=numbers)


def check_problem_type(config: Any) -> Check:
    """Fail unless the configuration says multi-label; otherwise other programs would apply a softmax."""
    return outcome(
        "problem type",
        fails=config.problem_type != PROBLEM_TYPE,
        problem_type=str(config.problem_type),
        expected=PROBLEM_TYPE,
    )


def check_model_labels(config: Any, labels: Sequence[str]) -> Check:
    """Fail unless the outputs of the model have the names and the order of the labels in the data."""
    names = tuple(str(config.id2label[i]) for i in range(len(config.id2label)))
    return outcome("model labels", fails=names != tuple(labels), model=list(names), data=list(labels))


def check_head(found: Sequence[str], found_problem: str | None, labels: Sequence[str]) -> Check:
    """Report what happens to the head of a checkpoint, of labels ``found``; warn if a trained one is dropped."""
    if found_problem == PROBLEM_TYPE and sorted(found) == sorted(labels):
        head = "kept" if tuple(found) == tuple(labels) else "reordered"
    elif found_problem is None and all(name.startswith("LABEL_") for name in found):
        head = "none"
    else:
        head = "labels" if found_problem == PROBLEM_TYPE else "classes"
    return outcome(
        "head",
        warns=head in ("labels", "classes"),
        head=head,
        own=list(found),
        problem_type=found_problem or "",
        labels=list(labels),
    )


def check_vocabulary(tokenizer: Any, num_rows: int) -> Check:
    """Fail if the tokenizer has ids beyond the embedding; warn if most rows have no id.

    More rows than ids are usual: DeBERTa-v3 has a hundred more (huggingface/transformers#19301).
    """
    ids = tokenizer.get_vocab()
    num_ids = max(ids.values()) + 1
    beyond = [token for token, number in ids.items() if number >= num_rows]
    only_added = set(beyond) <= set(tokenizer.added_tokens_encoder)
    return outcome(
        "vocabulary",
        fails=num_ids > num_rows,
        warns=num_ids < _LEAST_ROWS_IN_USE * num_rows,
        num_ids=num_ids,
        num_rows=num_rows,
        added=beyond if only_added else [],
    )


def check_special_tokens(tokenizer: Any) -> Check:
    """Warn if the tokenizer has tokens for the ends of a text and does not add them.

    The head reads the first token. In early releases of transformers 5 the tokenizer of mDeBERTa silently
    set none (huggingface/transformers#44568).
    """
    ids = tokenizer(_ANY_WORD)["input_ids"] or [None]  # a word that it does not know, and no marks
    wanted = {"first": (tokenizer.cls_token_id, 0), "last": (tokenizer.sep_token_id, -1)}
    missing = [where for where, (mark, place) in wanted.items() if mark is not None and ids[place] != mark]
    marks = [mark for mark in (tokenizer.cls_token, tokenizer.sep_token) if mark is not None]
    return outcome(
        "special tokens",
        warns=bool(missing),
        missing=missing,
        marks=marks,
    )


def check_unknown_tokens(tokens: Tokens, unknown_id: int | None) -> Check:
    """Warn if the tokenizer does not know many tokens of the comments."""
    share = float(np.mean(tokens.ids == unknown_id)) if unknown_id is not None and len(tokens.ids) else 0.0
    return outcome("unknown tokens", warns=share > _MOST_UNKNOWN_TOKENS, share=share, num_tokens=len(tokens.ids))


def check_trial(trial: Trial, precision: str) -> Check:
    """Fail if a step on the longest comments is not finite in this precision, or raises an error."""
    return outcome(
        "trial step",
        fails=bool(trial.trouble) and not trial.short_of_memory,
        warns=trial.short_of_memory,
        num_comments=trial.num_comments,
        num_tokens=trial.num_tokens,
        precision=precision,
        trouble=trial.trouble,
        better_precision=trial.remedy_precision,
    )


def check_padded_scores(trial: PaddingTrial, model_type: str) -> Check:
    """Fail if padding changes the scores of a text; warn if it changes only those of very short texts."""
    return outcome(
        "padded scores",
        fails=bool(trial.trouble) or not trial.difference <= _MOST_BY_PADDING,
        warns=not trial.short_difference <= _MOST_BY_PADDING,
        model_type=model_type,
        difference=trial.difference,
        short_difference=trial.short_difference,
        trouble=trial.trouble,
    )
