"""Table 5 and Figure 8: 36 held-out voters of Zurich's participatory budgeting experiment, predicted, and what they elect.

    make reports NAME=voting    # the report; a look at it under out/: python benchmarks/voting.py --splits 3

180 people chose 5 of 24 projects each. A fifth of them is held out whole; digital voters with their profiles, learned from
the other 144 and from recorded votes of GPT-4 or LLaMA-2, are counted against them. Needs the data folder
(CROWDLLM_STATS_DATA), and the extra "voting" for the elections.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.random import generator
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.data import zurich_llm_votes, zurich_votes
from crowdllm_stats.evaluation.bundles import elected
from crowdllm_stats.evaluation.metrics import vote_scores
from crowdllm_stats.generator.ballots import BallotCrowd
from reports import command_line, typed

HELD_OUT, K, CHEAP, COPIES = 36, 5, 500, 28
ATTRIBUTES = ["category", "district", "cost"]
SCORES = ["mae", "rmse", "cs", "wd"]
OURS, GENERATIVE, FREE = (
    "CrowdLLM voting, GPT-4 as each voter",
    "pure generative (no LLM)",
    "independent Bernoulli (no LLM)",
)
SHARES, BY_DISTRICT = "training voters' shares", "training voters' shares, by district"
STAGES = {
    "belief and blender": "fixed belief and blender",
    "blender": "relaxed belief, fixed blender",
    "nothing": "full CrowdLLM",
}
PUBLISHED = {
    "random": (5.00, 6.55, 0.72, 4.00),
    "LLM (zero-shot)": (11.92, 15.41, 0.38, 9.00),
    "LLM (multi-persona)": (10.00, 13.69, 0.40, 6.50),
    "LLM (SC)": (11.42, 14.97, 0.35, 7.92),
    "VAE": (11.67, 14.88, 0.32, 7.67),
    "CrowdLLM": (4.00, 5.02, 0.83, 1.67),
}
RUNS = {
    "GPT-4, zero-shot": ("gpt-4", "baseline", 1.0),
    "GPT-4, multi-persona": ("gpt-4", "persona", 1.0),
    "GPT-4, self-consistency": ("gpt-4", "temperature", 0.5),
    "LLaMA-2, zero-shot": ("llama2-70b", "baseline", 1.0),
    "LLaMA-2, zero-shot at temperature 0": ("llama2-70b", "temperature", 0.0),
    "LLaMA-2, multi-persona": ("llama2-70b", "persona", 1.0),
    "LLaMA-2, self-consistency": ("llama2-70b", "temperature", 0.5),
}


def divided(human, seed):
    """Training voters and held-out voters."""
    order = generator(seed, "voting", "held out").permutation(human.points.index)
    return human.of(order[HELD_OUT:]), human.of(order[:HELD_OUT])


def people(election):
    """Profiles of voters as a table of people."""
    return election.voters.rename_axis("participant").reset_index()


def many(human, crowd, test, seed, fixed="nothing"):
    """COPIES ballots of each held-out voter: a voter's own reference goes by their id, so that copies differ by seed."""
    runs = [human.voted(crowd.simulate(people(test), fixed=fixed, seed=1000 * seed + copy)) for copy in range(COPIES)]
    points = pd.concat([run.points.set_axis(run.points.index + f"/{copy}") for copy, run in enumerate(runs)])
    return replace(human, points=points, voters=pd.DataFrame(index=points.index))


def scaled(election):
    """Counts as of 36 voters."""
    return election.counts.to_numpy() * HELD_OUT / len(election.points)


def some(election, names):
    return scaled(election.of([name for name in names if name in election.points.index]))


def plain_rows(train, test, runs, seed):
    """Counts of rows without a fit: of a crowd as large as one likes, and of 36 ballots; None where there is no such crowd."""
    rng = generator(seed, "voting", "plain rows")
    m = len(train.projects)
    drawn = np.bincount(np.concatenate([rng.permutation(m)[:K] for _ in range(HELD_OUT)]), minlength=m)
    rows = {"random five": (np.full(m, HELD_OUT * K / m), drawn)}
    for name, run in runs.items():
        agents = rng.permutation(run.points.index)[:HELD_OUT]
        if "self-consistency" in name:
            best = np.argsort(-run.of(agents).counts.to_numpy(), kind="stable")[:K]
            rows[name] = (None, np.bincount(best, minlength=m) * float(HELD_OUT))
        else:
            rows[name] = (scaled(run), some(run, test.points.index if "persona" in name else agents))
    district = train.voters["district"]
    near = [rng.choice(train.points.index[district == one]) for one in test.voters["district"]]
    shares = (train.points > 0).groupby(district).mean()
    rows[SHARES] = (scaled(train), train.points.loc[rng.choice(train.points.index, HELD_OUT)].sum().to_numpy())
    rows[BY_DISTRICT] = (shares.loc[test.voters["district"]].sum().to_numpy(), train.points.loc[near].sum().to_numpy())
    return rows


