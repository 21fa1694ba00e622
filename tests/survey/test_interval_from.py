"""`interval_from`: two tables in, the calculators' numbers out, and a reason for every problem left out."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from crowdllm_stats import CrowdData, interval, interval_from, load_example
from crowdllm_stats._base.json_values import json_object
from crowdllm_stats.cli import main


def table(rows, scale=None):
    return CrowdData.from_frame(pd.DataFrame(rows, columns=["problem", "participant", "response"]), scale=scale)


@pytest.fixture(scope="module")
def uneven():
    """Three problems: 9 pairs and 30 further, 4 humans of whom one has no twin at all, 1 human; ids not in order."""
    rng = np.random.default_rng(17)
    human = [("b", f"p{who}", int(rng.integers(1, 6))) for who in range(9)]
    human += [("c", who, int(rng.integers(1, 6))) for who in ("p0", "p1", "p2", "zoe")]
    human += [("a", "p0", 3)]
    digital = [("b", f"p{who}", int(rng.integers(1, 6))) for who in range(9)]
    digital += [("b", f"d{who}", int(rng.integers(1, 6))) for who in range(30)]
    digital += [("c", f"p{who}", int(rng.integers(1, 6))) for who in range(3)]
    digital += [("c", f"d{who}", int(rng.integers(1, 6))) for who in range(12)]
    return table(human, "1:5"), table(digital, "1:5")


def answers(data, problem):
    return data.responses.query("problem == @problem").set_index("participant")["response"]


def test_rows_are_the_calculators(uneven):
    human, digital = uneven
    found = interval_from(human, digital, level=0.9)
    assert [row["problem"] for row in found.rows] == ["b", "c"]
    b, twins = answers(human, "b"), answers(digital, "b")
    expected = interval(b, twins[b.index], twins.drop(b.index), level=0.9, bounds=(1, 5))
    row = found.rows[0]
    for name in (
        "estimate",
        "lower",
        "upper",
        "half_width",
        "lam",
        "effective_n",
        "n_labeled",
        "n_digital",
        "method",
    ):
        assert row[name] == getattr(expected, name)
    assert row["saved"] == expected.effective_n - 9
    alone = interval(answers(human, "c"), method="classical-small", level=0.9, bounds=(1, 5))
    assert (found.rows[1]["method"], found.rows[1]["saved"]) == ("classical-small", 0.0)
    assert found.rows[1]["upper"] == alone.upper
    assert list(found.excluded) == ["a"]
    assert "at least 2" in found.excluded["a"]
    assert found.counts["answers_without_twin"] == 2


def test_a_method_with_twins_says_who_is_left_out(uneven):
    human, digital = uneven
    found = interval_from(human, digital, method="ppi")
    assert "1 human answers without a twin are not used" in found.rows[1]["note"]
    assert found.excluded == {"a": "no human answer has a twin, which method 'ppi' needs"}
    c, twins = answers(human, "c"), answers(digital, "c")
    paired = ["p0", "p1", "p2"]
    expected = interval(c[paired], twins[paired], twins.drop(paired), method="ppi", bounds=(1, 5))
    assert found.rows[1]["lower"] == expected.lower


def test_scale_and_step_come_from_the_human_table():
    human, digital = load_example().human, load_example().digital
    free = dataclasses.replace(human, scale=CrowdData.from_frame(human.to_frame()).scale)
    with pytest.raises(ValueError, match="needs the ends of the answer scale; read the human answers with scale="):
        interval_from(free, digital, method="classical-small")
    assert {row["method"] for row in interval_from(human, digital, method="classical-small").rows} == {
        "classical-small"
    }


def test_without_twins_by_hand():
    human = table([("a", "x", 1), ("a", "y", 2), ("a", "z", 6)])
    digital = table([("a", "d1", 1), ("a", "d2", 2)])
    found = interval_from(human, digital, unpaired=True)
    assert found.rows[0]["half_width"] == pytest.approx(student.ppf(0.975, 2) * np.sqrt(7 / 3))
    assert found.overall is None
    assert found.notes == ["Human answers alone, as asked for."]


def test_all_problems_together_and_methods_that_cannot():
    example = load_example()
    found = interval_from(example.human, example.digital)
    assert found.overall["problem"] == "all"
    assert found.overall["n_labeled"] == 96
    # problems weigh alike here: 8 answers each
    assert found.overall["estimate"] == pytest.approx(np.mean([row["estimate"] for row in found.rows]), abs=0.1)
    sets = interval_from(example.human, example.digital, method="set-clt")
    assert sets.overall is None
    assert sets.notes[-1].startswith("No row over all problems: method 'set-clt'")


def test_a_finite_population_by_profile_is_a_census():
    example = load_example()
    options = {"match": ["gender", "age_group"]}
    census = interval_from(example.human, example.digital, population_size=60, **options)
    assert set(census.to_frame()["n_digital"]) == {60}
    assert set(interval_from(example.human, example.digital, **options).to_frame()["n_digital"]) == {52}


def test_frame_dictionary_and_print(uneven):
    found = interval_from(*uneven, alternative="larger", method="classical")
    frame = found.to_frame()
    assert frame.index.tolist() == ["b", "c"]
    assert frame.index.name == "problem"
    assert np.isinf(frame["upper"]).all()
    told = found.to_dict()
    assert [row["not_finite"] for row in told["rows"]] == [{"upper": "inf"}] * 2
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    words = str(found)
    for part in ("Over both questions people answer at least ", "95% lower limit", "Excluded: 1 of 3 problems."):
        assert part in words


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "best"}, "method must be one of 'auto', 'classical'"),
        ({"method": "cross-fitted"}, "one digital table per fold: use crowdllm_stats.interval with folds"),
        ({"level": 95}, "did you mean 0.95"),
        ({"alternative": "up"}, "alternative must be one of"),
        ({"population_size": 1}, "population_size must be a whole number of at least 2; got 1"),
        ({"match": "gender"}, r"not the one text 'gender'; write match=\['gender'\]"),
        ({"match": ["income"]}, "no profile column 'income'"),
    ],
)  # fmt: skip
def test_bad_options_are_refused(options, message):
    example = load_example()
    with pytest.raises(ValueError, match=message) as error:
        interval_from(example.human, example.digital, **options)
    assert "\n" not in str(error.value)


def test_tables_that_do_not_fit_are_refused(uneven):
    human, _ = uneven
    strangers = table([("b", "d1", 1), ("b", "d2", 2)])
    with pytest.raises(ValueError, match=r"give match=\[...\] to build twins from profiles, or unpaired=True"):
        interval_from(human, strangers, method="ppi++")
    with pytest.raises(ValueError, match=r"give match=\[...\] to build twins from profiles, or use method='classical'"):
        interval_from(human, strangers, method="ppi++", unpaired=True)
    with pytest.raises(ValueError, match="no problem in common"):
        interval_from(human, table([("z", "d1", 1)]))
    with pytest.raises(ValueError, match="no problem could be computed: human has 1 answer"):
        interval_from(table([("b", "x", 1)]), strangers, unpaired=True)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), {}),
        (("--method", "set-betting", "--seed", "3"), {"method": "set-betting", "seed": 3}),
        (("--match", "gender,age_group", "--population-size", "60"),
         {"match": ["gender", "age_group"], "population_size": 60}),
        (("--alternative", "larger", "--method", "classical", "--level", "0.8"),
         {"alternative": "larger", "method": "classical", "level": 0.8}),
    ],
)  # fmt: skip
def test_the_command_is_this_function(capsys, words, options):
    example = load_example()
    found = interval_from(example.human, example.digital, **options)
    assert main(["interval", "example:human", "example:digital", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["results"] == json_object({"rows": found.rows})["rows"]
    ours = [] if found.overall is None else [json_object(found.overall)]
    theirs = [{**row, "note": row["note"].replace("--population-size", "population_size")} for row in told["summary"]]
    assert theirs == ours
    assert told["counts"] == found.counts
    assert told["excluded"] == []


def test_the_row_over_all_problems_knows_the_scale():
    """Twelve people who all answer 1 to two questions: Student's t gave [1, 1] at level 0.95."""
    table = pd.DataFrame(
        [(q, f"p{i}", 1) for q in "ab" for i in range(12)], columns=["problem", "participant", "response"]
    )
    overall = interval_from(table, scale="1:5").overall
    assert (overall["method"], overall["lower"]) == ("classical-small", 1.0)
    assert overall["upper"] > 1.5


def test_the_row_over_all_problems_keeps_its_level_for_answers_at_an_end():
    """60 surveys of 2 skewed questions answered by the same 6 people: fewer than 49 covered is a false alarm of 1 in
    25,000 at a true 0.95, and noticed 97 times in 100 at the 0.7 that t covered.
    """
    rng = np.random.default_rng(12)
    margin = np.array([0.90, 0.05, 0.02, 0.01, 0.02])
    covered = 0
    for _ in range(60):
        answers = 1 + rng.choice(5, size=(2, 6), p=margin)
        table = pd.DataFrame(
            [(f"q{q}", f"p{i}", answers[q, i]) for q in range(2) for i in range(6)],
            columns=["problem", "participant", "response"],
        )
        overall = interval_from(table, scale="1:5").overall
        covered += overall["lower"] <= float(margin @ np.arange(1, 6)) <= overall["upper"]
    assert covered >= 49
