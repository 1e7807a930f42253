"""Options that several commands share, and the types of numbers."""

import argparse
import math
import re
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
TARGET = "run directory, classifier folder, or name of a multi-label classifier on the Hugging Face Hub"


class Once(argparse.Action):
    """Store a value, and refuse a second one instead of forgetting the first."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        """Store the value, as argparse calls an action."""
        if getattr(namespace, self.dest, None) is not None:
            parser.error(f"argument {option}: given twice; one file at a time")
        setattr(namespace, self.dest, values)


def add_many(parser: argparse._ActionsContainer, option: str, metavar: str, help: str, nargs: str | int = "+") -> None:
    """Add an option that takes several values and may be repeated; an empty list by default."""
    parser.add_argument(option, nargs=nargs, action="extend", default=[], metavar=metavar, help=help)


def add_held_out_data(parser: argparse.ArgumentParser) -> None:
    """Add ``--data`` to a command that by default uses the comments that the run held out."""
    add_many(parser, "--data", "FILE", "labelled comments; default: those that the run held out for validation")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how files of comments are read; `columns_of` returns their values."""
    group = parser.add_argument_group("reading files")
    group.add_argument(
        "--text-column", default="", metavar="NAME", help="column of comments; default: the run's, or detected"
    )
    group.add_argument("--id-column", default="", metavar="NAME", help="column of ids; default: the run's, or detected")
    group.add_argument(
        "--input-format",
        default="auto",
        choices=FORMAT_NAMES,
        metavar="FORMAT",
        help=f"{', '.join(FORMAT_NAMES[:-1])} or {FORMAT_NAMES[-1]}; default: auto, by suffix and content",
    )
    group.add_argument(
        "--separator",
        type=_argument(separator_of),
        default="",
        metavar="CHARACTER",
        help="between the cells of a row; 'tab' for a tab; default: detected",
    )
    group.add_argument(
        "--encoding",
        type=_argument(encoding_of),
        default="",
        metavar="NAME",
        help="text encoding, such as cp1252; default: UTF-8, or UTF-16 and UTF-32 where detected",
    )
    group.add_argument(
        "--max-cell-bytes",
        type=WholeNumber(FEWEST_CELL_BYTES, MOST_CELL_BYTES),
        metavar="BYTES",
        help="longest line, cell or JSON object; default: the run's, or 16,000,000",
    )


def columns_of(options: Namespace, **others: Any) -> "Columns":
    """Return the options of `add_columns`, with other fields of `Columns` by name."""
    from civility.data.dialects import Columns

    limit = options.max_cell_bytes or MAX_CELL_BYTES
    form = FileFormat(options.input_format, options.separator, options.encoding, limit)
    return Columns(text=options.text_column, id=options.id_column, file=form, **others)


def _argument(parse: Callable[[str], str]) -> Callable[[str], str]:
    """Return a type for argparse; the ValueError that ``parse`` raises says what is expected."""

    def parsed(text: str) -> str:
        try:
            return parse(text)
        except ValueError as error:
            raise _refused(text, str(error)) from error

    return parsed


@dataclass(frozen=True)
class WholeNumber:
    """The type of an option that takes a whole number from ``low`` to ``high``."""

    low: int
    high: int

    def __call__(self, text: str) -> int:
        """Return the number, as argparse calls a type."""
        # int() refuses thousands of digits with a message of its own.
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
"""The type of a seed of random samples and bootstraps."""


def _refused(text: str, expected: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{shown(text)}: expected {expected}")


def add_recipe_changes(parser: argparse.ArgumentParser) -> None:
    """Add the options that change a recipe; `recipe_changes` returns their values."""
    add_many(parser, "--data", "FILE", "labelled comments to train on; default: the recipe's data.files")
    add_many(
        parser,
        "--validation",
        "FILE|FRACTION",
        "files to validate on, or the fraction of the comments to hold out, between 0 and 1; default: the recipe's",
    )
    parser.add_argument(
        "--model", metavar="NAME|FOLDER", help="encoder to fine-tune, or tf-idf; default: the recipe's model.name"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="change a setting of the recipe; 'civility recipes baseline' lists all",
    )


def recipe_changes(options: Namespace) -> dict[str, object]:
    """Return what ``--set``, ``--data``, ``--validation`` and ``--model`` change in a recipe, by ``section.key``."""
    from civility.recipe import change_of

    changes: dict[str, object] = dict(change_of(text) for text in options.set)
    if options.data:
        changes["data.files"] = options.data
    if options.validation:
        changes["data.validation"] = _fraction_or_files(options.validation)
    if options.model:
        changes["model.name"] = options.model
    return changes


def print_note_on_validation(console: "Console", recipe: "Recipe", changes: Mapping[str, object]) -> None:
    """Print which comments are used for validation, if other training files were given without saying so."""
    from civility.recipe import note_on_validation
    from civility.render.terminal.layout import paragraph

    note = note_on_validation(recipe, changes)
    if note:
        paragraph(console, note, indent=0)
        console.print()


def _fraction_or_files(values: list[str]) -> float | list[str]:
    try:
        return float(values[0]) if len(values) == 1 else values
    except ValueError:
        return values