def fitted(train, runs, seed, names=None):
    """The digital populations that are compared."""
    persona, zero = runs["GPT-4, multi-persona"], runs["GPT-4, zero-shot"]
    wanted = {
        OURS: (persona.reference(own=True), "exactly k"),
        "CrowdLLM voting, GPT-4 zero-shot": (zero.reference(), "exactly k"),
        "CrowdLLM voting, LLaMA-2 as each voter": (runs["LLaMA-2, multi-persona"].reference(own=True), "exactly k"),
        GENERATIVE: (None, "exactly k"),
        FREE: (None, "independent"),
    }
    data, options = train.ballots(K), train.projects[ATTRIBUTES]
    return {
        name: BallotCrowd.fit(data, reference, options, blend=blend, seed=seed)
        for name, (reference, blend) in wanted.items()
        if names is None or name in names
    }


def one_split(human, runs, seed):
    """Scores, agreement with elected bundles, and what the first split's picture shows."""
    train, test = divided(human, seed)
    crowds, rows = fitted(train, runs, seed), plain_rows(train, test, runs, seed)
    digital, guessed = {}, guesses(train, test, runs)
    for name, crowd in crowds.items():
        digital[name] = human.voted(crowd.simulate(people(test), seed=seed))
        guessed[name] = crowd.inclusion(people(test), seed=seed).to_numpy()
        rows[name] = (guessed[name].sum(axis=0), digital[name].counts.to_numpy())
    stages = {}
    for fixed, name in STAGES.items():
        large = many(human, crowds[OURS], test, seed, fixed)
        stages[name] = human.voted(crowds[OURS].simulate(people(test), fixed=fixed, seed=seed)).counts.to_numpy()
        rows[name] = (scaled(large), stages[name])
    agents = runs["GPT-4, multi-persona"]
    electing = {
        f"{OURS}, {HELD_OUT * COPIES} ballots": large,
        f"{OURS}, {HELD_OUT} ballots": digital[OURS],
        f"{GENERATIVE}, {HELD_OUT * COPIES} ballots": many(human, crowds[GENERATIVE], test, seed),
        "the 144 training voters themselves": train,
        "GPT-4, multi-persona": agents.of([name for name in test.points.index if name in agents.points.index]),
        "GPT-4, zero-shot": runs["GPT-4, zero-shot"],
    }
    sizes = digital[FREE].sizes
    facts = {"free size sd": sizes.std(), "free five": (sizes == K).mean(), "trust": crowds[OURS].trust[1]}
    for name, table in guessed.items():
        there = ~np.isnan(table[:, 0])
        best = np.argsort(np.argsort(-table, axis=1, kind="stable"), axis=1) < K
        for how, ballot in (("a drawn ballot", table), ("the five likeliest", best)):
            facts[how, name] = (test.points.to_numpy() * ballot)[there].sum(axis=1).mean()
    return scores_of(rows, test, seed), agreement(electing, human, test, seed), facts, (test, stages)


def guesses(train, test, runs):
    """How probably each held-out voter has each project on their ballot, without a fit; NaN where an agent is lacking."""
    told = runs["GPT-4, multi-persona"].points.reindex(test.points.index).to_numpy()
    by_district = (train.points > 0).groupby(train.voters["district"]).mean().loc[test.voters["district"]]
    everywhere = np.tile(train.points.mean().to_numpy(), (HELD_OUT, 1))
    return {"random five": np.full(everywhere.shape, K / everywhere.shape[1]), SHARES: everywhere,
            BY_DISTRICT: by_district.to_numpy(), "GPT-4, multi-persona": told}  # fmt: skip


