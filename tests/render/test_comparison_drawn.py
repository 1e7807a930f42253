"""The picture and the Markdown of a comparison: complete, well-formed, and drawn from the document alone."""

import re
from xml.etree import ElementTree as ET

import pytest

from civility.documents.comparison_result import ComparedRow, Comparison, Metric, Numbers, RowDifference, RunFacts
from civility.documents.note import as_note
from civility.render.charts.comparison_picture import to_svg
from civility.render.markdown.comparison_markdown import to_markdown

HOSTILE = ("</svg><script>x</script>", "\"><img src=x onerror='x'>", "]]> & `a|b` [c](d)", "\u202egnp\x00\ud800\n# x")
_SVG = "{http://www.w3.org/2000/svg}"


def _numbers(value: float | None, verdict: str = "", *values: float) -> Numbers:
    difference = None
    if verdict:
        difference = RowDifference.model_validate(
            {
                "value": value,
                "low": None if verdict == "not measurable" else (value or 0) - 0.02,
                "high": None if verdict == "not measurable" else (value or 0) + 0.02,
                "p_value": 0.01,
                "verdict": verdict,
                "holds_for": "settings" if len(values) > 1 else "classifiers",
                "error_of_comments": 0.01,
                "error_of_seeds": 0.01,
            }
        )
    mean = None if value is None else 0.9 + (value if verdict else 0)
    return Numbers(values=values or (mean,), mean=mean, spread=0.01 if len(values) > 1 else None, difference=difference)


def _comparison(
    labels: tuple[str, ...] = ("toxic", "threat"), names: tuple[str, ...] = ("base", "bce", "focal")
) -> Comparison:
    verdicts = ("better", "worse", "not_shown")
    rows = []
    for place, name in enumerate(names):
        own = {
            label: _numbers(0.01 * place, verdicts[(place - 1 + i) % 3] if place else "", 0.9, 0.92)
            for i, label in enumerate(labels)
        }
        macro = _numbers(0.01 * place, "better" if place == 1 else "not_shown" if place else "", 0.89, 0.91)
        runs = tuple(RunFacts(name=f"{name}/seed-{seed}", seed=seed, seconds=70, peak_memory=2**30) for seed in (1, 2))
        settings = {"training.loss": name, "training.epochs": place}
        rows.append(
            ComparedRow(name=name, runs=runs, settings=settings, metrics={"roc_auc": Metric(labels=own, macro=macro)})
        )
    return Comparison(
        files=(),
        digest="sha256:0123456789abcdef",
        num_comments=2_400,
        num_positive=dict.fromkeys(labels, 90),
        metrics=("roc_auc",),
        rows=tuple(rows),
        num_verdicts=6,
        num_resamples=2_000,
        seed=0,
        level=0.95,
        notes=(as_note("a note"),),
    )


def _classes(root: ET.Element, tag: str) -> list[str]:
    return [element.get("class", "") for element in root.iter(f"{_SVG}{tag}")]


def test_the_picture_has_a_mark_for_every_number() -> None:
    found = _comparison()
    root = ET.fromstring(to_svg(found))
    shown = {"after": "better", "orange": "worse", "before": "not shown"}
    assert [shown[style.removeprefix("dot ")] for style in _classes(root, "circle")] == [
        *("better", "not shown"),
        *("better", "worse"),
        *("worse", "not shown"),
    ]
    assert _classes(root, "line").count("thin before") == 3 * 3 * 2, "a tick a run"
    assert len([style for style in _classes(root, "line") if "whisker wide" in style]) == 6
    single = found.rows[1].model_copy(
        update={
            "metrics": {"roc_auc": Metric(labels={}, macro=_numbers(0.01, "better"))},
            "runs": found.rows[1].runs[:1],
        }
    )
    alone = found.model_copy(update={"num_positive": {}, "rows": (found.rows[0], single)})
    assert [style for style in _classes(ET.fromstring(to_svg(alone)), "line") if "whisker" in style] == [
        "whisker after"
    ]
    assert _classes(root, "path") == ["mark"] * 3
    texts = ["".join(element.itertext()) for element in root.iter(f"{_SVG}text")]
    assert {"macro average", "toxic (90)", "threat (90)", "base (2 runs)", "loss=bce, epochs=1"} <= set(texts)
    description = root.findtext(f"{_SVG}desc") or ""
    assert description.startswith("bce, macro ROC AUC +0.0100 [-0.0100, +0.0300]: ▲ better.")


def test_everything_is_inside_the_picture() -> None:
    root = ET.fromstring(to_svg(_comparison(tuple(f"label number {i}" for i in range(9)), tuple("abcdefgh"))))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for element in root.iter():
        for key, most in (("x", width), ("x1", width), ("x2", width), ("cx", width), ("y", height), ("cy", height)):
            assert 0 <= float(element.get(key, 0)) <= most
    assert width < 1_200


def test_the_picture_has_colours_for_light_and_dark() -> None:
    style = ET.fromstring(to_svg(_comparison())).findtext(f"{_SVG}style") or ""
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    for part in (light, dark):
        assert re.search(r"\.ground \{ fill: #[0-9a-f]{6}; \}", part)
        assert ".dot.after" in part
        assert "var(" not in part
    assert light.count("{") == light.count("}")


def test_undefined_numbers_are_named_and_no_verdict_is_a_hollow_dot() -> None:
    found = _comparison(("toxic",), ("base", "bce"))
    row = found.rows[1]
    for numbers, word in ((_numbers(None, "not_measurable"), "undefined"), (_numbers(0.1, "not_measurable"), None)):
        metric = Metric(labels={"toxic": numbers}, macro=row.metrics["roc_auc"].macro)
        changed = found.model_copy(
            update={"rows": (found.rows[0], row.model_copy(update={"metrics": {"roc_auc": metric}}))}
        )
        root = ET.fromstring(to_svg(changed))
        texts = ["".join(element.itertext()) for element in root.iter(f"{_SVG}text")]
        assert ("undefined" in texts) == (word == "undefined")
        assert ("dot before" in _classes(root, "circle")) == (word is None)
        assert "not measurable" not in to_markdown(changed), "of a label the table has numbers and marks alone"


@pytest.mark.parametrize("name", HOSTILE)
def test_names_break_nothing(name: str) -> None:
    found = _comparison((name, "toxic"), ("base", name))
    root = ET.fromstring(to_svg(found))
    assert not list(root.iter(f"{_SVG}script"))
    lines = to_markdown(found).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert len(tables) == 2 * 4, "two tables of a head, a rule and two rows"
    assert not any(line.startswith("# x") for line in lines)
    to_markdown(found).encode("utf-8")


def test_the_markdown_has_rows_settings_and_verdicts() -> None:
    text = to_markdown(_comparison(), "comparison.svg")
    assert text.startswith(
        "# Comparison with base\n\n3 rows of 6 runs, on the same 2,400 comments (`sha256:0123456789ab`).\n"
    )
    assert "\n- a note\n" in text
    assert (
        "| | seeds | `training.loss` | `training.epochs` | macro ROC AUC | difference | | time | peak memory |"
        in text.replace("|  |", "| |")
    )
    assert (
        "| `bce` | 1, 2 | `bce` | `1` | 0.9100 ± 0.0100 | +0.0100 [-0.0100, +0.0300] | ▲ better | 0:01:10 | 1.00 GiB |"
        in text
    )
    assert "![Differences with intervals](<comparison.svg>)" in text
    assert "Holm" in text
