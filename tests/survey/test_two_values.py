"""Two tables whose answers are of two values: words, codings, and what the reader is told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from command_line import run, run_json, write

from crowdllm_stats import CrowdData, interval, interval_from, safe_decision_from
from crowdllm_stats.survey.tables import step_of, words_as_numbers

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
    found = interval_from(*tables(0, 1, "0,1"))
    assert any("from human answers alone (binomial)" in note for note in found.notes)
    human, digital = tables(0, 1, "0,1")
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
