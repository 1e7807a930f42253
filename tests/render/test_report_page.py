"""The page as a file: complete, safe from hostile names and texts, and drawn from the report alone."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from civility.documents.behaviour_report import Example, LabelErrorsShown
from civility.documents.note import as_note
from civility.documents.report import Report
from civility.plain_text import as_script, visible
from civility.render.charts import label_charts, palette
from civility.render.charts.svg_files import plots
from civility.render.html import to_html
from civility.render.html.page import macros
from civility.render.markdown.report_markdown import to_markdown
from civility.render.numbers import cut_point, fixed, percent, signed
from civility.render.sentences.report_sentences import (
    FEW_TEMPLATES,
    OF_THE_SAMPLE,
    UNKNOWN_GROUPS,
    VERDICT_WORDS,
    not_chosen,
    optimism,
)

from ..evaluation.synthetic import LABELS, empty_report, label_report, make_report

HOSTILE = (
    "</script><script>window.hacked=1</script>",
    "\"><img src=x onerror='window.hacked=1'>",
    "]]><!-- ' & @@script@@ {style}",
    "\u202egnp.exe\x00\x1b[31m\ud800\u2028",
    "a label " + "with a very long name " * 20,
)


class _Reader(HTMLParser):
    """Elements with their attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] in {"script", "style"} and data.strip():
            self.inside.append(data)

    def every(self, *tags: str) -> Iterator[dict[str, str | None]]:
        return (attributes for tag, attributes in self.elements if tag in tags)


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(600)


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return to_html(report)


def with_texts(report: Report, texts: tuple[str, ...]) -> Report:
    """Return the report with these words as name, files, notes, ids and texts."""
    examples = tuple(Example.model_construct(id=text, text=text, score=0.9, target=0.0) for text in texts)
    shown = LabelErrorsShown.model_construct(false_positives=examples, false_negatives=examples)
    return report.model_copy(
        update={
            "name": texts[0],
            "notes": tuple(map(as_note, texts)),
            "data": report.data.model_copy(update={"files": texts, "digest": texts[1]}),
            "errors": dict.fromkeys(report.labels, shown),
            "undefined": dict.fromkeys(texts, "no_positive"),
            "suites": {text: suite for text in texts for suite in report.suites.values()},
            "slices": {text: part for text in texts for part in report.slices.values()},
            "templates": {
                text: part.model_copy(update={"source": text}) for text in texts for part in [report.bias] if part
            },
        }
    )


def test_the_page_depends_on_the_document_alone(report: Report, page: str) -> None:
    assert to_html(Report.parse(report.to_json(), "report.json")) == page
    assert to_html(report.model_copy(update={"name": "another"})) != page


def test_sections_and_navigation_agree(page: str) -> None:
    read = _Reader(page)
    sections = [attributes["id"] for attributes in read.every("section")]
    assert [attributes["href"] for attributes in read.every("a")][1:] == [f"#{key}" for key in sections]
    assert (
        sections
        == (
            "summary explorer training ranking reliability scores together bias robustness suites slices errors method"
        ).split()
    )


def test_sections_without_numbers_are_left_out() -> None:
    read = _Reader(to_html(empty_report()))
    sections = [attributes["id"] for attributes in read.every("section")]
    assert sections == ["summary", "explorer", "ranking", "scores", "method", "undefined"]


def test_undefined_numbers_are_dashes_with_their_reason() -> None:
    page = to_html(empty_report())
    dashes = re.findall(r'<span class="missing" title="([^"]*)">\u2013<span class="hush"> ([^<]*)</span>', page)
    assert ("no positive comment among 1",) * 2 in dashes
    assert ("undefined for every label",) * 2 in dashes
    assert "None" not in page
    assert "nan" not in re.sub(r"[a-z]+nan|nan[a-z]+", "", page)


def test_verdicts_and_optimism_read_as_everywhere(report: Report, page: str) -> None:
    assert optimism(report) in page
    assert optimism(report) not in to_html(report.model_copy(update={"optimistic": ()}))
    words = {numbers.verdict for numbers in report.labels.values()}
    assert {word for word, means in VERDICT_WORDS.items() if f"</span> {means}</li>" in html.unescape(page)} == words


def test_a_threshold_not_chosen_from_data_is_named_at_the_top(report: Report, page: str) -> None:
    warning = str(escape(not_chosen(report.not_chosen_from_data)))
    assert page.index(warning) < page.index("</header>")
    assert warning not in to_html(report.model_copy(update={"not_chosen_from_data": ()}))


def _without_texts(report: Report) -> Report:
    def bare(examples: tuple[Example, ...]) -> tuple[Example, ...]:
        return tuple(example.model_copy(update={"text": ""}) for example in examples)

    shown = {
        label: LabelErrorsShown(
            false_positives=bare(found.false_positives), false_negatives=bare(found.false_negatives)
        )
        for label, found in report.errors.items()
    }
    suites = {
        key: suite.model_copy(
            update={"functions": tuple(one.model_copy(update={"wrong": bare(one.wrong)}) for one in suite.functions)}
        )
        for key, suite in report.suites.items()
    }
    return report.model_copy(update={"errors": shown, "suites": suites})


