"""An LLM that gives nearly always one answer: which test of "safe" and "unsafe" keeps its level, and what does it cost?

    make reports NAME=inference/nearly_constant    # the report; a look at it under out/: python benchmarks/nearly_constant.py --replicates 60

Six rules on the same draws: normal theory with a step's floor (the former test), the same with a bound of the rare
answers' share put into eta, undecided, eta shrunk towards that of other problems, the Dirichlet weights of
`rare_answers.py` for every LLM, and these where the answers are alike (what `safe_decision` does).
"""

from __future__ import annotations

import dataclasses
import sys
import time
from itertools import product

import numpy as np
import pandas as pd
from scipy.special import betaincinv
from scipy.stats import false_discovery_control

from crowdllm_stats import safe_decision
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats.inference.theorem3_safe_decision.excess_test import (
    MOST,
    NEARLY_ALL,
    LLMEvidence,
    excess_p_values,
    rare_answer_p_values,
    share_alike,
)
from crowdllm_stats.inference.theorem3_safe_decision.human_mean import human_mean
from reports import command_line, typed

SCALE = np.arange(1.0, 6.0)
BOUNDS = (1.0, 5.0)
#: Shares of the answers 1 to 5 of LLMs that give nearly always one answer, and of ordinary ones.
RARE = {
    "93% 3, 4% 2, 3% 1": (0.03, 0.04, 0.93, 0, 0),
    "95% 3, 5% 5": (0, 0, 0.95, 0, 0.05),
    "97% 3, 3% 4": (0, 0, 0.97, 0.03, 0),
    "99% 3, 1% 1": (0.01, 0, 0.99, 0, 0),
    "98% 3, 1% 1, 1% 5": (0.01, 0, 0.98, 0, 0.01),
    "99% 2, 1% 3": (0, 0.99, 0.01, 0, 0),
    "95% 1, 5% 5": (0.95, 0, 0, 0, 0.05),
    "85% 3, 10% 4, 5% 1": (0.05, 0, 0.85, 0.1, 0),
    "80% 3, 20% 5": (0, 0, 0.8, 0, 0.2),
}
ORDINARY = {
    "20/60/20% on 2 to 4": (0, 0.2, 0.6, 0.2, 0),
    "10/20/40/20/10%": (0.1, 0.2, 0.4, 0.2, 0.1),
    "70% 3, 30% 4": (0, 0, 0.7, 0.3, 0),
}
SKEWED = {"offensive": (0.577, 0.168, 0.122, 0.080, 0.053)}
RULES = (
    "normal theory", "bound in eta", "undecided", "shrunk eta", "Dirichlet for all", "Dirichlet where alike"
)  # fmt: skip
WRONG = ("wrong safe", "wrong unsafe")


def mean_and_risk(shares, y):
    """The LLM's mean, and its mean squared distance to y."""
    p = np.array(shares)
    return p @ SCALE, p @ (SCALE - np.asarray(y)[..., None]).T ** 2 if np.ndim(y) else p @ (SCALE - y) ** 2


def people_of(rng, kind, shape):
    """Human answers, and their population's mean. "Normal": 3 and 0.7 of a normal number, within 1 to 5."""
    if kind == "normal":
        return np.clip(3.0 + 0.7 * rng.normal(size=shape), *BOUNDS), 3.0
    shares = np.array(SKEWED[kind])
    return rng.choice(SCALE, p=shares / shares.sum(), size=shape), float(SCALE @ shares / shares.sum())


def evidence_of(crowd, plain):
    """As `safe_decision` has it with bounds, realised answers and eta to be estimated."""
    size, given = plain.shape
    return LLMEvidence(
        crowd=crowd, reference=plain.mean(axis=1), answers=given, var=plain.var(axis=1, ddof=1),
        floor=np.full(size, 1.0 / (given - 1)), eta=None, noise_var=None, share=np.ones(size), cost=np.zeros(size),
        hold_reference=True,
    )  # fmt: skip