def scores_of(rows, test, seed):
    truth = test.counts.to_numpy()
    found = []
    for name, pair in rows.items():
        for crowd, counts in zip(("large", "36 ballots"), pair, strict=True):
            if counts is not None:
                scores = vote_scores(truth, counts)
                found.append(
                    {"split": seed, "row": name, "crowd": crowd} | {one: getattr(scores, one) for one in SCORES}
                )
    return found


def agreement(electing, human, test, seed):
    found = []
    for rule in ("greedy", "equal shares"):
        for target, truth in (("36 held-out voters", elected(test, rule)), ("all 180 voters", elected(human, rule))):
            for name, votes in electing.items():
                made = elected(votes, rule)
                common = human.projects.loc[list(set(made.projects) & set(truth.projects)), "cost"].sum()
                found.append({"split": seed, "rule": rule, "target": target, "row": name,
                              "same": made.projects == truth.projects, "overlap": common / truth.cost})  # fmt: skip
    return found


def table_of(scores):
    """Mean and standard error over splits."""
    found = scores.groupby(["row", "crowd"], sort=False)[SCORES].agg(["mean", "sem"])
    table = pd.DataFrame({one: [f"{mean:.2f} ({sem:.2f})" for mean, sem in found[one].to_numpy()] for one in SCORES})
    splits = scores.groupby(["row", "crowd"], sort=False).size().to_numpy()
    return table.set_axis([one.upper() for one in SCORES], axis=1).assign(splits=splits).set_index(found.index)


def laid_out(table, crowd, rows):
    known = [row for row in rows if (row, crowd) in table.index]
    return markdown_table(table.loc[[(row, crowd) for row in known]].reset_index("row"), 2)


def apart(differences):
    """Mean difference over splits with its 95% interval; the standard error allows for splits that share voters."""
    error = differences.std() * np.sqrt(1 / len(differences) + HELD_OUT / (180 - HELD_OUT))
    return differences.mean(), stats.t.ppf(0.975, len(differences) - 1) * error


def told_apart(mean, reach):
    return f"{mean:+.3f} ({mean - reach:+.3f} to {mean + reach:+.3f})"


def paired(scores):
    """Ours minus another row on the same splits, and the rows that differ in MAE."""
    wide = scores[scores["crowd"] == "large"].pivot_table(index="split", columns="row", values=["mae", "cs"])
    others = [SHARES, BY_DISTRICT, GENERATIVE, FREE, "CrowdLLM voting, GPT-4 zero-shot", "GPT-4, multi-persona"]
    rows, differ = [], []
    for other in others:
        row = {"against": other}
        for one in ("mae", "cs"):
            mean, reach = apart((wide[one][OURS] - wide[one][other]).dropna())
            row[f"{one.upper()}, ours less theirs"] = told_apart(mean, reach)
            differ += [other] if one == "mae" and abs(mean) > reach else []
        rows.append(row)
    return pd.DataFrame(rows), differ


def hits(facts):
    """How many of a held-out voter's projects their digital twin has."""
    drawn, best = (
        pd.DataFrame({column[1]: facts[column] for column in facts.columns if column[0] == how})
        for how in ("a drawn ballot", "the five likeliest")
    )
    rows = []
    for name in best.columns:
        row = {"row": name}
        for how, table in (("a drawn ballot", drawn), ("the five likeliest", best)):
            row[how] = f"{table[name].mean():.2f} ({table[name].sem():.2f})"
        row["ours more by, of the likeliest"] = "" if name == OURS else told_apart(*apart(best[OURS] - best[name]))
        rows.append(row)
    return pd.DataFrame(rows)


FEW, FEW_SPLITS = (12, 36), 10


def few_voters(human, runs, splits):
    """Scores where fewer voters are learned from: the first of each district, and those next in the split's order."""
    rows = []
    for size in FEW:
        for seed in range(min(splits, FEW_SPLITS)):
            train, test = divided(human, seed)
            first = list(train.voters.drop_duplicates("district").index)
            rest = [name for name in train.points.index if name not in first]
            part = train.of([*first, *rest][:size])
            crowds = fitted(part, runs, seed, (OURS, GENERATIVE))
            counts = {
                name: (crowd.inclusion(people(test), seed=seed).sum().to_numpy(), None)
                for name, crowd in crowds.items()
            }
            found = scores_of({SHARES: (scaled(part), None), **counts}, test, seed)
            rows += [{"training voters": size} | one for one in found]
    table = pd.DataFrame(rows)
    wide = table.pivot_table(index=["training voters", "split"], columns="row", values="mae")
    shown = table.groupby(["training voters", "row"], sort=False)[["mae", "cs"]].agg(["mean", "sem"])
    lines = [{"training voters": size, "row": name, "MAE": f"{one['mae', 'mean']:.2f} ({one['mae', 'sem']:.2f})",
              "CS": f"{one['cs', 'mean']:.3f} ({one['cs', 'sem']:.3f})",
              "MAE, ours less theirs": "" if name == OURS else told_apart(*apart(wide.loc[size][OURS] - wide.loc[size][name]))}
             for (size, name), one in shown.iterrows()]  # fmt: skip
    return pd.DataFrame(lines)


