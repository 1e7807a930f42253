"""The rows of a comparison, put together from what was measured and judged; and what a person should know of them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from civility.documents.comparison_result import Difference, Metric, Numbers, Row, RunFacts
from civility.evaluation.comparison.compared_rows import Group, different_settings, row_names
from civility.evaluation.comparison.measured import Measured
from civility.evaluation.comparison.verdicts import Judged, JudgedMetric
from civility.metrics.pooled import Pool
from civility.metrics.small_samples import FEWEST
from civility.render.sentences.comparison_sentences import ASTERISK
from civility.render.sentences.report_sentences import MEASURABLE, METRIC_NAMES


def rows_of(
    groups: Sequence[Group],
    facts: Sequence[RunFacts],
    measured: Measured,
    judged: Sequence[Sequence[JudgedMetric]],
    metrics: Sequence[str],
    labels: Sequence[str],
    too_few: npt.NDArray[np.bool_],
) -> tuple[Row, ...]:
    """Return a row for each group, the baseline first.

    Parameters
    ----------
    groups : which runs are in which row
    facts : of all M runs
    measured : of all M runs
    judged : of each group but the first, by metric
    metrics, labels : their names
    too_few : (L,) labels that are not measurable
    """
    rows = []
    named = zip(groups, row_names(groups, facts), different_settings(groups), strict=True)
    for place, (group, name, settings) in enumerate(named):
        found = {}
        for i, metric in enumerate(metrics):
            against = judged[place - 1][i] if place else None
            pools = [measured.pool(group.members, i, label) for label in range(len(labels))]
            of_labels = map(_numbers, pools, against.labels if against else [None] * len(labels))
            macro = _numbers(measured.macro(group.members, i), against.macro if against else None)
            measurable = None
            if (too_few & measured.defined(i)).any() and (~too_few & measured.defined(i)).any():
                own = measured.macro(group.members, i, ~too_few)
                measurable = _numbers(own, against.measurable if against else None)
            of_label = dict(zip(labels, of_labels, strict=True))
            found[metric] = Metric(labels=of_label, macro=macro, macro_measurable=measurable)
        runs = tuple(facts[member] for member in group.members)
        rows.append(Row(name=name, runs=runs, settings=settings, metrics=found))
    return tuple(rows)


def _numbers(pool: Pool, against: Judged | None) -> Numbers:
    difference = None
    if against is not None:
        each = against.difference
        difference = Difference(
            value=each.value,
            low=each.low,
            high=each.high,
            p_value=each.p_value,
            verdict=each.verdict.value,
            holds_for="settings" if against.of_settings else "classifiers",
            error_of_comments=against.noise.comments,
            error_of_seeds=against.noise.seeds,
        )
    return Numbers(values=tuple(map(float, pool.values)), mean=pool.mean, spread=pool.spread, difference=difference)


def notes_on(rows: Sequence[Row], too_few: Sequence[str]) -> list[str]:
    """Return what a person should know before believing the table.

    Parameters
    ----------
    rows : of the table
    too_few : labels without a verdict for want of comments
    """
    notes = _on_few_comments(rows, too_few) if too_few else []
    if len(rows) == 1:
        notes.append("all runs have the same settings: there is nothing to hold against them, only their spread")
    else:
        notes += [*_on_single_runs(rows), *_on_two_runs(rows)]
    for row in rows:
        if len({run.training_digest for run in row.runs}) > 1:
            notes.append(f"the runs of {row.name} were trained on different comments: their spread is of these too")
    return notes


def _on_few_comments(rows: Sequence[Row], too_few: Sequence[str]) -> list[str]:
    """Return what is not measurable, by metric where these differ: one that a label lacks is no part of its mean."""
    kinds: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for metric in rows[0].metrics:
        lacking = {label for label in too_few if any(row.metrics[metric].labels[label].mean is None for row in rows)}
        parts = (tuple(one for one in too_few if one not in lacking), tuple(one for one in too_few if one in lacking))
        kinds.setdefault(parts, []).append(metric)
    notes = []
    for (measured, undefined), metrics in kinds.items():
        first = rows[0].metrics[metrics[0]]
        names, few = ", ".join(METRIC_NAMES[metric] for metric in metrics), f"fewer than {FEWEST} positive or negative"
        if measured:
            of = f" ({names})" if len(kinds) > 1 else ""
            rest = f'; "{MEASURABLE}" is the mean over the other labels' if first.macro_measurable else ""
            notes.append(
                f"{few} comments of {', '.join(measured)}: not measurable{of}, nor are the macro averages, which rest "
                f"on them{rest}"
            )
        if undefined:
            rest = (
                "there is no macro average" if first.macro.mean is None else "macro averages are over the other labels"
            )
            notes.append(f"{few} comments of {', '.join(undefined)}: {names} not defined; {rest}")
    return notes


def notes_on_choices(facts: Sequence[RunFacts], is_chosen: Sequence[bool]) -> list[str]:
    """Return a note if some were chosen on the very comments among more than others; verdicts do not allow for it.

    Parameters
    ----------
    facts : of all M runs
    is_chosen : whether the epoch of each, or its members, were chosen on the comments
    """
    tried = [(run.num_epochs or 0) if chosen else 1 for run, chosen in zip(facts, is_chosen, strict=True)]
    if len(set(tried)) < 2:
        return []
    names: dict[int, list[str]] = {}
    for run, num in zip(facts, tried, strict=True):
        names.setdefault(num, []).append(run.name)
    told = [
        f"{', '.join(names[num])} ({f'the best of {num} epochs' if num else 'members, or their epochs'})"
        for num in sorted(names)
        if num != 1
    ]
    return [
        f"chosen on these very comments: {'; '.join(told)}. Such a choice flatters, the more there was to choose from, "
        "and verdicts do not allow for it: --data FILE scores all on comments that took no part"
    ]


def _on_single_runs(rows: Sequence[Row]) -> list[str]:
    single = [row.name for row in rows if len(row.runs) == 1]
    if not single:
        return []
    if len(rows[0].runs) == 1:
        who = "verdicts hold"
    else:
        who = "verdicts on it hold" if len(single) == 1 else "verdicts on them hold"
    return [
        f"{ASTERISK} a single run of {', '.join(single)}: {who} for these very classifiers, on other "
        "comments, and not for the settings: another seed may turn them round; to judge settings, train several "
        "seeds of both sides"
    ]


def _on_two_runs(rows: Sequence[Row]) -> list[str]:
    two = [row.name for row in rows if len(row.runs) == 2]
    if not two or len(rows[0].runs) == 1:
        return []
    return [
        f"two runs alone of {', '.join(two)}: their spread is known so badly that only large differences can be shown; "
        "three seeds show more, five much more"
    ]
