"""What verbs share of their options: kinds of numbers, and options that mean the same everywhere."""

import argparse
import math
import re
import textwrap
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from civility.data.file_format import (
    FEWEST_CELL_BYTES,
    FORMAT_NAMES,
    MAX_CELL_BYTES,
    MOST_CELL_BYTES,
    FileFormat,
    encoding_of,
    separator_of,
)
from civility.plain_text import shown

if TYPE_CHECKING:
    from rich.console import Console

    from civility.data.reading import Columns
    from civility.recipe import Recipe

_MOST_DIGITS = 30
TARGET = "a run directory, a classifier folder, or the name of a multi-label classifier on the hub"


class Once(argparse.Action):
    """Store a value, and refuse a second one: the first would be forgotten without a word."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        """Store the value, as argparse calls an action."""
        if getattr(namespace, self.dest, None) is not None:
            parser.error(f"argument {option}: given twice; one file at a time")
        setattr(namespace, self.dest, values)


Run = Callable[[Namespace, list[str]], int | None]
"""What carries out a verb: takes its options and the whole command, returns the exit code, nothing for 0."""


class HelpFormatter(argparse.HelpFormatter):
    """Help that is as wide as the terminal: prose is wrapped, commands and tables keep their lines where they fit."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks: list[str] = []
        for line in text.splitlines():
            is_prose = bool(line) and not line.startswith(" ")
            if is_prose and blocks and blocks[-1] and not blocks[-1].startswith(" ") and not blocks[-1].endswith(":"):
                blocks[-1] += f" {line}"
            else:
                blocks.append(line)
        return "\n".join(line for block in blocks for line in _help_lines(block, width))


