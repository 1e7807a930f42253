"""Training the rows in use: forward, the whole matrix given back, and what refuses it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from civility.models.encoder import load_encoder
from civility.models.layers import freeze
from civility.models.vocabulary import (
    EmbeddingInUse,
    give_back_whole,
    ids_in_use,
    keep_in_use,
    num_parameters,
    why_whole,
)
from civility.scoring.tokens import Tokens

LABELS = ("toxic", "threat")
USED = np.array([0, 3, 4, 9])


def embedding(*, padding: int | None = 0) -> nn.Embedding:
    torch.manual_seed(0)
    return nn.Embedding(12, 5, padding_idx=padding)


@pytest.mark.parametrize("padding", [0, None])
def test_it_takes_the_same_ids_and_gives_the_same_rows_and_gradients(padding: int | None) -> None:
    whole = embedding(padding=padding)
    part = EmbeddingInUse(whole, USED)
    ids = torch.tensor([[3, 9, 0], [4, 3, 0]])
    assert torch.equal(part(ids), whole(ids))
    weights = torch.randn(2, 3, 5)
    for module in (whole, part):
        (module(ids) * weights).sum().backward()
    assert whole.weight.grad is not None
    assert part.weight.grad is not None
    assert torch.equal(part.weight.grad, whole.weight.grad[USED])
    assert not whole.weight.grad[[1, 2, 5, 6, 7, 8, 10, 11]].any(), "all others have none"
    with pytest.raises(IndexError):
        part(torch.tensor([[5]]))


def test_a_padding_row_that_no_text_uses_takes_no_other_rows_gradient() -> None:
    whole = embedding(padding=2)
    part = EmbeddingInUse(whole, np.array([1, 5, 9]))
    assert part.num_used == 4
    part(torch.tensor([1, 5, 9])).sum().backward()
    assert part.weight.grad is not None
    assert part.weight.grad.sum(dim=1).tolist() == [5.0, 0.0, 5.0, 5.0]


def test_the_whole_matrix_comes_back_with_the_others_decayed() -> None:
    whole = embedding()
    part = EmbeddingInUse(whole, USED)
    with torch.no_grad():
        part.weight.add_(1.0)
    for _ in range(3):
        part.decay(0.9)
    again = part.whole()
    assert (again.padding_idx, again.weight.requires_grad) == (0, True)
    assert torch.equal(again.weight[USED], part.weight)
    others = [1, 2, 5, 6, 7, 8, 10, 11]
    torch.testing.assert_close(again.weight[others], whole.weight[others] * 0.9**3)


def test_the_decay_is_in_the_state_and_an_average_of_states_is_the_average_of_matrices() -> None:
    whole = embedding()
    states, matrices = [], []
    part = EmbeddingInUse(whole, USED)
    for factor in (0.9, 0.8, 1.0):
        with torch.no_grad():
            part.weight.mul_(factor).add_(0.1)
        part.decay(factor)
        states.append({name: tensor.clone() for name, tensor in part.state_dict().items()})
        matrices.append(part.whole().weight.detach())
    average = {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}
    other = EmbeddingInUse(whole, USED)
    other.load_state_dict(average)
    torch.testing.assert_close(other.whole().weight.detach(), torch.stack(matrices).mean(0))
    assert not torch.allclose(other.whole().weight.detach(), matrices[-1]), "the control: the last one differs"


def test_a_matrix_that_was_published_in_half_precision_is_kept_in_half_the_memory() -> None:
    whole = embedding()
    assert EmbeddingInUse(whole, USED)._whole.dtype == torch.float32
    with torch.no_grad():
        whole.weight.copy_(whole.weight.half().float())
    part = EmbeddingInUse(whole, USED)
    assert part._whole.dtype == torch.float16
    assert torch.equal(part.whole().weight, whole.weight)


def test_the_digest_is_of_all_rows() -> None:
    whole = embedding()
    digest = EmbeddingInUse(whole, USED).digest
    assert digest.startswith("sha256:")
    assert digest == EmbeddingInUse(whole, np.array([0, 1])).digest
    with torch.no_grad():
        whole.weight[7, 2] += 1e-3
    assert EmbeddingInUse(whole, USED).digest != digest


def test_the_ids_in_use_are_those_of_all_texts_and_the_padding() -> None:
    first = Tokens(np.array([5, 3, 5], dtype=np.int32), np.array([0, 3]), pad_id=0)
    second = Tokens(np.array([9], dtype=np.int32), np.array([0, 1]), pad_id=0)
    assert ids_in_use(first, second).tolist() == [0, 3, 5, 9]
    assert ids_in_use(Tokens(np.zeros(0, dtype=np.int32), np.array([0]), pad_id=7)).tolist() == [7]


@pytest.mark.parametrize("fixture", ["tiny_bert", "tiny_deberta"])
def test_a_model_counts_all_its_parameters_and_gets_all_its_rows_back(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    encoder = load_encoder(str(request.getfixturevalue(fixture)), LABELS)
    model, before = encoder.model, encoder.num_parameters
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert not why_whole(model)
    part = keep_in_use(model, USED)
    assert model.get_input_embeddings() is part
    assert encoder.num_parameters == before == num_parameters(model)
    assert sum(parameter.numel() for parameter in model.parameters()) < before
    assert (part.num_used, part.num_embeddings) == (4, len(state[f"{model.base_model_prefix}.{words(state)}"]))
    give_back_whole(model)
    assert type(model.get_input_embeddings()) is nn.Embedding
    assert {name: tensor.tolist() for name, tensor in model.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in state.items()
    }
    give_back_whole(model)  # a whole one is left alone


def words(state: dict[str, torch.Tensor]) -> str:
    (name,) = (name for name in state if name.endswith("word_embeddings.weight"))
    return name.split(".", 1)[1]


def test_embeddings_that_cannot_be_reduced_give_a_reason(tiny_bert: Path) -> None:
    def reason(change: str) -> str:
        model = load_encoder(str(tiny_bert), LABELS).model
        whole = model.get_input_embeddings()
        if change == "frozen":
            freeze(model, embeddings=True, num_layers=0)
        elif change == "tied":
            model.decoder = nn.Linear(whole.embedding_dim, whole.num_embeddings, bias=False)
            model.decoder.weight = whole.weight
        elif change == "norm":
            whole.max_norm = 1.0
        else:
            model.set_input_embeddings(nn.EmbeddingBag(12, 5))
        return why_whole(model)

    assert reason("frozen") == "the token embedding is frozen"
    assert reason("tied") == "the token embedding is tied to another layer"
    assert reason("norm") == "the token embedding updates its rows in a way of its own"
    assert reason("kind") == "the token embedding is a EmbeddingBag"
