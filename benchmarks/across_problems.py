"""Coverage of the across-problem intervals under their own model, and on ratings that break it.

    python benchmarks/across_problems.py    # writes reports/inference/across_problems_simulation.md, 5 minutes on 1 core

Normal model: digital mean x ~ N(0, 1), problem mean 3 + 0.8 x + N(0, B), n = 2 to 8 answers a problem of variance 1.
Ratings: a normal answer of mean 1.3 + 0.9 x + N(0, 0.25) and variance 1.44, rounded and cut to 1..5; n = 3 of 8 people, or of
a large population. Yes/no: shares logistic(a + 0.8 x + N(0, 0.25)), n = 2 to 5 answers 0/1 of a large population.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, ndtr, ndtri, stdtrit

from crowdllm_stats import across_problems
from crowdllm_stats.report.markdown import made_by, markdown_table

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "reports" / "inference"
RUNS = {15: 160, 40: 80, 200: 80}
LEVEL = 0.95
PEOPLE, ANSWERED = 8, 3


def normal_case(problems, between, finite, rng):
    """One run: per problem hit, half-width over that of the known-variance normal interval, n_effective / n."""
    count = rng.integers(2, 9, problems)
    digital = rng.normal(size=problems)
    truth = 3.0 + 0.8 * digital + np.sqrt(between) * rng.normal(size=problems)
    mean = truth + rng.normal(size=problems) / np.sqrt(count)
    var = rng.chisquare(count - 1) / (count - 1)
    size, left = None, np.ones(problems)
    if finite:
        size = count + rng.integers(3, 9, problems)
        rest = truth + rng.normal(size=problems) / np.sqrt(size - count)
        truth = (count * mean + (size - count) * rest) / size
        left = 1.0 - count / size
    got = across_problems(mean, var, count, digital, population_size=size, level=LEVEL)
    alone = ndtri(0.5 + 0.5 * LEVEL) * np.sqrt(left / count)
    hit = (got.lower <= truth) & (truth <= got.upper)
    return hit.mean(), got.half_width.mean() / alone.mean(), (got.effective_n / count).mean()


def rating_case(problems, bounds, finite, rng):
    """One run: coverage overall, where three agree, of Student's t; width over that of t."""
    center = 1.3 + 0.9 * (digital := rng.normal(size=problems)) + 0.5 * rng.normal(size=problems)
    answers = np.clip(np.round(center[:, None] + 1.2 * rng.normal(size=(problems, PEOPLE))), 1, 5)
    own, truth, size, left = answers[:, :ANSWERED], answers.mean(1), PEOPLE, 1 - ANSWERED / PEOPLE
    if not finite:
        truth, size, left = 5.0 - sum(ndtr((cut + 0.5 - center) / 1.2) for cut in range(1, 5)), None, 1.0
    mean, var = own.mean(1), own.var(1, ddof=1)
    got = across_problems(mean, var, ANSWERED, digital, population_size=size, bounds=bounds, level=LEVEL)
    hit = (got.lower - 1e-9 <= truth) & (truth <= got.upper + 1e-9)
    agree = var == 0
    half = stdtrit(ANSWERED - 1, 0.5 + 0.5 * LEVEL) * np.sqrt(var / ANSWERED * left)
    direct = np.abs(mean - truth) <= half + 1e-9
    return hit.mean(), hit[agree].mean(), direct.mean(), got.half_width.mean() / half.mean()


def yes_no_case(problems, bounds, middle, rng):
    """One run: coverage overall, where all answers are equal; half-width, smallest, largest. NaN where refused."""
    digital, count = rng.normal(size=problems), rng.integers(2, 6, problems)
    truth = expit(middle + 0.8 * digital + 0.5 * rng.normal(size=problems))
    mean = rng.binomial(count, truth) / count
    var = mean * (1 - mean) * count / (count - 1)
    if np.sum(var > 0) < 2:
        return (np.nan,) * 5
    got = across_problems(mean, var, count, digital, bounds=bounds, level=LEVEL)
    hit = (got.lower - 1e-9 <= truth) & (truth <= got.upper + 1e-9)
    half = got.half_width
    return hit.mean(), hit[var == 0].mean() if np.any(var == 0) else np.nan, half.mean(), half.min(), half.max()


