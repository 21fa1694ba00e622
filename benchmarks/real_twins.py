"""Every interval on real people with LLM twins of the same people: coverage, and width over Student's t.

    make reports NAME=real_twins    # the report; a look at it under out/: python benchmarks/real_twins.py --draws 20

Twin-2K-500's mega-study (162 outcomes of 19 studies with at least 200 people) and its 123 items with two prompts; needs
CROWDLLM_STATS_DATA. Of the P people who answered an outcome and have a twin, n are drawn without replacement and their twins
are the labelled ones; the twins of the other P - n people are the crowd; the target is the mean of all P people. The draws are
the same for all methods. Peers: ppi_py (PPI++, its default, and PPI) and, where it is installed, glide (PPI++, its default).
"""

from __future__ import annotations

import importlib.util
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import ppi_py

from crowdllm_stats import interval
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import whole_file, write_whole
from crowdllm_stats.data import twin2k_items, twin2k_mega_study
from crowdllm_stats.inference.intervals import METHODS
from reports import command_line, typed

SIZES = (5, 10, 20, 50)
LEVELS = (0.8, 0.95, 0.99)
LEAST_PEOPLE = 200
SLOW = ("set-betting",)  # thousands of bets per draw: one size, fewer draws
OURS = ("auto", *(name for name, method in METHODS.items() if not method.folds))
GLIDE = importlib.util.find_spec("glide") is not None


def scale_words(one):
    """The kind of scale: two values, so many whole steps, or continuous."""
    low, high = one.bounds
    if one.two_valued:
        return "two values"
    both = np.concatenate([one.human, one.twin])
    if not np.all(both == np.floor(both)):
        return "continuous"
    points = int(high - low) + 1
    return "3 to 7 points" if points <= 7 else "8 to 21 points" if points <= 21 else "more points"


def peers(human, twin, crowd, level):
    """Ends by ppi_py and glide, draw by draw: name -> lower and upper, (draws,) each; NaN where the peer refuses."""
    found: dict[str, Any] = {}
    for name, lam in (("ppi_py PPI++", None), ("ppi_py PPI", 1.0)):
        ends = [
            ppi_py.ppi_mean_ci(y, f, c, alpha=1.0 - level, lam=lam) for y, f, c in zip(human, twin, crowd, strict=True)
        ]
        found[name] = np.array([[float(np.squeeze(low)), float(np.squeeze(high))] for low, high in ends]).T
    if GLIDE:
        found["glide PPI++"] = np.array([glide_ends(*row, level) for row in zip(human, twin, crowd, strict=True)]).T
    return found


def glide_ends(human, twin, crowd, level):
    from glide.estimators.ppi import PPIMeanEstimator

    labelled = np.concatenate([human, np.full(len(crowd), np.nan)])
    try:
        found = PPIMeanEstimator().estimate(labelled, np.concatenate([twin, crowd]), confidence_level=level)
    except ValueError:  # it refuses equal answers
        return np.nan, np.nan
    ends = found.confidence_interval
    return float(ends.lower_bound), float(ends.upper_bound)


