"""`civility audit`: what a person sees, what is left on disk, and how mistakes are reported."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from .conftest import Run

HELD_OUT = "civility:starter/held-out"


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def rows_of(folder: Path, finding: str) -> list[dict[str, str]]:
    with (folder / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        return [line for line in csv.DictReader(file) if line["finding"] == finding]


def test_an_audit_prints_what_to_do_and_no_comment(
    civility: Run, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    texts = ["sniggle pop,1,0", "Sniggle Pop,0,0", *(f"zork{i} is fine,{i % 2},{i % 3 % 2}" for i in range(200))]
    write(tmp_path / "mine.csv", "text,toxic,threat", *texts)
    done = civility("audit", "mine.csv", "--model", tiny_bert, "--max-length", "8")
    assert done.code == 0, done.err
    assert "equal comments, contradicting labels: 2 of 202 comments (0.99 %)" in done.out
    assert "texts by label: toxic 1" in done.out
    assert "Decide each text by hand" in done.out
    absent = "looked for and not found: nearly equal comments, contradicting labels; labels with few positives; labels"
    assert absent in done.words
    assert re.search(r"of the positives: toxic \d+\.\d+ %", done.words)
    assert "truncated: share of the positives longer than 8 tokens" in done.out
    assert "audit-mine/rows.csv" in done.out.replace("\\", "/")
    for word in ("sniggle", "zork"):
        assert word not in (done.out + done.err).lower(), "foul words stay in the file"
        assert word in (tmp_path / "audit-mine" / "rows.csv").read_text("utf-8").lower() or word == "zork"
    # A path may be longer than a line.
    assert max(len(line) for line in done.out.splitlines() if str(tiny_bert) not in line) <= 100
    again = civility("audit", "mine.csv", "--model", tiny_bert)
    assert again.code == 0
    assert (tmp_path / "audit-mine-2" / "audit.json").is_file()


def test_several_files_are_held_against_each_other(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", "id,text,toxic", *(f"a{i},comment {i} of all,{i % 2}" for i in range(120)))
    test = write(tmp_path / "test.csv", "id,text", "b1,Comment 7 of ALL", "b2,another")
    out = tmp_path / "out"
    done = civility("audit", train, test, "--model", tiny_bert, "--out", out)
    assert done.code == 0, done.err
    assert "comments in more than one file: 2 of 122 comments (1.64 %)" in done.out
    assert "1 of train.csv in test.csv; 1 of test.csv in train.csv" in done.out
    (leak,) = rows_of(out, "leak_equal")
    assert (leak["id"], leak["labels"], leak["other_id"], leak["other_labels"]) == ("a7", "toxic", "b1", "toxic?")


def test_only_comments_that_a_run_held_out_are_suspected(civility: Run, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = civility("audit", HELD_OUT, "--with", trained, "--out", out)
    assert done.code == 0, done.err
    content = json.loads((out / "audit.json").read_text("utf-8"))
    recorded = json.loads((trained / "environment.json").read_text("utf-8"))["data"]
    errors = content["label_errors"]
    assert errors["held_out"] is True
    assert errors["num_scored"] == recorded["validation"]["num_comments"]
    assert errors["num_trained_on"] == recorded["training"]["num_comments"]
    assert "comments it was not trained on; " in " ".join(done.out.split())
    assert content["tokens"]["max_length"] == 24, "the classifier's own"
    assert {line["held_out"] for line in rows_of(out, "label_errors")} <= {"true"}
    known = errors["labels"]["toxic"]
    assert known["num_positive"] + known["num_negative"] == errors["num_scored"]


@pytest.mark.parametrize("case", ["folder", "changed", "gone"])
def test_where_training_comments_cannot_be_told_it_is_said(
    civility: Run, trained: Path, tmp_path: Path, case: str
) -> None:
    target, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(trained, target)
    expected = "not a run directory"
    if case == "folder":
        target = target / "classifier"
    elif case == "changed":
        environment = target / "environment.json"
        environment.write_text(environment.read_text("utf-8").replace("sha256:", "sha256:0"), encoding="utf-8")
        expected = "have changed since"
    else:
        recipe = target / "recipe.toml"
        recipe.write_text(recipe.read_text("utf-8").replace(HELD_OUT, "gone.csv"), encoding="utf-8")
        expected = "cannot be read again (gone.csv: no such file"
    done = civility("audit", HELD_OUT, "--with", target, "--out", out)
    assert done.code == 0, done.err
    shown = " ".join(done.out.split())
    assert expected in shown
    assert "A classifier agrees with the errors it was trained on" in shown
    errors = json.loads((out / "audit.json").read_text("utf-8"))["label_errors"]
    assert (errors["held_out"], errors["num_scored"]) == (None, 543)
    assert {line["held_out"] for line in rows_of(out, "label_errors")} == {"unknown"}


def test_comments_that_a_run_never_saw_are_all_scored(civility: Run, trained: Path, tmp_path: Path) -> None:
    corpus = [f"comment {i}" for i in range(60)]
    lines = [json.dumps({"text": text, "toxic": i % 2}) for i, text in enumerate(corpus)]
    path, out = write(tmp_path / "mine.jsonl", *lines), tmp_path / "out"
    done = civility("audit", path, "--with", trained, "--out", out)
    assert done.code == 0, done.err
    errors = json.loads((out / "audit.json").read_text("utf-8"))["label_errors"]
    assert (errors["held_out"], errors["num_scored"], errors["num_trained_on"]) == (True, 60, 0)
    assert errors["labels"]["threat"]["sure_positive"] is None
    listed = rows_of(out, "label_errors")
    doubted = errors["labels"]["toxic"]
    assert len(listed) == doubted["num_positive_suspected"] + doubted["num_negative_suspected"] > 0
    assert {line["label"] for line in listed} == {"toxic"}


BAD: dict[str, tuple[list[str], str]] = {
    "no file": (["nowhere.csv"], "nowhere.csv: no such file"),
    "one column": (["one.csv"], "one.csv: no text column; the file has: number"),
    "no rows": (["empty.csv"], "empty.csv: a header and no rows below it"),
    "no label": (["good.csv", "--labels", "rude"], "no column 'rude'"),
    "no classifier": (["good.csv", "--with", "./nowhere"], "'./nowhere': no such folder"),
    "no model": (["good.csv", "--model", "./nowhere"], "model './nowhere': no such folder"),
    "no length": (
        ["good.csv", "--max-length", "0"],
        "'0': expected a whole number from 1 to 1,000,000",
    ),
    "there already": (["good.csv", "--out", "there"], "there: exists already: an audit never overwrites another"),
    "no parent": (["good.csv", "--out", "no/where"], "where: the folder no does not exist"),
    "nonsense": (["bad.csv"], "bad.csv, row 2 (line 3): toxic = 'rather', expected a number from 0 to 1"),
    "no files": ([], "the following arguments are required: FILE"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_told_and_nothing_is_left(
    civility: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    arguments, message = BAD[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    write(tmp_path / "one.csv", "number", "1")
    write(tmp_path / "empty.csv", "id,comment_text,toxic")
    write(tmp_path / "good.csv", "id,comment_text,toxic", "1,hello,0")
    write(tmp_path / "bad.csv", "id,comment_text,toxic", "1,hello,0", "2,hello,rather")
    before = sorted(tmp_path.rglob("*"))
    done = civility("audit", *arguments)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert message in done.err
    assert sorted(tmp_path.rglob("*")) == before
