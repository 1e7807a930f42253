"""What the README and the help promise."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import civility
from civility.cli.parser import build_parser
from civility.recipe import Recipe
from civility.scoring import Classifier, Ensemble
from civility.scoring.linear_model import LinearModel, Terms

from .conftest import Run

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("torch", "transformers", "accelerate", "sklearn", "pyarrow", "numpy", "pydantic", "rich")


def loaded_after(code: str) -> set[str]:
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name for name in HEAVY if name in done.stdout.split()}


def test_the_command_line_imports_nothing_heavy() -> None:
    assert loaded_after("import civility.cli") == set()
    assert loaded_after("from civility.cli.parser import build_parser; build_parser('0', ['--help'])") == set()
    assert loaded_after("import civility") == set()
    assert "torch" in loaded_after("import civility.models.encoder"), "the control: it is found when loaded"


def test_the_nouns_need_no_torch() -> None:
    nouns = "; ".join(f"civility.{name}" for name in civility.__all__)
    loaded = loaded_after(f"import civility; {nouns}; civility.Recipe.load('baseline')")
    assert not loaded & {"torch", "transformers", "accelerate", "sklearn"}


def test_scoring_loads_no_torch_and_no_table_reader(tmp_path: Path) -> None:
    heavy = {"torch", "transformers", "accelerate", "sklearn", "pyarrow"}
    assert not loaded_after("import civility.scoring") & {*heavy, "numpy", "pydantic"}
    terms = (Terms("word", 1, ("fool",), np.ones(1)),)
    model = LinearModel(("toxic", "threat"), terms, np.array([[2.0, 1.0]]), np.zeros(2))
    folder = tmp_path / "both"
    folder.mkdir()
    Classifier(Ensemble([Classifier(model), Classifier(model)])).save(folder, "")
    for place in (folder, folder / "members" / "1"):
        score = f"Classifier.load({str(place)!r}).score(['you fool'])"
        loaded = loaded_after(f"from civility.scoring import Classifier; assert {score}.shape == (1, 2)")
        assert "numpy" in loaded, "the control: it did score"
        assert not loaded & heavy


def test_the_nouns_are_importable() -> None:
    for name in civility.__all__:
        assert getattr(civility, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = civility.Nonsense


@pytest.mark.parametrize("command", ["", "train", "evaluate", "ensemble", "soup", "predict", "audit", "recipes"])
def test_help_is_there_for_every_command(civility: Run, command: str) -> None:
    done = civility(*([command] if command else []), "--help")
    assert done.code == 0
    assert done.out.startswith("usage: civility")
    assert max(map(len, done.out.splitlines())) <= 120


def test_the_shipped_recipes_are_listed_and_printed(civility: Run) -> None:
    listed = civility("recipes")
    assert [line.split()[0] for line in listed.out.splitlines()] == ["baseline", "fast", "starter", "strong"]
    assert max(map(len, listed.out.splitlines())) <= 80


def test_a_printed_recipe_is_a_file_to_train_by(civility: Run, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(civility("recipes", "strong").out, encoding="utf-8")
    assert Recipe.load(str(mine)) == Recipe.load("strong") != Recipe()
    # The same settings, without the opening and the reasons of the shipped file.
    assert tomllib.loads(civility("recipes", str(mine)).out) == tomllib.loads(mine.read_text(encoding="utf-8"))


def commands_of(page: Path) -> list[str]:
    blocks = re.findall(r"```(?:bash|console|sh)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    joined = "\n".join(blocks).replace("\\\n", " ")
    # Up to a pipe, a redirection or a comment; inside quotes these are part of a word, as in 'precision>=0.8'.
    found = re.findall(r"(?:^|^\$ |\| |-m )(civility (?:'[^'\n]*'|[^|#>'\n])*)", joined, re.MULTILINE)
    return [command.strip() for command in found]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_the_documents_parses(page: Path) -> None:
    for command in commands_of(page):
        words = shlex.split(command)[1:]
        if words[0].startswith("--"):  # prints, and exits
            with pytest.raises(SystemExit) as stop:
                build_parser("0").parse_args(words)
            assert not stop.value.code
        else:
            assert build_parser("0").parse_args(words).command


def test_the_readme_has_commands_to_parse() -> None:
    assert len(commands_of(ROOT / "README.md")) >= 5


def test_the_readme_names_every_folder() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    folders = {path.parent.name for path in (ROOT / "src" / "civility").glob("*/__init__.py")}
    assert {name for name in folders if f"`{name}/`" not in readme} == set()
    assert len(folders) > 10


def test_no_two_modules_and_no_two_classes_have_one_name() -> None:
    paths = [path for path in (ROOT / "src" / "civility").rglob("*.py") if path.stem not in ("__init__", "__main__")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    classes = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    modules = Counter(path.stem for path in paths)
    assert min(len(classes), len(modules)) > 100, "the control: they are found"
    assert [name for name, times in (classes + modules).items() if times > 1] == []
