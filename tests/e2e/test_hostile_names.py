"""Names from outside steer no terminal and no page, and no spreadsheet: files, folders, columns, ids, labels."""

import csv
import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from civility.data.reading import Columns, read_dataset

from .conftest import Done, Run

NAME = "\x1b[31m[red]x[link=y]:heart:\u202e\x9b2J\x07"
"""An escape sequence, markup and an emoji code of rich, an override of direction, a C1 control, a bell."""
_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def _is_tame(done: Done) -> bool:
    assert not _STEERS.search(done.out + done.err), (done.out, done.err)
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a hostile name, and in it a file with a hostile name, ids and group column."""
    folder = tmp_path_factory.mktemp("hostile") / NAME
    folder.mkdir()
    data = read_dataset(["civility:starter/held-out"], Columns()).dataset
    with (folder / f"{NAME}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([f"{NAME}id", "comment_text", *data.labels, NAME])
        for row, text in enumerate(data.texts):
            targets = [int(target) for target in data.targets[row]]
            writer.writerow([f"{NAME}{row}", text, *targets, row % 2])
    return folder


def test_hostile_names_go_through_every_verb(civility: Run, folder: Path, linear: Path) -> None:
    comments, run, other = folder / f"{NAME}.csv", folder / "run", folder / f"{NAME}2"
    ids = ["--id-column", f"{NAME}id"]
    training = ["train", "fast", "--data", comments, "--set", "linear.max_features=500"]
    commands: list[tuple[int, list[object]]] = [
        (0, [*training, "--set", f"data.id_column={json.dumps(NAME + 'id')}", "--out", run]),
        (2, [*training, "--out", run]),
        (0, ["ensemble", run, linear, "--data", comments, *ids, "--link", "--out", other]),
        (2, ["soup", run, other, "--out", folder / "soup"]),
        (0, ["evaluate", run, "--data", comments, *ids, "--slice", NAME, "--groups", NAME, "--resamples", 100]),
        (3, ["evaluate", run, "--resamples", 100, "--require", "macro.roc_auc >= 1.0"]),
        (2, ["evaluate", run, "--resamples", 100, "--name", NAME]),
        (0, ["thresholds", run, "--data", comments, *ids, "--check"]),
        (0, ["compare", run, other, "--data", comments, *ids, "--out", folder / "comparison"]),
        (0, ["predict", run, "--data", comments, *ids, "--out", folder / "scores.csv"]),
        (0, ["audit", comments, *ids, "--with", run, "--out", folder / "audit"]),
    ]
    for code, command in commands:
        done = civility(*command)
        assert done.code == code, done.err
        assert _is_tame(done)
        assert "❤" not in done.out + done.err
    written = [path for path in folder.rglob("*") if path.suffix in (".html", ".md", ".svg")]
    assert {path.suffix for path in written} == {".html", ".md", ".svg"}
    for path in written:
        assert not _STEERS.search(path.read_text(encoding="utf-8")), path
    header, first, *_ = csv.reader(io.StringIO((folder / "scores.csv").read_text(encoding="utf-8")))
    assert not _STEERS.search("".join(header))
    assert first[0] == f"{NAME}0"  # an id is written as it was read


@pytest.mark.parametrize(
    "arguments",
    [
        ["recipes", NAME],
        ["train", NAME],
        ["train", "fast", "--data", f"{NAME}.csv"],
        ["train", "fast", "--set", f"{NAME}=1"],
        ["train", "fast", "--set", f"training.{NAME}=1"],
        ["train", "fast", "--tracker", NAME, "--data", "civility:starter/held-out"],
        ["predict", NAME, "--data", "civility:starter/held-out"],
        ["predict", "run", "--data", "-", f"--{NAME}"],
        ["predict", "run", "--data", "-", "--format", NAME],
        ["predict", "run", "--data", "-", "--out", f"scores.{NAME}"],
        ["evaluate", NAME],
        ["evaluate", "run", "--require", NAME],
        ["evaluate", "run", "--sample", NAME],
        ["thresholds", NAME, "--policy", NAME],
        ["compare", NAME, NAME],
        ["compare", "run", "--baseline", NAME],
        ["ensemble", NAME, "--out", NAME],
        ["soup", NAME, "--out", NAME],
        ["audit", NAME],
        ["sweep", "starter", "--space", NAME, "--out", NAME],
        [NAME],
    ],
)
def test_an_error_shows_a_hostile_name_without_its_control_characters(
    civility: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = civility(*arguments)
    assert done.code == 2
    assert _is_tame(done)
    assert not list(tmp_path.iterdir())


def test_the_names_inside_an_archive_are_shown_without_their_control_characters(civility: Run, tmp_path: Path) -> None:
    path = tmp_path / "comments.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for end in ("csv", "tsv"):
            archive.writestr(f"{NAME}.{end}", "comment_text,toxic\na,1\n")
    done = civility("audit", path, "--out", tmp_path / "audit")
    assert done.code == 2
    assert "[31m[red]" in done.err
    assert _is_tame(done)


@pytest.mark.parametrize("cell", [f'"{NAME}"', f'"a{NAME}"'])
def test_a_cell_that_is_no_target_is_shown_without_its_control_characters(
    civility: Run, tmp_path: Path, cell: str
) -> None:
    (tmp_path / "comments.csv").write_text(f"comment_text,toxic\nyou clown,{cell}\n", encoding="utf-8")
    done = civility("train", "fast", "--data", tmp_path / "comments.csv", "--out", tmp_path / "run")
    assert done.code == 2
    assert "comments.csv" in done.err
    assert _is_tame(done)


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("=cmd", "the label '=cmd' begins with '=': a spreadsheet would take the name of its column for a formula"),
        (" +1", "the label ' +1' begins with '+'"),
        ("-x", "the label '-x' begins with '-'"),
        ("@x", "the label '@x' begins with '@'"),
        ("a\x1bb", "the label 'a\ufffdb' has a control character"),
    ],
)
def test_a_label_that_cannot_be_a_column_is_not_trained(civility: Run, tmp_path: Path, label: str, shown: str) -> None:
    rows = [json.dumps({"text": f"comment number {row}", label: row % 2}) for row in range(40)]
    (tmp_path / "comments.jsonl").write_text("\n".join(rows) + "\n")
    labels = f"data.labels={json.dumps([label])}"
    run = tmp_path / "run"
    done = civility("train", "fast", "--data", tmp_path / "comments.jsonl", "--set", labels, "--out", run)
    assert done.code == 2
    assert f"error: {shown}" in done.err
    assert not run.exists()


def _foreign(linear: Path, folder: Path, labels: list[str]) -> Path:
    """Return a classifier with other labels, as somebody else could have made it."""
    shutil.copytree(linear / "classifier", folder)
    own = json.loads((folder / "linear.json").read_text())["labels"]
    assert len(own) >= len(labels)
    for path in (folder / "linear.json", folder / "civility.json"):
        text = path.read_text(encoding="utf-8")
        for old, new in zip(own, labels, strict=False):
            text = text.replace(json.dumps(old), json.dumps(new))
        content = json.loads(text)
        path.write_text(json.dumps({key: content[key] for key in content if key not in ("files", "digest")}))
    return folder


def _predicted(civility: Run, classifier: Path, comments: Path, *options: object) -> Done:
    done = civility("predict", classifier, "--data", comments, *options)
    assert done.code == 0, done.err
    assert _is_tame(done)
    return done


def test_labels_of_a_foreign_classifier_reach_no_header_as_formulas(
    civility: Run, linear: Path, tmp_path: Path
) -> None:
    labels = ["=cmd|'/c calc'!A0", NAME, "@x", "plain"]
    classifier = _foreign(linear, tmp_path / "foreign", labels)
    (tmp_path / "comments.jsonl").write_text('{"id": "1", "text": "have a nice day"}\n')
    done = _predicted(civility, classifier, tmp_path / "comments.jsonl", "--decisions")
    header = next(csv.reader(io.StringIO(done.out)))
    assert header[0] == "id"
    assert header[1] == "'=cmd|'/c calc'!A0"
    assert header[3:5] == ["'@x", "plain"]
    assert "'@x:decision" in header
    assert "warning: in CSV the column of @x is named '@x" in done.err
    # JSON lines name them as they are, in characters that steer nothing.
    done = _predicted(civility, classifier, tmp_path / "comments.jsonl", "--format", "jsonl")
    assert list(json.loads(done.out))[1:5] == labels
    assert "is named" not in done.err


def test_formulas_in_comments_are_made_harmless_where_that_is_asked_for(
    civility: Run, linear: Path, tmp_path: Path
) -> None:
    rows = [{"id": f"{sign}{sign}1", "text": f"{sign}HYPERLINK(1)"} for sign in "=+-@"]
    (tmp_path / "comments.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for options, mark in ([], ""), (["--spreadsheet-safe"], "'"):
        done = _predicted(civility, linear, tmp_path / "comments.jsonl", "--keep-text", *options)
        cells = [row[:2] for row in list(csv.reader(io.StringIO(done.out)))[1:]]
        assert cells == [[mark + row["id"], mark + row["text"]] for row in rows]
    done = civility("predict", linear, "--data", tmp_path / "comments.jsonl", "--format", "jsonl", "--spreadsheet-safe")
    assert (done.code, done.err.splitlines()[0]) == (
        2,
        "error: --spreadsheet-safe: not possible with jsonl, expected CSV",
    )
