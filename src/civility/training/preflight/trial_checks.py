"""Checks by trying: one step on the longest comments, and whether padding changes a score."""

from civility.engine.trial_step import PaddingTrial, Trial
from civility.plain_text import count
from civility.training.preflight.check import Check, judge

_MOST_BY_PADDING = 0.02
"""Of how far logits lie apart: docs/explanation/models.md has what was measured."""

_OTHER_MODEL = "choose another model, such as BERT, RoBERTa or DeBERTa (docs/explanation/models.md)"


def check_trial(trial: Trial, precision: str) -> Check:
    """Fail if a step on the longest comments is not finite in this precision, or raises an error.

    Parameters
    ----------
    trial : of the run's first step
    precision : "bf16", "fp16", "tf32" or "fp32", as chosen
    """
    tried = f"{count(trial.num_comments, 'comment')} of up to {count(trial.num_tokens, 'token')}"
    if not trial.trouble:
        return judge("trial step", f"loss and gradients are finite in {precision}, for {tried}")
    found = f"in {precision}, for {tried}: {trial.trouble}"
    if trial.short_of_memory:
        return judge(
            "trial step",
            found,
            warns=True,
            remedy="halve training.batch_size and double training.gradient_accumulation; training does it by itself "
            "where it can",
        )
    remedy = f"--set training.precision={trial.remedy_precision}: with it the step is finite"
    return judge("trial step", found, fails=True, remedy=remedy if trial.remedy_precision else _OTHER_MODEL)


def check_padded_scores(trial: PaddingTrial, model_type: str) -> Check:
    """Fail if a text gets other scores beside longer ones than alone; warn if only hardly any text does.

    Parameters
    ----------
    trial : of the model as loaded
    model_type : as the configuration names it
    """
    if trial.trouble:
        found = f"a {model_type} model cannot score a short text: {trial.trouble}"
    elif not trial.difference <= _MOST_BY_PADDING:
        found = (
            f"a {model_type} model mixes padding into the text: a score would depend on the comments beside it "
            f"(by {trial.difference:.1%} of the range of the logits)"
        )
    elif not trial.short_difference <= _MOST_BY_PADDING:
        return judge(
            "padded scores",
            f"a {model_type} model mixes padding into texts of one or two tokens "
            f"(by {trial.short_difference:.1%} of the range of the logits)",
            warns=True,
            remedy="the score of such a text depends a little on the comments beside it; others keep theirs",
        )
    else:
        return judge("padded scores", "a text has the same logits alone and beside a longer one")
    return judge("padded scores", found, fails=True, remedy=_OTHER_MODEL)
