"""The page of a sweep: one file that needs no other and no network, drawn from the document alone."""

from civility.documents.sweep_result import METRIC_WORDS, SweepResult, TrialLine
from civility.render.html import sweep_charts as drawings
from civility.render.html.markup import Section, figure, table
from civility.render.html.report_page import put_together
from civility.render.markdown.sweep_markdown import in_order
from civility.render.sentences.page_sentences import DASH, fixed, missing, name, percent, said, whole
from civility.render.sentences.sweep_sentences import (
    counts,
    next_steps,
    settings_words,
    short_names,
    value_words,
    verdict,
    why_words,
)


def to_html(result: SweepResult) -> str:
    """Return the page."""
    sections = [_history(result), _importance(result), _parallel(result), _trials(result), _method(result)]
    return put_together(f"sweep {result.name}", _header(result), sections, more_style=drawings.style())


def _header(result: SweepResult) -> str:
    search = result.search
    facts = [
        ("Trials", said(counts(result))),
        ("Sampler", said(search["sampler"])),
        ("Pruner", said(search["pruner"])),
        ("Seed", said(str(search["seed"]))),
        ("Training comments", whole(result.num_training)),
        ("Validation comments", whole(result.num_validation)),
        ("Model", name(str(result.recipe.get("model.name", "")))),
    ]
    listed = "".join(f"<div><dt>{term}</dt><dd>{words}</dd></div>" for term, words in facts)
    first, *others = verdict(result)
    told = "".join(f"<p>{said(sentence)}</p>" for sentence in [first, *others])
    return (
        f'<header class="top"><p class="kicker">civility · sweep</p><h1>{name(result.name)}</h1>{_lead(result)}'
        f'<dl class="facts-of-report">{listed}</dl>'
        f'<div class="warning" role="note">{told}</div></header>'
    )


def _lead(result: SweepResult) -> str:
    if not result.ranked:
        return '<p class="lead">No trial has finished yet.</p>'
    best = result.ranked[0]
    between = "" if best.low is None else f" (95 % interval {fixed(best.low, 4)} to {fixed(best.high, 4)})"
    settings = settings_words(best.settings, short_names(result.space))
    return (
        f'<p class="lead">Best of {len(result.ranked)}: trial {best.number:04d}, {METRIC_WORDS[result.metric]} '
        f"{fixed(best.best, 4)}{between}, with <code>{said(settings)}</code></p>"
    )


def _history(result: SweepResult) -> Section:
    if not any(one.best is not None for one in result.trials):
        return Section("history", "History", '<p class="what">No trial has a score yet.</p>')
    direction = "higher" if result.rises else "lower"
    body = (
        f'<p class="what">The {METRIC_WORDS[result.metric]} on the validation comments; {direction} is better. '
        "<b>Blue</b> has finished, <b>hollow</b> was pruned or is under way, a cross failed, <b>orange</b> is the "
        "best, with its 95 % interval, and the best so far.</p>"
    )
    charts = figure(drawings.history(result), "By trial")
    if any(one.scores for one in result.trials):  # a linear model has no epochs
        charts += figure(drawings.by_epoch(result), "By epoch")
    return Section("history", "History", f'{body}<div class="pair">{charts}</div>')


def _importance(result: SweepResult) -> Section:
    if not result.importance:
        why = said(result.why_no_importance or "not measured")
        return Section("importance", "Importance", f'<p class="what">{why.capitalize()}.</p>')
    body = (
        '<p class="what">How far each setting\'s values in the best quarter of the finished trials are from its values '
        "in all (PED-ANOVA, Watanabe, Bansal and Hutter 2023), as shares. It is of this space and these trials: with "
        "few of them it says little, and pruned ones are left out.</p>"
    )
    chart = f'<figure class="narrow-chart">{drawings.importance(result).in_page()}</figure>'
    return Section("importance", "Importance", body + chart)


def _parallel(result: SweepResult) -> Section:
    body = (
        '<p class="what">Each line is a trial: the stronger its blue, the better its rank; the best is orange, '
        "pruned ones are dashed. Point at a line for its numbers.</p>"
    )
    drawing = drawings.parallel(result)
    chart = f'<figure class="wide-chart">{drawing.in_page("chart wide")}</figure>'
    return Section("parallel", "Parallel coordinates", body + chart)


def _trials(result: SweepResult) -> Section:
    names = short_names(result.space)
    heads = ["Trial", "Score", "Best epoch", "Minutes", *(said(one) for one in names.values()), "State"]
    rows = [_row(result, trial) for trial in in_order(result)]
    if not rows:
        return Section("trials", "Trials", '<p class="what">None yet.</p>')
    body = table("Finished trials by score, then the others", heads, rows, "numbers trials")
    return Section("trials", "Trials", body)


def _row(result: SweepResult, trial: TrialLine) -> list[str]:
    between = ""
    if trial.low is not None and trial.high is not None:
        between = f'<span class="between">{fixed(trial.low, 4)} to {fixed(trial.high, 4)}</span>'
    score = missing("no epoch has been judged") if trial.best is None else fixed(trial.best, 4) + between
    epoch = f"{trial.best_epoch} of {len(trial.scores)}" if trial.scores else DASH
    minutes = DASH if trial.seconds is None else fixed(trial.seconds / 60, 1)
    values = [said(value_words(trial.settings[key])) if key in trial.settings else DASH for key in result.space]
    why = f'<span class="between">{said(why_words(trial))}</span>' if trial.why else ""
    return [
        f"<td>{trial.number:04d}</td>",
        score,
        epoch,
        minutes,
        *values,
        f'<td class="state">{trial.state}{why}</td>',
    ]


def _method(result: SweepResult) -> Section:
    commands = next_steps(result)
    shown = f"<pre><code>{said(chr(10).join(commands))}</code></pre>" if commands else ""
    pruned = result.num("pruned")
    of_pruned = (
        f"<p>{pruned} of {len(result.trials)} trials ({percent(pruned / len(result.trials), 0)}) were pruned: their "
        "best score so far was worse than the median of the finished trials at the same epoch. What they would have "
        "come to is not known.</p>"
        if pruned
        else ""
    )
    body = (
        "<p>Every trial is an ordinary run, trained on the same comments and scored on the same validation comments; "
        "its score is that of its best epoch, and its interval is from resampling those comments. Choosing the best "
        "epoch of a trial and the best trial of a sweep both use the comments that the score is measured on, so the "
        f"best score is optimistic.</p>{of_pruned}"
        "<p>Intervals of single trials are wider than those of differences on the same comments. What tells trials "
        "apart is a paired comparison, and whether a difference outlives other seeds; from the folder that holds "
        f"{said(result.name)}:</p>"
        f"{shown}<p>For a number to rely on, evaluate the chosen classifier on comments that took no part.</p>"
    )
    return Section("method", "What this is worth, and what next", f'<div class="what">{body}</div>')
