"""All intervals on real raters: POPQUORN offensiveness, three raters per text, GPT-4's personas as the digital side.

    make reports NAME=inference/real_people    # the report; a look at it under out/: python benchmarks/real_people.py

The data are popquorn_offensiveness and popquorn_llm_ratings.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from crowdllm_stats import across_problems, conformal_new_problems, interval
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import whole_file, write_whole
from crowdllm_stats.data import popquorn, popquorn_llm_ratings
from crowdllm_stats.inference.intervals import METHODS
from crowdllm_stats.survey.pairing import pair
from reports import command_line, typed

#: Methods for ratings, which have more than two values.
RATED = [name for name, method in METHODS.items() if not method.two_values]
N, LEVEL, BOUNDS, CLOSE = 3, 0.95, (1, 5), 1e-9
GROUPS = ("all", "low tercile", "middle tercile", "high tercile", "three agree", "three differ")
TEXTS_OLD, SPLITS = 1000, 200


@dataclass(frozen=True)
class Texts:
    """Every text's raters and twins, (T, 10) with NaN beyond its ``size`` (T,); GPT-4's features (T, 12) and why."""

    human: np.ndarray
    twin: np.ndarray
    size: np.ndarray
    personas: np.ndarray
    notes: list[str]

    @property
    def truth(self):
        return np.nanmean(self.human, axis=1)


@dataclass
class Tally:
    """Sums per problem and group, (groups, T), over draws."""

    problems: int
    sums: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, members, **values):
        for name, value in (("count", 1.0), *values.items()):
            total = self.sums.setdefault(name, np.zeros((len(GROUPS), self.problems)))
            total += np.where(members, value, 0.0)

    def rate(self, name, group):
        """Mean over the group's cells, and its standard error with problems as clusters (a ratio estimate)."""
        hits, counts = self.sums[name][group], self.sums["count"][group]
        mean = hits.sum() / counts.sum()
        return mean, np.sqrt(np.sum((hits - mean * counts) ** 2)) / counts.sum()


def read():
    pairing = pair(popquorn(), popquorn_llm_ratings("gpt4", 12), match=("gender", "race"), census=True)
    place = pairing.answers["problem"].map({name: row for row, name in enumerate(pairing.problems)}).to_numpy()
    column = pairing.answers.groupby("problem", sort=False).cumcount().to_numpy()
    human = np.full((len(pairing.problems), column.max() + 1), np.nan)
    twin = human.copy()
    human[place, column], twin[place, column] = pairing.answers["human"], pairing.answers["twin"]
    table = popquorn_llm_ratings("gpt4", 12).responses.pivot_table(index="problem", columns="participant")
    personas = table.droplevel(0, axis=1).loc[list(pairing.problems)]
    plain = [name for name in personas.columns if name == "person"]
    ordered = personas[plain + [name for name in personas.columns if name != "person"]].to_numpy(dtype=float)
    return Texts(human, twin, np.asarray(pairing.n_answers), ordered, pairing.notes())


def features(texts):
    """The mean of the personas, and as covariates the plain persona, the spread over personas, and the squares."""
    mean, spread, plain = np.nanmean(texts.personas, 1), np.nanstd(texts.personas, 1), texts.personas[:, 0]
    return mean, np.column_stack([plain, spread, mean**2, plain**2, spread**2])


def across(texts, mean, var, digital, covariates=None, bounds=BOUNDS):
    return across_problems(
        mean, var, N, digital, covariates=covariates, population_size=texts.size, bounds=bounds, level=LEVEL
    )


def across_rows(texts, human):
    """The across-problem intervals: with everything, without bounds, with the mean alone, with nothing digital."""
    mean, var = human.mean(1), human.var(1, ddof=1)
    digital, covariates = features(texts)
    return {
        "across problems": across(texts, mean, var, digital, covariates),
        "across problems, no bounds": across(texts, mean, var, digital, covariates, None),
        "across problems, mean of personas only": across(texts, mean, var, digital),
        "across problems, nothing digital": across(texts, mean, var, np.zeros(len(mean))),
    }


