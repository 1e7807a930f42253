"""Writes the pages of the reference that are made from the source: ``python docs/generate.py``.

A test holds that each committed page equals what is generated.
"""

from collections.abc import Callable
from pathlib import Path

from civility.recipe import SECTIONS
from civility.recipe.listing import Setting, all_settings, as_toml, section_help

DOCS = Path(__file__).parent


def settings_page() -> str:
    """Return the reference page of the settings of a recipe."""
    settings = list(all_settings())
    lines = [
        "# Settings of a recipe",
        "",
        "Each setting with its default, which is the baseline's, and the values that it can have. Change one with",
        "`--set section.key=value`, or in a TOML file. `civility recipes NAME` prints a recipe with all of them.",
        "[recipe.md](recipe.md) explains the methods and gives their sources.",
        "",
        "This page is generated from the source by `python docs/generate.py`.",
        "",
        *_table([setting for setting in settings if not setting.section]),
    ]
    for section in SECTIONS:
        lines += ["", f"## `[{section}]`", "", section_help(section), ""]
        lines += _table([setting for setting in settings if setting.section == section])
    return "\n".join(lines) + "\n"


def _table(settings: list[Setting]) -> list[str]:
    rows = (f"| `{one.key}` | `{as_toml(one.default)}` | {one.values} | {one.help} |" for one in settings)
    return ["| setting | default | values | meaning |", "|---|---|---|---|", *rows]


PAGES: dict[str, Callable[[], str]] = {"settings.md": settings_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
