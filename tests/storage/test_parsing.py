"""Documents that are damaged or hostile end in one sentence that names the file."""

from pathlib import Path

import pytest

from civility.errors import UserError
from civility.storage.parsing import parse_json, read_json, read_text, read_toml

from ..refusals import refused


def test_a_document_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('\ufeff{"a": [1, 2.5, "x", null, -9223372036854775808]}', encoding="utf-8")
    assert read_json(path) == {"a": [1, 2.5, "x", None, -(2**63)]}
    path.write_text('\ufeffa = 1\n[b]\nc = "x"\n', encoding="utf-8")
    assert read_toml(path) == {"a": 1, "b": {"c": "x"}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": -Infinity}', "-Infinity is not a number"),
        ('{"a": 1e999}', "1e999 is too large a number"),
        ('{"a": 9223372036854775808}', "9223372036854775808 is too large a number"),
        ('{"a": 1' + "0" * 10_000 + "}", "is too large a number"),
        ("[" * 100_000, "nested too deeply"),
        ("[1]", "a list, expected a JSON object"),
        ('{"a": ', "Expecting value"),
        ("", "Expecting value"),
    ],
)
def test_a_text_that_is_not_a_json_object_is_refused(text: str, reason: str) -> None:
    with refused("storage.damaged", match=reason) as caught:
        parse_json(text, "a.json", "write it again")
    assert caught.value.message.startswith("a.json: damaged: ")
    assert caught.value.remedy == "write it again"
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = 1" + "0" * 10_000, "a = ", "a = 2024-99-99"])
def test_invalid_toml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="utf-8")
    with refused("storage.bad-toml", match="not valid TOML"):
        read_toml(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    for name, reason in {
        "latin": "not UTF-8",
        "missing": "no such file",
        ".": "a folder",
        "a\0b": "not a path|no such file",
    }.items():
        with pytest.raises(UserError, match=reason):
            read_text(tmp_path / name)
