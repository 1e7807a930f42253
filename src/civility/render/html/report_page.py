"""The page put together: sections, navigation, and a policy that lets nothing run but what is in the file."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from civility.documents.report import Report
from civility.render.html import behaviour, harm, method, palette, scores
from civility.render.html import explorer as explore
from civility.render.html import summary_section as summary
from civility.render.html.markup import Section
from civility.render.sentences.page_sentences import cut, said

_RESOURCES = files("civility.render.html")
_SCRIPTS = ("page.js", "explorer.js")


def to_html(report: Report, source: Sequence[str] = ()) -> str:
    """Return the page: one file that needs no other, and no network; ``source`` is that of `write_report`."""
    return put_together(report.name, summary.header(report), _sections(report, source), scripts=_SCRIPTS)


def put_together(
    title: str, header: str, sections: Sequence[Section], *, scripts: Sequence[str] = ("page.js",), more_style: str = ""
) -> str:
    """Return a page of sections; ``header`` is HTML, ``scripts`` are files beside this module."""
    links = "".join(f'<li><a href="#{part.key}">{part.title}</a></li>' for part in sections)
    style, script = _style(more_style), "\n".join(resource(name) for name in scripts)
    parts = {
        "policy": _policy(style, script),
        "title": f"{said(cut(title, 80))} · civility",
        "style": style,
        "navigation": links,
        "header": header,
        "sections": "\n".join(part.html() for part in sections),
        "script": script,
    }
    # One pass over the template: what a section holds is never taken for a place to fill.
    pieces = resource("page.html").split("@@")
    filled = "".join(parts[piece] if i % 2 else piece for i, piece in enumerate(pieces))
    return filled.encode("utf-8", "replace").decode("utf-8")


def _sections(report: Report, source: Sequence[str]) -> list[Section]:
    found = [
        summary.summary(report),
        explore.explorer(report, source),
        scores.training(report),
        scores.ranking(report),
        scores.reliability(report),
        scores.histograms(report),
        harm.together(report),
        harm.bias(report),
        behaviour.robustness(report),
        behaviour.suites(report),
        behaviour.slices(report),
        method.errors(report),
        method.method(report),
        method.undefined(report),
    ]
    return [part for part in found if part is not None]


def resource(name: str) -> str:
    """Return one of the files beside this module."""
    return (_RESOURCES / name).read_text(encoding="utf-8")


def _style(more: str = "") -> str:
    light, dark = palette.declarations(), palette.declarations(dark=True)
    colours = (
        f":root {{ color-scheme: light dark; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )
    return "\n".join([colours, palette.shades(), resource("plot.css"), resource("page.css"), more])


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; connect-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