def bounded_eta(plain, alike):
    """Spreads for "safe" and "unsafe": Clopper and Pearson's bounds of the rare answers' share, far end for those unseen."""
    given, spread = plain.shape[1], plain.var(axis=1, ddof=1)
    rare = given * (1.0 - alike)
    lower = np.where(rare > 0.5, betaincinv(np.maximum(rare, 0.5), given - rare + 1.0, 0.05), 0.0)
    upper = betaincinv(rare + 1.0, np.maximum(given - rare, 0.5), 0.95)
    far = np.max(np.abs(np.median(plain, axis=1)[:, None] - np.array(BOUNDS)), axis=1)
    return spread * lower / np.maximum(rare / given, 1e-9), np.maximum(spread, upper * far**2)


def p_values(human, crowd, plain, pooled=0.4):
    """Rule -> (p of "safe", p of "unsafe"), each shape (problems,)."""
    evidence, people = evidence_of(crowd, plain), human_mean(human, BOUNDS)
    alike, means = share_alike(plain, BOUNDS), people.means()
    nearly, most = alike >= NEARLY_ALL, alike > MOST
    normal = excess_p_values(evidence, *means)
    few, many = (excess_p_values(dataclasses.replace(evidence, var=one), *means) for one in bounded_eta(plain, alike))
    given = plain.shape[1]
    shrunk = ((given - 1) * evidence.var + 4.0 * 0.5 * (pooled + evidence.var.mean())) / (given + 3)
    weights = rare_answer_p_values(evidence, plain, BOUNDS, *means, np.arange(len(plain)))
    return {
        "normal theory": normal,
        "bound in eta": (np.where(nearly, few[0], normal[0]), np.where(nearly, many[1], normal[1])),
        "undecided": tuple(np.where(nearly, 1.0, p) for p in normal),
        "shrunk eta": excess_p_values(dataclasses.replace(evidence, var=shrunk), *means),
        "Dirichlet for all": weights,
        "Dirichlet where alike": (np.where(most, weights[0], normal[0]), np.where(nearly, weights[1], normal[1])),
    }


def settings(laws, kinds, sizes, answers, places):
    """(law, kind of people, n, R, side, place): the crowd's mean at ``place`` times the tie's distance to the humans."""
    for law, kind, n, given, side, place in product(laws, kinds, sizes, answers, (-1, 1), places):
        mean = people_of(np.random.default_rng(0), kind, 1)[1]
        crowd = mean + side * place * np.sqrt(mean_and_risk(laws[law], mean)[1])
        if BOUNDS[0] <= crowd <= BOUNDS[1]:
            yield law, kind, n, given, crowd


def grid(rng, times, laws, kinds, sizes, answers, places=(1.0,)):
    """Rates of "safe" and "unsafe" of every rule, with the true excess."""
    rows = []
    for law, kind, n, given, crowd in settings(laws, kinds, sizes, answers, places):
        human, mean = people_of(rng, kind, (times, n))
        plain = rng.choice(SCALE, p=laws[law], size=(times, given))
        excess = (crowd - mean) ** 2 - mean_and_risk(laws[law], mean)[1]
        for rule, (safe, unsafe) in p_values(human, np.full(times, crowd), plain).items():
            rows.append({"LLM": law, "people": kind, "n": n, "R": given, "crowd": crowd, "excess": excess, "rule": rule,
                         "safe": float(np.mean(safe <= 0.05)), "unsafe": float(np.mean(unsafe <= 0.05))})  # fmt: skip
    return pd.DataFrame(rows)


def again(rng, ties, column, count, times):
    """The settings in which `safe_decision` is wrong most often once more, through the public function."""
    own = ties[ties["rule"] == RULES[-1]].sort_values(column, ascending=False).head(count)
    rows = []
    for row in own.itertuples(index=False):
        human, _ = people_of(rng, row.people, (times, row.n))
        plain = rng.choice(SCALE, p=RARE[row.LLM], size=(times, row.R))
        beliefs = np.repeat((row.crowd - plain.mean(axis=1))[:, None], 2, axis=1)
        made = safe_decision(beliefs, human, plain, n_digital=2, bounds=BOUNDS)
        rows.append({"LLM": row.LLM, "people": row.people, "n": row.n, "R": row.R, "crowd": row.crowd,
                     f"wrong {column}": float(np.mean(made.decision == column))})  # fmt: skip
    return pd.DataFrame(rows)


