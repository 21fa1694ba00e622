"""Twins by one prompt, the crowd by another: what is found, what 'auto' covers, and what the check costs.

    make reports NAME=inference/mismatch    # the report; a look at it under out/: python benchmarks/mismatch.py

The data are twin2k_items: 123 questions to the same people, with twins by text persona and by demographics. Also in it:
the same on simulated answers, one question at a time.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from crowdllm_stats import interval
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.inference.intervals.one_law import ALARM, same_law
from reports import command_line, typed

ROOT = Path(__file__).resolve().parent.parent
FILES = {
    "human": "human.csv",
    "text": "llm_text_persona_gpt41_mini.csv",
    "demo": "llm_demographics_only_gpt41_mini.csv",
}
SIZES, CROWD, LEAST = (8, 10, 20, 30, 50), 300, 0.93
TEN = 10  # times as many surveys for the intervals on human answers alone, which cost little
PROMPTS = {"text / demographics": ("text", "demo"), "demographics / text": ("demo", "text"),
           "text / text": ("text", "text"), "demographics / demographics": ("demo", "demo")}  # fmt: skip
SURVEYS = (1, 2, 3, 5, 10, 20, 40, 123)
SHIFTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5)


def read():
    folder = Path(os.environ["CROWDLLM_STATS_DATA"]) / "twin2k_items"
    return {name: pd.read_csv(folder / file, index_col=0).to_numpy(float) for name, file in FILES.items()}


def cover(answer, truth):
    return (answer.lower <= truth) & (truth <= answer.upper)


def draws(data, replicates, seed):
    """Each survey's order of people, for every pattern of who was asked; the same people answer all questions."""
    keys = np.random.default_rng(seed).random((TEN * replicates, len(data["human"])), dtype=np.float32)
    asked = ~np.isnan(data["human"])
    orders = {}
    for column in range(asked.shape[1]):
        people = np.flatnonzero(asked[:, column])
        pattern = people.tobytes()
        if pattern not in orders:
            orders[pattern] = people[np.argsort(keys[:, people], axis=1)[:, : max(SIZES) + CROWD]]
        yield column, people, orders[pattern]


def real(data, replicates, seed):
    """Arrays (sizes, prompts, replicates, questions): the check's p-value, and of both intervals covered and width."""
    questions = data["human"].shape[1]
    shape = (len(SIZES), len(PROMPTS), replicates, questions)
    found = {name: np.empty(shape, dtype=np.float32) for name in ("chance", "twins", "width")}
    many = (len(SIZES), TEN * replicates, questions)
    alone = {name: np.empty(many, dtype=np.float32) for name in ("covered", "width")}
    for column, people, order in draws(data, replicates, seed):
        answers = {name: values[:, column] for name, values in data.items()}
        truth = answers["human"][people].mean()
        every = np.concatenate([values[people] for values in answers.values()])
        bounds = (every.min(), every.max())
        for row, n in enumerate(SIZES):
            human = answers["human"][order[:, :n]]
            only = interval(human, bounds=bounds)
            alone["covered"][row, :, column], alone["width"][row, :, column] = cover(only, truth), only.half_width
            asked, rest, human = order[:replicates, :n], order[:replicates, n : n + CROWD], human[:replicates]
            for place, (one, other) in enumerate(PROMPTS.values()):
                twins, crowd = answers[one][asked], answers[other][rest]
                both = interval(human, twins, crowd, bounds=bounds, check_law=False)
                found["chance"][row, place, :, column] = same_law(twins, crowd, tested=1).chance
                found["twins"][row, place, :, column] = cover(both, truth)
                found["width"][row, place, :, column] = both.half_width
    return found, alone