def yes_no_row(problems, bounds, middle, runs, rng):
    """Means over runs, but the smallest and the largest half-width of all."""
    table = np.array([yes_no_case(problems, bounds, middle, rng) for _ in range(runs)])
    done = table[~np.isnan(table[:, 0])]
    error = done[:, 0].std(ddof=1) / np.sqrt(len(done))
    name = "none" if bounds is None else "0, 1"
    cover, equal, half = done[:, 0].mean(), np.nanmean(done[:, 1]), done[:, 2].mean()
    return problems, middle, name, cover, error, equal, half, done[:, 3].min(), done[:, 4].max(), runs - len(done)


def summary(values):
    """Means over runs, and the Monte Carlo standard error of the first."""
    table = np.array(values)
    return table.mean(axis=0), table[:, 0].std(ddof=1) / np.sqrt(len(table))


def main():
    normal, rating, yes_no = [], [], []
    for number, (problems, runs) in enumerate(RUNS.items()):
        for between in (0.0, 0.1, 0.5, 2.0):
            for finite in (False, True):
                rng = np.random.default_rng([number, int(10 * between), finite])
                mean, error = summary([normal_case(problems, between, finite, rng) for _ in range(runs)])
                target = "n + 3..8 people" if finite else "large population"
                normal.append((problems, between, target, mean[0], error, mean[1], mean[2]))
        for finite in (True, False):
            for bounds in ((1, 5), None):
                rng = np.random.default_rng([number, 99])
                mean, error = summary([rating_case(problems, bounds, finite, rng) for _ in range(runs)])
                target = "the 8 people" if finite else "large population"
                name = "1, 5" if bounds else "none"
                rating.append((problems, target, name, mean[0], error, mean[1], mean[3], mean[2]))
        for middle in (-2.0, 0.0):
            for bounds in ((0, 1), None):
                rng = np.random.default_rng([number, 98])
                yes_no.append(yes_no_row(problems, bounds, middle, runs, rng))
    low = min(normal, key=lambda row: row[3])
    below = (low[3] - LEVEL) / low[4]
    columns = ["T", "B", "target", "coverage", "se", "width / own answers", "n_effective / n"]
    ratings = ["T", "target", "bounds", "coverage", "se", "where three agree", "width / t", "coverage of t"]
    shares = ["T", "a", "bounds", "coverage", "se", "where all agree", "half width", "least", "largest", "refused"]
    worst = min([row[3:5] for row in rating] + [row[3:5] for row in yes_no])
    agreeing = min([row[5] for row in rating] + [row[5] for row in yes_no])
    text = f"""# Across-problem intervals: coverage in simulation

{made_by("python benchmarks/across_problems.py", ROOT)}

Nominal level {LEVEL:g}; {", ".join(f"{runs} runs of T = {problems}" for problems, runs in RUNS.items())}; `se` is the
Monte Carlo standard error of the coverage, over runs.

## Under the model

Digital mean x ~ N(0, 1), problem mean 3 + 0.8 x + N(0, B), 2 to 8 answers a problem of variance 1 (a smooth function
of the mean is estimated all the same). `width / own answers`: over the normal interval of the own answers alone with
known variance.

{markdown_table(pd.DataFrame(normal, columns=columns))}

Lowest coverage {low[3]:.3f} (standard error {low[4]:.3f}, {below:+.1f} of them from the level; {len(normal)} rows). The
level is exceeded where the digital mean explains all there is (B = 0): a prior flat in B never believes that fully.

## On ratings, which break the model

Normal answers of mean 1.3 + 0.9 x + N(0, 0.25) and variance 1.44, rounded and cut to 1..5, so that they pile up at 1;
{ANSWERED} people answered; the target is the mean of {PEOPLE} people, them included, or of a large population. `width / t`:
over Student's t (with the finite-population correction).

{markdown_table(pd.DataFrame(rating, columns=ratings))}

## On yes/no answers

Shares of yes logistic(a + 0.8 x + N(0, 0.25)), 2 to 5 answers a problem; the target is the share in a large population.
`half width`: mean; `least` and `largest`: over all problems of all runs; `refused`: runs in which the answers differed
in fewer than two problems.

{markdown_table(pd.DataFrame(yes_no, columns=shares))}

A straight line misses the ends of the scale, and few problems do not show it. Lowest coverage of the two tables:
{worst[0]:.3f} (standard error {worst[1]:.3f}); lowest among problems whose answers all agree: {agreeing:.3f}.
"""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "across_problems_simulation.md").write_text(text)


if __name__ == "__main__":
    main()