#: Name -> (n, R, share of problems with a nearly constant LLM, sd of the crowd's mean about the humans').
MIXES = {
    "all nearly constant, crowd 0.6 off": (50, 10, 1.0, 0.6),
    "all nearly constant, 30 answers, crowd 0.6 off": (50, 30, 1.0, 0.6),
    "half ordinary, crowd 0.6 off": (50, 10, 0.5, 0.6),
    "all nearly constant, ties": (50, 10, 1.0, None),
    "all nearly constant, ties, 30 answers": (50, 30, 1.0, None),
}


def study(rng, n, given, rare, off):
    """200 problems: human answers, crowd means, LLM answers, true excess (a hair either way at ties)."""
    laws = [list(RARE.values())[i] if rng.random() < rare else list(ORDINARY.values())[i % 3] for i in rng.integers(9, size=200)]  # fmt: skip
    shares = rng.dirichlet(rng.choice([0.7, 2.0, 5.0]) * np.ones(5), size=200)
    mean = shares @ SCALE
    risk = np.array([mean_and_risk(law, y)[1] for law, y in zip(laws, mean, strict=True)])
    sign = rng.choice([-1.0, 1.0], size=200)
    crowd = mean + (off * rng.normal(size=200) if off is not None else sign * np.sqrt(risk))
    human = np.array([rng.choice(SCALE, p=p, size=n) for p in shares])
    plain = np.array([rng.choice(SCALE, p=law, size=given) for law in laws])
    excess = (crowd - mean) ** 2 - risk + (1e-9 * rng.choice([-1.0, 1.0], size=200) if off is None else 0.0)
    return human, crowd, plain, excess


def mixes(rng, studies):
    """False share among the decisions after Benjamini-Hochberg, and share decided correctly, of every rule."""
    rows = []
    for name, (n, given, rare, off) in MIXES.items():
        shares, right = {rule: [] for rule in RULES}, {rule: [] for rule in RULES}
        for _ in range(studies):
            human, crowd, plain, excess = study(rng, n, given, rare, off)
            for rule, (safe, unsafe) in p_values(human, crowd, plain).items():
                made = false_discovery_control(np.minimum(safe, unsafe)) <= 0.05
                wrong = made & np.where(safe < unsafe, excess > 0, excess < 0)
                shares[rule].append(wrong.sum() / max(1, made.sum()))
                right[rule].append(np.mean(made & ~wrong))
        rows += [{"mix": name, "n": n, "R": given, "rule": rule, "false share": float(np.mean(shares[rule])),
                  "se": float(np.std(shares[rule]) / np.sqrt(studies)), "decided correctly": float(np.mean(right[rule]))}
                 for rule in RULES]  # fmt: skip
    return pd.DataFrame(rows)


def by_rule(found, keys, values, how):
    """One column per rule."""
    table = found.pivot_table(index=list(keys), columns="rule", values=values, aggfunc=how, sort=False).reset_index()
    return table[[*keys, *RULES]]


def clear(rng, times):
    """A crowd that is right and an LLM that always gives another answer, and the other way round; n 20."""
    rows = []
    for given, off, right in product((5, 10, 30), (1.0, 1.5, 2.0), ("crowd", "LLM")):
        human, mean = people_of(rng, "normal", (times, 20))
        plain = np.full((times, given), mean - (off if right == "crowd" else 0.0))
        crowd = np.full(times, mean if right == "crowd" else mean + off)
        made = p_values(human, crowd, plain)
        place = 0 if right == "crowd" else 1
        rows.append({"who is right": right, "the other is off by": off, "R": given,
                     **{rule: float(np.mean(made[rule][place] <= 0.05)) for rule in RULES}})  # fmt: skip
    return pd.DataFrame(rows)


