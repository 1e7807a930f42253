"""The files of a comparison. The JSON is the truth; Markdown and picture beside it are drawn from it."""

from dataclasses import dataclass
from pathlib import Path

from civility.documents.comparison_result import Comparison
from civility.errors import UserError
from civility.render.charts.comparison_picture import to_svg
from civility.render.markdown.comparison_markdown import to_markdown
from civility.storage.atomic_files import make_folder, write_file

_NAME = "comparison"


@dataclass(frozen=True)
class ComparisonFiles:
    """Where the files are: ``NAME.json``, ``NAME.md`` and ``NAME.svg`` in one folder."""

    json: Path
    markdown: Path
    svg: Path


def check_out(out: Path) -> ComparisonFiles:
    """Return the files of an ``--out``: a folder, or the JSON file, beside which the others go.

    Raises
    ------
    UserError : something that is neither JSON nor a folder has this name
    """
    if out.suffix == ".json" and not out.is_dir():
        return ComparisonFiles(out, out.with_suffix(".md"), out.with_suffix(".svg"))
    if out.exists() and not out.is_dir():
        raise UserError(
            "evaluation.todo", f"--out {out}: not a folder", remedy="name a folder, or a file that ends in .json"
        )
    return ComparisonFiles(*(out / f"{_NAME}.{ending}" for ending in ("json", "md", "svg")))


def write_comparison(comparison: Comparison, files: ComparisonFiles) -> None:
    """Write the files; their folder is made if need be.

    Raises
    ------
    UserError : no permission, no space
    """
    make_folder(files.json.parent)
    written = {
        files.svg: to_svg(comparison),
        files.markdown: to_markdown(comparison, files.svg.name),
        files.json: comparison.to_json(),
    }
    for path, text in written.items():
        with write_file(path) as file:
            file.write(text)
