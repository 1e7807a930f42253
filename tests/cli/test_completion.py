"""The script of ``--print-completion``, run by a real bash: what the Tab key offers."""

import shutil
import subprocess
from pathlib import Path

import pytest

from civility.cli import main
from civility.recipe import shipped_recipes

_OFFERS = """
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_shtab_civility
printf '%s\\n' "${COMPREPLY[@]}"
"""


def _script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["--print-completion", shell])
    assert not stop.value.code
    return capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_offers_commands_recipes_files_and_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(_script("bash", capsys), encoding="utf-8")
    (tmp_path / "mine.toml").touch()
    (tmp_path / "runs").mkdir()

    def offers(*words: str) -> set[str]:
        command = ["bash", "--norc", "-c", _OFFERS, "bash", str(script), "civility", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        assert done.stderr == ""
        return {*done.stdout.split()}

    assert offers("t") == {"train", "thresholds"}
    assert offers("train", "") >= {*shipped_recipes(), "mine.toml"}
    assert offers("sweep", "st") == {"starter", "strong"}
    assert offers("train", "baseline", "--re") == {"--resume", "--restart"}
    assert offers("train", "baseline", "--data", "mi") == {"mine.toml"}
    assert offers("train", "baseline", "--out", "") == {"runs"}, "only folders"
    assert offers("ensemble", "--by", "") == {"scores", "ranks", "logits"}
    assert offers("sweep", "baseline", "--wor") == set(), "a hidden option"


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_are_offered_commands_and_recipes(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    script = _script(shell, capsys)
    for word in ("thresholds", "--resume", *shipped_recipes()):
        assert word in script
