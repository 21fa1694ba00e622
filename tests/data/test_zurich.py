"""The Zurich tables: small files in the published format, and the real ones where they are."""

from __future__ import annotations

import pytest

from crowdllm_stats.data.zurich import zurich_llm_votes, zurich_votes

PROJECTS = (
    "project_id,name,category,district,cost\n1,A,Nature,Nord,5000\n2,B,Culture,West,10000\n7,C,Nature,West,5000\n"
)
VOTERS = (
    "voter_index,voter_id,district,topic_transport,topic_culture,topic_nature,importance_district,importance_topic,"
    "importance_cost,persona_text\n0,XX,West,10,30,60,Very important,Slightly important,Not important at all,hello\n"
    "1,YY,Nord,40,30,30,Moderately important,Extremely important,Very important,hi\n"
)
HUMAN = (
    "voter_index,voter_id,format,project_id,points\n0,XX,S5,1,1\n0,XX,S5,7,1\n1,YY,S5,2,1\n1,YY,D5,2,5\n0,XX,D5,1,5\n"
)
LLM = (
    "model,experiment,format,temperature,agent_index,project_id,points\n"
    "gpt-4,baseline,S5,1.0,0,1,1\ngpt-4,baseline,S5,1.0,0,2,1\ngpt-4,baseline,S5,1.0,1,,\ngpt-4,baseline,S5,1.0,2,99,1\n"
    "gpt-4,baseline,S5,1.0,2,1,1\ngpt-4,baseline,S5,1.0,10,7,1\ngpt-4,persona,S5,1.0,0,7,1\n"
)


@pytest.fixture
def folder(tmp_path):
    for name, text in (
        ("projects", PROJECTS),
        ("voters", VOTERS),
        ("human_votes_long", HUMAN),
        ("llm_votes_long", LLM),
    ):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


def test_people_with_what_is_known_of_them(folder):
    votes = zurich_votes("S5", folder)
    assert votes.points.to_numpy().tolist() == [[1, 0, 1], [0, 1, 0]]
    assert votes.voters["importance_district"].tolist() == [4.0, 3.0]
    assert votes.projects.loc["2", "cost"] == 10_000
    assert zurich_votes("D5", folder).points.to_numpy().tolist() == [[5, 0, 0], [0, 5, 0]]
    assert votes.ballots().responses["response"].tolist() == [("1", "7"), ("2",)]


def test_agents_without_a_valid_vote_are_counted(folder):
    votes = zurich_llm_votes("gpt-4", "baseline", folder=folder)
    assert votes.points.index.tolist() == ["0", "10"]
    assert votes.exclusions == {"no readable vote": 1, "a project that does not exist": 1}
    assert votes.with_size(2).exclusions["not exactly 2 projects"] == 1
    assert votes.reference().probabilities[0, 0].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert votes.reference(own=True).profiles == ("0", "10")


@pytest.mark.parametrize(
    ("file", "before", "after", "message"),
    [
        ("human_votes_long", "0,XX,S5,1,1", "0,XX,S5,55,1", "unknown voters or for unknown projects: '55'"),
        ("human_votes_long", "0,XX,S5,7,1", "0,XX,S5,1,1", "name a project twice"),
        ("voters", "Very important,Slightly", "Vital,Slightly", "'importance_district' holds 'Vital'"),
        ("projects", "project_id,", "number,", "projects.csv: no column 'project_id'"),
    ],
)
def test_what_is_wrong_is_said(folder, file, before, after, message):
    place = folder / f"{file}.csv"
    place.write_text(place.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        zurich_votes("S5", folder)


def test_an_unknown_run_names_those_there_are(folder):
    with pytest.raises(ValueError, match="no run gpt-5.*there are gpt-4, baseline, S5, 1.0; gpt-4, persona"):
        zurich_llm_votes("gpt-5", folder=folder)


def test_ballots_of_another_size_and_empty_groups_are_refused(folder):
    votes = zurich_votes("S5", folder)
    with pytest.raises(
        ValueError, match="1 of 2 voters chose another number of projects than due: '1' chose 1 where 2"
    ):
        votes.ballots(2)
    with pytest.raises(ValueError, match=r"this group has 0 voter\(s\)"):
        votes.of([])
    with pytest.raises(ValueError, match="1 voter.s. are not among those who voted: '9'"):
        votes.of(["9"])
    with pytest.raises(ValueError, match="no voter chose exactly 3 projects; they chose 1 to 2"):
        votes.with_size(3)


def test_the_published_totals(data_folder):
    votes = zurich_votes("S5", data_folder)
    assert (votes.sizes == 5).all()
    assert votes.counts.tolist()[:6] == [28, 65, 9, 18, 68, 67]
    hot = zurich_llm_votes("llama2-70b", "temperature", "S5", 2.0, data_folder).with_size(5)
    assert sum(hot.exclusions.values()) + len(hot.points) == 180
