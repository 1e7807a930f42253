"""The result of a sweep as Markdown, for a review."""

from civility.documents.sweep_result import SweepResult, TrialLine
from civility.plain_text import as_code, as_markdown, one_line
from civility.render.markdown.report_markdown import grid
from civility.render.sentences.report_sentences import METRIC_WORDS
from civility.render.sentences.sweep_sentences import (
    counts,
    next_steps,
    no_importance,
    score_words,
    short_names,
    value_words,
    verdict,
    why_words,
)


def to_markdown(result: SweepResult) -> str:
    """Return the result: how far to trust it, the trials, the importance of settings, what to do next."""
    parts = [
        f"# Sweep {as_markdown(result.name)}",
        f"{counts(result)}. Sampler {result.search['sampler']}, pruner {result.search['pruner']}, seed "
        f"{result.search['seed']}. {result.num_training:,} comments in training, {result.num_validation:,} in "
        f"validation. Scores: {METRIC_WORDS[result.metric]}, the best epoch's, with its 95 % interval.",
        *(f"> {as_markdown(sentence)}" for sentence in [" ".join(verdict(result))]),
        "## Trials",
        _trials(result),
        "## Importance of settings",
        _importance(result),
    ]
    commands = next_steps(result)
    if commands:
        parts += [
            "## What next",
            "Compare the top trials on the same comments, and train the best with more seeds, from the "
            f"folder that holds {as_markdown(result.name)}:",
            "```\n" + "\n".join(map(one_line, commands)) + "\n```",
        ]
    return "\n\n".join(parts) + "\n"


def in_order(result: SweepResult) -> list[TrialLine]:
    """Return all trials: finished ones by score, then the others by number."""
    return [*result.ranked, *(one for one in result.trials if one not in result.ranked)]


def _trials(result: SweepResult) -> str:
    if not result.trials:
        return "None yet."
    names = short_names(result.space)
    rows = []
    for trial in in_order(result):
        values = [as_code(value_words(trial.settings[key])) if key in trial.settings else "" for key in names]
        epoch = f"{trial.best_epoch} of {len(trial.scores)}" if trial.scores else ""
        note = f": {as_markdown(why_words(trial))}" if trial.why else ""
        rows.append([f"{trial.number:04d}", score_words(trial), epoch, *values, trial.state + note])
    header = ["trial", "score", "best epoch", *(as_code(name) for name in names.values()), "state"]
    return grid(header, rows, left=len(header))


def _importance(result: SweepResult) -> str:
    if not result.importance:
        return f"{no_importance(result).capitalize()}."
    rows = [[as_code(key), f"{share:.0%}"] for key, share in result.importance.items()]
    meaning = (
        "How far each setting's values in the best quarter of the finished trials are from its values in all of "
        "them (PED-ANOVA, Watanabe and others 2023), as shares. With few trials it says little."
    )
    return f"{meaning}\n\n{grid(['setting', 'share'], rows)}"
