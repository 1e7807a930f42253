"""``civility recipes``: the shipped recipes, listed or printed."""

import sys
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
        sys.stdout.write(shipped_recipe(options.name))
        return
    for name, text in shipped_recipes().items():
        summary = text.splitlines()[0].removeprefix("# ")
        sys.stdout.write(f"{name:<10} {summary}\n")
