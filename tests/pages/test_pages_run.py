"""Every command block of the README and the how-to pages runs as written, in order, in one folder."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from .stage import Stage

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "docs" / "how-to.md"]

_BLOCK = re.compile(r"^( *)```bash\n(.*?)^ *```", re.DOTALL | re.MULTILINE)

# What a reader has already done or has lying there when a page begins.
_BEFORE = {
    "README.md": (
        "civility train starter --data train.csv --model tiny-bert --set data.max_length=32 --out runs/starter",
        "civility train fast --data train.csv --out runs/other",
    ),
    "how-to.md": (
        "civility train baseline --data train.csv",
        "civility train fast --data civil.csv --out runs/old",
        "civility train fast --data civil.csv --out runs/new --set linear.c=1",
        "civility evaluate runs/old --data civil.csv --groups male female",
        "cp -r runs/new/classifier their-classifier",
    ),
}
# What only an NVIDIA GPU can do.
_NEEDS_GPU = "training.precision=tf32"
# A requirement that the tiny models of this test cannot meet: 3 says so, and the report is written all the same.
_MAY_MISS = "--require"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path)
    yield found
    found.close()


def blocks_of(page: Path) -> list[str]:
    """Return the command blocks of a page, in order."""
    return [textwrap.dedent(found[2]) for found in _BLOCK.finditer(page.read_text(encoding="utf-8"))]


def has_cuda() -> bool:
    """Whether there is a GPU that torch can use."""
    import torch

    return torch.cuda.is_available()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_a_page_runs(stage: Stage, page: Path) -> None:
    for script in (*_BEFORE[page.name], *blocks_of(page)):
        if _NEEDS_GPU in script and not has_cuda():
            continue
        done = stage.run(script)
        expected = (0, 3) if _MAY_MISS in script else (0,)
        assert done.returncode in expected, f"{page.name}:\n{script}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"


def test_a_block_that_fails_is_seen(stage: Stage) -> None:
    """The control: exit codes and output of every part of a block come back."""
    assert stage.run("civility train baseline --data missing.csv\necho reached").returncode == 2
    done = stage.run("civility recipes | grep -c starter")
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert stage.run("no-such-program").returncode == 127


def test_the_pages_have_blocks() -> None:
    assert all(len(blocks_of(page)) >= 8 for page in PAGES)
