"""What the documentation says exists, exists: links, files and folders of the source, pages that messages name."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
GENERATED = {"docs/reference/settings.md"}
"""Pages that messages name and that are made when the site is built."""
PAGES = ["README.md", "CONTRIBUTING.md", *(str(page.relative_to(ROOT)) for page in sorted(DOCS.rglob("*.md")))]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_outside_the_site_lead_somewhere(page: str) -> None:
    """MkDocs checks those inside."""
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_files_of_the_source_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?)`", text)
    places = (ROOT, ROOT / "src" / "civility", DOCS)
    assert [name for name in named if not any((place / name).exists() for place in places)] == []
    assert named or not page.endswith("architecture.md")


def test_pages_that_the_source_names_exist() -> None:
    sources = [path for folder in ("src", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.*")]
    named = {
        name
        for path in sources
        if path.suffix in (".py", ".toml")
        for name in re.findall(r"docs/[a-z/-]+\.md", path.read_text(encoding="utf-8"))
    }
    assert len(named) >= 5
    assert {name for name in named - GENERATED if not (ROOT / name).exists()} == set()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_every_preflight_check_is_explained() -> None:
    page = (DOCS / "how-to" / "preflight-checks.md").read_text(encoding="utf-8")
    folder = ROOT / "src" / "civility" / "training" / "preflight"
    names = {
        name
        for path in folder.glob("*.py")
        for name in re.findall(r"\boutcome\(\s*\"([a-z ]+)\"", path.read_text(encoding="utf-8"))
    }
    assert len(names) >= 20
    assert {name for name in names if f"| {name} |" not in page} == set()


ASSEMBLED = {
    *("The best epoch", "The thresholds were", "the calibration and", "comments per step"),
    *("read as one", "read as comma", "recall threshold positive"),
}
"""Phrases that the source puts together: what was chosen, counts, the kind of a file, the heads of columns."""


def printed_by_the_source() -> str:
    """Return the strings of the source with single spaces, without docstrings."""
    strings = []
    for path in (ROOT / "src").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                strings.append(" ".join(node.value.split()))
    return "\n".join(strings)


def phrases_of(page: str) -> set[str]:
    """Return the runs of three words and more in what a page says that commands print, each shortened to three."""
    blocks = re.findall(r"^```console\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if not line.startswith("$ ")]
    runs = [run for line in lines for run in re.split(r"[^a-zA-Z_ ]+| {2,}", line)]
    return {" ".join(run.split()[:3]) for run in runs if len(run.split()) >= 3}


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial/first-classifier.md"])
def test_phrases_of_the_output_that_a_page_shows_are_in_the_source(page: str) -> None:
    """Numbers and the user's names vary, these words do not. Training the starter for the test would take minutes."""
    phrases, source = phrases_of(page), printed_by_the_source()
    assert len(phrases) >= (20 if "tutorial" in page else 2)
    assert {phrase for phrase in phrases if phrase not in source} - ASSEMBLED == set()
    assert "threads as OMP_NUM_THREADS" not in source  # the control: the words of an older version


@pytest.mark.parametrize(
    ("text", "code"),
    [("[page](index.md#page)", 0), ("[page](nowhere.md)", 1), ("[page](index.md#nowhere)", 1)],
)
def test_dead_links_fail_the_build(tmp_path: Path, text: str, code: int) -> None:
    """By the options and the validation of `make docs`, on a site of one page."""
    build = re.search(r"mkdocs (build .*)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert build is not None
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    validation = settings[settings.index("\nvalidation:") :]
    (tmp_path / "mkdocs.yml").write_text(f"site_name: page\n{validation}", encoding="utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Page\n\n{text}\n", encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", *build[1].split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr
