"""Gates: what a report must show, as ``labels.threat.recall >= 0.5``. Read before anything is scored."""

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
    "bias": "name columns of groups with --groups; of --templates, the path is templates.FILE.final",
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
        """Refuse what no report of these labels can have, before any comment is scored.

        Parameters
        ----------
        labels : (L,) of the classifier
        parts : whether the report will have each part that it may lack

        Raises
        ------
        UserError : the path names a label that is not there, or a part that was not asked for
        """
        first, _, rest = self.path.partition(".")
        if first == "labels" and not _longest_key(dict.fromkeys(labels), rest):
            name = rest.split(".")[0]
            raise UserError(
                "evaluation.todo",
                f"--require {self.path}: no label {name!r}{did_you_mean(name, labels)}",
                remedy=f"the labels are {listed(labels)}",
            )
        if not parts.get(first, True):
            raise UserError(
                "evaluation.todo",
                f"--require {self.path}: the report will have no {first!r}",
                remedy=_MEASURED_BY[first],
            )

    def failure(self, report: Report) -> str:
        """Return why the report does not fulfil it, or an empty string.

        Raises
        ------
        UserError : the path leads nowhere, or to something that is no number
        """
        value = _look_up(report.content(), self.path)
        if value is None:
            return f"{self}: undefined: {_why_undefined(report, self.path)}"
        # A number that is not there fulfils nothing, and NaN compares false with everything.
        fulfils = _COMPARISONS[self.comparison]
        if fulfils(value, self.bound):
            return ""
        rounded = f"{value:.4g}"
        # 0.97996 is not to be told as 0.98 where 0.98 was asked for.
        found = f"{self}: it is {value if fulfils(float(rounded), self.bound) else rounded}"
        return f"{found}; {self.doubt(report)}" if self.doubt(report) else found

    def doubt(self, report: Report) -> str:
        """Return why the number proves little though it is defined: a macro average over labels with too few comments.

        Empty for any other number.
        """
        if not self.path.startswith("macro.") or not report.not_measurable:
            return ""
        labels = ", ".join(report.not_measurable)
        other = f"; require {self.path.replace('macro.', 'macro_measurable.', 1)}" if report.measurable else ""
        return f"it rests on labels with fewer than {FEWEST} positive or negative comments ({labels}){other}"


def parse_requirement(text: str) -> Requirement:
    """Read a requirement.

    Raises
    ------
    UserError : it is none
    """
    found = _SHAPE.fullmatch(text)
    told = f"--require {shown(text)}"
    if found is None:
        raise UserError(
            "evaluation.todo", "expected a path, a comparison (>=, <=, >, <) and a number", where=told, remedy=_EXAMPLE
        )
    try:
        bound = float(found["bound"])
    except ValueError:
        bound = math.nan
    if not math.isfinite(bound):
        raise UserError("evaluation.todo", f"{shown(found['bound'])} is not a number", where=told, remedy=_EXAMPLE)
    if found["path"][-1] in "<>=!":
        raise UserError("evaluation.todo", "the comparisons are >=, <=, > and <", where=told, remedy=_EXAMPLE)
    requirement = Requirement(found["path"], found["comparison"], bound)
    _check_path(Report, requirement.path, requirement.path)
    _check_bound(requirement)
    return requirement


def _check_path(kind: Any, rest: str, path: str) -> None:
    """Raise a UserError unless the rest of a path leads from a part of the document to a number, by its schema.

    Parameters
    ----------
    kind : the annotation of the part
    rest, path : what is left of the path, and the whole of it, for messages
    """
    kind = _without_none(kind)
    told = f"--require {shortened(path)}"
    if not rest:
        if kind not in (int, float, Estimate):
            known = [name for name, one in _fields(kind).items() if _without_none(one) in (int, float, Estimate)]
            remedy = f"name a number in it: {', '.join(f'{path}.{name}' for name in known)}" if known else _EXAMPLE
            raise UserError("evaluation.todo", "is not a number", where=told, remedy=remedy)
        return
    if get_origin(kind) is dict:
        _check_below_names(get_args(kind)[1], rest, path)
        return
    fields = _fields(kind)
    first, _, more = rest.partition(".")
    if not fields:
        raise UserError(
            "evaluation.todo",
            f"there is nothing below {path.removesuffix(rest).rstrip('.')!r}",
            where=told,
            remedy=_EXAMPLE,
        )
    if first not in fields:
        raise UserError(
            "evaluation.todo",
            f"a report has no {shown(first)} there{did_you_mean(first, fields)}",
            where=told,
            remedy=f"there is: {listed(fields)}",
        )
    _check_path(fields[first], more, path)


