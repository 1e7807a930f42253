"""``civility recipes``: the shipped recipes, listed; or one recipe in full."""

import shutil
import sys
import textwrap
from argparse import Namespace
from typing import Any

from civility.cli.parser import add_command


def add(commands: Any) -> None:
    """Add the command's options and help."""
    parser = add_command(
        commands,
        run,
        "List the shipped recipes, or print one in full: every setting with its meaning, its range, and the baseline's "
        "value where it differs.",
        "examples:\n  civility recipes\n  civility recipes strong\n  civility recipes baseline > mine.toml\n",
    )
    parser.add_argument("name", nargs="?", metavar="RECIPE", help="shipped recipe, or a .toml file")


def run(options: Namespace, command: list[str]) -> None:
    """Run the command."""
    from civility.recipe import Recipe, shipped_recipes
    from civility.recipe.listing import WIDTH, listing

    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH
    width = min(columns, WIDTH)
    shipped = shipped_recipes()
    if options.name:
        sys.stdout.write(listing(Recipe.load(options.name), shipped.get(options.name, ""), width))
        return
    for name, text in shipped.items():
        summary = text.splitlines()[0].removeprefix("# ")
        lines = textwrap.wrap(f"{name:<10} {summary}", width, subsequent_indent=" " * 11)
        sys.stdout.write("\n".join(lines) + "\n")
