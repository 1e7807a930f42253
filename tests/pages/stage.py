"""Folders with every file that the documentation names, and a shell in them whose `civility` starts at once.

The models are tiny and random, and are found where the real ones would be: mDeBERTa's in the cache of the hub.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from civility.recipe import Recipe

from ..conftest import LABELS, build_tiny_bert, build_tiny_deberta, comment_rows

_SERVER = Path(__file__).resolve().parent.parent / "fuzz" / "server.py"
_ELSEWHERE = ("git", "make", "pip", "torchrun", "accelerate", "hf")
"""Programs that set up a machine or start several processes: the documentation names them, other tests run them."""

_CLIENT = """\
#!{python} -IS
import json, os, sys
me = "/proc/%d/fd/" % os.getpid()
request = {{"program": "civility", "arguments": sys.argv[1:], "environment": {{}}, "folder": os.getcwd(),
           "seconds": 300, "stdin": me + "0", "stdout": me + "1", "stderr": me + "2"}}
with open("{requests}", "w") as file:
    file.write(json.dumps(request) + "\\n")
with open("{answers}") as file:
    answer = json.loads(file.readline())
sys.exit(answer["code"] or 128 * bool(answer["signal"]) + answer["signal"])
"""


class Stage:
    """The shell, and a new folder for each page.

    Parameters
    ----------
    folder : empty
    """

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._template = self.folder = folder / "template"
        self._programs = folder / "bin"
        self._environment = {
            **os.environ,
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "HF_HOME": str(folder / "hub"),
            "HOME": str(folder / "home"),
            "COLUMNS": "100",
        }
        for name in (self._template, self._programs, folder / "home"):
            name.mkdir()
        _write_hub(folder / "hub")
        _write_files(self._template)
        self._server = self._start_server(folder)

    def enter(self, name: str) -> None:
        """Work in a new folder that holds the reader's own files and nothing else."""
        self.folder = self._root / name
        shutil.copytree(self._template, self.folder)

    def _start_server(self, folder: Path) -> "subprocess.Popen[bytes]":
        requests, answers = folder / "requests", folder / "answers"
        os.mkfifo(requests)
        os.mkfifo(answers)
        self._write_program("civility", _CLIENT.format(python=sys.executable, requests=requests, answers=answers))
        for name in _ELSEWHERE:
            self._write_program(name, "#!/bin/sh\nexit 0\n")
        # Opened for reading and writing, so that neither end is closed between two commands.
        with requests.open("r+b", buffering=0) as into, answers.open("r+b", buffering=0) as out_of:
            return subprocess.Popen([sys.executable, str(_SERVER)], stdin=into, stdout=out_of, env=self._environment)

    def _write_program(self, name: str, text: str) -> None:
        path = self._programs / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def run(self, script: str) -> "subprocess.CompletedProcess[str]":
        """Run a block as it is written; it ends at the first command that fails."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def close(self) -> None:
        """Stop the server."""
        self._server.kill()
        self._server.wait()


def _write_hub(hub: Path) -> None:
    """Write a tiny DeBERTa where the hub's cache holds the baseline's model, at the recipe's revision."""
    model = Recipe.load("baseline").model
    repository = hub / "hub" / f"models--{model.name.replace('/', '--')}"
    commit = model.revision or "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit, encoding="utf-8")
    (repository / "snapshots").mkdir()
    build_tiny_deberta(repository / "snapshots" / commit, max_position_embeddings=512)


def _write_files(folder: Path) -> None:
    """Write every file that the documentation reads and that would be the reader's own."""
    rows = comment_rows(160)
    texts = [row["comment_text"] for row in rows]
    targets = {label: [row[label] for row in rows] for label in LABELS}
    groups = {name: [float(i % (5 + k) == 0) for i in range(len(rows))] for k, name in enumerate(_GROUPS)}
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").write_text("", encoding="utf-8")
    _write_csv(folder / "train.csv", rows)
    for name in ("validation", "our-sample", "our-labelled-sample"):
        _write_csv(folder / f"{name}.csv", [{**row, "id": f"{name}{i}"} for i, row in enumerate(rows[40:140])])
    _write_csv(
        folder / "civil.csv", [{**row, **{name: groups[name][i] for name in _GROUPS}} for i, row in enumerate(rows)]
    )
    _write_csv(folder / "test.csv", [{"id": f"t{i}", "comment_text": text} for i, text in enumerate(texts)])
    _write_csv(
        folder / "test_labels.csv",
        [
            {"id": f"t{i}", **{label: -1 if i % 9 == 0 else row[label] for label in LABELS}}
            for i, row in enumerate(rows)
        ],
    )
    for name in ("comments", "unlabelled"):
        _write_csv(folder / f"{name}.csv", [{"id": f"u{i}", "comment_text": text} for i, text in enumerate(texts)])
    named = [
        {"key": f"m{i}", "body": t, "rude": targets["toxic"][i], "spam": targets["insult"][i]}
        for i, t in enumerate(texts)
    ]
    _write_csv(folder / "mine.csv", named)
    with (folder / "mine.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in named)
    tags = [[name for name in ("rude", "spam") if row[name]] for row in named]
    pq.write_table(
        pa.table({"id": [row["key"] for row in named], "text": texts, "tags": tags}), folder / "mine.parquet"
    )
    (folder / "comments.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (folder / "export.csv").write_text(
        _table(";", [{**row, "comment_text": f"caf\u00e9 {row['comment_text']}"} for row in rows]), encoding="cp1252"
    )
    flags = [[int(row["spam"]), int(row["rude"])] for row in named]
    pq.write_table(
        pa.table({"id": [row["key"] for row in named], "text": texts, "tags": flags}), folder / "flags.parquet"
    )
    (folder / "space.toml").write_text('[space]\n"training.learning_rate" = { low = 1e-5, high = 1e-3, log = true }\n')
    _write_csv(folder / "ours.csv", [{"function": "f", "text": text, "expected": "allow"} for text in texts[:12]])
    _write_csv(
        folder / "hatecheck.csv",
        [
            {"functionality": "f", "case_id": i, "test_case": text, "label_gold": "hateful" if i % 2 else "non-hateful"}
            for i, text in enumerate(texts[:12])
        ],
    )
    _write_csv(
        folder / "madlibs.csv",
        [
            {"Text": f"{word} people are {mood}", "Label": label, "Template": f"%s people are {mood}"}
            for word in ("gay", "tall", "old")
            for mood, label in (("great", "NOT_BAD"), ("stupid", "BAD"), ("nice", "NOT_BAD"), ("crap", "BAD"))
        ],
    )
    build_tiny_deberta(folder / "mdeberta-v3-base", max_position_embeddings=512)
    build_tiny_bert(folder / "tiny-bert")


_GROUPS = ("male", "female", "black", "white", "muslim", "jewish")


def _table(separator: str, rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [separator.join(rows[0]), *(separator.join(map(str, row.values())) for row in rows)]
    return "\n".join(lines) + "\n"


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
