"""How a sweep is shown: the page, opened in Chromium if it is installed, the Markdown, the terminal."""

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from civility.documents.sweep_result import SweepResult, TrialEnd
from civility.render.html.sweep_page import to_html
from civility.render.markdown.sweep_markdown import to_markdown
from civility.render.sentences.sweep_sentences import next_steps, verdict
from civility.render.terminal.sweep_tables import SweepDisplay, table

from .synthetic import make_result

PROGRAM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), "")


def of(result: SweepResult, **changes: Any) -> SweepResult:
    return result.model_copy(update=changes)


def closer(result: SweepResult, low: float, high: float) -> SweepResult:
    """Return the result with another interval of its best trial."""
    best = result.ranked[0].number
    trials = [t.model_copy(update={"low": low, "high": high}) if t.number == best else t for t in result.trials]
    return of(result, trials=tuple(trials))


def test_the_best_of_many_is_called_optimistic_and_held_against_its_interval() -> None:
    result = make_result()
    best, second = (one.best or 0.0 for one in result.ranked[:2])
    words = " ".join(verdict(closer(result, best - 0.02, best + 0.02)))
    assert "is the best of 19 finished trials, chosen on the 15,958 validation comments" in words
    assert "winner's curse" in words
    assert f"The second best is {best - second:.4f} behind" in words
    assert "this sweep does not show which of them is better" in words
    # The control: an interval that leaves the second best outside.
    words = " ".join(verdict(closer(result, best - (best - second) / 2, best + 0.001)))
    assert "outside the 95 % interval" in words
    assert "does not show which of them is better" not in words


def test_luck_is_what_the_best_of_so_many_draws_is_ahead_by() -> None:
    import numpy as np

    result = closer(make_result(), 0.98 - 1.959964 * 0.002, 0.98 + 1.959964 * 0.002)
    assert result.standard_error == pytest.approx(0.002)
    drawn = np.random.default_rng(0).normal(0, 0.002, (20_000, result.num_tried)).max(axis=1).mean()
    assert result.luck == pytest.approx(drawn, rel=0.02)
    assert result.luck != pytest.approx(
        np.random.default_rng(0).normal(0, 0.002, (20_000, 5)).max(axis=1).mean(), rel=0.1
    )


def test_luck_counts_what_was_pruned_and_leaves_seeds_out() -> None:
    result = make_result()
    best, second = result.ranked[:2]
    pruned = [
        one.model_copy(update={"state": "pruned"}) if one.number == second.number else one for one in result.trials
    ]
    other = of(result, trials=tuple(pruned))
    assert other.num_tried == result.num_tried
    assert (other.luck, other.ranked[0]) == (result.luck, best)
    words = " ".join(verdict(result))
    assert f"If all {result.num_tried} that finished or were pruned were equally good, the choice of comments" in words
    assert "other seeds may still change the order" in words


def test_a_loss_is_better_where_it_is_lower() -> None:
    result = make_result()
    falling = of(result, metric="loss")
    assert falling.ranked == tuple(reversed(result.ranked))
    assert "validation loss" in to_markdown(falling)


def test_the_commands_that_tell_trials_apart_are_named() -> None:
    result = make_result()
    first = [f"sweeps/first/trials/{one.number:04d}" for one in result.ranked[:5]]
    assert next_steps(result, "sweeps/first")[0] == "civility compare " + " ".join(first)
    assert next_steps(result, "my sweep")[1] == "civility train 'my sweep/best.toml' --seeds 3"
    assert next_steps(make_result(0)) == []


def test_seeds_are_not_recommended_for_a_linear_model() -> None:
    result = of(make_result(), recipe={"model.name": "tf-idf"})
    assert next_steps(result, "linear")[1] == "civility train linear/best.toml --folds 5"
    best = result.ranked[0].best or 0.0
    for low in (0.0, best - 1e-9):
        assert "seed" not in " ".join(verdict(closer(result, low, best + 0.001)))


@pytest.mark.parametrize("num", [0, 1, 2, 30])
def test_markdown_and_page_have_every_trial(num: int) -> None:
    result = make_result(num)
    markdown, page = to_markdown(result), to_html(result)
    for trial in result.trials:
        assert f"| {trial.number:04d} |" in markdown
        assert f'<th scope="row">{trial.number:04d}</th>' in page
    rows = [line for line in markdown.splitlines() if line.startswith("| ") and "|---" not in line]
    assert len({line.count("|") for line in rows if re.match(r"\| (\d{4}|trial)", line)}) <= 1, "a ragged table"
    assert ("No trial has finished yet" in page) == (num == 0)


def test_what_users_name_does_no_harm_in_a_page() -> None:
    hostile = "<script>alert(1)</script>"
    result = make_result(12)
    trials = tuple(t.model_copy(update={"why": TrialEnd(code="error", text=hostile)}) for t in result.trials)
    page = to_html(of(result, name=hostile, trials=trials))
    assert hostile not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        yield found
        found.close()


