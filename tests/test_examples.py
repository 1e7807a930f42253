"""Every script in examples/ runs, and does what its first line says."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(script: str, *arguments: str | Path) -> str:
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("examples") / "run"
    assert "trained on 160 comments" in run("train.py", path)
    return path


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"train.py", "score.py", "thresholds.py"}


def test_the_scores_of_a_table_are_columns_beside_it(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text\n1,thanks for your patch\n2,your patch is rubbish\n", encoding="utf-8")
    printed = run("score.py", trained, tmp_path / "in.csv", tmp_path / "out.csv")
    assert re.search(r"you are a fool \{'rude': '0\.\d{3}'\}", printed)
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["1", "2"]
    assert float(rows[0]["rude"]) < 0.5 < float(rows[1]["rude"])


def test_the_column_of_a_label_stays_beside_the_scores(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text,rude\n1,thanks for your patch,0\n", encoding="utf-8")
    run("score.py", trained, tmp_path / "in.csv", tmp_path / "out.csv")
    header = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == '"id","text","rude","rude score"'


@pytest.mark.parametrize("script", ["train.py", "score.py", "thresholds.py"])
def test_an_example_without_arguments_prints_how_to_call_it(script: str) -> None:
    done = subprocess.run([sys.executable, str(EXAMPLES / script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"usage: python examples/{script} ")
    assert len(done.stderr.splitlines()) == 1


def test_thresholds_are_chosen_and_decide(trained: Path, tmp_path: Path) -> None:
    rows = [f"{i},{'you fool' if i % 2 else 'thanks a lot'} {i},{i % 2}" for i in range(100)]
    (tmp_path / "labelled.csv").write_text("\n".join(["id,text,rude", *rows]) + "\n", encoding="utf-8")
    printed = run("thresholds.py", trained, tmp_path / "labelled.csv")
    assert "by precision>=0.9, met: True" in printed
    assert "thanks for your help: nothing flagged" in printed
    assert "you are a fool: rude" in printed
