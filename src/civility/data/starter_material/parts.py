"""The two parts of the starter corpus: which tables each is composed from, and how many comments of a kind.

The parts have no template in common: neither a core, nor a remark of a topic, nor an opening or closing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from civility.data.starter_material import held_out, train_clean, train_topics, train_toxic, words
from civility.data.starter_material.tables import Record


@dataclass(frozen=True)
class Kind:
    """Templates that teach the same labels (names, spaced), and how many comments to compose from them."""

    labels: str
    num_comments: int
    templates: tuple[str, ...]


@dataclass(frozen=True)
class Material:
    """All that one part is composed from."""

    seed: int
    kinds: tuple[Kind, ...]
    topics: tuple[Record, ...]
    groups: tuple[Record, ...]
    fillers: Record
    openings: tuple[str, ...]
    closings: tuple[str, ...]
    friendly_closings: tuple[str, ...]
    hostile_closings: tuple[str, ...]


def _chat(topics: Sequence[Record]) -> tuple[str, ...]:
    """Return the topics' remarks and questions, which are clean comments as they stand."""
    return tuple(line for topic in topics for line in topic["remark"] + topic["question"])


TRAIN = Material(
    seed=6001,
    kinds=(
        Kind("", 300, _chat(train_topics.TOPICS)),
        Kind("", 920, train_clean.TALK),
        Kind("", 580, train_clean.HARD),
        Kind("", 300, train_clean.GROUPS),
        Kind("toxic", 140, train_toxic.RUDE),
        Kind("toxic insult", 340, train_toxic.INSULT),
        Kind("toxic obscene", 150, train_toxic.OBSCENE),
        Kind("toxic obscene insult", 180, train_toxic.OBSCENE_INSULT),
        Kind("toxic threat", 150, train_toxic.THREAT),
        Kind("toxic threat insult", 50, train_toxic.THREAT_INSULT),
        Kind("toxic identity_hate", 120, train_toxic.HATE),
        Kind("toxic insult identity_hate", 90, train_toxic.HATE_INSULT),
        Kind("toxic severe_toxic obscene insult", 90, train_toxic.SEVERE),
        Kind("toxic severe_toxic obscene threat insult", 50, train_toxic.SEVERE_THREAT),
        Kind("toxic severe_toxic threat identity_hate", 60, train_toxic.SEVERE_HATE),
    ),
    topics=train_topics.TOPICS,
    groups=words.TRAIN_GROUPS,
    fillers=train_toxic.FILLERS,
    openings=train_clean.OPENINGS,
    closings=train_clean.CLOSINGS,
    friendly_closings=train_clean.FRIENDLY_CLOSINGS,
    hostile_closings=train_toxic.HOSTILE_CLOSINGS,
)
HELD_OUT = Material(
    seed=6002,
    kinds=(
        Kind("", 60, _chat(held_out.TOPICS)),
        Kind("", 120, held_out.TALK),
        Kind("", 90, held_out.HARD),
        Kind("", 50, held_out.GROUPS),
        Kind("toxic", 22, held_out.RUDE),
        Kind("toxic insult", 48, held_out.INSULT),
        Kind("toxic obscene", 22, held_out.OBSCENE),
        Kind("toxic obscene insult", 26, held_out.OBSCENE_INSULT),
        Kind("toxic threat", 26, held_out.THREAT),
        Kind("toxic threat insult", 10, held_out.THREAT_INSULT),
        Kind("toxic identity_hate", 22, held_out.HATE),
        Kind("toxic insult identity_hate", 14, held_out.HATE_INSULT),
        Kind("toxic severe_toxic obscene insult", 14, held_out.SEVERE),
        Kind("toxic severe_toxic obscene threat insult", 9, held_out.SEVERE_THREAT),
        Kind("toxic severe_toxic threat identity_hate", 10, held_out.SEVERE_HATE),
    ),
    topics=held_out.TOPICS,
    groups=words.HELD_OUT_GROUPS,
    fillers=held_out.FILLERS,
    openings=held_out.OPENINGS,
    closings=held_out.CLOSINGS,
    friendly_closings=held_out.FRIENDLY_CLOSINGS,
    hostile_closings=held_out.HOSTILE_CLOSINGS,
)
