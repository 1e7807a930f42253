"""Templates put together into one file, with a policy that lets nothing run but what is in the file.

Templates escape every value, after `plain_text.visible`: names and texts of the user need no care.
"""

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from civility.plain_text import count, cut, visible
from civility.render.charts import label_charts, overviews, palette, svg
from civility.render.charts.svg_files import chart_style
from civility.render.numbers import cut_point, fixed, percent, signed, span, whole
from civility.render.sentences.report_sentences import (
    group_note,
    labels_by_verdict,
    note_sentence,
    slice_name,
    slice_note,
    undefined_reason,
    verdict_basis,
)
from civility.render.sentences.sweep_sentences import no_importance


class PageSection(NamedTuple):
    """A part of the page with a link in the navigation; ``key`` is the name of its template."""

    key: str
    title: str


def put_together(
    kind: str,
    title: str,
    sections: Sequence[PageSection],
    values: Mapping[str, Any],
    scripts: Sequence[str] = ("page.js",),
) -> str:
    """Return a page.

    Parameters
    ----------
    kind : name of the template, and of the folder of its sections
    title : of the page, without markup
    sections : in their order
    values : what the templates show
    scripts : files beside this module
    """
    style, script = _style(), "\n".join(map(_resource, scripts))
    page = environment().get_template(f"{kind}.html")
    written = page.render(
        **values,
        kind=kind,
        title=title,
        sections=sections,
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
    )
    return written.encode("utf-8", "replace").decode("utf-8")


@functools.cache
def environment() -> Environment:
    """Return the templates with their filters."""
    found = Environment(
        loader=PackageLoader("civility.render.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if hasattr(value, "__html__") else visible(str(value)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "at": svg.at,
        "count": count,
        "cut": cut,
        "cut_point": cut_point,
        "dot": label_charts.dot,
        "fixed": fixed,
        "flat": lambda text: " ".join(visible(text).split()) or "(no name)",
        "harm_of_auc": overviews.harm_of_auc,
        "harm_of_gap": overviews.harm_of_gap,
        "percent": percent,
        "place_in_use": label_charts.place_in_use,
        "signed": signed,
        "span": span,
        "whole": whole,
        "worst_first": overviews.worst_first,
        "group_note": group_note,
        "verdict_basis": verdict_basis,
        "no_importance": no_importance,
        "note_sentence": note_sentence,
        "labels_by_verdict": labels_by_verdict,
        "slice_name": slice_name,
        "slice_note": slice_note,
        "undefined_reason": undefined_reason,
    }
    return found


def macros() -> Any:
    """Return the macros of all templates as functions."""
    return environment().get_template("macros.html").module


def _resource(name: str) -> str:
    return (files("civility.render.html") / name).read_text(encoding="utf-8")


def _style() -> str:
    light, dark = palette.declarations(), palette.declarations(dark=True)
    colours = (
        f":root {{ color-scheme: light dark; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )
    return "\n".join([colours, chart_style(), _resource("page.css")])


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; connect-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
