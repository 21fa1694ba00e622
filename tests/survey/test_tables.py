"""Two tables made comparable: files and frames, answers of two values, and two scales."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from command_line import run, run_json, write

from crowdllm_stats import CrowdData, across_from, interval, interval_from, load_example, safe_decision_from
from crowdllm_stats.survey.tables import as_crowd, step_of, words_as_numbers

SCALE = "1:5"


@pytest.fixture
def files(tmp_path):
    """The shipped example as three files, with column names in three spellings."""
    example = load_example()
    places = []
    for name, spell in (("human", str.upper), ("digital", str.title), ("reference", str.upper)):
        frame = getattr(example, name).to_frame()
        place = tmp_path / f"{name}.csv"
        frame.rename(columns={ours: spell(ours) for ours in ("problem", "participant", "response")}).to_csv(
            place, index=False
        )
        places.append(place)
    return places


def test_files_and_frames_give_what_tables_read_before_give(files):
    example = load_example()
    wanted = interval_from(example.human, example.digital, scale=SCALE)
    for human, digital in (files[:2], map(str, files[:2]), map(pd.read_csv, files[:2])):
        found = interval_from(human, digital, scale=SCALE)
        assert found.to_frame().equals(wanted.to_frame())
        assert found.overall == wanted.overall
    judged = safe_decision_from(example.human, example.digital, example.reference, scale=SCALE)
    assert safe_decision_from(*files, scale=SCALE).to_frame().equals(judged.to_frame())


def test_a_human_file_beside_a_digital_frame(files):
    found = interval_from(files[0], pd.read_csv(files[1]), scale=SCALE)
    assert set(found.to_frame()["method"]) == {"ppi++-small"}


def test_repeats_are_kept_as_on_the_command_line(files):
    frame = pd.read_csv(files[0])
    assert "repeat" in as_crowd(pd.concat([frame, frame.head(1)]), "human").responses


def test_columns_that_differ_in_case_alone_are_asked_about(files):
    frame = pd.read_csv(files[0]).assign(Problem="x")
    with pytest.raises(ValueError, match=r"human: .*no column 'problem'; .*'PROBLEM'.*'Problem'"):
        as_crowd(frame, "human")
    named = CrowdData.from_frame(frame, columns={"problem": "PROBLEM"}, problem_columns=[])
    assert named.problems["problem"].tolist()[0] == "q01"


def test_what_is_no_table_is_refused(files, tmp_path):
    example = load_example()
    for given, message in (
        ([4, 5], r"human must be CrowdData, .* got list; arrays of answers go into crowdllm_stats\.interval"),
        (pd.DataFrame({"item": [1]}), r"human: .*no column 'problem'.*CrowdData\.from_frame\(\.\.\.\)"),
        (load_example().human.to_frame().assign(response=9), "human: .*off the scale"),
    ):
        with pytest.raises(ValueError, match=message):
            interval_from(given, example.digital, scale=SCALE)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv: no such file"):
        interval_from(tmp_path / "nowhere.csv", example.digital)
    with pytest.raises(ValueError, match=r"human: \d+ of \d+ answers are off the scale"):
        interval_from(example.human, example.digital, scale="2:4")


PEOPLE, STRANGERS = 10, 34


def tables(zero, one, scale=None, problems=("a", "b", "c")):
    """Ten people with twins and 34 strangers; the answers ``zero`` and ``one``."""
    rng = np.random.default_rng(12)
    human, digital = [], []
    for place, problem in enumerate(problems):
        answers = rng.random(PEOPLE) < 0.15 + 0.2 * place
        twins = np.where(rng.random(PEOPLE) < 0.85, answers, ~answers)
        human += [(problem, f"p{who}", one if said else zero) for who, said in enumerate(answers)]
        digital += [(problem, f"p{who}", one if said else zero) for who, said in enumerate(twins)]
        crowd = rng.random(STRANGERS) < 0.3
        digital += [(problem, f"d{who}", one if said else zero) for who, said in enumerate(crowd)]
    columns = ["problem", "participant", "response"]
    return tuple(CrowdData.from_frame(pd.DataFrame(rows, columns=columns), scale=scale) for rows in (human, digital))


def test_words_and_numbers_give_one_interval_in_every_coding():
    plain = interval_from(*tables(0, 1, "0,1")).to_frame()
    assert set(plain["method"]) == {"ppi++-binomial"}
    for zero, one, scale in (
        ("no", "yes", "no,yes"),
        (0, 100, "0:100"),
        (0, 100, "0,100"),
        (-1, 1, "-1:1"),
        (1, 5, "1:5"),
    ):
        found = interval_from(*tables(zero, one, scale)).to_frame()
        low, span = (0.0, 1.0) if isinstance(zero, str) else (float(zero), float(one - zero))
        assert list(found["method"]) == list(plain["method"])
        for name in ("estimate", "lower", "upper"):
            np.testing.assert_allclose(
                found[name].astype(float), low + span * plain[name].astype(float), atol=1e-9 * span
            )
    words = interval_from(*tables("no", "yes", "no,yes"))
    assert words.notes[0] == "Answers are coded 0 for 'no' and 1 for 'yes': a mean is the share of 'yes'."
    assert words.overall["estimate"] == pytest.approx(float(plain["estimate"].mean()), abs=0.1)


def test_the_order_of_the_words_turns_the_share_round():
    one = interval_from(*tables("no", "yes", "no,yes")).to_frame()
    other = interval_from(*tables("no", "yes", "yes,no")).to_frame()
    np.testing.assert_allclose(other["lower"].astype(float), 1.0 - one["upper"].astype(float), atol=1e-9)


def test_what_is_taken_for_two_values_is_said_first():
    found = interval_from(*tables(0, 100, "0:100"))
    assert found.notices[1].startswith("No answer lies between 0 and 100")
    assert not any("No answer lies" in notice for notice in interval_from(*tables(0, 100, "0,100")).notices)
    human, digital = tables(0, 100, "0:100")
    responses = digital.responses.assign(
        response=digital.responses["response"].where(digital.responses.index != 5, 50.0)
    )
    digital = CrowdData.from_frame(responses, scale="0:100")
    assert step_of(human, digital) == (10.0, "")
    assert {row["method"] for row in interval_from(human, digital).rows} == {"ppi++-small"}


def test_ratings_that_are_all_at_one_end_stay_ratings():
    frame = pd.DataFrame({"problem": "a", "participant": list("xyz"), "response": [5, 5, 5]})
    data = CrowdData.from_frame(frame, scale="1:5")
    assert step_of(data, data) == (1.0, "")


def test_savings_and_the_row_over_all_know_the_methods():
    human, digital = tables(0, 1, "0,1")
    found, alone = interval_from(human, digital), interval_from(human)
    assert [row["half_width_alone"] for row in found.rows] == [row["half_width"] for row in alone.rows]
    assert {row["method"] for row in alone.rows} == {"binomial"}
    assert interval_from(human, digital, method="exact").overall["method"] == "classical-small"
    assert interval_from(human, digital, method="ppi++-binomial").overall["method"] == "ppi++-small"
    a = human.responses.query("problem == 'a'")["response"].to_numpy()
    row = interval_from(human, digital, method="exact").rows[0]
    assert row["upper"] == interval(a, method="exact", bounds=(0, 1)).upper


def test_words_that_do_not_agree_are_refused():
    human, _ = tables("no", "yes", "no,yes")
    _, other = tables("nay", "aye", "nay,aye")
    with pytest.raises(ValueError, match="both tables need the same words"):
        words_as_numbers(human, other)
    three, digital = tables("no", "yes", "no,yes,unsure")
    with pytest.raises(ValueError, match="answers must be numbers here"):
        interval_from(three, digital)
    free, digital = tables(0, 1)
    with pytest.raises(ValueError, match="method 'exact' needs the ends of the answer scale"):
        interval_from(free, digital, method="exact")


def test_shares_predicted_for_words_are_taken_as_they_are():
    human, _ = tables("no", "yes", "no,yes")
    _, digital = tables(0.25, 0.75, "0:1")
    assert {row["method"] for row in interval_from(human, digital).rows} == {"ppi++-binomial"}


def test_safe_decisions_know_words_too():
    human, digital = tables("no", "yes", "no,yes")
    reference = pd.DataFrame({"problem": ["a", "b", "c"], "response": [0.2, 0.4, 0.5]})
    assert "share of 'yes'" in safe_decision_from(human, digital, reference, eta=0.0).notes[0]


def test_the_commands_take_two_words(capsys, tmp_path):
    files = []
    for name, data in zip(("human", "digital"), tables("no", "yes", "no,yes"), strict=True):
        files.append(write(tmp_path / f"{name}.csv", data.responses.to_csv(index=False)))
    rows = run_json(capsys, "interval", *files, "--scale", "no,yes")["results"]
    assert {row["method"] for row in rows} == {"ppi++-binomial"}
    assert "share of 'yes'" in run(capsys, "interval", *files, "--scale", "no,yes")
    compared = run(capsys, "compare", *files, "--scale", "no,yes", "--problem", "a")
    assert "exact" in compared
    assert "ppi++-binomial *" in compared


def frames(low, high, least, most):
    rng = np.random.default_rng(8)
    rows = [(f"q{p}", f"p{who}", int(rng.integers(2))) for p in range(12) for who in range(40)]
    both = pd.DataFrame(rows, columns=["problem", "participant", "response"])
    human = both[both["participant"].str[1:].astype(int) < 10]
    return (
        human.assign(response=human["response"].map({0: low, 1: high})),
        both.assign(response=both["response"].map({0: least, 1: most})),
    )


@pytest.mark.parametrize("ends", [(0, 1, 0, 100), (0, 1, 1, 2), (0, 1, -1, 1), (1, 2, 0, 1)])
def test_two_codings_of_two_values_are_asked_about(ends, tmp_path, capsys):
    human, digital = frames(*ends)
    said = f"human answers are {ends[0]} and {ends[1]}, the digital ones {ends[2]} and {ends[3]}; code both alike"
    plain = human[["problem", "response"]]
    for job in (interval_from, across_from, lambda one, other: safe_decision_from(one, other, plain)):
        with pytest.raises(ValueError, match=said):
            job(human, digital)
    words = human.assign(response=human["response"].map({ends[0]: "no", ends[1]: "yes"}))
    if ends[:2] == (0, 1):
        with pytest.raises(ValueError, match=said):
            interval_from(CrowdData.from_frame(words, scale="no,yes"), digital)
    paths = [str(tmp_path / name) for name in ("h.csv", "d.csv")]
    for frame, path in zip((human, digital), paths, strict=True):
        frame.to_csv(path, index=False)
    assert "or declare --scale and --digital-scale" in run(capsys, "interval", *paths, code=2)
    told = run_json(
        capsys, "interval", *paths, "--scale", f"{ends[0]},{ends[1]}", "--digital-scale", f"{ends[2]},{ends[3]}"
    )
    assert any("The two tables are on different scales" in notice for notice in told["notices"])


def test_tables_of_one_coding_or_of_ratings_are_not():
    assert interval_from(*frames(0, 1, 0, 1)).rows
    assert interval_from(*frames(4, 5, 3, 4)).rows


def test_answers_next_to_the_scale_that_no_digital_person_gives_are_asked_about():
    """8 and 9 beside 0 to 7 leave no gap in the human table, but the digital one ends at 7."""
    rng = np.random.default_rng(9)
    rows = [("q", f"p{who}", int(rng.integers(8))) for who in range(90)]
    digital = pd.DataFrame(rows, columns=["problem", "participant", "response"])
    human = digital[:30].copy()
    human.loc[:4, "response"] = [8, 9, 9, 8, 9]
    asked = [notice for notice in interval_from(human, digital).notices if "missing_codes=[8,9]" in notice]
    assert asked[0].startswith("5 human answers (8,9) beyond all digital ones (0 to 7)")
    assert not any("missing_codes" in notice for notice in interval_from(human, digital, scale="0:10").notices)
    assert not any("missing_codes" in notice for notice in interval_from(digital[:30], digital).notices)


def test_different_scales_are_said_in_every_command(tmp_path, capsys):
    rng = np.random.default_rng(10)
    rows = [(f"q{p}", f"p{who}", int(rng.integers(1, 6))) for p in range(11) for who in range(30)]
    digital = pd.DataFrame(rows, columns=["problem", "participant", "response"])
    human = digital[digital["participant"].str[1:].astype(int) < 9]
    paths = [str(tmp_path / name) for name in ("h.csv", "d.csv", "r.csv")]
    for frame, path in zip((human, digital.assign(response=digital["response"] * 20), human), paths, strict=True):
        frame.to_csv(path, index=False)
    scales = ("--scale", "1:5", "--digital-scale", "0:100")
    for command in (
        ["interval"],
        ["across"],
        ["compare"],
        ["distribution"],
        ["risk"],
        ["planner", "--half-width", "1"],
        ["safe-interval", "--reference", paths[2]],
    ):
        found = run_json(capsys, command[0], *paths[:2], *command[1:], *scales)
        assert any("on different scales, 1 to 5 and 0 to 100" in notice for notice in found["notices"]), command
