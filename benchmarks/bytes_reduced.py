"""How many bytes a step gives to be summed over processes: civility against plain DistributedDataParallel.

    python benchmarks/bytes_reduced.py [--shrink 12] [--json FILE]

Measured with two gloo processes on a model of mDeBERTa's shape whose widths and vocabulary are divided alike, so that
its token embedding has the same share of the parameters; then by arithmetic at true size. Of civility all bytes are
counted that its loop gives to `torch.distributed.all_reduce`, of DistributedDataParallel the buckets that its
communication hook is handed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from bare_trainer import civility_trainer, take_steps
from contest import markdown_table, write_json
from speed_corpus import (
    LABELS,
    MAX_LENGTH,
    ROWS_IN_USE,
    mdeberta_config,
    number_corpus,
    prepared,
    representative_rows,
    starter_corpus,
    write_mdeberta,
)

from civility.models.encoder import load_config, load_encoder
from civility.models.model_size import ModelSize
from civility.models.model_source import STARTER_MODEL
from civility.models.tokenizer import tokenise

_NUM_PROCESSES, _NUM_STEPS, _BATCH_SIZE = 2, 3, 4
_CORPUS = 20_000
_FLOAT = 4


@contextmanager
def counted() -> Iterator[list[int]]:
    """Count the bytes of every tensor that is given to `torch.distributed.all_reduce`, which does its work as ever."""
    sizes: list[int] = []
    reduce = torch.distributed.all_reduce

    def counting(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        sizes.append(tensor.numel() * tensor.element_size())
        return reduce(tensor, *args, **kwargs)

    torch.distributed.all_reduce = counting
    try:
        yield sizes
    finally:
        torch.distributed.all_reduce = reduce


def civility_bytes(model: str, num_rows: int, rows_in_use: int) -> float:
    """Return the bytes a step of civility's loop, in a process of several."""
    corpus = number_corpus(_CORPUS, num_rows, rows_in_use)
    data = prepared(corpus, representative_rows(corpus.lengths, _BATCH_SIZE * _NUM_PROCESSES, _NUM_STEPS))
    settings = {"data.max_length": MAX_LENGTH, "training.device": "cpu", "training.batch_size": _BATCH_SIZE}
    trainer = civility_trainer(model, data, settings)
    with counted() as sizes:
        take_steps(trainer, _NUM_STEPS)
    return sum(sizes) / _NUM_STEPS


def plain_bytes(model: str) -> float:
    """Return the bytes a step of plain DistributedDataParallel, in a process of several."""
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
    from torch.nn.parallel import DistributedDataParallel

    sizes: list[int] = []

    # Annotated, since DistributedDataParallel looks; torch's own types do not know the name.
    def hook(state: None, bucket: torch.distributed.GradBucket) -> torch.futures.Future[torch.Tensor]:  # type: ignore[name-defined]
        sizes.append(bucket.buffer().numel() * bucket.buffer().element_size())
        return allreduce_hook(None, bucket)  # type: ignore[arg-type]  # None is the default group

    wrapped = DistributedDataParallel(load_encoder(model, LABELS).model)
    wrapped.register_comm_hook(None, hook)
    for _ in range(_NUM_STEPS):
        wrapped(input_ids=torch.ones(2, 8, dtype=torch.int64)).logits.sum().backward()
    return sum(sizes) / _NUM_STEPS


def work(options: argparse.Namespace) -> None:
    """Measure both in one of the processes, and let the first write what it found."""
    num_rows = mdeberta_config(options.shrink)["vocab_size"]
    # civility first: it starts the processes' group, as it does in a run.
    ours = civility_bytes(options.worker, num_rows, ROWS_IN_USE // options.shrink)
    found = {"civility": ours, "plain": plain_bytes(options.worker)}
    if torch.distributed.get_rank() == 0:
        write_json(options.json, found)
    torch.distributed.destroy_process_group()


def on_paper() -> dict[str, dict[str, float]]:
    """Return the bytes of all parameters at true size, and of those except the embedding rows not in use."""
    from transformers import DebertaV2Config

    starter = starter_corpus(_CORPUS)
    tokenizer = load_encoder(STARTER_MODEL, LABELS).tokenizer
    in_use = len(set(tokenise(tokenizer, starter.texts, MAX_LENGTH).ids.tolist()))
    models = {
        "mdeberta": (ModelSize.of(DebertaV2Config(**mdeberta_config()), len(LABELS)), ROWS_IN_USE),
        "minilm": (ModelSize.of(load_config(STARTER_MODEL, None), len(LABELS)), in_use),
    }
    return {
        name: {
            "plain": _FLOAT * size.num_parameters,
            "civility": _FLOAT * (size.num_parameters - size.num_embedding + rows * size.hidden),
            "rows_in_use": rows,
        }
        for name, (size, rows) in models.items()
    }


def main() -> None:
    """Read the options; one of them marks a process that the command has started."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shrink", type=int, default=12, help="by what mDeBERTa's widths and vocabulary are divided")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options)
    else:
        measure(options)


def measure(options: argparse.Namespace) -> None:
    """Start the processes, print the table, and write JSON where asked."""
    with tempfile.TemporaryDirectory() as name:
        model, found = Path(name) / "model", Path(name) / "found.json"
        write_mdeberta(model, options.shrink)
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        launcher += ["--nproc-per-node", str(_NUM_PROCESSES), __file__, "--shrink", str(options.shrink)]
        subprocess.run([*launcher, "--worker", str(model), "--json", str(found)], check=True)
        measured = json.loads(found.read_text(encoding="utf-8"))
    paper = on_paper()
    head = ("bytes a step and process", "plain DDP, MB", "civility, MB", "civility / plain")
    rows = [(f"measured, {_NUM_PROCESSES} gloo processes, mDeBERTa / {options.shrink}", measured)]
    rows += [(f"on paper, {key}, {sizes['rows_in_use']:,.0f} rows in use", sizes) for key, sizes in paper.items()]
    cells = [
        [
            what,
            *(f"{sizes[key] / 1e6:,.2f}" for key in ("plain", "civility")),
            f"{sizes['civility'] / sizes['plain']:.1%}",
        ]
        for what, sizes in rows
    ]
    print(f"\n## Bytes summed over processes\n\n{markdown_table(head, cells)}")
    write_json(options.json, {"measured": {"shrink": options.shrink, **measured}, "paper": paper})


if __name__ == "__main__":
    main()
