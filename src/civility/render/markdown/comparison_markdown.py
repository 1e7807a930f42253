"""A comparison as Markdown, for a review or a log of experiments."""

from civility.documents.comparison_result import Comparison, Numbers
from civility.plain_text import as_code, as_markdown
from civility.render.markdown.report_markdown import grid
from civility.render.sentences import comparison_sentences as words
from civility.render.sentences.report_sentences import METRIC_NAMES, note_sentence


def to_markdown(comparison: Comparison, picture: str = "") -> str:
    """Return a whole page.

    Parameters
    ----------
    comparison : the document
    picture : the name of the picture in the same folder; empty for none
    """
    parts = [
        f"# Comparison with {as_markdown(comparison.rows[0].name)}",
        f"{as_markdown(words.where(comparison))} ({as_code(comparison.digest[:19])}).",
        "\n".join(f"- {as_markdown(note_sentence(note))}" for note in comparison.notes),
        overview(comparison),
        f"![Differences with intervals](<{picture}>)" if picture else "",
        *(
            f"## {METRIC_NAMES[metric]} of each label\n\n{of_labels(comparison, metric)}"
            for metric in comparison.metrics
        ),
        "▲ better, ▼ worse, ± the standard deviation over seeds. " + as_markdown(words.method(comparison)),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def overview(comparison: Comparison) -> str:
    """Return a row for each setting: its differing settings, macro averages, time and memory."""
    keys = list(dict.fromkeys(key for row in comparison.rows for key in row.settings))
    header = ["", "seeds", *map(as_code, keys)]
    left = len(header)
    macros = []
    for metric in comparison.metrics:
        for name, of_rows in words.macros_of(comparison, metric):
            header += [f"{name} {METRIC_NAMES[metric]}", "difference", ""]
            macros.append(of_rows)
    lines = []
    for place, row in enumerate(comparison.rows):
        line = [as_code(row.name), words.seeds_of(row)]
        line += [as_code(words.setting(row.settings[key])) if key in row.settings else "-" for key in keys]
        for macro in (of_rows[place] for of_rows in macros):
            line += [words.value_of(macro), words.difference_of(macro), words.verdict_of(macro)]
        lines.append([*line, words.time_of(row), words.memory_of(row)])
    return grid([*header, "time", "peak memory"], lines, left)


def of_labels(comparison: Comparison, metric: str) -> str:
    """Return a row for each setting: its value on each label, and its difference from the first row."""
    labels = list(comparison.num_positive)
    header = ["", *(f"{as_code(label)} ({comparison.num_positive[label]:,})" for label in labels)]
    lines = [
        [as_code(row.name), *(_pair(row.metrics[metric].labels[label]) for label in labels)] for row in comparison.rows
    ]
    return grid(header, lines)


def _pair(numbers: Numbers) -> str:
    each = numbers.difference
    if each is None or each.value is None:
        return words.value_of(numbers)
    return f"{words.value_of(numbers)} ({each.value:+.4f}{words.mark_of(numbers)})"
