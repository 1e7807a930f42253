"""The words of a comparison that table, Markdown and picture share."""

from collections.abc import Iterator

from civility.documents.comparison_result import ComparedRow, Comparison, DifferenceVerdict, Numbers, Setting
from civility.plain_text import clock, count, gib
from civility.render.sentences.report_sentences import ASTERISK, MEASURABLE, METRIC_NAMES, metric_text, with_interval

MACRO = "macro"
MARKS = {"better": "▲", "worse": "▼"}
_VERDICTS: dict[DifferenceVerdict, str] = {
    "better": "better",
    "worse": "worse",
    "not_shown": "no difference shown",
    "not_measurable": "not measurable",
}


def macros_of(comparison: Comparison, metric: str) -> Iterator[tuple[str, list[Numbers]]]:
    """Yield the macro average with the numbers of all rows, and that of the measurable labels if it differs."""
    of_rows = [row.metrics[metric] for row in comparison.rows]
    yield MACRO, [each.macro for each in of_rows]
    measurable = [each.macro_measurable for each in of_rows if each.macro_measurable is not None]
    if measurable:
        yield MEASURABLE, measurable


def value_of(numbers: Numbers) -> str:
    """Return the mean with the standard deviation over seeds, as ``0.9712 ± 0.0013``."""
    return metric_text(numbers.mean) + ("" if numbers.spread is None else f" ± {numbers.spread:.4f}")


def difference_of(numbers: Numbers) -> str:
    """Return the difference with its interval; a dash without one."""
    each = numbers.difference
    return "-" if each is None else with_interval(each, 4, signed=True)


def verdict_of(numbers: Numbers) -> str:
    """Return the verdict with its mark, and an asterisk if it holds for classifiers, not settings; or "baseline"."""
    each = numbers.difference
    if each is None:
        return "baseline"
    words = _VERDICTS[each.verdict]
    verdict = f"{MARKS[each.verdict]} {words}" if each.verdict in MARKS else words
    return verdict + (ASTERISK if each.verdict in MARKS and each.holds_for == "classifiers" else "")


def mark_of(numbers: Numbers) -> str:
    """Return the mark of a shown difference after a space; empty for any other."""
    verdict = verdict_of(numbers)
    return f" {verdict[0]}{ASTERISK if verdict.endswith(ASTERISK) else ''}" if verdict[0] in MARKS.values() else ""


def seeds_of(row: ComparedRow) -> str:
    """Return the seeds of a row."""
    seeds = [str(run.seed) for run in row.runs if run.seed is not None]
    return ", ".join(seeds) if len(seeds) <= 4 else f"{len(seeds)} seeds"


def setting(value: Setting | None) -> str:
    """Return a setting as in a recipe."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings_of(row: ComparedRow, baseline: ComparedRow, *, with_sections: bool = True) -> str:
    """Return the settings in which a row differs from the baseline, as ``training.loss=bce``; all for the baseline."""
    own = {key: value for key, value in row.settings.items() if row is baseline or value != baseline.settings.get(key)}
    return ", ".join(
        f"{key if with_sections else key.rpartition('.')[2]}={setting(value)}" for key, value in own.items()
    )


def time_of(row: ComparedRow) -> str:
    """Return the mean time of a run, after ``>`` if one was interrupted and so took longer."""
    known = [run.seconds for run in row.runs if run.seconds is not None]
    if not known:
        return "-"
    written = clock(sum(known) / len(known))
    return f"> {written}" if any(run.was_interrupted for run in row.runs) else written


def memory_of(row: ComparedRow) -> str:
    """Return the largest peak of memory."""
    known = [run.peak_memory for run in row.runs if run.peak_memory is not None]
    return gib(max(known), 2) if known else "-"


def where(comparison: Comparison) -> str:
    """Return how many rows, runs and comments were compared."""
    rows, runs = len(comparison.rows), sum(len(row.runs) for row in comparison.rows)
    files = f" of {', '.join(comparison.files)}" if comparison.files else ""
    return (
        f"{count(rows, 'row')} of {count(runs, 'run')}, on the same {count(comparison.num_comments, 'comment')}{files}"
    )


def method(comparison: Comparison) -> str:
    """Return how differences and verdicts were computed."""
    names = ", ".join(METRIC_NAMES[metric] for metric in comparison.metrics)
    level = 100 * comparison.level
    return (
        f"Differences from {comparison.rows[0].name} in {names}, with {level:.0f} % intervals, each on its own. "
        f"Intervals cover the choice of comments, by a paired bootstrap of {comparison.num_resamples:,} resamples; "
        f"with several seeds on both sides they also cover seeds, by Student's t. The {comparison.num_verdicts} "
        "verdicts are corrected for their number (Holm): "
        f'a wrong "better" or "worse" is among them in at most {100 - level:.0f} % of comparisons. '
        '"No difference shown" does not say that there is none: the interval says how large it may be.'
    )
