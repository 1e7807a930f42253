"""Numbers of a config.json that no model has are refused before anything is built of them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from civility import Classifier
from civility.models.encoder import load_encoder
from civility.models.model_files import check_config

from ..refusals import refused

LABELS = ("toxic", "threat")


@pytest.fixture(scope="module")
def plain(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multi-label classifier as a plain Hugging Face folder."""
    folder = tmp_path_factory.mktemp("plain") / "folder"
    encoder = load_encoder(str(tiny_bert), LABELS)
    encoder.model.save_pretrained(folder)
    encoder.tokenizer.save_pretrained(folder)
    return folder


def changed(plain: Path, folder: Path, **changes: Any) -> Path:
    shutil.copytree(plain, folder)
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**content, **changes}), encoding="utf-8")
    return folder


NUMBERS: dict[str, tuple[dict[str, Any], str]] = {
    "NaN": ({"layer_norm_eps": float("nan")}, "layer_norm_eps is nan, expected a finite number"),
    "infinite": ({"layer_norm_eps": float("inf")}, "layer_norm_eps is inf, expected a finite number"),
    "as transformers writes it": ({"layer_norm_eps": {"__float__": "NaN"}}, "layer_norm_eps is nan, expected a finite"),
    "large epsilon": ({"layer_norm_eps": 1e300}, "layer_norm_eps is 1e+300, expected a number from 0 to 0.1"),
    "negative epsilon": ({"layer_norm_eps": -1e-12}, "layer_norm_eps is -1e-12, expected a number from 0 to 0.1"),
    "a million layers": (
        {"num_hidden_layers": 10**6},
        "num_hidden_layers is 1000000, expected a number from 0 to",
    ),
    "negative layers": ({"num_hidden_layers": -1}, "num_hidden_layers is -1, expected a number from 0 to 1,000"),
    "beyond whole": ({"vocab_size": 10**400}, "vocab_size is 1000000"),
    "beyond float32": ({"initializer_range": 1e300}, "initializer_range is 1e+300, expected a number that float32 has"),
    "nested": ({"text": [{"rope_theta": float("nan")}]}, "rope_theta is nan, expected a finite number"),
    "vocabulary": ({"vocab_size": 10**7}, "describes a model of 320,020,386 parameters"),
    "width": ({"intermediate_size": 10**8}, "describes a model of 13,000,0"),
    "labels": ({"id2label": {str(i): f"l{i}" for i in range(10_001)}}, "more than 10,000 labels in id2label"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_no_model_has_is_refused(plain: Path, tmp_path: Path, name: str) -> None:
    changes, message = NUMBERS[name]
    folder = changed(plain, tmp_path / "folder", **changes)
    with refused("models.config") as caught:
        Classifier.load(folder)
    assert message in caught.value.message
    with refused("models.config"):
        load_encoder(str(folder), LABELS)  # training refuses it as well


def test_what_models_have_passes(plain: Path, tmp_path: Path) -> None:
    check_config("", {"time_step_limit": [0.0, float("inf")], "rope_theta": 5e8, "block_size": 4096, "eps": 0})
    check_config("", {"mask_value": -1e30, "max_position_embeddings": 10_485_760, "use_cache": True, "layer": "all"})
    assert Classifier.load(changed(plain, tmp_path / "folder", num_hidden_layers=2)).labels == LABELS


@pytest.mark.parametrize(
    "settings",
    [
        {"label2id": {"sepsis": 4, "steps": 10**7, "layers": 10**6}},
        {"total_steps": 5_000, "timesteps": 1_000, "reps": 12},
        {"task_specific_params": {"summary": {"num_layers": 10**6}}},
        {"note": "NaN"},
    ],
    ids=str,
)
def test_words_that_look_like_those_of_a_setting_pass(settings: dict[str, Any]) -> None:
    check_config("", settings)


@pytest.mark.parametrize("number", [170, 5_000, 2**31 + 5])
def test_a_token_without_a_row_in_the_embedding_is_refused(plain: Path, tmp_path: Path, number: int) -> None:
    folder = shutil.copytree(plain, tmp_path / "folder")
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    num_rows = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    content["model"]["vocab"]["film"] = max(number, num_rows)
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with refused("models.tokenizer", rf"has {num_rows} rows: 'film' is number \d+ \(1 such tokens\)"):
        Classifier.load(folder)


def test_an_empty_vocabulary_is_refused(plain: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(plain, tmp_path / "folder")
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["model"]["vocab"] = {}
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with refused("models.tokenizer", "has no vocabulary"):
        Classifier.load(folder)


@pytest.mark.parametrize("longest", [1, 2])
def test_a_length_that_holds_no_token_of_a_text_is_refused(plain: Path, tmp_path: Path, longest: int) -> None:
    folder = shutil.copytree(plain, tmp_path / "folder")
    content = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    (folder / "tokenizer_config.json").write_text(json.dumps({**content, "model_max_length": longest}))
    with refused("models.max-length", f"takes {longest} tokens at most, expected 3 or more"):
        Classifier.load(folder)
