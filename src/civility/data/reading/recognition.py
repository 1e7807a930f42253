"""Recognises what a text is: one comment per line, a table with a header, JSON lines or a JSON array.

The same rules hold for files and for standard input; docs/how-to/read-your-files.md states them. A text
that is none of these is refused, since its lines are not comments.
"""

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import Literal

from civility.data.dialects import ID_COLUMNS, LABELS, TEXT_COLUMNS, folded
from civility.data.file_format import SEPARATORS, FileFormat
from civility.data.reading.encodings import Text
from civility.errors import UserError

_TEXT = frozenset(TEXT_COLUMNS)
# Next to one of these, the name of a text column is a header even with spaces after the separators.
_COMPANIONS = frozenset({*ID_COLUMNS, *LABELS, "label", "labels", "target", "toxicity"})
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[^\w"\r\n])"?[\r\n]*', re.IGNORECASE)
# Also an array of texts, which is then refused instead of scored as a single line.
_ARRAY = re.compile(r"""\s*\[\s*(\{|\]\s*$|"(?:[^"\\]|\\.)*"\s*(?:,|\]\s*$))""")
# Hardly any comment begins like this: an object or a list of JSON or Python, XML, HTML, RTF.
_IN_QUOTES = r"""(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
_OBJECT = re.compile(rf"\s*\{{\s*{_IN_QUOTES}\s*:")
_LIST = re.compile(rf"\s*\[\s*(?:{_IN_QUOTES}\s*(?:,|\]\s*$)|\[\s*{_IN_QUOTES}\s*[,\]])")
_MARKUP = re.compile(r"\s*(?:<\?xml\b|<!doctype\b|<html\b|\{\\rtf\d)", re.IGNORECASE)
_LONE_RETURN = re.compile(r"\r(?!\n)(?=.)", re.DOTALL)
_NAME = re.compile(r"[^\W\d][^\r\n]{0,63}")
_LONGEST_NAME, _MOST_WORDS = 64, 8


@dataclass(frozen=True)
class Recognised:
    """The kind of a text."""

    format: Literal["lines", "csv", "jsonl", "json"]
    separator: str = ""  # of a table
    num_skipped: int = 0  # lines before the header that name the separator
    doubt: str = ""  # why the text could be something else, and what to do then; empty if it hardly can


@dataclass(frozen=True)
class _Head:
    """The first rows of a text, split at one separator. The first is the header."""

    separator: str
    rows: list[list[str]]
    is_broken: bool

    @property
    def header(self) -> list[str]:
        return self.rows[0] if self.rows else []

    @property
    def names(self) -> list[str]:
        return [folded(cell) for cell in self.header]

    @property
    def is_even(self) -> bool:
        """Whether there are rows below the header, all with as many cells."""
        return len(self.rows) > 1 and not self.is_broken and all(len(row) == len(self.header) for row in self.rows)


def recognise(text: Text, form: FileFormat, named: str = "") -> Recognised:
    """Return the kind of a text, by its first lines and what is known about it.

    The text column is ``named`` if the user or a recipe names one. A UserError if the format is not known and the lines
    do not look like comments.
    """
    if form.format == "lines":
        return Recognised("lines")
    if form.format in ("json", "jsonl"):
        return Recognised("json" if form.format == "json" else "jsonl")
    by_suffix, sample = text.file.format, text.sample
    json_in = _json_in(sample, is_whole=text.is_whole)
    if form.format == "auto" and (by_suffix in ("json", "jsonl") or json_in):
        return Recognised("json" if (json_in or by_suffix) == "json" else "jsonl")
    skipped = _SEPARATOR_LINE.match(sample)
    rest = _Sample(sample[skipped.end() :] if skipped else sample, text.is_whole, named)
    if form.format == "auto" and by_suffix == "auto" and not (form.separator or skipped):
        found = _lines_or_table(rest)
        if found.format == "lines":
            _refuse_pieces(text)
        return found
    separator = form.separator or (skipped["separator"] if skipped else "") or ("\t" if form.format == "tsv" else "")
    default = "\t" if by_suffix == "tsv" else ","
    return Recognised("csv", separator or _separator(rest, default), 1 if skipped else 0)


@dataclass(frozen=True)
class _Sample:
    """The beginning of a text, whether that is the whole, and the text column if one is named."""

    text: str
    is_whole: bool
    named: str

    def head(self, separator: str) -> _Head:
        rows: list[list[str]] = []
        is_broken = False
        try:
            rows.extend(filter(None, csv.reader(io.StringIO(self.text, "\n"), delimiter=separator, strict=True)))
        except csv.Error as error:
            is_broken = self.is_whole or "unexpected end of data" not in str(error)
        return _Head(separator, rows, is_broken)


def _json_in(sample: str, *, is_whole: bool) -> Literal["", "json", "jsonl"]:
    """Return the kind of JSON that a text begins with: an array of objects, an object on its first line, or none."""
    if _ARRAY.match(sample):
        return "json"
    first, *others = sample.lstrip().split("\n", 1)
    if not first.startswith("{"):
        return ""
    if not (others or is_whole):  # the object is longer than the sample
        return "jsonl" if _OBJECT.match(first) else ""
    try:
        return "jsonl" if isinstance(json.loads(first), dict) else ""
    except RecursionError:  # reading the file reports it
        return "jsonl" if _OBJECT.match(first) else ""
    except ValueError:
        return ""


def _refuse_pieces(text: Text) -> None:
    """Raise a UserError if the lines of a text are parts of something other than comments."""
    sample = text.sample
    if _OBJECT.match(sample) or _LIST.match(sample) or _is_brace(sample):
        found = "looks like JSON, but is neither an object on each line nor an array of objects"
        remedy = 'write one object per line, {"text": "..."}, or an array, [{"text": "..."}, ...]'
    elif _MARKUP.match(sample):
        found, remedy = "a document in a markup language, which cannot be read", "save it as CSV"
    elif len(_LONE_RETURN.findall(sample)) > sample.count("\n"):
        found = "lines end with carriage returns instead of line feeds"
        remedy = "convert the line ends: " + text.file.piped_through(r"tr '\r' '\n'", "lines.txt")
    else:
        return
    remedy += "; if each line is a comment: --input-format lines"
    raise UserError("data.unknown-format", found, where=text.name, remedy=remedy)


def _is_brace(sample: str) -> bool:
    """Whether the first line is a lone brace or bracket, followed by something indented or opened."""
    first, _, rest = sample.lstrip().partition("\n")
    return first.strip() in ("{", "[", "[{") and rest[:1] in tuple(" \t\r\n{[\"'}]")


def _separator(sample: _Sample, default: str) -> str:
    """Return the separator that splits the header of a table, if possible into names that are known."""
    order = (default, *(other for other in SEPARATORS if other != default))
    heads = [head for head in map(sample.head, order) if len(head.header) > 1]
    known = _TEXT | _COMPANIONS | {folded(sample.named)}
    # Of equals, max returns the first.
    best = max(heads, key=lambda head: (not known.isdisjoint(head.names), head.is_even), default=None)
    return best.separator if best else default


def _lines_or_table(sample: _Sample) -> Recognised:
    """Return whether a text of unknown format is a table or one comment per line."""
    heads = [sample.head(separator) for separator in SEPARATORS]
    best = max(heads, key=lambda head: (_is_header(head, sample.named), head.is_even, len(head.header)))
    if _is_header(best, sample.named):
        is_sure = len(best.header) > 1 and not _TEXT.isdisjoint(best.names) and _are_names(best.header)
        doubt = "" if is_sure else "the first line looks like a header; if it is a comment: --input-format lines"
        return Recognised("csv", best.separator, doubt=doubt)
    return Recognised("lines", doubt=next(filter(None, (_doubt(head, sample.named) for head in heads)), ""))


def _doubt(head: _Head, named: str) -> str:
    """Return why lines could be a table; empty if they hardly can."""
    kind = "tsv" if head.separator == "\t" else "csv"
    if _has_text(head, named) and (head.is_even or _is_tight(head) or not _COMPANIONS.isdisjoint(head.names)):
        return f"the first line names a column of comments; if this is a table: --input-format {kind}"
    if len(head.header) > 1 and head.is_even and (kind == "tsv" or _is_tight(head)):
        what = f"has {'tabs' if kind == 'tsv' else repr(head.separator)}"
        return f"every line {what}; if this is a table, give it a header, or --input-format {kind}"
    return ""


def _is_header(head: _Head, named: str) -> bool:
    """Whether the first row is a header rather than a comment."""
    names = head.names
    if len(names) < 2:
        # A lone name is a header if nothing below it needs a second column.
        is_lone = bool(names) and head.separator == ","
        return is_lone and (
            names[0] in ("comment_text", folded(named) or "comment_text") or (names[0] in _TEXT and head.is_even)
        )
    has_text = _has_text(head, named)
    if _is_tight(head):
        # Rows of equal length make a table, whatever the other columns are called.
        return (has_text and (head.is_even or _are_names(head.header))) or (head.is_even and _is_all_names(head.header))
    # "id, comment_text": spaces after separators are rare in headers and usual in prose.
    if has_text and head.is_even and not _COMPANIONS.isdisjoint(names):
        return True
    return "comment_text" in names and _are_names(head.header)


def _has_text(head: _Head, named: str) -> bool:
    return not (_TEXT | {folded(named) or "text"}).isdisjoint(head.names)


def _is_tight(head: _Head) -> bool:
    """Whether no space follows the separators. In prose, a space follows a comma."""
    if head.separator == "\t":
        return True
    return not any(cell[:1].isspace() or (head.separator == "|" and cell[-1:].isspace()) for cell in head.header)


def _are_names(header: list[str]) -> bool:
    """Whether all cells may be names. An empty one may: it heads an index, or follows a trailing separator."""
    return all(map(_may_be_name, header))


def _is_all_names(header: list[str]) -> bool:
    """Whether a row without a known name is a header: two cells, or the one after an index, look like names."""
    filled = [cell for cell in header if cell]
    is_enough = len(filled) > 1 or header[:1] == [""]
    return is_enough and _are_names(filled) and all(_NAME.fullmatch(cell) for cell in filled)


def _may_be_name(cell: str) -> bool:
    name = cell.strip()
    is_short = len(name) <= _LONGEST_NAME and len(name.split()) <= _MOST_WORDS
    return is_short and "\n" not in name and not name.endswith((".", "!", "…", ","))


def describe(recognised: Recognised, text: Text) -> str:
    """Return how a text was read, such as ``semicolon-separated table with a header, UTF-16-LE, .gz``."""
    separator = SEPARATORS.get(recognised.separator, repr(recognised.separator))
    names = {
        "lines": "one comment per line",
        "csv": f"{separator}-separated table with a header",
        "jsonl": "JSON lines",
        "json": "JSON array",
    }
    return ", ".join(filter(None, [names[recognised.format], text.encoding.upper(), text.file.packing]))


def is_as_named(recognised: Recognised, text: Text, form: FileFormat) -> bool:
    """Whether a file is what its suffix or the user says, so that a note on it is not needed."""
    named = form.format if form.format != "auto" else text.file.format
    kinds = {"auto": "lines", "tsv": "csv"}
    is_usual_separator = recognised.separator in ("", form.separator or ("\t" if named == "tsv" else ","))
    is_usual_encoding = text.encoding in ("utf-8", "ascii") or bool(form.encoding)
    is_usual = is_usual_separator and is_usual_encoding and text.file.is_packed_as_named
    return recognised.format == kinds.get(named, named) and is_usual
