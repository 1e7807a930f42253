"""Preflight checks of the model and its tokenizer, and of one step and one padded text that are tried."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from civility.engine.loop import Trainer
from civility.engine.trial_step import PaddingTrial, Trial, try_padding, try_step
from civility.models.encoder import PROBLEM_TYPE
from civility.models.tokenizer import tokenise
from civility.plain_text import count, listed
from civility.scoring.tokens import Tokens
from civility.training.preflight import Check, outcome

_ANY_WORD = "a"
_LEAST_ROWS_IN_USE = 0.5
_MOST_UNKNOWN_TOKENS = 0.05
_MOST_BY_PADDING = 0.02
"""Largest difference, as a share of the range of logits: measured in docs/explanation/models.md."""

_OTHER_MODEL = "choose another model, such as BERT, RoBERTa or DeBERTa (docs/explanation/models.md)"


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
    names = [f"{number:,} {str(dtype).removeprefix('torch.')}" for dtype, number in counts.items()]
    remedy = "load the model in float32 (huggingface/sentence-transformers#3773)"
    return outcome("parameter type", " and ".join(names), remedy, fails=set(counts) != {torch.float32})


def check_problem_type(config: Any) -> Check:
    """Fail unless the configuration says multi-label; otherwise other programs would apply a softmax."""
    found, remedy = str(config.problem_type), f"set problem_type to {PROBLEM_TYPE} in the model's config.json"
    return outcome("problem type", found, remedy, fails=config.problem_type != PROBLEM_TYPE)


def check_model_labels(config: Any, labels: Sequence[str]) -> Check:
    """Fail unless the outputs of the model have the names and the order of the labels in the data."""
    names = tuple(str(config.id2label[i]) for i in range(len(config.id2label)))
    if names == tuple(labels):
        return outcome("model labels", f"{len(names)} outputs in the order of the data")
    found = f"{', '.join(names)}; data: {', '.join(labels)}"
    remedy = "the logits would be taken for other labels: name the labels in the model's order (data.labels)"
    return outcome("model labels", found, remedy, fails=True)


def check_head(found: Sequence[str], found_problem: str | None, labels: Sequence[str]) -> Check:
    """Report what happens to the head of a checkpoint, of labels ``found``; warn if a trained one is dropped."""
    own = ", ".join(found)
    same = sorted(found) == sorted(labels)
    if found_problem == PROBLEM_TYPE and same:
        how = "kept" if tuple(found) == tuple(labels) else f"kept, its rows moved from the order {own}"
        return outcome("head", f"the checkpoint's own, {how}")
    unnamed = all(name.startswith("LABEL_") for name in found)
    if found_problem is None and unnamed:
        return outcome("head", "new: the checkpoint has none")
    kind = "labels" if found_problem == PROBLEM_TYPE else f"classes ({found_problem or 'no problem type'})"
    new = f"new: the checkpoint's own has other {kind}: {own}; this run: {', '.join(labels)}"
    return outcome("head", new, "to continue with the trained head, name the same labels (data.labels)", warns=True)


def check_vocabulary(tokenizer: Any, num_rows: int) -> Check:
    """Fail if the tokenizer has ids beyond the embedding; warn if most rows have no id.

    More rows than ids are usual: DeBERTa-v3 has a hundred more (huggingface/transformers#19301).
    """
    ids = tokenizer.get_vocab()
    num_ids = max(ids.values()) + 1
    found = f"{num_ids:,} token ids, {num_rows:,} embedding rows"
    beyond = [token for token, number in ids.items() if number >= num_rows]
    if beyond and set(beyond) <= set(tokenizer.added_tokens_encoder):
        found += f": the model has no embedding for the added tokens {listed(beyond, most=3)}"
        remedy = (
            'set "pad_token" and the like in tokenizer_config.json to tokens that the model has, or resize its '
            "embedding (transformers: resize_token_embeddings)"
        )
        return outcome("vocabulary", found, remedy, fails=True)
    remedy = "this looks like the tokenizer of another model: get model and tokenizer from one place"
    few = num_ids < _LEAST_ROWS_IN_USE * num_rows
    return outcome("vocabulary", found, remedy, fails=num_ids > num_rows, warns=few)


def check_special_tokens(tokenizer: Any) -> Check:
    """Warn if the tokenizer has tokens for the ends of a text and does not add them.

    The head reads the first token. In early releases of transformers 5 the tokenizer of mDeBERTa silently
    set none (huggingface/transformers#44568).
    """
    ids = tokenizer(_ANY_WORD)["input_ids"] or [None]  # a word that it does not know, and no marks
    wanted = {"first": (tokenizer.cls_token_id, 0), "last": (tokenizer.sep_token_id, -1)}
    missing = [where for where, (mark, place) in wanted.items() if mark is not None and ids[place] != mark]
    marks = [mark for mark in (tokenizer.cls_token, tokenizer.sep_token) if mark is not None]
    found = "the tokenizer has no marks for the ends of a text"
    if missing:
        found = f"no mark is set as the {' and the '.join(missing)} token"
    elif marks:
        found = f"each text stands between {' and '.join(marks)}"
    remedy = "update transformers (huggingface/transformers#44568), or replace the tokenizer's files"
    return outcome("special tokens", found, remedy, warns=bool(missing))


def check_unknown_tokens(tokens: Tokens, unknown_id: int | None) -> Check:
    """Warn if the tokenizer does not know many tokens of the comments."""
    share = float(np.mean(tokens.ids == unknown_id)) if unknown_id is not None and len(tokens.ids) else 0.0
    found = f"{share:.2%} of {len(tokens.ids):,} tokens"
    remedy = "the model cannot read what is unknown: choose one made for the language of the comments"
    return outcome("unknown tokens", found, remedy, warns=share > _MOST_UNKNOWN_TOKENS)


def check_trial(trial: Trial, precision: str) -> Check:
    """Fail if a step on the longest comments is not finite in this precision, or raises an error."""
    tried = f"{count(trial.num_comments, 'comment')} of up to {count(trial.num_tokens, 'token')}"
    if not trial.trouble:
        return outcome("trial step", f"loss and gradients are finite in {precision}, for {tried}")
    found = f"in {precision}, for {tried}: {trial.trouble}"
    if trial.short_of_memory:
        halve = "halve training.batch_size and double training.gradient_accumulation"
        return outcome("trial step", found, f"{halve}; training does it by itself where it can", warns=True)
    remedy = f"--set training.precision={trial.remedy_precision}: with it the step is finite"
    return outcome("trial step", found, remedy if trial.remedy_precision else _OTHER_MODEL, fails=True)


def check_padded_scores(trial: PaddingTrial, model_type: str) -> Check:
    """Fail if padding changes the scores of a text; warn if it changes only those of very short texts."""
    if trial.trouble:
        found = f"a {model_type} model cannot score a short text: {trial.trouble}"
    elif not trial.difference <= _MOST_BY_PADDING:
        found = (
            f"a {model_type} model mixes padding into the text: a score would depend on the comments beside it "
            f"(by {trial.difference:.1%} of the range of the logits)"
        )
    elif not trial.short_difference <= _MOST_BY_PADDING:
        found = (
            f"a {model_type} model mixes padding into texts of one or two tokens "
            f"(by {trial.short_difference:.1%} of the range of the logits)"
        )
        remedy = "the score of such a text depends a little on the comments beside it; others keep theirs"
        return outcome("padded scores", found, remedy, warns=True)
    else:
        return outcome("padded scores", "a text has the same logits alone and beside a longer one")
    return outcome("padded scores", found, _OTHER_MODEL, fails=True)
