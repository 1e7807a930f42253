"""Where a command trains, how its run begins, and by which recipe."""

from pathlib import Path

import pytest

from civility.recipe import Recipe
from civility.run import RunDirectory
from civility.training.launch import choose_place, choose_recipe


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def place(*, resume: str = "no", restart: bool = False, out: str = "") -> tuple[str, str]:
    run, begin = choose_place("recipes/starter.toml", out, resume, restart=restart)  # type: ignore[arg-type]
    return run.path.as_posix(), begin


def test_the_next_free_name_is_numbered() -> None:
    assert place() == ("runs/starter", "new")
    Path("runs/starter").mkdir(parents=True)
    Path("runs/starter-2").write_text("")
    assert place() == ("runs/starter-3", "new")
    assert place(out="elsewhere") == ("elsewhere", "new")
    several, _ = choose_place("starter", "", "no", restart=False, ending="-seeds")
    assert several.path == Path("runs/starter-seeds")


def test_the_newest_run_is_resumed_or_restarted() -> None:
    assert place(resume="auto") == ("runs/starter", "new")
    assert place(resume="yes") == ("runs/starter", "resume")
    for name in ("starter", "starter-2"):
        (Path("runs") / name / "checkpoints").mkdir(parents=True)
    assert place(resume="auto") == place(resume="yes") == ("runs/starter-2", "resume")
    assert place(restart=True) == ("runs/starter-2", "restart")
    assert place(resume="auto", out="runs/empty") == ("runs/empty", "new")


def test_a_resumed_run_keeps_its_recipe_and_gives_another_one_its_comments() -> None:
    before = RunDirectory(Path("runs/first"))
    own = Recipe.load("baseline", {"data.files": ["a.csv"], "data.validation": ["b.csv"], "seed": 7})
    before.create()
    before.recipe_file.write_text(own.to_toml())
    assert choose_recipe("", {}, before) == own
    assert choose_recipe("", {"seed": 8}, before).seed == 8
    named = choose_recipe("strong", {"seed": 8}, before)
    assert named == Recipe.load("strong", {"data.files": ["a.csv"], "data.validation": ["b.csv"], "seed": 8})
    with_files = choose_recipe("strong", {"data.files": ["c.csv"]}, before)
    assert with_files == Recipe.load("strong", {"data.files": ["c.csv"]}), "the control: it has comments of its own"
    assert (
        choose_recipe("", {}, None) == choose_recipe("", {}, RunDirectory(Path("nowhere"))) == Recipe.load("baseline")
    )
