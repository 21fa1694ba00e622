"""Coverage of `across_from`'s calculator where the same people answer many problems, simulated and on real people.

    make reports NAME=inference/across_people    # the report; a look at it under out/: python benchmarks/across_people.py

The real people are those of twin2k_mega_study and twin2k_items; without CROWDLLM_STATS_DATA they are left out.

Simulated surveys: T problems with n answers each, by the same n people ("same"), a random n of 3 n people ("subsets"),
people who answer one problem each ("different"), or 2 to 2 n people, half of the time the first ones and else drawn
from 2 n ("unequal"). An answer is center_t + sd_t (sqrt(rho) l_t a_i + sqrt(1 - rho) e_ti), all standard normal; on
1-5 rounded and cut, for yes/no whether it is positive. Loadings l_t: all 1; 1 or -1 at random; or uniform on
0..2/1.155. sd_t: 1, or log-normal. Centers: a signal x and a rest of variance 0.25; the digital mean is x ("good"),
unrelated ("useless"), 1 + tanh(x) ("biased") or absent. Every survey draws the last four at random.
"""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtr, stdtrit

from crowdllm_stats import across_answers, across_problems
from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from reports import command_line, typed

LEVEL, CLOSE, POOR = 0.95, 1e-9, 0.8
PROBLEMS, ANSWERS, SHARES = (10, 20, 40, 200), (3, 5, 10, 20), (0.0, 0.1, 0.3, 0.6)
DESIGNS = ("same", "subsets", "different", "unequal")
KINDS, DIGITAL = ("normal", "1-5", "yes/no"), ("good", "useless", "biased", "absent")
LOADINGS, SPREADS = ("equal", "mixed signs", "varied"), ("equal", "unequal")
SURVEYS, COMPARED, DRAWS = {10: 10, 20: 8, 40: 4, 200: 3}, 20, 12
BOUNDS = {"normal": None, "1-5": (1, 5), "yes/no": (0, 1)}
GROUPS = (
    "prediction low", "prediction middle", "prediction high", "variance low", "variance middle", "variance high",
    "all answers equal",
)  # fmt: skip
REAL = {
    "news headlines, 1-6": r"^(?:Fake|Real)\d",
    "jobs, 1-7": r"^job\d",
    "ideas, 1-5": r"^rating\d",
    "donors, 1-9": r"^rating_",
    "profiles, 1-8": r"^Profile\d",
}


def crowd(problems, answers, design, rng):
    """Problem and person of every answer."""
    if design == "unequal":
        sizes = rng.integers(2, 2 * answers + 1, problems)
        nested = rng.random(problems) < 0.5
        sets = [
            np.arange(size) if first else rng.choice(2 * answers, size, replace=False)
            for size, first in zip(sizes, nested, strict=True)
        ]
        return np.repeat(np.arange(problems), sizes), np.concatenate(sets)
    problem = np.repeat(np.arange(problems), answers)
    if design == "same":
        return problem, np.tile(np.arange(answers), problems)
    if design == "different":
        return problem, np.arange(problems * answers)
    return problem, np.concatenate([rng.choice(3 * answers, answers, replace=False) for _ in range(problems)])


def survey(problems, answers, share, design, traits, rng):
    """Answers, their problem and person, digital means or None, and the truth (T,)."""
    kind, digital, loading, spread = traits
    problem, person = crowd(problems, answers, design, rng)
    signal = rng.normal(size=problems)
    center = {"normal": 3.0, "1-5": 2.8, "yes/no": 0.4}[kind] + 0.8 * signal + 0.5 * rng.normal(size=problems)
    means = {"good": signal, "useless": rng.normal(size=problems), "biased": 1.0 + np.tanh(signal), "absent": None}
    loads = {
        "equal": np.ones(problems),
        "mixed signs": rng.choice([-1.0, 1.0], problems),
        "varied": rng.uniform(0.0, 2.0, problems) / 1.155,
    }[loading]
    sd = np.exp(0.4 * rng.normal(size=problems)) if spread == "unequal" else np.ones(problems)
    level = rng.normal(size=int(person.max()) + 1)[person]
    noise = np.sqrt(share) * loads[problem] * level + np.sqrt(1.0 - share) * rng.normal(size=len(problem))
    latent = center[problem] + sd[problem] * noise
    total = sd * np.sqrt(share * loads**2 + 1.0 - share)
    if kind == "normal":
        return latent, problem, person, means[digital], center
    if kind == "yes/no":
        return (latent > 0.0).astype(float), problem, person, means[digital], ndtr(center / total)
    truth = 5.0 - sum(ndtr((cut + 0.5 - center) / total) for cut in range(1, 5))
    return np.clip(np.round(latent), 1, 5), problem, person, means[digital], truth


