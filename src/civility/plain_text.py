"""The one sanitiser: text from outside (file names, labels, comments, messages of libraries) made harmless.

Every such text passes through here once, where it is printed or written. Each medium has its function: `one_line` and
`printable` for a terminal, `as_markdown` and `as_code` for Markdown, `as_html` for HTML and SVG, `as_script` for JSON
inside a page, `as_cell` for a spreadsheet, `as_json` and `as_yaml` for documents.
"""

import html
import json
import re
import reprlib
from collections.abc import Iterable
from typing import Any

# Control characters (escape sequences begin with one), marks that change the direction of text, lone surrogates.
# Line breaks and tabs are not among them.
_CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
_HIDDEN = re.compile(f"[{_CONTROL}]")
# XML and YAML allow none of these either, or read them as line breaks.
_INVISIBLE = re.compile(f"[{_CONTROL}\u2028\u2029\ufffe\uffff]")
_MARKDOWN = re.compile(r"[\\`*<>|\[\]]")
_ENDLESS_WORD = re.compile(r"(\S{400})\S+")
# A spreadsheet reads a cell that begins with one of these as a formula (OWASP, "CSV Injection"); four are full-width.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


_REPR = reprlib.Repr()
_REPR.maxlevel = 4
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = 200
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = 20


def one_line(text: str) -> str:
    """Return the text as a single line: line breaks and tabs become spaces, control characters become U+FFFD."""
    return _HIDDEN.sub("\ufffd", " ".join(text.replace("\t", " ").splitlines()))


def printable(text: str) -> str:
    """Return the text with control characters as U+FFFD; line breaks and tabs stay.

    Control characters include escape sequences, carriage returns, direction marks and lone surrogates.
    """
    return _HIDDEN.sub("\ufffd", text)


def shortened(text: str, longest: int = 60) -> str:
    """Return the text as a single line of at most ``longest`` characters, its end replaced by ``...``."""
    line = one_line(text[: longest * 4])
    return line if len(line) <= longest and len(text) <= longest * 4 else f"{line[: longest - 3]}..."


def bounded(text: str, longest: int = 3_000) -> str:
    """Return the text with words of more than 400 characters and everything beyond ``longest`` shortened.

    A word of more than 400 characters is a value, not a path.
    """
    kept = _ENDLESS_WORD.sub(lambda found: f"{found[1]}...", text)
    return kept if len(kept) <= longest else f"{kept[:longest]}... ({len(kept) - longest:,} more characters)"


def listed(names: Iterable[object], most: int = 20) -> str:
    """Return the first ``most`` names in one line, and how many more there are; each is shortened to 200 characters."""
    everything = [str(name) for name in names]
    shown = ", ".join(shortened(name, 200) for name in everything[:most])
    more = len(everything) - most
    return f"{shown} and {more:,} more" if more > 0 else shown


def shown(value: object, longest: int = 80) -> str:
    """Return the ``repr`` of a value as a single line of at most ``longest`` characters."""
    return shortened(_REPR.repr(value), longest)


def visible(text: str) -> str:
    """Return the text with each control character spelled out, as ``⟨U+202E⟩``; line breaks and tabs stay."""
    return _INVISIBLE.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def cut(text: str, longest: int) -> str:
    """Return at most ``longest`` characters, the last one an ellipsis if the text is longer."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def as_html(text: str) -> str:
    """Return the text for an element or a quoted attribute of HTML or SVG.

    Templates do the same without a call: they escape every value, after `visible`.
    """
    return html.escape(visible(text), quote=True)


def as_script(value: object) -> str:
    """Return a value as JSON for a ``<script>`` element: nothing in it can end the element."""
    written = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", written)


def as_markdown(text: str) -> str:
    """Return the text as plain words in Markdown: in a sentence, a heading or a cell of a table."""
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", one_line(text))


def as_code(text: str) -> str:
    """Return the text as inline code in Markdown that cannot break a table."""
    return "`" + one_line(text).replace("`", "'").replace("|", "\\|") + "`"


def as_yaml(value: Any) -> str:
    """Return plain values as JSON that is also YAML: no colon, quote or line break in a name can break it."""
    # Not all of Unicode is escaped: JSON escapes an emoji as two surrogates, which YAML does not join again.
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def is_formula(cell: str) -> bool:
    """Return whether a spreadsheet would read this cell as a formula."""
    return cell.lstrip().startswith(_FORMULA)


def as_cell(text: str) -> str:
    """Return the text for a spreadsheet: printable, with an apostrophe before anything it would read as a formula."""
    shown = printable(text)
    return f"'{shown}" if is_formula(shown) else shown


def as_json(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON, which escapes control characters; a ValueError for NaN and infinity."""
    return escaped(json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False))


def escaped(text: str) -> str:
    """Return JSON or TOML with its control characters as escapes, which read back as the same."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, as ``1 comment`` or ``3,190 comments``; ``plural`` where an s is not enough."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def with_article(noun: str) -> str:
    """Return a noun with its indefinite article, as ``a report`` or ``an audit``."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def gib(num_bytes: float, digits: int = 1) -> str:
    """Return a number of bytes in GiB, as text, with ``digits`` decimals."""
    return f"{num_bytes / 2**30:.{digits}f} GiB"


def clock(seconds: float | None) -> str:
    """Return a time as hours, minutes and seconds, ``1:05:09``; a dash where it is not known."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


_PYDANTIC = {
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "greater than": "above",
    "less than": "below",
    "a valid number": "a number",
    "a valid integer": "a whole number",
    "a valid boolean": "true or false",
    "a valid string": "a string",
    "a valid dictionary": "a table",
    "a valid tuple": "a list",
    "a valid list": "a list",
}
_PYDANTIC_BEGINNING = re.compile("(Input should be|String should have) ")
_PYDANTIC_WORDS = re.compile("|".join(_PYDANTIC))


def expectation(message: str) -> str:
    """Return what a message of pydantic expects, such as ``at most 1,000``; empty if it says something else."""
    beginning = _PYDANTIC_BEGINNING.match(message)
    if beginning is None:
        return ""
    words = _PYDANTIC_WORDS.sub(lambda found: _PYDANTIC[found[0]], message[beginning.end() :])
    words = words.partition(", unable to parse")[0].partition(", got a number with")[0]
    words = re.sub(r"\d\.\d{5,}", lambda found: f"{float(found[0]):g}", words)  # 1e-12, not 0.000000000001
    return re.sub(r"(?<![\w.'-])\d{4,}(?![\w.'])", lambda found: f"{int(found[0]):,}", words)
