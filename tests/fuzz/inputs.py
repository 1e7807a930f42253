"""Inputs by number: which family makes it, and with which chance, is a function of the seed and the number."""

import random
from collections.abc import Callable
from pathlib import Path

from .command import Command
from .families.commands import arguments, environments
from .families.comments import comments, probes
from .families.documents import classifiers, reports, runs, sweeps
from .families.recipes import changes, policies, recipes, spaces, trainings
from .shelf import Shelf

Family = Callable[[random.Random, Path, Shelf], Command]
FAMILIES: dict[Family, int] = {
    comments: 30,
    classifiers: 20,
    arguments: 12,
    reports: 6,
    runs: 8,
    probes: 4,
    policies: 6,
    environments: 4,
    sweeps: 3,
    trainings: 3,
    recipes: 8,
    changes: 8,
    spaces: 6,
}
"""With how often each comes."""


def make_input(seed: int, number: int, place: Path, shelf: Shelf) -> tuple[str, Command]:
    """Make what a number stands for in an empty folder, and return the name of its family and the command."""
    chance = random.Random(f"{seed}/{number}")
    family = chance.choices(list(FAMILIES), list(FAMILIES.values()))[0]
    return family.__name__, family(chance, place, shelf)
