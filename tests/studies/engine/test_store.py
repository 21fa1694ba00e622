"""Which study a folder's blocks belong to, and that no block is taken for another or for a whole one."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from toy_simulator import TOYS, content

from crowdllm_stats._base.sealed import is_whole
from crowdllm_stats.studies.engine.compute import compute_block, label_of, layout_of, unpack
from crowdllm_stats.studies.engine.design_file import make_design
from crowdllm_stats.studies.engine.run import in_this_process, run_study
from crowdllm_stats.studies.engine.store import Store
from crowdllm_stats.studies.engine.summarise import summarise


def design(simulators=TOYS, **changes):
    return make_design(content(**changes), "made", simulators)


def finished(folder: Path, **changes) -> Store:
    made = design(**changes)
    store = Store(folder, made)
    run_study(made, store)
    return store


# -- blocks ------------------------------------------------------------------------------------------------------------


def test_every_single_bit_of_a_block_counts(tmp_path):
    made = design(factors={"n": [3], "mean": [0.0]}, methods=["plain"], block=4)
    whole = compute_block(made, 1).content
    assert is_whole(whole)
    changed = bytearray(whole)
    for place in range(len(whole)):
        for bit in range(8):
            changed[place] ^= 1 << bit
            assert not is_whole(bytes(changed)), (place, bit)
            changed[place] ^= 1 << bit
    file, label = tmp_path / "000001.parquet", label_of(made, layout_of(made).blocks[1])
    for other in (b"", b"PAR1", whole[:-1], whole[1:], whole + b"\0", whole * 2):
        file.write_bytes(other)
        with pytest.raises(ValueError, match="is damaged, its checksum does not fit: delete this file and resume"):
            unpack(file, label)


def test_a_block_is_parquet_for_everybody(tmp_path):
    store = finished(tmp_path)
    table = pd.read_parquet(io.BytesIO(store.block_file(4).read_bytes()))
    assert table["replicate"].tolist() == [*range(7, 14)] * 2
    assert set(table["cell"]) == {1}


def test_a_copied_or_swapped_block_is_named_with_the_remedy(tmp_path):
    store = finished(tmp_path / "a")
    other = finished(tmp_path / "b", seed=6)
    for source, words in (
        (store.block_file(5), "holds block 5 instead of block 4"),
        (other.block_file(4), "holds a block of another study"),
    ):
        whole = store.block_file(4).read_bytes()
        shutil.copyfile(source, store.block_file(4))
        for use in (lambda: run_study(store.design, store), lambda: summarise(store.design, store), store.finished):
            with pytest.raises(ValueError, match=rf"000004.parquet {words}: delete this file and resume"):
                use()
        store.block_file(4).write_bytes(whole)
    one, two = store.block_file(0), store.block_file(1)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    with pytest.raises(ValueError, match="000000.parquet holds block 1 instead of block 0"):
        run_study(store.design, store)


# -- whose blocks they are ---------------------------------------------------------------------------------------------


def test_another_content_of_a_file_is_another_study_and_a_moved_file_is_not(tmp_path):
    file = tmp_path / "population.txt"
    file.write_text("1.5", encoding="utf-8")
    store = finished(tmp_path / "a", fixed={"source": str(file)})
    before = summarise(store.design, store).frame
    moved = file.rename(tmp_path / "elsewhere.txt")
    assert run_study(design(fixed={"source": str(moved)}), Store(tmp_path / "a", store.design)).found == 18
    file.write_text("2.5", encoding="utf-8")  # fitted again, saved under the same name
    refitted = design(fixed={"source": str(file)})
    with pytest.raises(ValueError, match=r'fixed.source was "sha256:\w{64}", is "sha256:\w{64}"'):
        run_study(refitted, Store(tmp_path / "a", refitted))
    new = finished(tmp_path / "b", fixed={"source": str(file)})
    assert not summarise(new.design, new).frame["value"].equals(before["value"])


def test_a_file_that_changes_while_a_study_runs_stops_it(tmp_path):
    file = tmp_path / "population.txt"
    file.write_text("1.5", encoding="utf-8")
    made = design(fixed={"source": str(file)})

    def refit_meanwhile(work, numbers):
        for result in in_this_process(work, numbers):
            yield result
            file.write_text("2.5", encoding="utf-8")

    with pytest.raises(RuntimeError, match=r"population.txt has changed since the study was read: run the study again"):
        run_study(made, Store(tmp_path / "a", made), engine=refit_meanwhile)


def test_a_moved_simulator_resumes_and_one_with_other_results_does_not(tmp_path):
    finished(tmp_path)
    moved = design({"toy": "toy_simulator:MOVED"})
    assert run_study(moved, Store(tmp_path, moved)).computed == 0
    renewed = design({"toy": "toy_simulator:RENEWED"})
    with pytest.raises(ValueError, match="holds blocks of another design: results was 1, is 2"):
        run_study(renewed, Store(tmp_path, renewed))


def test_a_worker_with_another_version_of_the_simulator_is_refused():
    sent = dataclasses.replace(design(), results=3)
    with pytest.raises(ValueError, match="results of version 1 here, .* version 3: install one version"):
        compute_block(sent, 0)


def test_a_store_of_before_there_were_checksums_is_refused_in_one_line(tmp_path):
    store = finished(tmp_path)
    old = store.design.identity()
    del old["results"]
    text = json.dumps({**old, "simulator": "toy_simulator:TOY", "skip": []})
    (tmp_path / "design.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="begun by an earlier version .* no checksum .* name another folder") as caught:
        run_study(store.design, store)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "null", '"a"', "{", "\0", "[" * 100_000], ids=range(6))
def test_a_design_that_is_no_object_is_one_line(tmp_path, text):
    store = finished(tmp_path)
    (tmp_path / "design.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="design.json is not readable; name another folder with --store"):
        run_study(store.design, store)


def test_levels_that_differ_in_the_seventh_digit_are_others():
    levels = [0.1234567, 0.12345678]
    skips = [{"method": "shrunken", "when": {"mean": [level]}, "reason": "x"} for level in levels]
    one, other = (design(factors={"n": [3], "mean": levels}, skip=[skip]) for skip in skips)
    assert one.identity() != other.identity()
    assert one.skips[0].text == "shrunken where mean in (0.1234567)"


def test_other_measures_of_the_same_blocks_are_those_asked_for(tmp_path):
    store = finished(tmp_path)
    summarise(store.design, store)
    other = design(measures=["mse", "rmse"], reference="shrunken")
    results = summarise(other, Store(tmp_path, other))
    assert set(results.frame["measure"]) == {"mse", "rmse"}
    assert set(results.contrasts["reference"]) == {"shrunken"}


# -- one run at a time, and a folder that can only be read -------------------------------------------------------------


def test_a_finished_store_is_only_read(tmp_path):
    store = finished(tmp_path)
    (tmp_path / ".lock").unlink()
    assert run_study(store.design, store).found == 18
    summarise(store.design, store)
    assert {file.name for file in tmp_path.iterdir()} == {"blocks", "design.json", "times.csv"}


def test_halves_are_removed_once_no_other_run_writes(tmp_path):
    store = finished(tmp_path)
    store.block_file(3).unlink()
    halves = [store.block_file(3).with_suffix(".parquet.7.half"), tmp_path / "design.json.7.half"]
    for half in halves:
        half.write_bytes(b"half")
    assert run_study(store.design, store).computed == 1
    assert not any(half.exists() for half in halves)


def test_a_lock_that_is_no_file_is_one_line(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(ValueError, match=r"cannot be written to: Is a directory"):
        run_study(design(), Store(tmp_path, design()))


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../../X", "/tmp/X", "..", ".", "", ".hidden", "a/b", "a\\b", "a\nb", "a\0b", "\x1b[31m", "x" * 121]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(name):
    with pytest.raises(ValueError, match=re.escape("name must be a plain name without folders")):
        make_design(content(name=name), "made", TOYS)
    with pytest.raises(ValueError, match="write name = 'my_study'"):
        make_design(content(), name, TOYS)


def test_levels_in_a_name_are_plain_too(tmp_path):
    (tmp_path / "a.txt").write_text("1", encoding="utf-8")
    path = f"{tmp_path}/../{tmp_path.name}/a.txt"
    made = design(factors={"n": [3, 8], "source": ["none", path]})
    narrowed = made.narrowed({"n": (3,), "source": (made.factors["source"][1],)})
    assert narrowed.name.startswith("made-3-_")
    assert "/" not in narrowed.name