def single_rows(texts, human, twin, method):
    """One ``interval`` method for all texts, in blocks of equal rater number: lower, upper, effective n, lambda (T,)."""
    out = {name: np.empty(len(human)) for name in ("estimate", "lower", "upper", "effective", "lam")}
    for size in np.unique(texts.size):
        rows = np.flatnonzero(texts.size == size)
        crowd, folds = texts.twin[rows, :size], None
        if method.startswith(
            "cross-fitted"
        ):  # recorded ratings saw none of these raters: every fold has the same crowd
            crowd, folds = np.repeat(crowd[:, None], N, axis=1), np.arange(N)
        got = interval(
            human[rows], twin[rows], crowd, method=method, level=LEVEL, bounds=BOUNDS, population_size=int(size),
            census=True, folds=folds, seed=0,
        )  # fmt: skip
        out["lower"][rows], out["upper"][rows] = got.lower, got.upper
        out["estimate"][rows], out["effective"][rows] = got.estimate, got.effective_n
        out["lam"][rows] = np.nan if got.lam is None else got.lam
    return out


def study(texts, draws):
    """Tallies a method over ``draws`` random triples per text, and what was measured about the twins on the way."""
    problems, truth, spread = len(texts.size), texts.truth, np.nanvar(texts.human, axis=1, ddof=1)
    tallies = {name: Tally(problems) for name in [*RATED, *across_rows(texts, texts.human[:, :N])]}
    twins = Tally(problems)
    rng = np.random.default_rng(20240)
    for _ in range(draws):
        order = np.argsort(np.where(np.isnan(texts.human), 2.0, rng.random(texts.human.shape)), axis=1)[:, :N]
        human, twin = np.take_along_axis(texts.human, order, 1), np.take_along_axis(texts.twin, order, 1)
        borrowed = across_rows(texts, human)
        center = borrowed["across problems"].synthetic
        # By rank: where many predictions are equal, quantiles would leave the lowest third empty.
        third = np.argsort(np.argsort(center, kind="stable"), kind="stable") * 3 // problems
        agree = np.ptp(human, axis=1) == 0
        members = np.stack([np.ones(problems, bool), third == 0, third == 1, third == 2, agree, ~agree])
        results = {name: single_rows(texts, human, twin, name) for name in RATED}
        for name, got in borrowed.items():
            ends = {"lower": got.lower, "upper": got.upper}
            results[name] = {**ends, "estimate": got.estimate, "effective": got.effective_n}
        for name, got in results.items():
            hit = (got["lower"] - CLOSE <= truth) & (truth <= got["upper"] + CLOSE)
            half = 0.5 * (got["upper"] - got["lower"])
            tallies[name].add(
                members, hit=hit, half=half, effective=got["effective"], error=(got["estimate"] - truth) ** 2,
                spread=spread, share=spread / texts.size,
            )  # fmt: skip
        twins.add(members, equal=np.ptp(twin, axis=1) == 0, zero=results["ppi++"]["lam"] == 0.0)
    return tallies, twins


def table_of(tallies):
    rows = []
    for name, tally in tallies.items():
        for group, label in enumerate(GROUPS):
            coverage, error = tally.rate("hit", group)
            half, claimed = tally.rate("half", group)[0], tally.rate("effective", group)[0]
            of_t = tallies["classical"].rate("half", group)[0]
            # The number of answers whose mean would have had this squared error: spread (1 / number - 1 / size).
            squared, spread, share = (tally.rate(part, group)[0] for part in ("error", "spread", "share"))
            real = spread / (squared + share)
            versus = half / of_t if of_t > 0 else np.nan
            rows.append((name, label, coverage, error, half, versus, claimed, real, real - N))
    columns = ["method", "group", "coverage", "se", "half width", "width / t", "n claimed", "n real", "saved"]
    return pd.DataFrame(rows, columns=columns)


def within_correlation(texts):
    """Correlation of raters and their twins within texts, with its jackknife standard error over texts."""
    human = texts.human - texts.truth[:, None]
    twin = texts.twin - np.nanmean(texts.twin, axis=1)[:, None]
    sums = np.stack([np.nansum(product, axis=1) for product in (human * twin, human**2, twin**2)])
    left_out = sums.sum(axis=1)[:, None] - sums
    each = left_out[0] / np.sqrt(left_out[1] * left_out[2])
    count = len(each)
    whole = sums.sum(axis=1)
    return whole[0] / np.sqrt(whole[1] * whole[2]), np.sqrt((count - 1) / count * np.sum((each - each.mean()) ** 2))


