"""The level of the intervals for bounded answers: on real questions, by number of points, of people and of level.

    make reports NAME=inference/levels    # the report; a look at it under out/: python benchmarks/small_sample_levels.py --draws 100

Real questions of three and more values (the answers given are taken as the population, sampled with replacement); made
margins that no choice rested on; samples in which all agree; twins that are biased; methods with twins at other levels.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from margins import distinct, held_out, nearly_unanimous, real_questions, samples
from scipy.special import ndtri
from scipy.stats import beta

from crowdllm_stats import interval
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from reports import command_line, typed

SIZES, LEVELS, SEED = (3, 5, 8, 10, 20, 50, 100), (0.8, 0.9, 0.95, 0.99, 0.999), 20261128
POINTS = (3, 5, 7, 11, 101)
BATCH = 1_000
MARGINS = {
    "1-5, skewed": [0.577, 0.168, 0.122, 0.080, 0.053],
    "1-5, two ends": [0.40, 0.07, 0.06, 0.07, 0.40],
    "1-7, top two": [0.02, 0.02, 0.03, 0.05, 0.10, 0.28, 0.50],
    "0-10, 70% zeros": [0.7, *[0.03] * 10],
}


def covered(answers, low, high, truth):
    return (low <= truth + 1e-9) & (truth <= high + 1e-9)


def one_law(name, points, values, law, draws):
    """Coverage and width of classical-small and Student's t for every n and level."""
    for n in SIZES:
        rng = np.random.default_rng(np.random.SeedSequence([SEED, n, *name.encode()]))
        counts, weight = samples(values, law, n, rng, draws)
        answers, place = distinct(values, counts)
        weight, truth = np.bincount(place, weight), law @ values
        for level in LEVELS:
            ours = interval(answers, method="classical-small", bounds=(0, 1), level=level)
            t = interval(answers, method="classical", level=level)
            yield (
                name, points, n, level, weight @ covered(answers, ours.lower, ours.upper, truth),
                weight @ (ours.upper - ours.lower), weight @ covered(answers, t.lower, t.upper, truth),
                weight @ (t.upper - t.lower),
            )  # fmt: skip


COLUMNS = ["question", "points", "n", "level", "coverage", "width", "t coverage", "t width"]


def group_of(points):
    return {3: "3 or 4", 4: "3 or 4", 101: "over 11, or fractions"}.get(
        points, str(points) if points < 8 else "8 to 11"
    )


def summary(frame, keys):
    """Lowest, 5% quantile and median of the coverages over questions, and width over t's."""
    rows = []
    for place, part in frame.groupby(keys):
        rows.append(
            dict(zip(keys, place, strict=True))
            | {
                "questions": part["question"].nunique(),
                "lowest": part["coverage"].min(),
                "5% quantile": part["coverage"].quantile(0.05),
                "median": part["coverage"].median(),
                "width over t": part["width"].sum() / part["t width"].sum(),
                "t: lowest": part["t coverage"].min(),
                "t: 5% quantile": part["t coverage"].quantile(0.05),
            }
        )
    return pd.DataFrame(rows)


def all_agree(questions):
    """Coverage of the 95% interval over the samples in which all n agree: exact."""
    rows = []
    for name, points, values, law in questions:
        for n in (3, 5, 8, 10):
            answer = interval(np.repeat(values[:, None], n, axis=1), method="classical-small", bounds=(0, 1))
            chance = law**n
            hit = covered(None, answer.lower, answer.upper, law @ values)
            rows.append((name, group_of(points), n, chance.sum(), chance @ hit))
    frame = pd.DataFrame(rows, columns=["question", "points", "n", "chance", "hit"])
    table = []
    for (points, n), part in frame.groupby(["points", "n"]):
        often = part[part["chance"] >= 0.01]
        table.append(
            {
                "points": points,
                "n": n,
                "chance that all agree": part["chance"].mean(),
                "coverage then": part["hit"].sum() / part["chance"].sum(),
                "lowest of a question": (often["hit"] / often["chance"]).min() if len(often) else np.nan,
                "questions with a chance of 1% or more": len(often),
            }
        )
    wide = pd.DataFrame(table)
    return wide.astype(object).where(wide.notna(), "-"), frame


