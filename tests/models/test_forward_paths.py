"""Ways through a model: each gives transformers' logits and gradients, or is not taken, with a reason."""

import contextlib
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from civility.kernels.compile import Unavailable, load_kernels
from civility.kernels.operations import gelu
from civility.models import fused_forward, packed_forward
from civility.models.batches import Batch, gather
from civility.models.encoder import Encoder, load_encoder
from civility.models.forward_paths import EagerForward, FlashForward, Forward, _outcome, _self_test, choose_forward
from civility.models.fused_forward import FusedForward
from civility.models.layers import freeze
from civility.models.packed_forward import PackedForward
from civility.models.tokenizer import tokenise

from ..conftest import SENTENCES, build_tiny_bert, build_tiny_deberta

LABELS = ("toxic", "threat", "insult")
TEXTS = [" ".join(SENTENCES[:9]), *SENTENCES[:5], "you", ""]
DEBERTAS: dict[str, dict[str, Any]] = {
    "as published": {},
    "own projections": {"share_att_key": False},
    "one product": {"pos_att_type": ["c2p"]},
    "the other product": {"pos_att_type": ["p2c"]},
    "no products": {"pos_att_type": []},
    "no buckets": {"position_buckets": -1, "max_relative_positions": 24},
    "absolute positions too": {"position_biased_input": True, "type_vocab_size": 2},
    "no norm of distances": {"norm_rel_ebd": "none"},
}


def batch_of(encoder: Encoder, texts: list[str] = TEXTS) -> Batch:
    tokens = tokenise(encoder.tokenizer, texts, 64)
    return gather(tokens, np.arange(len(texts)))


def fastest() -> tuple[str, str]:
    """Return the name of the fastest pass on this CPU, and why it is not a faster one."""
    try:
        load_kernels(None)
    except Unavailable as error:
        return "packed", str(error)
    return "fused", ""


@pytest.fixture
def needs_kernels() -> None:
    """Skip where the kernels cannot be compiled."""
    name, why = fastest()
    if name != "fused":
        pytest.skip(f"no kernels here: {why}")


def largest_difference(model: Any, batch: Batch, ours: Forward, theirs: Forward) -> tuple[float, float]:
    """Return the largest difference of logits, and of any gradient of a random sum of them."""
    found = []
    weights = torch.randn(len(batch), len(LABELS), generator=torch.Generator().manual_seed(1))
    model.eval()
    for forward in (ours, theirs):
        model.zero_grad()
        logits = forward(batch)
        (logits * weights).sum().backward()  # type: ignore[no-untyped-call]
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        found.append((logits.detach(), gradients))
    (one, some), (other, others) = found
    assert some.keys() == others.keys()
    largest = max((some[name] - others[name]).abs().max().item() for name in others)
    return (one - other).abs().max().item(), largest


@pytest.mark.parametrize("changes", DEBERTAS.values(), ids=DEBERTAS)
def test_a_packed_deberta_is_transformers_own(tmp_path: Path, changes: dict[str, Any]) -> None:
    encoder = load_encoder(str(build_tiny_deberta(tmp_path / "model", **changes)), LABELS)
    batch = batch_of(encoder)
    assert max(batch.lengths) > 2 * 16, "far distances share buckets"
    model = encoder.model
    logits, gradients = largest_difference(model, batch, PackedForward(model), EagerForward(model))
    assert logits < 1e-5
    assert gradients < 1e-4


