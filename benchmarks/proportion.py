"""Intervals for answers of two values: coverage of ours and of the textbook ones, by enumeration of all samples.

    make reports NAME=inference/proportion    # the report; a look at it under out/: python benchmarks/proportion.py

Humans alone: every n from 3 to 100, every sample, shares on a grid and just beside every end of every interval, where the
coverage is lowest. Finite populations: every number of ones. Twins: all 2x2 tables of humans and twins. Only weights,
clusters, small crowds and sliders are simulated, with seeds of their own.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from scipy.special import gammaln, ndtri
from scipy.stats import binom, hypergeom
from statsmodels.stats.proportion import proportion_confint

from crowdllm_stats import interval
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.inference.intervals.sample import read_sample
from crowdllm_stats.inference.intervals.scale import two_valued
from reports import command_line, typed

LEVELS = (0.8, 0.9, 0.95, 0.99)
SHOWN = (3, 5, 8, 10, 20, 50, 100)
GRID = np.linspace(0.0005, 0.9995, 1000)
TEXTBOOK = {"Wilson": "wilson", "Agresti-Coull": "agresti_coull", "Jeffreys": "jeffreys", "Clopper-Pearson": "beta",
            "Wald": "normal"}  # fmt: skip
OURS = "exact (= auto)"
SHARES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
CROWDS = (0.02, 0.1, 0.2, 0.35, 0.5, 0.8)
RELATIONS = (0.0, 0.3, 0.6, 0.9, 1.0)
DRAWS = 4000


def samples(n):
    """One sample per number of ones, shape (n + 1, n)."""
    return (np.arange(n) < np.arange(n + 1)[:, None]).astype(float)


def ends_of(method, n, level, alternative="two-sided"):
    """Both ends for 0 to n ones of n."""
    if method in TEXTBOOK:
        twice = 1.0 - level if alternative == "two-sided" else 2.0 * (1.0 - level)
        ends = proportion_confint(np.arange(n + 1), n, twice, method=TEXTBOOK[method])
        lower, upper = (
            np.clip(np.nan_to_num(end, nan=nan), 0.0, 1.0) for end, nan in zip(ends, (0.0, 1.0), strict=True)
        )
        open_ends = {
            "two-sided": (lower, upper),
            "larger": (lower, np.ones(n + 1)),
            "smaller": (np.zeros(n + 1), upper),
        }
        return open_ends[alternative]
    name = {OURS: "exact", "t": "classical"}.get(method, method)
    answer = interval(samples(n), method=name, level=level, alternative=alternative, bounds=(0, 1))
    return np.clip(answer.lower, 0.0, 1.0), np.clip(answer.upper, 0.0, 1.0)


def coverage(lower, upper, n, shares):
    covers = (lower[:, None] <= shares + 1e-12) & (shares <= upper[:, None] + 1e-12)
    return (binom.pmf(np.arange(n + 1)[:, None], n, shares) * covers).sum(axis=0)


def judged(lower, upper, n):
    """Lowest coverage over all shares; its 5% quantile and the mean width over a uniform grid of shares."""
    ends = np.concatenate([lower, upper])
    beside = np.concatenate([ends - 1e-9, ends + 1e-9])
    beside = beside[(beside > 1e-6) & (beside < 1.0 - 1e-6)]
    on_grid = coverage(lower, upper, n, GRID)
    lowest = np.concatenate([on_grid, coverage(lower, upper, n, beside)]).min()
    width = (binom.pmf(np.arange(n + 1)[:, None], n, GRID) * (upper - lower)[:, None]).sum(axis=0).mean()
    rises = bool(np.all(np.diff(lower) >= -1e-12) and np.all(np.diff(upper) >= -1e-12))
    return {"lowest": lowest, "q05": np.quantile(on_grid, 0.05), "mean": on_grid.mean(), "width": width, "rises": rises}


def alone():
    """All n, levels and methods on the human answers alone."""
    rows = []
    for n in range(3, 101):
        for level in LEVELS:
            for method in (OURS, *TEXTBOOK, "t", "classical-small"):
                rows.append({"n": n, "level": level, "method": method, **judged(*ends_of(method, n, level), n)})
    return pd.DataFrame(rows)


def dominance(frame):
    """Of how many n each textbook interval is shorter than ours and covers at least as well, by three readings."""
    rows = []
    for level in LEVELS:
        one = frame[frame["level"] == level].pivot_table(["width", "lowest", "q05"], "n", "method")
        for method in (*TEXTBOOK, "t"):
            shorter = one["width"][method] < one["width"][OURS] - 1e-9
            low = one["lowest"][method] >= one["lowest"][OURS] - 1e-9
            quantile = one["q05"][method] >= one["q05"][OURS] - 1e-9
            ours = (one["width"][OURS] < one["width"][method] - 1e-9) & (one["lowest"][OURS] >= one["lowest"][method])
            rows.append({
                "level": level, "textbook interval": method, "shorter": int(shorter.sum()),
                "shorter, minimum as high": int((shorter & low).sum()),
                "shorter, 5% quantile as high": int((shorter & quantile).sum()),
                "ours shorter, minimum as high": int(ours.sum()),
            })  # fmt: skip
    return pd.DataFrame(rows)


def one_sided():
    """Upper limits: lowest coverage over n 3 to 100 and its 5% quantile, mean limit of n = 20."""
    rows = []
    for level in LEVELS:
        for method in (OURS, *TEXTBOOK, "t", "classical-small"):
            found = [judged(*ends_of(method, n, level, "smaller"), n) for n in (3, 5, 8, 10, 20, 50, 100)]
            rows.append({"level": level, "method": method, "lowest": min(one["lowest"] for one in found),
                         "q05 (least)": min(one["q05"] for one in found), "mean limit, n = 20": found[4]["width"]})  # fmt: skip
    return pd.DataFrame(rows)


def finite():
    """Every number of ones in a population of m; width over that for an unlimited one."""
    rows = []
    for m in (12, 20, 50, 200, 1000):
        for n in (5, 10, 40):
            if n > m:
                continue
            ones = np.arange(m + 1)
            chance = hypergeom.pmf(np.arange(n + 1)[:, None], m, ones, n)
            for level in (0.8, 0.95, 0.99):
                answer = interval(samples(n), bounds=(0, 1), level=level, population_size=m)
                covers = (answer.lower[:, None] <= ones / m + 1e-12) & (ones / m <= answer.upper[:, None] + 1e-12)
                free = interval(samples(n), bounds=(0, 1), level=level)
                width = (chance.sum(1) @ answer.half_width) / (chance.sum(1) @ free.half_width)
                rows.append({"m": m, "n": n, "level": level, "lowest": (chance * covers).sum(0).min(), "width": width})
    return pd.DataFrame(rows)


def tables(n):
    """All tables (both 1, human only, twin only, neither) of n people."""
    return np.array([(a, b, c, n - a - b - c) for a in range(n + 1) for b in range(n + 1 - a)
                     for c in range(n + 1 - a - b)])  # fmt: skip


def people(counts):
    """Humans and twins of every table, shape (tables, n)."""
    cells = np.repeat(np.tile(np.arange(4), len(counts)), counts.ravel()).reshape(len(counts), -1)
    return (cells <= 1).astype(float), (cells % 2 == 0).astype(float)


def cells_of(share, crowd, relation):
    """Chances of the four cells; relation 0: independent, 1: as alike as the two shares allow."""
    both = share * crowd + relation * (min(share, crowd) - share * crowd)
    return np.array([both, share - both, crowd - both, 1.0 - share - crowd + both])


def chances(counts, cells):
    log = (counts * np.log(np.maximum(cells, 1e-300))).sum(axis=1) - gammaln(counts + 1.0).sum(axis=1)
    return np.exp(log + gammaln(counts.sum(axis=1) + 1.0))


def with_twins(sizes=(8, 10, 15, 20, 30, 50), size=5000):
    """Every table of humans and twins, the crowd exactly of its share; biased twins where the two shares differ."""
    rows = []
    for n in sizes:
        counts = tables(n)
        human, twins = people(counts)
        for level in LEVELS if n <= 30 else (0.95,):
            free = interval(human, bounds=(0, 1), level=level)
            for crowd in CROWDS:
                digital = np.broadcast_to((np.arange(size) < round(crowd * size)).astype(float), (len(counts), size))
                found = {name: interval(human, twins, digital, bounds=(0, 1), level=level, method=name, check_law=False)
                         for name in ("ppi++-binomial", "ppi++-small")}  # fmt: skip
                for share in SHARES:
                    for relation in RELATIONS:
                        chance = chances(counts, cells_of(share, crowd, relation))
                        for name, answer in found.items():
                            covers = (answer.lower <= share + 1e-12) & (share <= answer.upper + 1e-12)
                            rows.append({
                                "n": n, "level": level, "method": name, "crowd": crowd, "share": share,
                                "relation": relation, "coverage": chance @ covers,
                                "width": (chance @ answer.half_width) / (chance @ free.half_width),
                            })  # fmt: skip
    return pd.DataFrame(rows)


def twins_table(frame):
    rows = []
    for (n, level, method), one in frame.groupby(["n", "level", "method"], sort=False):
        alike = one[one["crowd"] == one["share"]]
        row = {"n": n, "level": level, "method": method, "lowest": one["coverage"].min(),
               "q05": one["coverage"].quantile(0.05), "mean": one["coverage"].mean()}  # fmt: skip
        row["useless, longest"] = one.loc[one["relation"] == 0.0, "width"].max()
        row |= {f"relation {r:g}": alike.loc[alike["relation"] == r, "width"].mean() for r in RELATIONS}
        rows.append(row)
    return pd.DataFrame(rows)


def small_crowds():
    """A crowd of 3 n and 10 n people, drawn; also finite populations whose every member has a twin."""
    rng = np.random.default_rng(41)
    rows = []
    for n in (8, 20, 50):
        for times in (3, 10, "census of 4 n"):
            covered, widths = [], []
            for share in (0.05, 0.2, 0.5):
                for crowd in (0.05, 0.2, 0.5, 0.8):
                    for relation in (0.0, 0.5, 1.0):
                        hit, width = _drawn(rng, n, times, cells_of(share, crowd, relation))
                        covered.append(hit)
                        widths.append(width)
            rows.append(
                {
                    "n": n,
                    "crowd": times,
                    "lowest of 36": min(covered),
                    "mean": np.mean(covered),
                    "width": np.mean(widths),
                }
            )
    return pd.DataFrame(rows)


def _drawn(rng, n, times, cells):
    if isinstance(times, str):
        everybody = rng.choice(4, size=(DRAWS, 4 * n), p=cells)
        human, twins = (everybody <= 1).astype(float), (everybody % 2 == 0).astype(float)
        options = {"population_size": 4 * n, "census": True}
        truth = human.mean(axis=1)
        data = human[:, :n], twins[:, :n], twins
    else:
        asked, others = rng.choice(4, size=(DRAWS, n), p=cells), rng.choice(4, size=(DRAWS, times * n), p=cells)
        data = (asked <= 1) * 1.0, (asked % 2 == 0) * 1.0, (others % 2 == 0) * 1.0
        options, truth = {}, cells[0] + cells[1]
    answer = interval(*data, bounds=(0, 1), method="ppi++-binomial", check_law=False, **options)
    free = interval(data[0], bounds=(0, 1), method="binomial", **{k: v for k, v in options.items() if k != "census"})
    hit = (answer.lower <= truth + 1e-12) & (truth <= answer.upper + 1e-12)
    return hit.mean(), answer.half_width.mean() / free.half_width.mean()


def many_answers():
    """Half-width over that of PPI++ as n grows, twins right in 80% of the cases."""
    rng = np.random.default_rng(42)
    rows = []
    for n in (50, 200, 1000, 5000, 20000):
        human = (rng.random((20, n)) < 0.3).astype(float)
        twins = np.where(rng.random(human.shape) < 0.8, human, 1.0 - human)
        crowd = (rng.random((20, 10 * n)) < 0.38).astype(float)
        ours, theirs = (
            interval(human, twins, crowd, bounds=(0, 1), method=name) for name in ("ppi++-binomial", "ppi++")
        )
        rows.append({"n": n, "half-width over PPI++'s": (ours.half_width / theirs.half_width).mean()})
    return pd.DataFrame(rows)


def designs():
    """Weights that carry no information, weights of two strata that differ, clusters of 2 and 5 people."""
    rng = np.random.default_rng(43)
    rows = []
    for n in (10, 20, 50):
        for share in (0.05, 0.2, 0.5):
            plain = (rng.random((DRAWS, n)) < share).astype(float)
            rows.append((n, share, "weights, lognormal", plain, {"weights": np.exp(0.7 * rng.normal(size=(DRAWS, n)))}))
            rare = rng.random((DRAWS, n)) < 0.2
            uneven = (rng.random((DRAWS, n)) < np.where(rare, 1.6, 0.4) * share).astype(float)
            rows.append((n, share, "weights, strata", uneven, {"weights": np.where(rare, 2.5, 0.625)}))
            for together in (2, 5):
                for tie in (0.0, 0.3, 0.8):
                    groups = n // together
                    if groups < 4:
                        continue
                    shared = rng.normal(size=(DRAWS, groups)).repeat(together, axis=1)
                    latent = np.sqrt(tie) * shared + np.sqrt(1.0 - tie) * rng.normal(size=(DRAWS, n))
                    linked = (latent < ndtri(share)).astype(float)
                    rows.append((n, share, f"clusters of {together}, tie {tie:g}", linked,
                                 {"clusters": np.arange(n) // together}))  # fmt: skip
    found = []
    for n, share, name, human, options in rows:
        keep = np.ones(DRAWS, dtype=bool)
        answer = interval(human, bounds=(0, 1), **options)
        student = interval(human, method="classical", **options)
        hit = [((one.lower <= share) & (share <= one.upper))[keep].mean() for one in (answer, student)]
        found.append(
            {
                "n": n,
                "share": share,
                "design": name,
                "coverage": hit[0],
                "t": hit[1],
                "width": 2 * answer.half_width.mean(),
            }
        )
    return pd.DataFrame(found)


def sliders():
    """A slider from 0 to 100 without a step: some answers at the ends, the others uniform between."""
    rng = np.random.default_rng(44)
    rows = []
    for n in (3, 5, 10, 20):
        for zero, hundred in ((0.5, 0.0), (0.8, 0.0), (0.95, 0.0), (0.45, 0.45), (0.7, 0.2), (0.9, 0.08)):
            place = rng.random((20_000, n))
            human = np.where(place < zero, 0.0, np.where(place > 1.0 - hundred, 100.0, 100.0 * rng.random(place.shape)))
            truth = 100.0 * hundred + 50.0 * (1.0 - zero - hundred)
            sample = read_sample(human, bounds=(0, 100))
            two = two_valued(sample)
            small = interval(human, method="classical-small", bounds=(0, 100), step=1)
            lower, upper = np.array(small.lower), np.array(small.upper)
            if two.any():
                taken = interval(human[two], bounds=(0, 100), method="binomial")
                lower[two], upper[two] = taken.lower, taken.upper
            both = [
                ((low <= truth) & (truth <= high)).mean() for low, high in ((lower, upper), (small.lower, small.upper))
            ]
            rows.append({"n": n, "at 0": zero, "at 100": hundred, "taken for two values": two.mean(),
                         "coverage of auto": both[0], "with step=1": both[1]})  # fmt: skip
    return pd.DataFrame(rows)


def codings():
    """0 to 3 of 10 in four codings, as auto has them, in units of the scale."""
    rows = []
    for low, high in ((0, 1), (-1, 1), (0, 100), (1, 2)):
        answer = interval(low + (high - low) * samples(10)[:4], bounds=(low, high))
        ends = [
            f"{(a - low) / (high - low):.4f} to {(b - low) / (high - low):.4f}"
            for a, b in zip(answer.lower, answer.upper, strict=True)
        ]
        rows.append(
            {"coding": f"{low} / {high}", "method": answer.method} | {f"{x} of 10": end for x, end in enumerate(ends)}
        )
    return pd.DataFrame(rows)


def report(frame, twins):
    """The text, in order of what a reader asks."""
    shown = frame[frame["n"].isin(SHOWN)]
    wide = [shown[shown["level"] == level].drop(columns=["level", "mean"]) for level in LEVELS]
    falls = frame[~frame["rises"]].groupby("method").size()
    settings = designs()
    lowest = twins[twins["method"] == "ppi++-binomial"].groupby("level")["coverage"].min()
    return [
        "# Answers of two values",
        made_by(typed()),
        "`auto` and `exact`: two-sided Blaker's interval (2000), one-sided Clopper and Pearson's limit; in finite "
        "populations the same by the hypergeometric law. Coverage of human answers alone and with twins is enumerated: it "
        "carries no Monte Carlo error. 'lowest' is over all shares (a grid of 1,000 and both sides of every end), 'q05' the "
        "5% quantile and 'width' the mean over shares uniform in (0, 1). Wald's and t's intervals are cut to [0, 1].",
        "## Every coding is one interval",
        markdown_table(codings(), 4),
        "## Is ours dominated by a textbook interval? n from 3 to 100, 98 values",
        "Number of n at which a textbook interval is shorter than ours on the mean; of these, at which its lowest coverage, or "
        "its 5% quantile, is as high as ours. Both columns of zeros: nothing dominates. The last column counts the n at which "
        "ours is the shorter one with a lowest coverage as high.",
        markdown_table(dominance(frame)),
        "Ends that fall as the number of ones rises (over all n and levels): "
        + (", ".join(f"{method} {count}" for method, count in falls.items()) or "none") + f"; ours {falls.get(OURS, 0)}.",
        *(text for level, table in zip(LEVELS, wide, strict=True) for text in (f"## Level {level:g}", markdown_table(table))),
        "## Upper limits", markdown_table(one_sided()),
        "## Finite populations", "Lowest over every number of ones; width over that for an unlimited population.",
        markdown_table(finite()),
        "## Twins and a crowd",
        f"All tables of n humans and their twins; crowds of 5,000 that are exactly of shares {CROWDS}, human shares {SHARES}, "
        f"relation of twins from 0 (independent) to 1 (as alike as the shares allow): {RELATIONS}. Twins are biased wherever "
        "the two shares differ. Widths are over those of the human answers alone: the longest one with useless twins, and the "
        "mean where the shares agree. 'ppi++-small' is what `auto` uses for other answers. Lowest coverages of 'ppi++-binomial' over all n: "
        + "; ".join(f"{low:.3f} at level {level:g}" for level, low in lowest.items())
        + ".",
        markdown_table(twins_table(twins)),
        f"Crowds of 3 n and 10 n drawn people, and a population of 4 n people who all have twins; {DRAWS:,} draws (one error: "
        "0.003), 36 settings.",
        markdown_table(small_crowds()), "As n grows (20 draws):", markdown_table(many_answers()),
        "## Weights and clusters (Korn and Graubard's effective count)",
        f"{DRAWS:,} draws each, level 0.95 (one error: 0.003). Lowest {settings['coverage'].min():.3f}; Student's t "
        f"{settings['t'].min():.3f}.", markdown_table(settings),
        "## Sliders taken for two values",
        "A slider from 0 to 100, 20,000 draws (one error: 0.0015): without `step`, samples that lie at the ends alone are taken "
        "for answers of two values. That errs on the safe side; the last column is what `step=1` gives on the same answers.",
        markdown_table(sliders()),
    ]  # fmt: skip


def main():
    parser = command_line(__doc__, "inference")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    frame, twins = alone(), with_twins()
    text = report(frame, twins)
    write_whole(out / "proportion.csv", frame.to_csv(index=False, float_format="%.6g"))
    write_whole(out / "proportion.md", "\n\n".join(text) + "\n")
    print(dominance(frame).to_string())
    print(twins_table(twins).to_string())


if __name__ == "__main__":
    sys.exit(main())
