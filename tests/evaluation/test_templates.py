"""Identity templates: each kind of file, whose groups are right, and what is said of files that are none of them."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from civility.errors import UserError
from civility.evaluation.templates import ENGLISH_TERMS, Templates, read_templates

from ..refusals import refused

NAN = float("nan")
REAL = pytest.mark.skipif("CIVILITY_DATA" not in os.environ, reason="CIVILITY_DATA names no folder of real data")


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def _groups(templates: Templates) -> list[set[str]]:
    return [{templates.group_names[place] for place in np.flatnonzero(row)} for row in templates.groups]


def test_reads_the_english_sentences_and_finds_whole_terms_the_longest_first(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "madlibs.csv",
        "Text,Label,Template\n"
        "hug african american,NOT_BAD,verb_adj\n"
        "You are a kind American,NOT_BAD,you_are_adj\n"
        "hug  Middle   aged,NOT_BAD,verb_adj\n"
        "Goldie is a nasty older,BAD,name_adj\n"
        "You are a vile engineer,BAD,you_occupation\n"
        "hate transgender,BAD,verb_adj\n",
    )
    templates = read_templates(path)
    assert _groups(templates) == [
        {"african american"},
        {"american"},
        {"middle aged"},
        {"older"},
        set(),
        {"transgender"},
    ]
    assert templates.targets.tolist() == [0, 0, 0, 1, 1, 1]
    assert templates.targets.dtype == np.float32
    assert templates.groups.dtype == np.bool_
    assert templates.texts[2] == "hug  Middle   aged"
    assert templates.name == str(path)


def test_german_terms_may_be_inflected_and_misspelled_as_in_the_published_file(tmp_path: Path) -> None:
    phrases = {
        "Du bist ein netter blinder": {"blind"},
        "umarmen ältere": {"älter"},
        "Ich bin alter": {"alt"},
        "Mia ist eine gute marrokanische": {"marokkanisch"},
        "respektieren Transexuelle": {"transsexuell"},
        "Hetero sein ist gut": {"heterosexuell"},
        "mögen mittleren Alters": {"mittleren alters"},
        "JÜDISCH sein ist gut": {"jüdisch"},
        "Du bist ein netter Programmierer": set(),
    }
    rows = "".join(f"t,nontoxic,{phrase}\n" for phrase in phrases)
    templates = read_templates(_write(tmp_path / "german.csv", f"template,toxicity,phrase\n{rows}"))
    assert _groups(templates) == list(phrases.values())
    assert not templates.targets.any()


def test_a_letter_that_only_looks_like_one_is_no_crash(tmp_path: Path) -> None:
    rows = "".join(
        f"{text},BAD\n" for text in ("being \u017fikh", "being GAY", "being s\u0130kh", "being sikh", "being old")
    )
    templates = read_templates(_write(tmp_path / "odd.csv", f"Text,Label\n{rows}"))
    assert _groups(templates) == [set(), {"gay"}, set(), {"sikh"}, {"old"}]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_reads_a_format_of_ones_own(tmp_path: Path, kind: str) -> None:
    rows: list[dict[str, str | float | None]] = [
        {"text": "I met a Velmari today", "target": 0, "group": "Velmari"},
        {"text": "Velmari and moonfolk are scum", "target": 1, "group": " moonfolk ;Velmari; Velmari"},
        {"text": "It rained", "target": 0.25, "group": None},
        {"text": "who knows", "target": None, "group": "moonfolk"},
    ]
    path = tmp_path / f"own.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "jsonl":
        _write(path, "".join(json.dumps(row) + "\n" for row in rows))
    else:
        lines = [",".join("" if cell is None else str(cell) for cell in row.values()) for row in rows]
        _write(path, "\n".join(["text,target,group", *lines]) + "\n")
    templates = read_templates(path)
    assert templates.group_names == ("Velmari", "moonfolk")
    assert _groups(templates) == [{"Velmari"}, {"Velmari", "moonfolk"}, set(), {"moonfolk"}]
    np.testing.assert_array_equal(templates.targets, np.array([0, 1, 0.25, NAN], dtype=np.float32))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("\ufeff\u200bTEXT,Target ,group\u00a0", "I met a Velmari,1,Velmari"),
        (" text,LABEL", "being gay,BAD"),
        ("Phrase,toxicity\u200b", "being gay,toxic"),
    ],
)
def test_a_changed_header_is_read_as_before(tmp_path: Path, header: str, row: str) -> None:
    templates = read_templates(_write(tmp_path / "odd.csv", f"{header}\n{row}\n"))
    assert (templates.targets.tolist(), len(templates.group_names)) == ([1.0], 1)


def test_names_with_lone_surrogates_can_be_written(tmp_path: Path) -> None:
    path = _write(tmp_path / "own.jsonl", '{"text": "a\\ud800", "target": 1, "group": "x\\ud800"}\n')
    templates = read_templates(path)
    assert templates.group_names == ("x?",)
    assert templates.texts == ("a\ufffd",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "text,kind\na,1\n",
            "templates (its columns: text, kind), expected the columns text, target, group; or those of a published",
        ),
        ("Text,Label\nhug gay,BAD\nhug old,NOTBAD\n", "row 2 (line 3): Label = 'NOTBAD', expected BAD or NOT_BAD (did"),
        ("text,label\na,1\n", "row 1 (line 2): label = '1', expected BAD or NOT_BAD\nor rename the columns to text"),
        ("phrase,toxicity\nmögen alte,1\n", "row 1 (line 2): toxicity = '1', expected toxic or nontoxic"),
        ("Text,Label\nhug gay,BAD\n ,BAD\n", "row 2 (line 3): Text is empty"),
        ("text,target,group\na,2,g\n", "row 1 (line 2): target = '2', expected a number from 0 to 1"),
        ("text,target,group\na,1,;\n", "no sentence names a group"),
        (
            "phrase,toxicity\nik ben doof,toxic\nik ben trans,toxic\nik ben oud,toxic\n",
            "(English in 33%, German in 33%)",
        ),
        ("text,target,group\n", "a header and no rows below it"),
    ],
)
def test_says_what_is_wrong_with_a_file(tmp_path: Path, content: str, message: str) -> None:
    path = _write(tmp_path / "bad.csv", content)
    with pytest.raises(UserError) as caught:
        read_templates(path)
    refusal = str(caught.value)
    is_cell = "row" in message and "rows" not in message and "target" not in message
    assert caught.value.code == "evaluation.bad-cell" or not is_cell
    assert refusal.startswith(str(path))
    assert message in refusal


def test_a_group_must_be_a_name(tmp_path: Path) -> None:
    path = _write(tmp_path / "bad.jsonl", '{"text": "a", "target": 1, "group": ["x", "y"]}\n')
    with refused("evaluation.bad-cell", r"row 1: group = \['x', 'y'\], expected a name"):
        read_templates(path)
    path = _write(tmp_path / "other.csv", "text,kind\na,1\n")
    with refused("evaluation.bad-templates", "not a file of identity templates"):
        read_templates(path)


@REAL
@pytest.mark.jigsaw
def test_every_group_of_the_english_file_is_balanced() -> None:
    templates = read_templates(Path(os.environ["CIVILITY_DATA"]).resolve() / "bias/madlibs-77k-english.parquet")
    assert templates.groups.shape == (76_564, 50)
    assert set(templates.group_names) == set(ENGLISH_TERMS)
    # 1,514 sentences each, half of them toxic; 864 about occupations; none about two groups.
    assert set(templates.groups.sum(axis=0).tolist()) == {1514}
    assert {float(templates.targets[column].sum()) for column in templates.groups.T} == {757.0}
    assert np.bincount(templates.groups.sum(axis=1)).tolist() == [864, 75_700]


@REAL
@pytest.mark.jigsaw
def test_every_sentence_of_the_german_file_has_its_group() -> None:
    templates = read_templates(Path(os.environ["CIVILITY_DATA"]).resolve() / "bias/templates-german.parquet")
    assert templates.groups.shape == (34_958, 50)
    # 1,458 are about occupations; the file is not balanced, but alike in every group.
    assert np.bincount(templates.groups.sum(axis=1)).tolist() == [1458, 33_500]
    shares = [float(templates.targets[column].mean()) for column in templates.groups.T]
    assert 0.35 < min(shares) <= max(shares) < 0.45
    assert templates.groups.sum(axis=0).min() == 56
    assert templates.groups.sum(axis=0).max() == 1364
