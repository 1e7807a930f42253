"""The cache of tokens: the very ids of the tokenizer, found again by what they depend on, and never a broken one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from civility.models.batches import gather
from civility.models.token_cache import FEWEST_TEXTS, CacheUse, cached_tokens, default_cache_folder
from civility.models.tokenizer import load_tokenizer, tokenise
from civility.scoring.tokens import Tokens

from ..conftest import SENTENCES, files_up_to

TEXTS = [f"{SENTENCES[i % len(SENTENCES)]} {'fool ' * (i % 5)}" for i in range(FEWEST_TEXTS)]
READ, WRITTEN = CacheUse("read"), CacheUse("written")


@pytest.fixture(scope="module")
def tokenizer(tiny_bert: Path) -> Any:
    return load_tokenizer(str(tiny_bert))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "tokens"


def same(one: Tokens, other: Tokens) -> bool:
    return one.digest == other.digest and one.pad_id == other.pad_id and np.array_equal(one.truncated, other.truncated)


def entries(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


@pytest.mark.parametrize("model", ["tiny_bert", "tiny_deberta"])
def test_tokens_from_the_cache_are_those_of_the_tokenizer(
    model: str, cache: Path, request: pytest.FixtureRequest
) -> None:
    tokenizer = load_tokenizer(str(request.getfixturevalue(model)))
    slow = tokenizer(TEXTS, truncation=True, max_length=8)["input_ids"]
    for expected in (WRITTEN, READ):
        tokens, use = cached_tokens(tokenizer, TEXTS, 8, cache)
        assert use == expected
        assert [tokens.ids[a:b].tolist() for a, b in zip(tokens.offsets, tokens.offsets[1:], strict=False)] == slow
        assert same(tokens, tokenise(tokenizer, TEXTS, 8))
        assert tokens.num_truncated > 0
        assert not same(tokens, tokenise(tokenizer, TEXTS, 9)), "the control: another length is seen"


def test_what_was_read_is_mapped_and_makes_the_same_batches(tokenizer: Any, cache: Path) -> None:
    made, _ = cached_tokens(tokenizer, TEXTS, 16, cache)
    read, use = cached_tokens(tokenizer, TEXTS, 16, cache)
    assert use == READ
    assert not read.ids.flags.writeable
    assert type(read.ids) is np.ndarray
    rows, others = np.array([5, 1_999, 0, 7]), np.array([4, 1_998, 1, 6])
    for ours, theirs in zip(gather(read, rows).padded(), gather(made, rows).padded(), strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(gather(read, others).padded()[0], gather(made, rows).padded()[0]), (
        "the control: other rows differ"
    )


def test_an_entry_is_found_again_only_for_the_same_texts_length_and_tokenizer(
    tokenizer: Any, tiny_bert: Path, cache: Path
) -> None:
    def use(tokenizer: Any, texts: list[str], max_length: int) -> CacheUse:
        tokens, use = cached_tokens(tokenizer, texts, max_length, cache)
        assert same(tokens, tokenise(tokenizer, texts, max_length))
        return use

    assert use(tokenizer, TEXTS, 16) == WRITTEN
    assert use(tokenizer, TEXTS, 17) == WRITTEN
    assert use(tokenizer, [*TEXTS[:-1], "other"], 16) == WRITTEN
    assert use(tokenizer, [TEXTS[0] + TEXTS[1], "", *TEXTS[2:]], 16) == WRITTEN, "the same letters, cut elsewhere"
    assert use(tokenizer, TEXTS[::-1], 16) == WRITTEN
    larger = load_tokenizer(str(tiny_bert))
    larger.add_tokens(["zebra"])
    assert use(larger, TEXTS, 16) == WRITTEN
    left = load_tokenizer(str(tiny_bert))
    left.truncation_side = "left"
    assert use(left, TEXTS, 16) == WRITTEN
    literal = load_tokenizer(str(tiny_bert))
    literal.split_special_tokens = True
    assert use(literal, TEXTS, 16) == WRITTEN
    assert len(entries(cache)) == 8
    again = load_tokenizer(str(tiny_bert))
    again(["fool"], padding="max_length", max_length=5, truncation=True)  # leaves settings behind
    assert use(again, TEXTS, 16) == READ
    assert use(tokenizer, list(TEXTS), 17) == READ


def test_lone_surrogates_are_cached_as_any_text(tokenizer: Any, cache: Path) -> None:
    texts = ["fool \udfff nice", *TEXTS]
    assert cached_tokens(tokenizer, texts, 16, cache)[1] == WRITTEN
    tokens, use = cached_tokens(tokenizer, texts, 16, cache)
    assert use == READ
    assert same(tokens, tokenise(tokenizer, texts, 16))


def test_few_texts_and_no_cache_leave_no_trace(tokenizer: Any, cache: Path) -> None:
    few = TEXTS[: FEWEST_TEXTS - 1]
    for texts, folder in ((few, cache), (TEXTS, None)):
        tokens, use = cached_tokens(tokenizer, texts, 16, folder)
        assert use == CacheUse("unused")
        assert same(tokens, tokenise(tokenizer, texts, 16))
    assert not cache.exists()


def damage(entry: Path, how: str) -> None:
    file = entry / how.split()[0]
    data = file.read_bytes()
    if how.endswith("gone"):
        file.unlink()
    elif how.endswith("empty"):
        file.write_bytes(b"")
    elif how.endswith("cut"):
        file.write_bytes(data[: len(data) * 2 // 3])
    elif how.endswith("longer"):
        file.write_bytes(data + data)
    elif how.endswith("a zip"):
        file.write_bytes(b"PK\x03\x04" + data)
    else:
        at = {"begin": 3, "header": 40, "end": len(data) - 2}[how.split()[1]]
        file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


ARRAYS = ("ids.npy", "offsets.npy", "truncated.npy")
DAMAGES = [
    *(
        f"{name} {how}"
        for name in ARRAYS
        for how in ("gone", "empty", "cut", "a zip", "begin bit", "header bit", "end bit")
    ),
    *(f"meta.json {how}" for how in ("gone", "empty", "cut", "longer", "header bit")),
]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_entry_is_made_again(tokenizer: Any, cache: Path, how: str) -> None:
    expected, _ = cached_tokens(tokenizer, TEXTS, 16, cache)
    (entry,) = entries(cache)
    damage(entry, how)
    for use in (WRITTEN, READ):
        tokens, found = cached_tokens(tokenizer, TEXTS, 16, cache)
        assert found == use
        assert same(tokens, expected)
    assert entries(cache) == [entry]


def test_an_entry_under_the_name_of_another_is_not_used(tokenizer: Any, cache: Path) -> None:
    cached_tokens(tokenizer, TEXTS, 16, cache)
    (own,) = entries(cache)
    cached_tokens(tokenizer, TEXTS, 8, cache)
    (other,) = set(entries(cache)) - {own}
    shutil.rmtree(own)
    shutil.copytree(other, own)
    tokens, use = cached_tokens(tokenizer, TEXTS, 16, cache)
    assert use == WRITTEN
    assert same(tokens, tokenise(tokenizer, TEXTS, 16))


def test_an_entry_of_another_form_is_made_again(tokenizer: Any, cache: Path) -> None:
    cached_tokens(tokenizer, TEXTS, 16, cache)
    meta = entries(cache)[0] / "meta.json"
    for changed in ({"schema": 2}, {"key": None}, {"digest": "sha256:0"}, {"truncated_digest": ""}):
        meta.write_text(json.dumps({**json.loads(meta.read_text()), **changed}))
        assert cached_tokens(tokenizer, TEXTS, 16, cache)[1] == WRITTEN, changed
    assert cached_tokens(tokenizer, TEXTS, 16, cache)[1] == READ, "the control: nothing changed"


def test_only_the_owner_can_look_into_the_cache(tokenizer: Any, cache: Path) -> None:
    cached_tokens(tokenizer, TEXTS, 16, cache)
    assert [folder.stat().st_mode & 0o777 for folder in (cache.parent, cache)] == [0o700, 0o700]
    assert {path.name for path in entries(cache)[0].iterdir()} == {*ARRAYS, "meta.json"}


def test_a_path_that_is_not_a_folder_only_disables_the_cache(tokenizer: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    tokens, use = cached_tokens(tokenizer, TEXTS, 16, tmp_path / "file" / "tokens")
    assert (use.outcome, use.reason) == ("unused", "File exists")
    assert same(tokens, tokenise(tokenizer, TEXTS, 16))


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_place_without_permission_costs_the_cache_only(tokenizer: Any, cache: Path) -> None:
    cached_tokens(tokenizer, TEXTS, 16, cache)
    cache.chmod(0o500)
    assert cached_tokens(tokenizer, TEXTS, 16, cache)[1] == READ, "reading goes on"
    tokens, use = cached_tokens(tokenizer, TEXTS, 8, cache)
    assert (use.outcome, use.reason) == ("unused", "no permission to write there")
    assert same(tokens, tokenise(tokenizer, TEXTS, 8))
    cache.chmod(0o700)


@pytest.mark.parametrize("size", [0, 100, 1_000, 10_000])
def test_a_disk_that_fills_up_costs_the_cache_only(tokenizer: Any, cache: Path, size: int) -> None:
    with files_up_to(size):
        tokens, use = cached_tokens(tokenizer, TEXTS, 16, cache)
    assert use.outcome == "unused"
    assert use.reason in ("it could not be written whole", "the file is larger than is allowed here")
    assert same(tokens, tokenise(tokenizer, TEXTS, 16))
    assert entries(cache) == []
    assert cached_tokens(tokenizer, TEXTS, 16, cache)[1] == WRITTEN, "the control: without the limit it is kept"


def bytes_of(entry: Path) -> int:
    return sum(file.stat().st_size for file in entry.iterdir())


def test_entries_used_longest_ago_make_room(tokenizer: Any, cache: Path) -> None:
    lengths = (8, 9, 10)
    by_length: dict[int, Path] = {}
    for age, length in zip((300, 200, 100), lengths, strict=True):
        cached_tokens(tokenizer, TEXTS, length, cache)
        (by_length[length],) = set(entries(cache)) - set(by_length.values())
        now = by_length[length].stat().st_mtime
        os.utime(by_length[length], (now - age, now - age))
    assert cached_tokens(tokenizer, TEXTS, 8, cache)[1] == READ  # and is the youngest from here on
    allowed = sum(bytes_of(entry) for entry in by_length.values())
    assert cached_tokens(tokenizer, TEXTS, 11, cache, allowed)[1] == WRITTEN
    left = set(entries(cache))
    assert by_length[9] not in left
    assert by_length[8] in left
    assert sum(bytes_of(entry) for entry in left) <= allowed + 1_000  # its own meta.json and headers
    assert cached_tokens(tokenizer, TEXTS, 9, cache)[1] == WRITTEN, "what gave way is made again"


def test_tokens_larger_than_the_cache_are_not_kept(tokenizer: Any, cache: Path) -> None:
    cached_tokens(tokenizer, TEXTS, 8, cache)
    before = entries(cache)
    tokens, use = cached_tokens(tokenizer, TEXTS, 16, cache, largest=10_000)
    assert (use.outcome, use.reason) == ("unused", "0.0 GB are more than the cache may hold")
    assert len(tokens) == len(TEXTS)
    assert entries(cache) == before


def test_making_room_takes_what_killed_writers_left_and_nothing_of_others(tokenizer: Any, cache: Path) -> None:
    old, young = (cache / f".{digit * 64}.12345.partial" for digit in "ab")
    strange = cache / "my-own-tokens"
    for folder in (old, young, strange):
        folder.mkdir(parents=True)
        (folder / "ids.npy").write_bytes(b"0" * 1_000)
    (cache / "notes.txt").write_text("mine")
    for folder in (old, strange):
        os.utime(folder, (0, 0))
    _, use = cached_tokens(tokenizer, TEXTS, 16, cache, largest=400_000)
    assert use == WRITTEN
    assert not old.exists()
    assert young.exists(), "its writer may be at work"
    assert (strange / "ids.npy").exists()
    assert (cache / "notes.txt").read_text() == "mine"


# All start at once, round after round, and say how it ended and what they hold.
WRITER = """
import sys, time
from pathlib import Path
from civility.models.encoder import load_tokenizer
from civility.models.token_cache import cached_tokens
from civility.models.tokenizer import tokenise
model, cache, name, names = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4].split()
texts = Path(sys.argv[5]).read_text().splitlines()
tokenizer = load_tokenizer(model)
for length in range(8, 16):
    (cache.parent / f"{name}-{length}").touch()
    while not all((cache.parent / f"{other}-{length}").exists() for other in names):
        time.sleep(0.001)
    tokens, use = cached_tokens(tokenizer, texts, length, cache)
    assert tokens.digest == tokenise(tokenizer, texts, length).digest
    print(use.outcome, use.reason)