def real_tables(found, alone):
    """Coverage per question, its least and how many lie below 0.93: no check, one question at a time, whole survey."""
    rows = []
    for row, n in enumerate(SIZES):
        for place, name in enumerate(PROMPTS):
            chance, twins, width = (found[key][row, place] for key in ("chance", "twins", "width"))
            replicates, questions = chance.shape
            hit, short = alone["covered"][row, :replicates], alone["width"][row, :replicates]
            off = {"no check": np.zeros_like(chance, dtype=bool), "a question at a time": chance <= ALARM,
                   "the whole survey": np.broadcast_to((chance.min(1, keepdims=True) * questions <= ALARM), chance.shape),
                   "human answers alone": np.ones_like(chance, dtype=bool)}  # fmt: skip
            for rule, switched in off.items():
                coverage = alone["covered"][row].mean(0) if switched.all() else np.where(switched, hit, twins).mean(0)
                half = np.where(switched, short, width).mean(0)
                known = short.mean(0) > 0
                rows.append({"n": n, "twins / crowd": name, "check": rule, "mean coverage": coverage.mean(),
                             "least": coverage.min(), "questions < 0.93": int((coverage < LEAST).sum()),
                             "questions < 0.90": int((coverage < 0.9).sum()),
                             "width / no check": (half[known] / np.maximum(width.mean(0)[known], 1e-12)).mean(),
                             "alarms": switched.mean() if rule in ("a question at a time", "the whole survey") else np.nan,
                             "most alarms in a question": switched.mean(0).max()
                             if rule == "a question at a time" else np.nan})  # fmt: skip
    return pd.DataFrame(rows)


def sizes_of_surveys(found, seed):
    """How often surveys of a few of the questions are found out, and coverage of 'auto' over their questions."""
    rng = np.random.default_rng(seed)
    rows = []
    for row, n in enumerate(SIZES):
        for place, name in enumerate(PROMPTS):
            chance = found["chance"][row, place]
            entry = {"n": n, "twins / crowd": name}
            for count in SURVEYS:
                chosen = np.argsort(rng.random(chance.shape), axis=1)[:, :count]
                entry[f"{count}"] = float((np.take_along_axis(chance, chosen, 1).min(1) * count <= ALARM).mean())
            rows.append(entry)
    return pd.DataFrame(rows)


def simulated(replicates, seed):
    """One question, crowd shifted by d of its standard deviations: least coverage of 'auto' over d, and where."""
    rng = np.random.default_rng(seed)
    rows = []
    for family in ("normal", "1-5"):
        for r in (0.2, 0.5, 0.8):
            for n in SIZES:
                human, noise = rng.standard_normal((2, replicates, n))
                twins = r * human + np.sqrt(1 - r * r) * noise
                crowd = rng.standard_normal((replicates, CROWD))
                bounds, truth = None, 0.0
                if family == "1-5":
                    edges = np.array([-1.2, -0.4, 0.4, 1.2])
                    human, twins, bounds, truth = (1.0 + np.searchsorted(edges, human), 1.0 + np.searchsorted(edges, twins),
                                                   (1, 5), 3.0)  # fmt: skip
                entry = {}
                only = cover(interval(human, bounds=bounds), truth)
                for shift in SHIFTS:
                    moved = crowd + shift if bounds is None else 1.0 + np.searchsorted(edges, crowd + shift)
                    both = cover(interval(human, twins, moved, bounds=bounds, check_law=False), truth)
                    off = same_law(twins, moved, tested=1).chance <= ALARM
                    entry[shift] = (both.mean(), np.where(off, only, both).mean(), off.mean())
                worst = min(entry, key=lambda shift: entry[shift][1])
                rows.append({"answers": family, "r": r, "n": n, "one law: coverage": entry[0.0][1],
                             "one law: alarms": entry[0.0][2], "two laws, checked: least coverage": entry[worst][1],
                             "at a shift of (sd)": worst, "found there": entry[worst][2],
                             "unchecked at 1.5 sd": entry[1.5][0], "checked at 1.5 sd": entry[1.5][1]})  # fmt: skip
    return pd.DataFrame(rows)


