"""Pabulib files: every ballot type, unknown keys kept, the round trip, and what is wrong said in one line."""

from __future__ import annotations

import pytest

from crowdllm_stats.data.pabulib import read_pabulib

META = "META\nkey;value\nnum_projects;4\nnum_votes;3\nbudget;{budget}\nvote_type;{kind}\nmood;sunny\n{more}"
PROJECTS = (
    "PROJECTS\nproject_id;cost;name;weather\np1;5;A park;dry\n"
    '2;10,5;"Trees; and more";None\n007;3;Lamp;\nz;8;Üetli;wet\n'
)
APPROVAL = "VOTES\nvoter_id;vote;age\nann;p1,007;31\nbob;z;None\ncat;2,z,007;\n"
POINTS = "VOTES\nvoter_id;vote;points\nann;p1,007;3,1\nbob;z;4\ncat;2,z,007;1,1,2\n"


def content(kind="approval", votes=APPROVAL, more="", budget="12.5"):
    return META.format(kind=kind, more=more, budget=budget) + PROJECTS + votes


@pytest.fixture
def read(tmp_path):
    def read(text):
        place = tmp_path / "made.pb"
        place.write_text(text, encoding="utf-8")
        return read_pabulib(place)

    return read


@pytest.mark.parametrize(
    ("kind", "votes", "more", "expected"),
    [
        ("approval", APPROVAL, "", [[1, 0, 1, 0], [0, 0, 0, 1], [0, 1, 1, 1]]),
        ("ordinal", APPROVAL, "max_length;3\n", [[3, 0, 2, 0], [0, 0, 0, 3], [0, 3, 1, 2]]),
        ("cumulative", POINTS, "max_sum_points;4\n", [[3, 0, 1, 0], [0, 0, 0, 4], [0, 1, 2, 1]]),
        ("scoring", POINTS, "", [[3, 0, 1, 0], [0, 0, 0, 4], [0, 1, 2, 1]]),
        ("scoring", POINTS, "default_score;2\n", [[3, 2, 1, 2], [2, 2, 2, 4], [2, 1, 2, 1]]),
        ("choose-1", "VOTES\nvoter_id;vote\nann;p1\nbob;z\ncat;z\n", "", [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]]),
    ],
)
def test_each_ballot_type_gives_its_points(read, kind, votes, more, expected):
    election = read(content(kind, votes, more)).election()
    assert election.points.to_numpy().tolist() == expected
    assert election.points.index.tolist() == ["ann", "bob", "cat"]
    assert election.projects["cost"].tolist() == [5.0, 10.5, 3.0, 8.0]
    assert election.budget == 12.5


def test_a_file_comes_out_as_it_went_in(read, tmp_path):
    given = read(content())
    assert given.meta["mood"] == "sunny"
    assert given.projects["weather"].tolist() == ["dry", "None", "", "wet"]
    given.write(tmp_path / "again.pb")
    assert (tmp_path / "again.pb").read_bytes() == (tmp_path / "made.pb").read_bytes()


def test_a_header_that_lacks_a_name_is_kept_and_said(read, tmp_path):
    longer = content().replace(";31\n", ";31;9\n").replace("z;None\n", "z;None;8\n").replace("007;\n", "007;;7\n")
    given = read(longer)
    assert given.votes.columns[-1] == "(unnamed 1)"
    assert "4 cells where the header names 3" in str(given)
    assert given.text() == longer


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (content()[: content().index("cat")], "VOTES has 2 rows where META says num_votes 3; the file may be cut off"),
        (content()[: content().index("VOTES")], "section VOTES is missing or empty; the file may be cut off"),
        (content()[: content().index(";wet")], "section VOTES is missing or empty"),
        (content()[: content().index(",z,007")], "row 3 of VOTES has 2 cells where 3 are due; the file may be cut"),
        (content().replace("bob;z;", "bob;river;"), "voter bob voted for unknown project"),
        (content().replace("bob;z;", "bob;z,z;"), "voter bob named a project twice"),
        (content().replace("bob;z;", "ann;z;"), "voter_id 'ann' stands in more than one row"),
        (content("vibes"), "vote_type 'vibes' is not known; use one of approval, choose-1"),
        (content(more="min_length;2\nmax_length;2\n"), "voter bob chose 1 project.s. where 2 to 2 are due"),
        (content("choose-1"), "voter ann chose 2 project.s. where 0 to 1 are due"),
        (content("cumulative", POINTS, "max_sum_points;3\n"), "voter ann gave 3,1; points are .* at most 3"),
        (content("scoring", POINTS.replace("3,1", "3")), "voter ann has 1 points for 2 projects"),
        (content("scoring", POINTS.replace("3,1", "3,x")), "points of voter ann is 'x', not a number"),
        (content(budget="much"), "budget is 'much', not a number"),
        (content(budget="nan"), "budget is 'nan', not a number"),
        (content(budget="1,000"), "budget is '1,000', thousands or a decimal comma; write it without a comma"),
        (content(budget="-3"), "must be positive numbers; the budget is -3"),
        (content().replace("z;8;", "z;0;"), "the budget is 12.5; project z costs 0"),
        (content(more="max_length;2.5\n"), "max_length is '2.5', not a whole number"),
        (content(more="max_length;inf\n"), "max_length is 'inf', not a number"),
        (content()[:-1], "the last line, of voter cat, has no line break, so the file may be cut off in that vote"),
        (content().replace("A park", "A" * 200_000), "field larger than field limit .*; a quote may be open"),
        (content(more="mood;rainy\n"), "META names a key twice: 'mood'"),
        ("problem,response\na,1\n", "does not begin with META"),
        (content().replace("voter_id;vote", "voter_id;choice"), "VOTES has no column 'vote'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(read, text, message):
    with pytest.raises(ValueError, match=message):
        read(text).election()


def test_six_choices_where_five_are_due_are_refused(read):
    projects = "PROJECTS\nproject_id;cost\n" + "".join(f"{number};5\n" for number in range(1, 8))
    meta = "META\nkey;value\nbudget;9\nvote_type;approval\nmin_length;5\nmax_length;5\n"
    given = read(meta + projects + "VOTES\nvoter_id;vote\nann;1,2,3,4,5\nbob;1,2,3,4,5,6\n")
    with pytest.raises(ValueError, match="voter bob chose 6 project.s. where 5 to 5 are due"):
        given.election()


def test_text_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "latin.pb").write_bytes(content().encode("latin-1"))
    with pytest.raises(ValueError, match="not UTF-8 text"):
        read_pabulib(tmp_path / "latin.pb")


@pytest.mark.parametrize("format", ["SN", "S5", "S5R", "D5", "D10", "S5D10"])
def test_the_six_zurich_files_come_out_byte_for_byte(data_folder, format):
    from crowdllm_stats.data.zurich import zurich_votes

    place = data_folder / "zurich_pb" / "pb" / f"qualtrics_zurich_2023_{format}.pb"
    given = read_pabulib(place)
    assert given.text().encode() == place.read_bytes()
    assert given.election().voters["topic_preference_nature"].dtype == float
    assert (given.election().points.to_numpy() == zurich_votes(format, data_folder).points.to_numpy()).all()