def run(seed, times):
    """All tables by name."""
    rng = np.random.default_rng(seed)
    tables = {}

    def note(name, made):
        tables[name] = made
        print(f"{name} {time.strftime('%H:%M')}", file=sys.stderr, flush=True)

    note("ties", grid(rng, times, RARE, ("normal", "offensive"), (50,), (5, 10, 30)))
    for column in ("safe", "unsafe"):
        note(column, again(rng, tables["ties"], column, 3, 6 * times))
    note("power", grid(rng, max(times // 2, 20), ORDINARY, ("normal",), (20,), (5, 10, 30),
                       (0.3, 0.6, 1.5, 2.0, 3.0)))  # fmt: skip
    note("clear", clear(rng, max(times // 2, 20)))
    note("mixes", mixes(rng, max(times // 12, 5)))
    return tables


def report(tables, seed, times, seconds):
    """The Markdown report as lines."""
    ties, power = tables["ties"], tables["power"].copy()
    power["right"] = np.where(power["excess"] < 0, power["safe"], power["unsafe"])
    power["truly"] = np.where(power["excess"] < 0, "safe", "unsafe")
    lines = [
        "# Safe or unsafe where the LLM gives nearly always one answer",
        "",
        made_by(typed()),
        f"Seed {seed}, {times} replicates per setting ({6 * times} where said, {times // 2} for power, {max(times // 12, 5)} studies of "
        f"200 problems per mix), level 0.95, ratings 1 to 5 with bounds; {seconds / 60:.0f} minutes on a shared machine. "
        f"A rate of 0.05 has a standard error of {np.sqrt(0.0475 / times):.3f}.",
        "",
        "Six rules on the same draws. Normal theory: eta from the variance of the R answers, at least as if one were a step "
        "away (the former test). Bound in eta: where 80% or more of the answers are alike, Clopper and Pearson's bounds of "
        "the rare answers' share put into eta. Undecided: no decision there. Shrunk eta: eta drawn towards the mean over "
        "the problems and equally many ordinary ones. Dirichlet for all: `rare_answers.py` whatever the answers. Dirichlet "
        'where alike, which `safe_decision` does: "safe" where more than half, "unsafe" where at least 80% of the answers '
        "are alike, normal theory elsewhere.",
        "",
        "Wanted: wrong at most 0.06 each way with normal people, 0.10 with skewed ones; false share after "
        "Benjamini-Hochberg at most 0.05.",
        "",
        "## Exact ties, the largest rate over R 5, 10, 30 and both ties, n 50",
        "",
    ]  # fmt: skip
    for column in ("safe", "unsafe"):
        lines += [f'Wrong "{column}":', "", markdown_table(by_rule(ties, ("people", "LLM"), column, "max")), "",
                  f"The three highest settings of `safe_decision` again, {6 * times} fresh replicates:", "",
                  markdown_table(tables[column]), ""]  # fmt: skip
    return [
        *lines,
        "## What it costs with an ordinary LLM",
        "",
        "Share of right decisions, mean over both sides, normal people, n 20; the crowd's mean is 0.3, 0.6 "
        "(truly safe), 1.5, 2 and 3 times (truly unsafe) as far from the humans as the tie's.",
        "",
        markdown_table(by_rule(power, ("LLM", "R", "truly"), "right", "mean")),
        "",
        "## Clear cases with an LLM that always gives one answer, n 20, normal people",
        "",
        "Share decided correctly. Nothing says that eta is 0 (with `eta=0` one need not know of rare answers).",
        "",
        markdown_table(tables["clear"]),
        "",
        "## Many problems, Benjamini-Hochberg at 0.05",
        "",
        "200 problems of human margins drawn at random, LLMs drawn from those above.",
        "",
        "False share:",
        "",
        markdown_table(by_rule(tables["mixes"], ("mix", "n", "R"), "false share", "mean")),
        "",
        "Decided correctly:",
        "",
        markdown_table(by_rule(tables["mixes"], ("mix", "n", "R"), "decided correctly", "mean")),
        "",
    ]


def main():
    parser = command_line(__doc__, "inference")
    parser.add_argument("--replicates", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20261129)
    given = parser.parse_args()
    start = time.time()
    tables = run(given.seed, given.replicates)
    given.out.mkdir(parents=True, exist_ok=True)
    lines = report(tables, given.seed, given.replicates, time.time() - start)
    (given.out / "nearly_constant.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
