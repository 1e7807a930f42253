"""What a terminal shows of reports, thresholds and comparisons: the user's names steer nothing and break no line."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from civility.cli.console import ScoringBar, make_console
from civility.cli.thresholds import print_thresholds
from civility.cli.training_display import print_checks
from civility.documents.comparison_result import ComparedRow, Comparison, Metric, Numbers, RowDifference, RunFacts
from civility.documents.note import Note, as_note
from civility.documents.report import Report
from civility.evaluation.choose_thresholds import ThresholdsSet
from civility.metrics.policy import parse_policy
from civility.metrics.threshold_search import Cuts, choose_threshold
from civility.plain_text import one_line
from civility.render.sentences.report_sentences import optimism_of
from civility.render.terminal.comparison_tables import print_comparison
from civility.render.terminal.report_tables import print_report
from civility.training.preflight import Check

from ..evaluation.synthetic import make_report

HOSTILE = ["\x1b[2J", "two\nlines", "\u202egnp", "bell\x07\x9b31m", "carriage\rreturn", "\ud800", "next\x85line"]
_STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _console(width: int = 100) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False, markup=False, soft_wrap=True)


def _printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _report(name: str) -> Report:
    report = make_report(200, [name, f"{name} 2"])
    suite, bias = report.suites["hatecheck"], report.bias
    assert bias is not None
    functions = tuple(one.model_copy(update={"function": name}) for one in suite.functions)
    groups = {f"{name} {i}": group for i, group in enumerate(bias.groups.values())}
    hostile = bias.model_copy(update={"source": name, "label": name, "groups": groups})
    return report.model_copy(
        update={
            "suites": {name: suite.model_copy(update={"functions": functions})},
            "bias": hostile,
            "templates": {name: hostile},
            "notes": (as_note(f"a note on {name}"),),
            "undefined": {f"labels.{name}.roc_auc": "no_positive"},
        }
    )


def _thresholds(name: str) -> ThresholdsSet:
    random = np.random.default_rng(0)
    targets = (random.random(200) < 0.2).astype(np.float32)
    scores = np.clip(0.5 * targets + 0.5 * random.random(200), 0, 1).astype(np.float32)
    # One with an empty band is said in words, behind its name.
    policy = parse_policy("bands(precision>=0.5, review<=0.1 per 1000)")
    choice = choose_threshold(policy, Cuts.of(targets, scores))
    return ThresholdsSet(
        {name: choice}, {f"{name} 2": 0.5}, 200, (), (name,), {name: "is none"}, Path(name), written=True
    )


def _comparison(name: str) -> Comparison:
    each = RowDifference(
        value=0.01,
        low=-0.01,
        high=0.03,
        p_value=0.4,
        verdict="not_shown",
        holds_for="settings",
        error_of_comments=0.01,
        error_of_seeds=None,
    )
    runs = tuple(
        RunFacts(name=f"{name}/{seed}", seed=seed, seconds=5000, was_interrupted=True, peak_memory=2**31)
        for seed in (1, 2)
    )
    rows = []
    for difference in (None, each, each.model_copy(update={"verdict": "worse", "holds_for": "classifiers"})):
        numbers = Numbers(values=(0.9, 0.8), mean=0.85, spread=0.07, difference=difference)
        metric = Metric(labels={name: numbers}, macro=numbers)
        rows.append(
            ComparedRow(name=name, runs=runs, settings={"data.files": name, "a.b": 0.5}, metrics={"f1": metric})
        )
    return Comparison(
        files=(name,),
        digest="sha256:0",
        num_comments=200,
        num_positive={name: 9},
        metrics=("f1",),
        rows=tuple(rows),
        num_verdicts=2,
        num_resamples=2000,
        seed=0,
        level=0.95,
        notes=(Note(code="single_runs", names=(name,)),),
    )


def _all_displays(name: str, width: int = 100) -> list[str]:
    consoles = [_console(width) for _ in range(3)]
    print_report(consoles[0], _report(name))
    print_thresholds(consoles[1], _thresholds(name))
    print_comparison(consoles[2], _comparison(name))
    return [_printed(console) for console in consoles]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_do_not_steer_the_terminal(name: str) -> None:
    for written in _all_displays(name):
        assert not _STEERS.search(written)
        assert "\ufffd" in written or " " in one_line(name)
        written.encode("utf-8")


def test_a_line_break_in_a_name_breaks_no_line() -> None:
    for plain, broken in zip(_all_displays("two lines"), _all_displays("two\nlines"), strict=True):
        assert broken == plain


def test_an_escape_that_is_let_through_is_seen() -> None:
    """The control: rich's text does not take it out."""
    console = _console()
    console.print("\x1b[2J\u202e")
    assert _STEERS.search(_printed(console))


