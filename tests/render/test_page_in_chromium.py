"""The page in a real headless Chromium, opened from a file; its explorer is checked against counts made here."""

import base64
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from civility.documents.label_report import LabelReport
from civility.documents.report import Report
from civility.errors import UserError
from civility.metrics.policy import Policy, parse_policies
from civility.render.charts.svg_files import plots
from civility.render.html import to_html
from civility.render.numbers import cut_point, fixed, signed

from ..evaluation.synthetic import empty_report, label_report, make_report
from .test_report_page import HOSTILE, with_texts

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

_PROGRAM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(_PROGRAM is None, reason="no chromium, chromium-browser or google-chrome is installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # Containers that run as root have no sandbox; the page is ours.
        found = playwright.chromium.launch(executable_path=_PROGRAM, args=["--no-sandbox"])
        yield found
        found.close()


@dataclass
class Opened:
    """A page opened from a file, with its errors and requests."""

    page: Any
    troubles: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).inner_text())

    def stats(self, part: str) -> dict[str, str]:
        """Return the numbers of a panel by key."""
        script = """(part) => Object.fromEntries([...document.querySelectorAll(`${part} [data-stat]`)].map(
            (cell) => [cell.dataset.stat, cell.querySelector(".now").textContent]))"""
        found: dict[str, str] = self.page.evaluate(script, part)
        return found

    def slide(self, label: int, place: int) -> None:
        self.page.locator(f'.panel[data-label="{label}"] input').fill(str(place))

    def settle(self) -> None:
        """Wait until the page has been drawn."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def open_page(browser: Any, file: Path, **options: Any) -> Opened:
    page = browser.new_context(**options).new_page()
    opened = Opened(page)
    page.on("console", lambda message: opened.troubles.append(message.text))
    page.on("pageerror", lambda error: opened.troubles.append(str(error)))
    page.on("request", lambda request: opened.requests.append(request.url))
    page.goto(file.as_uri())
    return opened


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(500)


@pytest.fixture(scope="module")
def file(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(report, tmp_path_factory.mktemp("page"))


def write(report: Report, folder: Path) -> Path:
    file = folder / "report.html"
    file.write_text(to_html(report), encoding="utf-8")
    return file


@pytest.fixture
def opened(browser: Any, file: Path) -> Iterator[Opened]:
    found = open_page(browser, file)
    yield found
    assert found.troubles == []
    assert found.requests == [file.as_uri()]
    found.page.context.close()


def test_errors_are_seen(browser: Any, tmp_path: Path, file: Path) -> None:
    """The control of every test here: breaking the policy of the page leaves an error."""
    broken = tmp_path / "broken.html"
    foreign = '<script>window.hacked=1</script><img src="https://example.invalid/x.png" alt=""></body>'
    broken.write_text(file.read_text(encoding="utf-8").replace("</body>", foreign), encoding="utf-8")
    opened = open_page(browser, broken)
    assert len(opened.troubles) == 2
    assert opened.page.evaluate("window.hacked") is None
    opened.page.context.close()


def test_explorer_starts_at_the_thresholds_in_use(opened: Opened, report: Report) -> None:
    for i, numbers in enumerate(report.labels.values()):
        panel = f'.panel[data-label="{i}"]'
        assert opened.text(f"{panel} output") == cut_point(numbers.threshold)
        assert opened.stats(panel) == {
            "precision": fixed(numbers.precision.value),
            "recall": fixed(numbers.recall.value),
            "f1": fixed(numbers.f1.value),
            "false_positive_rate": fixed(numbers.false_positive_rate.value, 4),
            "flagged_per_1000": fixed(numbers.flagged_per_1000.value, 1),
            "load": "none",
            **({} if numbers.review_threshold is None else _review(numbers.review_per_1000, 0)),
        }
    found = report.any_label
    assert opened.stats("#any") == {
        "flagged_per_1000": fixed(found.flagged_per_1000.value, 1),
        "precision": fixed(found.precision.value),
        "recall": fixed(found.recall.value),
        "load": "none",
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _review(load: float | None, change: float) -> dict[str, str]:
    """Return the numbers of a band for review as a panel has them."""
    return {"review_per_1000": fixed(load, 1), "review_load": signed(change, 1) if change else "none"}


def _review_at(numbers: LabelReport, place: int) -> dict[str, str]:
    """Count the comments between review threshold and a place; the review threshold may lie between two places."""
    if numbers.review_threshold is None or numbers.review_per_1000 is None:
        return {}
    known = numbers.num_positive + numbers.num_negative
    flagged = numbers.curve.true_positives[place] + numbers.curve.false_positives[place]
    used = numbers.true_positives + numbers.false_positives
    load = max(0.0, numbers.review_per_1000 + 1000 * (used - flagged) / known)
    change = load - numbers.review_per_1000
    return _review(load, 0 if abs(change) < 1e-9 else change)


def _check_label(opened: Opened, report: Report, i: int, place: int) -> None:
    """Compare a panel with counts of the label's curve."""
    numbers, panel = list(report.labels.values())[i], f'.panel[data-label="{i}"]'
    true, false = numbers.curve.true_positives[place], numbers.curve.false_positives[place]
    known = numbers.num_positive + numbers.num_negative
    flagged = 1000 * (true + false) / known
    change = flagged - (numbers.flagged_per_1000.value or 0)
    assert opened.text(f"{panel} output") == cut_point(numbers.curve.thresholds[place])
    assert opened.stats(panel) == {
        "precision": fixed(_ratio(true, true + false)),
        "recall": fixed(_ratio(true, numbers.num_positive)),
        "f1": fixed(_ratio(2 * true, numbers.num_positive + true + false)),
        "false_positive_rate": fixed(_ratio(false, numbers.num_negative), 4),
        "flagged_per_1000": fixed(flagged, 1),
        "load": signed(change, 1) if change else "none",
        **_review_at(numbers, place),
    }


