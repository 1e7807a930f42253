"""Python that comes with a model folder is never run, whatever is typed on the terminal."""

import io
import json
import shutil
from pathlib import Path

import pytest

from ..conftest import forget_digests
from .conftest import Run, quick

_HELD_OUT = "civility:starter/held-out"
_CODE = """
from pathlib import Path
Path({marker!r}).touch()
from transformers import BertConfig as Config
from transformers import BertForSequenceClassification as Model
from transformers import BertTokenizerFast as Tokenizer
"""


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that appears when the folder's code has run."""
    return tmp_path / "the-code-has-run"


@pytest.fixture
def stranger(trained: Path, tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A classifier folder of an architecture that only its own Python knows, and a user who answers yes."""
    folder = tmp_path / "stranger"
    shutil.copytree(trained / "classifier", folder)
    for name, auto_map in (
        ("config.json", {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}),
        ("tokenizer_config.json", {"AutoTokenizer": ["own.Tokenizer", "own.Tokenizer"]}),
    ):
        settings = json.loads((folder / name).read_text(encoding="utf-8"))
        settings |= {"auto_map": auto_map, "tokenizer_class": "Unheard"}
        if name == "config.json":
            settings |= {"model_type": "unheard-of"}
        (folder / name).write_text(json.dumps(settings), encoding="utf-8")
    forget_digests(folder)  # a stranger's folder holds none, or those of what it brings
    (folder / "own.py").write_text(_CODE.format(marker=str(marker)), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 50))
    return folder


COMMANDS = {
    "train": ("train", "starter", "--data", _HELD_OUT, "--out", "run", "--model", "STRANGER", *quick()),
    "check": ("train", "starter", "--data", _HELD_OUT, "--check", "--model", "STRANGER", *quick()),
    "audit-model": ("audit", _HELD_OUT, "--out", "audit", "--model", "STRANGER"),
    "audit-with": ("audit", _HELD_OUT, "--out", "audit", "--with", "STRANGER"),
    "predict": ("predict", "STRANGER", "--data", _HELD_OUT, "--out", "scores.csv"),
    "evaluate": ("evaluate", "STRANGER", "--data", _HELD_OUT, "--out", "report"),
    "ensemble": ("ensemble", "STRANGER", "TRAINED", "--data", _HELD_OUT, "--out", "ensemble"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_code_of_a_model_folder_is_never_run(
    civility: Run,
    stranger: Path,
    trained: Path,
    marker: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"STRANGER": stranger, "TRAINED": trained}
    done = civility(*(places.get(word, word) for word in COMMANDS[name]))
    assert not marker.exists()
    assert "Do you wish to run" not in done.out + done.err
    assert done.code == 2, done.err
    assert "civility never runs such code" in done.words
