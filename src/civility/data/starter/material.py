"""Reads the TOML files that a part of the starter corpus is composed from. Knows no word of them."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

# A topic, or an invented group: words for the slots that must agree with one another.
Record = dict[str, tuple[str, ...]]

_SEEDS = {"train": 6001, "held-out": 6002}
STARTER_PARTS = tuple(_SEEDS)


@dataclass(frozen=True)
class Kind:
    """Templates that teach the same labels, and how many comments to compose from them."""

    labels: frozenset[str]
    num_comments: int
    templates: tuple[str, ...]


@dataclass(frozen=True)
class Material:
    """Everything that one part is composed from.

    The parts share no template: neither a core, nor a remark or question of a topic, nor an opening or closing.
    """

    seed: int
    kinds: tuple[Kind, ...]
    topics: tuple[Record, ...]
    groups: tuple[Record, ...]
    fillers: Record
    openings: tuple[str, ...]
    closings: tuple[str, ...]
    friendly_closings: tuple[str, ...]
    hostile_closings: tuple[str, ...]


def read_material(part: str) -> Material:
    """Return the material of a part, one of `STARTER_PARTS`."""
    files = [tomllib.loads(_text(f"{part}-{name}.toml")) for name in ("topics", "clean", "toxic", "words")]
    talk, clean, toxic, words = files
    topics = tuple(_record(topic) for topic in talk["topics"].values())
    # Remarks and questions are clean comments as they stand.
    chat = tuple(line for topic in topics for line in topic["remark"] + topic["question"])
    return Material(
        seed=_SEEDS[part],
        kinds=(
            Kind(frozenset(), talk["count"], chat),
            *(
                Kind(frozenset(kind["labels"]), kind["count"], _items(kind["templates"]))
                for kind in clean["comments"] + toxic["comments"]
            ),
        ),
        topics=topics,
        groups=tuple(_record(group) for group in words["groups"]),
        fillers=_record(words["fillers"]),
        **_record(words["frames"]),
    )


def _text(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _record(table: dict[str, str | Sequence[str]]) -> Record:
    return {name: _items(value) for name, value in table.items()}


def _items(value: str | Sequence[str]) -> tuple[str, ...]:
    """Return the items of a list, or the lines of a text."""
    return tuple(value.splitlines() if isinstance(value, str) else value)
