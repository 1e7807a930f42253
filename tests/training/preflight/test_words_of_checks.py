"""Every check has words, for exactly the facts that it gives."""

import ast
from collections.abc import Iterator
from pathlib import Path

from civility.render.sentences import preflight_sentences
from civility.training import preflight

_NO_FACTS = {"fails", "warns"}


def given() -> dict[str, set[str]]:
    """Return, by the name of the check, the facts that the calls of `outcome` give."""
    found: dict[str, set[str]] = {}
    for path in sorted(Path(*preflight.__path__).glob("*_checks.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "outcome":
                assert isinstance(call.args[0], ast.Constant), f"{path.name}:{call.lineno}: name it where it is made"
                keywords = {keyword.arg for keyword in call.keywords}
                assert None not in keywords, f"{path.name}:{call.lineno}: name its facts"
                names = found.setdefault(str(call.args[0].value), set())
                names.update(str(keyword) for keyword in keywords - _NO_FACTS)
    return found


def worded() -> dict[str, set[str]]:
    """Return, by the name of the check, the facts that its words use."""
    tree = ast.parse(Path(preflight_sentences.__file__).read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {
        name: set(used_by(functions[function.__name__], functions))
        for name, function in preflight_sentences._WORDS.items()
    }


def used_by(function: ast.FunctionDef, functions: dict[str, ast.FunctionDef]) -> Iterator[str]:
    """Yield each ``"fact"`` of ``facts["fact"]`` and ``"fact" in facts``, also in functions that get the facts."""
    for node in ast.walk(function):
        match node:
            case ast.Subscript(value=ast.Name(id="facts"), slice=ast.Constant(value=str(name))):
                yield name
            case ast.Compare(left=ast.Constant(value=str(name)), comparators=[ast.Name(id="facts")]):
                yield name
            case ast.Call(func=ast.Name(id=other), args=[ast.Name(id="facts"), *_]):
                yield from used_by(functions[other], functions)


def test_every_check_has_words_for_exactly_the_facts_that_it_gives() -> None:
    facts = given()
    assert len(facts) > 20, "the control: the calls are found"
    assert facts["memory"] >= {"needed", "batch_size"}, "the control: both calls, and the helper of the words"
    assert worded() == facts
