"""What can be compared, and what is refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from civility.documents.note import as_note
from civility.errors import UserError
from civility.evaluation.compare_runs import ComparisonRequest, compare
from civility.evaluation.compared_scores import find_targets, merged_notes
from civility.render.sentences.report_sentences import note_sentence

from ..refusals import refused
from .made import make_scores, make_targets, write_run, write_scored

_AS_IT_IS = ComparisonRequest()


def _error(*names: str, code: str = "evaluation.not-comparable", request: ComparisonRequest = _AS_IT_IS) -> UserError:
    with refused(code) as caught:
        compare(names, request)
    return caught.value


def test_one_is_nothing_to_compare(tmp_path: Path) -> None:
    targets = make_targets(40)
    good = write_scored(tmp_path, "good", targets, make_scores(targets, 0.2, seed=1))
    run = write_run(tmp_path / "run", targets, make_scores(targets, 0.2, seed=1))
    for names in ([good], [run]):
        error = _error(*names)
        assert error.message == "a single run or report has nothing to be compared with"
        assert error.remedy == "name two: civility compare runs/baseline runs/other"


def test_the_summary_of_seeds_is_no_report(tmp_path: Path) -> None:
    targets = make_targets(40)
    runs = [write_run(tmp_path / "many" / f"seed-{i}", targets, make_scores(targets, 0.2, seed=i)) for i in (1, 2)]
    summary = tmp_path / "many" / "summary.json"
    summary.write_text('{"schema": 1}', encoding="utf-8")
    error = _error(*runs, str(summary))  # as of many/*
    assert error.message == f"{summary}: not a report, but a file beside the runs of a folder"
    assert error.remedy == f"name the folder alone: {tmp_path / 'many'}"
    assert len(find_targets([str(tmp_path / "many")])) == 2


def test_folds_cannot_be_compared_run_by_run(tmp_path: Path) -> None:
    targets = make_targets(40)
    for fold in (1, 2):
        write_run(tmp_path / "folds" / f"fold-{fold}", targets, make_scores(targets, 0.2, seed=fold))
    error = _error(str(tmp_path / "folds"), str(tmp_path / "folds"))
    assert error.message == (
        f"{tmp_path / 'folds'}: contains the folds of a cross-validation, each evaluated on other comments"
    )
    assert error.remedy == f"name the report on all comments: {tmp_path / 'folds' / 'report.json'}"


def test_other_comments_are_told(tmp_path: Path) -> None:
    targets = make_targets(40)
    scores = make_scores(targets, 0.2, seed=1)
    good = write_scored(tmp_path, "good", targets, scores)
    other = write_scored(tmp_path, "other", make_targets(40, seed=1), scores)
    error = _error(good, other, code="evaluation.other-comments")
    assert error.message.startswith(
        f"{other} is on other comments than {good}, or on other labels, targets or ids of them (sha256:"
    )
    assert error.remedy.startswith("give --data FILE, labelled comments that took part in none of the runs: all are")
    renamed = write_scored(tmp_path, "renamed", targets, scores, ("toxic", "insult"))
    assert "is on other comments than" in _error(good, renamed, code="evaluation.other-comments").message
    runs = [write_run(tmp_path / name, make_targets(40, seed=i), scores) for i, name in enumerate("ab")]
    assert _error(*runs, code="evaluation.other-comments").message.startswith(
        f"{runs[1]} is on other comments than {runs[0]}, "
    )


@pytest.mark.parametrize("value", [1.0, 0.5, None])
def test_other_targets_of_the_same_comments_are_told(tmp_path: Path, value: float | None) -> None:
    targets = make_targets(40)
    good, other = (write_scored(tmp_path, name, targets, make_scores(targets, 0.2, seed=1)) for name in ("a", "b"))
    path = tmp_path / "b.scores.parquet"
    table = pq.read_table(path)
    metadata = {key: text for key, text in table.schema.metadata.items() if key != b"civility.content"}  # an older file
    place = table.column_names.index("target:toxic")
    changed = table.set_column(place, "target:toxic", pa.array([value] * 40, pa.float32()))
    pq.write_table(changed.replace_schema_metadata(metadata), path)
    message = _error(good, other, code="evaluation.other-comments").message
    first = int(np.flatnonzero(~(targets[:, 0] == value))[0])
    assert message.startswith(
        f"{other} and {good} have other targets for the same comments: toxic of row {first + 1} (id {first}) is "
        f"{'unknown' if value is None else f'{value:g}'} and {targets[first, 0]:g}, and "
    )
    pq.write_table(changed, path)
    assert "changed since it was written" in _error(good, other, code="evaluation.scores-damaged").message


def test_scores_that_are_not_beside_a_report_are_told(tmp_path: Path) -> None:
    targets = make_targets(40)
    scores = make_scores(targets, 0.2, seed=1)
    good, other = (write_scored(tmp_path, name, targets, scores) for name in ("good", "other"))
    lonely = Path(write_scored(tmp_path, "lonely", targets, scores))
    lonely.with_suffix(".scores.parquet").unlink()
    assert _error(good, str(lonely), code="evaluation.scores-missing").message.endswith(
        "lonely.scores.parquet: no scores beside the report"
    )
    mixed = Path(write_scored(tmp_path, "mixed", targets, scores))
    mixed.write_text(Path(other).read_text(encoding="utf-8"), encoding="utf-8")
    assert _error(good, str(mixed), code="evaluation.scores-damaged").message.endswith(
        "does not belong to the report beside it"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "not a civility report: it has no schema number"),
        (b"[1", "damaged: Expecting"),
        (b"\xff\xfe", "not UTF-8 text (byte 0)"),
        (b'{"schema": 1}', "damaged: schema 1 is too old"),
    ],
)
def test_what_is_no_report_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:  # some codes are those of the reader
        compare([str(path), str(path)])
    error = caught.value
    assert error.message.startswith(f"{path}: {message}")
    assert error.remedy == "evaluate again"


def test_what_is_nothing_to_compare_is_told(tmp_path: Path) -> None:
    missing = str(tmp_path / "a.json")
    with pytest.raises(UserError, match="no such file"):
        compare([missing, missing])
    error = _error(str(tmp_path), str(tmp_path))
    assert error.message == (
        f"{tmp_path}: neither a run directory, nor a folder of runs named seed-…, nor the JSON file of a report"
    )
    assert error.remedy == "name one of these; or give --data FILE, on which any classifier can be scored"
    cut = make_targets(40)
    run = Path(write_run(tmp_path / "run", cut, make_scores(cut, 0.2, seed=1)))
    (run / "environment.json").unlink()
    error = _error(str(run), str(run))
    assert error.message == f"{run}: no environment.json: not a complete run directory"
    assert error.remedy == f"restore what is missing; or name its report: {run / 'reports' / 'validation.json'}"
    assert compare([str(run / "reports" / "validation.json")] * 2).num_comments == 40
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(UserError, match="a folder, not a file"):
        compare([str(tmp_path / "folder.json")] * 2)


def test_a_run_that_has_not_ended_is_refused_with_what_to_do(tmp_path: Path) -> None:
    targets = make_targets(40)
    scores = make_scores(targets, 0.2, seed=1)
    good = write_run(tmp_path / "good", targets, scores)
    cut = write_run(tmp_path / "cut", targets, scores, finished=False)
    for question in (_AS_IT_IS, ComparisonRequest(data=("a.csv",))):
        error = _error(good, cut, code="evaluation.unfinished-run", request=question)
        assert error.message == f"{cut}: the run is not finished, so it has no classifier to compare"
        assert error.remedy == f"resume it with 'civility train --resume --out {cut}', or leave it out"
    inner = write_run(tmp_path / "seeds" / "seed-2", targets, scores, finished=False)
    write_run(tmp_path / "seeds" / "seed-1", targets, scores)
    assert _error(good, str(tmp_path / "seeds"), code="evaluation.unfinished-run").message.startswith(
        f"{inner}: the run is not"
    )
    (tmp_path / "seeds" / "seed-0").mkdir()
    assert (
        _error(good, str(tmp_path / "seeds"), code="evaluation.unfinished-run").message
        == f"{tmp_path / 'seeds' / 'seed-0'}: has no run in it"
    )


def test_a_folder_of_seeds_stands_for_its_runs_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    targets = make_targets(40)
    for seed in (10, 9, 100):
        write_run(tmp_path / f"seed-{seed}", targets, make_scores(targets, 0.2, seed), seed=seed)
    (tmp_path / "seed-of-something").mkdir()
    (tmp_path / "seed-3").write_text("a file", encoding="utf-8")
    found = find_targets([str(tmp_path), str(tmp_path / "seed-9")])
    assert [Path(target.name).name for target in found] == ["seed-9", "seed-10", "seed-100"]


def test_a_report_cannot_be_scored_on_other_comments(tmp_path: Path) -> None:
    targets = make_targets(40)
    report = write_scored(tmp_path, "report", targets, make_scores(targets, 0.2, seed=1))
    error = _error(report, report, request=ComparisonRequest(data=("a.csv",)))
    assert error.message == (f"{report}: a report, which has no classifier to score other comments")
    assert error.remedy == "name the run or the classifier folder; or leave out --data"


def test_a_report_may_have_dots_in_its_name(tmp_path: Path) -> None:
    targets = make_targets(40)
    names = [write_scored(tmp_path, f"run.v{i}.json", targets, make_scores(targets, 0.2, i)) for i in range(2)]
    assert names[0].endswith("run.v0.json.json")
    assert compare(names).num_comments == 40


def test_a_note_is_merged_notes_with_the_names_that_it_is_of() -> None:
    notes = [("a", "of the file"), ("a", "seen"), ("b", "of the file"), ("b", "seen"), ("c", "of the file")]
    merged = merged_notes([(name, as_note(note)) for name, note in notes], 3)
    assert [note_sentence(note) for note in merged] == ["of the file", "a, b: seen"]
