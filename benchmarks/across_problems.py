"""Coverage of the across-problem intervals: ends of the scale, mirror images, 60 further settings, and real answers.

    make reports NAME=inference/across_problems    # the report; a look at it under out/: python benchmarks/across_problems.py

The real answers are those of twin2k_items, twin2k_mega_study and POPQUORN.
"""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from real_people import features, read
from scipy.special import expit, ndtr, stdtrit

from crowdllm_stats import across_problems
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from reports import command_line, typed

CELLS, LEAST_RUNS, REAL_RUNS = 800, 5, 10
FIVE, ELEVEN = np.arange(1.0, 6.0), np.arange(0.0, 11.0)
GROUPS = ("prediction low", "prediction middle", "prediction high", "variance low", "variance middle", "variance high",
          "unanimous", "not unanimous")  # fmt: skip


def drawn(chances, points, count, digital, rng, **more):
    """One survey of independent people: ``chances`` (T, K) of the points of the scale, ``count`` (T,) answers."""
    tally = np.stack([rng.multinomial(n, chance) for n, chance in zip(count, chances, strict=True)])
    mean = tally @ points / count
    var = np.maximum(tally @ points**2 - count * mean**2, 0.0) / np.maximum(count - 1, 1)
    return {"mean": mean, "var": np.where(var < 1e-9, 0.0, var), "count": count, "digital": digital,
            "bounds": (points[0], points[-1]), "truth": chances @ points, **more}  # fmt: skip


def yes_no(share, count, digital, rng):
    return drawn(np.column_stack([1 - share, share]), np.array([0.0, 1.0]), count, digital, rng)


def cut(center, sd, points):
    """Chances of the points: a normal answer rounded to the scale and cut at its ends."""
    edges = 0.5 * (points[1:] + points[:-1])
    below = ndtr((edges - center[:, None]) / np.broadcast_to(sd, center.shape)[:, None])
    return np.diff(np.column_stack([np.zeros(len(center)), below, np.ones(len(center))]), axis=1)


def twins(truth, points, quality, rng):
    low, high = points[0], points[-1]
    noise = rng.normal(size=len(truth)) * (high - low)
    values = {"useless": 0.5 * (low + high) + 0.2 * noise, "biased": 0.5 * truth + 0.4 * high + 0.08 * noise,
              "good": truth + 0.05 * noise, "perfect": truth}  # fmt: skip
    return np.clip(values[quality], low, high)


def counts(problems, n, unequal, rng):
    return rng.integers(2, 2 * n - 1, problems) if unequal else np.full(problems, n)


def end_share(problems, n, share):
    return lambda rng: yes_no(np.full(problems, share), np.full(problems, n), rng.normal(size=problems), rng)


def end_rating(problems, n):
    chance = np.tile([0.95, 0.035, 0.0125, 0.0025, 0.0], (problems, 1))
    return lambda rng: drawn(chance, FIVE, np.full(problems, n), rng.normal(size=problems), rng)


def two_peaks(problems, n=10):
    def survey(rng):
        truth = rng.beta(0.4, 0.25, problems)
        return yes_no(truth, np.full(problems, n), truth, rng)

    return survey


def polarised(problems, n):
    def survey(rng):
        digital = rng.normal(size=problems)
        center, apart = 3 + 0.6 * digital + 0.4 * rng.normal(size=problems), rng.random(problems) < 0.1
        chances, share = cut(center, 0.9, FIVE), np.clip((center - 1) / 4, 0.05, 0.95)
        chances[apart] = 0.0
        chances[apart, 0], chances[apart, 4] = 1 - share[apart], share[apart]
        return drawn(chances, FIVE, np.full(problems, n), digital, rng, mark=apart)

    return survey


def general(problems, kind, place, quality, number):
    """A setting of the family: scale, place on it, digital side; n, unequal n, spread and noise go with its number."""
    n, unequal, uneven = (3, 5, 10, 20)[number % 4], number % 3 == 0, (0.0, 0.3, 0.5)[number % 3]

    def survey(rng):
        base = rng.normal(size=problems)
        count = counts(problems, n, unequal, rng)
        if kind == "yes/no":
            truth = expit({"end": -3.0, "middle": 0.0}[place] + base)
            return yes_no(truth, count, twins(truth, np.array([0.0, 1.0]), quality, rng), rng)
        points = FIVE if kind == "1-5" else ELEVEN
        length = points[-1] - points[0]
        center = points[0] + length * ({"end": 0.05, "middle": 0.5}[place] + 0.2 * base)
        chances = cut(center, 0.25 * length * np.exp(uneven * rng.normal(size=problems)), points)
        return drawn(chances, points, count, twins(chances @ points, points, quality, rng), rng)

    return survey


def mirrored(survey):
    def turned(rng):
        one = survey(rng)
        low, high = one["bounds"]
        return one | {name: low + high - one[name] for name in ("mean", "truth", "digital")}

    return turned


