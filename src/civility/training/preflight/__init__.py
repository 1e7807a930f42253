"""The preflight checks: what would make a run learn the wrong thing, fail late, or not start.

Here is the outcome of a check. The modules beside it have the checks by what they look at;
`civility.render.sentences.preflight_sentences` words what they find. `civility.training.build` runs them, as soon as
what they look at exists.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from civility.errors import UserError
from civility.render.sentences.preflight_sentences import check_words

State = Literal["passed", "warned", "failed"]


@dataclass(frozen=True)
class Check:
    """The outcome of one check, a line of the table before a run; if it failed, the run does not start.

    ``facts`` are what was found, as JSON values: numbers, names and codes.
    """

    name: str
    state: State
    facts: dict[str, Any]

    @property
    def found(self) -> str:
        """What was found, in words."""
        return check_words(self.name, self.state, self.facts)[0]

    @property
    def remedy(self) -> str:
        """What to do about it; empty if it passed."""
        return check_words(self.name, self.state, self.facts)[1]


def outcome(name: str, *, fails: bool = False, warns: bool = False, **facts: Any) -> Check:
    """Return the outcome of a check: failed, warned or passed; the facts are those of a `Check`."""
    return Check(name, "failed" if fails else "warned" if warns else "passed", facts)


def refuse_failed(checks: Sequence[Check]) -> None:
    """Raise a UserError that names every failed check; return if there is none."""
    failed = [check for check in checks if check.state == "failed"]
    if not failed:
        return
    number = "a check failed" if len(failed) == 1 else f"{len(failed)} checks failed"
    lines = [f"{number}, so the run was not started", *(f"{check.name}: {check.found}" for check in failed)]
    remedy = "\n".join(check.remedy for check in failed)
    raise UserError("training.failed-check", "\n       ".join(lines), remedy=remedy)


def of_first_process(checks: list[Check]) -> list[Check]:
    """Return the first process's checks on every process, so that all continue or all stop.

    Free memory and free disk differ from one moment to the next: two processes could judge them differently, and
    the one that continues would wait forever.
    """
    from accelerate.utils import broadcast_object_list

    found: list[list[Check]] = broadcast_object_list([checks])
    return found[0]