def _check_any(opened: Opened, report: Report, places: list[int]) -> None:
    """Compare the numbers of any label with a count over all comments."""
    assert report.explorer
    target = np.frombuffer(base64.b64decode(report.explorer.any_target), dtype=np.uint8)
    raw = np.frombuffer(base64.b64decode(report.explorer.buckets), dtype=np.uint8)
    buckets = raw.reshape(len(places), -1)
    flagged = (buckets > np.array(places)[:, None]).any(axis=0)
    true, false = int((flagged & (target == 1)).sum()), int((flagged & (target == 0)).sum())
    known = int((target != 2).sum())
    shown = opened.stats("#any")
    assert shown["precision"] == fixed(_ratio(true, true + false))
    assert shown["recall"] == fixed(_ratio(true, int((target == 1).sum())))
    assert shown["flagged_per_1000"] == fixed(1000 * (true + false) / known, 1)


def test_explorer_counts_at_every_kind_of_place(opened: Opened, report: Report) -> None:
    lasts = [len(numbers.curve.thresholds) - 1 for numbers in report.labels.values()]
    random = np.random.default_rng(1)
    for places in ([0] * len(lasts), lasts, *([int(random.integers(last)) for last in lasts] for _ in range(4))):
        for i, place in enumerate(places):
            opened.slide(i, place)
        opened.settle()
        for i, place in enumerate(places):
            _check_label(opened, report, i, place)
        _check_any(opened, report, places)


def test_buckets_agree_with_the_curve(report: Report) -> None:
    """The control of the counts above: both ways of counting a label agree, and a wrong place is noticed."""
    assert report.explorer
    raw = np.frombuffer(base64.b64decode(report.explorer.buckets), dtype=np.uint8).reshape(len(report.labels), -1)
    numbers = report.labels["threat"]
    row = raw[list(report.labels).index("threat")]
    counted = [int((row > place).sum()) for place in range(len(numbers.curve.thresholds))]
    curve = [a + b for a, b in zip(numbers.curve.true_positives, numbers.curve.false_positives, strict=True)]
    assert counted == curve
    assert counted[1:] != curve[:-1]