def test_displays_fit_a_hundred_columns() -> None:
    for written in _all_displays("identity_hate"):
        assert max(map(len, written.splitlines())) <= 100


def test_one_line() -> None:
    assert one_line("\x1b[2J") == "\ufffd[2J"
    assert one_line("a\nb\r\nc\td\u2028e") == "a b c d e"
    assert one_line("\u202egnp") == "\ufffdgnp"
    assert one_line("schön ✓ \U0001f600") == "schön ✓ \U0001f600"


def test_a_comparison_marks_what_is_shown() -> None:
    written = _all_displays("toxic")[2]
    assert written.count("▼ worse*") == 2, "of the label and of the macro average"
    assert written.count("no difference shown") == 2
    assert "0.8500 ± 0.0700" in written
    assert "+0.0100 [-0.0100, +0.0300]" in written
    assert "> 1:23:20" in written
    assert "2.00 GiB" in written


def test_thresholds_say_what_was_chosen_here() -> None:
    written = " ".join(_all_displays("toxic")[1].split())
    assert optimism_of(("calibration", "thresholds")) in written
    assert optimism_of(()) == ""


def test_what_is_printed_is_shown_as_it_is_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    console = make_console()
    table = Table()
    table.add_column("[red]head:heart:\x1b[2J")
    table.add_row("[link=x]cell\x9b")
    console.print("\x1b]0;title\x07[bold]:heart:")
    console.print(table)
    console.print(Text("\u202etext"), style="bold")
    out = capsys.readouterr().out
    assert not _STEERS.search(out)
    for part in ("\ufffd]0;title[bold]:heart:", "[red]head:heart:\ufffd[2", "[link=x]cell\ufffd", "\ufffdtext"):
        assert part in out


@pytest.mark.parametrize("columns", ["0", "", "abc", "-5"])
def test_a_width_that_is_none_hides_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    make_console().print("macro ROC AUC")
    assert capsys.readouterr().out == "macro ROC AUC\n"


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_nothing_is_wider_than_the_terminal_and_no_number_is_cut(width: int) -> None:
    for written in _all_displays("severe_toxic", width):
        assert max(map(cell_len, written.splitlines())) <= width
        heads = [line for line in written.splitlines() if line.split()[:1] in (["label"], ["severe_toxic"], ["macro"])]
        assert heads
        assert not any("…" in line for line in heads)


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (120, "label verdict ROC AUC precision recall threshold positive"),
        (80, "label verdict ROC AUC precision recall positive"),
        (60, "label verdict ROC AUC precision recall positive"),
        (40, "label verdict ROC AUC"),
    ],
)
def test_a_narrow_terminal_shows_of_a_report_what_fits(width: int, heads: str) -> None:
    console = _console(width)
    print_report(console, make_report(200, ["toxic", "identity_hate"]))
    lines = _printed(console).splitlines()
    assert heads.split() in [line.split() for line in lines]
    row = next(line for line in lines if line.strip().startswith("toxic "))
    assert ("[" in row) == (width >= 80)


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_checks_fit_the_terminal(width: int) -> None:
    console = _console(width)
    found = "AUC in validation: severe_toxic ± 0.15 (4 positives), identity_hate ± 0.15 (4 positives)"
    labels = ("severe_toxic", "identity_hate")
    wide = {label: {"half_width": 0.15, "num": 4, "side": "positive"} for label in labels}
    facts = {"undefined": {}, "wide": wide, "widest": 0.15}
    print_checks(console, [Check("measurable labels", "warned", facts)], in_full=False)
    written = _printed(console)
    assert max(map(cell_len, written.splitlines())) <= width
    assert " ".join(found.split()) in " ".join(written.split())


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_the_bar_of_scoring_fits_with_the_time_left_and_is_not_full_before_the_first_comment(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, legacy_windows=False)
    bar = ScoringBar(console)
    bar.advance_in("a run with a long name, as runs can have", 1_024, 1_000_000)
    bar.stop()
    frames = [Text.from_ansi(frame).plain for frame in re.split("\r|\n|\x1b\\[2K|\x1b\\[1A", _printed(console))]
    first = next(frame for frame in frames if frame.strip())
    assert "loading" in first
    assert "━" not in first
    last = [frame for frame in frames if ("1,024/1,000,000" if width > 40 else "1,024") in frame]
    assert last
    assert all(frame.rstrip().endswith("left") for frame in last)
    assert max(map(cell_len, frames)) <= width


def test_lines_do_not_end_with_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    """Spaces inside a line and at its beginning stay."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("label")
    table.add_column("positive")
    table.add_row("toxic", "1")
    console = make_console()
    console.print(table)
    console.print("  two  words  \n  more  ")
    assert capsys.readouterr().out == "label  positive\ntoxic  1\n  two  words\n  more\n"
