"""The model card: metadata that YAML and the hub read, with the report's own numbers."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.data.dataset import Dataset
from civility.documents.report import ClassifierFacts
from civility.evaluation import Estimate, Report, Scored
from civility.evaluation.label_measures import measure
from civility.recipe import Recipe
from civility.render.markdown.model_card import CardFacts, model_card
from civility.render.sentences.report_sentences import METRIC_NAMES, with_interval

FACTS = CardFacts(
    name="baseline-2",
    base_model="microsoft/mdeberta-v3-base",
    recipe=Recipe().to_toml(),
    num_training=1_000,
    counts={"toxic": (96, 1000), "threat": (3, 990), "insult": (50, 1000)},
    training_digest="sha256:" + "ab" * 32,
    training_files=("train.csv",),
    max_length=256,
    best_epoch=3,
    epochs_run=5,
    versions={"civility": "0.1.0", "torch": "2.13.0"},
)


def _report(labels: tuple[str, ...] = ("toxic", "threat", "insult")) -> Report:
    rng = np.random.default_rng(0)
    targets = (rng.random((200, len(labels))) < 0.2).astype(np.float32)
    targets[:, 1:2] = 0
    texts = tuple(map(str, range(200)))
    scores = ((rng.random(targets.shape) + targets / 2) / 1.5).astype(np.float32)
    scored = Scored(Dataset(texts, targets, texts, labels), scores)
    facts = ClassifierFacts(name="c", max_length=256)
    return measure(scored, ["train.csv"], name="validation", classifier=facts, num_resamples=5)


def _with(report: Report, label: str, metric: str, value: float | None) -> Report:
    """Return the report with another number."""
    changed = report.labels[label].model_copy(update={metric: Estimate(value=value)})
    return report.model_copy(update={"labels": {**report.labels, label: changed}})


REPORT = _report()


def _header(card: str) -> dict[str, Any]:
    found = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    assert found
    header: dict[str, Any] = yaml.safe_load(found[1])
    return header


def _values(header: dict[str, Any]) -> dict[str, float]:
    (index,) = header["model-index"]
    (result,) = index["results"]
    return {metric["name"]: metric["value"] for metric in result["metrics"]}


def _expected(report: Report) -> dict[str, float]:
    found = {}
    for metric, title in METRIC_NAMES.items():
        found[f"{title} (macro)"] = getattr(report.macro, metric).value
        for label, numbers in report.labels.items():
            found[f"{title} ({label})"] = getattr(numbers, metric).value
    return {name: value for name, value in found.items() if value is not None}


def test_a_hub_can_read_the_metadata() -> None:
    report = _report()
    header = _header(model_card(FACTS, report))
    assert {key: header[key] for key in header if key != "model-index"} == {
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["toxicity", "multi-label", "civility"],
        "base_model": "microsoft/mdeberta-v3-base",
    }
    (index,) = header["model-index"]
    assert index["name"] == "baseline-2"
    (result,) = index["results"]
    assert result["task"] == {"type": "text-classification", "name": "multi-label toxicity"}
    assert result["dataset"] == {"name": f"validation split ({report.data.digest[:19]})", "type": "custom"}
    assert {metric["type"] for metric in result["metrics"]} == set(METRIC_NAMES)


def test_values_come_from_the_report_without_undefined_ones() -> None:
    report = _report()
    found = _values(_header(model_card(FACTS, report)))
    assert found == pytest.approx(_expected(report), abs=5e-7)
    assert len(found) == 5 * 3 + 1, "macro, toxic, insult, and of threat, without a positive, the precision alone"
    assert "ROC AUC (threat)" not in found
    assert found["precision (threat)"] == 0
    assert _values(_header(model_card(FACTS, _with(report, "toxic", "f1", 0.123)))) != found, "the control"


def test_the_hub_library_reads_the_results() -> None:
    from huggingface_hub import ModelCard

    report = _report()
    card: Any = ModelCard(model_card(FACTS, report))
    assert card.data.model_name == "baseline-2"
    assert card.data.base_model == "microsoft/mdeberta-v3-base"
    results = card.data.eval_results
    assert results is not None
    assert {one.metric_name: one.metric_value for one in results} == pytest.approx(_expected(report), abs=5e-7)
    assert {one.task_type for one in results} == {"text-classification"}
    assert card.text.strip().startswith("# baseline-2")


def test_a_report_with_nothing_defined_still_makes_a_card() -> None:
    from huggingface_hub import ModelCard

    unknown = Dataset(("a",), np.full((1, 1), np.nan, dtype=np.float32), ("a",), ("toxic",))
    facts = ClassifierFacts(name="c", max_length=256)
    report = measure(
        Scored(unknown, np.zeros((1, 1), dtype=np.float32)), (), name="n", classifier=facts, num_resamples=2
    )
    card = model_card(replace(FACTS, counts={"toxic": (0, 0)}), report)
    assert "| `toxic` | 0 | 0 | - |" in card, "the share of none"
    assert _values(_header(card)) == {}
    read: Any = ModelCard(card)
    assert not read.data.eval_results


@pytest.mark.parametrize("value", [0.0, 1e-7, 1e-5, 4.9e-5, 9.9e-5, 1.2e-4, 0.5, 1.0])
def test_a_tiny_value_stays_a_number(value: float) -> None:
    assert yaml.safe_load("1e-05") == "1e-05", "the trap: YAML 1.1 wants 1.0e-05"
    report = _with(_report(), "toxic", "average_precision", value)
    found = _values(_header(model_card(FACTS, report)))["average precision (toxic)"]
    assert isinstance(found, float)
    assert found == pytest.approx(value, abs=5e-5)


ODD_NAMES = [
    'it\'s "quoted"',
    "a: b # c",
    "{x}, [y]",
    "- item",
    "--- \n---\nend",
    "tab\tand\r\nline",
    "emoji 🙂 ünï",
    "delete \x7f c1 \x85\x9f separators \u2028\u2029 mark \ufeff",
    "null",
    "1e5",
    "back\\slash",
    "a|b",
    "# head `code` <script>",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_no_name_breaks_the_metadata(name: str) -> None:
    from huggingface_hub import ModelCard

    labels = (name, "b", "c")
    report = _report(labels)
    card = model_card(replace(FACTS, name=name, base_model=name, counts=dict.fromkeys(labels, (7, 70))), report)
    header = _header(card)
    assert header["base_model"] == name
    assert header["model-index"][0]["name"] == name
    assert _values(header) == pytest.approx(_expected(report), abs=5e-7)
    read: Any = ModelCard(card)
    assert read.data.model_name == name


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=20))
def test_any_name_reads_back_from_the_metadata(name: str) -> None:
    header = _header(model_card(replace(FACTS, name=name, base_model=name), REPORT))
    assert (header["base_model"], header["model-index"][0]["name"]) == (name, name)


def test_a_label_named_macro_does_not_replace_the_average() -> None:
    report = _report(("macro", "threat", "insult"))
    metrics = _header(model_card(FACTS, report))["model-index"][0]["results"][0]["metrics"]
    values = [metric["value"] for metric in metrics if metric["name"] == "ROC AUC (macro)"]
    assert values == pytest.approx([report.macro.roc_auc.value, report.labels["macro"].roc_auc.value], abs=5e-7)


def test_the_card_has_what_a_user_should_know() -> None:
    report = _report()
    card = model_card(FACTS, report)
    assert "fine-tuned from `microsoft/mdeberta-v3-base` with civility" in card
    assert "Known limits" in card
    assert "Comments are truncated to 256 tokens." in card
    assert "; epoch 3 of 5. civility 0.1.0, torch 2.13.0." in card
    assert f"1,000 comments from `train.csv` (`{FACTS.training_digest}`)" in card
    assert "| `toxic` | 96 | 1,000 | 9.60% |\n| `threat` | 3 | 990 | 0.30% |\n| `insult` | 50 | 1,000 | 5.00% |" in card
    assert f"| `toxic` | {with_interval(report.labels['toxic'].roc_auc)} |" in card
    assert "- `labels.threat.roc_auc`: no positive comment among 200" in card
    assert "On the 200 validation comments of the run." in card
    assert f"```toml\n{FACTS.recipe.strip()}\n```" in card


def test_the_card_names_thresholds_not_chosen_from_data() -> None:
    report = _report().model_copy(update={"not_chosen_from_data": ("threat",)})
    card = model_card(FACTS, report)
    assert "**The threshold was not chosen from data, for lack of positive or negative comments: threat." in card
    assert "not chosen from data" not in model_card(FACTS, _report()), "the control"


def test_the_card_says_what_the_folder_reveals() -> None:
    encoder, linear = (model_card(replace(FACTS, kind=kind), _report()) for kind in ("encoder", "linear"))
    assert "has no words from the training comments" in encoder
    assert "**`linear.json` has words and character sequences of the training comments in clear text**" in linear
    assert "`linear.json`" not in encoder
    for card in (encoder, linear):
        assert card.count("## What this folder reveals") == 1
        assert "the names of the training files and the complete recipe" in card


def test_the_card_shows_how_to_load_the_classifier_with_and_without_civility() -> None:
    card = model_card(FACTS, _report())
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        compile(block, "card", "exec")
    assert "Classifier.load(" in blocks[0]
    assert "truncation=True, max_length=256" in blocks[1]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_no_name_breaks_the_text(name: str) -> None:
    labels = (name, "b", "c")
    facts = replace(FACTS, name=name, base_model=name, counts=dict.fromkeys(labels, (7, 70)), training_files=(name,))
    text = model_card(facts, _report(labels)).split("\n---\n", 1)[1]
    usual = model_card(FACTS, _report()).split("\n---\n", 1)[1]
    assert re.findall("^#+ ", text, re.MULTILINE) == re.findall("^#+ ", usual, re.MULTILINE)
    rows = [[re.split(r"(?<!\\)\|", row) for row in part.splitlines() if row.startswith("|")] for part in (text, usual)]
    assert [len(row) for row in rows[0]] == [len(row) for row in rows[1]]


@pytest.mark.parametrize("num", [2, 3, 7])
def test_backticks_in_the_recipe_do_not_end_it(num: int) -> None:
    recipe = f"files = ['a.csv']\n{'`' * num}\n"
    card = model_card(replace(FACTS, recipe=recipe), _report())
    found = re.search(r"^(`{3,})toml\n(.*?)\n\1$", card, re.DOTALL | re.MULTILINE)
    assert found
    assert found[2] == recipe.strip()
    assert len(found[1]) == max(3, num + 1)
