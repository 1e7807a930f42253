"""Tokenising with the tokenizers library alone: the ids of the model's tokenizer, without torch and transformers."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from civility.models.tokenizer import load_tokenizer, tokenise
from civility.scoring.tokens import encode, token_lengths

FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("model", ["tiny_bert", "tiny_deberta"])
@FEW
@given(texts=st.lists(st.text(max_size=60), max_size=12), max_length=st.integers(3, 20))
def test_a_tokenizer_file_alone_gives_the_ids_of_the_models_tokenizer(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    model: str,
    texts: list[str],
    max_length: int,
) -> None:
    tokenizer = load_tokenizer(str(request.getfixturevalue(model)))
    folder = tmp_path_factory.mktemp("saved")
    tokenizer.save_pretrained(folder)
    backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    expected = tokenise(tokenizer, texts, max_length)
    found = encode(backend, texts, max_length, pad_id=tokenizer.pad_token_id)
    assert found.digest == expected.digest
    assert found.truncated.tolist() == expected.truncated.tolist()
    lengths = token_lengths(backend, texts)
    assert lengths.clip(max=max_length).tolist() == expected.lengths.tolist()
    assert expected.truncated.tolist() == (lengths > max_length).tolist()


def test_tokenising_imports_neither_torch_nor_transformers(tiny_bert: Path) -> None:
    code = (
        "import sys; from tokenizers import Tokenizer; from civility.scoring.tokens import encode\n"
        "tokens = encode(Tokenizer.from_file(sys.argv[1]), ['a nice garden', ''], 8, pad_id=0)\n"
        "print(len(tokens), *sorted({'torch', 'transformers', 'pyarrow'} & set(sys.modules)))"
    )
    words = [sys.executable, "-c", code, str(tiny_bert / "tokenizer.json")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "2\n"
