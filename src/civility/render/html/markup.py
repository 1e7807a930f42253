"""Pieces of HTML that several sections use: sections, tables, figures, numbers with intervals, veiled texts."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from civility.documents.report import Estimate, Example, Report
from civility.render.html import svg
from civility.render.html.charts import Drawing, dot
from civility.render.sentences.page_sentences import cut, cut_point, fixed, missing, name, reason, said, span, whole

_LONGEST_TEXT = 2000


@dataclass(frozen=True)
class Section:
    """A part of the page with an entry in the navigation; ``body`` is HTML."""

    key: str
    title: str
    body: str

    def html(self) -> str:
        """Return the section under its heading."""
        return (
            f'<section id="{self.key}" aria-labelledby="{self.key}-title"><h2 id="{self.key}-title">{self.title}</h2>\n'
            f"{self.body}</section>"
        )


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], style: str = "") -> str:
    """Return a table in a box that scrolls sideways; ``caption``, heads and cells are HTML.

    A cell is the inside of a ``td``, or a whole element where it starts with ``<td`` or ``<th``. The first cell of a
    row is its heading. With the style ``stacked`` each row becomes a block of its own on a narrow screen, where each
    cell shows its column's head.
    """
    written = []
    is_stacked = "stacked" in style.split()
    for row in rows:
        first, *others = [_cell(cell) for cell in row]
        heading = first.replace("<td", '<th scope="row"', 1).removesuffix("</td>") + "</th>"
        if is_stacked:
            heading = heading.replace("<th", '<th role="rowheader"', 1)
            others = [_with_head(cell, head) for cell, head in zip(others, heads[1:], strict=True)]
        written.append(f"<tr{_role('row', is_stacked)}>{heading}{''.join(others)}</tr>")
    top = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "\n".join(written)
    box = f'<div class="scroll" tabindex="0" role="group" aria-label="{_spoken(caption)}">'
    return (
        f'{box}<table class="{style}"{_role("table", is_stacked)}><caption>{caption}</caption>'
        f"<thead><tr>{top}</tr></thead>\n<tbody{_role('rowgroup', is_stacked)}>{body}</tbody></table></div>"
    )


def _role(role: str, is_needed: bool) -> str:
    """Return an attribute: a browser forgets that a table is one where its rows are laid out as blocks."""
    return f' role="{role}"' if is_needed else ""


def _with_head(cell: str, head: str) -> str:
    """Return a ``td`` that knows the head of its column, which is shown in front of it on a narrow screen."""
    return cell.replace("<td", f'<td role="cell" data-head="{_spoken(head)}"', 1)


def _spoken(inside: str) -> str:
    """Return the words of some HTML for an attribute: what is left is escaped already."""
    return re.sub("<[^>]*>", "", inside)


def _cell(inside: str) -> str:
    return inside if inside.startswith(("<td", "<th")) else f"<td>{inside}</td>"


def figure(drawing: Drawing, heading: str, told: str = "") -> str:
    """Return a chart under its name; ``heading`` and ``told`` are HTML."""
    more = f'<span class="told">{told}</span>' if told else ""
    return f"<figure><figcaption><strong>{heading}</strong>{more}</figcaption>{drawing.in_page()}</figure>"


def multiples(figures: Iterable[str]) -> str:
    """Return small charts side by side, as many as the width takes."""
    return f'<div class="multiples">{"".join(figures)}</div>'


def defined_once(shapes: str) -> str:
    """Return shapes that other charts point to, drawn nowhere by themselves."""
    return f'<svg class="shapes" aria-hidden="true" width="0" height="0"><defs>{shapes}</defs></svg>'


def number(report: Report, value: float | None, path: Sequence[str], digits: int = 3) -> str:
    """Return a number, or a dash with the reason for which there is none."""
    return missing(reason(report, *path)) if value is None else f'<span class="num">{fixed(value, digits)}</span>'


def estimated(report: Report, estimate: Estimate, path: Sequence[str], digits: int = 3) -> str:
    """Return a cell with a number, and its interval in small print."""
    between = f'<span class="between">{span(estimate, digits)}</span>' if span(estimate) else ""
    return f'<td class="n">{number(report, estimate.value, path, digits)}{between}</td>'


def drawn(report: Report, estimate: Estimate, path: Sequence[str], what: str) -> str:
    """Return a cell with a number, and its interval as a picture on a line from 0 to 1."""
    return f'<td class="n">{number(report, estimate.value, path)}{dot(estimate, what)}</td>'


def choice(group: str, legend: str, options: Sequence[tuple[str, str]]) -> str:
    """Return a choice of what the section shows; the style follows it, without JavaScript."""
    inputs = "".join(
        f'<label><input type="radio" name="{group}" id="{group}-{key}"{" checked" if not i else ""}> {words}</label>'
        for i, (key, words) in enumerate(options)
    )
    return f'<fieldset class="choice"><legend>{legend}</legend>{inputs}</fieldset>'


def veiled(example: Example, key: str) -> str:
    """Return a comment: its facts, and a button that shows the text, which is hidden from everyone until then.

    Of a report without texts, the facts and the id are all there is.
    """
    facts = [f'score <span class="num">{fixed(example.score)}</span>']
    if example.target is not None and example.target not in (0.0, 1.0):
        facts.append(f"target {cut_point(example.target)}")
    if example.times > 1:
        facts.append(f"{whole(example.times)} times")
    if example.likely_label_error:
        facts.append(f'<span class="suspect">{_FLAG}likely label error</span>')
    said_of = f'<span class="say">{" · ".join(facts)}</span><span class="id">{name(example.id)}</span>'
    if not example.text:
        return f'<li class="bare"><div class="facts">{said_of}</div></li>'
    words = f'<button type="button" class="unveil" aria-expanded="false" aria-controls="{key}">'
    words += f'<span>Show</span> text<span class="hush"> of comment {said(cut(example.id, 60))}</span></button>'
    return (
        f'<li><div class="facts">{words}{said_of}</div>'
        f'<p class="text" id="{key}" dir="auto" hidden>{said(cut(example.text, _LONGEST_TEXT))}</p></li>'
    )


_FLAG = (
    '<svg class="icon" viewBox="0 0 12 12" aria-hidden="true">' + svg.line((2.5, 1), (2.5, 11), "stroke") + ""
    '<path class="solid" d="M2.5 1.5H10L8 4l2 2.5H2.5z"/></svg>'
)
_MARKS = {
    "good": '<circle class="solid" cx="8" cy="8" r="7"/><path class="cutout" d="M4.6 8.2l2.4 2.4 4.4-5"/>',
    "review": '<circle class="stroke" cx="8" cy="8" r="6.2"/><path class="solid" d="M8 1.8a6.2 6.2 0 0 1 0 12.4z"/>',
    "weak": '<path class="solid" d="M8 .8l7.2 13.4H.8z"/><path class="cutout" d="M8 5.4v4.2M8 11.4v1"/>',
    "unsure": '<circle class="stroke dashed" cx="8" cy="8" r="6.2"/><path class="stroke" d="M6 6.4a2 2 0 1 1 2.6 2'
    'q-.6.3-.6 1.1M8 11v.9"/>',
    "undefined": '<circle class="stroke" cx="8" cy="8" r="6.2"/><path class="stroke" d="M5 8h6"/>',
}


def verdict(word: str) -> str:
    """Return a verdict as mark and word: never by colour alone."""
    return (
        f'<span class="verdict {word}"><svg class="icon" viewBox="0 0 16 16" aria-hidden="true">{_MARKS[word]}</svg>'
        f"{word}</span>"
    )