def settings():
    """Name, survey, level."""
    listed = [("yes/no, share 2%, T 40, n 50", end_share(40, 50, 0.02)), ("yes/no, 2.7%, T 200, n 20", end_share(200, 20, 0.027)),
              ("1-5, mean 1.07, T 40, n 20", end_rating(40, 20)), ("1-5, mean 1.07, T 200, n 20", end_rating(200, 20))]  # fmt: skip
    listed += [(f"yes/no, Beta(0.4, 0.25), perfect twins, T {problems}, n 10", two_peaks(problems)) for problems in (40, 120, 400)]  # fmt: skip
    listed += [(f"1-5, a tenth polarised, T {problems}, n {n}", polarised(problems, n)) for problems, n in ((60, 10), (200, 10), (40, 20))]  # fmt: skip
    both = [(name, survey, 0.95) for name, survey in listed]
    both += [(f"{name}, mirrored", mirrored(survey), 0.95) for name, survey in listed]
    own = []
    family = product((12, 40, 150), ("yes/no", "1-5", "0-10"), ("end", "middle"), ("useless", "biased", "good", "perfect"))  # fmt: skip
    for number, (problems, kind, place, quality) in enumerate(family):
        if number % 6 == 5:  # 60 of 72
            continue
        level = (0.95, 0.95, 0.8, 0.95, 0.99)[number % 5]
        name = f"{kind}, {place}, {quality} twins, T {problems}, n {(3, 5, 10, 20)[number % 4]}{'*' if number % 3 == 0 else ''}"
        survey = general(problems, kind, place, quality, number)
        own.append((name, mirrored(survey) if number % 2 else survey, level))
    return both, own


class Tally:
    """Coverage over runs and by observable group, and width over that of Student's t."""

    def __init__(self):
        self.rates, self.group, self.mark, self.width, self.t, self.refused = [], {}, [0, 0], [], [], 0

    def add(self, one, level, **options):
        try:
            got = across_problems(one["mean"], one["var"], one["count"], one["digital"], bounds=one["bounds"], level=level, **options)  # fmt: skip
        except ValueError:
            self.refused += 1
            return
        hit = (got.lower - 1e-9 <= one["truth"]) & (one["truth"] <= got.upper + 1e-9)
        self.rates.append(hit.mean())
        half = stdtrit(one["count"] - 1, 0.5 + 0.5 * level) * np.sqrt(one["var"] / one["count"] * one.get("left", 1.0))
        self.width.append(got.half_width.mean())
        self.t.append(half.mean())
        thirds = [
            np.argsort(np.argsort(values, kind="stable")) * 3 // len(hit) for values in (got.synthetic, one["var"])
        ]
        masks = [third == place for third in thirds for place in range(3)] + [one["var"] == 0, one["var"] > 0]
        for name, mask in zip(GROUPS, masks, strict=True):
            held = self.group.setdefault(name, [0, 0])
            held[0], held[1] = held[0] + int(hit[mask].sum()), held[1] + int(mask.sum())
        apart = one.get("mark", np.zeros(len(hit), bool))
        self.mark = [self.mark[0] + int(hit[apart].sum()), self.mark[1] + int(apart.sum())]

    def row(self, name, level):
        rates, total = np.array(self.rates), self.group["not unanimous"][1] + self.group["unanimous"][1]
        if not len(rates):
            return {"setting": name, "level": level, "refused": self.refused}
        big = {key: held[0] / held[1] for key, held in self.group.items() if held[1] >= max(100, 0.03 * total)}
        worst = min(big, key=big.get)
        marked = self.mark[0] / self.mark[1] if self.mark[1] else np.nan
        return {"setting": name, "level": level, "coverage": rates.mean(), "se": rates.std(ddof=1) / np.sqrt(len(rates)),
                "lowest group": big[worst], "which": worst, "polarised": marked,
                "width / t": np.sum(self.width) / max(np.sum(self.t), 1e-12), "refused": self.refused}  # fmt: skip


def simulated(name, survey, level, seed):
    rng, tally, cells, runs = np.random.default_rng(seed), Tally(), 0, 0
    while cells < CELLS or runs < LEAST_RUNS:
        one = survey(rng)
        tally.add(one, level)
        cells, runs = cells + len(one["mean"]), runs + 1
    return tally.row(name, level)


def real_sets(folder):
    """Name to (answers of everybody from 0 to 1 by question, digital means)."""
    human = pd.read_csv(folder / "twin2k_items" / "human.csv").iloc[:, 1:]
    twin = pd.read_csv(folder / "twin2k_items" / "llm_text_persona_gpt41_mini.csv").iloc[:, 1:]
    low, high = human.min(), human.max()
    unit = [((table - low) / (high - low)).clip(0, 1) for table in (human, twin)]
    names = {"items, yes/no": high == 2, "items, 1-5 to 1-7": high.isin([5, 6, 7]), "items, 0-100": high == 100}
    sets = {name: ([unit[0][key].dropna().to_numpy() for key in human.columns[mask]], unit[1].mean()[mask].to_numpy())
            for name, mask in names.items()}  # fmt: skip
    outcomes = pd.read_csv(folder / "twin2k_mega_study" / "outcomes.csv")
    people, digital = (pd.read_csv(folder / "twin2k_mega_study" / f"{name}.csv") for name in ("human", "llm"))
    answers, means = [], []
    for key, least, most in outcomes[["DV_variable", "DV_min", "DV_max"]].itertuples(index=False):
        if (
            key in people
            and people[key].between(least, most).sum() >= 199
            and people[key].dropna().between(least, most).all()
        ):
            answers.append(((people[key] - least) / (most - least)).dropna().to_numpy())
            means.append(((digital[key] - least) / (most - least)).clip(0, 1).mean())
    return sets | {"mega-study, all outcomes": (answers, np.array(means))}


