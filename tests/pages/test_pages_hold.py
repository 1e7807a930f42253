"""What the documentation says exists, exists: links, files and folders of the source, pages that messages name."""

import re
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
