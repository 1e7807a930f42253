"""Hundreds of inputs as nobody would write them, and none ends other than the documents promise.

Which inputs: ``CIVILITY_FUZZ`` is how many (default 300), ``CIVILITY_FUZZ_SEED`` of which row (0),
``CIVILITY_FUZZ_ONLY`` one number alone; its folder is kept. A failure prints the command that makes it again.
"""

import inspect
import os
import shutil
from pathlib import Path

import pytest

from .command import Command, Listing, Server, listing
from .families import commands, comments, documents, recipes
from .inputs import FAMILIES, make_input
from .shelf import Shelf
from .verdict import judge

pytestmark = pytest.mark.processes

SEED = int(os.environ.get("CIVILITY_FUZZ_SEED", "0"))
NUM_INPUTS = int(os.environ.get("CIVILITY_FUZZ", "300"))
ONLY = os.environ.get("CIVILITY_FUZZ_ONLY", "")
INPUTS_A_TEST = 300
NUMBERS = [int(ONLY)] if ONLY else list(range(NUM_INPUTS))


def test_every_family_has_its_turn() -> None:
    modules = (commands, comments, documents, recipes)
    functions = [(module, one) for module in modules for name, one in vars(module).items() if name[0] != "_"]
    families = {
        one
        for module, one in functions
        if inspect.isfunction(one) and one.__module__ == module.__name__
        if list(inspect.signature(one).parameters) == ["chance", "place", "shelf"]
    }
    assert families == set(FAMILIES)


def test_an_input_is_a_function_of_its_number(shelf: Shelf, tmp_path: Path) -> None:
    def make(seed: int, name: str) -> list[tuple[str, Command, Listing]]:
        made = []
        for number in range(30):
            place = tmp_path / name / str(number)
            place.mkdir(parents=True)
            made.append((*make_input(seed, number, place, shelf), listing(place)))
        return made

    first = make(7, "first")
    assert first == make(7, "again")
    assert first != make(8, "other")
    assert len({family for family, _, _ in first}) > 3


@pytest.mark.parametrize("first", range(0, len(NUMBERS), INPUTS_A_TEST))
def test_whatever_it_is_given_it_ends_as_promised(first: int, server: Server, shelf: Shelf, tmp_path: Path) -> None:
    failures = []
    for number in NUMBERS[first : first + INPUTS_A_TEST]:
        place = tmp_path / str(number)
        place.mkdir()
        family, command = make_input(SEED, number, place, shelf)
        outcome = server.run(command, place)
        faults = judge(command, outcome)
        if faults:
            again = f"CIVILITY_FUZZ_SEED={SEED} CIVILITY_FUZZ_ONLY={number} pytest tests/fuzz/test_fuzz.py"
            report = "\n".join((f"{family}: {command}", *faults, outcome.err[-1500:]))
            failures.append(f"\n{again}\n{report}")
        elif not ONLY:
            shutil.rmtree(place)
    assert not failures, f"{len(failures)} inputs: {''.join(failures)}"