"""


@pytest.mark.processes
def test_several_writers_of_one_entry_all_end_well(tiny_bert: Path, tokenizer: Any, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache.parent / "texts").write_text("\n".join(TEXTS))
    names = ["a", "b", "c"]
    words = [sys.executable, "-c", WRITER, str(tiny_bert), str(cache)]
    writers = [
        subprocess.Popen(
            [*words, name, " ".join(names), str(cache.parent / "texts")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    ends = [(writer.communicate(timeout=120), writer.returncode) for writer in writers]
    assert [code for _, code in ends] == [0, 0, 0], ends
    outcomes = [line.strip() for (out, _), _ in ends for line in out.splitlines()]
    assert len(outcomes) == 24
    assert set(outcomes) <= {"written", "read"}
    assert outcomes.count("written") > 8, "the control: at least once two wrote the same entry"
    assert len(entries(cache)) == 8
    for length in range(8, 16):
        assert cached_tokens(tokenizer, TEXTS, length, cache)[1] == READ


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"CIVILITY_CACHE": "/big/cache", "XDG_CACHE_HOME": "/xdg"}, Path("/big/cache/tokens")),
        ({"XDG_CACHE_HOME": "/xdg"}, Path("/xdg/civility/tokens")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache" / "civility" / "tokens"),
        ({}, Path.home() / ".cache" / "civility" / "tokens"),
        ({"CIVILITY_CACHE": "~/tokens-of-mine"}, Path.home() / "tokens-of-mine" / "tokens"),
        ({"CIVILITY_CACHE": ""}, None),
        ({"CIVILITY_CACHE": "off", "XDG_CACHE_HOME": "/xdg"}, None),
    ],
)
def test_the_place_of_the_cache_follows_the_environment(environ: dict[str, str], expected: Path | None) -> None:
    assert default_cache_folder(environ) == expected
