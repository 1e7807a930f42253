"""Behaviour suites: both kinds of file, what is wrong with one, the suite of the project, and counting by hand."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from civility.errors import UserError
from civility.evaluation.suites import (
    BUILT_IN,
    Case,
    CaseTally,
    Suite,
    read_suite,
    score_suite,
)

from ..refusals import refused

OWN = (
    "function,text,expected,group,label,id\n"
    "insult,you fool,flag,,,a\n"
    "insult,what a fool,flag,Velmari,insult,b\n"
    "quotation,she said fool,allow,Velmari,,\n"
)


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_the_projects_format(tmp_path: Path) -> None:
    path = _write(tmp_path / "suite.csv", OWN)
    suite = read_suite(path)
    assert suite.name == str(path)
    assert suite.cases == (
        Case("a", "insult", "you fool", True),
        Case("b", "insult", "what a fool", True, "insult", "Velmari"),
        Case("3", "quotation", "she said fool", False, "", "Velmari"),
    )
    assert [case.label for case in read_suite(path, label="toxic").cases] == ["toxic", "insult", "toxic"]


def test_a_changed_header_is_read_as_before(tmp_path: Path) -> None:
    _, rows = OWN.split("\n", 1)
    changed = _write(tmp_path / "odd.csv", f"\ufeff\u200bFUNCTION,Text , expected,group\u00a0,LABEL,Id\n{rows}")
    assert read_suite(changed).cases == read_suite(_write(tmp_path / "suite.csv", OWN)).cases
    published = "Functionality ,test_case\u200b,LABEL_GOLD,Case_id\nderog,Velmari are scum.,hateful,7\n"
    assert read_suite(_write(tmp_path / "hatecheck.csv", published)).cases == (
        Case("7", "derog", "Velmari are scum.", True),
    )


def test_a_misspelt_column_does_not_pass(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no column 'label' \(did you mean lable\?\)"):
        read_suite(_write(tmp_path / "suite.csv", OWN.replace("label", "lable")))
    twice = _write(tmp_path / "twice.csv", OWN.replace("group", "Label"))
    with pytest.raises(UserError, match="'Label' and 'label' have the same name"):
        read_suite(twice)


def test_three_columns_are_enough(tmp_path: Path) -> None:
    suite = read_suite(_write(tmp_path / "suite.tsv", "text\tfunction\texpected\n you, fool \tinsult\tflag\n"))
    assert suite.cases == (Case("1", "insult", " you, fool ", True),)


@pytest.mark.parametrize("id", ["case_id", "mhc_case_id"])
def test_reads_hatecheck(tmp_path: Path, id: str) -> None:
    content = (
        f",functionality,{id},test_case,label_gold,target_ident,direction\n"
        "0,derog,7,Velmari are scum.,hateful,Velmari,general\n"
        "1,neutral,8,It rains.,non-hateful,,\n"
    )
    suite = read_suite(_write(tmp_path / "hatecheck.csv", content), label="identity_hate")
    assert suite.cases == (
        Case("7", "derog", "Velmari are scum.", True, "identity_hate", "Velmari"),
        Case("8", "neutral", "It rains.", False, "identity_hate", ""),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "function,text\na,b\n",
            "not a suite (its columns: function, text), expected the columns function, text and expected, or HateCheck",
        ),
        (
            "function,text,expected\nf,t,flag\nf,u,flagged\n",
            "row 2 (line 3): expected = 'flagged', expected flag or all",
        ),
        ("function,text,expected\nf,t,\n", "row 1 (line 2): expected = '', expected flag or allow"),
        ("function,text,expected\nf, ,flag\n", "row 1 (line 2): the text is empty"),
        ("function,text,expected\n,t,flag\n", "row 1 (line 2): the function is empty"),
        (
            "id,function,text,expected\n7,f,t,flag\n8,f,t,flag\n7,f,u,flag\n",
            "row 3 (line 4): the id '7' is already used in row 1",
        ),
        ("id,function,text,expected\n2,f,t,flag\n,f,u,flag\n", "row 2 (line 3): the id '2' is already used in row 1"),
        (
            "functionality,test_case,label_gold\nf,t,hate\n",
            "label_gold = 'hate', expected hateful or non-hateful (did you mean",
        ),
    ],
)
def test_says_what_is_wrong_with_a_file(tmp_path: Path, content: str, message: str) -> None:
    path = _write(tmp_path / "bad.csv", content)
    with refused("evaluation.bad-suite" if "not a suite" in message else "evaluation.bad-cell") as caught:
        read_suite(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_an_unknown_built_in_suite_is_told_the_one_there_is() -> None:
    with refused("evaluation.bad-suite", r"no built-in suite 'civility:suit' \(did you mean civility:suite\?\)"):
        read_suite("civility:suit")


def test_the_suite_of_the_project() -> None:
    suite = read_suite(BUILT_IN)
    assert suite.name == BUILT_IN
    sizes = Counter(case.function for case in suite.cases)
    assert len(sizes) == 14
    assert min(sizes.values()) >= 8
    assert max(sizes.values()) <= 15
    # One expectation and one label a function, and no text twice.
    assert len({(case.function, case.expected, case.label) for case in suite.cases}) == 14
    assert len({case.text.lower() for case in suite.cases}) == len(suite.cases)
    assert 0.3 < np.mean([case.expected for case in suite.cases]) < 0.6
    # Hate is aimed at peoples that do not exist.
    hated = {case.group for case in suite.cases if case.expected and case.group}
    assert hated == {"Flimmerlings", "Umberkin", "Pelluvians", "Thrindish"}
    assert hated.isdisjoint(case.group for case in suite.cases if not case.expected)


def test_the_example_of_the_documentation_is_a_suite_and_its_functions_are_named(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/reference/probes.md").read_text(encoding="utf-8")
    example = page.split("```csv\n")[1].split("```")[0]
    cases = read_suite(_write(tmp_path / "example.csv", example)).cases
    assert [case.expected for case in cases] == [False, True, True, False]
    assert all(f"`{case.function}`" in page for case in read_suite(BUILT_IN).cases)


SUITE = Suite(
    "by hand",
    (
        Case("1", "insult", "a", True),
        Case("2", "insult", "b", True, "insult", "Velmari"),
        Case("3", "insult", "c", True, "spam", "Velmari"),
        Case("4", "mixed", "d", False, "", "Velmari"),
        Case("5", "mixed", "e", True),
        Case("6", "mixed", "f", False, "insult"),
        Case("7", "spam", "g", True, "spam"),
    ),
)
FLAGGED = np.array(
    [
        [True, False],  # any label: right
        [True, False],  # the label insult is not flagged: wrong
        [True, True],  # no such label: left out
        [False, False],  # nothing flagged: right
        [False, False],  # nothing flagged: wrong
        [True, False],  # only toxic flagged, insult must not be: right
        [False, False],  # left out
    ]
)


def test_scores_by_hand() -> None:
    result = score_suite(SUITE, FLAGGED, ["toxic", "insult"])
    assert result.functions == (
        CaseTally("insult", True, 2, 1, 1),
        CaseTally("mixed", False, 2, 2),
        CaseTally("mixed", True, 1, 0),
        CaseTally("spam", True, 0, 0, 1),
    )
    assert result.groups == (CaseTally("Velmari", True, 1, 0, 1), CaseTally("Velmari", False, 1, 1))
    assert (result.num, result.num_right, result.num_left_out) == (5, 3, 2)


def test_another_axis_leaves_out_other_cases() -> None:
    result = score_suite(SUITE, FLAGGED, ["insult", "spam"])
    assert (result.num, result.num_left_out) == (7, 0)
    assert score_suite(SUITE, np.zeros((7, 0), dtype=np.bool_), []).num == 3


def test_decisions_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 7\), expected \(7, 2\)"):
        score_suite(SUITE, FLAGGED.T, ["toxic", "insult"])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=7, max_size=7))
def test_counts_add_up_and_the_opposite_decision_is_wrong(flags: list[tuple[bool, bool]]) -> None:
    one_label = Suite("one label", tuple(Case(c.id, c.function, c.text, c.expected, "x", c.group) for c in SUITE.cases))
    flagged = np.array(flags)[:, :1]
    result, opposite = (score_suite(one_label, decisions, ["x"]) for decisions in (flagged, ~flagged))
    assert result.num_right + opposite.num_right == result.num == 7
    assert sum(line.num_right for line in result.functions) == result.num_right
    assert sum(line.num for line in result.functions) == result.num


@pytest.mark.jigsaw
@pytest.mark.skipif("CIVILITY_DATA" not in os.environ, reason="CIVILITY_DATA names no folder of real data")
@pytest.mark.parametrize(
    ("language", "num", "num_functions", "num_hateful"),
    [("english", 3728, 29, 2563), ("french", 3718, 27, 2600), ("german", 3645, 27, 2550), ("spanish", 3745, 27, 2632)],
)
def test_reads_hatecheck_in_every_language(language: str, num: int, num_functions: int, num_hateful: int) -> None:
    suite = read_suite(Path(os.environ["CIVILITY_DATA"]).resolve() / f"hatecheck/{language}.csv")
    assert len(suite.cases) == num
    assert len({case.function for case in suite.cases}) == num_functions
    assert sum(case.expected for case in suite.cases) == num_hateful
    assert len({case.group for case in suite.cases} - {""}) == 7
    # Whoever allows everything is right on what is not hateful.
    result = score_suite(suite, np.zeros((num, 1), dtype=np.bool_), ["toxic"])
    assert result.num_right == num - num_hateful
