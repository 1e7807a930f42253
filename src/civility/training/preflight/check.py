"""Check: the outcome of one preflight check, a line of the table before a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from civility.errors import UserError

State = Literal["passed", "warned", "failed"]


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Parameters
    ----------
    name : a few words
    state : passed, warned (the run starts) or failed (it does not)
    found : what was found, with numbers
    remedy : what to do about it; empty if it passed
    """

    name: str
    state: State
    found: str
    remedy: str = ""


def outcome(name: str, found: str, *, fails: bool = False, warns: bool = False, remedy: str = "") -> Check:
    """Return the outcome of a check: failed, warned or passed, without the remedy if it passed.

    Parameters
    ----------
    name, found, remedy : as of `Check`
    fails, warns : whether the check has failed; whether it warns
    """
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
        "training.failed-check",
        f"{number}, so the run was not started\n       {found}",
        remedy="\n".join(c.remedy for c in failed),
    )
