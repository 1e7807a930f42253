"""A model folder gives settings and weights: no code of its own, no kernels, no other model."""

import ast
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from civility.models.encoder import load_classifier_folder, load_config, load_encoder
from civility.models.tokenizer import load_tokenizer

from ..refusals import refused

ROOT = Path(__file__).parents[2]
LABELS = ("toxic", "threat")
_LOADERS = ("from_pretrained", "from_config")


def _calls_that_may_run_code(tree: ast.AST) -> list[int]:
    """Return the lines of calls of a loader that do not say ``trust_remote_code=False``."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LOADERS:
            given = [one.value for one in node.keywords if one.arg == "trust_remote_code"]
            if not (len(given) == 1 and isinstance(given[0], ast.Constant) and given[0].value is False):
                lines.append(node.lineno)
    return lines


def test_every_call_that_loads_says_that_no_code_is_trusted() -> None:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    found = {path: _calls_that_may_run_code(ast.parse(path.read_text(encoding="utf-8"))) for path in files}
    assert {str(path): lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    ["A.from_pretrained(x)", "A.from_config(x, trust_remote_code=True)", "A.from_pretrained(x, trust_remote_code=y)"],
)
def test_the_walk_finds_a_call_that_may_run_code(line: str) -> None:
    assert _calls_that_may_run_code(ast.parse(line)) == [1]


def _changed(model: Path, folder: Path, file: str = "config.json", **changes: Any) -> str:
    if not folder.exists():
        shutil.copytree(model, folder)
    settings = json.loads((folder / file).read_text(encoding="utf-8"))
    (folder / file).write_text(json.dumps(settings | changes), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_an_auto_map_beside_a_known_architecture_is_passed_over(tiny_bert: Path, tmp_path: Path, file: str) -> None:
    marker = tmp_path / "marker"
    code = f"from pathlib import Path\nPath({str(marker)!r}).touch()\n"
    auto_map = dict.fromkeys(("AutoConfig", "AutoModelForSequenceClassification"), "stranger.Thing")
    folder = _changed(tiny_bert, tmp_path / "m", file, auto_map={**auto_map, "AutoTokenizer": ["stranger.Thing"] * 2})
    (tmp_path / "m" / "stranger.py").write_text(code, encoding="utf-8")
    encoder = load_encoder(folder, LABELS)
    assert encoder.model.config.model_type == "bert"
    assert not marker.exists()


_ATTENTION = "config.json asks for the attention"
REDIRECTS: dict[str, tuple[dict[str, Any], str]] = {
    "kernel": ({"_attn_implementation": "someone/kernel"}, f"{_ATTENTION} 'someone/kernel'"),
    "kernel-public-name": ({"attn_implementation": "kernels-community/flash-attn2"}, _ATTENTION),
    "flash": ({"attn_implementation": "flash_attention_2"}, f"{_ATTENTION} 'flash_attention_2'"),
    "kernel-of-a-part": ({"text_config": {"_attn_implementation": {"": "a/b@main"}}}, f"{_ATTENTION} 'a/b@main'"),
    "quantised": ({"quantization_config": {"quant_method": "bitsandbytes"}}, "the weights are quantised"),
}


@pytest.mark.parametrize("name", REDIRECTS)
def test_a_configuration_that_fetches_code_is_refused(tiny_bert: Path, tmp_path: Path, name: str) -> None:
    changes, message = REDIRECTS[name]
    folder = _changed(tiny_bert, tmp_path / "m", **changes)
    with refused("models.untrusted", message):
        load_config(folder, None)
    with refused("models.untrusted", message):
        load_encoder(folder, LABELS)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_transformers_own_attention_may_be_named(tiny_bert: Path, tmp_path: Path, attention: str) -> None:
    folder = _changed(tiny_bert, tmp_path / "m", attn_implementation=attention)
    assert load_config(folder, None)._attn_implementation == attention


def test_an_adapter_is_not_followed_to_its_base_model(tiny_bert: Path, tmp_path: Path) -> None:
    folder = Path(_changed(tiny_bert, tmp_path / "m"))
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/else"}', encoding="utf-8")
    with refused("models.untrusted", r"adapter_config\.json: an adapter to another model") as error:
        load_config(str(folder), None)
    assert "merge_and_unload" in error.value.remedy


class _Stranger:
    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._marker,)


def test_a_pickle_in_the_place_of_weights_calls_nothing(tiny_bert: Path, tmp_path: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS)
    folder, marker = tmp_path / "m", tmp_path / "marker"
    encoder.model.save_pretrained(folder)
    encoder.tokenizer.save_pretrained(folder)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    assert load_classifier_folder(str(folder)).labels == LABELS, "the control: tensors alone are read"
    torch.save({**tensors, "x": _Stranger(marker)}, folder / "pytorch_model.bin")
    with refused("models.unreadable", "cannot load the model"):
        load_classifier_folder(str(folder))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Stranger(marker)))
    with refused("models.unreadable", "cannot load the model"):
        load_classifier_folder(str(folder))
    assert not marker.exists()


def test_files_outside_the_folder_are_not_taken_for_the_tokenizer(tiny_bert: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    text = (tiny_bert / "tokenizer.json").read_text(encoding="utf-8").replace('"hate"', '"elsewhere"')
    other.write_text(text, encoding="utf-8")
    folder = _changed(
        tiny_bert, tmp_path / "m", "tokenizer_config.json", tokenizer_file=str(other), vocab_file=str(other)
    )
    vocabulary = load_tokenizer(folder).get_vocab()
    assert "hate" in vocabulary
    assert "elsewhere" not in vocabulary
