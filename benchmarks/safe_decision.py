"""How often is "safe" or "unsafe" said wrongly, and how often rightly, when the reference is estimated?

    make reports NAME=inference/safe_decision    # the report; a look at it under out/: python benchmarks/safe_decision.py --replicates 100

Normal answers over n, R, eta, Delta at both ties, with half and with one and a half times the tie's belief mean; skewed
ratings; many problems with Benjamini-Hochberg; the bias of excess_risk. Beliefs are answers less the mean of the R
reference answers, so that they hold its error. "Before" is the former test, which took the belief mean and eta as known.
"""

from __future__ import annotations

import sys
import time
from itertools import product

import numpy as np
import pandas as pd
from scipy.special import stdtr
from scipy.stats import false_discovery_control

from crowdllm_stats import safe_decision
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from reports import command_line, typed

SIZES, ANSWERS = (5, 8, 20, 50), (1, 2, 5, 10, 30)
ETAS, GAPS = (0.1, 0.25, 1.0), (0.0, 0.5, 2.0)
TWINS = 100
RATINGS = np.arange(1.0, 6.0)
MARGINS = {
    "offensive": (0.577, 0.168, 0.122, 0.080, 0.053),
    "steep": (0.80, 0.10, 0.05, 0.03, 0.02),
    "rare far": (0.2, 0.7, 0.0, 0.0, 0.1),
    "one in ten": (0.9, 0.02, 0.02, 0.02, 0.04),
    "symmetric": (0.1, 0.2, 0.4, 0.2, 0.1),
    "u-shaped": (0.40, 0.07, 0.06, 0.07, 0.40),
}
#: How the reference enters the crowd, and what the test knows about the beliefs.
WAYS = ("expected", "shared, formula", "shared, same answers", "individual answers", "generator")


def ties(gap, eta):
    """The two belief means at which L = L' (twins that share E Phi)."""
    reach = np.sqrt(gap * gap + eta)
    return gap + reach, gap - reach


def normal_case(rng, times, n, answers, eta, gap, mu, way="expected"):
    """Human answers, reference answers, beliefs, options of the test, and the true excess risk of every replicate.

    y_ref is 0. The crowd's mean is y_ref + mu, or with "same answers" and "individual answers" it holds the noise of its
    own references, and the crowd as it stands is judged.
    """
    human = gap + rng.normal(size=(times, n))
    plain = np.sqrt(eta) * rng.normal(size=(times, answers))
    crowd = np.full(times, mu)
    options, truth = {}, np.full(times, mu * (mu - 2 * gap) - eta)
    if way == "shared, formula":
        options, truth = {"reference": "shared", "k": 5}, truth + eta / 5
    elif way == "shared, same answers":
        crowd = crowd + plain.mean(axis=1)
        truth = (crowd - gap) ** 2 - gap**2 - eta
    elif way == "individual answers":
        crowd = crowd + np.sqrt(eta / TWINS) * rng.normal(size=times)
        truth = (crowd - gap) ** 2 - gap**2 - eta
    beliefs = crowd - plain.mean(axis=1)
    if way == "generator":
        beliefs, options = np.full(times, mu), {"beliefs_from": "generator"}
    return human, plain, beliefs, options, truth


def decide(human, plain, beliefs, options, eta=None, bounds=None):
    given = eta if plain.shape[1] == 1 else None
    return safe_decision(np.repeat(beliefs[:, None], 2, axis=1), human, plain, n_digital=2, eta=given, bounds=bounds,
                         **options)  # fmt: skip


def former(human, plain, beliefs, eta=None):
    """The former p-values of "safe" and of "unsafe": the belief mean and eta known, Welch's t for Delta."""
    n, answers = human.shape[1], plain.shape[1]
    spread = plain.var(axis=1, ddof=1) if answers > 1 else np.zeros(len(plain))
    first, second = human.var(axis=1, ddof=1) / n, spread / answers
    freedom = (first + second) ** 2 / (first**2 / (n - 1) + second**2 / max(answers - 1, 1))
    delta = human.mean(axis=1) - plain.mean(axis=1)
    excess = beliefs * (beliefs - 2 * delta) - (spread if eta is None else eta)
    ratio = excess / (2 * np.abs(beliefs) * np.sqrt(first + second))
    return stdtr(freedom, ratio), stdtr(freedom, -ratio)