def student(answers, problem, finite=1.0):
    """Mean and half-width of Student's t for each problem; ``finite``: what is left of the variance."""
    count = np.bincount(problem)
    mean = np.bincount(problem, answers) / count
    var = np.bincount(problem, (answers - mean[problem]) ** 2) / (count - 1)
    return mean, stdtrit(count - 1, 0.5 + 0.5 * LEVEL) * np.sqrt(finite * var / count), var


def members(got, var):
    """Masks (G, T) of the groups that a user can see."""
    masks = []
    for value in (got.synthetic, var):
        place = np.argsort(np.argsort(value, kind="stable"), kind="stable") * 3 // len(value)
        masks += [place == third for third in range(3)]
    return np.array([*masks, var == 0.0])


def judge(got, mean, half, var, truth):
    """One survey: coverage, of t, width over that of t, hits and sizes of the groups."""
    hit = (got.lower - CLOSE <= truth) & (truth <= got.upper + CLOSE)
    groups = members(got, var)
    direct = np.abs(mean - truth) <= half + CLOSE
    width = got.half_width.mean() / half.mean()
    return (
        [hit.mean(), hit.mean() < POOR, direct.mean(), direct.mean() < POOR, width],
        groups.astype(float) @ hit,
        groups.sum(axis=1),
    )


def simulated():
    """One row per survey of the whole grid, and hits and sizes of the groups (rows, G)."""
    rows, hits, sizes = [], [], []
    for number, (problems, answers, share, design) in enumerate(product(PROBLEMS, ANSWERS, SHARES, DESIGNS)):
        rng = np.random.default_rng([2026, number])
        for _ in range(SURVEYS[problems]):
            traits = tuple(rng.choice(each) for each in (KINDS, DIGITAL, LOADINGS, SPREADS))
            value, problem, person, digital, truth = survey(problems, answers, share, design, traits, rng)
            name = (problems, answers, share, design, *traits)
            try:
                got = across_answers(value, problem, person, digital, level=LEVEL, bounds=BOUNDS[traits[0]])
            except ValueError as reason:
                rows.append((*name, *[np.nan] * 5, str(reason)))
                hits.append(np.zeros(len(GROUPS)))
                sizes.append(np.zeros(len(GROUPS)))
                continue
            numbers, hit, size = judge(got, *student(value, problem), truth)
            rows.append((*name, *numbers, ""))
            hits.append(hit)
            sizes.append(size)
        print(number, problems, answers, share, design, flush=True)
    columns = ["T", "n", "ICC", "people", "answers", "digital", "loadings", "sd"]
    columns += ["coverage", "below 0.8", "t", "t below 0.8", "width / t", "refused"]
    return pd.DataFrame(rows, columns=columns), np.array(hits), np.array(sizes)