def _check_below_names(kind: Any, rest: str, path: str) -> None:
    """Check what follows a name that is only known later, as a label's: it may hold dots itself."""
    parts = rest.split(".")
    for length in range(1, len(parts) + 1):
        try:
            _check_path(kind, ".".join(parts[length:]), path)
            return
        except UserError:
            if length == len(parts) or length == _MOST_DOTS:
                _check_path(kind, ".".join(parts[1:]), path)  # of all readings, the error of the simplest


def _fields(kind: Any) -> dict[str, Any]:
    """Return the annotations of a part of the document by their names in its JSON."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return {}
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}


def _without_none(kind: Any) -> Any:
    """Return an annotation without its validators, and without None where it may be that."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    others = [one for one in get_args(kind) if one is not type(None)]
    return others[0] if get_origin(kind) in (Union, UnionType) and len(others) == 1 else kind


def _check_bound(requirement: Requirement) -> None:
    """Raise a UserError for a bound that lies outside all that the number can be."""
    names = [name for name in requirement.path.split(".") if name not in ("value", "low", "high")]
    highest = 1.0 if _SHARE.fullmatch(names[-1]) or "recall_at_fpr" in names else math.inf
    highest = 1000.0 if names[-1].endswith("per_1000") else highest
    if "_gap" in names[-1] or "_change" in names[-1] or (highest == math.inf and not names[-1].startswith("num_")):
        return
    if not 0 <= requirement.bound <= highest:
        between = f"from 0 to {highest:g}" if highest < math.inf else "0 or more"
        raise UserError(
            "evaluation.todo", f"--require {requirement}: this number is {between}", remedy="80 % is written as 0.8"
        )


def failures(report: Report, requirements: Sequence[Requirement]) -> tuple[str, ...]:
    """Return a line for each requirement that the report does not fulfil."""
    return tuple(line for line in (one.failure(report) for one in requirements) if line)


def doubts(report: Report, requirements: Sequence[Requirement]) -> tuple[str, ...]:
    """Return, for each requirement that is fulfilled by a number that proves little, why it does."""
    met = [one for one in requirements if not one.failure(report)]
    return tuple(f"--require {one} is met, but {one.doubt(report)}" for one in met if one.doubt(report))


def _look_up(document: Mapping[str, Any], path: str) -> float | None:
    """Return the number at a path; None where it is undefined."""
    here: Any = document
    rest = path
    while rest:
        if here is None or here == {}:
            walked = path[: len(path) - len(rest)].rstrip(".")
            raise UserError(
                "evaluation.todo",
                f"--require {path}: the report has no {walked!r}",
                remedy="civility evaluate --help tells what measures it",
            )
        if not isinstance(here, dict):
            raise UserError(
                "evaluation.todo",
                f"--require {path}: there is nothing below {path.removesuffix(rest).rstrip('.')!r}",
                remedy=_EXAMPLE,
            )
        key = _longest_key(here, rest)
        if key is None:
            first = rest.split(".")[0]
            known = ", ".join(list(here)[:_LISTED]) + (", …" if len(here) > _LISTED else "")
            raise UserError(
                "evaluation.todo",
                f"--require {path}: the report has no {first!r} there{did_you_mean(first, here)}",
                remedy=f"there is: {known}",
            )
        here, rest = here[key], rest[len(key) :].removeprefix(".")
    if isinstance(here, dict) and "value" in here:
        here = here["value"]
    if here is not None and (isinstance(here, bool) or not isinstance(here, int | float)):
        raise UserError("evaluation.todo", f"--require {path}: is no number", remedy=_EXAMPLE)
    return here


def _longest_key(here: Mapping[str, Any], rest: str) -> str | None:
    """Return the longest key that the rest of a path begins with: names of labels may hold dots."""
    fitting = [key for key in here if rest == key or rest.startswith(f"{key}.")]
    return max(fitting, key=len) if fitting else None


def _why_undefined(report: Report, path: str) -> str:
    path = path.removesuffix(".value").removesuffix(".low").removesuffix(".high")
    known = any(path == place or path.startswith(f"{place}.") for place in report.undefined)
    return undefined_reason(report, path) if known else "there are too few comments to measure it"
