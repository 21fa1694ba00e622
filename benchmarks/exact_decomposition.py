"""The exact and the published risk decomposition beside a direct Monte Carlo of the risk, over a grid.

    make reports NAME=inference/risk_grid    # the report; a look at it under out/: python benchmarks/exact_decomposition.py

Writes ``risk_grid.csv`` and ``risk_grid.md``; the same seed gives the same files.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from scipy.stats import binom, norm

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.inference.theorem2_risk import average_over_problems, risk_decomposition
from reports import command_line, typed

PEOPLE = (2, 3, 5, 10, 20, 50, 100, 200)
SLOPES = (-0.5, 0.0, 0.6, 1.0, 1.5)
NOISES = ("equal", "unequal")
PARTS = ("L1", "L2", "L3", "L4", "L5", "alignment")
MODES = ("replicates", "known")
BIAS, SCATTER = 0.2, 0.4


def noise_sds(pattern, people):
    """Standard deviations of the human and the twin noise, one per person."""
    if pattern == "equal":
        return np.full(people, 0.7), np.full(people, 0.5)
    return np.linspace(0.1, 1.5, people), np.linspace(1.2, 0.0, people)


def crowds(rng, count, people, slope, pattern, repeats):
    """Fresh people each time: skewed human means, twins with slope and scatter, skewed twin noise."""
    eta, etat = noise_sds(pattern, people)
    mean = rng.exponential(size=(count, 1, people)) - 1
    twin = BIAS + slope * mean + SCATTER * rng.normal(size=mean.shape)
    human = mean + eta * rng.normal(size=(count, repeats, people))
    return human, twin + etat * (rng.exponential(size=(count, repeats, people)) - 1)


def closed_form(people, slope, pattern):
    """E L over fresh people without the decomposition: (gap of the noise-free means)^2 + both noises over N."""
    eta, etat = noise_sds(pattern, people)
    spread = SCATTER**2 + (1 - slope) ** 2
    return BIAS**2 + (spread + np.mean(eta**2) + np.mean(etat**2)) / people


def closed_parts(people, slope, pattern):
    """Every part over fresh people, from its own definition (the humans' noise-free means have variance 1)."""
    eta, etat = noise_sds(pattern, people)
    human, digital, shrink = np.mean(eta**2), np.mean(etat**2), 1 - 1 / people
    return {
        "L1": shrink * (1 + human),
        "L2": human,
        "L3": BIAS**2 + SCATTER**2 + (1 - slope) ** 2,
        "L4": digital,
        "L5": shrink * (slope**2 + SCATTER**2 + digital),
        "alignment": shrink * (slope - 1),
    }


def cell(seed, people, slope, pattern, mode, count):
    """One row: the risk by direct Monte Carlo, the exact and the published sum, with standard errors."""
    rng = np.random.default_rng([seed, people, round(10 * slope) + 100, NOISES.index(pattern), MODES.index(mode)])
    human, digital = crowds(rng, 4 * count, people, slope, pattern, 1)
    direct = (human.mean(axis=(1, 2)) - digital.mean(axis=(1, 2))) ** 2
    human, digital = crowds(rng, count, people, slope, pattern, 2 if mode == "replicates" else 1)
    eta, etat = noise_sds(pattern, people)
    known = {"human_noise_var": eta**2, "digital_noise_var": etat**2} if mode == "known" else {}
    parts = risk_decomposition(human, digital, **known).components()
    average = average_over_problems(parts, level=0.95)
    se = {name: np.std(parts[name], ddof=1) / np.sqrt(count) for name in ("exact", "published")}
    error = direct.std(ddof=1) / np.sqrt(direct.size)
    row = {"people": people, "slope": slope, "noise": pattern, "mode": mode}
    row |= {"closed_form": closed_form(people, slope, pattern), "direct": direct.mean(), "direct_se": error}
    for name in ("exact", "published"):
        row |= {
            name: average.mean[name],
            f"{name}_se": se[name],
            f"{name}_z": (average.mean[name] - direct.mean()) / np.hypot(se[name], error),
        }
    truth = closed_parts(people, slope, pattern)
    for name, value in truth.items():
        wide = np.std(np.broadcast_to(parts[name], count), ddof=1) / np.sqrt(count)
        row |= {name: average.mean[name], f"{name}_z": (average.mean[name] - value) / wide if wide > 1e-12 else np.nan}
    total = truth["L1"] - (1 - 2 / people) * truth["L2"] + truth["L3"] + truth["L4"] - truth["L5"]
    return row | {"closed_sum": total + 2 * truth["alignment"]}


def report(table, count):
    """The grid in Markdown: what was checked, how many cells disagree, and the cells of one pattern."""
    outside = {name: int((table[f"{name}_z"].abs() > 3).sum()) for name in ("exact", "published")}
    cells, rate = len(table), 2 * norm.sf(3)
    chance = binom.sf(outside["exact"] - 1, cells, rate)
    part_z = table[[f"{name}_z" for name in PARTS]].to_numpy().ravel()
    part_z = part_z[np.isfinite(part_z)]  # a known noise variance has no error
    true_z = (table["exact"] - table["closed_form"]) / table["exact_se"]
    shown = table[(table["noise"] == "unequal") & (table["mode"] == "replicates")]
    lines = [
        "# Risk decomposition: exact and published sums beside the risk itself",
        "",
        f"{made_by(typed())} Each of {cells} cells: people N x slope of the twins on their humans x noise over people"
        f" x noise from two replicates or known. The risk L is simulated directly ({4 * count:,} fresh crowds); the"
        f" sums come from `risk_decomposition` on {count:,} other crowds. Human means and twin noise are skewed;"
        f" bias {BIAS}, scatter {SCATTER}.",
        "",
        f"- Exact sum more than 3 standard errors (of the difference) from the direct Monte Carlo: **{outside['exact']}"
        f" of {cells}** cells, where {cells * rate:.2f} are expected by chance (this many or more: probability"
        f" {chance:.2f}). Largest |z| {table['exact_z'].abs().max():.2f}, root mean square"
        f" {np.sqrt((table['exact_z'] ** 2).mean()):.2f}.",
        f"- Exact sum against the closed form of L: largest |z| {true_z.abs().max():.2f}, root mean square"
        f" {np.sqrt((true_z**2).mean()):.2f}.",
        f"- As the estimates obey the exact identity themselves, the sum cannot show an error in a single part. So each"
        f" part is compared with its own closed form: {int((np.abs(part_z) > 3).sum())} of {part_z.size} lie more than"
        f" 3 standard errors away ({part_z.size * rate:.1f} expected; root mean square"
        f" {np.sqrt(np.mean(part_z**2)):.2f}, largest |z| {np.abs(part_z).max():.2f}). The exact sum of the closed"
        f" parts differs from the closed form of L by at most"
        f" {(table['closed_sum'] - table['closed_form']).abs().max():.0e}.",
        f"- Published sum more than 3 standard errors away: **{outside['published']} of {cells}** cells; it is"
        f" {(table['published'] / table['direct']).min():.1f} to {(table['published'] / table['direct']).max():.0f}"
        " times the risk.",
        "",
        "Cells with unequal noise, estimated from replicates; standard errors in brackets (all: `risk_grid.csv`):",
        "",
        "| N | slope | direct L | exact | z | published | z |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in shown.itertuples():
        direct = f"{row.direct:.4f} ({row.direct_se:.4f})"
        exact = f"{row.exact:.4f} ({row.exact_se:.4f}) | {row.exact_z:.2f}"
        published = f"{row.published:.3f} ({row.published_se:.3f}) | {row.published_z:.0f}"
        lines.append(f"| {row.people} | {row.slope:g} | {direct} | {exact} | {published} |")
    return "\n".join(lines) + "\n"


def main():
    parser = command_line(__doc__, "inference")
    parser.add_argument("--count", type=int, default=4_000, help="crowds per cell for the decomposition")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    grid = itertools.product(PEOPLE, SLOPES, NOISES, MODES)
    table = pd.DataFrame([cell(options.seed, *setting, options.count) for setting in grid])
    options.out.mkdir(parents=True, exist_ok=True)
    write_whole(options.out / "risk_grid.csv", table.to_csv(index=False, float_format="%.6g"))
    write_whole(options.out / "risk_grid.md", report(table, options.count))


if __name__ == "__main__":
    main()