def conformal(texts):
    """Coverage over random splits into answered and new texts; truth = the new texts' mean of all, or of 3, raters."""
    digital, covariates = features(texts)
    rows = []
    for raters in ("all", str(N)):
        for level in (0.8, 0.9, 0.95):
            rates, widths = [], []
            for split in range(SPLITS):
                rng = np.random.default_rng(split)
                keys = np.where(np.isnan(texts.human), 2.0, rng.random(texts.human.shape))
                few = np.take_along_axis(texts.human, np.argsort(keys, axis=1)[:, :N], 1).mean(1)
                truth = texts.truth if raters == "all" else few
                order = rng.permutation(len(truth))
                old, new = order[:TEXTS_OLD], order[TEXTS_OLD:]
                got = conformal_new_problems(
                    truth[old], digital[old], digital[new], covariates=covariates[old], covariates_new=covariates[new],
                    level=level, bounds=BOUNDS, seed=split,
                )  # fmt: skip
                rates.append(np.mean((got.lower - CLOSE <= truth[new]) & (truth[new] <= got.upper + CLOSE)))
                widths.append(got.half_width.mean())
            met = abs(float(np.mean(rates)) - level) <= 0.01
            rows.append((raters, level, np.mean(rates), np.std(rates) / np.sqrt(SPLITS), np.mean(widths), met))
    return pd.DataFrame(rows, columns=["raters per text", "level", "coverage", "se", "half width", "within 0.01"])


def picture(table, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 6), sharey=True, layout="constrained")
    names = list(dict.fromkeys(table["method"]))
    styles = {"all": ("o", "black"), "three agree": ("v", "tab:red"), "three differ": ("^", "tab:blue")}
    for group, (marker, colour) in styles.items():
        rows = table[table["group"] == group].set_index("method").loc[names]
        left.errorbar(
            rows["coverage"], range(len(names)), xerr=1.96 * rows["se"], fmt=marker, color=colour, label=group
        )
    rows = table[table["group"] == "all"].set_index("method").loc[names]
    right.barh(range(len(names)), rows["width / t"], color="0.6")
    left.axvline(LEVEL, color="black", linewidth=0.8, linestyle="--")
    left.set(yticks=range(len(names)), yticklabels=names, xlabel="coverage of the mean of all raters")
    left.invert_yaxis()
    left.legend(loc="lower left")
    right.set(xlabel="mean width / that of Student's t (log scale)", xscale="log")
    right.axvline(1.0, color="black", linewidth=0.8)
    right.axvline(0.45, color="tab:green", linewidth=0.8, linestyle="--")
    with whole_file(path) as file:
        figure.savefig(file, dpi=110)


def goals(table, splits):
    cell = table.set_index(["method", "group"])
    own, t = cell.loc["across problems"], cell.loc["classical"]
    worst = min(GROUPS[1:5], key=lambda group: own.loc[group, "coverage"])
    lowest = own.loc[worst, "coverage"]
    off = float((splits["coverage"] - splits["level"]).abs().max())
    rows = [
        ("across problems: coverage at least 0.945", f"{own.loc['all', 'coverage']:.4f} ({own.loc['all', 'se']:.4f})",
         own.loc["all", "coverage"] >= 0.945),
        ("across problems: at most 0.45 of t's width", f"{own.loc['all', 'width / t']:.3f}",
         own.loc["all", "width / t"] <= 0.45),
        ("across problems: at least 0.92 in every tercile and where three agree", f"lowest {lowest:.4f} ({worst})",
         lowest >= 0.92),
        ("conformal: within 0.01 of its level over random splits", f"furthest {off:.4f}", off <= 0.01),
        ("for comparison: coverage of Student's t", f"{t.loc['all', 'coverage']:.4f}", "-"),
    ]  # fmt: skip
    words = {True: "yes", False: "NO"}
    return pd.DataFrame([(a, b, words.get(c, c)) for a, b, c in rows], columns=["goal", "measured", "met"])


