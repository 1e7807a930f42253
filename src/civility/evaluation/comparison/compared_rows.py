"""Which runs form a row: those of the same settings, that differ in their seed. And what tells rows apart."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from civility.documents.comparison_result import RunFacts, Setting

_SEEDS = "seed-"


@dataclass
class Group:
    """The runs of a row, by their places among all.

    Parameters
    ----------
    members : one or more
    settings : that they have in common
    seeds : of each
    """

    members: list[int]
    settings: Mapping[str, Setting]
    seeds: set[int] = field(default_factory=set)


def grouped(facts: Sequence[RunFacts], settings: Sequence[Mapping[str, Setting]]) -> list[Group]:
    """Return the rows, in the order of their first runs.

    A second run of the same settings and seed is no second seed: pooled with the first, it would tell of a spread that
    is none. It stands in a row of its own, as does what belongs to no run.
    """
    groups: list[Group] = []
    for place, (run, own) in enumerate(zip(facts, settings, strict=True)):
        fitting = (
            group
            for group in groups
            if run.seed is not None and group.seeds and run.seed not in group.seeds and group.settings == own
        )
        group = next(fitting, None)
        if group is None:
            group = Group([], own)
            groups.append(group)
        group.members.append(place)
        if run.seed is not None:
            group.seeds.add(run.seed)
    return groups


def different_settings(groups: Sequence[Group]) -> list[dict[str, Setting]]:
    """Return, for each row, the settings in which rows differ, in the order of the recipe; none where unknown."""
    known = [group.settings for group in groups if group.settings]
    keys = list(dict.fromkeys(key for settings in known for key in settings))
    differing = [key for key in keys if len({str(settings[key]) for settings in known if key in settings}) > 1]
    return [{key: group.settings[key] for key in differing if key in group.settings} for group in groups]


def row_names(groups: Sequence[Group], facts: Sequence[RunFacts]) -> list[str]:
    """Return a short name for each row: that of its run, or of the folder of its seeds, without what all begin with."""
    names = [_name([facts[place].name for place in group.members]) for group in groups]
    parents = [str(Path(name).parent) for name in names]
    if len(names) > 1 and len({Path(name).is_absolute() for name in names}) == 1:
        common = os.path.commonpath(parents)
        shorter = [str(Path(name).relative_to(common)) if common else name for name in names]
        names = shorter if len(set(shorter)) == len(set(names)) else names
    return [name if names.count(name) == 1 else f"{name} ({place + 1})" for place, name in enumerate(names)]


def _name(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    parents = {str(Path(name).parent) for name in names}
    if len(parents) == 1 and all(Path(name).name.startswith(_SEEDS) for name in names):
        return parents.pop()
    return f"{names[0]} and {len(names) - 1} more"
