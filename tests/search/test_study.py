"""The study: which worker gets which trial, its settings, and the sweep it belongs to. No model is trained."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from civility.errors import UserError
from civility.search.space import Choices, Range, Search, Space
from civility.search.study import Study, open_study
from civility.search.sweep_directory import SweepDirectory

from ..refusals import refused

IDENTITY: dict[str, Any] = {
    "recipe": {"training.epochs": 3},
    "data": {"validation comments": "sha256:0123456789abcdef0123456789"},
}
RATE = Range("training.learning_rate", 1e-5, 1e-3, log=True, step=None, whole=False)
LOSS = Choices("training.loss", ("bce", "focal", "asymmetric"))
EPOCHS = Range("training.epochs", 1, 2, log=False, step=None, whole=True)


def space(sampler: str = "random", *dimensions: Range | Choices, **changes: Any) -> Space:
    return Space(Search.model_validate({"sampler": sampler, **changes}), dimensions or (RATE, LOSS))


@contextlib.contextmanager
def opened(folder: Path, what: Space, *, storage: str = "", identity: Any = IDENTITY) -> Iterator[Study]:
    directory = SweepDirectory(folder)
    directory.create()
    with open_study(directory, what, identity, rises=True, storage=storage) as study:
        yield study


def finish(study: Study, num_trials: int) -> int | None:
    """Claim a trial and end it with a score that is its number's; return that."""
    with study.claim(num_trials) as claim:
        if claim is None:
            return None
        claim.end("finished", 0.5 + 0.01 * claim.number)
        return claim.number


def settings(folder: Path, what: Space, num: int = 4) -> list[dict[str, Any]]:
    with opened(folder, what) as study:
        while finish(study, num) is not None:
            pass
        return [line.settings for line in study.lines()]


def test_a_study_has_as_many_trials_as_asked_and_more_when_more_are_asked(tmp_path: Path) -> None:
    with opened(tmp_path, space()) as study:
        assert [finish(study, 2) for _ in range(4)] == [0, 1, None, None]
    with opened(tmp_path, space()) as study:
        assert [finish(study, 3) for _ in range(2)] == [2, None]
        assert [line.number for line in study.lines()] == [0, 1, 2]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_draws_depend_on_the_seed_and_the_trial_and_not_on_interruptions(tmp_path: Path, sampler: str) -> None:
    whole = settings(tmp_path / "whole", space(sampler, random_trials=2))
    for num in range(1, 5):  # each trial by a worker of its own
        cut = settings(tmp_path / "cut", space(sampler, random_trials=2), num)
    assert cut == whole
    assert len({one["training.learning_rate"] for one in whole}) == 4, "the same was drawn again"
    assert settings(tmp_path / "other", space(sampler, random_trials=2, seed=1)) != whole


def test_two_workers_share_a_grid_without_a_point_twice(tmp_path: Path) -> None:
    grid = space("grid", EPOCHS, LOSS)
    with opened(tmp_path, grid) as one, opened(tmp_path, grid) as other:
        held = []
        with contextlib.ExitStack() as stack:
            for worker in (one, other, one, other, one, other):
                claim = stack.enter_context(worker.claim(6))
                assert claim is not None
                held.append(tuple(claim.settings.values()))
            assert stack.enter_context(one.claim(6)) is None
        assert sorted(held) == sorted((e, loss) for e in (1, 2) for loss in LOSS.values)


def test_a_trial_is_left_to_the_worker_that_holds_it_and_resumed_when_none_does(tmp_path: Path) -> None:
    with opened(tmp_path, space()) as one, opened(tmp_path, space()) as other:
        with one.claim(2) as claim:
            assert claim is not None
            assert claim.number == 0
            with other.claim(2) as second:
                assert second is not None
                assert second.number == 1, "a trial that somebody holds was taken"
                second.end("finished", 0.5)
        with other.claim(2) as again:
            assert again is not None
            assert again.number == 0, "an interrupted trial was not resumed"
            assert again.settings == claim.settings
            again.end("finished", 0.5)
        assert finish(one, 2) is None
        assert [line.state for line in one.lines()] == ["finished", "finished"]


