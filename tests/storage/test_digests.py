"""Digests of files, and of classifier folders: no byte of one changes unseen."""

import contextlib
import json
import random
import shutil
import string
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from civility import Classifier, Ensemble
from civility.errors import UserError
from civility.metrics.calibration import LabelCalibration
from civility.models.encoder import EncoderScorer, load_encoder
from civility.scoring.linear_model import LinearModel, Terms
from civility.storage import atomic_files
from civility.storage.atomic_files import digest_of_file, digests_of, verified

from ..refusals import refused

LABELS = ("toxic", "threat")
TEXTS = ["nice garden", "you stupid clown", "kill", ""]


def test_a_digest_is_the_sha256_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    (tmp_path / "empty").write_bytes(b"")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert digest_of_file(tmp_path / "abc") == abc
    assert digests_of(tmp_path, ["empty", "abc"]) == {
        "abc": abc,
        "empty": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }


@pytest.mark.parametrize("large", [1 << 30, 0], ids=["before", "beside"])
def test_a_change_is_found_before_or_while_the_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(atomic_files, "_LARGE", large)
    (tmp_path / "weights").write_bytes(b"abc")
    recorded = digests_of(tmp_path, ["weights"])
    with verified(tmp_path, recorded, "copy it"):
        pass
    (tmp_path / "weights").write_bytes(b"abd")
    with (
        refused("storage.damaged", match=r"weights: damaged: its sha256 is not the one recorded .*\ncopy it"),
        verified(tmp_path, recorded, "copy it"),
    ):
        raise RuntimeError("an error of the block is not reported if a file is damaged")
    (tmp_path / "weights").unlink()
    with refused("storage.damaged", match="weights: damaged: cannot be read"), verified(tmp_path, recorded, ""):
        pass
    with verified(tmp_path, {}, ""):  # nothing is recorded
        pass


def test_an_error_of_the_block_is_raised_if_no_file_has_changed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="of its own"), verified(tmp_path, {}, ""):
        raise RuntimeError("of its own")


def linear(seed: int = 0) -> Classifier:
    letters = string.ascii_lowercase
    names = (*(f"{one}{other}" for one in letters for other in letters[:4]), "nice", "stupid", "kill")
    rng = np.random.default_rng(seed)
    terms = (Terms("word", 1, names, 1 + rng.random(len(names))),)
    model = LinearModel(LABELS, terms, rng.normal(size=(len(names), 2)) * 3, np.array([-1.0, -2.0]))
    classifier = Classifier(model, {"toxic": 0.3})
    classifier.calibrate({"threat": LabelCalibration("platt", 1.5, 0.5)}, "sha256:some")
    return classifier


def encoder(tiny_bert: Path) -> Classifier:
    classifier = Classifier(EncoderScorer(load_encoder(str(tiny_bert), LABELS), 24), {"toxic": 0.3})
    classifier.calibrate({"threat": LabelCalibration("platt", 1.5, 0.5)}, "sha256:some")
    return classifier


MAKE: dict[str, Callable[[Path], Classifier]] = {
    "encoder": encoder,
    "linear": lambda tiny_bert: linear(),
    "ensemble": lambda tiny_bert: Classifier(Ensemble([linear(), linear(1)])),
}


@pytest.fixture(params=MAKE)
def saved(request: pytest.FixtureRequest, tiny_bert: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    MAKE[request.param](tiny_bert).save(folder, "# A card\n")
    return folder


def test_a_flipped_bit_in_any_file_is_found(saved: Path) -> None:
    before = Classifier.load(saved)
    scores, rng = before.score(TEXTS), random.Random(0)
    paths = sorted(path for path in saved.rglob("*") if path.is_file() and path.name != "README.md")
    num_without_effect = 0
    for place in range(300):
        path = paths[place % len(paths)]
        whole = path.read_bytes()
        changed = bytearray(whole)
        changed[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        with contextlib.suppress(UserError):
            again = Classifier.load(saved)
            num_without_effect += 1
            assert again.document() == before.document()
            np.testing.assert_array_equal(again.score(TEXTS), scores)
        path.write_bytes(whole)
    assert num_without_effect < 20, "a space of a document for another, at most"
    np.testing.assert_array_equal(Classifier.load(saved).score(TEXTS), scores)


def test_a_file_that_is_missing_is_named(saved: Path) -> None:
    content = json.loads((saved / "civility.json").read_text(encoding="utf-8"))
    assert content["files"], "the control: something is recorded"
    for name in content["files"]:
        shutil.move(saved / name, saved.parent / name)
        with refused("storage.damaged", match=f"{name}: damaged: cannot be read: No such file"):
            Classifier.load(saved)
        shutil.move(saved.parent / name, saved / name)


def test_a_folder_without_digests_is_loaded(saved: Path) -> None:
    scores = Classifier.load(saved).score(TEXTS)
    path = saved / "civility.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["files"], content["digest"]
    path.write_text(json.dumps(content), encoding="utf-8")
    np.testing.assert_array_equal(Classifier.load(saved).score(TEXTS), scores)


def test_the_card_may_be_changed_and_files_be_added(saved: Path) -> None:
    (saved / "README.md").write_text("# Our own words\n")
    (saved / "LICENSE").write_text("ours")
    Classifier.load(saved)
