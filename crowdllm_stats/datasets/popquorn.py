"""POPQUORN: texts rated by people of known demographics (Pei and Jurgens 2023, arXiv 2306.06826)."""

from __future__ import annotations

import os

from crowdllm_stats._base.checks import check_choice
from crowdllm_stats.crowd import CrowdData, ordinal
from crowdllm_stats.datasets.folder import locate
from crowdllm_stats.tables.files import read_table

SOURCE = "github.com/Jiaxin-Pei/Potato-Prolific-Dataset"

PROFILE = ("gender", "race", "age", "occupation", "education")

#: A task: the column of answers, the folder in the published repository, the columns that belong to a problem.
TASKS = {
    "offensiveness": ("offensiveness", "offensiveness", ("text",)),
    "qa_difficulty": ("difficulty", "question_answering", ("text", "question", "groundtruth")),
    "politeness": ("politeness", "politeness_rating", ("text",)),
}


def popquorn(
    name: str = "offensiveness", folder: str | os.PathLike[str] | None = None, *, missing: str = "refuse"
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
