"""Is a digital population as diverse as people, between and within persons? CrowdLLM and recorded LLM personas.

    make reports NAME=diversity    # the report; a look at it under out/: python benchmarks/diversity.py

POPQUORN's offensiveness ratings, protocol `new-problems`: a fifth of the comments and of the people held out, in five folds,
so that every comment is held out once. Needs the published data (CROWDLLM_STATS_DATA) and the sentence embedder
(``crowdllm-stats backbone fetch minilm``).
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from backbones_compared import answered_by_all

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.backbones import RecordedBackbone
from crowdllm_stats.data import popquorn
from crowdllm_stats.data.popquorn_ratings import MODELS, popquorn_llm_ratings
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.evaluation.baselines import MultiPersona
from crowdllm_stats.evaluation.case_study.references import RECORDED, read_references
from crowdllm_stats.evaluation.case_study.texts import read_texts
from crowdllm_stats.evaluation.diversity import diversity
from crowdllm_stats.evaluation.diversity_shown import picture, sentence, verdict
from crowdllm_stats.evaluation.drawn import EVERYONE
from crowdllm_stats.evaluation.population_check import FEWER_DRAWS, check_population
from reports import command_line, typed

OURS = "CrowdLLM, GPT-4"
ALL = "nine LLMs x 6 personas"


def personas(data):
    """Crowds of recorded personas by name: of one LLM, of people's own gender and race, and of all LLMs."""
    yield "GPT-4, 12 personas", read_references(f"{RECORDED}gpt4", data).personas
    matched = RecordedBackbone(popquorn_llm_ratings("gpt4", 12), missing="pool", model="gpt4")
    yield "GPT-4, own gender and race", matched.reference(data.problems, data.participants)
    each = {model: read_references(f"{RECORDED}{model}", data).personas for model in MODELS if model != "gpt4"}
    each["gpt4"] = matched.reference(data.problems, popquorn_llm_ratings("gpt4", 6).participants)
    yield from ((f"{model}, 6 personas", reference) for model, reference in each.items())
    names = tuple(f"{model} {profile}" for model, one in each.items() for profile in one.profiles)
    shares = np.concatenate([one.probabilities for one in each.values()], axis=1)
    first = next(iter(each.values()))
    yield ALL, Reference.from_probabilities(first.problems, first.answers, shares, profiles=names)


def everyone(crowds):
    """The rows of everyone of all crowds, the crowd's name as the part."""
    tables = [one.table[one.table["part"] == EVERYONE].assign(part=name) for name, one in crowds.items()]
    return pd.concat(tables, ignore_index=True)


def shown(table):
    """Estimates with intervals as text, a row per crowd or part."""
    words = [f"{row['estimate']:.3f} [{row['lower']:.3f}, {row['upper']:.3f}]" for _, row in table.iterrows()]
    told = [f"{one} ({verdict(row)})" for one, (_, row) in zip(words, table.iterrows(), strict=True)]
    wide = table.assign(told=told).pivot_table("told", "part", "measure", "first", sort=False)
    return wide.fillna("not told").reset_index()


def head(crowds):
    """What came out for CrowdLLM, and for how many of the others."""
    lines = [f"- {sentence(row)}." for _, row in everyone({OURS: crowds[OURS]}).iterrows()]
    others = everyone({name: one for name, one in crowds.items() if name != OURS})
    for measure, rows in others.groupby("measure", sort=False):
        told = [verdict(row) for _, row in rows.iterrows()]
        counts = ", ".join(f"{told.count(word)} {word}" for word in dict.fromkeys(told))
        lines.append(f"- The {len(rows)} crowds of recorded personas, {measure}: {counts}.")
    ours = crowds[OURS]
    nearer = [name for name, one in crowds.items()
              if one.row("energy distance")["estimate"] < ours.row("energy distance")["estimate"]]  # fmt: skip
    lines.append(f"- Nearer to people than CrowdLLM by energy distance: {', '.join(nearer) or 'none of them'}.")
    return "\n".join(lines)


def main() -> None:
    """Fit, draw, compare, write."""
    out = command_line(__doc__, "diversity").parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    everything = popquorn("offensiveness")
    data = answered_by_all(everything)
    check = check_population(data, read_references(f"{RECORDED}gpt4", data), read_texts(data, "minilm"),
                             name="popquorn:offensiveness",
                             progress=lambda step: print(step, file=sys.stderr, flush=True))  # fmt: skip
    ours = check.diversity
    crowds = {OURS: ours}
    for name, reference in personas(data):
        print(name, file=sys.stderr, flush=True)
        drawn = MultiPersona(reference).replicates(ours.data, FEWER_DRAWS)
        crowds[name] = diversity(ours.data, drawn, folds=ours.folds)
    for name, figure in (("crowds", picture(everyone(crowds))), ("groups", ours.plot()), ("calibration", check.plot())):
        figure.savefig(out / f"{name}.png", dpi=110, metadata={"Software": None})
    everyone(crowds).to_csv(out / "crowds.csv", index=False, lineterminator="\n")
    ours.to_frame().to_csv(out / "groups.csv", index=False, lineterminator="\n")
    count = ours.table.iloc[0]
    words = [
        "# Diversity between and within persons",
        made_by(typed()),
        f"POPQUORN's offensiveness ratings, protocol `new-problems` in five folds: {count['answers']:,} answers of "
        f"{count['people']} people to comments of which the generator saw no rating, by whomever "
        f"({len(everything.problems) - len(data.problems)} comments that one of nine LLMs refused to rate as any persona are left "
        f"out of everything here, and answers that are the only ones to a comment). {FEWER_DRAWS} times over, "
        "other people with the same profiles answer the same comments. `crowdllm-stats evaluate --check` prints the same.",
        head(crowds),
        "An answer is a comment's level plus a person's plus the rest; the two variances are unbiased whoever rated what. "
        "Ratios are digital over human, 1 is right. The energy distance of the two laws of an answer to a comment, averaged "
        "over comments, is 0 for equal laws. Intervals at 95% are for other people like these and the same comments (groups "
        "of people left out in turn), each by itself. Virtual people of a recorded crowd are one persona each, which stays "
        "over comments: drawn at random, or the one that says most of the person's own gender and race.",
        "## Crowds",
        markdown_table(shown(everyone(crowds))),
        "![crowds](crowds.png)",
        "Numbers behind it, variances included: [crowds.csv](crowds.csv).",
        f"## Groups: {OURS}",
        f"```\n{ours}\n```",
        markdown_table(shown(ours.table)),
        "![groups](groups.png)",
        "Numbers behind it: [groups.csv](groups.csv).",
        "## Calibration of the same fits",
        "Of the answers of people who were held out too: PIT and rank histograms, and tests that hold for answers that go "
        "together by person and comment.",
        "```\n" + str(check.calibration).split("\n\n", maxsplit=1)[0] + "\n```",
        "![calibration](calibration.png)",
        *check.notes,
    ]  # fmt: skip
    write_whole(out / "README.md", "\n\n".join(words) + "\n")
    print("\n\n".join(words))


if __name__ == "__main__":
    main()