def opened(browser: Any, file: Path, html: str, **options: Any) -> tuple[Any, list[str]]:
    """Open a page from a file; return it and what went wrong in it."""
    file.write_text(html, encoding="utf-8")
    page, troubles = browser.new_context(**options).new_page(), []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(file.as_uri())
    return page, troubles


@pytest.mark.chromium
@pytest.mark.skipif(not PROGRAM, reason="no chromium, chromium-browser or google-chrome is installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_chromium(browser: Any, tmp_path: Path, scheme: str) -> None:
    result = make_result()
    page, troubles = opened(browser, tmp_path / "page.html", to_html(result), color_scheme=scheme)
    assert troubles == []
    assert page.locator("#trials tbody tr").count() == len(result.trials)
    first = page.locator("#trials tbody tr").first.inner_text()
    assert first.startswith(f"{result.ranked[0].number:04d}")
    assert page.locator("svg.chart").count() == 4
    shown = [one for one in result.trials if one.best is not None and one.state != "unfinished"]
    assert page.locator("#parallel svg path").count() == len(shown)
    stroke = 'document.querySelector("#parallel .main.orange") && getComputedStyle(document.querySelector("#parallel '
    stroke += '.main.orange")).stroke'
    assert page.evaluate(stroke) == {"light": "rgb(184, 71, 0)", "dark": "rgb(243, 154, 99)"}[scheme]
    wide = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert wide, "the page scrolls sideways"
    page.context.close()


@pytest.mark.chromium
@pytest.mark.skipif(not PROGRAM, reason="no chromium, chromium-browser or google-chrome is installed")
def test_troubles_of_a_page_are_seen(browser: Any, tmp_path: Path) -> None:
    """The control: what the page's policy forbids is noticed."""
    foreign = to_html(make_result(2)).replace("</body>", "<script>window.x=1</script></body>")
    page, troubles = opened(browser, tmp_path / "page.html", foreign)
    assert troubles
    page.context.close()


def printed(*results: SweepResult) -> str:
    """Return the log of a sweep that has these states, one after the other."""
    out = io.StringIO()
    display = SweepDisplay(Console(file=out, width=100, highlight=False, markup=False, soft_wrap=True))
    for result in results:
        display.show(result)
    display.close()
    return out.getvalue()


def test_a_log_has_a_line_for_each_thing_that_is_new() -> None:
    result = make_result()
    before = of(result, trials=result.trials[:9])
    log = printed(before, before, of(result, trials=result.trials[:10]))
    assert log.splitlines() == [
        "  9 of 40 trials: 8 finished, 1 failed",
        *(line for line in log.splitlines() if line.startswith("  trial 0009")),
    ]
    assert "trial 0009   learning_rate=" in log
    assert "trial 0009   epoch 1/4   0.9478" in log
    assert "trial 0009   pruned: after epoch 1 of 4" in log
    assert "trial 0000" not in log, "a trial from before is printed again"


def test_what_is_left_is_of_waiting_trials_and_of_those_under_way() -> None:
    result = make_result()
    took = [one.seconds for one in result.trials if one.state in ("finished", "pruned")]
    known = [seconds for seconds in took if seconds is not None]
    assert result.seconds_left == pytest.approx(10 * sum(known) / len(known) + 340)
    assert make_result(0).seconds_left is None


def test_the_table_has_what_is_under_way_first_and_marks_the_best() -> None:
    result, out = make_result(), io.StringIO()
    Console(file=out, width=100).print(table(result))
    lines = out.getvalue().splitlines()
    assert "30 of 40 trials: 19 finished, 7 pruned, 3 failed, 1 running" in lines[0]
    assert "learning_rate · epochs · layer_decay · loss" in lines[1]
    first, second = lines[2:4]
    assert "0029" in first
    assert "0:05:40" in first
    assert "running" in first
    assert "1 unfinished" in to_markdown(result)
    assert f"{result.ranked[0].number:04d}" in second
    assert "0.9843 *" in second
    assert "and 16 more" in out.getvalue()


def test_trials_without_epochs_have_no_curve_of_them() -> None:
    result = make_result()
    assert "By epoch" in to_html(result)
    without = to_html(of(result, trials=tuple(one.model_copy(update={"scores": {}}) for one in result.trials)))
    assert "By trial" in without
    assert "By epoch" not in without


def test_trials_that_drew_the_same_settings_are_mentioned() -> None:
    result = make_result()
    assert "drew the same settings" not in " ".join(verdict(result))
    first, second = result.ranked[:2]
    same = second.model_copy(update={"settings": first.settings})
    trials = tuple(same if one.number == second.number else one for one in result.trials)
    assert "of 19, 18 differ" in " ".join(verdict(of(result, trials=trials)))