def test_keys_move_a_slider_and_reset_brings_it_back(opened: Opened, report: Report) -> None:
    slider = opened.page.locator('.panel[data-label="1"] input')
    start = int(slider.input_value())
    slider.focus()
    slider.press("ArrowLeft")
    slider.press("ArrowLeft")
    slider.press("ArrowDown")
    assert int(slider.input_value()) == start - 3
    _check_label(opened, report, 1, start - 3)
    assert "precision" in slider.get_attribute("aria-valuetext")
    opened.slide(0, 0)
    opened.page.locator('.panel[data-label="1"] [data-back]').click()
    assert int(slider.input_value()) == start
    opened.page.locator("#reset").click()
    opened.settle()
    test_explorer_starts_at_the_thresholds_in_use(opened, report)


def test_dragging_over_the_chart_moves_the_slider_under_the_pointer(opened: Opened, report: Report) -> None:
    chart = opened.page.locator('.panel[data-label="2"] .explorer')
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    opened.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 40)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    opened.page.mouse.up()
    last = len(report.labels["obscene"].curve.thresholds) - 1
    place = int(opened.page.locator('.panel[data-label="2"] input').input_value())
    assert abs(place - last / 2) <= 1
    here = opened.page.locator('.panel[data-label="2"] .here').bounding_box()
    assert abs(here["x"] + here["width"] / 2 - (box["x"] + box["width"] / 2)) < 3


def test_the_policy_can_be_copied(opened: Opened, report: Report) -> None:
    opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    place = len(report.labels["threat"].curve.thresholds) // 2
    opened.slide(3, place)
    opened.settle()
    opened.page.select_option("#policy-by", "recall")
    words = shlex.split(opened.text("#policy"))
    assert words[:-1] == ["civility", "thresholds", "TARGET", "--data", "FILE", "--policy"]
    clauses = dict(clause.split(": ") for clause in words[-1].split("; "))
    assert list(clauses) == list(report.labels)
    numbers = report.labels["threat"]
    recall = numbers.curve.true_positives[place] / numbers.num_positive
    assert clauses["threat"].endswith(", review<=25 per 1000)")
    least = clauses["threat"].removeprefix("bands(recall>=").split(",")[0]
    assert recall - 0.001 < float(least) <= recall
    opened.page.locator('[data-copy="policy"]').click()
    opened.page.wait_for_function("document.getElementById('copied').textContent")
    copied = opened.page.evaluate("navigator.clipboard.readText()")
    assert copied == opened.page.locator("#policy").text_content()


@pytest.mark.parametrize("kind", ["precision", "recall", "fpr", "flagged"])
def test_a_policy_from_any_end_of_the_sliders_can_be_run(opened: Opened, report: Report, kind: str) -> None:
    lasts = [len(numbers.curve.thresholds) - 1 for numbers in report.labels.values()]
    opened.page.select_option("#policy-by", kind)
    for places in ([0] * len(lasts), lasts, [last * (i % 2) for i, last in enumerate(lasts)]):
        for i, place in enumerate(places):
            opened.slide(i, place)
        opened.settle()
        policies = parse_policies(shlex.split(opened.text("#policy"))[-1], list(report.labels))
        assert list(policies) == list(report.labels)
        for numbers, place, policy in zip(report.labels.values(), places, policies.values(), strict=True):
            assert policy.review == (25 if numbers.review_threshold is not None else None)
            flagged = numbers.curve.true_positives[place] + numbers.curve.false_positives[place]
            known = numbers.num_positive + numbers.num_negative
            if policy.kind == "flagged":
                assert 0 <= policy.bound - 1000 * flagged / known < 0.1 + 1e-9
            assert policy.kind in (kind, "flagged")
            if kind in ("precision", "recall") and flagged:
                share = numbers.curve.true_positives[place] / (flagged if kind == "precision" else numbers.num_positive)
                assert (policy.kind == kind) == (share >= 0.1), "a smaller bound lets a threshold flood the queue"
            if kind == "flagged":
                assert policy.kind == kind


