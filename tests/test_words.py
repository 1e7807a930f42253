"""Searches the repository for phrases that a native speaker would not write."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "docs", "tests", "benchmarks", "examples")
FILES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "mkdocs.yml", "Makefile", ".ci/run", "pyproject.toml")
SUFFIXES = {".css", ".html", ".j2", ".jinja", ".js", ".md", ".py", ".sh", ".toml"}
NOT_OURS = ("src/civility/data/starter/", "tests/old_runs/")
"""The comments of the starter corpus, and files that older versions wrote."""

PHRASES = {
    r"\b(go|goes|going|gone|went) on with\b": "resume, continue",
    r"\bso many (?!that\b)(?=\w)": "N, this many",
    r"\bbut for\b|\ball but (?!one\b)": "except",
    r"(?<!here )\b(is|are|was) no (?!longer|more|less|better|worse|need|different|such|other|way|reason)\w": "is not a",
    r"\bmend(s|ed|ing)?\b": "fix, repair",
    r"(?<!def )(?<![._])\btell(s|ing)?\b(?!\()|\btold\b": "print, show, report, warn, say",
    # Not in the name of a record in older checkpoints.
    r"(?<!platform\.)(?<!tokenizers, )(?<!\"the )\bprocessors?\b(?!\(|\.\w)": "CPU",
    r"\bthaw(s|ed|ing)?\b": "unfreeze",
    r"\bof no (matter|meaning|use|effect)\b": "does not matter, has no effect",
    r"\b(for|to|by|of) who\b(?! in\b)": "for whoever",
    r"\bin the place of\b": "instead of",
    r"\b(is|are|was|were) (cut|to be had)\b|\bcut (at|off|where)\b": "truncated, interrupted",
    r"\bno such thing\b|\bwithout a word\b": "plain words",
    r"\bas if nothing had happened\b": "the result is identical",
}
"""Regular expressions, and words to use instead; section 6 of the design has the table."""


def texts() -> Iterator[tuple[str, str]]:
    """Yield the name and the content of each file that a person reads."""
    for path in [
        *(ROOT / name for name in FILES),
        *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*"))),
    ]:
        name = path.relative_to(ROOT).as_posix()
        is_ours = not name.startswith(NOT_OURS) and path != Path(__file__).resolve() and "__pycache__" not in name
        if is_ours and path.is_file() and (path.suffix in SUFFIXES or name in FILES):
            yield name, path.read_text(encoding="utf-8")


_MARKS = re.compile(r"^\s*(#+|//|/?\*+/?|[-+>|]|[rbf]?\"+)?\s*|\s*\"*,?\s*$")
"""What stands around the words of a line: marks of a comment, a list, a quotation or a string; spaces."""


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number of the first line, and the lines up to an empty one, without marks, joined by spaces."""
    first, lines = 1, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if words := _MARKS.sub("", line):
            lines.append(words)
        else:
            if lines:
                yield first, " ".join(lines)
            first, lines = number + 1, []


def found_in(name: str, paragraphs: Iterable[tuple[int, str]], pattern: re.Pattern[str], instead: str) -> list[str]:
    return [
        f"{name}:{number}: {match[0]!r}, say {instead}: {text[max(match.start() - 40, 0) : match.end() + 40]}"
        for number, text in paragraphs
        for match in pattern.finditer(text)
    ]


@pytest.fixture(scope="module")
def everything() -> dict[str, list[tuple[int, str]]]:
    return {name: list(paragraphs(text)) for name, text in texts()}


@pytest.mark.parametrize(("phrase", "instead"), PHRASES.items())
def test_no_text_has_the_phrase(everything: dict[str, list[tuple[int, str]]], phrase: str, instead: str) -> None:
    pattern = re.compile(phrase, re.IGNORECASE)
    found = [place for name, text in everything.items() for place in found_in(name, text, pattern, instead)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "sentence",
    [
        "A run that is gone on with.",
        "Train so many runs.",
        "All labels but for those with isotonic calibration.",
        "This is no run directory.",
        "What was mended is counted.",
        "The user is told.",
        "On two processors.",
        "Layers are thawed.",
        "This is of no use.",
        "A note for who resumes it.",
        "A folder in the place of a file.",
        "Longer comments are cut at 256 tokens.",
        "There is no such thing.",
        "It ends as if nothing had happened.",
    ],
)
def test_each_phrase_is_found(sentence: str) -> None:
    """The control: every pattern finds its phrase, and plain sentences have none."""
    found = [phrase for phrase in PHRASES if re.search(phrase, sentence, re.IGNORECASE)]
    assert len(found) == 1
    assert not any(re.search(phrase, "The command resumes an interrupted run.", re.IGNORECASE) for phrase in PHRASES)


@pytest.mark.parametrize(
    "text",
    [
        "A run that is gone\non with.",
        "# A run that is gone\n# on with.",
        '    """A run that is gone\n    on with."""',
        '    remedy="a run that is gone "\n    "on with",',
        "// A run that is gone\n// on with.",
        "- A run that is gone\n  on with.",
    ],
)
def test_a_phrase_is_found_over_two_lines(text: str) -> None:
    """The control: it is not found over an empty line."""
    pattern = re.compile(next(iter(PHRASES)), re.IGNORECASE)
    assert len(found_in("file", paragraphs(text), pattern, "")) == 1
    assert not found_in("file", paragraphs(text.replace("\n", "\n\n")), pattern, "")


def test_files_of_every_folder_are_searched() -> None:
    names = [name for name, _ in texts()]
    assert set(names) >= set(FILES)
    assert {name.split("/")[0] for name in names} >= {*FOLDERS}
    assert all((ROOT / folder).is_dir() for folder in NOT_OURS)
    assert len(names) > 400