def compared():
    """Means alone, single answers with their people, and t, on the settings of the plain case."""
    rows = []
    for number, (problems, share) in enumerate(product((40, 200), (0.0, 0.3, 0.6))):
        rng = np.random.default_rng([2027, number])
        traits, values = ("normal", "good", "equal", "equal"), []
        for _ in range(COMPARED):
            value, problem, person, digital, truth = survey(problems, 5, share, "same", traits, rng)
            mean, half, var = student(value, problem)
            means = across_problems(mean, var, 5, digital, level=LEVEL)
            got = across_answers(value, problem, person, digital, level=LEVEL)
            values.append(
                judge(got, mean, half, var, truth)[0] + judge(means, mean, half, var, truth)[0][:2]
            )  # fmt: skip
        mean = np.mean(values, axis=0)
        error = np.std([row[0] for row in values], ddof=1) / np.sqrt(COMPARED)
        rows.append((problems, share, *mean[[5, 6, 0]], error, *mean[[1, 2, 3, 4]]))
    columns = ["T", "ICC", "means alone", "its surveys below 0.8", "across_answers", "se", "surveys below 0.8"]
    return pd.DataFrame(rows, columns=[*columns, "t", "t below 0.8", "width / t"])


def batteries(folder):
    """Name -> answers (people, T), digital means (T,), bounds; of the people who answered every item."""
    human, twin = (pd.read_csv(folder / "twin2k_mega_study" / name) for name in ("human.csv", "llm.csv"))
    ends = pd.read_csv(folder / "twin2k_mega_study" / "outcomes.csv").set_index("DV_variable")
    found = {}
    for name, pattern in REAL.items():
        items = list(human.columns[human.columns.str.contains(pattern)])
        kept = human[items].notna().all(axis=1)
        bounds = (1, 9) if name == "donors, 1-9" else tuple(ends.loc[items[0], ["DV_min", "DV_max"]])  # listed as 1-7
        found[name] = human.loc[kept, items].to_numpy(), twin.loc[kept, items].mean().to_numpy(), bounds
    human = pd.read_csv(folder / "twin2k_items" / "human.csv")
    twin = pd.read_csv(folder / "twin2k_items" / "llm_text_persona_gpt41_mini.csv")
    items = [item for item in human.columns[1:] if set(human[item].dropna()) <= {1, 2}]
    items = [item for item in items if human[item].notna().all()]
    kept = human[items].notna().all(axis=1)
    found["yes/no items"] = human.loc[kept, items].to_numpy(), twin.loc[kept, items].mean().to_numpy(), (1, 2)
    return found


def real(folder):
    """One row per battery, number of people and kind of digital side."""
    rows = []
    for name, (table, digital, bounds) in batteries(folder).items():
        people, problems = table.shape
        truth = table.mean(axis=0)
        for number, (answers, side) in enumerate(product((3, 5, 10, 20), ("twins", "absent"))):
            rng = np.random.default_rng([2028, len(rows), number])
            values, hits, sizes, refused = [], np.zeros(len(GROUPS)), np.zeros(len(GROUPS)), 0
            for _ in range(DRAWS):
                drawn = table[rng.choice(people, answers, replace=False)].T.ravel()
                problem, person = crowd(problems, answers, "same", rng)
                try:
                    got = across_answers(
                        drawn, problem, person, digital if side == "twins" else None, level=LEVEL, bounds=bounds,
                        population_size=people,
                    )  # fmt: skip
                except ValueError:
                    refused += 1
                    continue
                numbers, hit, size = judge(got, *student(drawn, problem, 1.0 - answers / people), truth)
                values.append([*numbers, got.person_share])
                hits, sizes = hits + hit, sizes + size
            mean = np.mean(values, axis=0)
            error = np.std([row[0] for row in values], ddof=1) / np.sqrt(len(values))
            group = np.min(np.where(sizes > 0, hits / np.maximum(sizes, 1), 1.0)[:6])
            rows.append((name, people, problems, answers, side, mean[0], error, *mean[1:], group, refused))
            print(rows[-1], flush=True)
    columns = ["battery", "people", "T", "n", "digital", "coverage", "se", "below 0.8", "t", "t below 0.8", "width / t"]
    return pd.DataFrame(rows, columns=[*columns, "person share", "worst tercile", "refused"])


def by(table, names):
    """Means over surveys by factors, with the standard error of the coverage."""
    groups = table[table["refused"] == ""].groupby(names, sort=False)
    means = groups[["coverage", "below 0.8", "t", "t below 0.8", "width / t"]].mean()
    means.insert(1, "se", groups["coverage"].std() / np.sqrt(groups.size()))
    means["surveys"] = groups.size()
    return means.reset_index()