def test_a_flooded_label_gets_a_bound_on_comments_flagged(browser: Any, tmp_path: Path) -> None:
    """One positive comment of 200, found among the 130 highest: its precision of 0.008 is too low to aim for."""
    report = make_report(200, ["alive", "flooded"])
    scores, targets = np.linspace(0, 1, 200), np.arange(200) == 70
    flooded = label_report(targets, scores, float(scores[70]), banded=False)
    assert (flooded.true_positives, flooded.false_positives) == (1, 129)
    report = report.model_copy(update={"labels": report.labels | {"flooded": flooded}, "explorer": None})
    opened = open_page(browser, write(report, tmp_path))
    opened.page.select_option("#policy-by", "precision")
    policies = parse_policies(shlex.split(opened.text("#policy"))[-1], list(report.labels))
    assert policies == {**policies, "flooded": Policy("flagged", 650)}


def test_a_dead_label_does_not_spoil_the_policies_of_others(browser: Any, tmp_path: Path) -> None:
    """No positive comment scores above its threshold: precision and recall are 0, which no policy accepts."""
    report = make_report(200, ["alive", "dead"])
    scores, targets = np.linspace(0, 1, 200), np.arange(200) < 20
    dead = label_report(targets, scores, 0.5, banded=True)
    assert (dead.precision.value, dead.recall.value) == (0, 0)
    with pytest.raises(UserError, match="out of range"):
        parse_policies("dead: recall>=0", ["dead"])
    report = report.model_copy(update={"labels": report.labels | {"dead": dead}, "explorer": None})
    opened = open_page(browser, write(report, tmp_path))
    for kind in ("precision", "recall"):
        opened.page.select_option("#policy-by", kind)
        policies = parse_policies(shlex.split(opened.text("#policy"))[-1], list(report.labels))
        assert policies["alive"].kind == kind
        assert policies["dead"] == Policy("flagged", 500, 25)
    assert opened.troubles == []
    opened.page.context.close()


def test_the_band_for_review_follows_the_slider(opened: Opened, report: Report) -> None:
    numbers = report.labels["toxic"]
    assert numbers.review_threshold is not None
    panel = '.panel[data-label="0"]'
    band = opened.page.locator(f"{panel} .for-review")
    wide = float(band.get_attribute("width"))
    assert wide > 0
    assert f"review from {cut_point(numbers.review_threshold)}" in opened.text(f"{panel} .at")
    start = numbers.curve.thresholds.index(numbers.threshold)
    opened.slide(0, start + 10)
    assert float(band.get_attribute("width")) > wide
    assert opened.stats(panel)["review_load"].startswith("+")
    opened.slide(0, 0)
    assert float(band.get_attribute("width")) == 0
    assert opened.stats(panel)["review_per_1000"] == "0.0"
    assert opened.page.locator('.panel[data-label="1"] .for-review').count() == 0


def test_names_of_labels_come_through_the_shell(browser: Any, tmp_path: Path) -> None:
    labels = ["it's; rm -rf", 'a: "quoted"', "plain name"]
    opened = open_page(browser, write(make_report(200, labels), tmp_path))
    policy = shlex.split(opened.text("#policy"))[-1]
    assert policy.startswith('"it\'s; rm -rf": bands(precision>=')
    assert '; "a: \\"quoted\\"": ' in policy
    assert "; plain name: " in policy
    assert list(parse_policies(policy, labels)) == labels
    opened.page.context.close()


