"""The names of a report's files."""

from dataclasses import dataclass
from pathlib import Path

OWN_REPORT = "validation"
"""The name of the report that a run writes on its validation comments."""


@dataclass(frozen=True)
class ReportFiles:
    """The files of a report, all in one folder: ``NAME.json`` and so on."""

    folder: Path
    name: str

    @property
    def json(self) -> Path:
        """The numbers, from which everything else is drawn."""
        return self.folder / f"{self.name}.json"

    @property
    def markdown(self) -> Path:
        """The text for a terminal or a review."""
        return self.folder / f"{self.name}.md"

    @property
    def html(self) -> Path:
        """The page."""
        return self.folder / f"{self.name}.html"

    @property
    def scores(self) -> Path:
        """The comments' ids, targets and scores."""
        return self.folder / f"{self.name}.scores.parquet"

    @property
    def plots(self) -> Path:
        """The folder of plots as SVG files."""
        return self.folder / f"{self.name}-plots"
