"""Zurich's participatory budgeting experiment: votes of 180 people, and recorded votes of LLM agents."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from crowdllm_stats._base.checks import check_choice
from crowdllm_stats._base.words import some
from crowdllm_stats.data.election import Election
from crowdllm_stats.data.files import locate, read_table

SOURCE = "github.com/joshuay1/zurich-pb-voting and github.com/ethz-coss/LLM_voting"

#: Ballots: any number of projects, exactly five, five ranked; 5 or 10 points; 10 points over five chosen.
Format = Literal["SN", "S5", "S5R", "D5", "D10", "S5D10"]

#: Swiss francs that people were told; the LLMs' prompt said 50,000.
BUDGET = 60_000.0

#: Words of five steps, as 1 to 5.
_STEPS = ("Not important at all", "Slightly important", "Moderately important", "Very important", "Extremely important")

#: What is known of a voter before voting: text as it is, numbers, and words of five steps.
_TEXT, _SHARES = ("district",), ("topic_transport", "topic_culture", "topic_nature")
_IMPORTANCE = ("importance_district", "importance_topic", "importance_cost")


def zurich_votes(format: Format = "S5", folder: str | os.PathLike[str] | None = None) -> Election:
    """Read the votes of the 180 people in one of six formats.

    Args:
        format: "SN" any number of projects, "S5" exactly five, "S5R" five ranked (5 to 1 points), "D5" and "D10" 5 or
            10 points, "S5D10" 10 points over five projects.
        folder: with ``human_votes_long.csv``, ``projects.csv`` and ``voters.csv``, or one that holds ``zurich_pb``;
            without it, CROWDLLM_STATS_DATA.

    Returns:
        Election: projects with name, category, district and cost; voters with district, percent of interest in three
        topics, and how important district, topic and cost are to them (1 "not at all" to 5 "extremely").

    Raises:
        FileNotFoundError: if the folder or a file is not there.
        ValueError: on an unknown format, votes of unknown voters or for unknown projects, other columns.

    Source: Yang et al. 2024, Designing digital voting systems for citizens, arXiv 2310.03501.

    Example:
        >>> print(zurich_votes("S5").counts.sum())  # doctest: +SKIP
        900
    """
    check_choice("format", format, get_args(Format))
    path = locate(["zurich_pb/human_votes_long.csv", "human_votes_long.csv"], folder, SOURCE)
    projects, voters = _projects(path.parent), _voters(path.parent)
    votes = _columns(path, "format", "voter_index", "project_id", "points")
    votes = votes[votes["format"] == format]
    strange = sorted(set(votes["project_id"]) - set(projects.index)) + sorted(
        set(votes["voter_index"]) - set(voters.index)
    )
    if strange:
        raise ValueError(f"{path.name}: votes of unknown voters or for unknown projects: {some(strange)}")
    return Election(_points(votes, "voter_index", list(voters.index), projects), projects, voters, BUDGET)


def zurich_llm_votes(
    model: str = "gpt-4",
    experiment: str = "baseline",
    format: Format = "S5",
    temperature: float = 1.0,
    folder: str | os.PathLike[str] | None = None,
) -> Election:
    """Read the recorded votes of 180 agents of one LLM in one experiment.

    Args:
        model: "gpt-4" or "llama2-70b".
        experiment: "baseline" (no persona), "persona" and "persona_cot" (agent i is told the profile of voter i), and
            others of the file.
        format: see :func:`zurich_votes`.
        temperature: of the model.
        folder: with ``llm_votes_long.csv`` and ``projects.csv``, or one that holds ``zurich_pb``; without it,
            CROWDLLM_STATS_DATA.

    Returns:
        Election whose voters are the agents. Agents without a readable vote, and agents who named a project that does
        not exist, are left out and counted; :meth:`Election.with_size` leaves out those who chose another number.

    Raises:
        FileNotFoundError: if the folder or a file is not there.
        ValueError: if the file has no such run, naming those that it has.

    Source: Yang et al. 2024, LLM voting: human choices and AI collective decision making, arXiv 2402.01766.

    Example:
        >>> print(len(zurich_llm_votes("gpt-4", "persona").with_size(5).points))  # doctest: +SKIP
        178
    """
    path = locate(["zurich_pb/llm_votes_long.csv", "llm_votes_long.csv"], folder, SOURCE)
    projects = _projects(path.parent)
    columns = ("model", "experiment", "format", "temperature", "agent_index", "project_id", "points")
    votes = _columns(path, *columns)
    votes["temperature"] = votes["temperature"].astype(float)
    wanted = {"model": model, "experiment": experiment, "format": format, "temperature": float(temperature)}
    run = votes[np.logical_and.reduce([votes[name] == value for name, value in wanted.items()])]
    if run.empty:
        known = [", ".join(map(str, one)) for one in votes[list(wanted)].drop_duplicates().to_numpy()]
        raise ValueError(f"no run {', '.join(map(str, wanted.values()))}; there are {'; '.join(known)}")
    silent = set(run.loc[run["project_id"] == "", "agent_index"])
    strange = set(run.loc[~run["project_id"].isin([*projects.index, ""]), "agent_index"]) - silent
    kept = run[~run["agent_index"].isin(silent | strange)]
    agents = sorted(set(kept["agent_index"]), key=int)
    left_out = {"no readable vote": len(silent), "a project that does not exist": len(strange)}
    return Election(
        _points(kept, "agent_index", agents, projects), projects, pd.DataFrame(index=pd.Index(agents, name="voter")),
        BUDGET, {reason: count for reason, count in left_out.items() if count},
    )  # fmt: skip


def _columns(path: Path, *wanted: str) -> pd.DataFrame:
    if not path.is_file():
        raise FileNotFoundError(f"no {path.name} in {path.parent}; the data are at {SOURCE}")
    table = read_table(path)
    missing = [column for column in wanted if column not in table.columns]
    if missing:
        raise ValueError(f"{path.name}: no column {missing[0]!r}; it should have {', '.join(wanted)}")
    return table.astype(str)


def _projects(folder: Path) -> pd.DataFrame:
    table = _columns(folder / "projects.csv", "project_id", "name", "category", "district", "cost")
    return table.assign(cost=table["cost"].astype(float)).set_index("project_id")


def _voters(folder: Path) -> pd.DataFrame:
    table = _columns(folder / "voters.csv", "voter_index", *_TEXT, *_SHARES, *_IMPORTANCE).set_index("voter_index")
    table.index.name = "voter"
    found = table[[*_TEXT]].assign(**{name: table[name].astype(float) for name in _SHARES})
    step = {word: float(number) for number, word in enumerate(_STEPS, start=1)}
    for name in _IMPORTANCE:
        strange = sorted(set(table[name]) - set(step))
        if strange:
            raise ValueError(f"voters.csv: column {name!r} holds {some(strange)}; known are {', '.join(_STEPS)}")
        found[name] = table[name].map(step)
    return found


def _points(votes: pd.DataFrame, who: str, voters: list[Any], projects: pd.DataFrame) -> pd.DataFrame:
    twice = votes.duplicated([who, "project_id"])
    if twice.any():
        raise ValueError(
            f"{int(twice.sum())} vote(s) name a project twice, for instance {votes.loc[twice, who].iloc[0]}"
        )
    table = votes.set_index([who, "project_id"])["points"].astype(float).unstack()  # noqa: PD010 - nothing to aggregate
    table = table.reindex(index=voters, columns=projects.index).fillna(0.0)
    table.index.name = "voter"
    return table


__all__ = ["zurich_llm_votes", "zurich_votes"]
