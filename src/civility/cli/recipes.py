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
            text = "".join(f"{one}\n" for line in _joined(text) for one in _fitting(line, width))
        sys.stdout.write(text)
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 400
    for name, text in shipped_recipes().items():
        summary = text.splitlines()[0].removeprefix("# ")
        lines = textwrap.wrap(f"{name:<10} {summary}", width, subsequent_indent=" " * 11)
        sys.stdout.write("\n".join(lines) + "\n")


def _joined(text: str) -> list[str]:
    """Return the lines of a recipe, a comment that goes on in a second line joined to its first."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(" ") and line.lstrip().startswith("# "):
            lines[-1] += line.lstrip().removeprefix("#")
        else:
            lines.append(line)
    return lines


def _fitting(line: str, width: int) -> list[str]:
    """Return a line of TOML as lines that fit: a long comment stands above its setting, and a list is broken."""
    if len(line) <= width:
        return [line]
    setting, mark, comment = line.partition("# ")
    above = textwrap.wrap(comment, width, initial_indent="# ", subsequent_indent="# ") if mark else []
    if " = [" in setting:
        return [*above, *textwrap.wrap(setting, width, subsequent_indent="    ", break_long_words=False)]
    return [*above, setting.rstrip()] if setting.strip() else above
