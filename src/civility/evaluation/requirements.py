"""Requirements: what a report must show, as ``--require 'labels.threat.recall >= 0.5'``.

They are checked as far as possible before anything is scored. A failed one ends `civility evaluate` with exit code 3.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from civility.documents.label_report import Estimate
from civility.documents.report import Report
from civility.errors import UserError, did_you_mean
from civility.metrics.small_samples import FEWEST
from civility.plain_text import listed, shortened, shown
from civility.render.sentences.report_sentences import undefined_reason

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_SHAPE = re.compile(r"\s*(?P<path>.+?)\s*(?P<comparison>>=|<=|>|<)\s*(?P<bound>[^<>=]+?)\s*", re.DOTALL)
_EXAMPLE = "write it as in: 'macro.roc_auc >= 0.98', 'labels.threat.recall >= 0.5' or 'bias.final >= 0.9'"
_LISTED = 12
_MOST_DOTS = 20
_SHARE = re.compile(
    "(macro_)?(roc_auc|average_precision|precision|recall|f1|brier|final|calibration_error)"
    "|.*_auc|.*_rate|share_.*|(recall|roc_auc)_(before|after)"
)
"""The names of numbers from 0 to 1."""
_MEASURED_BY = {
    "bias": "name columns of groups with --groups; for --templates, the path is templates.FILE.final",
    "templates": "give --templates FILE",
    "suites": "give --suite FILE",
    "robustness": "give --robustness",
}


@dataclass(frozen=True)
class Requirement:
    """A path into the report's JSON, a comparison, and a bound.

    A path to a number with an interval means the number; ``.low`` and ``.high`` mean the ends of the interval.
    """

    path: str
    comparison: str
    bound: float

    def __str__(self) -> str:
        return f"{self.path} {self.comparison} {self.bound:g}"

    def check(self, labels: Sequence[str], parts: Mapping[str, bool]) -> None:
        """Raise a UserError if the path names an unknown label, or a part of a report that will not be measured."""
        first, _, rest = self.path.partition(".")
        if first == "labels" and not _longest_key(dict.fromkeys(labels), rest):
            name = rest.split(".")[0]
            found = f"no label {name!r}{did_you_mean(name, labels)}"
            raise _refused(self.path, found, f"the labels are {listed(labels)}", "evaluation.no-such-label")
        if not parts.get(first, True):
            raise _not_measured(self.path, first)

    def failure(self, report: Report) -> str:
        """Return why the report does not meet the requirement; empty if it does.

        Raises
        ------
        UserError : the path does not lead to a number
        """
        value = _look_up(report.content(), self.path)
        if value is None:
            return f"{self}: undefined: {_why_undefined(report, self.path)}"
        is_met = _COMPARISONS[self.comparison]
        if is_met(value, self.bound):
            return ""
        rounded = f"{value:.4g}"
        # 0.97996 must not be printed as 0.98 if 0.98 was required.
        found = f"{self}: it is {value if is_met(float(rounded), self.bound) else rounded}"
        return f"{found}; {self.doubt(report)}" if self.doubt(report) else found

    def doubt(self, report: Report) -> str:
        """Return why a macro average proves little, if it includes labels with too few comments; else empty."""
        if not self.path.startswith("macro.") or not report.not_measurable:
            return ""
        labels = ", ".join(report.not_measurable)
        other = f"; require {self.path.replace('macro.', 'macro_measurable.', 1)}" if report.measurable else ""
        return f"it rests on labels with fewer than {FEWEST} positive or negative comments ({labels}){other}"


def parse_requirement(text: str) -> Requirement:
    """Read a requirement.

    Raises
    ------
    UserError : it has no path to a number in a report, no comparison, or no bound that the number can reach
    """
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise _refused(shown(text), "not a path, a comparison (>=, <=, >, <) and a number")
    try:
        bound = float(found["bound"])
    except ValueError:
        bound = math.nan
    if not math.isfinite(bound):
        raise _refused(shown(text), f"{shown(found['bound'])} is not a number")
    if found["path"][-1] in "<>=!":
        raise _refused(shown(text), "the comparisons are >=, <=, > and <")
    requirement = Requirement(found["path"], found["comparison"], bound)
    _check_path(Report, requirement.path, requirement.path)
    _check_bound(requirement)
    return requirement


def _refused(path: str, found: str, remedy: str = _EXAMPLE, code: str = "evaluation.bad-requirement") -> UserError:
    return UserError(code, found, where=f"--require {path}", remedy=remedy)


def _not_measured(path: str, part: str) -> UserError:
    remedy = _MEASURED_BY.get(part, "civility evaluate --help lists what can be measured")
    return _refused(path, f"the report has no {part!r}", remedy, "evaluation.not-measured")


def _check_path(kind: Any, rest: str, path: str) -> None:
    """Raise a UserError unless the rest of a path leads from a part of the document, so annotated, to a number."""
    kind = _without_none(kind)
    where = shortened(path)
    if not rest:
        if kind not in (int, float, Estimate):
            known = [name for name, one in _fields(kind).items() if _without_none(one) in (int, float, Estimate)]
            remedy = f"name a number in it: {', '.join(f'{path}.{name}' for name in known)}" if known else _EXAMPLE
            raise _refused(where, "not a number", remedy)
        return
    if get_origin(kind) is dict:
        _check_below_names(get_args(kind)[1], rest, path)
        return
    fields = _fields(kind)
    first, _, more = rest.partition(".")
    if not fields:
        raise _refused(where, f"there is nothing below {path.removesuffix(rest).rstrip('.')!r}")
    if first not in fields:
        found = f"a report has no {shown(first)} there{did_you_mean(first, fields)}"
        raise _refused(where, found, f"there is: {listed(fields)}")
    _check_path(fields[first], more, path)


def _check_below_names(kind: Any, rest: str, path: str) -> None:
    """Check what follows a name that is not known yet, such as a label; it may contain dots itself."""
    parts = rest.split(".")
    for length in range(1, len(parts) + 1):
        try:
            _check_path(kind, ".".join(parts[length:]), path)
            return
        except UserError:
            if length == len(parts) or length == _MOST_DOTS:
                _check_path(kind, ".".join(parts[1:]), path)  # raises the error of the simplest reading


def _fields(kind: Any) -> dict[str, Any]:
    """Return the annotations of a part of the document by their names in its JSON."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return {}
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}


