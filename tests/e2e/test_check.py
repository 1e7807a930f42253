"""The checks as a person meets them: `--check`, the lines in a run, what stops it, and breakdowns on the way."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from civility.render.sentences.preflight_sentences import check_words

from ..architectures import build_tiny
from ..conftest import build_tiny_bert
from .conftest import Run, quick

HELD_OUT = ("--data", "civility:starter/held-out")


def one_line(text: str) -> str:
    return " ".join(text.split())


def metrics_of(run: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["kind"] == kind]


def test_check_prints_every_line_and_writes_nothing(
    civility: Run, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = civility("train", "starter", *HELD_OUT, "--model", tiny_bert, "--check", *quick())
    assert done.code == 0, done.err
    names = (
        "memory, disk, precision, versions, label order, label counts, measurable labels, unknown targets, "
        "equal texts, contradicting labels, head, parameter type, problem type, model labels, vocabulary, "
        "special tokens, unknown tokens, trial step, padded scores, truncation, padding, schedule, loss weights"
    ).split(", ")
    lines = done.out.splitlines()
    for name in names:
        assert [line for line in lines if line[4:].startswith(("passed", "warned")) and f" {name}  " in line], name
    assert f"{len(names)} checks" in done.out or "passed" in done.out
    assert max(map(len, lines)) <= 100
    assert list(tmp_path.iterdir()) == []


def test_fit_tells_what_it_chose_in_the_place_of_an_estimate(
    civility: Run, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = quick("training.batch_size=8", "training.gradient_accumulation=4")
    done = civility("train", "starter", *HELD_OUT, "--model", tiny_bert, "--check", "--fit", *settings)
    assert done.code == 0, done.err
    assert "32 comments per step · 8 at once (estimated)" in one_line(done.out)
    assert "passed memory a micro-batch of 8 is estimated to take 0.0 GiB of the " in one_line(done.out)
    assert "4 to a step on each process" in one_line(done.out)
    plain = civility("train", "starter", *HELD_OUT, "--model", tiny_bert, "--check", *settings)
    assert "at once" not in plain.out, "the control: only when asked"


def test_a_run_shows_what_did_not_pass_and_keeps_it_all(civility: Run, trained: Path, tmp_path: Path) -> None:
    checks = json.loads((trained / "environment.json").read_text(encoding="utf-8"))["checks"]
    assert len(checks) == 23
    assert {check["state"] for check in checks} == {"passed", "warned"}
    remedies = [check_words(check["name"], check["state"], check["facts"])[1] for check in checks]
    assert [bool(remedy) for remedy in remedies] == [check["state"] == "warned" for check in checks]


def test_a_run_is_brief_about_what_passed(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    settings = quick("training.epochs=1", "training.batch_size=64", "data.max_length=12")
    done = civility("train", "starter", *HELD_OUT, "--model", tiny_bert, "--out", tmp_path / "run", *settings)
    assert done.code == 0, done.err
    assert "warned  truncation" in done.out
    assert "comments are truncated at 12 tokens" in done.out
    assert "→ --set data.max_length=24" in done.out
    assert "parameter type" not in done.out


def test_a_failed_check_stops_before_anything_is_written(civility: Run, tmp_path: Path) -> None:
    small = build_tiny_bert(tmp_path / "model", vocab_size=100)  # the tokenizer has more ids than that
    out = tmp_path / "run"
    done = civility("train", "starter", *HELD_OUT, "--model", small, "--out", out, *quick())
    assert done.code == 2
    assert "error: a check failed, so the run was not started" in done.err
    assert "vocabulary: " in done.err
    assert "100 embedding rows" in done.err
    assert "get model and tokenizer from one place" in done.err
    assert "failed  vocabulary" in done.out
    assert not out.exists()


def test_a_model_too_large_is_told_before_its_weights_are_looked_for(
    civility: Run, tiny_bert: Path, tmp_path: Path
) -> None:
    giant = tmp_path / "giant"
    shutil.copytree(tiny_bert, giant)
    (giant / "model.safetensors").unlink()
    config = json.loads((giant / "config.json").read_text(encoding="utf-8"))
    config |= {"hidden_size": 65_536, "num_attention_heads": 256, "num_hidden_layers": 100}
    (giant / "config.json").write_text(json.dumps(config), encoding="utf-8")
    done = civility("train", "starter", *HELD_OUT, "--model", giant, "--check", *quick())
    assert done.code == 2
    assert "so the run was not started" in done.err
    assert "memory: about " in done.err
    assert "choose a smaller model (--model)" in done.err
    assert "failed  disk" in done.out
    assert "cannot load the model" not in done.err


def test_a_head_of_other_labels_is_told_by_name(civility: Run, trained: Path) -> None:
    settings = quick('data.labels=["toxic", "insult"]')
    done = civility("train", "starter", *HELD_OUT, "--model", trained / "classifier", "--check", *settings)
    assert done.code == 0, done.err
    words = one_line(done.out)
    assert "warned head new: the checkpoint's own has other labels: toxic, severe_toxic, obscene" in words
    assert "this run: toxic, insult" in words
    same = civility("train", "starter", *HELD_OUT, "--model", trained / "classifier", "--check", *quick())
    assert "passed head the checkpoint's own, kept" in one_line(same.out)


@pytest.mark.processes
def test_a_failed_check_ends_every_process(tmp_path: Path) -> None:
    small = build_tiny_bert(tmp_path / "model", vocab_size=100)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    command += ["civility", "train", "starter", *HELD_OUT, "--model", str(small), "--out", str(tmp_path / "run")]
    done = subprocess.run([*command, *quick()], capture_output=True, text=True, timeout=120, env=os.environ)
    assert done.returncode != 0
    assert done.stderr.count("a check failed, so the run was not started") == 1
    assert done.stdout.count("failed  vocabulary") == 1
    assert not (tmp_path / "run").exists()


def test_a_precision_that_overflows_is_found_before_the_run(civility: Run, tmp_path: Path) -> None:
    model, out = build_tiny("deberta", tmp_path / "model"), tmp_path / "run"
    arguments = ("train", "starter", *HELD_OUT, "--model", model, "--out", out, *quick())
    for more in (("--check",), ()):
        done = civility(*arguments, *more, "--set", "training.precision=bf16")
        assert done.code == 2
        assert "trial step: in bf16, for 4 comments of up to 24 tokens: " in one_line(done.err)
        assert "--set training.precision=fp32: with it the step is finite" in one_line(done.err)
        assert "failed  trial step" in done.out
    done = civility(*arguments, "--check")
    assert done.code == 0, done.err
    assert "passed trial step loss and gradients are finite in fp32" in one_line(done.out)
    assert not out.exists()


def test_a_breakdown_names_the_step_and_the_comments(
    civility: Run, tiny_bert: Path, write_comments: Callable[..., Path], tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    data, model = write_comments(80), tmp_path / "model"
    # The word is in comments that the trial before a run does not take: neither the longest, median nor shortest.
    with data.open("a", encoding="utf-8") as file:
        file.writelines(f"f{i},{'you film ' * 3},0,0,0,0,0,0\n" for i in range(3))
        file.writelines(f"l{i},{'the of ' * 12},0,0,0,0,0,0\n" for i in range(4))
    shutil.copytree(tiny_bert, model)
    weights = load_file(model / "model.safetensors")
    tokenizer = AutoTokenizer.from_pretrained(model)
    word = tokenizer.convert_tokens_to_ids("film")
    weights["embeddings.word_embeddings.weight"][word] = 3e38  # finite, and its variance overflows
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    lines = data.read_text(encoding="utf-8").splitlines()
    culprits = {line.split(",")[0] for line in lines if "film" in line.split(",")[1].split()}
    settings = quick("training.epochs=1", "training.batch_size=8")
    done = civility(
        *("train", "baseline", "--data", data, "--validation", data, "--model", model),
        *("--out", tmp_path / "run", *settings),
    )
    assert done.code == 2
    assert "the loss is nan: training stopped" in done.err
    assert "error: step " in done.err
    (line,) = [line for line in done.err.splitlines() if "the scores are not finite for the comments" in line]
    named = set(line.rpartition(": ")[2].split(", "))
    assert named
    assert named <= culprits < {line.split(",")[0] for line in lines}
    assert "no checkpoint had been written yet" in done.err


def test_a_run_that_learns_nothing_is_told_and_logged(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    runs = {}
    for name, rate in (("still", "1e-12"), ("learning", "3e-3")):
        # Without weights the loss falls as soon as the head has learned how rare the labels are, whatever is drawn.
        settings = quick(
            "training.epochs=2", "training.batch_size=4", "training.loss=bce", f"training.learning_rate={rate}"
        )
        data = ("--data", "civility:starter/held-out", "--validation", "civility:starter/held-out")
        runs[name] = civility("train", "starter", *data, "--model", tiny_bert, "--out", tmp_path / name, *settings)
        assert runs[name].code == 0, runs[name].err
    (line,) = metrics_of(tmp_path / "still", "warning")
    assert line["text"].startswith(f"step {line['step']}: the loss has not fallen")
    assert f"warning: {line['text']}" in runs["still"].words
    assert not [
        line for line in metrics_of(tmp_path / "learning", "warning") if "the loss has not fallen" in line["text"]
    ]


def test_scores_that_collapse_are_told(civility: Run, tiny_bert: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_bert, model)
    weights = load_file(model / "model.safetensors")
    weights["pooler.dense.weight"] *= 0  # nothing of the text reaches the head
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    settings = quick("training.epochs=1", "training.batch_size=64", "training.learning_rate=1e-12")
    done = civility("train", "starter", *HELD_OUT, "--model", model, "--out", tmp_path / "run", *settings)
    assert done.code == 0, done.err
    assert "all validation comments have the same score for toxic, severe_toxic" in done.words
    assert any("the same score" in line["text"] for line in metrics_of(tmp_path / "run", "warning"))
