"""An audit in the terminal: the findings with what to do about them, then tables. Shows no comment's text."""

from collections.abc import Sequence
from copy import copy
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from civility.documents.audit_result import Audit, Finding, short_names
from civility.plain_text import count
from civility.render.sentences.audit_sentences import ADVICE, TITLES, details, not_measured, percent, unknown_training
from civility.render.terminal.layout import first_that_fits, paragraph

_MOST_LABELS = 9
"""With more labels, the table of pairs is too wide; the JSON has it."""
_SHOWN = 8
_PAIRS_SHOWN = 12


def print_audit(console: Console, audit: Audit, folder: Path) -> None:
    """Print the findings, what was looked for and not found, and the tables of an audit."""
    names = ", ".join(short_names([file.name for file in audit.data.files]))
    paragraph(console, f"{count(audit.data.num_comments, 'comment')} from {names}", indent=0)
    console.print()
    if audit.findings:
        console.print("What to look at, most important first", style="bold")
        for finding in audit.findings:
            _print_finding(console, finding, audit)
    _print_absent(console, audit)
    _print_labels(console, audit)
    _print_co_occurrence(console, audit)
    _print_lengths(console, audit)
    _print_suspicion(console, audit)
    _print_leaks(console, audit)
    _print_writing(console, audit)
    console.print(f"\n  numbers    {folder / 'audit.json'}\n  comments   {folder / 'rows.csv'}")
    warning = "contains the comments, with foul language and perhaps private data"
    paragraph(console, warning, " " * 11, "dim")


def _print_absent(console: Console, audit: Audit) -> None:
    """Name what was looked for and not found, so that silence is not taken for a missing check."""
    not_checked = {"no_labels"} | {finding.name for finding in audit.findings}
    if not audit.labels:
        not_checked |= {"contradicting_labels", "near_contradicting_labels"}
        not_checked |= {"few_positives", "no_negatives", "no_known_label"}
    if len(audit.data.files) == 1:
        not_checked |= {"leak_equal", "leak_near"}
    not_checked |= {"truncated"} if audit.tokens is None else set()
    not_checked |= {"label_errors"} if audit.label_errors is None else set()
    absent = [title for name, title in TITLES.items() if name not in not_checked]
    if absent:
        console.print()
        paragraph(console, f"looked for and not found: {'; '.join(absent)}", indent=2)


def _print_finding(console: Console, finding: Finding, audit: Audit) -> None:
    share = f" ({percent(finding.count, finding.total)})" if finding.unit == "comment" else ""
    console.print()
    paragraph(
        console,
        f"{TITLES[finding.name]}: {finding.count:,} of {count(finding.total, finding.unit)}{share}",
        style="bold",
    )
    if words := details(finding, audit):
        paragraph(console, words, indent=4)
    paragraph(console, ADVICE[finding.name], indent=4, style="dim" if console.is_terminal else "")


def _table(title: str, columns: Sequence[str]) -> Table:
    """Return a table whose first column is text and whose others are numbers."""
    table = Table(box=None, padding=(0, 0, 0, 2), header_style="bold", title=title, title_justify="left")
    table.title_style = "bold"
    table.add_column(columns[0])
    for name in columns[1:]:
        table.add_column(name, justify="right")
    return table


def _print_without(console: Console, table: Table, *, last: int) -> None:
    """Print a table, without its last columns if they do not fit."""
    fewer = copy(table)
    fewer.columns = table.columns[:-last]
    console.print(first_that_fits(console, [table, fewer]))


def _print_labels(console: Console, audit: Audit) -> None:
    if not audit.labels:
        return
    is_soft = any(counts.num_soft for counts in audit.labels.values())
    columns = ["label", "positive", "share", "negative", "unknown"]
    columns += ["soft"] if is_soft else []
    columns += ["truncated"] if audit.tokens else []
    table = _table("\nLabels", columns)
    for label, counts in audit.labels.items():
        known = counts.num_positive + counts.num_negative
        cells = [f"{counts.num_positive:,}", percent(counts.num_positive, known)]
        cells += [f"{counts.num_negative:,}", f"{counts.num_unknown:,}"]
        cells += [f"{counts.num_soft:,}"] if is_soft else []
        if audit.tokens:
            one = audit.tokens.truncated_by_label[label]
            cells.append(percent(one.num_truncated, one.num_measured))
        table.add_row(Text(label), *cells)
    _print_without(console, table, last=2)
    if audit.tokens:
        paragraph(
            console, f"truncated: share of the positives longer than {audit.tokens.max_length} tokens", style="dim"
        )


