"""Every command block of the README, the tutorial and the how-to guides runs as written, page by page."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from .stage import Stage

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"

_BLOCK = re.compile(r"^( *)```(bash|console)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)

_STARTER = "civility train starter --data train.csv --model tiny-bert --set data.max_length=32 --out runs/starter"
_BASELINE = "civility train fast --data train.csv --out runs/baseline"
# What a reader has already done when a page begins.
BEFORE = {
    "README.md": (_STARTER,),
    "docs/index.md": (),
    "docs/tutorial/first-classifier.md": (_STARTER,),
    "docs/how-to/read-your-files.md": (),
    "docs/how-to/audit.md": (),
    "docs/how-to/train.md": (),
    "docs/how-to/preflight-checks.md": (),
    "docs/how-to/resume.md": ("civility train baseline --data train.csv",),
    "docs/how-to/speed-and-memory.md": (),
    "docs/how-to/read-a-report.md": (_BASELINE,),
    "docs/how-to/thresholds.md": (_BASELINE,),
    "docs/how-to/bias-and-robustness.md": ("civility train fast --data civil.csv --out runs/civil",),
    "docs/how-to/compare.md": (
        "civility train fast --data train.csv --out runs/old",
        "civility train fast --data train.csv --out runs/new --set linear.c=2",
        "cp -r runs/new/classifier their-classifier",
    ),
    "docs/how-to/sweep.md": (),
    "docs/how-to/rare-labels.md": (),
    "docs/how-to/combine.md": (),
    "docs/how-to/score.md": (_BASELINE,),
    "docs/how-to/completion.md": (),
    "docs/reference/methods.md": (),
}
# The tiny run above stands for it: the real encoder takes minutes.
_TAKES_MINUTES = "civility train starter"
# What only an NVIDIA GPU can do.
_NEEDS_GPU = "training.precision=tf32"
# A requirement that the tiny models of this test may not meet: the exit code is 3, and the report is written.
_MAY_FAIL = "--require"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("stage"))
    yield made
    made.close()


def blocks_of(page: Path) -> list[str]:
    """Return the scripts of a page in order: of a console block, the commands after its prompts."""
    blocks = []
    for _, kind, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        lines = textwrap.dedent(text).splitlines()
        if kind == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        if lines:
            blocks.append("\n".join(lines))
    return blocks


def has_cuda() -> bool:
    """Whether there is a GPU that torch can use."""
    import torch

    return torch.cuda.is_available()


@pytest.mark.parametrize("page", BEFORE)
def test_every_block_of_a_page_runs(stage: Stage, page: str) -> None:
    stage.enter(Path(page).stem)
    for script in (*BEFORE[page], *blocks_of(ROOT / page)):
        if script == _TAKES_MINUTES or (_NEEDS_GPU in script and not has_cuda()):
            continue
        done = stage.run(script)
        expected = (0, 3) if _MAY_FAIL in script else (0,)
        assert done.returncode in expected, f"{page}:\n{script}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"


def test_a_block_that_fails_is_noticed(stage: Stage) -> None:
    """The control: exit codes and output of every part of a block come back."""
    stage.enter("control")
    assert stage.run("civility train baseline --data missing.csv\necho reached").returncode == 2
    done = stage.run("civility recipes | grep -c starter")
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert stage.run("no-such-program").returncode == 127


def test_every_page_with_commands_is_run() -> None:
    """The explanation pages name commands on real data, which is not there."""
    pages = [ROOT / "README.md", *DOCS.rglob("*.md")]
    with_blocks = {str(page.relative_to(ROOT)) for page in pages if blocks_of(page)}
    assert with_blocks - set(BEFORE) <= {str(page.relative_to(ROOT)) for page in (DOCS / "explanation").glob("*.md")}
    assert set(BEFORE) <= with_blocks
    assert sum(len(blocks_of(ROOT / page)) for page in BEFORE) >= 50
