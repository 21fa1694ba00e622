"""Twins that refuse a question: coverage and width when the mean of the question's other digital people stands in.

    make reports NAME=inference/missing_twins    # the report; a look at it under out/: python benchmarks/missing_twins.py

Whether a digital person refuses is a property of that person: at random, or depending on its own answer, its human's answer,
or how extreme the latter is. `interval_from` puts the mean of the question's unlabelled digital answers in place of a refused
twin and goes on with all humans. Beside it: the human answers alone (what a single refusal used to leave), and the pairs
alone (people whose twin refused left out, as one might do by hand). A second table has twins by profile with the personas
themselves as crowd.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
import pandas as pd
from scipy.special import ndtr

from crowdllm_stats import CrowdData, interval, interval_from
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.survey.pairing import STAND_IN_SHARE
from reports import command_line, typed

#: Shares of the answers 1 to 5; None: a standard normal answer without bounds.
MARGINS = {
    "normal": None,
    "even": (0.1, 0.2, 0.4, 0.2, 0.1),
    "low": (0.5, 0.25, 0.15, 0.07, 0.03),
    "high": (0.03, 0.07, 0.15, 0.25, 0.5),
    "two camps": (0.45, 0.05, 0.0, 0.05, 0.45),
}
HUMANS = (8, 12, 24, 50)
CORRELATIONS = (0.0, 0.5, 0.9)
RATES = (0.03, 0.1, 0.3, 0.5)
#: What a digital person's refusing depends on, from its human's latent answer y and its own v.
REFUSALS = {
    "chance": lambda y, v: np.zeros_like(y),
    "the human's answer": lambda y, v: 2.0 * y,
    "the twin's answer": lambda y, v: -2.0 * v,
    "an extreme answer": lambda y, v: 2.0 * np.abs(y),
}
CROWD = 200
LEVEL = 0.95
#: Twins are that far off, in standard deviations, on top of their noise.
SHIFT = 0.3


def margins(latent, shares):
    """Answers of a standard normal latent one."""
    if shares is None:
        return latent
    return 1.0 + np.searchsorted(np.cumsum(shares)[:-1], ndtr(latent)).astype(float)


def people(rng, reps, count, correlation):
    """Latent answers of humans and of their digital people."""
    human = rng.normal(size=(reps, count))
    return human, correlation * human + np.sqrt(1.0 - correlation**2) * rng.normal(size=(reps, count))


def refusing(rng, depends, rate, correlation):
    """The rule by which digital people refuse, at the rate wanted over the population."""
    y, v = people(np.random.default_rng(1), 1, 200_000, correlation)
    cut = np.quantile(REFUSALS[depends](y, v) + np.random.default_rng(2).normal(size=y.shape), 1.0 - rate)
    return lambda human, twin: REFUSALS[depends](human, twin) + rng.normal(size=human.shape) > cut


def covered(answer, truth):
    """Whether each interval holds the truth, and its half-width."""
    return (answer.lower <= truth) & (truth <= answer.upper), np.asarray(answer.half_width)


def cell(rng, reps, shares, n, correlation, depends, rate):
    """One setting: coverage and mean half-width of the three ways, over replicates in which a twin refused."""
    bounds, truth = (None, 0.0) if shares is None else ((1, 5), float(np.dot(shares, range(1, 6))))
    refuse = refusing(rng, depends, rate, correlation)
    y, v = people(rng, reps, n, correlation)
    gap = refuse(y, v)
    crowd_y, crowd_v = people(rng, reps, int(1.3 * CROWD / (1.0 - rate)), correlation)
    first = np.argsort(refuse(crowd_y, crowd_v), axis=1, kind="stable")[:, :CROWD]  # the first 200 that answer
    human = margins(y, shares)
    twin, crowd = (margins(v + SHIFT, shares), margins(np.take_along_axis(crowd_v, first, 1) + SHIFT, shares))
    alone = covered(interval(human, bounds=bounds, level=LEVEL), truth)
    usable = gap.sum(axis=1) <= STAND_IN_SHARE * n
    filled = np.where(gap, crowd.mean(axis=1, keepdims=True), twin)
    both = covered(interval(human, filled, crowd, bounds=bounds, level=LEVEL), truth)
    ours = tuple(np.where(usable, with_twins, without) for with_twins, without in zip(both, alone, strict=True))
    some = gap.any(axis=1)
    rows = {"stand-in": ours, "humans alone": alone, "pairs alone": pairs_alone(human, twin, crowd, gap, bounds, truth)}
    return {
        f"{name}, {what}": float(values[some].mean() if name != "pairs alone" else np.nanmean(values[some]))
        for name, found in rows.items()
        for what, values in zip(("coverage", "half-width"), found, strict=True)
    } | {"replicates": int(some.sum()), "stand-in, coverage of all": float(ours[0].mean())}


def pairs_alone(human, twin, crowd, gap, bounds, truth):
    """The people whose twin refused left out; missing where fewer than 3 people are left."""
    hit, half = np.full(len(human), np.nan), np.full(len(human), np.nan)
    left = (~gap).sum(axis=1)
    for size in np.unique(left[left >= 3]):
        rows = np.flatnonzero(left == size)
        keep = np.argsort(gap[rows], axis=1, kind="stable")[:, :size]
        pairs = [np.take_along_axis(values[rows], keep, 1) for values in (human, twin)]
        hit[rows], half[rows] = covered(interval(*pairs, crowd[rows], bounds=bounds, level=LEVEL), truth)
    return hit, half


def refusal_grid(reps, seed):
    rows = []
    settings = list(itertools.product(MARGINS.items(), HUMANS, CORRELATIONS, REFUSALS, RATES))
    for number, ((margin, shares), n, correlation, depends, rate) in enumerate(settings):
        rng = np.random.default_rng([seed, number])
        found = cell(rng, reps, shares, n, correlation, depends, rate)
        rows.append({"margin": margin, "n": n, "correlation": correlation, "refusing depends on": depends,
                     "rate": rate, **found})  # fmt: skip
    return pd.DataFrame(rows)


def persona_grid(reps, seed):
    """Twins by profile, six profiles of unequal share; every persona's answer is its profile's mean."""
    share = np.array([0.30, 0.22, 0.18, 0.14, 0.10, 0.06])
    effect = np.array([0.8, -0.5, 0.3, -1.2, 0.1, 1.6])
    effect = (effect - share @ effect) / np.sqrt(share @ (effect - share @ effect) ** 2)
    rows = []
    for number, (n, size, strength) in enumerate(itertools.product((8, 24, 50), (75, 150, 500), (0.0, 0.5, 1.0))):
        rng = np.random.default_rng([seed, 10_000 + number])
        human_profile = rng.choice(6, size=(reps, n), p=share)
        persona = rng.choice(6, size=(reps, size), p=share)
        said = SHIFT + strength * effect[persona] + rng.normal(size=persona.shape)
        one_hot = persona[..., None] == np.arange(6)
        held = one_hot.sum(axis=1)
        mean = (one_hot * said[..., None]).sum(axis=1) / np.maximum(held, 1)
        known = np.take_along_axis(held, human_profile, 1) > 0
        crowd = np.take_along_axis(mean, persona, 1)
        twin = np.where(known, np.take_along_axis(mean, human_profile, 1), crowd.mean(axis=1, keepdims=True))
        human = strength * effect[human_profile] + rng.normal(size=human_profile.shape)
        ours, alone = (
            covered(interval(human, twin, crowd, level=LEVEL), 0.0),
            covered(interval(human, level=LEVEL), 0.0),
        )
        rows.append({"n": n, "personas": size, "profile's share of the variance": strength**2 / (1 + strength**2),
                     "coverage": float(ours[0].mean()), "half-width over t's": float(ours[1].mean() / alone[1].mean())})  # fmt: skip
    return pd.DataFrame(rows)


def through_the_door(surveys, seed):
    """Whole tables through interval_from: 12 questions, 24 people, 150 further digital people, 3% refusals."""
    used, hit, half, plain = [], [], [], []
    shares = MARGINS["even"]
    truth = float(np.dot(shares, range(1, 6)))
    for survey in range(surveys):
        rng = np.random.default_rng([seed, 20_000 + survey])
        y, v = people(rng, 12, 174, 0.7)
        refused = refusing(rng, "the human's answer", 0.03, 0.7)(y, v)
        human, twin = margins(y, shares), margins(v + SHIFT, shares)
        tables = []
        for values, there in ((human, np.arange(174) < 24), (twin, ~refused)):
            row, column = np.nonzero(np.broadcast_to(there, values.shape))
            frame = {"problem": row.astype(str), "participant": column.astype(str), "response": values[row, column]}
            tables.append(CrowdData.from_frame(pd.DataFrame(frame), scale="1:5"))
        found = interval_from(*tables).to_frame()
        used.append(float((found["method"] == "ppi++-small").mean()))
        plain.append(float((~refused[:, :24].any(axis=1)).mean()))
        hit.append(float(((found["lower"] <= truth) & (truth <= found["upper"])).mean()))
        half.append(float(found["half_width"].mean()))
    error = float(np.std(hit, ddof=1) / np.sqrt(surveys))
    return {"questions": 12 * surveys, "used": np.mean(used), "whole": np.mean(plain), "coverage": np.mean(hit),
            "error": error, "half": np.mean(half)}  # fmt: skip


def summary(grid, by):
    """Least and mean coverage of the three ways, and their widths over the humans' alone."""
    rows = []
    for key, part in grid.groupby(by, sort=False):
        row = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        for name in ("stand-in", "humans alone", "pairs alone"):
            row |= {
                f"{name}: least": part[f"{name}, coverage"].min(),
                f"{name}: mean": part[f"{name}, coverage"].mean(),
            }
        row["stand-in: width over humans'"] = (part["stand-in, half-width"] / part["humans alone, half-width"]).mean()
        rows.append(row)
    return pd.DataFrame(rows)


