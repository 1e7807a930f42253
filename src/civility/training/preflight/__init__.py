"""The preflight checks: what would make a run learn the wrong thing, fail late, or not start.

Here is the outcome of a check. The modules beside it have the checks by what they look at, each with its sentence and
remedy; `civility.training.build` runs them, as soon as what they look at exists.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from civility.errors import UserError

State = Literal["passed", "warned", "failed"]


@dataclass(frozen=True)
class Check:
    """The outcome of one check, a line of the table before a run; if it failed, the run does not start.

    ``found`` has numbers; ``remedy`` is empty if it passed.
    """

    name: str
    state: State
    found: str
    remedy: str = ""


def outcome(name: str, found: str, remedy: str = "", *, fails: bool = False, warns: bool = False) -> Check:
    """Return the outcome of a check: failed, warned or passed, without the remedy if it passed."""
    state: State = "failed" if fails else "warned" if warns else "passed"
    return Check(name, state, found, "" if state == "passed" else remedy)


def refuse_failed(checks: Sequence[Check]) -> None:
    """Raise a UserError that names every failed check; return if there is none."""
    failed = [check for check in checks if check.state == "failed"]
    if not failed:
        return
    number = "a check failed" if len(failed) == 1 else f"{len(failed)} checks failed"
    lines = [f"{number}, so the run was not started", *(f"{check.name}: {check.found}" for check in failed)]
    remedy = "\n".join(check.remedy for check in failed)
    raise UserError("training.failed-check", "\n       ".join(lines), remedy=remedy)


def agreed(checks: list[Check]) -> list[Check]:
    """Return the first process's checks on every process, so that all continue or all stop.

    Free memory and free disk differ from one moment to the next: two processes could judge them differently, and
    the one that continues would wait forever.
    """
    from accelerate.utils import broadcast_object_list

    found: list[list[Check]] = broadcast_object_list([checks])
    return found[0]
