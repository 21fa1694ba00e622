"""`safe_decision_from`: two tables and the LLM's plain answers in, a decision a problem out."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

from crowdllm_stats import CrowdData, load_example, safe_decision, safe_decision_from, safe_interval
from crowdllm_stats._base.json_values import json_object
from crowdllm_stats.cli import main
from crowdllm_stats.data.assemble import Wishes
from crowdllm_stats.survey.decisions import check_safe, gap_over_problems
from crowdllm_stats.survey.pairing import pair
from crowdllm_stats.survey.plain_answers import from_table, plain_answers

COLUMNS = ["problem", "participant", "response"]


def table(rows, scale=None):
    return CrowdData.from_frame(pd.DataFrame(rows, columns=COLUMNS), scale=scale, repeats="keep")


@pytest.fixture(scope="module")
def uneven():
    """Problems of 5 and 4 humans, 7 and 6 digital people, 3 and 2 reference answers; three that lack something."""
    rng = np.random.default_rng(23)

    def drawn(sizes, name):
        return [(problem, f"{name}{who}", float(rng.normal(3, 1))) for problem, n in sizes.items() for who in range(n)]

    human = table(drawn({"a": 5, "b": 4, "one": 1, "bare": 4, "mute": 4}, "p"))
    digital = table(drawn({"a": 7, "b": 6, "one": 5, "bare": 1, "mute": 5}, "d"))
    reference = table([(p, "llm", v) for p, _, v in drawn({"a": 3, "b": 2, "one": 2, "bare": 2}, "r")])
    return human, digital, reference


def values(data, problem):
    return data.responses.query("problem == @problem")["response"].to_numpy()


def test_rows_are_the_calculators_with_one_adjustment_over_all(uneven):
    found = safe_decision_from(*uneven, kappa=0.8)
    assert [row["problem"] for row in found.rows] == ["a", "b"]
    p_values = []
    for row in found.rows:
        human, crowd, reference = (values(data, row["problem"]) for data in uneven)
        beliefs, eta = crowd - reference.mean(), reference.var(ddof=1)
        expected = safe_decision(beliefs, human, reference, n_digital=len(crowd))
        assert row["decision"] == expected.decision
        for name in (
            "p_value",
            "delta",
            "delta_lower",
            "threshold",
            "belief_mean",
            "p_safe",
            "gap_upper",
            "eta",
            "tested",
        ):
            assert row[name] == pytest.approx(getattr(expected, name), rel=1e-12)
        ends = safe_interval(beliefs.mean(), (beliefs**2).mean(), expected.delta, 0.8, len(crowd), eta=eta)
        for name in ("published_lower", "exact_upper", "inside_exact"):
            assert row[name] == pytest.approx(getattr(ends, name), rel=1e-12)
        assert row["crowd_gap"] == pytest.approx(crowd.mean() - human.mean())
        assert row["verdict"] == {"safe": "not worse", "unsafe": "worse", "undetermined": "undecided"}[row["adjusted"]]
        p_values.append(row["p_value"])
    assert [row["p_adjusted"] for row in found.rows] == pytest.approx(false_discovery_control(p_values))
    assert found.overall is None


def test_every_problem_left_out_has_its_reason(uneven):
    assert dict(safe_decision_from(*uneven).excluded) == {
        "one": "fewer than 2 human answers",
        "bare": "fewer than 2 digital answers",
        "mute": "no reference answer",
    }


def test_a_reference_is_data_a_table_or_a_participant(uneven):
    human, digital, reference = uneven
    plain = reference.responses[["problem", "response"]]
    rows = safe_decision_from(human, digital, reference).rows
    assert safe_decision_from(human, digital, plain).rows == rows
    inside = table([*digital.responses[["problem", "participant", "response"]].itertuples(index=False, name=None),
                    *[(p, "llm", float(g.mean())) for p, g in plain.groupby("problem")["response"]]])  # fmt: skip
    found = safe_decision_from(human, inside, reference_participant="llm", eta=0.0)
    means = table([(p, "llm", float(g.mean())) for p, g in plain.groupby("problem")["response"]])
    assert (
        found.rows == safe_decision_from(human, digital, means, eta=0.0).rows
    )  # the participant is no part of the crowd


def test_kappa_and_eta_are_estimated_or_given(uneven):
    human, digital, reference = uneven
    notes = " ".join(safe_decision_from(human, digital, reference).notes)
    assert "kappa at probability 0.9 from 2 problems" in notes
    assert "eta is estimated from the repeated reference answers; the tests count its error" in notes
    one = human.select(problems=["a"])
    alone = safe_decision_from(one, digital, reference, eta=0.1)
    assert "kappa" not in alone.rows[0]
    assert alone.notes[-1] == "kappa cannot be estimated from one problem: no intervals; give kappa."
    single = table([("a", "llm", 2.5)])
    with pytest.raises(ValueError, match="no problem can be judged: one reference answer .* give eta"):
        safe_decision_from(one, digital, single, kappa=1)
    assert safe_decision_from(one, digital, single, kappa=1, eta=0.0).rows[0]["eta"] == 0.0
    mixed = table([("a", "llm", 2.5), ("b", "llm", 2.5), ("b", "llm", 3.5)])
    partly = safe_decision_from(human, digital, mixed, kappa=1)
    assert [row["problem"] for row in partly.rows] == ["b"]
    assert "give eta" in partly.excluded["a"]


def test_not_worse_is_said_to_be_no_praise():
    """A crowd 0.9 off that is better than an LLM 2 off: not worse, and how far off comes first."""
    rng = np.random.default_rng(31)
    human = table([("a", f"p{who}", value) for who, value in enumerate(rng.normal(3.0, 0.2, 30))])
    digital = table([("a", f"d{who}", value) for who, value in enumerate(rng.normal(3.9, 0.1, 40))])
    plain = table([("a", "llm", value) for value in rng.normal(5.0, 0.1, 10)])
    found = safe_decision_from(human, digital, plain, kappa=2.0)
    row = found.rows[0]
    assert (row["verdict"], row["decision"]) == ("not worse", "safe")
    assert row["gap_lower"] < row["crowd_gap"] < row["gap_upper"]
    assert row["crowd_gap"] == pytest.approx(0.9, abs=0.15)
    assert row["gap_lower"] > 0.7
    assert "its mean is off the humans' by " in found.notices[0]
    first = str(found).splitlines()[0]
    assert first.startswith("Question a: the digital crowd is no worse than asking the LLM once")
    assert "Not worse means: than asking the LLM once." in first
    near = safe_decision_from(human, human, plain, kappa=2.0)
    assert "here these answers show no gap" in near.notices[0]


def test_bounds_of_the_human_scale_shape_the_test():
    example = load_example()
    free = CrowdData.from_frame(example.human.responses)
    bounded = safe_decision_from(example.human, example.digital, example.reference)
    unbounded = safe_decision_from(free, example.digital, example.reference)
    assert "Gaffke" in bounded.why
    assert "Gaffke" not in unbounded.why
    assert any("give bounds" in notice for notice in unbounded.notices)
    assert not any("give bounds" in notice for notice in bounded.notices)
    assert bounded.rows[0]["p_value"] != unbounded.rows[0]["p_value"]


def test_equal_human_answers_leave_deltas_interval_open_on_both_sides():
    human = table([("a", f"p{who}", 3) for who in range(4)])
    digital = table([("a", f"d{who}", who) for who in range(6)])
    found = safe_decision_from(human, digital, table([("a", "llm", 2)]), kappa=1.0, eta=0.0)
    told = found.to_dict()["rows"][0]
    assert (told["delta_lower"], told["delta_upper"]) == (None, None)
    assert told["not_finite"] == {"delta_lower": "-inf", "delta_upper": "inf", "gap_lower": "-inf", "gap_upper": "inf"}
    assert found.rows[0]["decision"] == "undetermined"


def test_the_command_is_this_function(capsys):
    example = load_example()
    names = ["safe-interval", "example:human", "example:digital"]
    for words, options in (
        (["--reference", "example:reference"], {"reference": example.reference}),
        (["--reference-participant", "d001", "--kappa", "1", "--eta", "0"],
         {"reference_participant": "d001", "kappa": 1.0, "eta": 0.0}),
        (["--reference", "example:reference", "--eta", "0.2", "--match", "gender", "--level", "0.8"],
         {"reference": example.reference, "eta": 0.2, "match": ["gender"], "level": 0.8}),
    ):  # fmt: skip
        found = safe_decision_from(example.human, example.digital, **options)
        assert main([*names, *words, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["results"] == json_object({"rows": found.rows})["rows"]
        assert told["counts"] == found.counts


def test_what_cannot_be_judged_is_refused(uneven):
    human, digital, reference = uneven
    for options, message in (
        ({}, "give either reference or reference_participant"),
        ({"reference": reference, "reference_participant": "d1"}, "give one, not both"),
        ({"reference_participant": "nobody"}, "reference_participant 'nobody' has no answer in the digital table"),
        ({"reference": reference, "kappa": -1}, "kappa must not be negative; got -1"),
        ({"reference": reference, "eta": float("nan")}, "eta must not be negative; got nan"),
        ({"reference": reference, "level": 95}, "did you mean 0.95"),
        ({"reference": reference, "match": "gender"}, "match must be a list of column names"),
        ({"reference": table([("z", "llm", 1.0)])}, "no problem can be judged: no reference answer"),
        ({"reference": pd.DataFrame({"item": [1]})}, "reference: no column 'problem'; the columns there are 'item'"),
        ({"reference": pd.DataFrame({"problem": ["a"], "response": [None]})}, "response"),
        ({"reference": table([("a", "llm", "yes"), ("b", "llm", "no")], "yes,no")}, "answers must be numbers here"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message) as error:
            safe_decision_from(human, digital, **options)
        assert "\n" not in str(error.value)
    check_safe(0.0, 0.0, 0.5)


def test_plain_answers_by_problem(uneven):
    _, digital, reference = uneven
    found = plain_answers(digital, reference, None)
    assert {problem: len(answers) for problem, answers in found.items()} == {"a": 3, "b": 2, "one": 2, "bare": 2}
    frame = pd.DataFrame({"problem": ["a", "a", "b"], "response": [1.0, None, 2.0]})
    assert from_table(frame, "plain.csv", Wishes(missing="drop")).exclusions == {"missing response": 1}


def shifted(problems: int, people: int, shift: float, seed: int = 7):
    """People who answer all problems, a crowd ``shift`` above them, and plain answers far off."""
    rng = np.random.default_rng(seed)
    own = rng.normal(0.0, 0.3, people)
    human = [(f"q{p:02}", f"p{who}", 3.0 + own[who] + rng.normal()) for p in range(problems) for who in range(people)]
    crowd = [(f"q{p:02}", f"d{who}", 3.0 + shift + rng.normal()) for p in range(problems) for who in range(60)]
    plain = [(f"q{p:02}", "llm", 4.0 + 0.1 * rng.normal()) for p in range(problems) for _ in range(4)]
    return table(human), table(crowd), table(plain)


def test_the_first_line_has_the_gap_over_all_problems():
    """A shift that single problems hardly show is plain over all of them."""
    found = safe_decision_from(*shifted(24, 9, 0.5))
    assert "Over all 24 problems together its mean is off by 0.6" in found.notices[0]
    assert found.notices[0].endswith(": a gap is shown.")
    assert sum(row["gap_lower"] > 0.0 for row in found.rows) < 12
    none = safe_decision_from(*shifted(24, 9, 0.0))
    assert none.notices[0].endswith(": no gap is shown.")


def test_the_gap_over_all_problems_counts_people_not_answers():
    """People with levels of their own answer 12 problems; 120 surveys, 4 Monte Carlo errors below 0.95 are 0.87."""
    inside = 0
    for seed in range(120):
        human, crowd, _ = shifted(12, 9, 0.0, seed=seed)
        pairing = pair(human, crowd, census=True)
        low, high = re.search(r"interval (\S+) to (\S+)\)", gap_over_problems(pairing, pairing.problems, 0.95)).groups()
        # The crowd counts as it stands: the truth is its mean less the people's, 3.
        truth = crowd.responses["response"].mean() - 3.0
        inside += float(low) <= truth <= float(high)
    assert inside / 120 >= 0.87


def test_problems_that_are_not_judged_are_counted_in_the_first_line():
    human, crowd, plain = shifted(20, 6, 0.2)
    one = table([("q03", "llm", 4.0), ("q03", "llm", 4.1), ("Q07", "llm", 4.0), ("Q07", "llm", 4.2)])
    found = safe_decision_from(human, crowd, one, kappa=1.0)
    assert found.notices[0] == (
        "19 of 20 problems were not judged (19: no reference answer); what follows is about the other."
    )
    assert found.excluded["q07"].endswith("they differ in upper and lower case alone ('q07' and 'Q07')")
    assert not any("not judged" in notice for notice in safe_decision_from(human, crowd, plain).notices)


def test_exchanged_tables_are_asked_about_unless_told():
    human, crowd, plain = shifted(3, 6, 0.2)
    models = table([(p, who.replace("p", "gpt-4_"), v) for p, who, v in human.responses[COLUMNS].to_numpy()])
    with pytest.raises(ValueError, match=r"looks like the digital one.*as_given=True"):
        safe_decision_from(models, crowd, plain)
    found = safe_decision_from(models, crowd, plain, as_given=True)
    assert found.notices[-1] == "No person has a digital twin, by participant id; 60 digital people."