def error(replicates):
    """Standard error of a coverage."""
    return np.sqrt(LEVEL * (1 - LEVEL) / replicates)


def write(out, grid, personas, door, reps, seconds):
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "missing_twins.csv", grid.to_csv(index=False, lineterminator="\n", float_format="%.5f"))
    worst = grid.sort_values("stand-in, coverage").head(5)
    lowest = grid["stand-in, coverage"].min()
    below = grid[grid["stand-in, coverage"] < grid["humans alone, coverage"] - 0.01 - 2 * error(grid["replicates"])]
    strong = grid[(grid["correlation"] == 0.9) & (grid["rate"] <= 0.1)]
    gain = float((strong["stand-in, half-width"] / strong["humans alone, half-width"]).mean())
    names = ["margin", "n", "correlation", "refusing depends on", "rate", "stand-in, coverage", "humans alone, coverage",
             "pairs alone, coverage"]  # fmt: skip
    lines = [
        f"A stand-in for refused twins covers at least {lowest:.3f} over {len(grid)} settings (mean "
        f"{grid['stand-in, coverage'].mean():.3f}, nominal {LEVEL}; of all questions, those without a refusal among them, at "
        f"least {grid['stand-in, coverage of all'].min():.3f}); the human answers alone at least "
        f"{grid['humans alone, coverage'].min():.3f} (mean {grid['humans alone, coverage'].mean():.3f}); people whose twin "
        f"refused left out, at least {grid['pairs alone, coverage'].min():.3f}.",
        "",
        "# Twins that refuse a question",
        "",
        made_by(typed()),
        f"It took {seconds:.0f} s of CPU time; {reps} simulated questions per setting, of which those count in which at least "
        f"one twin refused: {int(grid['replicates'].median())} in the middle (standard error "
        f"{error(grid['replicates'].median()):.4f}), {grid['replicates'].min()} at least ({error(grid['replicates'].min()):.4f}). "
        "Where refusals are rare and depend on the answer, these are unusual samples, which every method feels.",
        "",
        f"n people with a twin each, {CROWD} further digital people that answer; twins and crowd refuse by the same rule. "
        "`stand-in`: the mean of the question's further digital people for each refused twin, then `auto`; where more "
        f"than {STAND_IN_SHARE:.0%} of the twins refused, the human answers alone. Why it is right whoever refuses what: "
        "whether a digital person refuses is a property of that person. The answer, or the constant c where there is none, is one "
        "function of the person, for labelled and unlabelled alike; with c the crowd's mean answer, the crowd's mean is c however "
        "many of it refused.",
        "",
        "## By what refusing depends on",
        "",
        markdown_table(summary(grid, ["refusing depends on", "rate"])),
        "",
        "## By number of people and margin",
        "",
        markdown_table(summary(grid, ["margin", "n"])),
        "",
        "## The five settings with the least coverage",
        "",
        markdown_table(worst[names]),
        "",
        f"Settings in which a stand-in covers less than the human answers alone by more than 0.01 and two standard errors: "
        f"{len(below)} of {len(grid)}. At correlation 0.9 and refusals of up to 10% the interval is on average {gain:.2f} "
        "times as wide as from the human answers alone.",
        "",
        "## Whole tables, through `interval_from`",
        "",
        f"{door['questions']} questions, 24 people, 3% refusals that depend on the human's answer, correlation 0.7, answers "
        f"1 to 5: the digital answers are used in {door['used']:.3f} of the questions (every twin answered in "
        f"{door['whole']:.3f} of them); coverage {door['coverage']:.4f}, standard error {door['error']:.4f}.",
        "",
        "## Twins by profile, the personas as crowd",
        "",
        "Everybody answers the question, so no other people of the human table are left; the personas are a sample of the "
        "population's six profiles (shares 0.30 to 0.06), each with its profile's mean answer. Normal answers.",
        "",
        markdown_table(personas),
        "",
        f"Least coverage {personas['coverage'].min():.3f}.",
    ]
    write_whole(out / "missing_twins.md", "\n".join(lines) + "\n")


def main():
    options = command_line(__doc__, "inference")
    options.add_argument("--replicates", type=int, default=4000)
    options.add_argument("--surveys", type=int, default=400)
    chosen = options.parse_args()
    start = time.process_time()
    grid = refusal_grid(chosen.replicates, 7102)
    personas = persona_grid(chosen.replicates, 7102)
    door = through_the_door(chosen.surveys, 7102)
    write(chosen.out, grid, personas, door, chosen.replicates, time.process_time() - start)


if __name__ == "__main__":
    main()
