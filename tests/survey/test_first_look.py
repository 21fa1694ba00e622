"""What is said, or refused, before any number: who is paired, what repeats, exchanged files, reversed scales."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from command_line import run, run_json

from crowdllm_stats import interval_from
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.survey.first_look import backwards
from crowdllm_stats.survey.pairing import pair

COLUMNS = ["problem", "participant", "response"]


def tables(problems: int = 3, people: int = 9, crowd: int = 30, first: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """People ``first``, ``first + 1``, ... and digital people of the same ids and more; answers 1 to 5."""
    rng = np.random.default_rng(11)
    human, digital = [], []
    for problem in range(problems):
        for person in range(people + crowd):
            answer = int(rng.integers(1, 6))
            digital.append((f"q{problem}", person + first, answer))
            if person < people:
                human.append((f"q{problem}", person + first, int(np.clip(answer + rng.integers(-1, 2), 1, 5))))
    return pd.DataFrame(human, columns=COLUMNS), pd.DataFrame(digital, columns=COLUMNS)


def files(folder, *frames: pd.DataFrame) -> list[str]:
    paths = [str(folder / f"{place}.csv") for place in range(len(frames))]
    for frame, path in zip(frames, paths, strict=True):
        frame.to_csv(path, index=False)
    return paths


@pytest.mark.parametrize("form", [lambda x: x.map("{}.0".format), lambda x: x.map(" {}".format), lambda x: x * 1.0])
def test_ids_that_differ_by_their_form_alone_pair(form):
    human, digital = tables()
    found = interval_from(human, digital.assign(participant=form(digital["participant"])), scale="1:5")
    assert found.counts["pairs"] == 27
    assert found.rows[0]["method"] == "ppi++-small"


def test_ids_of_other_kinds_are_left_as_they_are():
    """Beside a word, "2.0" is a text of its own."""
    human, digital = tables()
    other = human.assign(participant=human["participant"].map("{}.0".format).where(human["participant"] != 1, "ann"))
    with pytest.raises(ValueError, match=r"no person has a digital twin: ids of people such as 'ann' and '2\.0'"):
        interval_from(other, digital, scale="1:5")


def test_two_tables_of_which_nobody_pairs_are_refused_with_two_ids_of_each():
    human, digital = tables()
    strangers = digital.assign(participant=digital["participant"].map("d{}".format))
    with pytest.raises(
        ValueError, match=r"such as '1' and '2', ids of digital people such as 'd1' and 'd2'; .*unpaired=True"
    ):
        interval_from(human, strangers, scale="1:5")
    told = interval_from(human, strangers, scale="1:5", unpaired=True)
    assert told.rows == interval_from(human, scale="1:5").rows
    assert told.notes[0] == "Human answers alone, as asked for."


def test_where_only_a_few_pair_it_is_refused_as_well():
    human, digital = tables(people=24)
    few = digital.assign(participant=digital["participant"].map(lambda x: str(x) if x == 1 else f"d{x}"))
    with pytest.raises(ValueError, match="only 1 of 24 people have a digital twin"):
        interval_from(human, few, scale="1:5")


def test_unpaired_people_of_the_same_ids_are_not_paired():
    human, digital = tables()
    assert {row["method"] for row in interval_from(human, digital, scale="1:5", unpaired=True).rows} == {
        "classical-small"
    }


def test_the_first_line_says_who_is_paired_by_what():
    human, digital = tables()
    found = interval_from(human, digital, scale="1:5")
    assert found.notices[0] == (
        "9 of 9 people have a digital twin, by participant id; 30 other digital people. Ids are running numbers on "
        "both sides: if person 1 is not digital person 1, say unpaired=True."
    )
    named = [frame.assign(participant=frame["participant"].map("p{}".format)) for frame in (human, digital)]
    assert interval_from(*named, scale="1:5").notices[0].endswith("30 other digital people.")


def test_repeated_rows_are_counted_in_the_first_lines():
    human, digital = tables()
    found = interval_from(pd.concat([human, human[:2]]), pd.concat([digital, digital[:1]]), scale="1:5")
    assert found.notices[1] == (
        "Rows repeat a problem and participant already answered: 2 human answers and 1 digital answer are the mean of "
        "several rows."
    )


def test_exchanged_tables_are_asked_about():
    human, digital = tables()
    with pytest.raises(ValueError, match=r"looks like the digital one: it has 39 answers .*as_given=True"):
        interval_from(digital, human, scale="1:5")
    models = human.assign(participant=human["participant"].map("gpt-4_{}".format))
    with pytest.raises(ValueError, match=r"its ids are such as 'gpt-4_1' and 'gpt-4_2'"):
        interval_from(models, digital, scale="1:5")
    with pytest.raises(ValueError, match="it has a column 'model'"):
        interval_from(human.assign(model="x"), digital, scale="1:5")
    assert interval_from(digital, human, scale="1:5", as_given=True).rows


def test_twins_that_fall_as_humans_rise_are_asked_about():
    human, digital = tables(problems=12)
    turned = interval_from(human, digital.assign(response=6 - digital["response"]), scale="1:5")
    assert any("is one of the two scales reversed?" in notice for notice in turned.notices)
    assert not any("reversed" in notice for notice in interval_from(human, digital, scale="1:5").notices)


def test_twins_without_any_relation_are_not_called_reversed():
    """False-alarm rate: 0.001 for each of two correlations; 2 or more of 30 tables have chance below 0.002."""
    rng = np.random.default_rng(5)
    human, digital = tables(problems=12)
    alarms = 0
    for _ in range(30):
        drawn = digital.assign(response=rng.integers(1, 6, len(digital)))
        found = interval_from(human, drawn, scale="1:5")
        alarms += any("reversed" in notice for notice in found.notices)
    assert alarms <= 1


def test_commands_take_the_same_remedies(tmp_path, capsys):
    human, digital = tables()
    strangers = digital.assign(participant=digital["participant"].map("d{}".format))
    one, other, turned = files(tmp_path, human, strangers, digital)
    for command in (["interval"], ["compare", "--first", "2"]):
        assert "--unpaired" in run(capsys, command[0], one, other, "--scale", "1:5", *command[1:], code=2)
        assert run_json(capsys, command[0], one, other, "--scale", "1:5", *command[1:], "--unpaired")["results"]
    for command in (["risk"], ["planner", "--half-width", "0.5"]):
        said = run(capsys, command[0], one, other, "--scale", "1:5", *command[1:], code=2)
        assert "give --match COLUMNS" in said
        assert "--unpaired" not in said
    assert "--as-given" in run(capsys, "interval", turned, one, "--scale", "1:5", code=2)
    assert run_json(capsys, "interval", turned, one, "--scale", "1:5", "--as-given")["results"]


def test_human_answers_alone_need_no_second_file(tmp_path, capsys):
    human, _ = tables()
    (one,) = files(tmp_path, human)
    alone = run_json(capsys, "interval", one, "--scale", "1:5")
    assert {row["method"] for row in alone["results"]} == {"classical-small"}
    assert alone["results"] == interval_from(human, scale="1:5").to_dict()["rows"]
    for command in ("compare", "risk", "distribution"):
        assert "DIGITAL" in run(capsys, command, one, "--scale", "1:5", code=2)


def test_codes_are_named_on_the_command_line(tmp_path, capsys):
    human, digital = tables()
    human.loc[[0, 1, 10], "response"] = [99, 99, 77]
    human.loc[[3], "response"] = 1  # the rest stays 1 to 5
    one, other = files(tmp_path, human, digital)
    assert "--missing 77,99" in run(capsys, "interval", one, other, code=2)
    found = run_json(capsys, "interval", one, other, "--missing", "77,99")
    assert found["notices"][0] == "3 rows of the human table left out: missing response (coded 77, 99)."
    assert max(row["upper"] for row in found["results"]) < 10
    assert "give codes joined by commas" in run(capsys, "interval", one, other, "--missing", "99,", code=2)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("0{}".format, r"they differ in leading zeros alone \('1' and '01'\)"),
        ("P{}".format, r"upper and lower case alone \('p1' and 'P1'\)"),
        ("p {}".format, r"blanks alone \('p1' and 'p 1'\)"),
        ("P 0{}".format, r"leading zeros, upper and lower case or blanks \('p1' and 'P 01'\)"),
    ],
)
def test_the_refusal_says_why_ids_written_in_two_ways_do_not_pair(form, reason):
    human, digital = tables()
    plain = "{}" if form(1) == "01" else "p{}"
    human = human.assign(participant=human["participant"].map(plain.format))
    other = digital.assign(participant=digital["participant"].map(form))
    with pytest.raises(ValueError, match=rf"no person has a digital twin.*{reason}; write the ids alike"):
        interval_from(human, other, scale="1:5")
    some = digital.assign(participant=digital["participant"].map(lambda x: plain.format(x) if x < 5 else form(x)))
    notice = interval_from(human, some, scale="1:5").notices[0]
    assert "4 of 9 people" in notice
    assert "look like ids of the other table: they differ in" in notice
    questions = [human.assign(problem=human["problem"].str.upper()), digital]
    with pytest.raises(ValueError, match=r"no problem in common .*upper and lower case alone \('Q0' and 'q0'\)"):
        interval_from(*questions, scale="1:5")


def test_the_row_over_all_problems_of_human_answers_alone_speaks_of_no_twins():
    human, digital = tables()
    for found in (
        interval_from(human, scale="1:5", unpaired=True),
        interval_from(human, scale="1:5"),
        interval_from(human, digital, scale="1:5", unpaired=True),
    ):
        remark = next(note for note in found.notes if note.startswith("all: "))
        assert "Human answers alone." in remark
        assert "twin" not in remark


def question(human, twin):
    """What is said of arrays (problems, people)."""
    problems, people = np.indices(np.shape(human))
    frames = [
        pd.DataFrame({
            "problem": np.char.add("q", problems.ravel().astype(str)),
            "participant": np.char.add("p", people.ravel().astype(str)),
            "response": np.asarray(answers, dtype=float).ravel(),
        })
        for answers in (human, twin)
    ]  # fmt: skip
    return backwards(pair(*(CrowdData.from_frame(frame, scale="-100:100") for frame in frames)))


def answers(rng, problems, people, link, ratings=True):
    """Ratings 1 to 5 of people with levels of their own, and twins whose levels are linked to theirs."""
    own = rng.normal(size=people)
    other = link * own + np.sqrt(1 - link**2) * rng.normal(size=people)
    noise, echo = rng.normal(size=(2, problems, people))
    both = (0.6 * own + 0.8 * noise, 0.6 * other + 0.8 * (link * noise + np.sqrt(1 - link**2) * echo))
    return [np.clip(np.round(3 + 1.2 * side), 1, 5) if ratings else np.exp(side) for side in both]


@pytest.mark.parametrize(("problems", "people"), [(1, 40), (3, 20), (9, 12), (20, 8)])
def test_reversed_twins_are_asked_about_however_few_the_questions(problems, people):
    human, twin = answers(np.random.default_rng(4), problems, people, 0.8)
    assert question(human, twin) == ""
    assert "is one of the two scales reversed?" in question(human, 6 - twin)


def test_one_reversed_question_among_others_is_named():
    human, twin = answers(np.random.default_rng(5), 7, 40, 0.8)
    twin[4] = 6 - twin[4]
    assert question(human, twin).startswith("Twins fall as humans rise in 1 problem (correlation -0.")
    assert "in 'q4'): is the scale reversed there?" in question(human, twin)


@pytest.mark.parametrize(("problems", "people"), [(1, 10), (1, 60), (4, 12), (4, 30), (9, 9), (24, 8)])
@pytest.mark.parametrize("ratings", [True, False])
def test_twins_that_have_nothing_to_do_with_their_humans_are_not(problems, people, ratings):
    """False-alarm rate: 0.003 (three tests of 0.001); 3 or more of 40 surveys have chance below 0.0003."""
    rng = np.random.default_rng(6)
    alarms = sum(question(*answers(rng, problems, people, 0.0, ratings)) != "" for _ in range(40))
    assert alarms <= 2
