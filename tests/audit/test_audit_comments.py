"""An audit as Python sees it: each finding provoked by an input, and absent on a clean control."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from civility.audit.audit_comments import COLUMNS, AuditDone, AuditRequest, audit, excerpt
from civility.data.reading import Columns
from civility.documents.audit_result import Audit, FindingName
from civility.errors import UserError
from civility.render.sentences.audit_sentences import ADVICE, TITLES, details, not_measured

from ..refusals import refused

LONG = "one two three four five six seven eight nine ten eleven twelve"
Look = Callable[..., AuditDone]


def row(text: str, toxic: Any = 0, threat: Any = 0) -> dict[str, Any]:
    return {"text": text, "toxic": toxic, "threat": threat}


def clean(name: str = "clean", num: int = 120) -> list[dict[str, Any]]:
    """Return comments without any finding: all different, enough positives and negatives."""
    return [row(f"{name}{i} said that {name}{i + 1} was away", i % 2, (i // 2) % 2) for i in range(num)]


@pytest.fixture
def look(tmp_path: Path, tiny_bert: Path) -> Look:
    """Audit rows, one list a file, and return what was found."""

    def look(*files: list[dict[str, Any]], **question: Any) -> AuditDone:
        names = []
        for i, rows in enumerate(files):
            path = tmp_path / f"file{i}.jsonl"
            # ensure_ascii keeps lone surrogates in the file.
            path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
            names.append(str(path))
        question = {"model": str(tiny_bert), **question}
        return audit(names, AuditRequest(**question), out=tmp_path / f"audit{len(list(tmp_path.iterdir()))}")

    return look


def names(done: AuditDone) -> list[str]:
    return [finding.name for finding in done.audit.findings]


def lines(done: AuditDone) -> list[dict[str, str]]:
    with (done.folder / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_clean_comments_have_no_finding(look: Look) -> None:
    done = look(clean("ann"), clean("bob"))
    assert names(done) == []
    assert lines(done) == []
    assert done.audit.data.num_comments == 240


def test_every_finding_has_its_words_and_its_place() -> None:
    assert list(TITLES) == list(ADVICE) == list(get_args(FindingName))
    assert all(advice.endswith(".") for advice in ADVICE.values())


# What is added to clean comments -> the findings that come of it, with their counts.
PROVOKED: dict[str, tuple[list[dict[str, Any]], dict[str, int]]] = {
    "contradiction": (
        [row("You fool", 1), row("you  FOOL", 0)],
        {"contradicting_labels": 2, "equal_copies": 1},
    ),
    "no contradiction with unknown": ([row("You fool", 1), row("you fool", None)], {"equal_copies": 1}),
    "near contradiction": (
        [row(LONG, 1), row(f"{LONG} more", 0)],
        {"near_contradicting_labels": 2, "near_copies": 2},
    ),
    "near copy": ([row(LONG, 1), row(f"{LONG}!!! more", 1)], {"near_copies": 2}),
    "unknown": ([row("nobody knows", None, None), row("half known", None, 1)], {"no_known_label": 1}),
    "minus one": ([row("never scored", -1, -1)], {"no_known_label": 1}),
    "blank": ([row(""), row(" \n\t")], {"blank": 2}),
    "nul": ([row("half\x00and half")], {"nul_characters": 1}),
    "surrogate": ([row("lone \ud800 one")], {"lone_surrogates": 1, "replacement_character": 1}),
    "mojibake": ([row("un cafÃ© noir")], {"mojibake": 1}),
    "entities": ([row("she said &quot;no&quot; again")], {"html_entities": 1}),
    "invisible": ([row("a w\u200bord")], {"invisible_characters": 1}),
    "control": ([row("a bell \x07 rings")], {"control_characters": 1}),
    "scripts": ([row("a f\u043eol")], {"mixed_scripts": 1}),
    "repeated": ([row("spam " * 20)], {"repeats_itself": 1, "truncated": 1}),
    "url": ([row("https://example.org/a")], {"only_url": 1}),
    "no letters": ([row("12 + 13")], {"no_letters": 1}),
    "long word": ([row("see " + "ab1c" * 25)], {"long_word": 1}),
}


@pytest.mark.parametrize("name", PROVOKED)
def test_a_finding_is_there_where_it_is_provoked_and_no_other(look: Look, name: str) -> None:
    added, expected = PROVOKED[name]
    done = look([*clean(), *added], max_length=60)
    assert {finding.name: finding.count for finding in done.audit.findings} == expected
    listed = {line["finding"] for line in lines(done)}
    assert listed == set(expected) - {"truncated"}
    assert all(line["file"].endswith("file0.jsonl") and int(line["row"]) > 120 for line in lines(done))


def test_a_very_long_comment_is_told(look: Look) -> None:
    done = look([*clean(), row(" ".join(f"word{i}" for i in range(4_000)))], max_length=100_000)
    assert names(done) == ["very_long"]
    assert len(lines(done)[0]["text"]) < 600


def test_labels_that_cannot_be_learned_are_told(look: Look) -> None:
    done = look([row(f"comment number {i}", int(i < 9), 1) for i in range(60)])
    assert {finding.name: details(finding, done.audit) for finding in done.audit.findings} == {
        "few_positives": "toxic 9",
        "no_negatives": "threat",
    }


def test_leaks_between_files_are_told_with_both_places(look: Look) -> None:
    done = look([*clean("ann"), row("Shared text"), row(LONG)], [*clean("bob"), row(f"{LONG} x"), row("shared  text")])
    assert names(done) == ["leak_equal", "leak_near", "equal_copies", "near_copies"]
    equal, near = lines(done)[:2]
    assert (equal["row"], equal["other_row"], equal["other_text"]) == ("121", "122", "shared text")
    assert (near["row"], near["other_row"]) == ("122", "121")
    content = json.loads((done.folder / "audit.json").read_text(encoding="utf-8"))
    assert [(leak["num_equal"], leak["num_near"]) for leak in content["leaks"]] == [(1, 1), (1, 1)]


def test_the_document_keeps_its_shape(look: Look) -> None:
    done = look([*clean(), row("half known", 0.25, None), row("Shared"), row("shared")], seed=5)
    content = json.loads((done.folder / "audit.json").read_text(encoding="utf-8"))
    assert list(content) == [
        "schema",
        "data",
        "seed",
        "findings",
        "labels",
        "co_occurrence",
        "characters",
        "tokens",
        "label_errors",
        "leaks",
        "scripts",
        "languages",
        "undefined",
    ]
    assert (content["schema"], content["seed"]) == (3, 5)
    assert content["data"]["num_comments"] == 123
    assert content["labels"]["toxic"] == {"num_positive": 60, "num_negative": 63, "num_unknown": 0, "num_soft": 1}
    assert content["labels"]["threat"]["num_unknown"] == 1
    assert content["co_occurrence"] == {"labels": ["toxic", "threat"], "num_comments": [[60, 30], [30, 60]]}
    assert content["tokens"]["truncated"] == {"num_measured": 123, "num_truncated": 0, "share": 0.0}
    assert content["label_errors"] is None
    assert content["undefined"]["label_errors"] == {"code": "no_classifier", "text": ""}
    assert content["scripts"] == {"latin": 123}
    (finding,) = content["findings"]
    assert (finding["name"], finding["unit"], finding["num_listed"]) == ("equal_copies", "comment", 1)
    assert Audit.read(done.folder / "audit.json") == done.audit
    assert finding["share"] == pytest.approx(1 / 123)
    assert sorted(path.name for path in done.folder.iterdir()) == ["audit.json", "rows.csv"]


def test_the_same_question_has_the_same_answer(look: Look) -> None:
    rows = [*clean(), row(LONG, 1), row(f"{LONG} more", 0), row("You fool", 1), row("you  FOOL", 0)]
    first, second = look(rows), look(rows)
    for name in ("audit.json", "rows.csv"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    third = look([*rows, row("you fool", 1)])
    assert (first.folder / "rows.csv").read_bytes() != (third.folder / "rows.csv").read_bytes(), "the control"


def test_comments_without_labels_are_looked_at_too(look: Look) -> None:
    done = look([{"text": "Twice"}, {"text": "twice"}, {"text": "once"}])
    assert names(done) == ["no_labels", "equal_copies"]
    assert done.audit.labels == {}
    assert json.loads((done.folder / "audit.json").read_text())["co_occurrence"] == {"labels": [], "num_comments": []}


def test_cells_that_look_like_formulas_are_made_safe(look: Look) -> None:
    rows = [{"id": "=1+1", **row(text)} for text in ("=cmd()", "=CMD()", "@sum", "@SUM", "plain", "Plain")]
    done = look(rows)
    copies = [line for line in lines(done) if line["finding"] == "equal_copies"]
    assert [line["text"] for line in copies] == ["'=CMD()", "'@SUM", "Plain"]
    assert {line["id"] for line in copies} == {"'=1+1"}
    with (done.folder / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        assert tuple(next(csv.reader(file))) == COLUMNS


def test_an_excerpt_is_one_line_and_shows_what_cannot_be_seen() -> None:
    assert excerpt("a\nb\u200bc\x07 \u202ed") == "a b\\u200bc\\u0007 \\u202ed"
    assert len(excerpt("x" * 10_000)) == 502


def test_a_tokenizer_that_was_not_named_may_be_missing(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    # None in sys.modules is how Python itself says: not to be had.
    monkeypatch.setitem(sys.modules, "transformers", None)
    done = look(clean(), model="")
    assert done.audit.tokens is None
    assert "transformers is not installed" in not_measured(done.audit.undefined["tokens"])
    assert json.loads((done.folder / "audit.json").read_text())["tokens"] is None


@pytest.mark.parametrize(
    ("question", "code", "message"),
    [
        ({"max_length": 0}, "audit.bad-max-length", "--max-length: 0, expected a number of tokens, 1 or more"),
        ({"model": "./nowhere"}, "", "model './nowhere': no such folder"),
        ({"columns": Columns(labels=("rude",))}, "", "no column 'rude'"),
        ({"columns": Columns(text="body")}, "", "no column 'body'"),
    ],
)
def test_a_mistake_leaves_nothing_behind(
    look: Look, tmp_path: Path, question: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(UserError) as error:
        look(clean(), **question)
    assert message in str(error.value)
    assert error.value.code == code or not code
    assert [path.name for path in tmp_path.iterdir()] == ["file0.jsonl"]


def test_an_audit_never_writes_over_another(tmp_path: Path, tiny_bert: Path) -> None:
    (tmp_path / "there").mkdir()
    for out, code in (("there", "audit.folder-exists"), ("no/where", "audit.cannot-write")):
        with refused(code):
            audit(["civility:starter/held-out"], AuditRequest(model=str(tiny_bert)), out=tmp_path / out)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