def grouped(table, hits, sizes):
    """Coverage of the observable groups, over all surveys and by design."""
    rows = []
    for name, chosen in [("all", np.ones(len(table), bool)), *((each, table["people"] == each) for each in DESIGNS)]:
        rows.append((name, *(hits[chosen].sum(axis=0) / sizes[chosen].sum(axis=0))))
    return pd.DataFrame(rows, columns=["people", *GROUPS])


def low(table, names):
    """The settings more than two standard errors below 0.94, and how many settings there are."""
    cells = by(table, names)
    return cells[cells["coverage"] + 2.0 * cells["se"] < 0.94], len(cells)


def words(table):
    """A table, or that there is nothing to show."""
    return markdown_table(table) if len(table) else "None."


def main():
    parser = command_line(__doc__, "inference")
    out = parser.parse_args().out
    table, hits, sizes = simulated()
    plain = compared()
    place = os.environ.get("CROWDLLM_STATS_DATA")
    people = real(Path(place)) if place else None
    cells = by(table, ["people", "ICC", "T", "n"])
    below, number = low(table, ["people", "ICC", "T", "n"])
    mixed, pairs = low(table, ["people", "ICC", "answers", "loadings"])
    refused = table[table["refused"] != ""]
    text = f"""# Across problems when the same people answer many of them

{made_by(typed())}

`across_answers` (the calculator of `across_from` and of `crowdllm-stats across`) at level {LEVEL:g}. `coverage`: over the
problems of a survey, then over surveys; `se`: its standard error over surveys; `below 0.8`: surveys of which less than
0.8 of the intervals cover; `t`: Student's t on each problem's own answers; `width / t`: mean half-width over that of t.
The script says what is simulated.

## Means alone, and single answers with their people

The same 5 people answer T problems; normal answers, a good digital mean; {COMPARED} surveys a row. `means alone` is
`across_problems`, which assumes different people.

{markdown_table(plain)}

## Simulated surveys by factor

{len(table)} surveys: 3 to 10 of each of {number} settings (who answers, ICC, T, n), the kind of answers, the digital
side, the loadings and the standard deviations drawn at random. Refused with a reason: {len(refused)}.

{markdown_table(by(table.assign(all="all"), ["all"]))}

"""
    for names in (["people"], ["people", "ICC"], ["T", "people"], ["n", "people"], ["answers", "people"], ["digital"],
                  ["loadings", "ICC"], ["sd", "answers"]):  # fmt: skip
        text += f"By {' and '.join(names)}:\n\n{markdown_table(by(table, names))}\n\n"
    text += f"""## Settings below 0.94

Of {number} settings (who answers, ICC, T, n) these are more than two standard errors below 0.94 (all of them stand in
`across_people.csv`):

{words(below)}

The same for {pairs} settings of who answers, ICC, kind of answers and loadings:

{words(mixed)}

## Groups that a user can see

Thirds of a survey's problems by the regression's prediction and by the variance of their own answers, and problems
whose answers are all equal.

{markdown_table(grouped(table, hits, sizes))}
"""
    if people is not None:
        text += f"""
## Real people

n people drawn from those who answered every item of a battery ({DRAWS} draws a row), digital means from their twins
(GPT-4.1 mini) or none; the target is the mean over all these people. `worst tercile`: lowest coverage of the thirds by
prediction and by variance. `person share`: of the variance of an answer, as estimated. The list of the mega-study gives
the donors' items a scale of 1-7, their answers go to 9.

{markdown_table(people)}

Lowest coverage {people["coverage"].min():.3f}, mean {people["coverage"].mean():.3f}; of t {people["t"].min():.3f} and
{people["t"].mean():.3f}. Mean width over that of t: {people["width / t"].mean():.3f}.
"""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "across_people.md", text)
    write_whole(out / "across_people.csv", cells.round(4).to_csv(index=False))


if __name__ == "__main__":
    main()
