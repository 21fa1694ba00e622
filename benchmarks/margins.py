"""Laws of answers on scales of any number of points, made and real, and the coverage of an interval under them."""

from __future__ import annotations

import os
from itertools import combinations_with_replacement
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import betainc, gammaln, ndtr

#: Samples of a law up to this number are enumerated, else drawn.
MOST = 12_000


def beta(mean, size, points):
    """A Beta law cut into ``points`` cells of equal width."""
    return np.diff(betainc(mean * size, (1 - mean) * size, np.linspace(0, 1, points + 1)))


def with_spike(rest, share, place):
    """``share`` of the people at one point, the others as ``rest``."""
    law = (1 - share) * np.array(rest)
    law[place] += share
    return law


def training(points):
    """The laws that the method was chosen on: name -> probabilities."""
    laws = {f"beta {m} {s}": beta(m, s, points) for m in (0.1, 0.2, 0.35, 0.5) for s in (0.7, 2, 6, 20)}
    for share in (0.5, 0.7, 0.8):
        laws[f"zeros {share}"] = with_spike(beta(0.5, 3, points), share, 0)
        laws[f"zeros {share}, skewed"] = with_spike(beta(0.25, 4, points), share, 0)
    for share in (0.5, 0.75):
        laws[f"middle {share}"] = with_spike(beta(0.5, 4, points), share, points // 2)
    laws["ends 80/20"] = with_spike(np.eye(points)[-1], 0.8, 0)
    laws["ends 50/50"] = with_spike(np.eye(points)[-1], 0.5, 0)
    laws["U"] = with_spike(with_spike(np.full(points, 1 / points), 0.44, 0), 0.44, points - 1)
    rng = np.random.default_rng(5)
    laws |= {f"random {k}": rng.dirichlet(np.full(points, 0.5 if points < 20 else 0.1)) for k in range(6)}
    return {name: law / law.sum() for name, law in laws.items()}


def held_out(points):
    """Laws that nothing was chosen on: cut normal and exponential ones, mixtures, waves, random ones."""
    edges = np.linspace(0, 1, points + 1)[1:-1]
    laws = {}
    for centre in (-0.1, 0.15, 0.4):
        for sd in (0.12, 0.25, 0.6):
            laws[f"normal {centre} {sd}"] = np.diff(np.r_[0.0, ndtr((edges - centre) / sd), 1.0])
    for rate in (2.0, 4.0, 8.0):
        laws[f"exponential {rate}"] = np.diff(np.r_[0.0, 1 - np.exp(-rate * edges), 1.0])
    for share in (0.35, 0.6, 0.75):
        laws[f"top {share}"] = with_spike(np.full(points, 1 / points), share, points - 1)
        laws[f"both {share}"] = with_spike(with_spike(beta(0.3, 8, points), share, 0), 0.1, points - 1)
    rng = np.random.default_rng(71)
    laws |= {f"random {k}": rng.dirichlet(np.full(points, 0.7 if points < 20 else 0.15)) for k in range(12)}
    return {name: law / law.sum() for name, law in laws.items()}


def nearly_unanimous(points):
    """85 to 95% of the people at one point: no interval is both short and safe there."""
    laws = {}
    for share in (0.85, 0.9, 0.95):
        laws[f"end {share}, rest skewed"] = with_spike(beta(0.25, 4, points), share, 0)
        laws[f"end {share}, rest at the other"] = with_spike(np.eye(points)[-1], share, 0)
        laws[f"end {share}, rest next to it"] = with_spike(np.eye(points)[1], share, 0)
        laws[f"middle {share}, rest anywhere"] = with_spike(np.full(points, 1 / points), share, points // 2)
    return {name: law / law.sum() for name, law in laws.items()}


def real_questions(least=150):
    """Real answers: (name, points, values from 0 to 1, shares), the answers taken as the population; three values or more.

    twin2k_items (ends of the scale: the lowest and highest answer) and twin2k_mega_study (ends from outcomes.csv) of
    CROWDLLM_STATS_DATA. Points are those of the scale, 101 for longer or finer ones.
    """
    folder = Path(os.environ["CROWDLLM_STATS_DATA"])
    items = pd.read_csv(folder / "twin2k_items" / "human.csv").set_index("TWIN_ID")
    study = pd.read_csv(folder / "twin2k_mega_study" / "human.csv").set_index("TWIN_ID")
    ends = pd.read_csv(folder / "twin2k_mega_study" / "outcomes.csv").set_index("DV_variable")
    for source, table in (("items", items), ("mega-study", study)):
        for name in table:
            answers = table[name].dropna().to_numpy(float)
            low, high = answers.min(), answers.max()
            if source == "mega-study":
                low, high = float(ends.loc[name, "DV_min"]), float(ends.loc[name, "DV_max"])
            inside = np.isfinite(low) and low <= answers.min() and answers.max() <= high
            values, counts = np.unique(answers, return_counts=True)
            if not inside or len(answers) < least or len(values) < 3:
                continue
            whole = np.all(values == np.round(values)) and high - low <= 10
            points = round(high - low) + 1 if whole else 101
            yield f"{source} {name}", points, (values - low) / (high - low), counts / counts.sum()


def samples(values, law, n, rng, draws):
    """Counts of the values in every possible sample with its probability, or in ``draws`` random ones."""
    if comb(n + len(values) - 1, n) > MOST:
        return rng.multinomial(n, law, draws), np.full(draws, 1.0 / draws)
    picks = np.array(list(combinations_with_replacement(range(len(values)), n)))
    counts = np.stack([(picks == k).sum(axis=1) for k in range(len(values))], axis=1)
    log = np.where(counts > 0, counts * np.log(np.maximum(law, 1e-300)), 0.0).sum(axis=1)
    return counts, np.exp(gammaln(n + 1) - gammaln(counts + 1).sum(axis=1) + log)


def distinct(values, counts):
    """One answer vector for every pair of mean and variance among the samples, and each sample's place among them.

    Every method here depends on a sample through these two alone.
    """
    n = counts[0].sum()
    moments = np.stack([counts @ values, counts @ values**2], axis=1) / n
    _, first, place = np.unique(moments.round(10), axis=0, return_index=True, return_inverse=True)
    return np.stack([np.repeat(values, row) for row in counts[first]]), place.ravel()