def twins(law, n, correlation, bias, rng, folds=0):
    """Humans, twins and crowd on 0..1 by a Gaussian copula; with folds each model is off by a shift of its own."""
    cuts, last = ndtri(np.cumsum(law)[:-1]), len(law) - 1
    human, noise = rng.standard_normal((2, BATCH, n))
    twin = bias + correlation * human + np.sqrt(1 - correlation**2) * noise
    crowd = bias + rng.standard_normal((BATCH, 20 * n))
    place = np.arange(n) % folds if folds else None
    if folds:
        shift = np.linspace(-0.2, 0.2, folds)
        twin, crowd = twin + shift[place], crowd[:, None, : 8 * n] + shift[:, None]
    return (*(np.searchsorted(cuts, part) / last for part in (human, twin, crowd)), place)


def with_twins():
    """Coverage of the methods with twins, over correlation and bias of the twins, at every level."""
    rows = []
    for name, law in MARGINS.items():
        law = np.array(law)
        truth = law @ np.arange(len(law)) / (len(law) - 1)
        for n in (8, 10, 20, 50):
            for correlation in (0.0, 0.5, 0.9):
                for bias in (0.0, 0.25, 0.5, 1.0):
                    key = [SEED, n, round(10 * correlation), round(100 * bias), *name.encode()]
                    rng = np.random.default_rng(np.random.SeedSequence(key))
                    human, twin, crowd, _ = twins(law, n, correlation, bias, rng)
                    crossed = twins(law, n, correlation, bias, rng, folds=4)
                    for method in ("classical-small", "ppi-small", "ppi++-small", "cross-fitted-small"):
                        for level in LEVELS if bias in (0.0, 0.5) else (0.95,):
                            data, folds = (human, twin, crowd), None
                            if method == "cross-fitted-small":
                                data, folds = crossed[:3], crossed[3]
                            options = {"method": method, "level": level, "folds": folds, "bounds": (0, 1)}
                            answer = interval(*data, **options)
                            t = interval(data[0], method="classical", level=level)
                            rows.append(
                                (
                                    name, n, correlation, bias, level, method,
                                    covered(None, answer.lower, answer.upper, truth).mean(),
                                    np.mean(answer.upper - answer.lower) / np.mean(t.upper - t.lower),
                                )
                            )  # fmt: skip
    columns = ["margin", "n", "correlation", "bias", "level", "method", "coverage", "width over t"]
    return pd.DataFrame(rows, columns=columns)


def lowest(frame, row, column):
    wide = frame.pivot_table(index=row, columns=column, values="coverage", aggfunc="min", sort=False)
    wide.columns = [f"{column} {value:g}" for value in wide.columns]
    return wide.reset_index()


def without_mismatch(draws=400):
    """What 'auto' covers with biased twins: it may leave the twins out where their crowd has another law."""
    rows = []
    for n in (10, 20):
        for correlation in (0.5, 0.9):
            for bias in (0.0, 0.25, 0.5, 1.0):
                law = np.array(MARGINS["1-5, skewed"])
                key = [SEED, 9, n, round(10 * correlation), round(100 * bias)]
                rng = np.random.default_rng(np.random.SeedSequence(key))
                human, twin, crowd, _ = twins(law, n, correlation, bias, rng)
                answer = interval(human[:draws], twin[:draws], crowd[:draws], bounds=(0, 1))
                hit = covered(None, answer.lower, answer.upper, law @ np.arange(5) / 4)
                rows.append({"n": n, "correlation": correlation, "bias": bias, "coverage": hit.mean()})
    return pd.DataFrame(rows)