def rates(decision, truth):
    """Shares of wrong "safe", wrong "unsafe" and right decisions.

    A tie counts as wrong both ways, and as right in neither.
    """
    tie = np.abs(truth) < 1e-9
    safe, unsafe = decision == "safe", decision == "unsafe"
    return {
        "wrong safe": float(np.mean(safe & ((truth > 0) | tie))),
        "wrong unsafe": float(np.mean(unsafe & ((truth < 0) | tie))),
        "right": float(np.mean((safe & (truth < 0) | unsafe & (truth > 0)) & ~tie)),
    }


def normal_grid(rng, times, sizes=SIZES, answers=ANSWERS, ways=("expected",), places=(1.0,)):
    rows = []
    for way, n, given, eta, gap, side, place in product(ways, sizes, answers, ETAS, GAPS, (0, 1), places):
        if given == 1 and way == "generator":
            continue
        mu = place * ties(gap, 0.8 * eta if way == "shared, formula" else eta)[side]
        human, plain, beliefs, options, truth = normal_case(rng, times, n, given, eta, gap, mu, way)
        made = decide(human, plain, beliefs, options, eta)
        setting = {"way": way, "n": n, "R": given, "eta": eta, "Delta": gap, "side": side, "place": place, "mu": mu}
        error = made.excess_risk - truth
        old = [p <= 0.05 for p in former(human, plain, beliefs, eta if given == 1 else None)]
        before = np.select(old, ["safe", "unsafe"], "undetermined")
        rows.append(setting | rates(made.decision, truth) | {
            "before: wrong safe": rates(before, truth)["wrong safe"],
            "before: wrong unsafe": rates(before, truth)["wrong unsafe"],
            "bias": float(error.mean()), "bias se": float(error.std() / np.sqrt(times)),
        })  # fmt: skip
    return pd.DataFrame(rows)


def again(rng, found, column, count, times):
    """The settings with the highest rates once more, with fresh draws: no maximum over noise is reported."""
    rows = []
    for row in found.sort_values(column, ascending=False).head(count).itertuples(index=False):
        human, plain, beliefs, options, truth = normal_case(
            rng, times, row.n, row.R, row.eta, row.Delta, row.mu, row.way
        )
        made = rates(decide(human, plain, beliefs, options, row.eta).decision, truth)
        rows.append({"way": row.way, "n": row.n, "R": row.R, "eta": row.eta, "Delta": row.Delta, "mu": row.mu,
                     column: made[column]})  # fmt: skip
    return pd.DataFrame(rows)


def plain_answers(rng, times, answers, centre, kind):
    """The LLM's answers about ``centre``: (answers, eta). Normal, whole numbers on both sides of it, or exact."""
    if kind == "exact":
        return np.full((times, 1), centre), 0.25
    if kind == "normal":
        return centre + 0.5 * rng.normal(size=(times, answers)), 0.25
    low = np.floor(centre)
    return low + (rng.random((times, answers)) < centre - low), (centre - low) * (1 - centre + low)


def rating_grid(rng, times, answers=10):
    """Ratings of few skewed margins, bounds given; Delta 0.5 either way, both ties."""
    rows = []
    for (name, shares), n, kind, gap, side in product(
        MARGINS.items(), (5, 8, 10, 20, 50), ("exact", "normal", "whole numbers"), (0.5, -0.5), (0, 1)
    ):
        p = np.array(shares) / np.sum(shares)
        centre = float(RATINGS @ p) - gap
        if centre < 1.0:
            continue
        plain, eta = plain_answers(rng, times, answers, centre, kind)
        mu = ties(gap, eta)[side]
        human = rng.choice(RATINGS, p=p, size=(times, n))
        exact = {"eta": eta, "reference_noise_var": 0.0} if kind == "exact" else {}
        beliefs = np.repeat((centre + mu - plain.mean(axis=1))[:, None], 2, axis=1)
        made = safe_decision(beliefs, human, plain, n_digital=2, bounds=(1, 5), **exact)
        found = {"margin": name, "n": n, "LLM": kind, "Delta": gap, "mu": mu, **rates(made.decision, np.zeros(times))}
        if kind == "exact":
            free = safe_decision(beliefs, human, plain, n_digital=2, **exact).decision
            found["without bounds: wrong"] = max(rates(free, np.zeros(times))[name] for name in WRONG)
        rows.append(found)
    return pd.DataFrame(rows)


