"""POPQUORN: texts rated by people of known demographics (Pei and Jurgens 2023, arXiv 2306.06826)."""

from __future__ import annotations

import dataclasses
import os

import pandas as pd

from crowdllm_stats._base.checks import check_choice
from crowdllm_stats.data.assemble import Missing
from crowdllm_stats.data.crowd import CrowdData, ordinal
from crowdllm_stats.data.files import locate, read_table

SOURCE = "github.com/Jiaxin-Pei/Potato-Prolific-Dataset"

PROFILE = ("gender", "race", "age", "occupation", "education")

#: A task: the column of answers, the folder in the published repository, the columns that belong to a problem.
TASKS = {
    "offensiveness": ("offensiveness", "offensiveness", ("text",)),
    "qa_difficulty": ("difficulty", "question_answering", ("text", "question", "groundtruth")),
    "politeness": ("politeness", "politeness_rating", ("text",)),
}


def popquorn(
    name: str = "offensiveness", folder: str | os.PathLike[str] | None = None, *, missing: Missing = "refuse"
) -> CrowdData:
    """Read one of POPQUORN's rating tasks; answers are whole numbers from 1 to 5.

    Args:
        name: "offensiveness" (of Reddit comments), "qa_difficulty" (of reading questions), "politeness" (of emails).
        folder: the folder with the file ``raw_data.csv``, or one above it: the published repository's (or its
            ``dataset`` folder), or one that holds ``popquorn_NAME/raw_data.csv``. Without it, CROWDLLM_STATS_DATA.
        missing: "drop" leaves out rows without rating or user and counts them.

    Returns:
        CrowdData with profile columns gender, race, age, occupation, education; problem columns as in the file (text;
        for questions also question and groundtruth). What a rater wrote beside the rating is not kept.

    Raises:
        FileNotFoundError: if the folder or the file is not there.
        ValueError: on an unknown name, and on a file that is not in the published format.

    Example:
        >>> print(popquorn("offensiveness"))  # doctest: +SKIP
    """
    check_choice("name", name, tuple(TASKS))
    answer, published, of_problem = TASKS[name]
    places = [f"{folder_name}/raw_data.csv" for folder_name in (f"popquorn_{name}", published, f"dataset/{published}")]
    path = locate([*places, "raw_data.csv"], folder, SOURCE)
    there = read_table(path).columns
    return CrowdData.read(
        path,
        scale=ordinal(range(1, 6)),
        columns={"problem": "instance_id", "participant": "user_id", "response": answer},
        profile_columns=PROFILE,
        problem_columns=[column for column in of_problem if column in there],
        missing=missing,
    )


LLM_SOURCE = "github.com/Jiaxin-Pei/LLM-as-Subjective-Judge"

#: Models of the file with six personas; the two of the files with twelve are among them.
MODELS = (
    "flant5_xxl",
    "flan_ul2",
    "tulu2_7b",
    "tulu2_13b",
    "gpt35",
    "gpt4",
    "llama31_8b",
    "mistral03_7b",
    "qwen25_7b",
)

MODELS_WITH_12 = ("gpt4", "gpt35")

#: Persona: gender and race, in the words of the human file; "" where the persona does not say.
PERSONAS = {
    "person": ("", ""),
    "male": ("Man", ""),
    "female": ("Woman", ""),
    "white_person": ("", "White"),
    "black_person": ("", "Black or African American"),
    "asian_person": ("", "Asian"),
    "white_male": ("Man", "White"),
    "white_female": ("Woman", "White"),
    "black_male": ("Man", "Black or African American"),
    "black_female": ("Woman", "Black or African American"),
    "asian_male": ("Man", "Asian"),
    "asian_female": ("Woman", "Asian"),
}

#: How the file with six personas names them.
_SHORT = {
    "person": "base",
    "male": "male",
    "female": "female",
    "white_person": "white",
    "black_person": "black",
    "asian_person": "asian",
}


def popquorn_llm_ratings(
    model: str = "gpt4", personas: int = 12, folder: str | os.PathLike[str] | None = None
) -> CrowdData:
    """Read the ratings one LLM gave to POPQUORN's offensiveness texts, one participant per persona.

    Cells where the model refused or gave a number outside 1 to 5 are left out and counted in ``exclusions`` as
    "empty" and "out of range". Refusals are far from random.

    Args:
        model: with 6 personas one of :data:`MODELS`, with 12 "gpt4" or "gpt35".
        personas: 6 ("person", two genders, three races) or 12 (also the six combinations).
        folder: the folder with the files, or one that holds ``popquorn_llm_ratings``; without it, CROWDLLM_STATS_DATA.

    Returns:
        CrowdData, all personas and problems in its tables; profile columns gender and race in the words of the human
        ratings, "" where the persona does not say ("person" says neither).

    Raises:
        FileNotFoundError: if the folder or the file is not there.
        ValueError: on an unknown model or number of personas, and on a file in another format.

    Example:
        >>> print(popquorn_llm_ratings("gpt4", personas=12))  # doctest: +SKIP
    """
    if personas not in (6, 12):
        raise ValueError(f"personas must be 6 or 12, got {personas!r}")
    check_choice("model", model, MODELS if personas == 6 else MODELS_WITH_12)
    file = "offensiveness_9models_6personas.csv" if personas == 6 else f"offensiveness_{model}_12personas.csv"
    names = {name: f"{model}_{short}" for name, short in _SHORT.items()} if personas == 6 else {n: n for n in PERSONAS}
    path = locate([f"popquorn_llm_ratings/{file}", file], folder, LLM_SOURCE)
    wide = read_table(path)
    absent = [column for column in ("instance_id", *names.values()) if column not in wide.columns]
    if absent:
        raise ValueError(f"{path}: no column {absent[0]!r}; the columns there are {', '.join(wide.columns)}")
    columns = [
        pd.DataFrame(
            {"problem": wide["instance_id"].astype(str), "participant": name, "response": wide[column].astype(str)}
        )
        for name, column in names.items()
    ]
    long = pd.concat(columns, ignore_index=True)
    rating = pd.to_numeric(long["response"], errors="coerce")
    empty, off = long["response"] == "", (rating < 1) | (rating > 5)
    data = CrowdData.from_frame(
        long[~empty & ~off],
        participants=pd.DataFrame(
            [(name, *PERSONAS[name]) for name in names], columns=["participant", "gender", "race"]
        ),
        problems=pd.DataFrame({"problem": wide["instance_id"].astype(str)}),
        scale=ordinal(range(1, 6)),
    )
    counts = {"empty": int(empty.sum()), "out of range": int(off.sum())}
    return dataclasses.replace(data, exclusions={reason: count for reason, count in counts.items() if count})