def _help_lines(line: str, width: int) -> list[str]:
    """Return a line of help as lines that fit: of a command the rest behind a backslash, of a table below its text."""
    if len(line) <= width:
        return [line]
    start = len(line) - len(line.lstrip())
    left, gap, right = line[start:].partition("   ")
    if left.startswith(("civility ", "accelerate ", "torchrun ", "--")) or "| civility " in left:
        # What a shell would take apart elsewhere stays whole.
        parts = re.findall(r"'[^']*'|\S+", left)
        lines = _joined([" " * start + parts[0], *parts[1:]], width - 2, " " * (start + 4))
        command = [*(f"{one} \\" for one in lines[:-1]), lines[-1]]
        return [*command, *_help_lines(" " * (start + 6) + right.lstrip(), width)] if right else command
    below = start + (len(left) + len(gap) + len(right) - len(right.lstrip()) if right else 0)
    below = min(below, width // 2)
    return textwrap.wrap(line, width, subsequent_indent=" " * below, break_long_words=False, break_on_hyphens=False)


def _joined(parts: list[str], width: int, indent: str) -> list[str]:
    lines = parts[:1]
    for part in parts[1:]:
        if len(lines[-1]) + 1 + len(part) > width:
            lines.append(indent + part)
        else:
            lines[-1] += f" {part}"
    return lines


def add_verb(verbs: Any, name: str, run: Run, description: str, epilog: str) -> argparse.ArgumentParser:
    """Return the parser of a new verb, whose options will carry ``run``."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        description=description,
        epilog=epilog,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


def add_labelled_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data`` of a verb that can do without it, on the comments that a run held out."""
    parser.add_argument(
        "--data",
        nargs="+",
        action="extend",
        metavar="FILE",
        help="labelled comments; default: the comments that the run held out for validation",
    )


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the options that name columns."""
    parser.add_argument(
        "--text-column", default="", metavar="NAME", help="column of the comments; default: the run's, or recognised"
    )
    parser.add_argument(
        "--id-column", default="", metavar="NAME", help="column of the ids; default: the run's, or recognised"
    )
    parser.add_argument(
        "--input-format",
        default="auto",
        choices=FORMAT_NAMES,
        metavar="FORMAT",
        help=f"what the comments are written as: {', '.join(FORMAT_NAMES[:-1])} or {FORMAT_NAMES[-1]}; default: "
        "recognised by suffix and content",
    )
    parser.add_argument(
        "--separator",
        type=_argument(separator_of),
        default="",
        metavar="CHARACTER",
        help="between the cells of a row, or 'tab'; default: recognised",
    )
    parser.add_argument(
        "--encoding",
        type=_argument(encoding_of),
        default="",
        metavar="NAME",
        help="of the comments, as cp1252; default: UTF-8, or UTF-16 and UTF-32 where recognised",
    )
    parser.add_argument(
        "--max-cell-bytes",
        type=WholeNumber(FEWEST_CELL_BYTES, MOST_CELL_BYTES),
        metavar="NUMBER",
        help="most bytes of a line, a cell or a JSON object; default: the run's, or 16,000,000",
    )


def columns_of(options: Namespace, **others: Any) -> "Columns":
    """Return what the options of `add_columns` say, and other fields of `Columns`."""
    from civility.data.reading import Columns

    limit = options.max_cell_bytes or MAX_CELL_BYTES
    form = FileFormat(options.input_format, options.separator, options.encoding, limit)
    return Columns(text=options.text_column, id=options.id_column, file=form, **others)


def _argument(parse: Callable[[str], str]) -> Callable[[str], str]:
    """Return what argparse calls on a text; a ValueError of the parser says what it expects."""

    def parsed(text: str) -> str:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{shown(text)}: expected {error}") from error

    return parsed


def add_many(parser: argparse.ArgumentParser, option: str, metavar: str, help: str, nargs: str | int = "+") -> None:
    """Add an option that takes several values, and may be given several times."""
    parser.add_argument(option, nargs=nargs, action="extend", default=[], metavar=metavar, help=help)


@dataclass(frozen=True)
class WholeNumber:
    """The type of an option that takes a whole number from ``low`` to ``high``."""

    low: int
    high: int

    def __call__(self, text: str) -> int:
        """Return the number, as argparse calls a type."""
        # Python refuses thousands of digits in words of its own.
        digits = text.strip() if len(text) <= _MOST_DIGITS else ""
        if not re.fullmatch("[+-]?[0-9]+", digits) or not self.low <= int(digits) <= self.high:
            raise _refused(text, f"a whole number from {self.low:,} to {self.high:,}")
        return int(digits)


@dataclass(frozen=True)
class Number:
    """The type of an option that takes a number from ``low`` to ``high``."""

    low: float
    high: float

    def __call__(self, text: str) -> float:
        """Return the number, as argparse calls a type."""
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not self.low <= number <= self.high:
            raise _refused(text, f"a number from {self.low:,g} to {self.high:,g}")
        return number


SEED = WholeNumber(0, 2**32 - 1)
"""Of random samples and bootstraps."""


def _refused(text: str, expected: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{shown(text)}: expected {expected}")


def add_recipe_changes(parser: argparse.ArgumentParser) -> None:
    """Add the options that change a recipe, which `recipe_changes` reads."""
    parser.add_argument("--data", nargs="+", action="extend", metavar="FILE", help="labelled comments to train on")
    parser.add_argument(
        "--validation",
        nargs="+",
        action="extend",
        metavar="FILE|FRACTION",
        help="share of the comments to hold out, or the file(s) to validate on",
    )
    parser.add_argument("--model", metavar="NAME|FOLDER", help="encoder to fine-tune, in place of the recipe's")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change a setting of the recipe"
    )


def recipe_changes(options: Namespace) -> dict[str, object]:
    """Return what ``--set``, ``--data``, ``--validation`` and ``--model`` change in a recipe, by ``section.key``."""
    from civility.recipe import change_of

    changes: dict[str, object] = dict(change_of(text) for text in options.set)
    if options.data:
        changes["data.files"] = options.data
    if options.validation:
        changes["data.validation"] = _share_or_files(options.validation)
    if options.model:
        changes["model.name"] = options.model
    return changes


def print_note_on_validation(console: "Console", recipe: "Recipe", changes: Mapping[str, object]) -> None:
    """Print which comments are the validation, where other training files were given and nothing was said of it."""
    from civility.recipe import note_on_validation
    from civility.render.terminal.layout import paragraph

    note = note_on_validation(recipe, changes)
    if note:
        paragraph(console, note, indent=0)
        console.print()


def _share_or_files(values: list[str]) -> float | list[str]:
    try:
        return float(values[0]) if len(values) == 1 else values
    except ValueError:
        return values