def test_an_interrupted_trial_of_another_folder_is_left_alone(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    with opened(tmp_path / "here" / "sweep", space(), storage=storage) as here:
        with here.claim(2):
            pass
        with opened(tmp_path / "there" / "sweep", space(), storage=storage) as there:
            assert finish(there, 2) == 1
            assert finish(there, 2) is None
        assert finish(here, 2) == 0


def test_a_trial_belongs_to_its_folder_from_the_start(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    with (
        opened(tmp_path / "here" / "sweep", space(), storage=storage) as here,
        opened(tmp_path / "there" / "sweep", space(), storage=storage) as there,
    ):
        here._create()  # and nothing more: what a worker of another folder sees in between
        with there.claim(3) as claim:
            assert claim is not None
            assert claim.number == 1
        # The control: no worker resumes a trial that was asked for and has no folder yet.
        assert here._study.ask().number == 2
        assert finish(there, 3) == 1
        assert finish(there, 3) is None
        assert finish(here, 3) == 0


def test_one_trial_too_many_waits_until_more_are_wanted(tmp_path: Path) -> None:
    with opened(tmp_path, space()) as study:
        assert finish(study, 1) == 0
        # What happens where another folder's worker asks between our count and our asking.
        with contextlib.ExitStack() as stack, study.directory.alone():
            known = study._study.get_trials
            study._study.get_trials = lambda **options: []  # type: ignore[method-assign]
            assert study._new_trial(stack, 1) is None
            study._study.get_trials = known  # type: ignore[method-assign]
        assert len(study.lines()) == 1
        assert finish(study, 1) is None
        assert finish(study, 2) == 1
        assert [line.number for line in study.lines()] == [0, 1]


def test_a_folder_may_be_renamed(tmp_path: Path) -> None:
    with opened(tmp_path / "before", space()) as study:
        assert finish(study, 2) == 0
    (tmp_path / "before").rename(tmp_path / "after")
    with opened(tmp_path / "after", space()) as study:
        assert finish(study, 2) == 1


@pytest.mark.parametrize("name", ["is it?", "a b#c", "100%41", "käse", "a&b=c?uri=false", "it's"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with opened(folder, space()) as study:
        finish(study, 1)
    assert (folder / "study.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name], "the study lies beside its folder"


def test_a_run_that_the_study_does_not_know_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path, space()) as study:
        (tmp_path / "trials" / "0000").mkdir()
        (tmp_path / "trials" / "0000" / "recipe.toml").write_text("", encoding="utf-8")
        with refused("search.unknown-run", "0000: a run that the study does not know"):
            finish(study, 1)
        assert study.lines() == ()


def test_a_repeated_epoch_is_recorded_once(tmp_path: Path) -> None:
    with opened(tmp_path, space()) as study:
        with study.claim(1) as claim:
            assert claim is not None
            claim.report(1, 0.7)
        with study.claim(1) as again:
            assert again is not None
            again.report(1, 0.7)
            again.report(2, 0.6)
        (line,) = study.lines()
        assert line.scores == {1: 0.7, 2: 0.6}
        assert (line.best, line.best_epoch, line.state) == (0.7, 1, "unfinished")


def test_the_end_of_a_trial_fits_into_a_narrow_column_of_a_database(tmp_path: Path) -> None:
    with opened(tmp_path, space()) as study:
        with study.claim(1) as claim:
            assert claim is not None
            claim.end("failed", why={"code": "error", "text": "x" * 3000, "error_code": "training.failed-check"})
        why = study.lines()[0].why
    assert why is not None
    assert why.error_code == "training.failed-check"
    assert 1800 < len(why.model_dump_json()) < 2048


@pytest.mark.parametrize(("pruner", "pruned"), [("median", True), ("none", False)])
def test_a_trial_worse_than_half_is_pruned_after_the_warm_up(tmp_path: Path, pruner: str, pruned: bool) -> None:
    with opened(tmp_path, space(pruner=pruner, warmup_trials=2, warmup_epochs=2)) as study:
        for score in (0.8, 0.9):
            with study.claim(3) as claim:
                assert claim is not None
                assert not claim.report(1, score)
                assert not claim.report(2, score)
                claim.end("finished", score)
        with study.claim(3) as claim:
            assert claim is not None
            assert not claim.report(1, 0.1), "pruned in the warm-up"
            assert claim.report(2, 0.2) == pruned


def test_importance_names_the_setting_that_matters(tmp_path: Path) -> None:
    with opened(tmp_path, space("random", RATE, Range("loss.label_smoothing", 0.0, 0.2, False, None, False))) as study:
        for _ in range(7):
            finish(study, 7)
        assert study.importance() == ({}, "few_trials")
        for _ in range(9):
            with study.claim(16) as claim:
                assert claim is not None
                claim.end("finished", 1 - claim.settings["training.learning_rate"])
        shares, why = study.importance()
    assert why is None
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["training.learning_rate"] > 0.7


def refusal(folder: Path, what: Space, identity: Any) -> str:
    with refused("search.other-sweep") as caught, opened(folder, what, identity=identity):
        pass
    return caught.value.message


def test_a_study_of_another_sweep_is_refused_with_what_differs(tmp_path: Path) -> None:
    with opened(tmp_path, space()) as study:
        finish(study, 1)
    with opened(tmp_path, space()):
        pass  # the same sweep can be opened again
    other = {**IDENTITY, "recipe": {"training.epochs": 4, "training.loss": "bce"}}
    message = refusal(tmp_path, space(), other)
    assert "recipe: training.epochs was 3, and is 4 now" in message
    assert "recipe: training.loss was 'weighted_bce', and is 'bce' now" in message
    message = refusal(tmp_path, space(), {**IDENTITY, "data": {"validation comments": "sha256:f" + "0" * 40}})
    assert "data: validation comments was others (sha256:0123456789ab), and is others (sha256:f0000000" in message


def test_a_sweep_of_an_older_version_can_be_resumed_if_removed_settings_were_off(tmp_path: Path) -> None:
    def older(share: float) -> Any:
        recipe: Any = IDENTITY["recipe"]
        return {**IDENTITY, "recipe": {**recipe, "regularization.token_dropout": share}}

    for name, share in (("off", 0.0), ("on", 0.1)):
        with opened(tmp_path / name, space(), identity=older(share)) as study:
            finish(study, 1)
    with opened(tmp_path / "off", space()) as study:
        assert finish(study, 2) == 1
    message = refusal(tmp_path / "on", space(), IDENTITY)
    assert message.endswith("recipe: regularization.token_dropout was 0.1, and is 0 now")


def test_the_error_of_a_database_does_not_show_its_password(tmp_path: Path) -> None:
    for storage, part in (("nonsense", "not the URL of a supported database"), ("nosuch://me:secret@x/y", "nosuch")):
        with refused("search.bad-database", part) as caught, opened(tmp_path, space(), storage=storage):
            pass
        assert "secret" not in str(caught.value)
        assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("storage", ["{}", "{", "a}b", "{secret}://x"])
def test_braces_in_the_url_of_a_database_are_letters_like_any_other(tmp_path: Path, storage: str) -> None:
    wrong = "not the URL of a supported database"
    with refused("search.bad-database", wrong), opened(tmp_path / "other", space(), storage=storage):
        pass
    folder = tmp_path / storage.replace("/", "-")  # the name of a folder may have them too
    with opened(folder, space()) as study:
        finish(study, 1)
    assert (folder / "study.db").is_file()


def test_a_damaged_database_is_named_with_what_to_do(tmp_path: Path) -> None:
    with opened(tmp_path, space()) as study:
        finish(study, 1)
    file = tmp_path / "study.db"
    whole, page = file.read_bytes(), 4096
    errors = []
    for start in range(0, len(whole), page):
        file.write_bytes(whole[:start] + b"\xff" * page + whole[start + page :])
        try:
            with opened(tmp_path, space()) as study:
                study.lines()
                finish(study, 3)
        except UserError as error:
            errors.append(error)
    remedy = "put back an undamaged copy of the file, or start another sweep with another --out"
    assert {(error.code, error.where, error.remedy) for error in errors} == {("search.bad-database", str(file), remedy)}
    assert {error.found for error in errors} == {
        "damaged: file is not a database",
        "damaged: database disk image is malformed",
    }


def test_a_result_of_a_newer_version_is_never_replaced(tmp_path: Path) -> None:
    with opened(tmp_path, space()) as study:
        finish(study, 1)
    for text in ('{"schema": 99}', '{"schema_version": 99}'):
        (tmp_path / "sweep.json").write_text(text, encoding="utf-8")
        with refused("documents.newer", r"sweep\.json: written by a newer civility"):
            SweepDirectory(tmp_path).create()
    (tmp_path / "sweep.json").write_text("{", encoding="utf-8")
    SweepDirectory(tmp_path).create()  # the study has all that a damaged one had


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with refused("search.bad-folder", "not empty, and not the folder of a sweep"):
        SweepDirectory(tmp_path).create()
    with refused("search.bad-folder", "not a folder"):
        SweepDirectory(tmp_path / "notes.txt").create()
    assert SweepDirectory(tmp_path / "new").trials.name == "trials"
