"""Is a digital population calibrated, and for whom not? The test's false alarms on made surveys, then Case Study I.

    make reports NAME=generator/calibration    # the report; a look at it under out/: python benchmarks/calibration.py

First made surveys whose law is known: how often a right population is called wrong, by this test and by a chi-square test
that takes answers as independent, and how often wrong ones are found. Then POPQUORN's offensiveness ratings: people held
out, and people and problems held out, with GPT-4's recorded ratings and with the references of the shipped population.
Needs the data folder (CROWDLLM_STATS_DATA) and `crowdllm-stats backbone fetch minilm`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import chi2
from statsmodels.stats.proportion import proportion_confint

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.random import generator
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.data import popquorn
from crowdllm_stats.data.crowd import CrowdData, ordinal
from crowdllm_stats.evaluation.calibration import BINS, calibration
from crowdllm_stats.evaluation.case_study.reference_tables import References
from crowdllm_stats.evaluation.case_study.references import read_references
from crowdllm_stats.evaluation.case_study.texts import read_texts
from crowdllm_stats.evaluation.check_page import markdown
from crowdllm_stats.evaluation.drawn import EVERYONE
from crowdllm_stats.evaluation.population_check import check_population
from crowdllm_stats.generator.shipped import COMPONENTS, load_population, stored_reference
from reports import command_line, typed

#: Surveys for each law, and draws of the population for each survey.
RIGHT, WRONG, DRAWS = 600, 100, 99
PEOPLE, PROBLEMS, EACH = 50, 60, 10

#: Populations: shift of the answers, factor on their spread, standard deviation of people's effects (0.7 is right).
LAWS = {
    "right": (0.0, 1.0, 0.7),
    "shifted by 0.3": (0.3, 1.0, 0.7),
    "shifted by 0.5": (0.5, 1.0, 0.7),
    "spread 20% too wide": (0.0, 1.2, 0.7),
    "spread 20% too narrow": (0.0, 0.8, 0.7),
    "people half as different": (0.0, 1.0, 0.35),
    "people twice as different": (0.0, 1.0, 1.4),
}


def survey(rng, shift, wide, person):
    """Answers ``round(3 + a_i + b_t + noise)`` on 1 to 5, and draws of a population."""
    who = np.repeat(np.arange(PEOPLE), EACH)
    asked = np.concatenate([rng.permutation(PROBLEMS)[:EACH] for _ in range(PEOPLE)])

    def answers(shift, wide, person):
        own = rng.normal(0.0, person, PEOPLE)[who] + rng.normal(0.0, 0.5, PROBLEMS)[asked]
        return np.clip(np.round(3.0 + shift + wide * (own + rng.normal(0.0, 0.7, len(who)))), 1.0, 5.0)

    table = pd.DataFrame({"problem": [f"q{one}" for one in asked], "participant": [f"w{one}" for one in who],
                          "response": answers(0.0, 1.0, 0.7), "group": np.where(who % 2, "left", "right")})  # fmt: skip
    draws = np.stack([answers(shift, wide, person) for _ in range(DRAWS)])
    return CrowdData.from_frame(table, scale=ordinal([1, 2, 3, 4, 5])), draws


def naive(found):
    """p-value of a chi-square test of the PIT histogram as if answers were independent."""
    expected = len(found.pit) / BINS
    counts = np.histogram(found.pit, BINS, (0.0, 1.0))[0]
    return chi2.sf(((counts - expected) ** 2 / expected).sum(), BINS - 1)


def alarms(name):
    """How often each test calls a population wrong at level 0.95."""
    count = RIGHT if name == "right" else WRONG
    called = []
    for number in range(count):
        found = calibration(*survey(generator(number, name), *LAWS[name]), seed=number)
        parts = (found.flagged["part"] != EVERYONE).any()
        called.append([not found.calibrated, parts, naive(found) <= 0.05])
    share = np.mean(called, axis=0)
    low, high = proportion_confint(np.sum(called, axis=0), count, method="beta")
    words = [f"{one:.3f} [{a:.3f}, {b:.3f}]" for one, a, b in zip(share, low, high, strict=True)]
    return dict(zip(("population", "surveys", "called not calibrated", "a part named", "chi-square test"),
                    (name, count, *words), strict=True))  # fmt: skip


def studies(data):
    """Name, what it is, and the check."""
    texts = read_texts(data, "minilm")
    gpt4 = read_references("recorded:gpt4", data)
    stored = stored_reference(load_population("offensiveness").fitted)
    shipped = References("SmolLM2, as stored in the shipped population", stored, None)
    common = {"name": "popquorn:offensiveness"}
    yield (
        "new_problems_gpt4",
        "Case Study I, GPT-4: new people, new comments",
        check_population(data, gpt4, texts, protocol="new-problems", **common),
    )
    yield (
        "people_shipped",
        "The shipped population: new people, known comments",
        check_population(data, shipped, texts, protocol="paper", components=COMPONENTS, **common),
    )


def verdict(title, found):
    """One line for the head of the report."""
    own = found.calibration
    parts = list(dict.fromkeys(own.flagged.loc[own.flagged["part"] != EVERYONE, "part"]))
    named = f"; named: {', '.join(parts)}" if parts else "; no part is named"
    return (
        f"- {title}: {'nothing speaks against it' if own.calibrated else 'not calibrated'} for everyone together, "
        f"p = {own.p_value:.3g}{named}."
    )


def main() -> None:
    """Simulate, fit, write."""
    out = command_line(__doc__, "generator").parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    rates = pd.DataFrame([alarms(name) for name in LAWS])
    print(rates.to_string(index=False), flush=True)
    heads, pages = [], []
    for name, title, found in studies(popquorn("offensiveness")):
        print(title, found, sep="\n\n", flush=True)
        picture = f"calibration_{name}.png"
        found.plot().savefig(out / picture, dpi=110, metadata={"Software": None})
        heads.append(verdict(title, found))
        pages.append(f"## {title}\n\n{markdown(found, picture)}")
    text = "\n\n".join(
        [
            "# Is the population calibrated, and for whom not?",
            made_by(typed()),
            "`crowdllm-stats evaluate --check`: generators that saw none of the people in question are asked what other "
            "people with the same profiles would have answered, 499 times over, and the answers are compared with these "
            "draws. Errors of estimation count as miscalibration: the question is whether the fitted population will do.",
            "\n".join(heads),
            "## The test itself, on made surveys",
            f"{PEOPLE} people give {EACH} answers each to {PROBLEMS} problems on the levels 1 to 5, "
            "`round(3 + a_i + b_t + noise)` with standard deviations 0.7, 0.5 and 0.7; two groups of people that do not "
            f"differ; {DRAWS} draws. Share of surveys in which the population is called wrong at level 0.95, with "
            "Clopper-Pearson intervals. For a right population it should be at most 0.05. The chi-square test of the PIT "
            "histogram takes answers as independent; it is there to show what the clustering does to such tests.",
            markdown_table(rates),
            *pages,
        ]
    )
    write_whole(out / "calibration.md", text)


if __name__ == "__main__":
    main()