def test_a_report_without_texts_has_nothing_to_show(report: Report, page: str) -> None:
    bare = to_html(_without_texts(report))
    assert 'class="unveil"' not in bare
    assert 'class="text"' not in bare
    assert "Texts may be foul" not in bare
    assert "holds no texts" in bare
    assert "c00003" in bare
    assert bare.count('<li class="bare">') == page.count('class="unveil"') > 0
    assert "holds no texts" not in page


def test_cautions_are_on_the_page_and_in_markdown(report: Report, page: str) -> None:
    for written in (html.unescape(page), to_markdown(report)):
        for caution in (OF_THE_SAMPLE, UNKNOWN_GROUPS, FEW_TEMPLATES):
            assert written.count(caution) == 1
    without = html.unescape(to_html(report.model_copy(update={"bias": None, "templates": {}, "robustness": None})))
    assert not any(caution in without for caution in (OF_THE_SAMPLE, UNKNOWN_GROUPS, FEW_TEMPLATES))


def test_robustness_says_how_many_texts_changed(report: Report, page: str) -> None:
    assert "strength 0.2, 97 % changed" in page
    assert "strength 0.2, 97 % changed" in plots(report)["robustness"]
    assert "31 %" in page
    assert page.count('title="it changed no text"') == 2, "an invariance that changed no text has no numbers"
    assert "| `Unicode NFC` | 0% | - | - |" in to_markdown(report)
    assert "| `Unicode NFD` | 31% | 0.042 | 0.13% |" in to_markdown(report)


