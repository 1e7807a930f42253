"""Sizes from a configuration are those of the loaded model; activations are what autograd keeps."""

from pathlib import Path

import pytest
import torch

from civility.engine.optimizer import state_bytes
from civility.models.encoder import load_config, load_encoder
from civility.models.layers import freeze
from civility.models.model_size import ModelSize
from civility.recipe import Recipe
from civility.training.build_optimizer import optimizer_of

from ..refusals import refused

LABELS = ("toxic", "threat", "insult")


@pytest.mark.parametrize("fixture", ["tiny_bert", "tiny_deberta"])
def test_parameters_are_those_of_the_loaded_model(fixture: str, request: pytest.FixtureRequest) -> None:
    folder = str(request.getfixturevalue(fixture))
    size = ModelSize.of(load_config(folder, None), len(LABELS))
    encoder = load_encoder(folder, LABELS)
    assert size.num_parameters == encoder.num_parameters
    assert size.num_embedding == encoder.model.get_input_embeddings().weight.numel()
    assert (size.hidden, size.intermediate, size.layers, size.heads) == (32, 64, 2, 4)
    assert size.num_distances == (32 if fixture == "tiny_deberta" else 0)
    assert size.state_bytes == 16 * encoder.num_parameters


@pytest.mark.parametrize("fixture", ["tiny_bert", "tiny_deberta"])
@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "muon", "schedule_free"])
@pytest.mark.parametrize("frozen", [0, 1])
def test_the_estimated_state_of_an_optimizer_is_close_to_the_real_one(
    fixture: str, optimizer: str, frozen: int, request: pytest.FixtureRequest
) -> None:
    folder = str(request.getfixturevalue(fixture))
    how = {"freezes_embeddings": False, "num_frozen_layers": frozen, "rows_in_use": None}
    size = ModelSize.of(load_config(folder, None), len(LABELS)).training(optimizer=optimizer, **how)  # type: ignore[arg-type]
    model = load_encoder(folder, LABELS).model
    freeze(model, embeddings=False, num_layers=frozen)
    schedule = "constant" if optimizer == "schedule_free" else "linear"
    recipe = Recipe.load("baseline", {"training.optimizer": optimizer, "training.schedule": schedule})
    real = state_bytes(optimizer_of(recipe, model))
    assert size.moment_bytes == pytest.approx(real, rel=0.5 if frozen else 0.2)  # places and pooler are left out
    assert size.state_bytes - size.checkpoint_bytes == 4 * size.num_parameters, "gradients, and what is not trained"


def kept_for_backward(folder: Path, num_texts: int, length: int) -> int:
    """Return the bytes of all tensors that autograd keeps, parameters left out."""
    model = load_encoder(str(folder), LABELS).model.train()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    ids = torch.randint(5, 100, (num_texts, length))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    assert logits.requires_grad
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("fixture", ["tiny_bert", "tiny_deberta"])
@pytest.mark.parametrize("length", [16, 64])
def test_the_estimate_of_activations_is_near_what_autograd_keeps(
    fixture: str, length: int, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(fixture)
    size = ModelSize.of(load_config(str(folder), None), len(LABELS))
    # So small a model has much outside its layers, which the estimate leaves out: hence the wide bounds.
    assert 0.6 < size.activation_bytes(8, length) / kept_for_backward(folder, 8, length) < 1.5


def test_the_estimates_are_what_whole_runs_took() -> None:
    """Peaks measured on a CPU in float32: results.md, "Memory, estimated and measured"."""
    baseline = ModelSize(278_813_958, 251_000 * 768, 251_000, 768, 3072, 12, 12, 512)
    starter = ModelSize(22_715_526, 30_522 * 384, 30_522, 384, 1536, 6, 12, 0)
    for size, num_texts, measured in ((baseline, 2, 5.59), (baseline, 8, 8.28), (starter, 16, 2.31)):
        estimated = size.training_bytes(size.micro_batch_bytes(num_texts, 256, half=False), shared=False) / 2**30
        assert estimated == pytest.approx(measured, rel=0.08)
    whole = starter.micro_batch_bytes(16, 256, half=False)
    assert starter.micro_batch_bytes(16, 256, half=True) - whole == 2 * (22_715_526 - 30_522 * 384)
    alone = starter.training_bytes(whole, shared=False)
    assert starter.training_bytes(whole, shared=True) - alone == 4 * 22_715_526


def test_an_architecture_without_a_table_of_token_embeddings_is_refused() -> None:
    from transformers import CanineConfig

    tiny = CanineConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    with refused("models.unsupported", "a canine model cannot be trained here: NotImplementedError"):
        ModelSize.of(tiny, 2)
