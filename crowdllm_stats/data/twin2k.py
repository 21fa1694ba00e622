"""Twin-2K-500: answers of named people and of their LLM twins, one wide file for each."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import FloatArray, check_choice
from crowdllm_stats.data.crowd import CrowdData, Scale, continuous, ordinal
from crowdllm_stats.data.files import locate, read_table
from crowdllm_stats.data.ids import as_ids

MEGA_STUDY_SOURCE = "github.com/TianyiPeng/Twin-2K-500-Mega-Study"
ITEMS_SOURCE = "github.com/yw3453/syn-digits"

#: How the twins of the items were prompted, and the file of their answers.
Prompt = Literal["text_persona", "demographics_only"]
PROMPTS: dict[Prompt, str] = {
    "text_persona": "llm_text_persona_gpt41_mini.csv",
    "demographics_only": "llm_demographics_only_gpt41_mini.csv",
}
#: Most whole numbers of a scale that is read as ordinal; a longer one is continuous.
LONGEST_ORDINAL = 21


@dataclasses.dataclass(frozen=True, eq=False)
class TwinAnswers:
    """One question's answers of the people who have a twin's answer beside their own.

    Attributes:
        question: its name.
        people: their ids.
        human: (P,) what they answered.
        twin: (P,) what their twins answered.
        bounds: ends of the scale.
    """

    question: str
    people: tuple[str, ...]
    human: FloatArray
    twin: FloatArray
    bounds: tuple[float, float]

    @property
    def two_valued(self) -> bool:
        """Whether all answers lie at the two ends of the scale."""
        both = np.concatenate([self.human, self.twin])
        return bool(np.all((both == self.bounds[0]) | (both == self.bounds[1])))


@dataclasses.dataclass(frozen=True, eq=False)
class TwinStudy:
    """Wide answers of people and of their twins, one row per person and one column per question, NaN where not asked.

    Attributes:
        human: answers of people, indexed by ``participant``.
        digital: of their twins, same rows and columns.
        scales: one row per question: ``question`` (index), ``study``, ``low``, ``high``, and ``widened``, whether
            answers lay beyond the ends that the data name, which are then those of the answers.
    """

    human: pd.DataFrame
    digital: pd.DataFrame
    scales: pd.DataFrame

    @property
    def questions(self) -> tuple[str, ...]:
        """Names of the questions, in the order of the file."""
        return tuple(self.human.columns)

    def answers(self, question: str) -> TwinAnswers:
        """The pairs of one question.

        Raises:
            ValueError: on an unknown question.
        """
        check_choice("question", question, self.questions)
        both = self.human[question].notna() & self.digital[question].notna()
        low, high = self.scales.loc[question, ["low", "high"]].astype(float)
        return TwinAnswers(
            question,
            tuple(self.human.index[both]),
            self.human.loc[both, question].to_numpy(dtype=float),
            self.digital.loc[both, question].to_numpy(dtype=float),
            (float(low), float(high)),
        )

    def human_data(self, question: str) -> CrowdData:
        """People's answers to one question, on its scale: ordinal where its answers are few whole numbers.

        Raises:
            ValueError: on an unknown question.
        """
        return self._data(self.human, question)

    def digital_data(self, question: str) -> CrowdData:
        """The twins' answers to one question, all of them, on its scale; participants are named as their people.

        Raises:
            ValueError: on an unknown question.
        """
        return self._data(self.digital, question)

    def _data(self, table: pd.DataFrame, question: str) -> CrowdData:
        check_choice("question", question, self.questions)
        answered = table[question].dropna()
        frame = pd.DataFrame({"problem": question, "participant": answered.index, "response": answered.to_numpy()})
        return CrowdData.from_frame(frame, scale=self._scale(question))

    def _scale(self, question: str) -> Scale:
        low, high = (float(end) for end in self.scales.loc[question, ["low", "high"]])
        both = pd.concat([self.human[question], self.digital[question]]).dropna().to_numpy(dtype=float)
        whole = bool(np.all(both == np.floor(both))) and low.is_integer() and high.is_integer()
        if whole and high - low < LONGEST_ORDINAL:
            return ordinal(range(int(low), int(high) + 1))
        return continuous(low, high)


def twin2k_mega_study(folder: str | os.PathLike[str] | None = None) -> TwinStudy:
    """Read the mega-study: 163 outcomes of 19 studies, people and the twins that know their whole questionnaire.

    Args:
        folder: with the files ``human.csv``, ``llm.csv`` and ``outcomes.csv`` (columns ``study_name``, ``DV_variable``,
            ``DV_min``, ``DV_max``), or one that holds ``twin2k_mega_study``; without it, CROWDLLM_STATS_DATA.

    Returns:
        TwinStudy. Scales are those of ``outcomes.csv``; where answers lie beyond them (eleven outcomes do), the ends
        are those of the answers and ``widened`` says so. Outcomes without a column in the answers are left out.

    Raises:
        FileNotFoundError: if the folder or a file is not there.
        ValueError: on files in another format, with other people or other questions.

    Source: Peng et al. 2025, LLM digital twins: a mega-study, arXiv 2509.19088.

    Example:
        >>> print(len(twin2k_mega_study().questions))  # doctest: +SKIP
        163
    """
    path = locate(["twin2k_mega_study/human.csv", "human.csv"], folder, MEGA_STUDY_SOURCE)
    human, digital = _sides(path, path.parent / "llm.csv", MEGA_STUDY_SOURCE)
    named = read_table(_there(path.parent / "outcomes.csv", MEGA_STUDY_SOURCE))
    wanted = ["study_name", "DV_variable", "DV_min", "DV_max"]
    missing = [column for column in wanted if column not in named.columns]
    if missing:
        raise ValueError(f"outcomes.csv: no column {missing[0]!r}; it should have {', '.join(wanted)}")
    named = named.assign(question=named["DV_variable"].astype(str)).drop_duplicates("question").set_index("question")
    absent = [question for question in human.columns if question not in named.index]
    if absent:
        raise ValueError(f"outcomes.csv: no row for {len(absent)} question(s), for instance {absent[0]!r}")
    named = named.loc[list(human.columns)]
    low, high = (pd.to_numeric(named[column], errors="coerce") for column in ("DV_min", "DV_max"))
    return TwinStudy(human, digital, _scales(human, digital, named["study_name"], low, high))


def twin2k_items(prompt: Prompt = "text_persona", folder: str | os.PathLike[str] | None = None) -> TwinStudy:
    """Read the 123 questions of Twin-2K-500 with the twins of one of two prompts.

    Args:
        prompt: "text_persona" (twins that know the person's whole questionnaire) or "demographics_only".
        folder: with the files ``human.csv`` and the one of the prompt, or one that holds ``twin2k_items``; without it,
            CROWDLLM_STATS_DATA.

    Returns:
        TwinStudy. The data name no scales: the ends are the smallest and largest answer of people and of the twins of
        this prompt.

    Raises:
        FileNotFoundError: if the folder or a file is not there.
        ValueError: on an unknown prompt, and on files in another format, with other people or other questions.

    Source: Toubia et al. 2025, Twin-2K-500, as published with syn-digits.

    Example:
        >>> print(len(twin2k_items("demographics_only").questions))  # doctest: +SKIP
        123
    """
    check_choice("prompt", prompt, tuple(PROMPTS))
    path = locate(["twin2k_items/human.csv", "human.csv"], folder, ITEMS_SOURCE)
    human, digital = _sides(path, path.parent / PROMPTS[prompt], ITEMS_SOURCE)
    low = pd.concat([human.min(), digital.min()], axis=1).min(axis=1)
    high = pd.concat([human.max(), digital.max()], axis=1).max(axis=1)
    return TwinStudy(human, digital, _scales(human, digital, pd.Series("items", index=human.columns), low, high))


def _there(path: Path, source: str) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"no {path.name} in {path.parent}; the data are at {source}")
    return path


def _sides(human: Path, digital: Path, source: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables, the twins' in the order of the people's rows and columns."""
    people, twins = _wide(human), _wide(_there(digital, source))
    for what, one, other in (("question", people.columns, twins.columns), ("person", people.index, twins.index)):
        unpaired = one.symmetric_difference(other)
        if len(unpaired):
            raise ValueError(
                f"{human.name} and {digital.name} differ in {len(unpaired)} {what}(s), for instance {unpaired[0]!r}: "
                "they should have the same people and questions"
            )
    return people, twins.loc[people.index, people.columns]


def _wide(path: Path) -> pd.DataFrame:
    table = read_table(path)
    if "TWIN_ID" not in table.columns:
        raise ValueError(f"{path.name}: no column 'TWIN_ID' of people's ids; its first is {table.columns[0]!r}")
    given = table["TWIN_ID"]
    numbers = pd.to_numeric(given.mask(given == ""), errors="coerce")  # written 1.0 in one file, 1 in others
    known = as_ids(numbers, f"{path.name}: TWIN_ID")
    if known.missing.any():
        raise ValueError(
            f"{path.name}: {int(known.missing.sum())} row(s) without a TWIN_ID; leave them out of the file"
        )
    ids = known.column()
    repeated = ids[ids.duplicated()]
    if len(repeated):
        raise ValueError(f"{path.name}: TWIN_ID {repeated.iloc[0]!r} stands in more than one row")
    answers = table.drop(columns="TWIN_ID")
    answers = answers.mask(answers == "")
    values = answers.apply(pd.to_numeric, errors="coerce")
    words = values.isna() & answers.notna()
    if words.to_numpy().any():
        column = words.columns[words.any()][0]
        raise ValueError(
            f"{path.name}: column {column!r} holds {answers.loc[words[column], column].iloc[0]!r}, no number"
        )
    return values.astype(float).set_index(pd.Index(ids.to_numpy(), name="participant"))


def _scales(
    human: pd.DataFrame, digital: pd.DataFrame, study: pd.Series, low: pd.Series, high: pd.Series
) -> pd.DataFrame:
    least = pd.concat([human.min(), digital.min()], axis=1).min(axis=1)
    most = pd.concat([human.max(), digital.max()], axis=1).max(axis=1)
    found = pd.DataFrame({"study": study, "low": low.astype(float), "high": high.astype(float)})
    found["widened"] = (least < found["low"]) | (most > found["high"])
    found["low"] = np.fmin(found["low"], least)
    found["high"] = np.fmax(found["high"], most)
    found.index.name = "question"
    return found