def main():
    parser = command_line(__doc__, "inference")
    parser.add_argument("--draws", type=int, default=4_000)
    options = parser.parse_args()
    questions = list(real_questions())
    real = [row for q in questions for row in one_law(*q, options.draws if q[1] < 101 else options.draws // 2)]
    real = pd.DataFrame(real, columns=COLUMNS).assign(group=lambda d: d["points"].map(group_of))
    made = []
    for points in POINTS:
        for kind, laws in (("held out", held_out(points)), ("nearly unanimous", nearly_unanimous(points))):
            for name, law in laws.items():
                keep = law > 1e-12
                values = (np.arange(points) / (points - 1))[keep]
                label = f"{kind}, {points}: {name}"
                draws = options.draws // (8 if points == 101 else 4)
                made += [(kind, *row) for row in one_law(label, points, values, law[keep] / law[keep].sum(), draws)]
    made = pd.DataFrame(made, columns=["kind", *COLUMNS])
    agree, _ = all_agree(questions)
    paired = with_twins()
    tuned = paired[paired["method"] == "ppi++-small"]
    usual = real[real["level"] == 0.95].rename(columns={"points": "exactly"}).rename(columns={"group": "points"})
    text = ["# The level of intervals for bounded answers"]
    text += [made_by(typed())]
    text += [
        f"{len(questions)} real questions of three and more values (Twin-2K items and mega-study outcomes with at least "
        "150 answers; items' ends of the scale are the lowest and highest answer given): the people who answered are the "
        "population, samples are drawn from it with replacement, all of them listed where there are at most 12,000 "
        f"different ones, else {options.draws:,} draws ({options.draws // 2:,} on fine scales). Method `classical-small`. "
        "A lowest value over many questions lies below the true lowest by up to three standard errors of one "
        f"({(0.95 * 0.05 / options.draws) ** 0.5:.4f} at {options.draws:,} draws).",
        "## Real questions at level 0.95, by number of points",
        markdown_table(summary(usual, ["points", "n"])),
        "## Real questions, all of them, at every level",
        markdown_table(summary(real, ["level", "n"])),
        "## Samples in which all people agree, level 0.95 (exact)",
        "No interval can be both short and safe there. The interval rests on half an unseen answer at each end of the "
        f"scale: from people who all gave an end it reaches {beta.ppf(0.975, 0.5, 3):.2f} of the scale at n = 3, "
        f"{beta.ppf(0.975, 0.5, 5):.2f} at n = 5, {beta.ppf(0.975, 0.5, 10):.2f} at n = 10.",
        markdown_table(agree),
        "## Made margins that no choice rested on",
        "30 margins on each of the scales of 3, 5, 7, 11 and 101 points (cut normal and exponential laws, spikes at the "
        "ends, random ones).",
        markdown_table(summary(made[made["kind"] == "held out"], ["level", "n"])),
        "## Nearly unanimous margins",
        "85 to 95% of the people give one answer; 12 margins on each scale. Student's t is 0 wide for most samples.",
        markdown_table(summary(made[made["kind"] == "nearly unanimous"], ["level", "n"])),
        "## With twins: the lowest coverage over four margins and three correlations (0, 0.5, 0.9)",
        f"N = 20 n, {BATCH:,} draws per cell (standard error 0.007 at 0.95), twins joined by a Gaussian copula and moved by "
        "the bias, in standard deviations before they are cut to the scale. Margins: " + "; ".join(MARGINS) + ".",
        "`ppi++-small` at level 0.95, by bias of the twins (at correlation 0.9 the cut makes the regression of humans on "
        "twins curved):",
        markdown_table(lowest(tuned[tuned["level"] == 0.95], ["correlation", "n"], "bias")),
        "Its mean width over t's at level 0.95 without bias:",
        markdown_table(
            tuned[(tuned["level"] == 0.95) & (tuned["bias"] == 0)]
            .pivot_table(index="n", columns="correlation", values="width over t")
            .rename(columns=lambda value: f"correlation {value:g}")
            .reset_index()
        ),
        "All methods by level, twins unbiased:",
        markdown_table(lowest(paired[paired["bias"] == 0.0], ["method", "n"], "level")),
        "All methods by level, twins biased by 0.5:",
        markdown_table(lowest(paired[paired["bias"] == 0.5], ["method", "n"], "level")),
        "`auto` on the skewed 1-5 margin (400 draws, standard error 0.011): where the labelled twins and the crowd "
        "differ in law it takes the human answers alone.",
        markdown_table(without_mismatch()),
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    write_whole(options.out / "levels.csv", real.drop(columns="group").to_csv(index=False, float_format="%.5g"))
    write_whole(options.out / "levels.md", "\n\n".join(text) + "\n")
    print(summary(usual, ["points", "n"]).to_string())


if __name__ == "__main__":
    sys.exit(main())