def test_texts_are_hidden_until_asked_for(opened: Opened, report: Report) -> None:
    text = report.errors["insult"].false_positives[2].text
    body = opened.page.locator("body")
    assert text not in body.inner_text()
    assert text not in body.aria_snapshot()
    item = opened.page.locator("#errors li", has_text=text)
    button = item.locator("button")
    assert button.get_attribute("aria-expanded") == "false"
    button.focus()
    button.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    assert body.inner_text().count(text) == 1
    assert text in body.aria_snapshot()
    other = report.errors["insult"].false_positives[1].text
    assert other not in body.inner_text()
    button.press("Space")
    assert text not in body.inner_text()
    opened.page.locator("#show-all").check()
    assert other in body.inner_text()
    opened.page.emulate_media(media="print")
    assert other not in body.inner_text()
    opened.page.emulate_media(media="screen")
    opened.page.locator("#show-all").uncheck()
    assert other not in body.inner_text()


def test_every_picture_is_named_in_the_accessibility_tree(opened: Opened) -> None:
    hidden = '[aria-hidden="true"]'
    assert opened.page.locator(f"svg:not({hidden})").count() > 40
    unnamed = opened.page.locator(f'svg:not({hidden}):not([role="img"][aria-label]:not([aria-label=""]))')
    assert unnamed.count() == 0
    snapshot = opened.page.locator("#ranking").aria_snapshot()
    assert "ROC curve of toxic" in snapshot


def test_nothing_scrolls_sideways_on_a_phone(browser: Any, file: Path) -> None:
    opened = open_page(browser, file, viewport={"width": 390, "height": 844})
    opened.page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
    wide = opened.page.locator(".scroll:has(.heat.bias)").first
    assert wide.evaluate("(box) => box.scrollWidth > box.clientWidth"), "the control: a wide table scrolls in its box"
    opened.page.context.close()


def test_the_summary_of_labels_with_bands_fits_a_desk(browser: Any, file: Path) -> None:
    opened = open_page(browser, file, viewport={"width": 1440, "height": 900})
    box = opened.page.locator("#summary .scroll").first
    assert "review\u2264" in box.inner_text()
    assert box.evaluate("(box) => box.scrollWidth <= box.clientWidth")
    opened.page.context.close()


def test_dark_mode_and_print_have_their_own_ground(browser: Any, file: Path) -> None:
    opened = open_page(browser, file)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = opened.page.evaluate(ground)
    opened.page.emulate_media(color_scheme="dark")
    dark = opened.page.evaluate(ground)
    opened.page.emulate_media(media="print")
    printed = opened.page.evaluate(ground)
    assert (light, dark, printed) == ("rgb(251, 250, 247)", "rgb(21, 24, 27)", "rgb(255, 255, 255)")
    assert not opened.page.locator("nav").is_visible()
    assert not opened.page.locator(".panel input").first.is_visible()
    assert opened.page.locator("#training table").is_visible()
    opened.page.context.close()


def test_without_javascript_everything_but_the_explorer_is_there(browser: Any, file: Path, report: Report) -> None:
    opened = open_page(browser, file, java_script_enabled=False)
    assert "The explorer needs JavaScript" in opened.text("#explorer")
    assert opened.page.locator(".panel input").first.is_disabled()
    assert opened.stats('.panel[data-label="0"]')["recall"] == fixed(report.labels["toxic"].recall.value)
    assert not opened.page.locator("#scores .plain").first.is_visible()
    opened.page.get_by_label("plain, each side its own").check()
    assert opened.page.locator("#scores .plain").first.is_visible()
    assert opened.troubles == []
    opened.page.context.close()


def test_hostile_names_run_nothing(browser: Any, tmp_path: Path) -> None:
    labels = [*HOSTILE[:3], "\u202egnp.exe", "\u0645\u0631\u062d\u0628\u0627"]
    report = with_texts(make_report(200, labels), HOSTILE)
    file = write(report, tmp_path)
    opened = open_page(browser, file)
    opened.page.locator("#show-all").check()
    opened.slide(0, 1)
    opened.settle()
    assert opened.page.evaluate("window.hacked") is None
    assert opened.page.locator("script").count() == 2
    assert opened.page.locator("img, iframe, object, embed").count() == 0
    assert HOSTILE[0] in opened.page.locator("#errors").inner_text()
    policies = parse_policies(shlex.split(opened.text("#policy"))[-1], labels)
    assert policies.keys() == set(labels)
    assert (opened.troubles, opened.requests) == ([], [file.as_uri()])
    opened.page.set_viewport_size({"width": 390, "height": 844})
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
    opened.page.context.close()


