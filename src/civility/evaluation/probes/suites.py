"""Behaviour suites: short comments, each with the one right decision, by the function that they test.

Reads HateCheck's files, in any of its languages, and the project's own format (docs/reference/probes.md), and counts right
decisions. Knows no classifier and no threshold.

References
----------
Röttger et al., HateCheck: Functional Tests for Hate Speech Detection Models, ACL 2021.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from civility.data.dialects import typo
from civility.data.headers import Headers
from civility.data.reading.cells import TextCells
from civility.data.reading.opening import open_table
from civility.data.reading.tables import Chunk, Table
from civility.errors import UserError, did_you_mean
from civility.evaluation.probes.names import name_in
from civility.plain_text import listed

BUILT_IN = "civility:suite"

_EXPECTED = {"flag": True, "allow": False}
_HATECHECK = {"hateful": True, "non-hateful": False}


@dataclass(frozen=True)
class Case:
    """A comment and the decision that is right for it.

    Parameters
    ----------
    id : unique in its suite
    function : what it tests
    text : never empty
    expected : whether it is to be flagged
    label : the label that must, or must not, be flagged; empty = any label
    group : whom it is about; may be empty
    """

    id: str
    function: str
    text: str
    expected: bool
    label: str = ""
    group: str = ""


@dataclass(frozen=True)
class Suite:
    """Cases in the order of their file, and the name of that file as the user gave it."""

    name: str
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class FunctionResult:
    """Decisions on the cases of one function that expect the same.

    Parameters
    ----------
    function : what they test
    expected : whether they are to be flagged
    num, num_right : how many were decided, and rightly
    num_left_out : how many name a label that the classifier does not have; not in ``num``
    """

    function: str
    expected: bool
    num: int
    num_right: int
    num_left_out: int = 0


@dataclass(frozen=True)
class GroupResult:
    """Decisions on the cases about one group that expect the same; fields as in `FunctionResult`."""

    group: str
    expected: bool
    num: int
    num_right: int
    num_left_out: int = 0


@dataclass(frozen=True)
class SuiteResult:
    """Right decisions on a suite.

    Parameters
    ----------
    functions, groups : in the order in which they first stand in the suite; cases without a group in no group
    num, num_right, num_left_out : over all cases
    """

    functions: tuple[FunctionResult, ...]
    groups: tuple[GroupResult, ...]
    num: int
    num_right: int
    num_left_out: int


@dataclass(frozen=True)
class _Format:
    """The columns of a kind of file; an optional one is empty if the file lacks it."""

    function: str
    text: str
    expected: str
    meanings: dict[str, bool]
    id: str = ""
    label: str = ""
    group: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        named = (self.function, self.text, self.expected, self.id, self.label, self.group)
        return tuple(column for column in named if column)


def read_suite(file: str | Path, label: str = "") -> Suite:
    """Read a suite, in any format and compression of data.

    Parameters
    ----------
    file : a path, or ``civility:suite``, the suite of the project
    label : for cases that name no label: the one that must, or must not, be flagged; empty = any label.
        HateCheck's cases name none, and many that are not hateful are abuse: judge them by a label for hate.

    Raises
    ------
    UserError : the file is no suite, a text is empty, an id stands twice, or a cell holds nonsense
    """
    if str(file) == BUILT_IN:
        with resources.as_file(resources.files("civility.evaluation.probes") / "suite.csv") as path:
            return Suite(BUILT_IN, _read_cases(open_table(path), label))
    if str(file).startswith("civility:"):
        raise UserError(
            "evaluation.todo",
            f"no built-in suite '{file}'{did_you_mean(str(file), [BUILT_IN])}",
            remedy=f"there is: {BUILT_IN}",
        )
    table = open_table(file)
    return Suite(table.name, _read_cases(table, label))


def _format_of(table: Table) -> _Format:
    headers = Headers(table.name, table.all_columns())
    function, text, expected = map(headers.find, ("functionality", "test_case", "label_gold"))
    if function and text and expected:
        id = headers.find("case_id") or headers.find("mhc_case_id")
        return _Format(function, text, expected, _HATECHECK, id, "", headers.find("target_ident"))
    function, text, expected = map(headers.find, ("function", "text", "expected"))
    if function and text and expected:
        optional = {column: headers.find(column) for column in ("id", "label", "group")}
        for column, there in optional.items():
            if not there and (near := headers.near(column)):
                raise typo(table.name, column, near, headers.names)
        return _Format(function, text, expected, _EXPECTED, **optional)
    raise UserError(
        "evaluation.todo",
        f"not a suite; its columns: {listed(headers.names)}; expected function, text, "
        "expected, or HateCheck's functionality, test_case, label_gold",
        where=table.name,
        remedy="name the columns so; docs/reference/probes.md says what stands in them",
    )


def _read_cases(table: Table, label: str) -> tuple[Case, ...]:
    format = _format_of(table)
    seen: dict[str, str] = {}
    cases = []
    for chunk in table.chunks(format.columns):
        texts = TextCells().convert(table.name, chunk, format.text)
        for row, text in enumerate(texts):
            case = _case(table.name, chunk, row, text, format)
            _refuse(table.name, chunk.place(row), case, seen)
            seen[case.id] = chunk.place(row)
            cases.append(replace(case, label=case.label or label))
    return tuple(cases)


def _case(table: str, chunk: Chunk, row: int, text: str, format: _Format) -> Case:
    def cell(column: str) -> str:
        return name_in(table, chunk, row, column) if column else ""

    expected = cell(format.expected)
    if expected not in format.meanings:
        guess = did_you_mean(expected, format.meanings)
        raise UserError(
            "evaluation.todo",
            f"{table}, {chunk.place(row)}: {format.expected} = '{expected}': expected "
            f"{' or '.join(format.meanings)}{guess}",
            remedy="say of each case whether it is to be flagged",
        )
    return Case(
        id=cell(format.id) or str(chunk.first_row + row),
        function=cell(format.function),
        text=text,
        expected=format.meanings[expected],
        label=cell(format.label),
        group=cell(format.group),
    )


def _refuse(table: str, place: str, case: Case, seen: dict[str, str]) -> None:
    """Raise a UserError for a case without text or function, or with the id of another."""
    for what, value in (("text", case.text), ("function", case.function)):
        if not value:
            raise UserError(
                "evaluation.todo",
                f"{table}, {place}: the {what} is empty",
                remedy=f"write a {what}, or take the row out",
            )
    if case.id in seen:
        raise UserError(
            "evaluation.todo",
            f"{table}, {place}: the id '{case.id}' stands already in {seen[case.id]}",
            remedy="give each case an id of its own, or leave the column out",
        )


def score_suite(suite: Suite, flagged: npt.NDArray[np.bool_], labels: Sequence[str]) -> SuiteResult:
    """Count the right decisions on a suite, by function, by group and over all.

    A case is right if its label, or any label where it names none, is flagged exactly when that is expected.
    One that names a label the classifier does not have is left out, and counted.

    Parameters
    ----------
    flagged : (N, L) bool, the decisions on the N cases
    labels : (L,) names

    Raises
    ------
    ValueError : the shape of ``flagged`` is another
    """
    if flagged.shape != (len(suite.cases), len(labels)):
        raise ValueError(f"flagged has shape {flagged.shape}, expected {(len(suite.cases), len(labels))}")
    verdicts = [_verdict(case, row, labels) for case, row in zip(suite.cases, flagged, strict=True)]
    functions = _tally(suite.cases, verdicts, lambda case: case.function)
    groups = _tally(suite.cases, verdicts, lambda case: case.group)
    return SuiteResult(
        functions=tuple(FunctionResult(*counted) for counted in functions),
        groups=tuple(GroupResult(*counted) for counted in groups if counted[0]),
        num=sum(verdict is not None for verdict in verdicts),
        num_right=sum(verdict is True for verdict in verdicts),
        num_left_out=sum(verdict is None for verdict in verdicts),
    )


def _verdict(case: Case, flagged: npt.NDArray[np.bool_], labels: Sequence[str]) -> bool | None:
    """Return whether the decision is right; None if the classifier lacks the label."""
    if not case.label:
        return bool(flagged.any()) == case.expected
    if case.label not in labels:
        return None
    return bool(flagged[labels.index(case.label)]) == case.expected


def _tally(
    cases: Iterable[Case], verdicts: Iterable[bool | None], name_of: Callable[[Case], str]
) -> Iterator[tuple[str, bool, int, int, int]]:
    """Yield name, expected, and how many cases of these were decided, rightly decided and left out."""
    counts: dict[tuple[str, bool], list[int]] = {}
    for case, verdict in zip(cases, verdicts, strict=True):
        count = counts.setdefault((name_of(case), case.expected), [0, 0, 0])
        count[0] += verdict is not None
        count[1] += verdict is True
        count[2] += verdict is None
    for (name, expected), (num, num_right, num_left_out) in counts.items():
        yield name, expected, num, num_right, num_left_out
