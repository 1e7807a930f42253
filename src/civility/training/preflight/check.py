"""Check: one line of the table before a run. Knows what a verdict is; knows nothing of what is checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from civility.errors import UserError

State = Literal["passed", "warned", "failed"]


@dataclass(frozen=True)
class Check:
    """What was found by one check.

    Parameters
    ----------
    name : of the check, a few words
    state : passed, warned (the run goes on) or failed (it does not start)
    found : in a few words, with numbers
    remedy : what to do about it; empty where it passed
    """

    name: str
    state: State
    found: str
    remedy: str = ""


def judge(name: str, found: str, *, fails: bool = False, warns: bool = False, remedy: str = "") -> Check:
    """Return a check, failed or warned as told and passed otherwise, with its remedy where it did not pass."""
    state: State = "failed" if fails else "warned" if warns else "passed"
    return Check(name, state, found, "" if state == "passed" else remedy)


def refuse_failed(checks: Sequence[Check]) -> None:
    """Raise a UserError that names every failed check; return if there is none."""
    failed = [check for check in checks if check.state == "failed"]
    if not failed:
        return
    found = "\n       ".join(f"{check.name}: {check.found}" for check in failed)
    number = "a check failed" if len(failed) == 1 else f"{len(failed)} checks failed"
    raise UserError(
        "training.todo",
        f"{number}, so the run was not started\n       {found}",
        remedy="\n".join(c.remedy for c in failed),
    )
