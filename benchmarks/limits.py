"""Where the levels end: the settings found so far in which a 95% statement does not hold, each with its coverage.

    make reports NAME=inference/limits    # the report; a look at it under out/: python benchmarks/limits.py

Made after a hostile reading of the intervals: look here before trusting a level, and for what to improve next.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from crowdllm_stats import across_problems, interval
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from reports import command_line, typed

SURVEYS = 4000
MARGINS = {
    "1-5, 75/12/6/4/3%": (np.arange(1.0, 6.0), (0.75, 0.12, 0.06, 0.04, 0.03)),
    "1-5, 90/5/2/1/2%": (np.arange(1.0, 6.0), (0.90, 0.05, 0.02, 0.01, 0.02)),
    "1-5, 10/20/40/20/10%": (np.arange(1.0, 6.0), (0.1, 0.2, 0.4, 0.2, 0.1)),
    "0-100, only 0, 10 and 100: 80/15/5%": (np.array([0.0, 10.0, 100.0]), (0.80, 0.15, 0.05)),
}


def answers(name, z):
    """Answers of the margin from standard normal numbers."""
    values, shares = MARGINS[name]
    return values[np.searchsorted(norm.ppf(np.cumsum(shares)[:-1]), z)]


def mean_of(name):
    values, shares = MARGINS[name]
    return float(values @ np.array(shares))


def bounds_of(name):
    values = MARGINS[name][0]
    return float(values[0]), float(values[-1])


def row(where, hit, nominal):
    rate = float(np.mean(hit))
    return {
        "setting": where,
        "level": nominal,
        "coverage": rate,
        "se": float(np.sqrt(rate * (1 - rate) / np.size(hit))),
    }


def biased_twins(rng):
    rows = []
    for name in MARGINS:
        for n in (8, 15, 30):
            for rho in (0.8, 0.9):
                for shift in (0.5, 1.0, 1.5):
                    z = rng.normal(size=(SURVEYS, n))
                    twin = answers(name, rho * z + np.sqrt(1 - rho**2) * rng.normal(size=z.shape) + shift)
                    crowd = answers(name, rng.normal(size=(SURVEYS, 200)) + shift)
                    for level in (0.95, 0.99):
                        found = interval(answers(name, z), twin, crowd, method="ppi++-small", level=level,
                                         bounds=bounds_of(name), check_law=False)  # fmt: skip
                        hit = (found.lower <= mean_of(name) + 1e-9) & (mean_of(name) - 1e-9 <= found.upper)
                        where = f"{name}; n {n}, correlation {rho}, shift {shift} sd of the latent answer"
                        rows.append(row(where, hit, level))
    return pd.DataFrame(rows)


def weighted(rng):
    """Weights that rise with the answer: the sample answers low, the weights make up for it."""
    rows = []
    for name in MARGINS:
        for n in (20, 50):
            z = rng.normal(-0.7, 1.0, (SURVEYS, n))
            found = interval(answers(name, z), weights=np.exp(0.7 * z), bounds=bounds_of(name))
            hit = (found.lower <= mean_of(name)) & (mean_of(name) <= found.upper)
            rows.append(row(f"{name}; n {n}, weights exp(0.7 z)", hit, 0.95))
    return pd.DataFrame(rows)


def consensus(rng):
    """Ratings that nearly agree: every question's answers spread by less than a step."""
    rows = []
    for problems, n in ((60, 5), (100, 3), (100, 10)):
        for spread in (0.25, 0.4, 0.6, 0.8):
            hits = []
            for _ in range(30):
                centre = rng.uniform(1.5, 2.5, problems)
                cuts = np.arange(1.5, 5.0)
                truth = 1.0 + norm.sf((cuts - centre[:, None]) / spread).sum(axis=1)
                table = np.clip(np.round(centre[:, None] + spread * rng.normal(size=(problems, n))), 1.0, 5.0)
                digital = centre + 0.3 * rng.normal(size=problems)
                found = across_problems(table.mean(1), table.var(1, ddof=1), n, digital, bounds=(1, 5))
                hits.append(np.mean((found.lower <= truth) & (truth <= found.upper)))
            where = f"{problems} questions, n {n}, means 1.5 to 2.5, spread {spread} of a step"
            rows.append({"setting": where, "level": 0.95, "coverage": float(np.mean(hits)),
                         "se": float(np.std(hits) / np.sqrt(len(hits)))})  # fmt: skip
    return pd.DataFrame(rows)


def main():
    parser = command_line(__doc__, "inference")
    out = parser.parse_args().out
    rng = np.random.default_rng(20261128)
    twins, weights, agree = biased_twins(rng), weighted(rng), consensus(rng)
    low95, low99 = (twins[twins["level"] == level]["coverage"].min() for level in (0.95, 0.99))
    text = f"""# Where the levels end

{made_by(typed())}

Settings in which a statement at 95% does not hold, or holds at a lower level than one would expect. {SURVEYS:,} surveys per row of the first
two tables, 30 tables of questions per row of the last.

## Biased twins, `ppi++-small`: the fifteen lowest of {len(twins) // 2} settings at each level

Lowest at level 0.95: {low95:.3f}; at 0.99: {low99:.3f}. A Gaussian copula joins human and twin, the twin's latent answer is shifted.

{markdown_table(pd.concat([twins[twins["level"] == level].nsmallest(15, "coverage") for level in (0.95, 0.99)]))}

## Weights that depend on the answer, `auto` on the human answers alone

{markdown_table(weights)}

## `across_problems` with bounds where all questions nearly have consensus

{markdown_table(agree)}
"""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "limits.md", text)
    print(out / "limits.md")


if __name__ == "__main__":
    main()
