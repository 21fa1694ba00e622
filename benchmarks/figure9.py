"""Figure 9's fits side by side in one compiled program, against the same fits as a plain PyTorch loop.

    make reports NAME=figure9/speed    # the report; a look at it under out/: python benchmarks/figure9.py

Same model, objective, Adam, batches and steps; the two losses are compared on the same draws first. Each side has one
thread; what is timed is training alone, data and compilation aside, in CPU seconds, so that other work on the machine
counts as little as possible. PyTorch and the compiled program take turns, and every number is a range over the turns.
Needs PyTorch (extra ``hf``).
"""

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["OMP_NUM_THREADS"] = "1"

import jax
import numpy as np
import torch

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.studies.engine.parameters import Value, cell_text
from crowdllm_stats.studies.engine.simulator import Job
from crowdllm_stats.studies.simulators.figure9.samples import learned, responses_of
from crowdllm_stats.studies.simulators.figure9.simulator import FIGURE9
from crowdllm_stats.studies.simulators.fits import PAPER, FitSample, _draws, _training_data, fit
from crowdllm_stats.studies.simulators.population import COORDINATES
from reports import command_line, typed

CELLS = ((2, 5), (10, 10), (20, 20), (40, 40))
BATCHES = (16, 32, 64)
FITS, MOST_STEPS = 10, 300


def jobs(workers: int, questions: int) -> list[Job]:
    """The replicates of a cell of Figure 9."""
    cell: dict[str, Value] = {
        name: known.default for name, known in FIGURE9.parameters.items() if known.default is not None
    }
    cell |= {"reading": "profile", "length": "epochs", "noise": 1.0, "diversity": 1.0, "workers": workers,
             "questions": questions}  # fmt: skip
    return [Job(cell, replicate, 909, cell_text(cell, FIGURE9.parameters)) for replicate in range(FITS)]


class Batch(NamedTuple):
    """B answers of one fit with the draws of one step; problem's and person's coordinates side by side and a 1."""

    row: torch.Tensor
    reference: torch.Tensor
    centred: torch.Tensor
    answer: torch.Tensor
    weight: torch.Tensor
    psi: torch.Tensor
    noise: torch.Tensor


def pack(params: dict[str, Any]) -> dict[str, np.ndarray]:
    """Weights of one fit as few matrices, with which the loop is fastest."""
    e, d = ({name: np.asarray(leaf) for name, leaf in params[part].items()} for part in ("encoder", "decoder"))
    linear = [np.concatenate([e[f"x_{of}"], e[f"v_{of}"], e[f"bias_{of}"][None]]) for of in ("mean", "spread")]
    return {
        "hidden": np.concatenate([e["x_hidden"], e["v_hidden"], e["bias_hidden"][None]]),
        "linear": np.concatenate(linear, axis=1),
        "psi": e["psi_hidden"],
        "heads": np.concatenate([e["mean"], e["spread"]], axis=1),
        "trust": e["trust"],
        "delta": d["delta_hidden"],
        "said_hidden": np.concatenate([d["v_hidden"], d["bias_hidden"][None]]),
        "out": d["out"],
        "bias_out": d["bias_out"],
    }


def columns_of(one: FitSample) -> list[torch.Tensor]:
    """Rows, reference, centred and answer of a sample."""
    row = np.concatenate([one.x, one.v, np.ones((len(one.answer), 1))], axis=1)
    return [torch.tensor(part, dtype=torch.float32) for part in (row, one.reference, one.centred, one.answer)]


def torch_loss(p: dict[str, torch.Tensor], batch: Batch, diversity: float) -> torch.Tensor:
    """Eq. 4 as :meth:`Belief.paper_loss`, in PyTorch."""
    first, n_x = PAPER.mixing + 1, COORDINATES
    own, linear = batch.row @ p["hidden"], batch.row @ p["linear"]
    hidden = torch.tanh(batch.psi @ p["psi"] + own)
    heads = hidden @ p["heads"]
    mean = heads[..., 0] + linear[:, 0] + p["trust"][0] * batch.centred
    log_sd = torch.clamp(heads[..., 1] + linear[:, 1], -6.0, 4.0)
    sd = torch.exp(log_sd)
    delta = mean[0] + sd[0] * batch.noise[0]
    each = -0.5 * ((delta - mean[:first]) / sd[:first]) ** 2 - log_sd[:first]
    divergence = torch.logsumexp(each, 0) - np.log(first) + 0.5 * delta**2
    said = torch.tanh(delta[:, None] * p["delta"] + batch.row[:, n_x:] @ p["said_hidden"]) @ p["out"] + p["bias_out"]
    lost = 0.5 * ((batch.row[:, :n_x] - said) ** 2).mean(1) + 0.5 * np.log(2 * np.pi)
    decided = batch.reference + (mean[first:] + diversity * sd[first:] * batch.noise[1:]).mean(0)
    return (batch.weight * (divergence + lost + (decided - batch.answer) ** 2)).sum()