def outcome(one, n, level, draws, rng, with_peers):
    """Rows of one outcome: method, coverage, mean width over t's, draws that counted."""
    order = np.argsort(rng.random((draws, len(one.people))), axis=1)
    human, twin = one.human[order], one.twin[order]
    human, twin, crowd = human[:, :n], twin[:, :n], twin[:, n:]
    truth = one.human.mean()
    student = interval(human, method="classical", level=level)
    width = np.asarray(student.upper - student.lower)
    found: dict[str, Any] = {}
    for method in OURS:
        if method in SLOW and (n != 20 or level != 0.95):
            continue
        some = slice(0, max(draws // 10, 1)) if method in SLOW else slice(None)
        try:
            answer = interval(human[some], twin[some], crowd[some], method=method, bounds=one.bounds, level=level)
        except ValueError:
            continue  # a binomial method on answers of more than two values, or a slope from too few people
        found[method] = np.array([answer.lower, answer.upper])
    if with_peers:
        found |= peers(human, twin, crowd, level)
    rows = []
    for method, (lower, upper) in found.items():
        known = np.isfinite(lower) & np.isfinite(upper)
        hit = (lower <= truth) & (truth <= upper)
        base = width[: len(lower)][known]
        rows.append({
            "method": method, "n": n, "level": level, "people": len(one.people), "question": one.question,
            "scale": scale_words(one), "coverage": hit[known].mean() if known.any() else np.nan,
            "width": (upper - lower)[known].mean() / base.mean() if base.sum() > 0 else np.nan,
            "draws": int(known.sum()), "refused": int((~known).sum()),
        })  # fmt: skip
    return rows


def measured(draws):
    rows = []
    sets = {
        "mega-study": twin2k_mega_study(),
        "items, text persona": twin2k_items("text_persona"),
        "items, demographics only": twin2k_items("demographics_only"),
    }
    for place, (name, study) in enumerate(sets.items()):
        for number, question in enumerate(study.questions):
            one = study.answers(question)
            if len(one.people) < LEAST_PEOPLE:
                continue
            for n in SIZES:
                for level in LEVELS if name == "mega-study" else (0.95,):
                    rng = np.random.default_rng([20261127, place, number, n])  # the levels share their draws
                    with_peers = name == "mega-study" and level == 0.95
                    for row in outcome(one, n, level, draws, rng, with_peers):
                        rows.append({"data": name, "study": study.scales.loc[question, "study"], **row})
    return pd.DataFrame(rows)


def by_studies(part, rng):
    """Standard error of the mean coverage, by resampling the studies (items: the questions)."""
    groups = [rows.to_numpy() for _, rows in part.groupby("study")["coverage"]]
    if len(groups) < 2:
        groups = [np.array([value]) for value in part["coverage"]]
    means = []
    for _ in range(500):
        chosen = rng.integers(len(groups), size=len(groups))
        means.append(np.concatenate([groups[place] for place in chosen]).mean())
    return float(np.std(means))


def overall(table, by=("n",)):
    rng = np.random.default_rng(1)
    rows = []
    for key, part in table.dropna(subset="coverage").groupby([*by, "method"], sort=False):
        coverage = part["coverage"]
        rows.append({
            **dict(zip((*by, "method"), key, strict=True)), "outcomes": len(part), "coverage": coverage.mean(),
            "se": by_studies(part, rng), "5% quantile": coverage.quantile(0.05), "worst": coverage.min(),
            "below 0.93": (coverage < 0.93).mean(), "below 0.90": (coverage < 0.90).mean(),
            "width / t": part["width"].mean(), "refused": int(part["refused"].sum()),
        })  # fmt: skip
    return pd.DataFrame(rows)


def short(table):
    """One row per method, coverage and width at every n."""
    rows = []
    for method in ("auto", "classical", "ppi_py PPI++", "ppi_py PPI", "glide PPI++", "crowdllm"):
        part = table[table["method"] == method].set_index("n")
        if not part.empty:
            cells = {f"n = {n}": f"{part.loc[n, 'coverage']:.3f} ({part.loc[n, 'width / t']:.2f})" for n in SIZES}
            rows.append({"method": method, **cells})
    return pd.DataFrame(rows)


def draw(table, path):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for method in ("auto", "classical", "ppi++-small", "ppi_py PPI++", "glide PPI++"):
        part = table[table["method"] == method]
        if not part.empty:
            axes[0].errorbar(part["n"], part["coverage"], yerr=1.96 * part["se"], marker="o", capsize=3, label=method)
            axes[1].plot(part["n"], part["width / t"], marker="o", label=method)
    axes[0].axhline(0.95, color="black", linewidth=0.8)
    axes[0].set(xlabel="people who answered", ylabel="coverage, mean over outcomes", xscale="log")
    axes[1].set(xlabel="people who answered", ylabel="width over Student's t", xscale="log")
    for axis in axes:
        axis.set_xticks(SIZES, [str(n) for n in SIZES])
        axis.minorticks_off()
    axes[0].legend(fontsize="small")
    with whole_file(path) as file:
        figure.savefig(file, dpi=110, metadata={"Software": None})
    plt.close(figure)


def main():
    parser = command_line(__doc__, "real_twins")
    parser.add_argument("--draws", type=int, default=200)
    given = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)  # ppi_py divides by a spread of 0
    table = measured(given.draws)
    mega = table[(table["data"] == "mega-study") & (table["level"] == 0.95)]
    all_methods = overall(mega)
    auto = table[table["method"].isin(["auto", "classical", "classical-small"])]
    worst = mega[(mega["method"] == "auto") & (mega["n"] == 10)].nsmallest(8, "coverage")
    peer = "glide (PPI++, power tuned)" if GLIDE else "glide was not installed when this was made"
    text = f"""# Real people and their LLM twins

{made_by(typed())}

Twin-2K-500's mega-study: {mega["question"].nunique()} outcomes of {mega["study"].nunique()} studies with at least
{LEAST_PEOPLE} people who have a twin (GPT-4.1-mini with the person's whole questionnaire). Of an outcome's people n are drawn, the
twins of all others are the crowd, the target is the mean of all; {given.draws} draws per outcome and n, the same for all methods.
`se`: standard error of the mean coverage, by resampling the studies. `width / t`: mean width over that of Student's t, averaged
over outcomes. Peers: ppi_py {version("ppi-python")} (power tuned by default); {peer}. `refused`:
draws in which a method gives no interval (peers on equal answers), left out of its rows. As people are drawn without replacement
from {int(mega["people"].min())} to {int(mega["people"].max())}, coverage is a little above that for an endless population.

## Coverage and, in brackets, width over t, level 0.95

{markdown_table(short(all_methods))}

![Coverage and width](real_twins.png)

## All methods

{markdown_table(all_methods)}

## By kind of scale: auto

{markdown_table(overall(mega[mega["method"] == "auto"], ("n", "scale")))}

## Other levels: auto and the human answers alone

{markdown_table(overall(auto[(auto["data"] == "mega-study") & (auto["level"] != 0.95)], ("level", "n")))}

## The 123 items, twins by two prompts, each with its own crowd

{markdown_table(overall(table[(table["data"] != "mega-study") & table["method"].isin(["auto", "classical", "ppi++-small", "ppi++-binomial", "ppi++", "crowdllm"])], ("data", "n")))}

## The outcomes that auto covers least at n = 10

{markdown_table(worst[["question", "study", "scale", "people", "coverage", "width"]])}
"""
    given.out.mkdir(parents=True, exist_ok=True)
    write_whole(given.out / "README.md", text)
    write_whole(given.out / "results.csv", table.round(5).to_csv(index=False))
    draw(all_methods, given.out / "real_twins.png")
    print(given.out / "README.md")


if __name__ == "__main__":
    main()
