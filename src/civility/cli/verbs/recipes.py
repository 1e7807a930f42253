"""``civility recipes``: the shipped recipes, listed or printed."""

import shutil
import sys
import textwrap
from argparse import Namespace
from typing import Any

from civility.cli.arguments import add_verb


def add(verbs: Any) -> None:
    """Add the verb's options and help."""
    parser = add_verb(
        verbs,
        "recipes",
        run,
        "List the shipped recipes, or print one: every setting with its unit.",
        "examples:\n  civility recipes\n  civility recipes baseline > mine.toml\n",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the recipe to print")


def run(options: Namespace, command: list[str]) -> None:
    """Run the verb."""
    from civility.recipe import shipped_recipe, shipped_recipes

    if options.name:
        text = shipped_recipe(options.name)
        if sys.stdout.isatty():  # in a file a setting and its comment stay on one line
            width = shutil.get_terminal_size().columns
            text = "".join(f"{one}\n" for line in text.splitlines() for one in _fitting(line, width))
        sys.stdout.write(text)
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 400
    for name, text in shipped_recipes().items():
        summary = text.splitlines()[0].removeprefix("# ")
        lines = textwrap.wrap(f"{name:<10} {summary}", width, subsequent_indent=" " * 11)
        sys.stdout.write("\n".join(lines) + "\n")


def _fitting(line: str, width: int) -> list[str]:
    """Return a line of TOML as lines that fit: a comment that is too long stands above its setting."""
    setting, mark, comment = line.partition("# ")
    if len(line) <= width or not mark:
        return [line]
    above = textwrap.wrap(comment, width, initial_indent="# ", subsequent_indent="# ")
    return [*above, setting.rstrip()] if setting.strip() else above
