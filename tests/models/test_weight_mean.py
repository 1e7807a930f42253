"""The average of weights: in float64, in the type they came in; whole numbers are kept, and what differs is refused."""

import pytest
import torch

from civility.models.weight_mean import Soup

ONE = {"w": torch.tensor([1.0, 2.0]), "half": torch.tensor([1.0], dtype=torch.float16), "ids": torch.arange(3)}
TWO = {"w": torch.tensor([2.0, 6.0]), "half": torch.tensor([2.0], dtype=torch.float16), "ids": torch.arange(3)}


def test_it_is_the_mean_in_the_type_it_came_in() -> None:
    soup = Soup()
    soup.add(ONE)
    soup.add(TWO)
    found = soup.weights()
    assert found["w"].tolist() == [1.5, 4.0]
    assert (found["w"].dtype, found["half"].dtype) == (torch.float32, torch.float16)
    assert found["half"].tolist() == [1.5]
    assert torch.equal(found["ids"], torch.arange(3))
    assert soup.num == 2


def test_a_taste_is_not_kept() -> None:
    soup = Soup()
    soup.add(ONE)
    assert soup.weights(TWO)["w"].tolist() == [1.5, 4.0]
    assert soup.weights()["w"].tolist() == [1.0, 2.0]
    assert ONE["w"].tolist() == [1.0, 2.0], "the model's own weights stay as they are"


def test_many_small_numbers_are_not_lost_in_a_large_sum() -> None:
    values = [1e8, *[1.0] * 99]
    soup, naive = Soup(), torch.zeros(1)
    for value in values:
        soup.add({"w": torch.tensor([value])})
        naive += torch.tensor([value])
    assert soup.weights()["w"].item() == pytest.approx(sum(values) / 100, rel=1e-7)
    assert naive.item() / 100 != pytest.approx(sum(values) / 100, rel=1e-7), "the control: float32 loses them"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"w": TWO["w"]}, "half is not in all of the models"),
        ({**TWO, "w": torch.zeros(3)}, r"w has shapes \(3,\) and \(2,\)"),
        ({**TWO, "ids": torch.arange(3) + 1}, "ids, which holds no weights, differs"),
    ],
)
def test_what_does_not_go_together_is_refused(other: dict[str, torch.Tensor], message: str) -> None:
    soup = Soup()
    soup.add(ONE)
    with pytest.raises(ValueError, match=message):
        soup.add(other)
    assert soup.weights()["w"].tolist() == [1.0, 2.0], "nothing of it was added"


def test_a_soup_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a soup of nothing"):
        Soup().weights()