#: Name -> (n, R, eta, law of (Delta, mu) of the 200 problems).
MIXES = {
    "all unsafe, L 5.29 > L' 5.00": (20, 10, 1.0, lambda rng: (np.full(200, 2.0), np.full(200, -0.3))),
    "the same, the other tie": (20, 10, 1.0, lambda rng: (np.full(200, 2.0), np.full(200, 4.3))),
    "all a hair unsafe": (8, 5, 0.25, lambda rng: (np.full(200, 0.5), np.full(200, ties(0.5, 0.25)[1] - 1e-6))),
    "all a hair safe": (8, 5, 0.25, lambda rng: (np.full(200, 0.5), np.full(200, ties(0.5, 0.25)[1] + 1e-6))),
    "beliefs follow the gap": (10, 10, 0.25, lambda rng: _following(rng, 0.8, 0.3)),
    "beliefs that are noise": (10, 10, 0.25, lambda rng: _following(rng, 0.0, 0.7)),
    "beliefs against the gap": (8, 2, 0.5, lambda rng: _following(rng, -0.3, 0.3)),
    "many people, few answers": (50, 3, 0.5, lambda rng: _following(rng, 0.5, 0.5)),
}


def _following(rng, slope, miss):
    gap = rng.normal(0.0, 0.7, 200)
    return gap, slope * gap + miss * rng.normal(size=200)


def mixes(rng, studies):
    """False shares among the decisions after Benjamini-Hochberg, over 200 problems per study."""
    rows = []
    for name, (n, given, eta, law) in MIXES.items():
        shares, right, safe, before = [], [], [], []
        for _ in range(studies):
            gap, mu = law(rng)
            human = gap[:, None] + rng.normal(size=(200, n))
            plain = np.sqrt(eta) * rng.normal(size=(200, given))
            truth = mu * (mu - 2 * gap) - eta
            beliefs = mu - plain.mean(axis=1)
            made = decide(human, plain, beliefs, {}).decision_adjusted
            wrong = (made == "safe") & (truth > 0) | (made == "unsafe") & (truth < 0)
            shares.append(wrong.sum() / max(1, np.sum(made != "undetermined")))
            right.append(np.mean((made != "undetermined") & ~wrong))
            safe.append(np.sum(made == "safe"))
            p = former(human, plain, beliefs)
            sure = false_discovery_control(np.minimum(*p)) <= 0.05
            wrong = sure & np.where(p[0] < p[1], truth > 0, truth < 0)
            before.append(wrong.sum() / max(1, sure.sum()))
        rows.append({"mix": name, "n": n, "R": given, "eta": eta, "false share": float(np.mean(shares)),
                     "standard error": float(np.std(shares) / np.sqrt(studies)), "decided correctly": float(np.mean(right)),
                     'called "safe" of 200': float(np.mean(safe)), "before: false share": float(np.mean(before))})  # fmt: skip
    return pd.DataFrame(rows)


def widest(found, by, columns):
    """The largest of ``columns`` for each value of ``by``."""
    return found.groupby(list(by), sort=False)[list(columns)].max().reset_index()


WRONG = ["wrong safe", "wrong unsafe"]
BEFORE = ["before: wrong safe", "before: wrong unsafe"]


