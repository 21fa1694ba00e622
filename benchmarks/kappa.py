"""Does the corrected kappa cover the noise-free gap of a new problem? Against the plain estimate of the spread.

    make reports NAME=inference/kappa    # the report; a look at it under out/: python benchmarks/kappa.py

A study has P problems with gaps of mean ``bias`` and standard deviation ``tau``, n human answers of standard deviation 1
and 10 reference answers of standard deviation 0.5. Normal gaps, gaps of a t distribution with 3 degrees of freedom, and
answers on a scale 1 to 5 (problem means anywhere on the scale, answers rounded and cut). The coverage is the exact
probability that a new noise-free gap lies within kappa, averaged over studies.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import norm
from scipy.stats import t as student

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.inference.kappa import noise_free_quantile
from reports import command_line, typed

LEVELS = (0.8, 0.9)
PROBLEMS = (5, 10, 40, 120)
ANSWERS = (3, 5, 20)
TAUS = (0.05, 0.1, 0.3, 1.0)
BIASES = (0.0, 0.5)
LAWS = ("normal", "t3", "rating")
CUTS = np.array([1.5, 2.5, 3.5, 4.5])
STUDIES = 200


def study(rng, law, problems, n, tau, bias):
    """Gaps and noise variances, shape (STUDIES, problems) each."""
    draw = (
        rng.standard_t(3, (STUDIES, problems)) / np.sqrt(3.0) if law == "t3" else rng.normal(size=(STUDIES, problems))
    )
    gap = bias + tau * draw
    reference = 0.5 * rng.normal(size=(STUDIES, problems, 10))
    if law == "rating":
        centre = rng.uniform(1.0, 5.0, (STUDIES, problems))
        mean = 1.0 + norm.sf(CUTS - centre[..., None]).sum(axis=-1)
        human = np.clip(np.round(centre[..., None] + rng.normal(size=(STUDIES, problems, n))), 1.0, 5.0)
        reference += (mean - gap)[..., None]
    else:
        human = gap[..., None] + rng.normal(size=(STUDIES, problems, n))
    noise = human.var(axis=-1, ddof=1) / n + reference.var(axis=-1, ddof=1) / 10
    return human.mean(axis=-1) - reference.mean(axis=-1), noise


def plain(gap, noise, level):
    """The order statistic of gaps shrunk to their mean by the plain estimate of tau: what the posterior replaces."""
    centre = gap.mean(axis=1, keepdims=True)
    tau2 = np.maximum(gap.var(axis=1, ddof=1, keepdims=True) - noise.mean(axis=1, keepdims=True), 0.0)
    sizes = np.sort(np.abs(centre + np.sqrt(tau2 / (tau2 + noise)) * (gap - centre)), axis=1)
    return sizes[:, order(gap.shape[1], level)]


def raw(gap, level):
    """The order statistic of the gaps as observed."""
    return np.sort(np.abs(gap), axis=1)[:, order(gap.shape[1], level)]


def order(problems, level):
    return min(int(np.ceil((problems + 1) * level - 1e-9)), problems) - 1


def coverage(kappa, law, tau, bias):
    """Probability that a new noise-free gap is within kappa."""
    cdf = (lambda x: student.cdf(x * np.sqrt(3.0), 3)) if law == "t3" else norm.cdf
    return cdf((kappa - bias) / tau) - cdf((-kappa - bias) / tau)


def settings():
    rng = np.random.default_rng(20261127)
    rows = []
    for law, problems, n, tau, bias in product(LAWS, PROBLEMS, ANSWERS, TAUS, BIASES):
        gap, noise = study(rng, law, problems, n, tau, bias)
        for level in LEVELS:
            found = {
                "corrected": noise_free_quantile(gap, noise, level),
                "plain": plain(gap, noise, level),
                "as observed": raw(gap, level),
            }
            row = {"law": law, "P": problems, "n": n, "tau": tau, "bias": bias, "level": level}
            for name, kappa in found.items():
                covered = coverage(kappa, law, tau, bias)
                row |= {name: covered.mean(), f"se {name}": covered.std(ddof=1) / np.sqrt(STUDIES)}
                row[f"kappa {name}"] = kappa.mean()
            rows.append(row)
    return pd.DataFrame(rows)


def lowest(table, by):
    rows = []
    for key, part in table.groupby(by):
        worst = part.loc[part["corrected"].idxmin()]
        rows.append([*key, len(part), worst["corrected"], worst["se corrected"], part["plain"].min(),
                     (part["kappa corrected"] / part["kappa as observed"]).mean()])  # fmt: skip
    columns = [*by, "settings", "corrected, lowest", "se", "plain, lowest", "kappa corrected / as observed, mean"]
    return pd.DataFrame(rows, columns=columns)


def main():
    parser = command_line(__doc__, "inference")
    out = parser.parse_args().out
    table = settings()
    enough = table[np.ceil((table["P"] + 1) * table["level"] - 1e-9) <= table["P"]]
    short = enough["level"] - enough["corrected"]
    text = f"""# The corrected kappa: coverage of a new problem's noise-free gap

{made_by(typed())}

{len(table)} settings of law, P, n, tau, bias and level, {STUDIES} studies each; a coverage is an exact probability averaged
over studies, `se` its Monte Carlo standard error. "plain" takes the spread of the gaps as known, at its estimate
`max(0, var(d) - mean noise)`; "as observed" is the uncorrected kappa.

## Lowest coverage by P and level

{markdown_table(lowest(table, ["P", "level"]))}

## By tau and level, where P is large enough for the level

{markdown_table(lowest(enough, ["tau", "level"]))}

## By law and level, where P is large enough for the level

{markdown_table(lowest(enough, ["law", "level"]))}

Where P is large enough for the level, the largest shortfall of the corrected kappa is {short.max():.3f}, at
{(short / enough["se corrected"]).loc[short.idxmax()]:.1f} standard errors; the plain one falls short by
{(enough["level"] - enough["plain"]).max():.3f}. With too few problems (level 0.9 at P = 5) the largest gap is all there is.
"""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "kappa.md", text)
    print(out / "kappa.md")


if __name__ == "__main__":
    main()
