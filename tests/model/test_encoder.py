"""Loading: float32, our label axis, sigmoid, and a clear word when there is nothing to load."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from civility.errors import UserError
from civility.model.encoder import (
    PROBLEM_TYPE,
    load_classifier_folder,
    load_encoder,
    locate,
)

LABELS = ("toxic", "threat", "insult")


def test_a_float16_checkpoint_is_loaded_in_float32(tiny_deberta: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    half = tmp_path / "half"
    shutil.copytree(tiny_deberta, half)
    AutoModelForSequenceClassification.from_pretrained(tiny_deberta, dtype=torch.float16).save_pretrained(half)
    plain = AutoModelForSequenceClassification.from_pretrained(half)
    assert {p.dtype for p in plain.parameters()} == {torch.float16}, "the trap is gone: transformers upcasts"
    encoder = load_encoder(str(half), LABELS)
    assert {p.dtype for p in encoder.model.parameters()} == {torch.float32}


@pytest.mark.parametrize("model", ["tiny_deberta", "tiny_bert"])
def test_the_label_axis_is_set_and_saved(model: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    encoder = load_encoder(str(request.getfixturevalue(model)), LABELS)
    assert encoder.head_is_new
    encoder.model.save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert config["id2label"] == {"0": "toxic", "1": "threat", "2": "insult"}
    assert config["problem_type"] == PROBLEM_TYPE


def test_the_new_head_is_a_function_of_the_seed(tiny_deberta: Path) -> None:
    heads = [load_encoder(str(tiny_deberta), LABELS, seed=seed).model.classifier.weight for seed in (1, 1, 2)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def _saved_classifier(model: Path, folder: Path, labels: tuple[str, ...]) -> Path:
    encoder = load_encoder(str(model), labels, seed=3)
    encoder.model.save_pretrained(folder)
    encoder.tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("model", ["tiny_deberta", "tiny_bert"])
def test_a_head_with_the_same_names_is_kept_in_our_order(
    model: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = _saved_classifier(request.getfixturevalue(model), tmp_path / "saved", ("insult", "toxic", "threat"))
    ids = torch.tensor([[5, 6, 7, 8]])
    theirs = load_classifier_folder(str(folder))
    ours = load_encoder(str(folder), LABELS)
    assert not ours.head_is_new
    assert ours.model.config.id2label == {0: "toxic", 1: "threat", 2: "insult"}
    with torch.no_grad():
        expected = theirs.model.eval()(ids).logits
        found = ours.model.eval()(ids).logits
    assert torch.equal(found, expected[:, [1, 2, 0]])
    assert not torch.equal(found, expected), "the control: the order does differ"


def test_a_head_with_other_names_is_replaced(tiny_bert: Path, tmp_path: Path) -> None:
    folder = _saved_classifier(tiny_bert, tmp_path / "saved", ("spam", "toxic", "threat"))
    assert load_encoder(str(folder), LABELS).head_is_new


def test_a_bare_encoder_is_no_classifier(tiny_bert: Path) -> None:
    with pytest.raises(UserError, match="problem_type is null, expected"):
        load_classifier_folder(str(tiny_bert))


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_folder_is_named(tiny_bert: Path, tmp_path: Path, file: str) -> None:
    folder = _saved_classifier(tiny_bert, tmp_path / "saved", LABELS)
    damaged = folder / file
    damaged.write_bytes(damaged.read_bytes()[:20])
    with pytest.raises(UserError, match="saved: cannot load the model"):
        load_classifier_folder(str(folder))


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c", "~/models/x"])
def test_a_path_that_is_not_there_is_not_asked_of_the_hub(name: str) -> None:
    with pytest.raises(UserError, match="no such folder"):
        locate(name)


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json: not a model folder"):
        locate(str(tmp_path))


def test_the_hub_out_of_reach_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"hf download nobody/no-such-model --local-dir FOLDER"):
        load_encoder("nobody/no-such-model", LABELS)