def torch_fit(one: FitSample, start: dict[str, Any], size: int, steps: int) -> float:
    """CPU seconds of a plain loop: batch, draws, loss, backward, Adam."""
    p = {name: torch.tensor(leaf, requires_grad=True) for name, leaf in pack(start).items()}
    optimiser = torch.optim.Adam(p.values(), lr=1e-3)
    columns = columns_of(one)
    n, draws = len(one.answer), PAPER.mixing + 1 + PAPER.draws
    weight = torch.full((size,), 1.0 / size)
    generator = torch.Generator().manual_seed(one.start % 2**31)
    begin, done = time.process_time(), 0
    while done < steps:
        order = torch.randperm(n, generator=generator)
        for place in range(0, n, size):
            rows = torch.cat([order, order])[place : place + size]
            batch = Batch(
                columns[0][rows],
                columns[1][rows],
                columns[2][rows],
                columns[3][rows],
                weight,
                torch.randn(draws, size, PAPER.mixing_dim, generator=generator),
                torch.randn(PAPER.draws + 1, size, generator=generator),
            )
            optimiser.zero_grad()
            torch_loss(p, batch, one.diversity).backward()
            optimiser.step()
            done += 1
            if done == steps:
                break
    return time.process_time() - begin


def check_same(one: FitSample, start: dict[str, Any], size: int) -> float:
    """Relative difference of the two losses on the same draws.

    Raises:
        AssertionError: if it is above 1e-4.
    """
    draws = jax.tree.map(lambda leaf: leaf[0, 0], _draws([one], size, 0, 1))
    data = jax.tree.map(lambda leaf: leaf[0], _training_data([one], size)).take(np.arange(size), 1.0)
    ours = float(PAPER.paper_loss(start, draws, data))
    p = {name: torch.tensor(leaf) for name, leaf in pack(start).items()}
    psi, noise = (torch.tensor(part) for part in draws)
    columns = [part[:size] for part in columns_of(one)]
    batch = Batch(*columns, torch.full((size,), 1.0 / size), psi, noise[..., 0])
    theirs = float(torch_loss(p, batch, one.diversity))
    assert abs(ours / theirs - 1) < 1e-4, (ours, theirs)
    return abs(ours / theirs - 1)


def compare(workers: int, questions: int, batch: int, turns: int) -> dict[str, Any]:
    """One row: milliseconds of CPU per fit and step on either side, and the ratio, each with its range over the turns."""
    n = workers * questions
    steps, size = min(MOST_STEPS, 100 * -(-n // batch)), min(batch, n)
    ours, theirs = [], []
    for turn in range(turns + 1):
        told = jobs(workers, questions)
        made = [learned(*pair) for pair in zip(told, responses_of(told), strict=True)]
        begin = time.process_time()
        fits = jax.tree.map(np.asarray, fit(made, batch=batch, steps=steps).trained)  # waits for the result
        spent = time.process_time() - begin
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(fits))
        first = jax.tree.map(lambda leaf: leaf[0], fits)
        check_same(made[0], first, size)
        loop = torch_fit(made[0], first, size, steps if turn else 3)
        if turn:  # the first turn compiles
            ours.append(1e3 * spent / (FITS * steps))
            theirs.append(1e3 * loop / steps)
    ratios = np.array(theirs) / np.array(ours)
    return {
        "W": workers, "Q": questions, "batch": batch, "steps timed": steps,
        "compiled, ms": _range(ours), "PyTorch loop, ms": _range(theirs),
        "ratio": f"{np.median(ratios):.1f} ({ratios.min():.1f} to {ratios.max():.1f})",
        "_ratio": float(np.median(ratios)),
    }  # fmt: skip


def _range(values: list[float]) -> str:
    return f"{np.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main() -> None:
    """Time all cells and batches, print, and write the page."""
    import pandas as pd

    from crowdllm_stats._base.markdown import markdown_table

    parser = command_line(__doc__, "figure9")
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [compare(*cell, batch, arguments.turns) for batch in BATCHES for cell in CELLS]
    table = pd.DataFrame(rows)
    overall = table.groupby("batch")["_ratio"].agg(["min", "median", "max"]).round(1).reset_index()
    words = [
        "# Figure 9's fits: one compiled program against a plain PyTorch loop",
        f"{made_by(typed())} CPU milliseconds per fit and step on one thread, "
        f"median and range over {arguments.turns} turns; {FITS} fits side by side, compilation and data aside; the two "
        f"losses agree on the same draws. PyTorch {torch.__version__}, JAX {jax.__version__}.",
        markdown_table(table.drop(columns="_ratio")),
        "Ratio of the medians over the cells, by batch:",
        markdown_table(overall),
    ]
    text = "\n\n".join(words) + "\n"
    print(text)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_whole(arguments.out / "speed.md", text)


if __name__ == "__main__":
    main()