def build(kind: str, folder: Path) -> Path:
    """Write a tiny model of a kind of BERT, with the tokenizer of the tiny BERT."""
    import transformers
    from transformers import AutoTokenizer

    build_tiny_bert(folder)
    if kind == "bert":
        return folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = {"roberta": transformers.RobertaConfig, "xlm-roberta": transformers.XLMRobertaConfig}[kind](
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=70,
        initializer_range=0.1,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta"])
def test_a_packed_bert_is_transformers_own(tmp_path: Path, kind: str) -> None:
    encoder = load_encoder(str(build(kind, tmp_path / "model")), LABELS)
    model = encoder.model
    assert model.config.model_type == kind
    batch = batch_of(encoder)
    batch.ids[3] = batch.pad_id  # as a comment that spells the padding token
    logits, gradients = largest_difference(model, batch, PackedForward(model), EagerForward(model))
    assert logits < 1e-5
    assert gradients < 1e-4


def test_flash_kernels_take_the_same_way(tiny_deberta: Path) -> None:
    pytest.importorskip("disentangled_flash", reason="the extra civility[flash] is not installed")
    encoder = load_encoder(str(tiny_deberta), LABELS)
    model, batch = encoder.model, batch_of(encoder, TEXTS[:-1])
    names = list(model.state_dict())
    model.eval()
    with torch.no_grad():
        before = EagerForward(model)(batch)
        flash = FlashForward(model, backend="torch")
        torch.testing.assert_close(flash(batch), before, atol=1e-5, rtol=1e-4)
        assert sorted(model.state_dict()) == sorted(names), "checkpoints and classifiers keep their names"
        model.deberta.encoder.layer[0].attention.self.value_proj.weight.mul_(2)
        assert (flash(batch) - before).abs().max() > 1e-4, "the control: it does use them"
        flash.undo()
        torch.testing.assert_close(EagerForward(model)(batch), before)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_flash_kernels_give_the_same_gradients_and_leave_frozen_what_is_frozen(
    tiny_deberta: Path, checkpointing: bool
) -> None:
    pytest.importorskip("disentangled_flash", reason="the extra civility[flash] is not installed")
    found = []
    for flash in (False, True):
        encoder = load_encoder(str(tiny_deberta), LABELS)
        model = encoder.model.eval()
        freeze(model, embeddings=False, num_layers=1)
        forward: Forward = EagerForward(model)
        if flash:
            forward = FlashForward(model, backend="torch", checkpointing=checkpointing)
        logits = forward(batch_of(encoder, TEXTS[:-1]))
        (logits * torch.arange(3)).sum().backward()  # type: ignore[no-untyped-call]
        found.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert found[0].keys() == found[1].keys()
    assert not any(".layer.0." in name for name in found[1])
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, atol=1e-4, rtol=1e-3)


def test_a_pass_that_fails_with_dropout_or_in_the_precision_of_training_is_not_used(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS)

    def refuse(tensor: torch.Tensor, share: float) -> torch.Tensor:
        if share:
            raise RuntimeError("no kernel for dropout")
        return tensor

    monkeypatch.setattr(packed_forward, "drop", refuse)
    choice = choose_forward(encoder.model, "packed", batch_of(encoder))
    assert choice.forward.name == "eager"
    assert choice.reason == "the self-test failed: RuntimeError: no kernel for dropout"
    assert choose_forward(encoder.model, "auto", batch_of(encoder), gradients=False).forward.name == "packed"


def test_choosing_draws_no_random_number(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS)
    torch.manual_seed(3)
    choose_forward(encoder.model, "auto", batch_of(encoder))
    found = torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(found, torch.rand(3))


def test_without_a_gpu_the_kernels_are_refused_and_the_model_is_as_it_was(tiny_deberta: Path) -> None:
    pytest.importorskip("disentangled_flash", reason="the extra civility[flash] is not installed")
    model = load_encoder(str(tiny_deberta), LABELS).model
    encoder = model.deberta.encoder
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match="no kernel"):
        FlashForward(model)
    assert model.deberta.encoder is encoder


