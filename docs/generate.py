"""The pages of the reference that are made from the source. MkDocs calls `on_files` when it builds the site.

None of these pages is committed, so none of them can be out of date.
"""

import argparse
import importlib
import json
import pkgutil
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import civility.documents
from civility.cli.parser import build_parser
from civility.documents.document import Document
from civility.errors import CODES
from civility.recipe import SECTIONS
from civility.recipe.listing import Setting, all_settings, as_toml, section_help

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files


def command_line() -> str:
    """Return the page of the command line: every command with its options and examples."""
    parser = build_parser("0")
    lines = [
        "# Command line",
        "",
        "`civility COMMAND --help` prints the same.",
        "",
        "| exit code | means |",
        "|---:|---|",
        "| 0 | done |",
        "| 1 | a bug in civility: please report the traceback |",
        "| 2 | a mistake that you can correct; [error codes](errors.md) lists all kinds |",
        "| 3 | a requirement of `--require` failed |",
        "| 128 + N | ended by signal N after saving: 130 for Ctrl-C, 143 for SIGTERM, 129 for a closed terminal |",
    ]
    (commands,) = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for name, command in commands.items():
        lines += ["", f"## `civility {name}`", "", _prose(command.description or ""), ""]
        lines += ["| option | meaning |", "|---|---|"]
        lines += [f"| {_option(action)} | {_help(action)} |" for action in _shown(command)]
        if command.epilog:
            lines += ["", "```text", command.epilog.strip("\n"), "```"]
    return "\n".join(lines) + "\n"


def _shown(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (one for one in parser._actions if one.help != argparse.SUPPRESS and one.dest != "help")


def _option(action: argparse.Action) -> str:
    names = " ".join(action.option_strings)
    value = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
    more = " …" if action.nargs in ("+", "*") else ""
    return f"`{f'{names} {value}'.strip().replace('|', ' or ')}{more}`"


def _help(action: argparse.Action) -> str:
    return _prose((action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%"))


def _prose(text: str) -> str:
    """Return a text as one line of Markdown that shows it as it is."""
    return _escaped(" ".join(text.replace("``", "").split()))


def _escaped(text: str) -> str:
    for mark in "\\`*_<>|#[]":
        text = text.replace(mark, f"\\{mark}")
    return text


def settings() -> str:
    """Return the page of the settings of a recipe."""
    found = list(all_settings())
    lines = [
        "# Settings of a recipe",
        "",
        "Every setting with its default (the `baseline` recipe) and its values. Change one with",
        "`--set section.key=value` or in a TOML file. `civility recipes NAME` prints a recipe with all settings.",
        "[Methods](methods.md) explains the losses, optimizers and regularizers, and gives their sources.",
        "",
        *_settings_table([setting for setting in found if not setting.section]),
    ]
    for section in SECTIONS:
        lines += ["", f"## `[{section}]`", "", section_help(section), ""]
        lines += _settings_table([setting for setting in found if setting.section == section])
    return "\n".join(lines) + "\n"


def _settings_table(found: list[Setting]) -> list[str]:
    rows = (f"| `{one.key}` | `{as_toml(one.default)}` | {one.values} | {_escaped(one.help)} |" for one in found)
    return ["| setting | default | values | meaning |", "|---|---|---|---|", *rows]


def errors() -> str:
    """Return the page of the error codes."""
    lines = [
        "# Error codes",
        "",
        "civility reports a mistake that you can correct in two sentences, what was found and what to do, and exits",
        "with 2. In Python the mistake is a `civility.UserError`. Its `code` is stable; its text may change.",
    ]
    for room, codes in groupby(CODES, key=lambda code: code.partition(".")[0]):
        lines += ["", f"## {room}", "", "| code | meaning |", "|---|---|"]
        lines += [f"| `{code}` | {CODES[code]} |" for code in codes]
    return "\n".join(lines) + "\n"


def all_documents() -> dict[str, type[Document]]:
    """Return every document that civility writes, by the name of its JSON Schema's file."""
    for module in pkgutil.iter_modules(civility.documents.__path__, "civility.documents."):
        importlib.import_module(module.name)
    found: dict[str, type[Document]] = {}
    kinds = list(Document.__subclasses__())
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if hasattr(kind, "SCHEMA"):
            found[f"{kind.WHAT.replace(' ', '-').replace('.', '-')}.schema.json"] = kind
    return dict(sorted(found.items()))


def documents() -> str:
    """Return the page of the JSON documents: what each entry means, and where its JSON Schema is."""
    lines = [
        "# Documents",
        "",
        "The JSON files that civility writes. Each has a `schema` number. A newer civility reads the older schemas; an",
        "older civility refuses a newer schema and asks for an upgrade. Undefined numbers are `null`.",
    ]
    for file, kind in all_documents().items():
        schema = kind.model_json_schema(mode="serialization")
        lines += ["", f"## {kind.WHAT}", "", _first_paragraph(schema), ""]
        lines += [f"Schema {kind.SCHEMA} · [JSON Schema](schemas/{file})", "", *_entries(schema)]
        for name, part in sorted(schema.get("$defs", {}).items()):
            if "properties" in part:
                lines += ["", f"### {kind.WHAT}: {name}", "", _first_paragraph(part), "", *_entries(part)]
    return "\n".join(lines) + "\n"


def _first_paragraph(schema: dict[str, Any]) -> str:
    return _prose(str(schema.get("description", "")).partition("\n\n")[0])


def _entries(schema: dict[str, Any]) -> list[str]:
    rows = (
        f"| `{name}` | {_type(entry)} | {_prose(entry.get('description', ''))} |"
        for name, entry in schema.get("properties", {}).items()
    )
    return ["| entry | type | meaning |", "|---|---|---|", *rows]


def _type(entry: dict[str, Any]) -> str:
    """Return a JSON Schema type in a few words, such as ``list of number or null``."""
    if "$ref" in entry:
        return str(entry["$ref"]).rpartition("/")[2]
    if choices := entry.get("anyOf", entry.get("oneOf")):
        return " or ".join(dict.fromkeys(map(_type, choices)))
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    if "const" in entry:
        return f"`{entry['const']}`"
    if entry.get("type") == "array":
        if "prefixItems" in entry:
            return f"({', '.join(map(_type, entry['prefixItems']))})"
        return f"list of {_type(entry.get('items', {}))}"
    if entry.get("type") == "object" and isinstance(entry.get("additionalProperties"), dict):
        return f"{_type(entry['additionalProperties'])} by name"
    return str(entry.get("type", "any"))


PAGES: dict[str, Callable[[], str]] = {
    "reference/command-line.md": command_line,
    "reference/settings.md": settings,
    "reference/errors.md": errors,
    "reference/documents.md": documents,
}


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the generated pages and the JSON Schemas to the site."""
    from mkdocs.structure.files import File

    made = {name: page() for name, page in PAGES.items()}
    for name, kind in all_documents().items():
        schema = kind.model_json_schema(mode="serialization")
        made[f"reference/schemas/{name}"] = json.dumps(schema, indent=1) + "\n"
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files
