"""The commands by name, the parser of the command line, shell completion, and help that fits the terminal."""

import argparse
import importlib
import re
import textwrap
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from civility.cli.messages import print_error
from civility.errors import UserError, did_you_mean

COMMANDS = {
    "train": "train a classifier by a recipe, on labelled comments",
    "sweep": "train a recipe with many settings, and keep the best",
    "evaluate": "measure a classifier on labelled comments, in a report",
    "thresholds": "choose the score from which each label is flagged",
    "compare": "show which of several runs is better, or whether it is noise",
    "ensemble": "combine classifiers into one that averages their scores",
    "soup": "combine runs of one encoder by averaging their weights",
    "predict": "score comments",
    "audit": "find what is wrong with files of comments",
    "recipes": "list the shipped recipes, or print one in full",
}
"""The commands in the order of the help. Each is defined in the module of its name: `add` defines its options, `run`
carries it out."""

_DESCRIPTION = "\n".join(
    [
        "Train multi-label toxic-comment classifiers, evaluate them, and score comments.\n\ncommands:",
        *(f"  {name:<12}{summary}" for name, summary in COMMANDS.items()),
    ]
)
_EPILOG = """\
the first five minutes:
  civility train starter                      train on a small built-in corpus
  echo "have a nice day" | civility predict runs/starter --data -
  civility audit train.csv test.csv           check your own comments first
  civility train baseline --data train.csv    train the baseline on them
  civility evaluate runs/baseline --data test.csv test_labels.csv
  civility thresholds runs/baseline --policy 'default: precision>=0.8'

'civility COMMAND --help' describes a command. Exit codes: 0 success, 1 a bug in civility, 2 an error that you can fix,
3 a failed --require, 130 interrupted by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
"""


Run = Callable[[Namespace, list[str]], int | None]
"""Carries out a command: takes its options and the whole command line, returns the exit code, None for 0."""


def add_command(commands: Any, run: Run, description: str, epilog: str) -> argparse.ArgumentParser:
    """Add the command that ``run`` carries out, named like its module, and return its parser."""
    name = run.__module__.rpartition(".")[2]
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=COMMANDS[name],
        description=description,
        epilog=epilog,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser that suggests the closest word, and prints its errors as the rest of civility does."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a command line; an error about an unknown option points to the help of its command."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.prog += f" {options.command}"
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, and exit with 2."""
        print_error(UserError("cli.bad-usage", message, remedy=f"see '{self.prog} --help'"))
        raise SystemExit(2)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.dest == "resume" and value not in ("yes", "auto"):
            raise argparse.ArgumentError(
                None,
                f"--resume {value}: only 'auto' may follow --resume. RECIPE stands before it, and the run directory "
                f"after --out: civility train --resume --out {value}",
            )
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            what = "".join(action.option_strings[-1:]) or action.metavar or action.dest
            raise argparse.ArgumentError(
                None, f"unknown {what} {value!r}{did_you_mean(str(value), known)}: choose from {', '.join(known)}"
            )


def build_parser(version: str, arguments: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Parameters
    ----------
    version : printed by ``--version``
    arguments : the command line, without ``civility``. Only the module of the command that it names is imported, so
        that help stays fast. None: every command
    """
    parser = _Parser(
        prog="civility",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=_HelpFormatter,
        usage="civility COMMAND …",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"civility {version}", help="print the version")
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=("bash", "zsh", "tcsh"),
        metavar="SHELL",
        help="print a script for bash, zsh or tcsh that completes the command line",
    )
    commands = parser.add_subparsers(
        dest="command", metavar="command", prog="civility", required=True, help=argparse.SUPPRESS
    )
    for name in COMMANDS if arguments is None else _named(arguments):
        importlib.import_module(f"civility.cli.{name}").add(commands)
    return parser


def _named(arguments: Sequence[str]) -> list[str]:
    """Return the command that a command line names; every command where it names an unknown one."""
    words = [argument for argument in arguments if not argument.startswith("-")]
    return words[:1] if words and words[0] in COMMANDS else list(COMMANDS) if words else []


class _PrintCompletion(argparse.Action):
    """Print the completion script of a shell, and exit."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        """Print the script, as argparse calls an action."""
        print(_completion_script(build_parser(""), values))  # noqa: T201
        raise SystemExit(0)


def _completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script by shtab that completes commands, options, recipes, files and folders in a shell."""
    import shtab

    from civility.recipe import shipped_recipes

    names = " ".join(shipped_recipes())
    function = "_civility_recipes_and_files"
    completes: dict[str, Any] = {
        "RECIPE": {"bash": function, "zsh": function, "tcsh": f"({names})"},
        **dict.fromkeys(("FILE", "TARGET", "CLASSIFIER", "RUN"), shtab.FILE),
        **dict.fromkeys(("DIR", "FOLDER"), shtab.DIRECTORY),
    }
    _add_completions(parser, completes)
    preamble: Any = {
        "bash": f'{function}() {{\n  compgen -W "{names}" -- $1\n  compgen -f -- $1\n}}',
        "zsh": f'{function}() {{\n  compadd {names}\n  _files -g "*.toml"\n}}',
    }
    script: str = shtab.complete(parser, shell=shell, preamble=preamble)
    return script


def _add_completions(parser: argparse.ArgumentParser, completes: Mapping[str, Any]) -> None:
    """Set what completes the value of each argument, by the first of these words in its metavar."""
    for action in parser._actions:  # argparse has no public list of them
        if isinstance(action.choices, dict):
            action.help = "command"  # shtab skips what the help hides
            for command in action.choices.values():
                _add_completions(command, completes)
        words = str(action.metavar).replace("|", " ").split()
        for word in completes:
            if word in words:
                action.complete = completes[word]  # type: ignore[attr-defined]
                break


class _HelpFormatter(argparse.HelpFormatter):
    """Help as wide as the terminal: prose is wrapped, commands and tables keep their lines where they fit."""

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
    """Return a line of help as lines that fit: a command breaks with a backslash, a table row below its text."""
    if len(line) <= width:
        return [line]
    start = len(line) - len(line.lstrip())
    left, gap, right = line[start:].partition("   ")
    if left.startswith(("civility ", "accelerate ", "torchrun ", "--")) or "| civility " in left:
        # A quoted argument stays whole, and an option with its first value.
        parts = re.findall(r"(?:--\S+ (?!-))?(?:'[^']*'|\S+)", left)
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