def elections(found):
    rows = []
    for (rule, target, name), part in found.groupby(["rule", "target", "row"], sort=False):
        low, high = proportion_confint(part["same"].sum(), len(part), method="beta")
        rows.append({"rule": rule, "bundle of": target, "elected by": name,
                     "the same bundle": f"{part['same'].mean():.2f} ({low:.2f} to {high:.2f})",
                     "budget in common": f"{part['overlap'].mean():.3f} ({part['overlap'].sem():.3f})"})  # fmt: skip
    return pd.DataFrame(rows)


def picture(test, stages, place):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panels = {"36 held-out people": test.counts.to_numpy(), **stages}
    figure, axes = plt.subplots(len(panels), 1, figsize=(8, 7), sharex=True, sharey=True)
    for ax, (name, counts) in zip(axes, panels.items(), strict=True):
        ax.bar(np.arange(len(counts)), counts, color="C0" if name in STAGES.values() else "0.4")
        ax.set_title(f"{name}: {int((counts == 0).sum())} projects without a vote", fontsize=9, loc="left")
        ax.set_ylabel("votes")
    axes[-1].set_xticks(np.arange(len(counts)), test.projects.index, fontsize=7)
    axes[-1].set_xlabel("project")
    figure.tight_layout()
    figure.savefig(place, dpi=110)


def verdicts(scores):
    """What was asked for beside what came out."""
    found = scores[scores["row"] == OURS].groupby("crowd")[["mae", "cs"]].agg(["mean", "sem"])
    mae, mae_error, cs, cs_error = found.loc["large"]
    drawn = found.loc["36 ballots"]
    return [
        f"- MAE of ours at most 2.0: {mae:.3f} ({mae_error:.3f}), {'met' if mae <= 2.0 else 'not met'}.",
        f"- CS of ours at least 0.96: {cs:.4f} ({cs_error:.4f}), {'met' if cs >= 0.96 else 'not met'}.",
        f"- Of 36 ballots drawn, whose own noise no model takes away: MAE {drawn['mae', 'mean']:.2f} "
        f"({drawn['mae', 'sem']:.2f}), CS {drawn['cs', 'mean']:.3f} ({drawn['cs', 'sem']:.3f}).",
    ]


