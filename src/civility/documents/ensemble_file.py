"""EnsembleFile: ``ensemble.json``, which names the members of an ensemble and how it averages them."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, StrictBool

from civility.documents.document import ExactDocument, Part

ENSEMBLE_FILE = "ensemble.json"
By = Literal["scores", "logits", "ranks"]
"""What is averaged: calibrated scores, logits before calibration, or the ranks of logits."""
BY: tuple[By, ...] = get_args(By)
SMALLEST_WEIGHT, LARGEST_WEIGHT = 1e-30, 1e9
"""Of a member: the sum of any weights in this range is finite."""

_Number = Annotated[float, Field(strict=True)]


class RankKnots(Part):
    """A map from the logits of one label to ranks, linear between its knots."""

    logits: tuple[_Number, ...] = Field(description="increasing")
    ranks: tuple[_Number, ...] = Field(description="increasing, in (0, 1)")


class EnsembleMember(Part):
    """One of the classifiers that are averaged."""

    name: str
    weight: float = Field(strict=True, ge=SMALLEST_WEIGHT, le=LARGEST_WEIGHT)
    folder: str = Field(description="path relative to the folder of the ensemble")
    is_link: StrictBool = Field(description="whether the member stays outside the folder of the ensemble")
    digest: str = Field(description="sha256 of what its scores depend on; empty if unknown")
    ranks: tuple[RankKnots, ...] = Field(description="by label, in the order of the labels; empty unless by ranks")


class EnsembleFile(ExactDocument):
    """``ensemble.json`` of a classifier folder."""

    WHAT: ClassVar = "ensemble file"
    SCHEMA: ClassVar = 1
    REMEDY: ClassVar = "make the ensemble again, or copy its folder again"

    by: By
    labels: tuple[str, ...] = Field(description="in the order of the logits")
    members: tuple[EnsembleMember, ...] = Field(min_length=2, max_length=1_000)
