"""Every check of a loaded model: an input that triggers it, and one that passes."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from civility.models.encoder import Encoder, load_config, load_encoder
from civility.models.tokenizer import load_tokenizer, tokenise
from civility.scoring.tokens import Tokens
from civility.training.preflight.model_checks import (
    check_head,
    check_model_labels,
    check_parameter_type,
    check_problem_type,
    check_special_tokens,
    check_unknown_tokens,
    check_vocabulary,
)

LABELS = ("toxic", "threat")
MULTI_LABEL = "multi_label_classification"


@pytest.fixture(scope="module")
def encoder(tiny_bert: Path) -> Encoder:
    return load_encoder(str(tiny_bert), LABELS)


@pytest.fixture
def config(tiny_bert: Path) -> Any:
    loaded = load_config(str(tiny_bert), None)
    loaded.problem_type, loaded.id2label = MULTI_LABEL, dict(enumerate(LABELS))
    return loaded


def test_parameters_of_another_type_fail(tiny_bert: Path) -> None:
    model = load_encoder(str(tiny_bert), LABELS).model
    good = check_parameter_type(model)
    assert (good.state, good.found) == ("passed", f"{model.num_parameters():,} float32")
    model.classifier.half()
    bad = check_parameter_type(model)
    assert bad.state == "failed"
    assert bad.found.endswith(" and 66 float16")


def test_another_problem_type_fails(config: Any) -> None:
    assert check_problem_type(config).state == "passed"
    for other in ("single_label_classification", None):
        config.problem_type = other
        check = check_problem_type(config)
        assert (check.state, check.found) == ("failed", str(other))


def test_outputs_in_another_order_fail(config: Any) -> None:
    good = check_model_labels(config, LABELS)
    assert (good.state, good.found) == ("passed", "2 outputs in the order of the data")
    bad = check_model_labels(config, LABELS[::-1])
    assert (bad.state, bad.found) == ("failed", "toxic, threat; data: threat, toxic")


@pytest.mark.parametrize(
    ("found", "problem", "state", "expected"),
    [
        (("LABEL_0", "LABEL_1"), None, "passed", "new: the checkpoint has none"),
        (("toxic", "threat"), MULTI_LABEL, "passed", "the checkpoint's own, kept"),
        (
            ("threat", "toxic"),
            MULTI_LABEL,
            "passed",
            "the checkpoint's own, kept, its rows moved from the order threat, toxic",
        ),
        (
            ("rude", "spam"),
            MULTI_LABEL,
            "warned",
            "new: the checkpoint's own has other labels: rude, spam; this run: toxic, threat",
        ),
        (
            ("toxic", "threat"),
            "single_label_classification",
            "warned",
            "new: the checkpoint's own has other classes (single_label_classification): toxic, threat; "
            "this run: toxic, threat",
        ),
        (
            ("negative", "positive"),
            None,
            "warned",
            "new: the checkpoint's own has other classes (no problem type): negative, positive; "
            "this run: toxic, threat",
        ),
    ],
)
def test_a_head_that_is_dropped_warns(found: tuple[str, ...], problem: str | None, state: str, expected: str) -> None:
    check = check_head(found, problem, LABELS)
    assert (check.state, check.found) == (state, expected)


def test_what_is_reported_of_the_head_is_what_loading_does(encoder: Encoder, tiny_bert: Path, tmp_path: Path) -> None:
    encoder.model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_bert / name, tmp_path)
    config = load_config(str(tmp_path), None)
    for labels in (LABELS, LABELS[::-1], ("rude", "spam")):
        expected = check_head(tuple(config.id2label.values()), config.problem_type, labels).found
        assert load_encoder(str(tmp_path), labels).head_is_new == expected.startswith("new")


def test_ids_beyond_the_embedding_fail(encoder: Encoder) -> None:
    num_ids = len(encoder.tokenizer)
    good = check_vocabulary(encoder.tokenizer, num_ids)
    assert (good.state, good.found) == ("passed", f"{num_ids} token ids, {num_ids} embedding rows")
    assert check_vocabulary(encoder.tokenizer, num_ids + 100).state == "passed", "rows to spare are usual"
    assert check_vocabulary(encoder.tokenizer, num_ids - 1).state == "failed"
    assert check_vocabulary(encoder.tokenizer, 3 * num_ids).state == "warned"


def test_a_token_that_was_added_to_the_tokenizer_alone_is_named(tiny_bert: Path) -> None:
    tokenizer = load_tokenizer(str(tiny_bert))
    num_rows = len(tokenizer)
    tokenizer.add_special_tokens({"pad_token": "<padding>"})
    check = check_vocabulary(tokenizer, num_rows)
    assert check.state == "failed"
    assert check.found.endswith(": the model has no embedding for the added tokens <padding>")
    assert "pad_token" in check.remedy


def test_a_word_that_the_tokenizer_does_not_know_is_no_trouble() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE({"[PAD]": 0, "ж": 1}, []))
    check = check_special_tokens(PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]"))
    assert (check.state, check.found) == ("passed", "the tokenizer has no marks for the ends of a text")


def test_a_tokenizer_that_sets_no_marks_warns(tiny_bert: Path, tiny_deberta: Path, tmp_path: Path) -> None:
    for folder in (tiny_bert, tiny_deberta):
        check = check_special_tokens(load_tokenizer(str(folder)))
        assert (check.state, check.found) == ("passed", "each text stands between [CLS] and [SEP]")
    broken = tmp_path / "broken"
    shutil.copytree(tiny_bert, broken)
    content = json.loads((broken / "tokenizer.json").read_text(encoding="utf-8"))
    content["post_processor"] = None
    (broken / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    settings = json.loads((broken / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    (broken / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    check = check_special_tokens(load_tokenizer(str(broken)))
    assert (check.state, check.found) == ("warned", "no mark is set as the first and the last token")


def test_many_unknown_tokens_warn(encoder: Encoder) -> None:
    unknown = encoder.tokenizer.unk_token_id
    good = check_unknown_tokens(tokenise(encoder.tokenizer, ["nice garden"] * 10, 16), unknown)
    assert (good.state, good.found) == ("passed", "0.00% of 40 tokens")
    bad = check_unknown_tokens(tokenise(encoder.tokenizer, ["ты дурак"] * 10, 16), unknown)
    assert (bad.state, bad.found) == ("warned", "50.00% of 40 tokens")
    empty = Tokens(np.zeros(0, dtype=np.int32), np.zeros(1, dtype=np.int64), 0)
    assert check_unknown_tokens(empty, unknown).state == "passed"
    assert check_unknown_tokens(empty, None).state == "passed", "a tokenizer of bytes knows no unknown"