def test_headings_descend_without_gaps(page: str) -> None:
    levels = [int(tag[1]) for tag, _ in _Reader(page).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_ids_are_unique_and_every_reference_has_a_target(page: str) -> None:
    read = _Reader(page)
    keys = [key for _, attributes in read.elements if (key := attributes.get("id"))]
    assert len(keys) == len(set(keys))
    pointed = [
        target.removeprefix("#")
        for _, attributes in read.elements
        for which in ("aria-controls", "aria-labelledby", "href")
        if (target := attributes.get(which))
    ]
    assert set(pointed) <= set(keys)


def test_every_picture_has_a_name_or_is_hidden(page: str) -> None:
    pictures = list(_Reader(page).every("svg"))
    assert len(pictures) > 40
    for attributes in pictures:
        assert attributes.get("aria-hidden") == "true" or (
            attributes.get("role") == "img" and attributes.get("aria-label")
        )


def test_tables_have_captions_and_heads_have_scopes(page: str) -> None:
    assert page.count("<table") == page.count("<caption>")
    assert all(attributes.get("scope") in {"col", "row"} for attributes in _Reader(page).every("th"))


def test_the_policy_runs_only_what_is_in_the_file(page: str) -> None:
    read = _Reader(page)
    (policy,) = [
        attributes["content"] or ""
        for attributes in read.every("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    style, script = (re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL) for tag in ("style", "script"))
    assert style
    assert script
    for kind, found in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert not any("style" in attributes or "onclick" in attributes for _, attributes in read.elements)


def test_page_asks_for_nothing_from_elsewhere(page: str) -> None:
    read = _Reader(page)
    assert not list(read.every("img", "link", "iframe", "object", "embed", "base"))
    assert not [attributes for _, attributes in read.elements if "src" in attributes]
    assert "url(" not in page
    assert "@import" not in page
    assert not re.search(r"https?://", page)


def test_hostile_names_and_texts_add_no_element(report: Report) -> None:
    labels = [*HOSTILE, "harmless"]
    plain = to_html(with_texts(make_report(300, [f"label {i}" for i in range(6)]), ("a", "b", "c", "d", "e")))
    page = to_html(with_texts(make_report(300, labels), HOSTILE))
    # Only shortened names have a title, so titles may differ.
    kinds = [[tag for tag, _ in _Reader(written).elements if tag != "title"] for written in (plain, page)]
    assert kinds[0] == kinds[1]
    assert not any(key.startswith("on") for _, attributes in _Reader(page).elements for key in attributes)
    assert "\x00" not in page
    assert "\u202e" not in page
    assert "\u27e8U+202E\u27e9gnp.exe" in page
    page.encode("utf-8")


def _explorer_data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="explorer-data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.mark.parametrize(
    ("policy", "budget"),
    [("bands(f1, review<=25 per 1000)", 25), ("precision>=0.8", 12.4), ("", 12.4), ("what nobody knows", 12.4)],
)
def test_a_review_budget_is_that_of_the_policy_or_the_current_load(policy: str, budget: float) -> None:
    report = make_report(200, ["toxic", "insult"])
    banded = report.labels["toxic"].model_copy(update={"policy": policy, "review_per_1000": 12.34})
    page = to_html(report.model_copy(update={"labels": report.labels | {"toxic": banded}}))
    bands = [label["review"] for label in _explorer_data(page)["labels"]]
    assert bands[0]["budget"] == budget
    assert bands[1] is None


def test_comments_above_a_review_threshold_off_the_curve_are_counted() -> None:
    scores, targets = np.arange(400) / 400, np.arange(400) >= 300
    numbers = label_report(targets, scores, 0.5, banded=True)
    assert numbers.review_threshold == 0.25
    thinned = numbers.curve.model_copy(
        update={
            key: tuple(
                value
                for value, at in zip(values, numbers.curve.thresholds, strict=True)
                if at in (0, 1, 0.5) or at > 0.6
            )
            for key, values in numbers.curve
        }
    )
    report = make_report(200)
    label = numbers.model_copy(update={"curve": thinned})
    data = _explorer_data(to_html(report.model_copy(update={"labels": {"toxic": label}, "explorer": None})))
    assert data["labels"][0]["review"] == {"reach": (scores >= 0.25).sum(), "place": 0, "budget": 25}


def test_the_explorer_has_the_labels_as_they_are(report: Report) -> None:
    labels = list(HOSTILE[:3])
    page = to_html(make_report(200, labels))
    data = _explorer_data(page)
    assert [label["name"] for label in data["labels"]] == labels


@given(
    st.recursive(
        st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
    )
)
def test_json_reads_back_and_cannot_end_its_script(value: object) -> None:
    written = as_script(value)
    assert json.loads(written) == value
    assert not set(written) & set("<>&\u2028\u2029")
    assert written.isascii()


@given(st.text())
def test_names_are_safe_in_elements_and_attributes(text: str) -> None:
    read = _Reader(macros().name(text))
    ((tag, attributes),) = read.elements
    assert tag == "bdi"
    assert set(attributes) == {"class", "title"}
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\u202a-\u202e\u2066-\u2069]", visible(text))


def test_numbers_round_as_javascript_rounds() -> None:
    # Exact halves, which Python's own formatting takes to the even digit.
    assert [fixed(value, 3) for value in (0.0625, 0.1875, 0.5, 2 / 3)] == ["0.063", "0.188", "0.500", "0.667"]
    assert f"{0.0625:.3f}" == "0.062"
    assert fixed(1234.25, 1) == "1,234.3"
    assert fixed(-0.25, 1) == "\u22120.3"
    assert fixed(-0.0001) == "0.000"
    assert fixed(None) == "\u2013"
    assert signed(0.25) == "+0.250"
    assert [cut_point(value) for value in (0.5, 1.0, 0.0, 0.12345)] == ["0.5", "1", "0", "0.1235"]
    assert percent(0.000001) == "<0.1 %"


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_enough_contrast(dark: bool) -> None:
    colours = palette.variables(dark)
    for ground in ("page", "paper", "faint", "wash"):
        for text in ("ink", "muted", "blue", "orange", "green", "purple"):
            assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for kind in ("share", "harm"):
        steps = palette.steps(kind, dark)
        assert all(_contrast(ground, text) >= 4.5 for ground, text in steps), kind
        lights = [_luminance(ground) for ground, _ in steps]
        assert lights == sorted(lights, reverse=not dark)
    assert _contrast("#777777", "#ffffff") < 4.5


def test_page_of_many_comments_is_small() -> None:
    page = to_html(make_report(64_000))
    assert len(page.encode()) < 3_000_000


def test_plots_are_complete_files(report: Report) -> None:
    found = plots(report)
    assert set(found) == set(
        "quality roc precision-recall scores reliability training-loss training-roc-auc co-occurrence-targets "
        "co-occurrence-decisions bias bias-templates-1 robustness suite-1".split()
    )
    for written in found.values():
        root = ET.fromstring(written)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.findtext("{http://www.w3.org/2000/svg}title")
        assert "var(" not in written
        assert "nan" not in written
        pointed = {key.removeprefix("#") for part in root.iter() if (key := part.get("href"))}
        assert pointed <= {part.get("id") for part in root.iter()}


def test_plots_of_hostile_names_are_complete() -> None:
    hostile = with_texts(make_report(200, [*HOSTILE, "harmless"]), HOSTILE)
    for written in plots(hostile).values():
        root = ET.fromstring(written)
        assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    assert set(plots(empty_report())) == {"quality", "roc", "precision-recall", "scores"}


def test_drawn_curves_go_through_the_threshold_in_use() -> None:
    random = np.random.default_rng(0)
    scores = random.random(400).round(3)
    numbers = label_report(random.random(400) < scores, scores, 0.4)
    place = label_charts.place_in_use(numbers)
    assert numbers.curve.thresholds[place] == 0.4
    assert numbers.curve.true_positives[place] == numbers.true_positives
    assert "0.4" in label_charts.thresholds(LABELS[0], numbers).description
