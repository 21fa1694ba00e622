"""Ratings from 0 to 100 by people who use the scale differently, with heaps at 0, 50, 100 and at tens.

    make reports NAME=generator/wide_scales    # the report; a look at it under out/: python benchmarks/wide_scales.py

Made people: a fifth puts what lies beyond 25 and 75 on the ends, two fifths round to tens, each has a spread of their own, and
15% of the answers near the middle are 50. CrowdLLM with its defaults (a censored blender, since many answers lie on the ends)
against the truncated and the normal one, and with other settings, scored on the answers of 20,000 new people. Its predicted
variance should be the true one.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.data.crowd import CrowdData, continuous
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator.crowdllm import CrowdLLM
from reports import command_line, typed

N_PROBLEMS, N_PEOPLE, PER_PERSON, NEW = 40, 200, 15, 20_000
SEEDS = range(5)

#: The defaults, other blenders, and what else was tried for the variance.
SETTINGS = {
    "default": {},
    "truncated": {"family": "truncated"},
    "normal": {"family": "normal"},
    "normal law of what people keep": {"mixing": "none"},
    "people keep nothing": {"person_effects": False},
    "1,800 steps": {"steps": 1800},
}
TENTHS = np.append(np.linspace(0.0, 90.0, 10), 100.1)


def made_answers(level, n, rng):
    """Answers of n people to all problems, shape (T, n)."""
    kind, shift, factor = rng.random(n), rng.normal(0.0, 12.0, n), np.exp(rng.normal(0.0, 0.4, n))
    latent = level[:, None] + shift + 15.0 * factor * rng.normal(size=(len(level), n))
    ends = kind < 0.2
    latent = np.where(ends & (latent > 75.0), 100.0, np.where(ends & (latent < 25.0), 0.0, latent))
    middle = (rng.random(latent.shape) < 0.15) & (np.abs(latent - 50.0) < 20.0)
    latent = np.where(middle, 50.0, latent)
    tens = (kind > 0.2) & (kind < 0.6)
    return np.clip(np.where(tens, np.round(latent / 10.0) * 10.0, np.round(latent)), 0.0, 100.0)


def in_tenths(answers):
    """Shares of the tenths of the scale, and the share on its ends, shape (T, 11)."""
    shares = [np.histogram(one, TENTHS)[0] / one.size for one in answers]
    return np.column_stack([shares, [np.isin(one, (0.0, 100.0)).mean() for one in answers]])


def run():
    rows = []
    for seed in SEEDS:
        rng = np.random.default_rng([seed, 9])
        level = rng.normal(58.0, 20.0, N_PROBLEMS)
        seen, new = made_answers(level, N_PEOPLE, rng), made_answers(level, NEW, rng)
        names = [f"q{problem:02}" for problem in range(N_PROBLEMS)]
        asked = [rng.permutation(N_PROBLEMS)[:PER_PERSON] for _ in range(N_PEOPLE)]
        table = [(names[t], f"p{who:03}", seen[t, who]) for who, own in enumerate(asked) for t in own]
        frame = pd.DataFrame(table, columns=["problem", "participant", "response"])
        data = CrowdData.from_frame(frame, scale=continuous(0, 100))
        share = np.clip(level + rng.normal(0.0, 8.0, N_PROBLEMS), 1.0, 99.0) / 100.0
        reference = Reference.from_probabilities(names, [0.0, 100.0], np.stack([1.0 - share, share], axis=1))
        true = in_tenths(new)
        told = {"their own raters": [own.to_numpy() for _, own in frame.groupby("problem")["response"]]}
        for name, settings in SETTINGS.items():
            model = CrowdLLM(**settings).fit(data, reference, seed=seed)
            answers = model.simulate(n=2000, seed=seed + 100).responses
            told[name] = (
                answers.pivot_table(index="problem", columns="participant", values="response").loc[names].to_numpy()
            )
            print(seed, name, model.settings.family, file=sys.stderr, flush=True)
        for name, answers in told.items():
            shares = in_tenths(answers)
            apart = np.abs(np.cumsum(shares[:, :10] - true[:, :10], axis=1)).sum(axis=1)
            rows.append([name, seed, apart.mean(), np.mean([np.var(one) for one in answers]), new.var(axis=1).mean(),
                         shares[:, 10].mean(), true[:, 10].mean()])  # fmt: skip
    names = ["answers", "seed", "WD in tenths", "variance", "true variance", "on the ends", "truly on the ends"]
    return pd.DataFrame(rows, columns=names)


def report(rows, seconds, out):
    """wide_scales.md."""
    shown = rows.drop(columns="seed").groupby("answers", sort=False).mean().reset_index()
    errors = rows.groupby("answers", sort=False)["WD in tenths"].sem()
    shown.insert(2, "standard error", errors.to_numpy())
    lines = [
        "# Ratings from 0 to 100",
        "",
        made_by(typed()),
        f"It took {seconds:.0f} s of CPU time.",
        "",
        " ".join(__doc__.split("\n\n")[2].split()),
        "",
        f"{N_PEOPLE} people, {PER_PERSON} of {N_PROBLEMS} problems each, {len(SEEDS)} made populations. WD in tenths is the "
        "Wasserstein-1 distance between shares of the ten tenths of the scale, one tenth being 1, mean over problems; the "
        "problem's own raters, about 75, are the sample that was fitted.",
        "",
        markdown_table(shown),
        "",
    ]
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "wide_scales.md", "\n".join(lines))


if __name__ == "__main__":
    folder = command_line(__doc__, "generator").parse_args().out
    report(run(), time.process_time(), folder)
