"""Writes a complete recipe as TOML: each setting with its help and range, and the baseline's value if it differs."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

import tomli_w
from pydantic.fields import FieldInfo

from civility.plain_text import escaped
from civility.recipe import SECTIONS, Recipe
from civility.recipe.settings import Unit, ValueRange

WIDTH = 80
"""Columns."""


@dataclass(frozen=True)
class Setting:
    """One setting, as `civility.recipe.settings` defines it.

    Parameters
    ----------
    section : empty for the seed
    values : the range with its unit, such as "1 to 10,000 epochs", or the choices; empty if type and help say enough
    """

    section: str
    name: str
    default: Any
    values: str
    help: str

    @property
    def key(self) -> str:
        """The setting as ``section.key``, as ``--set`` names it."""
        return f"{self.section}.{self.name}".removeprefix(".")


def all_settings() -> Iterator[Setting]:
    """Yield every setting in the order of a recipe."""
    yield _setting("", "seed", Recipe.model_fields["seed"])
    for section in SECTIONS:
        for name, field in type(getattr(Recipe(), section)).model_fields.items():
            yield _setting(section, name, field)


def section_help(section: str) -> str:
    """Return one line on a section."""
    return str(type(getattr(Recipe(), section)).__doc__)


def as_toml(value: Any) -> str:
    """Return a value as TOML in one line, with readable numbers: 2e-5, 50_000."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, float) and 0 < abs(value) < 1e-3:
        return f"{Decimal(repr(value)):e}"
    if isinstance(value, int) and value >= 10_000:
        return f"{value:_}"
    written = tomli_w.dumps({"v": value}).removeprefix("v = ").rstrip("\n")
    return escaped(written)


def listing(recipe: Recipe, shipped: str = "", width: int = WIDTH) -> str:
    """Return every setting of a recipe as TOML that `Recipe.load` reads.

    Parameters
    ----------
    shipped : the text of a built-in recipe's file; its opening comment and the comments after its settings are kept
    width : in columns; only a value or a single word may be wider
    """
    lines: list[str] = []
    for line in shipped.partition("\n\n")[0].splitlines():
        lines += [line] if len(line) <= width else _comment(line.removeprefix("#").strip(), width)
    if recipe != Recipe():
        note = "Settings that differ from the baseline are marked with its value."
        lines += [*(["#"] if lines else []), *_comment(note, width)]
    reasons = _reasons(shipped)
    section = ""
    for setting in all_settings():
        if setting.section != section:
            section = setting.section
            lines += ["", "", *_comment(section_help(section), width), f"[{section}]"]
        value = getattr(getattr(recipe, section) if section else recipe, setting.name)
        reason = reasons.get((section, setting.name))
        lines += ["", *_comment(setting.help, width), *(_comment(f"Here: {reason}", width) if reason else [])]
        lines += _assignment(setting, value, width)
    return "\n".join(lines).lstrip("\n") + "\n"


def _assignment(setting: Setting, value: Any, width: int) -> list[str]:
    """Return the lines that set a value, followed by the baseline's value and the range, or below these if too long."""
    lines = [f"{setting.name} = {as_toml(value)}"]
    if len(lines[0]) > width and isinstance(value, tuple):
        lines = [f"{setting.name} = [", *(f"    {as_toml(item)}," for item in value), "]"]
    baseline = "" if value == setting.default else f"baseline: {as_toml(setting.default)}"
    room = max(width - len(lines[-1]) - len("  # "), 0)
    both = "; ".join(filter(None, (baseline, setting.values)))
    above = _comment(f"Values: {setting.values}", width) if setting.values else []
    if len(both) <= room:
        above, behind = [], both
    elif len(baseline) <= room:
        behind = baseline
    else:
        above, behind = [*above, *_comment(f"Baseline: {as_toml(setting.default)}", width)], ""
    return [*above, *lines[:-1], f"{lines[-1]}  # {behind}" if behind else lines[-1]]


def _setting(section: str, name: str, field: FieldInfo) -> Setting:
    return Setting(section, name, field.default, _values(field), field.description or "")


def _values(field: FieldInfo) -> str:
    for one in field.metadata:
        if isinstance(one, ValueRange):
            return one.text
    if get_origin(field.annotation) is Literal:
        return ", ".join(get_args(field.annotation))
    bounds = {kind: getattr(one, kind) for one in field.metadata for kind in ("ge", "le", "lt") if hasattr(one, kind)}
    if "ge" not in bounds:
        return ""
    if "lt" in bounds and field.annotation is int:
        bounds["le"] = bounds["lt"] - 1
    highest = _number(bounds["le"]) if "le" in bounds else f"below {_number(bounds['lt'])}"
    unit = "".join(f" {one.name}" for one in field.metadata if isinstance(one, Unit))
    return f"{_number(bounds['ge'])} to {highest}{unit}"


def _number(bound: float) -> str:
    if bound != int(bound):
        return as_toml(bound)
    power = f"{bound:.0e}".replace("e+0", "e")
    return power if bound >= 10**6 and float(power) == bound else f"{int(bound):,}"


def _reasons(shipped: str) -> dict[tuple[str, str], str]:
    """Return the comments after the settings of a built-in recipe."""
    found: dict[tuple[str, str], str] = {}
    section = ""
    for line in shipped.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif match := re.match(r"(\w+) = .*  # (.+)", line):
            found[section, match[1]] = match[2]
    return found


def _comment(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
    )
