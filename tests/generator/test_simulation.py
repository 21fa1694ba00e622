"""Drawn answers: blocks join without a seam, files hold what memory holds, participation leaves out, long scales."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

jax = pytest.importorskip("jax")

from crowdllm_stats.generator import simulation
from crowdllm_stats.generator.kept import even_components
from crowdllm_stats.generator.participation import Participation
from crowdllm_stats.generator.prediction import even_people
from crowdllm_stats.generator.simulation import Drawn, write_parquet

from .conftest import PROBLEMS

THREE = ["q07", "q20", "q03"]
KEY = ["problem", "participant"]


def sorted_rows(frame):
    return frame.astype({"problem": str, "participant": str}).sort_values(KEY).reset_index(drop=True)


@pytest.mark.parametrize("family", ["ordinal", "normal", "categorical"])
def test_a_file_holds_what_memory_holds_in_several_blocks_too(fits, tmp_path, monkeypatch, family):
    model = fits[family]
    whole = model.simulate(THREE, 60, seed=4).responses
    monkeypatch.setattr(simulation, "BLOCK", 64)
    told = []
    written = model.simulate_to(tmp_path / "a.parquet", THREE, 150, seed=4, progress=lambda *at: told.append(at))
    assert written == 450
    assert told == [(64, 150), (128, 150), (150, 150)]
    assert [one.name for one in tmp_path.iterdir()] == ["a.parquet"]
    found = sorted_rows(pd.read_parquet(tmp_path / "a.parquet").astype({"response": whole["response"].dtype}))
    assert not found.duplicated(KEY).any()
    first = found[found["participant"].isin(whole["participant"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, sorted_rows(whole), rtol=1e-5)
    kind = pq.read_schema(tmp_path / "a.parquet").field("response").type
    assert str(kind) == {
        "ordinal": "int8", "normal": "float", "categorical": "dictionary<values=string, indices=int8, ordered=0>"
    }[family]  # fmt: skip


def test_participation_leaves_out_the_same_answers_in_memory_and_on_file(rated, tmp_path):
    half = Participation.given(0.5)
    everything = rated.simulate(THREE, 60, seed=4).responses.set_index(KEY)["response"]
    some = rated.simulate(THREE, 60, seed=4, participation=half).responses
    assert 40 < len(some) < 140  # binomial(180, 0.5): 7 standard deviations
    assert (some.set_index(KEY)["response"] == everything[pd.MultiIndex.from_frame(some[KEY])]).all()
    assert rated.simulate_to(tmp_path / "b.parquet", THREE, 60, seed=4, participation=half) == len(some)
    found = pd.read_parquet(tmp_path / "b.parquet").astype({"response": float})
    pd.testing.assert_frame_equal(sorted_rows(found), sorted_rows(some))


@pytest.mark.parametrize(
    ("levels", "kind"),
    [(np.array([0.1, 0.5, 0.9]), "double"), (np.arange(3.0), "int8"), (np.arange(0.0, 300.0), "double")],
)
def test_levels_are_written_exactly(tmp_path, levels, kind):
    places = np.array([[0, 2], [1, 1], [2, len(levels) - 1]])
    block = Drawn(slice(0, 2), places, None)
    assert write_parquet(iter([block]), ["u", "v"], ("a", "b", "c"), levels, tmp_path / "c.parquet") == 6
    found = pd.read_parquet(tmp_path / "c.parquet")
    assert found["response"].tolist() == levels[places].ravel().tolist()
    assert found["problem"].tolist() == ["a", "a", "b", "b", "c", "c"]
    assert found["participant"].tolist() == ["u", "v"] * 3
    assert str(pq.read_schema(tmp_path / "c.parquet").field("response").type) == kind


def test_many_words_keep_their_place(tmp_path):
    words = np.array([f"word {place}" for place in range(200)])
    block = Drawn(slice(0, 2), np.array([[0, 199], [128, 127]], dtype=np.int16), None)
    write_parquet(iter([block]), ["u", "v"], ("a", "b"), words, tmp_path / "d.parquet")
    assert pd.read_parquet(tmp_path / "d.parquet")["response"].tolist() == [words[at] for at in (0, 199, 128, 127)]


def test_scales_of_many_levels_are_drawn_up_to_their_end():
    """201 levels: places beyond 127 are drawn as such."""
    import jax.numpy as jnp

    from crowdllm_stats import ordinal
    from crowdllm_stats.generator.belief import Belief
    from crowdllm_stats.generator.blender import Blender

    belief = Belief(Blender.of_scale(ordinal(range(201))), hidden=3, person_effects=False)
    params = jax.tree.map(jnp.asarray, belief.initial(jax.random.key(0), 2, 1, 1, 1, 1.0))
    table = {
        "problems": ("low", "high"), "x": np.zeros((2, 2)), "centred": np.zeros((2, 1)), "effect": np.zeros((2, 1)),
        "reference": np.array([[30.0], [180.0]]),
    }  # fmt: skip
    ids = [f"u{place}" for place in range(60)]
    blocks = simulation.draw_blocks(belief, params, table, ids, lambda some: np.zeros((60, 1)), None, 1)
    answers = next(blocks).answers
    assert answers.shape == (2, 60)
    assert np.abs(answers.mean(axis=1) - [30, 180]).max() < 1.0  # sd 1.4 / sqrt(60): 5 standard errors


def test_a_file_that_fails_half_way_is_not_left_behind(tmp_path):
    def blocks():
        yield Drawn(slice(0, 2), np.array([[0.5, 1.5]], dtype=np.float32), None)
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="the power went"):
        write_parquet(blocks(), ["u", "v"], ("a",), None, tmp_path / "e.parquet")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match="is not there"):
        write_parquet(blocks(), ["u", "v"], ("a",), None, tmp_path / "nowhere" / "e.parquet")


def test_a_stream_goes_to_parquet_alone(rated, tmp_path):
    (tmp_path / "folder.parquet").mkdir()
    for name in ("answers.csv", "folder.parquet"):
        with pytest.raises(ValueError, match="streamed to a file that ends in .parquet"):
            rated.simulate_to(tmp_path / name, THREE, 5)
    assert [one.name for one in tmp_path.iterdir()] == ["folder.parquet"]


def test_even_people_cover_profiles_and_effects_evenly(rated):
    """A scrambled Sobol sequence: moments far nearer than 1,024 random draws would bring them."""
    belief = rated.belief(rated.blender)
    profiles = np.arange(6.0).reshape(3, 2)
    people = even_people(rated.fitted.params, belief, profiles, 1000, seed=1)
    assert people.v.shape == (1024, 2)
    assert people.psi is None
    counts = np.unique(np.asarray(people.v)[:, 0], return_counts=True)[1]
    assert np.ptp(counts) <= 2
    law = even_components(rated.fitted.params, 4096)
    sd = float(np.sqrt(law.mean[:, 0].var() + (law.sd[:, 0] ** 2).mean()))
    assert float(people.shift.mean()) == pytest.approx(0.0, abs=0.02 * sd)
    assert float(people.shift.std()) == pytest.approx(sd, rel=0.02)
    assert float(people.noise.std()) == pytest.approx(1.0, rel=0.02)
    assert abs(np.corrcoef(np.asarray(people.shift)[:, 0], np.asarray(people.noise)[:, 0])[0, 1]) < 0.03


def test_problems_keep_their_order(rated):
    assert rated.simulate(THREE, 60, seed=4).responses["problem"].drop_duplicates().tolist() == THREE
    assert rated.predict(list(PROBLEMS[::-1])).problems == PROBLEMS[::-1]