def report(splits, out):
    human = zurich_votes("S5")
    runs = {
        name: zurich_llm_votes(model, experiment, "S5", t).with_size(K) for name, (model, experiment, t) in RUNS.items()
    }
    scores, same, facts, first = [], [], [], None
    for seed in range(splits):
        one, bundles, said, shown = one_split(human, runs, seed)
        scores, same, facts, first = scores + one, same + bundles, [*facts, said], first or shown
    for seed in range(splits, CHEAP):
        train, test = divided(human, seed)
        scores += scores_of(plain_rows(train, test, runs, seed), test, seed)
    scores, facts = pd.DataFrame(scores), pd.DataFrame(facts)
    differences, differ = paired(scores)
    table, rows = table_of(scores), [row for row in dict.fromkeys(scores["row"]) if row not in STAGES.values()]
    excluded = [{"run": name, "agents": len(run.points), "left out": "; ".join(f"{n} {why}" for why, n in run.exclusions.items()) or "none"} for name, run in runs.items()]  # fmt: skip
    published = pd.DataFrame([{"published row": name, **dict(zip(map(str.upper, SCORES), row, strict=True))} for name, row in PUBLISHED.items()])  # fmt: skip
    lines = [
        "# Voting: 36 held-out voters of 180, their counts and what they elect",
        "",
        made_by(typed()),
        "",
        f"The protocol of Table 5: a fifth of the voters is held out whole, and the counts of their {HELD_OUT} ballots over 24 "
        "projects are the truth. MAE and RMSE are in votes, CS is the cosine of the two vectors of counts, WD the distance "
        "between the two sets of 24 counts. Digital voters get the profiles of the held-out people (district, interest in "
        "three topics, importance of district, topic and cost) and never their ballots. Means over splits, standard errors "
        "over splits in brackets; rows without a fit over more splits, the first of which are the same.",
        "",
        f'Ours is "{OURS}", a crowd as large as one likes:',
        "",
        *verdicts(scores),
        "",
        "## A crowd as large as one likes, scaled to 36 ballots",
        "",
        laid_out(table, "large", rows),
        "",
        'Of "GPT-4, multi-persona" this takes the agents of all 180 profiles. Training voters\' shares know no profile; by '
        "district, every held-out voter gets the shares of the training voters of their district.",
        "",
        "## 36 ballots",
        "",
        "The table above has no noise of the ballots' own; here 36 ballots are drawn, as a published row would be. Personas are "
        "those of the held-out voters; self-consistency gives everybody the five projects most voted for by 36 agents at "
        "temperature 0.5; for the shares, 36 ballots of training voters are resampled (of the same district in the second row).",
        "",
        laid_out(table, "36 ballots", rows),
        "",
        "Published (backbone Gemma3-12B; one number each, no errors given):",
        "",
        markdown_table(published, 2),
        "",
        "## Differences on the same splits",
        "",
        f"Crowds as large as one likes, {splits} splits, 95% intervals. Splits share voters: the variance of the mean difference "
        "is taken as that of one split times (1/splits + 36/144) (Nadeau and Bengio 2003).",
        "",
        markdown_table(differences),
        "",
        f"In MAE ours differs, beyond the interval, from {', '.join(differ) or 'none'}, and not from the others: 36 votes are too "
        "few to tell apart populations that have learned the shares, with or without a language model.",
        "",
        f"Independent Bernoulli has the same shares and no ballots of five: {100 * facts['free five'].mean():.0f}% of its ballots "
        f"hold exactly five projects, and their size has standard deviation {facts['free size sd'].mean():.2f}. All other digital "
        f"ballots hold exactly five. Trust in what GPT-4 says as the voter: {facts['trust'].mean():.2f} on the scale of theta "
        f"({facts['trust'].sem():.2f}).",
        "",
        "## Who votes for what",
        "",
        "Counts do not see who chose what. Here, how many of the five projects of a held-out voter their digital twin has: on a "
        "drawn ballot (the expected number, by inclusion probabilities), and among the five projects that are likeliest for "
        "that profile. GPT-4 told the profile has five projects, which are both. Brackets and intervals as above.",
        "",
        markdown_table(hits(facts)),
        "",
        "## Fewer voters to learn from",
        "",
        "The same held-out voters, a crowd as large as one likes; one of the training voters of every district is always there.",
        "",
        markdown_table(few_voters(human, runs, splits)),
        "",
        "## Figure 8: fixed belief, relaxed belief, full CrowdLLM",
        "",
        f"The same fits; {COPIES} digital voters per held-out voter in the first table, one in the second.",
        "",
        laid_out(table, "large", STAGES.values()),
        "",
        laid_out(table, "36 ballots", STAGES.values()),
        "",
        "![Votes per project of the first split](migration.png)",
        "",
        "## What they elect",
        "",
        "Budget 60,000, projects of 5,000 and 10,000; greedy by votes, and the method of equal shares with the rest spent "
        "greedily. How often a crowd elects the very bundle of the people, with Clopper-Pearson intervals that take splits as "
        "independent, and the share of the people's bundle, by cost, that it elects too. The bundle of all 180 rests on the "
        "training voters' ballots too, so that there the training voters are a comparison and not a bar.",
        "",
        markdown_table(elections(pd.DataFrame(same))),
        "",
        "## Recorded agents",
        "",
        markdown_table(pd.DataFrame(excluded)),
        "",
    ]
    out.mkdir(parents=True, exist_ok=True)
    picture(*first, out / "migration.png")
    write_whole(out / "README.md", "\n".join(lines))


if __name__ == "__main__":
    parser = command_line(__doc__, "voting")
    parser.add_argument("--splits", type=int, default=30, help="splits with fits (default 30)")
    arguments = parser.parse_args()
    report(arguments.splits, arguments.out)
