"""Behaviour suites: short comments, each with its right decision, grouped by the function that they test.

Reads HateCheck's files, in any of its languages, and the project's own format (docs/reference/probes.md).

References
----------
Röttger et al., HateCheck: Functional Tests for Hate Speech Detection Models, ACL 2021.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from civility.arrays import Decisions, Scores
from civility.data.dialects import Headers, typo
from civility.data.reading.cells import TextCells, as_text, is_missing
from civility.data.reading.opening import open_table
from civility.data.reading.tables import Chunk, Table
from civility.documents.behaviour_report import Example, FunctionReport, SuiteReport
from civility.errors import UserError, did_you_mean
from civility.evaluation.build_report import MOST_CHARACTERS
from civility.evaluation.label_measures import proportion
from civility.evaluation.scored_comments import short
from civility.plain_text import cut, listed, shown


def name_in(table: str, chunk: Chunk, row: int, column: str) -> str:
    """Return the name in a cell without surrounding white space; empty for a missing cell.

    Lone surrogates become question marks, so that a report with the name can be written.

    Raises
    ------
    UserError : the cell holds a list, an object or a broken number
    """
    cell = chunk.columns[column][row]
    if is_missing(cell):
        return ""
    if not (isinstance(cell, str | int) or (isinstance(cell, float) and cell.is_integer())):
        raise UserError(
            "evaluation.bad-cell",
            f"{column} = {shown(cell)}",
            where=f"{table}, {chunk.place(row)}",
            expected="a name",
            remedy="write it as text",
        )
    name = cell if isinstance(cell, str) else as_text(cell)
    return name.strip().encode(errors="replace").decode()


BUILT_IN = "civility:suite"

_SHOWN = 5
"""Wrong cases of each function that a report shows."""
_EXPECTED = {"flag": True, "allow": False}
_HATECHECK = {"hateful": True, "non-hateful": False}


@dataclass(frozen=True)
class Case:
    """A comment and whether it should be flagged.

    The id is unique in its suite, ``function`` is what the case tests, ``label`` decides it (empty: any label), and
    ``group`` is the group that it is about, if any.
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
class CaseTally:
    """Decisions on the cases of one function, or about one group, that expect the same decision.

    Cases that name a label the classifier does not have are left out, and not in ``num``.
    """

    name: str
    expected: bool
    num: int
    num_right: int
    num_left_out: int = 0