@pytest.mark.parametrize("fixture", ["tiny_bert", "tiny_deberta"])
@pytest.mark.parametrize("forward", [EagerForward, PackedForward, FusedForward])
@pytest.mark.usefixtures("needs_kernels")
def test_layers_computed_again_give_the_same_gradients_with_dropout(
    fixture: str, forward: Any, request: pytest.FixtureRequest
) -> None:
    gradients = []
    for checkpointing, seed in ((False, 1), (True, 1), (True, 2)):
        encoder = load_encoder(str(request.getfixturevalue(fixture)), LABELS)
        encoder.model.train()
        way = forward(encoder.model, checkpointing=checkpointing)
        torch.manual_seed(seed)
        way(batch_of(encoder)).sum().backward()
        gradients.append([p.grad for p in encoder.model.parameters() if p.grad is not None])
    assert all(torch.equal(one, other) for one, other in zip(gradients[0], gradients[1], strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(gradients[0], gradients[2], strict=True))


def kept_for_backward(forward: Forward, batch: Batch, model: Any) -> int:
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        assert forward(batch).requires_grad
    return sum(kept.values())


def test_layers_computed_again_keep_less(tiny_deberta: Path) -> None:
    encoder = load_encoder(str(tiny_deberta), LABELS)
    encoder.model.train()
    batch = batch_of(encoder)
    eager, packed, checkpointed = (
        kept_for_backward(forward, batch, encoder.model)
        for forward in (
            EagerForward(encoder.model),
            PackedForward(encoder.model),
            PackedForward(encoder.model, checkpointing=True),
        )
    )
    assert packed < eager / 2
    assert checkpointed < packed / 3


def test_the_fastest_pass_that_agrees_is_used_on_a_cpu(tiny_deberta: Path, tiny_bert: Path) -> None:
    for folder in (tiny_deberta, tiny_bert):
        encoder = load_encoder(str(folder), LABELS)
        encoder.model.train()
        choice = choose_forward(encoder.model, "auto", batch_of(encoder))
        assert (choice.forward.name, choice.reason) == fastest()
        assert encoder.model.training
        assert all(parameter.grad is None for parameter in encoder.model.parameters())
        for name in ("eager", "packed"):
            choice = choose_forward(encoder.model, name, batch_of(encoder))
            assert (choice.forward.name, choice.reason) == (name, "")


def test_an_unknown_model_uses_the_pass_of_transformers_with_a_reason(tiny_deberta: Path, tmp_path: Path) -> None:
    encoder = load_encoder(str(build_tiny_deberta(tmp_path / "conv", conv_kernel_size=3)), LABELS)
    choice = choose_forward(encoder.model, "packed", batch_of(encoder))
    assert (choice.forward.name, choice.reason) == ("eager", "the model has a convolution between its layers")
    encoder = load_encoder(str(tiny_deberta), LABELS)
    encoder.model.config.model_type = "mamba"
    choice = choose_forward(encoder.model, "auto", batch_of(encoder))
    assert (choice.forward.name, choice.reason) == ("eager", "the packed pass does not know models of type mamba")


def disagreement(model: Any, expected: Forward, forward: Forward, sample: Batch, *, gradients: bool) -> str:
    """Return what the self-test says of a way through a model, against another one."""
    before = _outcome(model, expected, sample, gradients=gradients)
    return _self_test(before, model, forward, sample, contextlib.nullcontext, gradients=gradients)


def test_a_pass_that_disagrees_is_not_used(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS)
    # As if a release of transformers had put something between the layers: our way does not know of it.
    encoder.model.bert.encoder.layer[0].register_forward_hook(lambda module, args, output: output.roll(1, -1))
    choice = choose_forward(encoder.model, "auto", batch_of(encoder))
    assert choice.forward.name == "eager"
    assert choice.reason.startswith("the self-test failed: logits differ by ")
    model = load_encoder(str(tiny_bert), LABELS).model
    broken = PackedForward(model)
    broken._family = broken._family.__class__("bert", ("no", "such", "part"), broken._family.head)
    said = disagreement(model, EagerForward(model), broken, batch_of(encoder), gradients=True)
    assert said.startswith("the self-test failed: AttributeError")


def test_a_pass_with_wrong_gradients_is_not_used(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS)
    batch = batch_of(encoder)

    class Detached(PackedForward):
        def _embed(self, batch: Batch, first: torch.Tensor) -> torch.Tensor:
            return super()._embed(batch, first).detach()

    model = encoder.model
    said = disagreement(model, EagerForward(model), Detached(model), batch, gradients=True)
    assert said == "the self-test failed: other parameters have gradients than with transformers' own"
    assert not disagreement(model, EagerForward(model), Detached(model), batch, gradients=False)


def test_no_padding_is_computed(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS)
    batch = batch_of(encoder)
    assert PackedForward(encoder.model).num_computed(batch) == sum(batch.lengths)
    assert EagerForward(encoder.model).num_computed(batch) == len(TEXTS) * max(batch.lengths)


@pytest.mark.usefixtures("needs_kernels")
@pytest.mark.parametrize("changes", DEBERTAS.values(), ids=DEBERTAS)
def test_a_fused_deberta_is_transformers_own(tmp_path: Path, changes: dict[str, Any]) -> None:
    encoder = load_encoder(str(build_tiny_deberta(tmp_path / "model", **changes)), LABELS)
    ours, theirs = FusedForward(encoder.model), EagerForward(encoder.model)
    logits, gradients = largest_difference(encoder.model, batch_of(encoder), ours, theirs)
    assert logits < 1e-5
    assert gradients < 1e-4
    ours.undo()


@pytest.mark.usefixtures("needs_kernels")
def test_in_bfloat16_a_fused_pass_is_as_close_to_float32_as_the_packed_one(tiny_bert: Path, tiny_deberta: Path) -> None:
    for folder in (tiny_bert, tiny_deberta):
        model = (encoder := load_encoder(str(folder), LABELS)).model
        (logits, gradients), off = _outcome(model, EagerForward(model), batch_of(encoder), gradients=True), {}
        for forward in (PackedForward(model), FusedForward(model)):
            model.eval().zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                found = forward(batch_of(encoder)).float()
            found.sum().backward()  # type: ignore[no-untyped-call]
            squares = [
                float((p.grad - gradients[name]).norm()) ** 2
                for name, p in model.named_parameters()
                if p.grad is not None
            ]
            off[forward.name] = float((found - logits).detach().norm()), sum(squares) ** 0.5
        for fused, packed in zip(off["fused"], off["packed"], strict=True):
            assert 0 < fused < 1.5 * packed, off


@pytest.mark.usefixtures("needs_kernels")
def test_kernels_that_are_wrong_are_not_used(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, right = load_encoder(str(tiny_bert), LABELS), gelu
    autocast = functools.partial(torch.autocast, "cpu", torch.bfloat16)

    def choice() -> tuple[str, str]:
        found = choose_forward(encoder.model, "auto", batch_of(encoder), autocast=autocast)
        return found.forward.name, found.reason

    assert choice() == ("fused", ""), "the control"
    monkeypatch.setattr(fused_forward, "gelu", lambda *given: 1.5 * right(*given))
    name, reason = choice()
    assert name == "packed"
    assert reason.startswith("the self-test failed: logits differ by ")

    def wrong_in_half(kernels: Any, product: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return right(kernels, product, bias) * (1.5 if product.dtype == torch.bfloat16 else 1)

    monkeypatch.setattr(fused_forward, "gelu", wrong_in_half)
    name, reason = choice()
    assert name == "packed"
    assert reason.startswith("the self-test failed: in 16 bits, ")

    def fails(*given: Any) -> torch.Tensor:
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(fused_forward, "gelu", fails)
    assert choice() == ("packed", "the self-test failed: RuntimeError: no such instruction")


def test_without_kernels_the_packed_pass_is_used_with_the_reason(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(cache: Path | None) -> Any:
        raise Unavailable("no C++ compiler on this machine")

    monkeypatch.setattr(fused_forward, "load_kernels", unavailable)
    encoder = load_encoder(str(tiny_bert), LABELS)
    choice = choose_forward(encoder.model, "auto", batch_of(encoder))
    assert (choice.forward.name, choice.reason) == ("packed", "no C++ compiler on this machine")
    encoder.model.config.hidden_act = "relu"
    choice = choose_forward(encoder.model, "auto", batch_of(encoder))
    assert (choice.forward.name, choice.reason) == ("packed", "the kernels do not know the activation relu")


@pytest.mark.usefixtures("needs_kernels")
def test_fused_dropout_is_a_function_of_the_seed(tiny_bert: Path) -> None:
    encoder = load_encoder(str(tiny_bert), LABELS)
    forward, batch = FusedForward(encoder.model), batch_of(encoder)
    encoder.model.train()
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(forward(batch).detach())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
