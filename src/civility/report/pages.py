"""The files of a report. The JSON is the truth; the page beside it is drawn from it."""

from pathlib import Path

from civility.data.files import explain_os_error, write_file
from civility.report.markdown import to_markdown
from civility.report.measure import Report


def write_report(report: Report, folder: Path, name: str, note: str = "") -> tuple[Path, Path]:
    """Write ``NAME.json`` and ``NAME.md`` into a folder, which is made if need be, and return their paths.

    Raises
    ------
    UserError : no permission, no space
    """
    with explain_os_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
    json_path, markdown_path = folder / f"{name}.json", folder / f"{name}.md"
    with write_file(json_path) as file:
        file.write(report.to_json())
    with write_file(markdown_path) as file:
        file.write(to_markdown(report, f"Report: {name}", note))
    return json_path, markdown_path
