"""Shell completion: scripts by shtab that complete commands, options, recipes, files and folders."""

import argparse
from typing import Any

import shtab

from civility.recipe import shipped_recipes

_FOLDERS = {"DIR", "FOLDER"}
_FILES = {"FILE", "TARGET", "CLASSIFIER", "RUN"}


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script that completes the command line of a parser in bash, zsh or tcsh."""
    names = " ".join(shipped_recipes())
    recipes = {"bash": "_civility_recipes_and_files", "zsh": "_civility_recipes_and_files", "tcsh": f"({names})"}
    _add_completions(parser, recipes)
    preamble: Any = {
        "bash": f'_civility_recipes_and_files() {{\n  compgen -W "{names}" -- $1\n  compgen -f -- $1\n}}',
        "zsh": f'_civility_recipes_and_files() {{\n  compadd {names}\n  _files -g "*.toml"\n}}',
    }
    script: str = shtab.complete(parser, shell=shell, preamble=preamble)
    return script


def _add_completions(parser: argparse.ArgumentParser, recipes: dict[str, str]) -> None:
    """Set what completes the value of each argument, by its metavar."""
    for action in parser._actions:  # argparse has no public list of them
        if isinstance(action.choices, dict):
            action.help = "command"  # shtab skips what the help hides
            for command in action.choices.values():
                _add_completions(command, recipes)
        words = set(str(action.metavar).replace("|", " ").split())
        if "RECIPE" in words:
            action.complete = recipes  # type: ignore[attr-defined]
        elif words & _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif words & _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