def _without_none(kind: Any) -> Any:
    """Return an annotation without its validators and without None."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    others = [one for one in get_args(kind) if one is not type(None)]
    return others[0] if get_origin(kind) in (Union, UnionType) and len(others) == 1 else kind


def _check_bound(requirement: Requirement) -> None:
    """Raise a UserError for a bound outside the range of the number."""
    names = [name for name in requirement.path.split(".") if name not in ("value", "low", "high")]
    highest = 1.0 if _SHARE.fullmatch(names[-1]) or "recall_at_fpr" in names else math.inf
    highest = 1000.0 if names[-1].endswith("per_1000") else highest
    if "_gap" in names[-1] or "_change" in names[-1] or (highest == math.inf and not names[-1].startswith("num_")):
        return
    if not 0 <= requirement.bound <= highest:
        between = f"from 0 to {highest:g}" if highest < math.inf else "0 or more"
        raise _refused(str(requirement), f"this number is {between}", "80 % is written as 0.8")


def failures(report: Report, requirements: Sequence[Requirement]) -> tuple[str, ...]:
    """Return a line for each requirement that the report does not meet."""
    return tuple(line for line in (one.failure(report) for one in requirements) if line)


def doubts(report: Report, requirements: Sequence[Requirement]) -> tuple[str, ...]:
    """Return a line for each requirement that is met by a number that proves little."""
    met = [one for one in requirements if not one.failure(report)]
    return tuple(f"--require {one} is met, but {one.doubt(report)}" for one in met if one.doubt(report))


def _look_up(document: Mapping[str, Any], path: str) -> float | None:
    """Return the number at a path that `_check_path` has checked; None if it is undefined."""
    here: Any = document
    rest = path
    while rest:
        if here is None or here == {}:
            raise _not_measured(path, path[: len(path) - len(rest)].rstrip("."))
        key = _longest_key(here, rest)
        if key is None:
            first = rest.split(".")[0]
            known = ", ".join(list(here)[:_LISTED]) + (", …" if len(here) > _LISTED else "")
            found = f"the report has no {first!r} there{did_you_mean(first, here)}"
            raise _refused(path, found, f"there is: {known}")
        here, rest = here[key], rest[len(key) :].removeprefix(".")
    number: float | None = here["value"] if isinstance(here, dict) else here
    return number


def _longest_key(here: Mapping[str, Any], rest: str) -> str | None:
    """Return the longest key that the rest of a path begins with: names of labels may contain dots."""
    fitting = [key for key in here if rest == key or rest.startswith(f"{key}.")]
    return max(fitting, key=len) if fitting else None


def _why_undefined(report: Report, path: str) -> str:
    is_known = any(path == place or path.startswith(f"{place}.") for place in report.undefined)
    return undefined_reason(report, path) if is_known else "there are too few comments to measure it"
