"""Batches: gathered, padded as the tokenizer would, and planned within a budget of tokens."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from civility.models.batches import batches_by_budget, gather
from civility.models.tokenizer import load_tokenizer, tokenise
from civility.scoring.tokens import Tokens

FEW = settings(max_examples=50, deadline=None)
TEXTS = ["the garden is nice", "", "you damn fool " * 9, "apple", "film music train see him"]


def _tokens(rows: list[list[int]], pad_id: int = 0) -> Tokens:
    lengths = [len(row) for row in rows]
    ids = np.array([one for row in rows for one in row], dtype=np.int32)
    return Tokens(ids, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), pad_id)


@pytest.mark.parametrize("model", ["tiny_deberta", "tiny_bert"])
@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4], [3], [4, 1, 4], [1], [2, 0]])
def test_a_batch_is_padded_as_the_tokenizer_pads(model: str, rows: list[int], request: pytest.FixtureRequest) -> None:
    tokenizer = load_tokenizer(str(request.getfixturevalue(model)))
    ids, mask = gather(tokenise(tokenizer, TEXTS, 16), np.array(rows)).padded()
    encoded = tokenizer([TEXTS[row] for row in rows], truncation=True, max_length=16)
    theirs = tokenizer.pad({"input_ids": encoded["input_ids"]}, return_tensors="pt")
    assert torch.equal(ids, theirs["input_ids"])
    assert torch.equal(mask, theirs["attention_mask"])
    assert ids.dtype == mask.dtype == torch.int64
    other, _ = gather(tokenise(tokenizer, TEXTS[::-1], 16), np.array(rows)).padded()
    assert not torch.equal(other, ids), "the control: other texts give other ids"


@FEW
@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=12), min_size=1, max_size=12), st.data())
def test_a_batch_holds_the_rows_asked_for_and_padding(rows: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=8))
    ids, mask = gather(_tokens(rows, pad_id=77), np.array(chosen)).padded()
    longest = max(len(rows[row]) for row in chosen)
    assert ids.tolist() == [rows[row] + [77] * (longest - len(rows[row])) for row in chosen]
    assert mask.tolist() == [[1] * len(rows[row]) + [0] * (longest - len(rows[row])) for row in chosen]


def test_a_token_that_looks_like_padding_is_still_text() -> None:
    ids, mask = gather(_tokens([[5, 0, 6], [7]]), np.array([0, 1])).padded()
    assert ids.tolist() == [[5, 0, 6], [7, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


@FEW
@given(st.lists(st.integers(1, 300), max_size=200), st.integers(1, 2_000))
def test_batches_take_each_row_once_the_longest_first_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = batches_by_budget(np.array(lengths, dtype=np.int64), budget)
    order = [row for batch in batches for row in batch.tolist()]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[row] for row in order] == sorted(lengths, reverse=True)
    for batch in batches:
        padded = len(batch) * max(lengths[row] for row in batch)
        assert padded <= budget or len(batch) == 1


def test_a_batch_is_as_large_as_the_budget_allows() -> None:
    batches = batches_by_budget(np.array([10] * 7 + [4] * 5), 40)
    assert [len(batch) for batch in batches] == [4, 4, 4]
    assert [len(batch) for batch in batches_by_budget(np.array([10] * 7 + [4] * 5), 39)] == [3, 3, 3, 3]


def test_a_text_longer_than_the_budget_is_a_batch_of_its_own() -> None:
    assert [batch.tolist() for batch in batches_by_budget(np.array([5, 100, 5]), 10)] == [[1], [0, 2]]


def test_equal_lengths_keep_their_order() -> None:
    (batch,) = batches_by_budget(np.full(50, 8), 8_192)
    assert batch.tolist() == list(range(50))


def test_no_rows_give_no_batches() -> None:
    assert batches_by_budget(np.zeros(0, dtype=np.int64), 100) == []


def test_the_rows_of_a_plan_can_be_padded(tiny_bert: Path) -> None:
    tokens = tokenise(load_tokenizer(str(tiny_bert)), TEXTS * 20, 32)
    seen = 0
    for rows in batches_by_budget(tokens.lengths, 64):
        ids, mask = gather(tokens, rows).padded()
        assert ids.numel() <= 64
        assert mask.sum(dim=1).tolist() == tokens.lengths[rows].tolist()
        seen += len(rows)
    assert seen == 100