@dataclass(frozen=True)
class SuiteResult:
    """Right decisions on a suite: over all cases, and in the order of first cases by function and group, if any."""

    functions: tuple[CaseTally, ...]
    groups: tuple[CaseTally, ...]
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
    label : the label that decides cases that name none; empty: any label. HateCheck's cases name none, and many that
        are not hateful are abuse, so choose a label for hate.

    Raises
    ------
    UserError : the file is not a suite, a text is empty, an id is used twice, or a cell has no valid value
    """
    if str(file) == BUILT_IN:
        with resources.as_file(resources.files("civility.evaluation") / "suite.csv") as path:
            return Suite(BUILT_IN, _read_cases(open_table(path), label))
    if str(file).startswith("civility:"):
        found = f"no built-in suite '{file}'{did_you_mean(str(file), [BUILT_IN])}"
        raise UserError("evaluation.bad-suite", found, remedy=f"there is: {BUILT_IN}")
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
                raise typo(headers, column, near)
        return _Format(function, text, expected, _EXPECTED, **optional)
    raise UserError(
        "evaluation.bad-suite",
        f"not a suite (its columns: {listed(headers.names)})",
        where=table.name,
        expected="the columns function, text and expected, or HateCheck's functionality, test_case and label_gold",
        remedy="rename the columns; docs/reference/probes.md explains them",
    )


def _read_cases(table: Table, label: str) -> tuple[Case, ...]:
    format = _format_of(table)
    seen: dict[str, str] = {}
    cases = []
    for chunk in table.chunks(format.columns):
        texts = TextCells().convert(chunk, format.text)
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
            "evaluation.bad-cell",
            f"{format.expected} = '{expected}'",
            where=f"{table}, {chunk.place(row)}",
            expected=f"{' or '.join(format.meanings)}{guess}",
            remedy="state for each case whether it should be flagged",
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
            remedy = f"write a {what}, or remove the row"
            raise UserError("evaluation.bad-cell", f"the {what} is empty", where=f"{table}, {place}", remedy=remedy)
    if case.id in seen:
        found = f"the id '{case.id}' is already used in {seen[case.id]}"
        remedy = "give each case a unique id, or remove the column"
        raise UserError("evaluation.bad-cell", found, where=f"{table}, {place}", remedy=remedy)


def score_suite(suite: Suite, flagged: Decisions, labels: Sequence[str]) -> SuiteResult:
    """Count the right decisions, (N, L), on a suite of N cases, by function, by group and over all.

    A case is right if its label, or any label if it names none, is flagged exactly when that is expected. Cases that
    name a label the classifier does not have are left out and counted. Raises a ValueError for another shape.
    """
    if flagged.shape != (len(suite.cases), len(labels)):
        raise ValueError(f"flagged has shape {flagged.shape}, expected {(len(suite.cases), len(labels))}")
    is_right = [_is_right(case, row, labels) for case, row in zip(suite.cases, flagged, strict=True)]
    return SuiteResult(
        functions=_tallies(suite.cases, is_right, lambda case: case.function),
        groups=tuple(one for one in _tallies(suite.cases, is_right, lambda case: case.group) if one.name),
        num=sum(right is not None for right in is_right),
        num_right=sum(right is True for right in is_right),
        num_left_out=sum(right is None for right in is_right),
    )


def _is_right(case: Case, flagged: Decisions, labels: Sequence[str]) -> bool | None:
    """Return whether the decision is right; None if the classifier lacks the label."""
    columns = _columns(case, labels)
    return None if columns is None else bool(flagged[columns].any()) == case.expected


def _columns(case: Case, labels: Sequence[str]) -> list[int] | None:
    """Return the columns of the labels that decide a case; None if the classifier lacks its label."""
    if not case.label:
        return list(range(len(labels)))
    return [labels.index(case.label)] if case.label in labels else None


def _tallies(
    cases: Iterable[Case], is_right: Iterable[bool | None], name_of: Callable[[Case], str]
) -> tuple[CaseTally, ...]:
    counts: dict[tuple[str, bool], Counter[bool | None]] = {}
    for case, right in zip(cases, is_right, strict=True):
        counts.setdefault((name_of(case), case.expected), Counter())[right] += 1
    return tuple(
        CaseTally(name, expected, one[True] + one[False], one[True], one[None])
        for (name, expected), one in counts.items()
    )


def suite_report(suite: Suite, scores: Scores, flagged: Decisions, labels: Sequence[str]) -> SuiteReport:
    """Return the part of a report on one suite of N cases; scores and decisions are (N, L)."""
    result = score_suite(suite, flagged, labels)
    wrong = _wrong(suite, scores, flagged, labels)
    return SuiteReport(
        source=suite.name,
        num_cases=result.num,
        num_left_out=result.num_left_out,
        share_right=proportion(result.num_right, result.num),
        functions=tuple(
            FunctionReport(
                function=one.name,
                expected="flag" if one.expected else "allow",
                num_cases=one.num,
                num_right=one.num_right,
                share_right=proportion(one.num_right, one.num),
                wrong=tuple(wrong.get((one.name, one.expected), ())),
            )
            for one in result.functions
            if one.num
        ),
        groups={
            f"{one.name}: {'flag' if one.expected else 'allow'}": proportion(one.num_right, one.num)
            for one in result.groups
            if one.num
        },
    )


def _wrong(
    suite: Suite, scores: Scores, flagged: Decisions, labels: Sequence[str]
) -> dict[tuple[str, bool], list[Example]]:
    """Return the first wrong cases of each function."""
    found: dict[tuple[str, bool], list[Example]] = {}
    for case, row, decisions in zip(suite.cases, scores, flagged, strict=True):
        columns = _columns(case, labels)
        if columns is None or _is_right(case, decisions, labels):
            continue
        examples = found.setdefault((case.function, case.expected), [])
        if len(examples) < _SHOWN:
            score = short(row[columns].max())
            examples.append(
                Example(id=case.id, text=cut(case.text, MOST_CHARACTERS), score=score, target=float(case.expected))
            )
    return found
