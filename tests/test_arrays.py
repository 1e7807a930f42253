"""Array types are named in one place."""

import ast
from pathlib import Path

import civility.arrays

SOURCE = Path(civility.arrays.__file__).parent


def _aliases(module: Path) -> list[str]:
    """Return the names that a module gives to array types at its top level."""
    body = ast.parse(module.read_text(encoding="utf-8")).body
    assignments = [node for node in body if isinstance(node, ast.Assign)]
    return [ast.unparse(one.targets[0]) for one in assignments if ast.unparse(one.value).startswith("npt.NDArray[")]


def test_only_one_module_names_array_types() -> None:
    named = {module.name: _aliases(module) for module in SOURCE.rglob("*.py")}
    assert {module: names for module, names in named.items() if names} == {"arrays.py": named["arrays.py"]}
    assert {"Scores", "Logits", "Targets", "Decisions"} <= set(named["arrays.py"])