def test_many_labels(browser: Any, tmp_path: Path) -> None:
    labels = [f"label {i}" for i in range(64)]
    report = make_report(120, labels)
    opened = open_page(browser, write(report, tmp_path))
    opened.slide(63, 1)
    opened.settle()
    _check_label(opened, report, 63, 1)
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.troubles == []
    opened.page.context.close()


def test_almost_nothing_is_defined(browser: Any, tmp_path: Path) -> None:
    opened = open_page(browser, write(empty_report(), tmp_path))
    assert opened.page.locator("#any").count() == 0
    assert "too many comments for this report" in opened.text("#explorer")
    opened.slide(0, 0)
    assert opened.stats(".panel")["recall"] == "\u2013"
    assert opened.stats(".panel")["flagged_per_1000"] == "1,000.0"
    opened.page.locator("#reset").click()
    assert opened.stats(".panel")["flagged_per_1000"] == "0.0"
    assert opened.troubles == []
    opened.page.context.close()


def test_plots_open_as_files(browser: Any, report: Report, tmp_path: Path) -> None:
    for name, written in plots(report).items():
        file = tmp_path / f"{name}.svg"
        file.write_text(written, encoding="utf-8")
    opened = open_page(browser, tmp_path / "roc.svg")
    assert opened.page.evaluate("document.documentElement.getBBox().width") > 500
    line = opened.page.evaluate("getComputedStyle(document.querySelector('.main')).stroke")
    assert line == "rgb(0, 96, 156)"
    assert opened.troubles == []
    opened.page.context.close()


_OUTSIDE = """() => {
    const width = screen.width, wider = (box) => box.scrollWidth > box.clientWidth + 1, outside = [];
    for (const number of document.querySelectorAll(".num, .between, .stats dd, .digest, td, th")) {
        const box = number.getBoundingClientRect();
        if (!box.width || number.closest(".shapes, .hush, thead")) continue;
        const scrolls = number.closest(".scroll");
        const left = scrolls ? scrolls.scrollWidth - scrolls.clientWidth : 0;
        if (box.right - left > width + 1) outside.push(number.textContent);
        if (scrolls && left && getComputedStyle(scrolls).overflowX !== "auto") outside.push(number.textContent);
    }
    return {overflows: document.documentElement.scrollWidth > width, outside,
            cut: [...document.querySelectorAll(".summary")].some((one) => wider(one.parentNode))};
}"""


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_every_number_can_be_reached_on_any_screen(browser: Any, tmp_path: Path, report: Report, width: int) -> None:
    """Compare with the width of the screen: a phone widens the page itself if anything in it is too wide."""
    digest = "sha256:" + "0123456789abcdef" * 4
    report = report.model_copy(update={"name": "a_run_with_a_long_name_" * 3})
    report = report.model_copy(update={"data": report.data.model_copy(update={"digest": digest})})
    screen = {"width": width, "height": 800}
    opened = open_page(browser, write(report, tmp_path), viewport=screen, screen=screen, is_mobile=width < 700)
    assert opened.page.evaluate(_OUTSIDE) == {"overflows": False, "outside": [], "cut": False}
    rows = opened.page.locator(".summary tbody tr")
    shown = rows.first.inner_text()
    numbers = next(iter(report.labels.values()))
    for value in (numbers.precision, numbers.recall, numbers.f1, numbers.roc_auc, numbers.average_precision):
        assert fixed(value.value) in shown
    head = "getComputedStyle(document.querySelector('.summary td:last-child'), '::before').content"
    assert ("Average precision" in opened.page.evaluate(head)) == (width < 1152)
    opened.page.context.close()
