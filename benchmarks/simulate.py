"""Simulating a million digital people, and training the generator: our programs and loops by hand in one run.

    make reports NAME=generator    # the report; a look at it under out/: python benchmarks/simulate.py --people 1000

Simulation: the shipped population, streamed to Parquet with int8 answers. Training: the likelihood objective on POPQUORN's
Offensiveness (needs the data folder); beside it the same model, steps and data as NumPyro's SVI with one update per
Python step, and as a PyTorch loop.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pandas as pd

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.data import popquorn
from crowdllm_stats.generator.blender import Blender
from crowdllm_stats.generator.crowdllm import CrowdLLM
from crowdllm_stats.generator.shipped import load_population
from crowdllm_stats.generator.training import Trainer
from crowdllm_stats.generator.training_set import prepare, unit_of, weighted
from reports import command_line, typed

#: How often each program is timed.
TURNS = 3

#: What was asked for, of a million people and a hundred problems.
SECONDS, GB = 15.0, 0.8


def simulation(people: int, problems: int) -> dict[str, float]:
    """Seconds, megabytes and peak memory of one streamed run; called in a process of its own."""
    model = load_population("offensiveness")
    names = model.fitted.problems[:problems]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.parquet"
        start = time.perf_counter()
        answers = model.simulate_to(path, names, people, seed=1)
        seconds = time.perf_counter() - start
        size = path.stat().st_size
    return {
        "answers": answers,
        "seconds": seconds,
        "file_mb": size / 1e6,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def training(steps: int) -> pd.DataFrame:
    """Seconds of a whole fit with its choices, then milliseconds per step of three programs for one model."""
    data = popquorn("offensiveness")
    known = load_population("offensiveness").fitted
    start = time.perf_counter()
    CrowdLLM(components=32).fit(data, known, seed=1)
    whole = time.perf_counter() - start
    model = CrowdLLM(components=32, ridge=40.0, ridge_network=100.0, steps=steps, mixing="none")  # as in the loops
    blender = Blender.of_scale(data.scale)
    belief = model.belief(blender)
    part = prepare(data, known, None, blender, model.settings)
    answers = weighted(part.answers, np.ones(len(part.answers.problem), dtype=bool), "likelihood", (40.0, 100.0, 100.0))
    unit = unit_of(part.answers, blender)
    size = (part.vectors.width, part.encoder.width, len(part.problems), len(part.people))

    def begin(key: jax.Array) -> dict:
        return belief.initial(key, *size, unit)

    trainer = Trainer(
        partial(belief.loss, "likelihood"), partial(belief.held_out_loss, "likelihood"), steps=steps, learning_rate=0.01
    )
    trainer.fit(begin, answers, seed=1, steps=50)

    def fitted(count: int) -> float:
        start = time.perf_counter()
        trainer.fit(begin, answers, seed=1, steps=count)
        return time.perf_counter() - start

    few = steps // 4
    loops = {
        "this library, one compiled scan": lambda: (fitted(steps) - fitted(few)) / (steps - few),
        "NumPyro SVI, one update per step": lambda: svi_loop(belief, begin, answers, steps),
        "PyTorch loop": lambda: torch_loop(belief, begin, answers, steps // 4),
    }
    found = {name: sorted(loop() for _ in range(TURNS)) for name, loop in loops.items()}
    ours = found["this library, one compiled scan"][TURNS // 2]
    rows = [("whole fit: six candidates on held-out problems, then all", f"{whole:.1f} s in all", "-")]
    for name, each in found.items():
        low, middle, high = (1e3 * each[place] for place in (0, TURNS // 2, -1))
        rows.append((name, f"{middle:.2f} ({low:.2f} to {high:.2f})", f"{each[TURNS // 2] / ours:.2f}"))
    return pd.DataFrame(rows, columns=["program", "ms per step, median and range", "ratio to ours"])


def svi_loop(belief, begin, answers, steps: int) -> float:
    """Seconds per step of the same model and guide under ``numpyro.infer.SVI`` with ``svi.update`` in a Python loop."""
    import numpyro
    from numpyro.infer import SVI, Trace_ELBO

    initial = begin(jax.random.key(1))

    def model(data):
        belief.likelihood_model(numpyro.param("params", initial), data)

    def guide(data):
        belief.likelihood_guide(numpyro.param("params", initial), data)

    svi = SVI(model, guide, numpyro.optim.Adam(0.01), Trace_ELBO())
    state = svi.init(jax.random.key(2), answers)
    update = jax.jit(svi.update)
    state, _ = update(state, answers)
    start = time.perf_counter()
    for _ in range(steps):
        state, loss = update(state, answers)
    jax.block_until_ready(loss)
    return (time.perf_counter() - start) / steps


def torch_loop(belief, begin, answers, steps: int) -> float:
    """Seconds per step of the same model written in PyTorch, full batch, Adam; on one thread, which is its best here.

    On two threads a step took ten times as long on a machine whose cores were shared with other work.
    """
    import torch

    torch.set_num_threads(1)

    def tensors(tree):
        return {
            k: tensors(v)
            if isinstance(v, dict)
            else torch.tensor(np.asarray(v), dtype=torch.float32, requires_grad=True)
            for k, v in tree.items()
        }

    p = tensors(begin(jax.random.key(1)))
    x, v, ref, centred = (torch.tensor(np.asarray(getattr(answers, n))) for n in ("x", "v", "reference", "centred"))
    t, i, y = (torch.tensor(np.asarray(getattr(answers, n)), dtype=torch.long) for n in ("problem", "person", "answer"))
    ridge = [float(r) for r in answers.ridge]
    leaves = []

    def collect(tree):
        for value in tree.values():
            if isinstance(value, dict):
                collect(value)
            else:
                leaves.append(value)

    collect({k: w for k, w in p.items() if k != "decoder"})
    adam = torch.optim.Adam(leaves, lr=0.01)
    levels = torch.tensor(belief.blender.answers, dtype=torch.float32)
    middles = (levels[1:] + levels[:-1]) / 2

    def log_between(low, high):
        flip = low + high > 0
        a, b = torch.where(flip, -high, low), torch.where(flip, -low, high)
        up, down = torch.special.log_ndtr(b), torch.special.log_ndtr(a)
        return up + torch.log1p(-torch.exp(torch.clamp(down - up, max=-1e-7)))

    def kl(law, centre, log_tau):
        sd = torch.exp(law["log_sd"])
        return (
            log_tau - law["log_sd"] + (sd**2 + (law["mean"] - centre) ** 2) / (2 * torch.exp(2 * log_tau)) - 0.5
        ).sum()

    def loss():
        e = p["encoder"]
        draw = {
            n: p[n]["mean"] + torch.exp(p[n]["log_sd"]) * torch.randn_like(p[n]["mean"])
            for n in ("problem", "person", "spread")
        }
        hx, hv = x @ e["x_hidden"] + e["bias_hidden"], v @ e["v_hidden"]
        hidden = torch.tanh(hx.index_select(0, t) + hv.index_select(0, i))
        of_problem = x @ e["x_mean"] + e["bias_mean"] + e["trust"] * centred + draw["problem"]
        of_person = v @ e["v_mean"] + draw["person"]
        mean = of_problem.index_select(0, t) + of_person.index_select(0, i) + hidden @ e["mean"]
        wide, own = x @ e["x_spread"] + e["bias_spread"], v @ e["v_spread"]
        log_sd = wide.index_select(0, t) + own.index_select(0, i) + hidden @ e["spread"]
        sd = torch.exp(torch.clamp(log_sd, -6, 4) + draw["spread"].index_select(0, i))[:, 0]
        total = torch.sqrt(sd**2 + torch.exp(2 * p["blender"]["log_sigma"]))
        share = torch.cumsum(torch.softmax(p["blender"]["spacing"], 0), 0)
        cuts = torch.cat([middles[:1], middles[0] + share * (middles[-1] - middles[0])])
        far = torch.tensor([1e4])
        centre = (ref[t] + mean)[:, 0]
        each = log_between((torch.cat([-far, cuts])[y] - centre) / total, (torch.cat([cuts, far])[y] - centre) / total)
        prior = kl(p["person"], 0.0, p["log_tau_person"]) + kl(p["problem"], 0.0, p["log_tau_problem"])
        prior = prior + kl(p["spread"], (draw["person"] * p["couple"]).sum(1, keepdim=True), p["log_tau_spread"])
        weights = ridge[0] * ((e["x_mean"] ** 2).sum() + (e["v_mean"] ** 2).sum())
        weights = weights + ridge[1] * (
            8 * ((e["mean"] ** 2).sum() + (e["spread"] ** 2).sum())
            + 0.1 * ((e["x_hidden"] ** 2).sum() + (e["v_hidden"] ** 2).sum())
        )
        weights = (
            weights
            + ridge[2] * ((e["x_spread"] ** 2).sum() + (e["v_spread"] ** 2).sum())
            + 0.5 * p["blender"]["log_sigma"] ** 2
        )
        return (-each.sum() + prior + weights) / len(y)

    def step():
        adam.zero_grad()
        value = loss()
        value.backward()
        adam.step()

    step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps


def main() -> None:
    words = command_line(__doc__, "generator")
    words.add_argument("--people", type=int, default=1_000_000)
    words.add_argument("--problems", type=int, default=100)
    words.add_argument("--steps", type=int, default=400)
    words.add_argument("--only-simulation", action="store_true", help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.only_simulation:
        print(json.dumps(simulation(asked.people, asked.problems)))
        return
    command = [
        sys.executable,
        __file__,
        "--only-simulation",
        "--people",
        str(asked.people),
        "--problems",
        str(asked.problems),
    ]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    load = os.getloadavg()[0]
    streamed = pd.DataFrame(
        [
            [
                f"{asked.people:,}",
                asked.problems,
                f"{found['answers']:,}",
                found["seconds"],
                found["peak_gb"],
                found["file_mb"],
            ]
        ],
        columns=["people", "problems", "answers", "seconds", "peak GB", "file MB"],
    )
    trained = training(asked.steps)
    met = "met" if found["seconds"] <= SECONDS and found["peak_gb"] <= GB else "NOT met"
    text = "\n".join(
        [
            "# Speed of the generator",
            "",
            made_by(typed()),
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {load:.1f} when the simulation ended.",
            "",
            "## Simulation streamed to Parquet (int8 answers), first compilation included",
            "",
            markdown_table(streamed, 2),
            "",
            f"Asked for a million people and a hundred problems on two cores: at most {SECONDS:g} s and {GB:g} GB. Here: {met}. "
            "What was done for it: answers of one byte, no minima and maxima of ids in the file, and the next people are drawn "
            "while the present ones are written.",
            "",
            "## Training on Offensiveness (13,036 answers, 1,500 problems, 262 people), likelihood objective",
            "",
            markdown_table(trained, 2),
            "",
            'The whole fit is that of the defaults. The steps are of one model (mixing="none", which the loops by hand have), one '
            "full batch per step, Adam, all after compilation; ours is the difference between a long and a short fit by the "
            "steps between them, as the loops have their start outside of what is timed.",
        ]
    )
    print(text)
    asked.out.mkdir(parents=True, exist_ok=True)
    write_whole(asked.out / "README.md", text + "\n")


if __name__ == "__main__":
    main()