def real_rows(folder):
    rows = []
    for name, (answers, digital) in real_sets(folder).items():
        truth = np.array([values.mean() for values in answers])
        for n, size in product((5, 20), (None, 10)):
            rng, tally = np.random.default_rng([n, size or 0]), Tally()
            for _ in range(REAL_RUNS if size is None else 5 * REAL_RUNS):
                chosen = np.arange(len(truth)) if size is None else rng.choice(len(truth), size, replace=False)
                own = np.stack([rng.choice(answers[place], n) for place in chosen])
                var = own.var(axis=1, ddof=1)
                tally.add({"mean": own.mean(1), "var": np.where(var < 1e-12, 0.0, var), "count": np.full(len(own), n),
                           "digital": digital[chosen], "bounds": (0, 1), "truth": truth[chosen]}, 0.95)  # fmt: skip
            rows.append(tally.row(f"{name}, T {size or len(truth)}, n {n}", 0.95))
    return rows


def popquorn_row(draws=4):
    texts, rng, tally = read(), np.random.default_rng(77), Tally()
    digital, covariates = features(texts)
    for _ in range(draws):
        order = np.argsort(np.where(np.isnan(texts.human), 2.0, rng.random(texts.human.shape)), axis=1)[:, :3]
        own = np.take_along_axis(texts.human, order, 1)
        one = {"mean": own.mean(1), "var": own.var(1, ddof=1), "count": np.full(len(own), 3), "digital": digital,
               "bounds": (1, 5), "truth": texts.truth, "left": 1 - 3 / texts.size}  # fmt: skip
        tally.add(one, 0.95, covariates=covariates, population_size=texts.size)
    return tally.row(f"POPQUORN, T {len(texts.size)}, n 3 of 5 to 10 raters", 0.95)


def verdict(table):
    """How many settings reach the wanted coverage, in all and in the lowest group (levels other than 0.95: shifted)."""
    wanted = table["level"] - 0.01 - 2 * table["se"]
    below, groups = table[table["coverage"] < wanted], table[table["lowest group"] < table["level"] - 0.02]
    lowest = table.loc[(table["coverage"] - table["level"]).idxmin()]
    return (
        f"Coverage at least the level less 0.01 and two standard errors in {len(table) - len(below)} of {len(table)}; furthest "
        f"below its level: {lowest['coverage']:.3f} at {lowest['level']:g} ({lowest['setting']}). Lowest group at least the level "
        f"less 0.02 in {len(table) - len(groups)} of {len(table)}" + (
            "." if groups.empty else
            ": below it are " + "; ".join(f"{row['setting']} ({row['which']}: {row['lowest group']:.3f})" for _, row in groups.iterrows()) + "."
        )
    )  # fmt: skip


def shown(table):
    plain = table.copy()
    if plain["polarised"].isna().all():
        plain = plain.drop(columns="polarised")
    return markdown_table(plain.drop(columns=["refused"] if not plain["refused"].any() else []))


def main():
    parser = command_line(__doc__, "inference")
    out = parser.parse_args().out
    listed, own = settings()
    first, second = (
        pd.DataFrame([simulated(*each, [start, number]) for number, each in enumerate(group)])
        for start, group in ((1, listed), (2, own))
    )
    real = pd.DataFrame([popquorn_row(), *real_rows(Path(os.environ["CROWDLLM_STATS_DATA"]))])
    text = f"""# Across-problem intervals: coverage in simulation and on real answers

{made_by(typed())}

Different people answer the different problems (for the same people see `across_from`). At least {CELLS} problems and
{LEAST_RUNS} runs for every row; `se` is the Monte Carlo standard error of the coverage over runs. Groups: thirds of the
problems by predicted mean and by own sample variance, and problems whose answers are all equal or not; those with
fewer than 100 problems or 3% of them are left out. `width / t`: mean width over that of Student's t.

## Ends of the scale, spread that differs, and the mirror images

{verdict(first)}

{shown(first)}

## {len(second)} further settings

Scale, place on it (near an end or in the middle; every other one mirrored), digital side, number of problems T and of
answers n (with *: 2 to 2n - 2 per problem); the spread of single answers differs between problems by a factor exp(0.3 z)
or exp(0.5 z) in two thirds of the rating settings.

{verdict(second)}

{shown(second)}

## Real answers

The population is everybody who answered; n of them drawn at random for each question on its own, as different people.
Each question by itself, so the groups are those of a few fixed questions. POPQUORN: three raters per text, the target is the
mean of all its raters.

{verdict(real)}

{shown(real)}
"""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "across_problems_simulation.md", text)


if __name__ == "__main__":
    main()
