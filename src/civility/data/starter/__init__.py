"""The starter corpus: a few thousand short comments, so that a first run does not need the user's own data.

It shows the system at work and is not a benchmark. The comments are composed from the hand-written templates in the
TOML files of this folder, so a model that does well on them has learned the wording of these templates, not how people
insult one another. The targets of hate are invented groups, and the words are the mildest that still teach a label.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from random import Random
from typing import TypeVar

import numpy as np

from civility.data.dataset import Dataset, normalised
from civility.data.dialects import LABELS
from civility.errors import UserError

_Item = TypeVar("_Item")

_MAX_WORDS = 45
_SLOT = re.compile(r"\{(([a-z]+)\d?)\}")
# "use…", "uni…" and "one" sound like a consonant.
_BEFORE_VOWEL = re.compile(r"\b([Aa])(?= (?!use|uni|one\b)[aeiou])", re.IGNORECASE)
_SENTENCE_START = re.compile(r"(?:^|(?<=[.!?] ))[a-z]")
_STRETCHED = {"so": "sooo", "no": "nooo", "really": "reallyyy", "what": "whaaat", "you": "youuu"}
_CHATTY = {"you": "u", "your": "ur", "are": "r", "please": "pls", "thanks": "thx", "and": "&", "why": "y"}

# A topic, or an invented group: fillers of slots that must agree with one another.
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
    """The templates and fillers of one part. The parts do not share a template."""

    seed: int
    kinds: tuple[Kind, ...]
    topics: tuple[Record, ...]
    groups: tuple[Record, ...]
    fillers: Record
    openings: tuple[str, ...]
    closings: tuple[str, ...]
    friendly_closings: tuple[str, ...]
    hostile_closings: tuple[str, ...]


@dataclass(frozen=True)
class Comment:
    """A composed comment, its labels, and its templates: the core first, then its frame."""

    text: str
    labels: frozenset[str]
    templates: tuple[str, ...]


def starter_corpus(part: str) -> Dataset:
    """Return one part of the starter corpus, ``train`` or ``held-out``, the same on every machine; else a UserError."""
    comments = compose(part)
    targets = [[label in comment.labels for label in LABELS] for comment in comments]
    return Dataset(
        texts=tuple(comment.text for comment in comments),
        targets=np.array(targets, dtype=np.float32),
        ids=tuple(f"starter:{part}:{i:05d}" for i in range(len(comments))),
        labels=LABELS,
    )


def compose(part: str) -> list[Comment]:
    """Compose the comments of a part, in a mixed order that never changes."""
    if part not in STARTER_PARTS:
        remedy = f"The parts are {' and '.join(STARTER_PARTS)}."
        raise UserError("data.no-file", f"unknown part of the starter corpus: {part!r}", remedy=remedy)
    material = read_material(part)
    rng = Random(material.seed)
    seen: set[str] = set()
    comments = [comment for kind in material.kinds for comment in _of_kind(kind, material, rng, seen)]
    # Only random() has the same sequence in all versions of Python, so shuffle() and choice() are not used.
    keys = [rng.random() for _ in comments]
    return [comments[i] for i in sorted(range(len(comments)), key=keys.__getitem__)]


def _of_kind(kind: Kind, material: Material, rng: Random, seen: set[str]) -> list[Comment]:
    """Compose comments from the templates in turn, using no filled core twice, until there are enough."""
    comments: list[Comment] = []
    for _ in range(50):
        for template in kind.templates:
            if len(comments) == kind.num_comments:
                return comments
            slots = _Slots(template, material, rng)
            used = _framed(template, kind, slots, material, rng)
            core = normalised(slots.fill(template))
            text = _styled(_sentences(" ".join(slots.fill(line) for line in used)), rng)
            if seen.isdisjoint((core, normalised(text))):
                seen |= {core, normalised(text)}
                frame = tuple(line for line in used if line != template)
                comments.append(Comment(text, kind.labels, (template, *frame)))
    raise AssertionError(f"too few templates for {kind.num_comments} comments labelled {sorted(kind.labels)}")


class _Slots:
    """The fillers of one comment: ``{thing}`` has the same filler wherever it occurs in the comment.

    All topical slots come from one topic, and all forms of a group's name from one group. ``{nasty2}``, with a digit,
    has another filler than ``{nasty}``.
    """

    def __init__(self, template: str, material: Material, rng: Random) -> None:
        own = [topic for topic in material.topics if template in topic["remark"] + topic["question"]]
        self.topic = _pick(own or material.topics, rng)
        self._fillers = material.fillers | self.topic | _pick(material.groups, rng)
        self._rng = rng
        self._held: dict[str, str] = {}

    def fill(self, template: str) -> str:
        # Fillers may have slots themselves ("on platform {n}").
        while _SLOT.search(template):
            template = _SLOT.sub(lambda match: self._value(match[1], match[2]), template)
        return template

    def _value(self, slot: str, name: str) -> str:
        if slot not in self._held:
            taken = self._held.get(name)
            choices = [filler for filler in self._fillers[name] if filler != taken]
            self._held[slot] = _pick(choices, self._rng)
        return self._held[slot]


def _framed(core: str, kind: Kind, slots: _Slots, material: Material, rng: Random) -> list[str]:
    """Return the core with at most one template before and one after it.

    Remarks and general lines frame all kinds alike, so that the frame does not give the labels away.
    """
    none, remarks, questions = ("",), slots.topic["remark"], slots.topic["question"]
    own = material.hostile_closings if kind.labels else material.friendly_closings
    opening = _pick(_pick([none] * 13 + [remarks] * 3 + [material.openings] * 4, rng), rng)
    closings = [none] * 12 + [remarks] * 2 + [questions] * 2 + [material.closings] * 3 + [own]
    closing = _pick(_pick(closings, rng), rng)
    # A frame that repeats the core's words reads like an echo.
    opening, closing = ("" if _echoes(line, core) else line for line in (opening, closing))
    if opening == closing or _breaks(opening, slots.fill(core)):
        opening = ""
    used = [line for line in (opening, core, closing) if line]
    while sum(len(slots.fill(line).split()) for line in used) > _MAX_WORDS:
        used.remove(used[-1] if used[-1] != core else used[0])
    return used


def _echoes(line: str, core: str) -> bool:
    return line == core or not set(_SLOT.findall(line)).isdisjoint(_SLOT.findall(core))


def _breaks(opening: str, core: str) -> bool:
    """Whether an opening that ends in mid-sentence meets a core that starts with a capital."""
    return not opening.endswith((".", "!", "?")) and core[0].isupper() and not re.match(r"I\b", core)


def _sentences(text: str) -> str:
    """Return the text with capitals where sentences start, and with "an" before a vowel."""
    return _SENTENCE_START.sub(lambda match: match[0].upper(), _BEFORE_VOWEL.sub(r"\1n", text))


def _styled(text: str, rng: Random) -> str:
    """Return the text as someone might type it: two of five texts without proper case or punctuation."""
    style = int(rng.random() * 18)
    if style == 0:
        return text.upper()
    if style in (1, 2):
        text = re.sub(r"[.,!?:;]+(?= |$)", "", text)
    if style in (2, 3):
        return text.lower()
    if style in (4, 5):
        spelling = _STRETCHED if style == 4 else _CHATTY
        return re.sub(r"\b[a-z]+\b", lambda match: spelling.get(match[0], match[0]), text)
    if style == 6:
        return re.sub(r"[.!]$", "!!!", text)
    return re.sub(r"[.!]$", "...", text) if style == 7 else text


def _pick(items: Sequence[_Item], rng: Random) -> _Item:
    return items[int(rng.random() * len(items))]


def read_material(part: str) -> Material:
    """Return the material of a part, one of `STARTER_PARTS`."""
    places = [resources.files(__package__) / f"{part}-{name}.toml" for name in ("topics", "clean", "toxic", "words")]
    talk, clean, toxic, words = (tomllib.loads(place.read_text(encoding="utf-8")) for place in places)
    topics = tuple(_record(topic) for topic in talk["topics"].values())
    # Remarks and questions are clean comments as they stand.
    chat = tuple(line for topic in topics for line in topic["remark"] + topic["question"])
    kinds = [
        Kind(frozenset(kind["labels"]), kind["count"], _items(kind["templates"]))
        for kind in clean["comments"] + toxic["comments"]
    ]
    return Material(
        seed=_SEEDS[part],
        kinds=(Kind(frozenset(), talk["count"], chat), *kinds),
        topics=topics,
        groups=tuple(_record(group) for group in words["groups"]),
        fillers=_record(words["fillers"]),
        **_record(words["frames"]),
    )


def _record(table: dict[str, str | Sequence[str]]) -> Record:
    return {name: _items(value) for name, value in table.items()}


def _items(value: str | Sequence[str]) -> tuple[str, ...]:
    """Return the items of a list, or the lines of a text."""
    return tuple(value.splitlines() if isinstance(value, str) else value)