def write(out, texts, draws, tallies, twins, splits, table):
    correlation, error = within_correlation(texts)
    equal, zero = twins.rate("equal", 0)[0], twins.rate("zero", 0)[0]
    plain = table[table["group"] == "all"].drop(columns="group")
    wide = table.pivot_table(index="method", columns="group", values="coverage", sort=False)[list(GROUPS)]
    errors = table.pivot_table(index="method", columns="group", values="se", sort=False)[list(GROUPS)]
    split = (wide.map("{:.3f}".format) + " (" + errors.map("{:.3f}".format) + ")").reset_index()
    ratio = table.pivot_table(index="method", columns="group", values="width / t", sort=False)
    t = tallies["classical"]
    shares = [tallies["classical"].sums["count"][group].sum() for group in range(len(GROUPS))]
    digital, covariates = features(texts)
    mean, var = texts.human[:, :N].mean(1), texts.human[:, :N].var(1, ddof=1)
    large = across_problems(mean, var, N, digital, covariates=covariates, bounds=BOUNDS)
    real = plain.set_index("method")["n real"]
    text = f"""# Intervals on real raters: POPQUORN offensiveness

{made_by(typed())}

{len(texts.size):,} texts, {int(texts.size.sum()):,} ratings 1-5, {texts.size.min()} to {
        texts.size.max()
    } raters per text.
{draws} draws of {N} of each text's raters; target: the mean of all its raters (`population_size=m`); nominal level
{LEVEL:g}. Twins: GPT-4's persona of the rater's gender and race
({
        "; ".join(texts.notes)
    }). The unlabelled crowd are the twins of all raters of the text. Standard errors in brackets, clustered by text. Constants of the
across-problem intervals come from other texts (20 folds). Terciles are of the mean predicted from GPT-4. The three
raters agree in {shares[4] / shares[0]:.1%} of the triples.

## Goals and what came out

{markdown_table(goals(table, splits))}

## All methods

{markdown_table(plain)}

`width / t`: mean width over that of Student's t with the finite-population correction (2 degrees of freedom), whose
interval has no width at all where the three agree ({t.rate("hit", 0)[0]:.3f} coverage in all,
{t.rate("hit", 4)[0]:.3f} there). `n claimed`: the effective number of human answers by each method's own variance;
`n real`: by its estimates' squared error to the truth, the rest of a text's raters being finite in number; `saved`:
`n real` minus {N}. A method may claim answers that it does not have: where three twins are equal its variance is taken
from too little. For the mean of a large population of raters, the same answers with GPT-4's personas are worth
{large.effective_n.mean():.1f} answers by the model (first {N} raters of each text). "across problems, nothing digital"
borrows from other texts alone: the difference from it is what GPT-4 adds.

## Coverage by group

{markdown_table(split)}

## Width / t by group

t has no width where three agree, so that column is left out.

{markdown_table(ratio.reset_index())}

## Why the twins save nothing within a text

Within texts, raters and their twins correlate at {correlation:.3f} (standard error {error:.3f}, jackknife over texts).
In {equal:.1%} of the triples the three twins give one and the same answer, and in {zero:.1%} the estimated weight
lambda of `ppi++` is 0, which its flag says. Its estimates are worth {real.loc["ppi++"]:.2f} answers and those of
`ppi++-small` {real.loc["ppi++-small"]:.2f}, against {real.loc["classical"]:.2f} of the plain mean. GPT-4's personas
distinguish texts, not raters of one text: they are of use across problems.

## Texts that nobody has rated: conformal intervals

{SPLITS} random splits into {TEXTS_OLD:,} rated and {
        len(texts.size) - TEXTS_OLD
    } new texts; target: the observed mean of a new
text's raters (all of them, or {N} drawn at random from each text).

{markdown_table(splits)}

![coverage and width](real_people.png)
"""
    write_whole(out / "real_people.md", text)


def main():
    parser = command_line(__doc__, "inference")
    parser.add_argument("--draws", type=int, default=200)
    given = parser.parse_args()
    texts = read()
    tallies, twins = study(texts, given.draws)
    table, splits = table_of(tallies), conformal(texts)
    given.out.mkdir(parents=True, exist_ok=True)
    write_whole(given.out / "real_people.csv", table.to_csv(index=False))
    picture(table, given.out / "real_people.png")
    write(given.out, texts, given.draws, tallies, twins, splits, table)


if __name__ == "__main__":
    main()
