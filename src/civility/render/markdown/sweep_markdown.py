"""The result of a sweep as Markdown: for a terminal or a review. Drawn from the document alone."""

from collections.abc import Iterable, Sequence

from civility.documents.sweep_result import METRIC_WORDS, SweepResult, TrialLine
from civility.plain_text import one_line
from civility.render.markdown.report_markdown import code, plain
from civility.render.sentences.sweep_sentences import (
    counts,
    next_steps,
    score_words,
    short_names,
    value_words,
    verdict,
    why_words,
)


def to_markdown(result: SweepResult) -> str:
    """Return the result: what it is worth, the trials, the importance of settings, what to do next."""
    parts = [
        f"# Sweep {plain(result.name)}",
        f"{counts(result)}. Sampler {result.search['sampler']}, pruner {result.search['pruner']}, seed "
        f"{result.search['seed']}. {result.num_training:,} comments in training, {result.num_validation:,} in "
        f"validation. Scores: {METRIC_WORDS[result.metric]}, the best epoch's, with its 95 % interval.",
        *(f"> {plain(sentence)}" for sentence in [" ".join(verdict(result))]),
        "## Trials",
        _trials(result),
        "## Importance of settings",
        _importance(result),
    ]
    commands = next_steps(result)
    if commands:
        parts += [
            "## What next",
            "Hold the top trials against each other on the same comments, and train the best with more seeds, from the "
            f"folder that holds {plain(result.name)}:",
            "```\n" + "\n".join(map(one_line, commands)) + "\n```",
        ]
    return "\n\n".join(parts) + "\n"


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def in_order(result: SweepResult) -> list[TrialLine]:
    """Return all trials: finished ones by score, then the others by number."""
    return [*result.ranked, *(one for one in result.trials if one not in result.ranked)]


def _trials(result: SweepResult) -> str:
    if not result.trials:
        return "None yet."
    names = short_names(result.space)
    rows = []
    for trial in in_order(result):
        values = [code(value_words(trial.settings[key])) if key in trial.settings else "" for key in names]
        epoch = f"{trial.best_epoch} of {len(trial.scores)}" if trial.scores else ""
        note = f": {plain(why_words(trial))}" if trial.why else ""
        rows.append([f"{trial.number:04d}", score_words(trial), epoch, *values, trial.state + note])
    return _grid(["trial", "score", "best epoch", *(code(name) for name in names.values()), "state"], rows)


def _importance(result: SweepResult) -> str:
    if not result.importance:
        return f"{(result.why_no_importance or 'not measured').capitalize()}."
    rows = [[code(key), f"{share:.0%}"] for key, share in result.importance.items()]
    told = (
        "How far each setting's values in the best quarter of the finished trials are from its values in all "
        "(PED-ANOVA, Watanabe and others 2023), as shares. With few trials it says little."
    )
    return f"{told}\n\n{_grid(['setting', 'share'], rows)}"
