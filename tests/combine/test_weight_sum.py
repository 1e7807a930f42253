"""The mean of weights: summed in float64, returned in the original type; integers must be equal."""

import pytest
import torch

from civility.combine.build_soup import WeightSum

ONE = {"w": torch.tensor([1.0, 2.0]), "half": torch.tensor([1.0], dtype=torch.float16), "ids": torch.arange(3)}
TWO = {"w": torch.tensor([2.0, 6.0]), "half": torch.tensor([2.0], dtype=torch.float16), "ids": torch.arange(3)}


def test_the_mean_has_the_type_of_the_weights() -> None:
    soup = WeightSum()
    soup.add(ONE)
    soup.add(TWO)
    found = soup.mean()
    assert found["w"].tolist() == [1.5, 4.0]
    assert (found["w"].dtype, found["half"].dtype) == (torch.float32, torch.float16)
    assert found["half"].tolist() == [1.5]
    assert torch.equal(found["ids"], torch.arange(3))
    assert soup.num == 2


def test_weights_added_for_one_mean_are_not_kept() -> None:
    soup = WeightSum()
    soup.add(ONE)
    assert soup.mean(TWO)["w"].tolist() == [1.5, 4.0]
    assert soup.mean()["w"].tolist() == [1.0, 2.0]
    assert ONE["w"].tolist() == [1.0, 2.0], "the model's own weights stay as they are"


def test_many_small_numbers_are_not_lost_in_a_large_sum() -> None:
    values = [1e8, *[1.0] * 99]
    soup, naive = WeightSum(), torch.zeros(1)
    for value in values:
        soup.add({"w": torch.tensor([value])})
        naive += torch.tensor([value])
    assert soup.mean()["w"].item() == pytest.approx(sum(values) / 100, rel=1e-7)
    assert naive.item() / 100 != pytest.approx(sum(values) / 100, rel=1e-7), "the control: float32 loses them"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"w": TWO["w"]}, "half is not in all models"),
        ({**TWO, "w": torch.zeros(3)}, r"w has shapes \(3,\) and \(2,\)"),
        ({**TWO, "ids": torch.arange(3) + 1}, "ids, which does not hold weights, differs"),
    ],
)
def test_weights_that_do_not_match_are_refused(other: dict[str, torch.Tensor], message: str) -> None:
    soup = WeightSum()
    soup.add(ONE)
    with pytest.raises(ValueError, match=message):
        soup.add(other)
    assert soup.mean()["w"].tolist() == [1.0, 2.0], "nothing of it was added"


def test_the_mean_of_no_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="no weights were added"):
        WeightSum().mean()