def _print_co_occurrence(console: Console, audit: Audit) -> None:
    if not 2 <= len(audit.labels) <= _MOST_LABELS:
        return
    title = "\nLabels together: comments that have both"
    table = _table(title, ["", *(str(place) for place in range(1, len(audit.labels) + 1))])
    for place, (label, row) in enumerate(zip(audit.labels, audit.co_occurrence.num_comments, strict=True)):
        cells = [Text("·" if column == place else f"{count:,}") for column, count in enumerate(row)]
        table.add_row(Text(f"{place + 1} {label}"), *cells)
    console.print(first_that_fits(console, [table, Table(title=f"{title}: in audit.json", box=None)]))


def _print_lengths(console: Console, audit: Audit) -> None:
    names = {"minimum": "shortest", "median": "median", "p90": "90 %", "p99": "99 %", "maximum": "longest"}
    table = _table("\nLengths", ["", *names.values(), *(["truncated"] if audit.tokens else [])])
    table.add_row("characters", *(f"{audit.characters[name]:,}" for name in names))
    if audit.tokens:
        cells = [f"{audit.tokens.quantiles[name]:,}" for name in names]
        truncated = audit.tokens.truncated
        table.add_row("tokens", *cells, percent(truncated.num_truncated, truncated.num_measured))
    _print_without(console, table, last=2)
    if audit.tokens is None:
        paragraph(console, f"tokens: not measured: {not_measured(audit.undefined['tokens'])}")
        return
    num = count(audit.tokens.truncated.num_measured, "comment")
    of = f"a random {num}" if audit.tokens.is_sample else "every comment"
    paragraph(console, f"tokens of {of}, by the tokenizer of {audit.tokens.tokenizer}", style="dim")


def _print_suspicion(console: Console, audit: Audit) -> None:
    suspicion = audit.label_errors
    if suspicion is None:
        return
    num_scored = count(suspicion.num_scored, "comment")
    columns = ["label", "positive", "doubted", "negative", "doubted", "sure from", "sure below"]
    table = _table("\nLikely label errors", columns)
    for label, numbers in suspicion.labels.items():
        doubts = [numbers.num_positive, numbers.num_positive_suspected, numbers.num_negative]
        doubts.append(numbers.num_negative_suspected)
        below = None if numbers.sure_negative is None else 1 - numbers.sure_negative
        sure = [numbers.sure_positive, below]
        table.add_row(Text(label), *(f"{count:,}" for count in doubts), *(_score(score) for score in sure))
    _print_without(console, table, last=2)
    if suspicion.held_out:
        text = f"by {suspicion.classifier}, from its scores of {num_scored} it was not trained on"
        if suspicion.num_trained_on:
            text += f"; {suspicion.num_trained_on:,} left out, as it was trained on them"
        paragraph(console, text, indent=2, style="dim")
        return
    text = (
        f"by {suspicion.classifier}, from its scores of {num_scored}. It is unknown whether it was trained on these: "
        f"{unknown_training(suspicion)}. A classifier agrees with the errors it was trained on, which hides "
        "most of them: use a classifier that was not trained on these comments."
    )
    paragraph(console, f"warning: {text}", indent=2, style="yellow")


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _print_leaks(console: Console, audit: Audit) -> None:
    if not audit.leaks:
        return
    table = _table("\nIn more than one file", ["comments of", "are also in", "equal", "nearly equal"])
    table.columns[1].justify = "left"
    files = [file.name for file in audit.data.files]
    names = dict(zip(files, short_names(files), strict=True))
    most_first = sorted(audit.leaks, key=lambda leak: -leak.num_equal - leak.num_near)
    for leak in most_first[:_PAIRS_SHOWN]:
        pair = [Text(names[file], overflow="fold") for file in (leak.file, leak.other)]
        table.add_row(*pair, f"{leak.num_equal:,}", f"{leak.num_near:,}")
    console.print(table)
    if len(audit.leaks) > _PAIRS_SHOWN:
        console.print(f"  and {len(audit.leaks) - _PAIRS_SHOWN} more pairs of files, in audit.json", style="dim")


def _print_writing(console: Console, audit: Audit) -> None:
    console.print()
    paragraph(console, f"scripts: {_shares(audit.scripts)}", indent=2)
    if audit.languages is not None:
        paragraph(console, f"languages, guessed from a sample: {_shares(audit.languages)}", indent=2)
    for name, file in zip(short_names([file.name for file in audit.data.files]), audit.data.files, strict=True):
        if file.languages:
            paragraph(console, f"languages by the column of {name}: {_shares(file.languages)}", indent=2)


def _shares(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    shown = [f"{name} {percent(count, total)}" for name, count in list(counts.items())[:_SHOWN]]
    rest = sum(list(counts.values())[_SHOWN:])
    return ", ".join([*shown, *([f"others {percent(rest, total)}"] if rest else [])])