def run(seed, times):
    """All tables by name, and the rows of the normal ties for the CSV."""
    rng = np.random.default_rng(seed)
    tables = {"ties": normal_grid(rng, times)}
    print("ties", file=sys.stderr, flush=True)
    tables["others"] = normal_grid(rng, times, (8, 50), (2, 10), WAYS[1:])
    every = pd.concat([tables["ties"], tables["others"]])
    for column in WRONG:
        tables[f"again {column}"] = again(rng, every, column, 10, 10 * times)
    print("again", file=sys.stderr, flush=True)
    tables["beside"] = normal_grid(rng, max(times // 4, 50), places=(0.5, 1.5))
    print("beside", file=sys.stderr, flush=True)
    tables["ratings"] = rating_grid(rng, max(times // 2, 50))
    print("ratings", file=sys.stderr, flush=True)
    tables["mixes"] = mixes(rng, max(times // 10, 20))
    return tables


def report(tables, seed, times, seconds):
    """The Markdown report as lines."""
    ties_, others, beside, ratings = (tables[name] for name in ("ties", "others", "beside", "ratings"))
    kept = ratings[ratings["n"] >= 8]
    both = pd.concat([ties_, others])
    score = both["bias"] / both["bias se"]
    power = beside.pivot_table(index=["n"], columns=["place", "R"], values="right").reset_index()
    power.columns = ["n", *(f"{'half' if place == 0.5 else '1.5'}, R {given}" for place, given in power.columns[1:])]
    shifted = beside.groupby("place", sort=False)[["right", *WRONG]].mean().reset_index()
    top = [float(tables[f"again {column}"][column].max()) for column in WRONG]
    return [
        "# Safe or unsafe: wrong and right decisions when the reference is estimated",
        "",
        made_by(typed()),
        f"Seed {seed}, {times} replicates per setting ({10 * times} where said, {times // 2} for ratings, {times // 4} for "
        f"power), level 0.95; {seconds / 60:.0f} minutes on a shared machine. A rate of 0.05 has a standard error of "
        f"{np.sqrt(0.0475 / times):.3f} ({np.sqrt(0.0475 / max(times // 2, 1)):.3f} for ratings).",
        "",
        "Beliefs are the crowd's answers less the mean of R answers of the LLM. At a tie (L = L') either decision is wrong.",
        'Wanted: wrong at most 0.06 each way for normal answers, 0.10 for skewed ratings from n = 8 on, false share after '
        "Benjamini-Hochberg at most 0.05.",
        "",
        "## Normal answers, exact ties",
        "",
        "The largest rate over eta 0.1, 0.25, 1, Delta 0, 0.5, 2 and both ties; sd of people 1. R = 1: eta is given.",
        "",
        markdown_table(widest(ties_, ("n", "R"), [*WRONG, *BEFORE])),
        "",
        f"The ten highest settings of each column again, with {10 * times} fresh replicates: at most {top[0]:.4f} wrong "
        f'"safe" and {top[1]:.4f} wrong "unsafe".',
        "",
        markdown_table(tables["again wrong safe"], 4),
        "",
        markdown_table(tables["again wrong unsafe"], 4),
        "",
        "Other ways in which the reference enters (n 8, 50; R 2, 10). \"Formula\": twins share k = 5 other answers, mean "
        "beliefs known but for the reference's error. \"Same answers\", \"individual answers\": realised answers, the crowd "
        "as it stands. \"Generator\": the belief mean is known.",
        "",
        markdown_table(widest(others, ("way", "n", "R"), WRONG)),
        "",
        "## Power: beside the tie",
        "",
        "Share of right decisions, mean over eta, Delta and both ties; the belief mean is half the tie's (truly safe) or "
        "1.5 times it (truly unsafe). Many of these settings lie close to the tie as seen by n people: half of a tie's "
        "belief mean of -0.02, say.",
        "",
        markdown_table(power),
        "",
        markdown_table(shifted),
        "",
        "## Skewed ratings 1-5, bounds given, exact ties",
        "",
        "The largest rate over Delta 0.5 and -0.5 and both ties; the LLM's answers exact (its expectation), 10 normal ones, "
        "or 10 whole numbers. Without bounds: Student\'s t, the LLM exact.",
        "",
        markdown_table(widest(ratings, ("margin", "n"), [*WRONG, "without bounds: wrong"])),
        "",
        f"From n = 8 on: at most {kept['wrong safe'].max():.3f} wrong \"safe\" and {kept['wrong unsafe'].max():.3f} wrong "
        f"\"unsafe\"; at n = 5 {ratings[ratings['n'] == 5][WRONG].max().max():.3f}.",
        "",
        "## Many problems, Benjamini-Hochberg at 0.05",
        "",
        markdown_table(tables["mixes"]),
        "",
        "## excess_risk",
        "",
        f"Mean error over its standard error in the {len(both)} settings of the ties: mean {score.mean():.2f}, standard "
        f"deviation {score.std():.2f} (0 and 1 if unbiased), largest {score.abs().max():.2f}.",
        "",
    ]  # fmt: skip


def main():
    parser = command_line(__doc__, "inference")
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--seed", type=int, default=20261127)
    given = parser.parse_args()
    start = time.time()
    tables = run(given.seed, given.replicates)
    given.out.mkdir(parents=True, exist_ok=True)
    rows = pd.concat([tables["ties"], tables["others"], tables["beside"], tables["ratings"]])
    write_whole(given.out / "safe_decision.csv", rows.to_csv(index=False, lineterminator="\n", float_format="%.6g"))
    lines = report(tables, given.seed, given.replicates, time.time() - start)
    write_whole(given.out / "safe_decision.md", "\n".join(lines))


if __name__ == "__main__":
    main()
