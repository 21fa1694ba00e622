"""Digital voters: what is learned from made voters, and ballots of exactly k options."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest

from crowdllm_stats.data.crowd import CrowdData, approval
from crowdllm_stats.data.reference import Reference
from crowdllm_stats.generator.ballots import BallotCrowd
from crowdllm_stats.generator.exactly_k import ExactlyK

OPTIONS = tuple("abcdefg")
K = 3
PLACES = pd.DataFrame({"place": ["north", "south"] * 3 + ["north"]}, index=list(OPTIONS))
BASE = np.array([1.0, 0.5, 0.0, 0.0, -0.5, -1.0, 0.0])


def voters(count, first=0):
    home = np.where(np.arange(count) % 4 == 0, "north", "south")
    return pd.DataFrame({"participant": [f"w{first + number}" for number in range(count)], "home": home})


def made(count=120, seed=0):
    """Voters who want what lies at home, by 1 in theta."""
    people = voters(count)
    near = people["home"].to_numpy()[:, None] == PLACES["place"].to_numpy()
    chosen = np.asarray(ExactlyK(BASE + near, K).sample(jax.random.PRNGKey(seed)))
    ballots = [tuple(np.array(OPTIONS)[row > 0]) for row in chosen]
    frame = pd.DataFrame({"problem": "b", "participant": people["participant"], "response": ballots})
    return CrowdData.from_frame(frame, participants=people, scale=approval(OPTIONS, K))


@pytest.fixture(scope="module")
def crowd():
    return BallotCrowd.fit(made(), options=PLACES, steps=300, seed=1)


def test_it_learns_what_people_of_a_profile_want(crowd):
    """Of 120 voters; the standard error of a share of 30 is at most 0.09, 0.3 is beyond three of them."""
    people = voters(40)
    near = people["home"].to_numpy()[:, None] == PLACES["place"].to_numpy()
    truth = np.asarray(ExactlyK(BASE + near, K).mean)
    found = crowd.inclusion(people)
    assert found.to_numpy() == pytest.approx(truth, abs=0.3)
    assert found.sum(axis=1).to_numpy() == pytest.approx(K, abs=1e-4)
    assert found.to_numpy()[near].mean() - found.to_numpy()[~near].mean() > 0.1  # 0.27 in truth


def test_ballots_hold_exactly_k_and_follow_the_inclusion_probabilities(crowd):
    """2,000 ballots; 4.5 standard errors of a share, a false alarm in about 20,000 for 7 options."""
    people = voters(2000)
    drawn = crowd.simulate(people, seed=2).responses["response"]
    assert set(drawn.map(len)) == {K}
    shares = np.array([drawn.map(lambda ballot, one=one: one in ballot).mean() for one in OPTIONS])
    assert shares == pytest.approx(crowd.inclusion(people.head(40)).mean().to_numpy(), abs=4.5 * 0.5 / 2000**0.5)


def test_a_ballot_depends_on_its_voter_alone(crowd):
    first, second = (
        crowd.simulate(people, seed=3).responses.set_index("participant")["response"]
        for people in (voters(40), voters(60).tail(40).iloc[::-1])
    )
    both = first.index.intersection(second.index)
    assert len(both) == 20
    assert (first[both] == second[both]).all()


def test_what_is_fixed_takes_variety_away(crowd):
    people = voters(40)
    kinds = {fixed: crowd.simulate(people, fixed=fixed, seed=4).responses["response"].nunique()
             for fixed in ("belief and blender", "blender", "nothing")}  # fmt: skip
    assert kinds["belief and blender"] == 1
    assert kinds["belief and blender"] < kinds["blender"] < kinds["nothing"]


def test_a_reference_is_trusted_where_it_is_right():
    data = made()
    shares = np.exp(BASE) / np.exp(BASE).sum()
    chosen = [[option in ballot for option in OPTIONS] for ballot in data.responses["response"]]
    people = tuple(data.responses["participant"])[:110]
    own = Reference.from_probabilities(["b"], OPTIONS, [np.array(chosen[:110]) / K], profiles=people)
    known = BallotCrowd.fit(data, own, PLACES, steps=300)
    assert known.trust[1] > 0.5
    assert known.without_own == 10
    assert "10 voter(s) have no reference of their own" in str(known)
    pooled = BallotCrowd.fit(data, Reference.from_probabilities(["b"], OPTIONS, [shares]), PLACES, steps=300)
    assert pooled.trust[0] > 0.5
    assert pooled.trust[1] == 0.0


@pytest.mark.slow
def test_independent_answers_have_ballots_of_any_size():
    crowd = BallotCrowd.fit(made(), blend="independent", steps=300)
    sizes = crowd.simulate(voters(40), seed=1).responses["response"].map(len)
    assert sizes.nunique() > 3
    assert sizes.mean() == pytest.approx(K, abs=0.9)  # four standard errors


def test_ballots_of_another_size_are_refused():
    short = made(20)
    ballots = short.responses["response"].tolist()
    frame = short.responses.assign(response=[("a", "b"), *ballots[1:]])
    data = CrowdData.from_frame(frame, scale=approval(OPTIONS, K))
    with pytest.raises(ValueError, match="1 of 20 ballots do not hold exactly 3 options: 'w0' chose 2"):
        BallotCrowd.fit(data)
    six = short.responses.assign(response=[tuple("abcd"), *ballots[1:]])
    with pytest.raises(ValueError, match="1 of 20 ballots hold more than 3 options, in"):
        CrowdData.from_frame(six, scale=approval(OPTIONS, K))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reference": Reference.from_probabilities(["b"], ["a", "b"], [[0.5, 0.5]])}, "the ballot's 7 options"),
        (
            {
                "reference": Reference.from_probabilities(
                    ["b"], OPTIONS, [[[0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1]] * 2], profiles=("x", "y")
                )
            },
            "'x', and none is a voter of data",
        ),
        ({"options": PLACES.head(6)}, "one row for each of the 7 options"),
        ({"blend": "both"}, "blend"),
        ({"steps": 0}, "steps must be a whole number of at least 1"),
    ],
)
def test_bad_arguments_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        BallotCrowd.fit(made(20), **given)


def test_bad_people_are_named(crowd):
    with pytest.raises(ValueError, match="people has no row"):
        crowd.simulate(voters(0))
    with pytest.raises(ValueError, match="column 'participant'"):
        crowd.inclusion(voters(3).drop(columns="participant"))
    with pytest.raises(ValueError, match="data must hold ballots"):
        BallotCrowd.fit(voters(3))


def test_voters_come_back_from_a_file_as_they_were(tmp_path):
    data = made()
    shares = np.full((1, 2, 7), 1 / 7)
    shares[0, 1] = [0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05]
    reference = Reference(("b",), tuple(OPTIONS), np.log(shares), profiles=("w3", "w5"))
    crowd = BallotCrowd.fit(data, reference, PLACES, steps=20, seed=1)
    crowd.save(tmp_path / "voters.npz")
    other = BallotCrowd.load(tmp_path / "voters.npz")
    assert str(other) == str(crowd)
    pd.testing.assert_frame_equal(other.inclusion(voters(9)), crowd.inclusion(voters(9)))
    both = [one.simulate(voters(9), seed=4).responses for one in (crowd, other)]
    pd.testing.assert_frame_equal(*both)


def test_a_voters_file_that_was_changed_or_is_another_is_refused(crowd, tmp_path):
    with pytest.raises(ValueError, match="written as .npz"):
        crowd.save(tmp_path / "voters.json")
    with pytest.raises(FileNotFoundError, match="no generator at"):
        BallotCrowd.load(tmp_path / "none.npz")
    crowd.save(tmp_path / "voters.npz")
    with np.load(tmp_path / "voters.npz") as file:
        arrays = {name: file[name] for name in file.files}
    for name, value, said in (
        ("option", np.full(7, np.nan), "option holds numbers that are not finite"),
        ("weights", np.zeros((2, 9)), r"weights has shape \(2, 9\), not"),
        ("told", np.asarray('{"format": "crowdllm-stats generator 2"}'), "not 'crowdllm-stats ballots 1'"),
    ):
        np.savez(tmp_path / "changed.npz", **{**arrays, name: value})
        with pytest.raises(ValueError, match=f"changed.npz is not a whole generator file: .*{said}"):
            BallotCrowd.load(tmp_path / "changed.npz")
