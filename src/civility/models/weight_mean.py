"""The mean of several models' weights, tensor by tensor: a model soup.

Wortsman et al. 2022, Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
inference time.
"""

from collections.abc import Mapping

import torch

Weights = Mapping[str, torch.Tensor]


class Soup:
    """The sum of the weights of ``num`` models, in float64.

    Integers and booleans (positions, masks) are not averaged; they must be equal in all models.
    """

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._types: dict[str, torch.dtype] = {}
        self.num = 0

    def add(self, weights: Weights) -> None:
        """Add a copy of the weights of one model.

        Raises
        ------
        ValueError : its tensors have other names or shapes than those before, or its integers differ
        """
        if self.num and set(weights) != set(self._sums):
            odd = sorted(set(weights) ^ set(self._sums))
            raise ValueError(f"{odd[0]} is not in all of the models")
        for name, tensor in weights.items():
            if self.num and tensor.shape != self._sums[name].shape:
                raise ValueError(f"{name} has shapes {tuple(tensor.shape)} and {tuple(self._sums[name].shape)}")
            if not tensor.is_floating_point() and self.num and not torch.equal(self._sums[name], tensor.cpu()):
                raise ValueError(f"{name}, which holds no weights, differs between the models")
        for name, tensor in weights.items():
            own = tensor.detach().cpu()
            if not own.is_floating_point():
                self._sums[name] = own.clone()
            elif self.num:
                self._sums[name] += own
            else:
                self._sums[name] = own.to(torch.float64, copy=True)
            self._types[name] = own.dtype
        self.num += 1

    def weights(self, more: Weights | None = None) -> dict[str, torch.Tensor]:
        """Return the mean, each tensor in its original type; ``more`` counts as one more model without being added.

        Raises
        ------
        ValueError : no weights were added
        """
        if not self.num:
            raise ValueError("a soup of nothing")
        num = self.num + (more is not None)
        found = {}
        for name, total in self._sums.items():
            if not total.is_floating_point():
                found[name] = total.clone()
                continue
            whole = total if more is None else total + more[name].detach().cpu()
            found[name] = (whole / num).to(self._types[name])
        return found