def main():
    parser = command_line(__doc__, "inference")
    parser.add_argument("--replicates", type=int, default=250)
    given = parser.parse_args()
    found, alone = real(read(), given.replicates, 20)
    table, surveys, alike = real_tables(found, alone), sizes_of_surveys(found, 21), simulated(2000, 22)
    whole = table[table["check"] == "the whole survey"]
    two, one = (whole[whole["twins / crowd"].isin(list(PROMPTS)[part])] for part in (slice(0, 2), slice(2, 4)))
    single = table[(table["check"] == "a question at a time") & table["twins / crowd"].isin(list(PROMPTS)[2:])]
    goals = pd.DataFrame([
        ("two prompts: no question below 0.93", f"{two['questions < 0.93'].sum()} of {123 * len(two)}; least "
         f"{two['least'].min():.3f} (n {two.loc[two['least'].idxmin(), 'n']})", bool((two["least"] >= LEAST).all())),
        ("one prompt: nothing lost in width", f"{one['width / no check'].min():.4f} to {one['width / no check'].max():.4f}",
         bool(one["width / no check"].max() <= 1.005)),
        ("false alarms per survey: at most 0.01", f"{one['alarms'].max():.4f}", bool(one["alarms"].max() <= 0.01)),
        ("false alarms per question: at most 0.01", f"mean at most {single['alarms'].max():.4f}, in one question at most "
         f"{single['most alarms in a question'].max():.3f}", bool(single["alarms"].max() <= 0.01)),
    ], columns=["goal", "measured", "met"])  # fmt: skip
    given.out.mkdir(parents=True, exist_ok=True)
    write_whole(given.out / "mismatch.md", TEXT.format(
        made=made_by(typed()),
        replicates=given.replicates, error=np.sqrt(0.05 * 0.95 / given.replicates), crowd=CROWD, ten=TEN,
        fine=np.sqrt(0.05 * 0.95 / (TEN * given.replicates)),
        goals=markdown_table(goals), real=markdown_table(table.astype(object).where(table.notna(), "-")), surveys=markdown_table(surveys),
        alike=markdown_table(alike)))  # fmt: skip
    print(markdown_table(goals))


TEXT = """# Twins and crowd of two laws

{made}

Every method with twins takes the mean of the unlabelled digital answers for the mean that the twins would have over all
people. A permutation test asks whether the labelled twins could be a random subset of all digital answers: their mean (0.8
of the alarm level), their spread (0.1) and their range (0.1). It has no random numbers (a double saddlepoint gives the
p-values), holds at every n, and is corrected over the questions of a survey by Bonferroni's rule, which holds however
questions are related. Where any question shows a mismatch, `auto` uses human answers alone in all: twins and crowd are
made in the same way for all questions or for none.

## Goals and what came out

{goals}

## Real answers: 123 questions to the same people, twins by two prompts

{replicates} surveys; in each the same people are drawn for all questions, n of those asked a question answer it, {crowd}
others are the crowd. Standard error of one question's coverage at 0.95: {error:.4f}; the least of 123 lies about 2.5 of
them below its question's true one. Where human answers alone are used in every survey, {ten} times as many surveys are
drawn (standard error {fine:.4f}). "a question at a time" is the check of each question by itself at level 0.01, as in a
call of `interval` with one question: the mean over all questions is what it can do there.

{real}

## Surveys of a few questions: share found out

Questions drawn at random from the 123. In the last two prompts of each n there is nothing to find.

{surveys}

## One question alone, simulated: what the check can and cannot do

Humans and twins correlate at r; the crowd is shifted against the twins by 0 to 1.5 standard deviations. With one question
only its n answers can show a shift, so a moderate one at a high correlation stays hidden, and no test at level 0.01 could
find it: the column "least coverage" says what one question by itself is worth when twins and crowd were made in two ways.

{alike}
"""

if __name__ == "__main__":
    main()
