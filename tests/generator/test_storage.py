"""Generators on file: every family comes back as it was; what is cut off, changed or foreign is refused."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pandas as pd
import pytest

jax = pytest.importorskip("jax")

from crowdllm_stats import ordinal
from crowdllm_stats.generator.crowdllm import CrowdLLM
from crowdllm_stats.generator.profiles.profiles import ProfileGenerator


@pytest.fixture(scope="module")
def written(rated, tmp_path_factory):
    place = tmp_path_factory.mktemp("models") / "rated.npz"
    rated.save(place)
    return place


@pytest.mark.parametrize("family", ["ordinal", "normal", "truncated", "categorical", "paper"])
def test_every_family_comes_back_as_it_was(fits, tmp_path, family):
    model = fits[family]
    model.save(tmp_path / "model.npz")
    other = CrowdLLM.load(tmp_path / "model.npz")
    assert [one.name for one in tmp_path.iterdir()] == ["model.npz"]
    assert str(other) == str(model)
    assert other.settings == model.settings
    own, told = model.fitted, other.fitted
    assert (told.problems, told.scale, told.encoder, told.seed) == (own.problems, own.scale, own.encoder, own.seed)
    pd.testing.assert_frame_equal(told.profiles, own.profiles)
    for name in ("x", "decision", "effect", "history", "held_out"):
        np.testing.assert_allclose(getattr(told, name), getattr(own, name), rtol=1e-6)
    new = {"problems": ["q04", "q11"]}
    for name in ("probabilities", "mean", "variance", "belief_mean"):
        mine, theirs = (getattr(one.predict(**new), name) for one in (model, other))
        assert (mine is None) == (theirs is None)
        if mine is not None:
            np.testing.assert_allclose(theirs, mine, rtol=1e-5)
    answers = [one.simulate(["q07", "q20", "q03"], 60, seed=2).responses for one in (model, other)]
    pd.testing.assert_frame_equal(*answers, rtol=1e-5)


def test_a_population_of_its_own_is_written_and_the_training_profiles_are_not(rated, tmp_path):
    lefts = ProfileGenerator.from_pool(pd.DataFrame({"group": ["left"] * 5}))
    rated.with_recruiter(lefts, n=9).save(tmp_path / "lefts.npz")
    other = CrowdLLM.load(tmp_path / "lefts.npz")
    assert set(other.simulate(["q07", "q20", "q03"], 60).participants["group"]) == {"left"}
    with np.load(tmp_path / "lefts.npz") as file:
        told = json.loads(str(file["told"]))
    assert told["profiles"] == {"group": ["left"] * 9}


def change(place, target, **changes):
    """The file with some arrays changed, or left out where None."""
    with np.load(place) as file:
        arrays = {name: file[name] for name in file.files}
    arrays |= changes
    np.savez(target, **{name: value for name, value in arrays.items() if value is not None})
    return target


def test_files_that_are_cut_off_changed_or_foreign(written, tmp_path):
    whole = written.read_bytes()
    broken = tmp_path / "broken.npz"
    for content in (b"", whole[: len(whole) // 2], whole[:-30], b"problem,response\n1,2\n"):
        broken.write_bytes(content)
        with pytest.raises(ValueError, match=r"broken.npz is not a whole generator file"):
            CrowdLLM.load(broken)
    with pytest.raises(
        ValueError,
        match="is not a whole generator file, it is damaged, cut off or of another type: .*zip file; write it again",
    ):
        CrowdLLM.load(broken)
    with zipfile.ZipFile(written) as file:
        largest = max(file.infolist(), key=lambda one: one.compress_size)
    flipped = bytearray(whole)
    flipped[largest.header_offset + 30 + len(largest.filename) + largest.compress_size // 2] ^= 0xFF
    broken.write_bytes(bytes(flipped))
    with pytest.raises(ValueError, match="is not a whole generator file"):
        CrowdLLM.load(broken)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("told", None, "it holds problems, people, .*, but not the description of a generator"),
        ("told", np.asarray(json.dumps({"format": "something else"})), "its format is 'something else'"),
        ("x", np.zeros((3, 5)), "26 problems but 3 vectors"),
        ("effect", np.full((26, 1), np.nan), "effect holds numbers that are not finite"),
        ("person_effect", np.zeros((3, 1)), "70 people but 3 effects of people"),
        ("effect", None, "effect"),
        ("params/encoder/x_mean", np.zeros((2, 1), dtype=np.float32), "generator file"),
        (
            "params/encoder/bias_mean",
            np.array([np.nan], dtype=np.float32),
            "bias_mean holds numbers that are not finite",
        ),
        ("params/log_tau_person", None, "log_tau_person is not there"),
        ("vectors/scales", None, "scales"),
        ("vectors/reference_mean", np.full(5, np.nan), "vectors/reference_mean holds numbers that are not finite"),
        ("vectors/scales", np.array([1.0, np.inf]), "vectors/scales holds numbers that are not finite"),
        ("x", np.array([{"a": 1}], dtype=object), "allow_pickle"),
    ],
)
def test_files_whose_parts_were_changed(written, tmp_path, name, value, told):
    with pytest.raises(ValueError, match=told):
        CrowdLLM.load(change(written, tmp_path / "changed.npz", **{name: value}))


def test_a_file_that_asks_for_more_memory_than_there_is_is_refused(written, tmp_path, monkeypatch):
    with np.load(written) as file:
        told = json.loads(str(file["told"]))
    for name, content in (("population", {**told, "settings": {**told["settings"], "population": 10**9}}),
                          ("n_profiles", {**told, "profiles": {}, "n_profiles": 10**12})):  # fmt: skip
        bomb = change(written, tmp_path / "bomb.npz", told=np.asarray(json.dumps(content)))
        with pytest.raises(ValueError, match=f"{name} is 1000.*, at most 1,000,000 is read from a file"):
            CrowdLLM.load(bomb)
    np.savez_compressed(tmp_path / "zeros.npz", x=np.zeros(2_000_000))
    monkeypatch.setenv("CROWDLLM_STATS_UNPACK_GB", "0.01")
    with pytest.raises(ValueError, match="zeros.npz: its .* bytes unpack to more than 0.01 GB"):
        CrowdLLM.load(tmp_path / "zeros.npz")


def test_places_that_cannot_be_written_or_read(rated, tmp_path):
    with pytest.raises(ValueError, match="written as .npz; got 'model.pkl'"):
        rated.save(tmp_path / "model.pkl")
    with pytest.raises(FileNotFoundError, match="folder .* is not there"):
        rated.save(tmp_path / "nowhere" / "model.npz")
    with pytest.raises(FileNotFoundError, match="no generator at"):
        CrowdLLM.load(tmp_path / "model.npz")


def test_no_answers_and_no_ids_of_people_beyond_the_fitted_ones_are_written(written, rated):
    with np.load(written) as file:
        told = json.loads(str(file["told"]))
        assert "response" not in told
        assert not [name for name in file.files if file[name].dtype == object]
    assert told["scale"]["levels"] == list(ordinal([1, 2, 3, 4, 5]).levels)
