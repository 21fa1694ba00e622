"""Files are there in full or not at all: a failure, a full disk or Ctrl-C leaves what was there before."""

import contextlib
import os
import resource
import stat

import numpy as np
import pandas as pd
import pytest

from crowdllm_stats._base.whole_files import whole_file, whole_folder, write_whole
from crowdllm_stats.data.files import write_table
from crowdllm_stats.data.reference import Reference


@pytest.fixture
def small_files():
    """Within it, no file of this process may grow beyond a number of bytes: as on a full disk."""

    @contextlib.contextmanager
    def limited(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture
def former(tmp_path):
    place = tmp_path / "answers.csv"
    place.write_bytes(b"good")
    return place


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_what_was_there_stays_when_the_writing_stops(former, error):
    def stopped(out):
        out.write(b"half of it")
        raise error("stopped")

    with pytest.raises(error), whole_file(former) as out:
        stopped(out)
    assert former.read_bytes() == b"good"
    assert list(former.parent.iterdir()) == [former]


@pytest.mark.parametrize("name", ["answers.csv", "answers.csv.gz", "answers.parquet"])
def test_a_table_that_cannot_be_written_whole_leaves_the_former(tmp_path, name, small_files):
    place = tmp_path / name
    table = pd.DataFrame({"problem": [f"q{row}" for row in range(3)], "response": [1.0, 2.0, 3.0]})
    write_table(table, place)
    good = place.read_bytes()
    large = pd.DataFrame({"problem": np.random.default_rng(1).bytes(400_000).hex(), "response": range(2)})
    with small_files(100_000), pytest.raises(OSError, match=rf"{name} could not be written: .*; what was there before"):
        write_table(large, place)
    assert place.read_bytes() == good
    assert list(tmp_path.iterdir()) == [place]


def test_a_reference_that_cannot_be_written_whole_leaves_the_former(tmp_path, small_files, capfd):
    place = tmp_path / "reference.npz"
    rng = np.random.default_rng(1)
    for size in (3, 40_000):
        logs = np.log(rng.dirichlet(np.ones(5), size=(size, 1)))
        reference = Reference(tuple(f"q{row}" for row in range(size)), (1, 2, 3, 4, 5), logs)
        if size == 3:
            reference.save(place)
            good = place.read_bytes()
            continue
        with small_files(100_000), pytest.raises(OSError, match=r"reference\.npz could not be written"):
            reference.save(place)
    assert place.read_bytes() == good
    assert list(tmp_path.iterdir()) == [place]
    assert capfd.readouterr().err == ""


def test_a_full_disk_is_named():
    with pytest.raises(OSError, match=r"^/dev/full could not be written: the disk is full"):
        write_whole("/dev/full", b"abc")


def test_links_are_followed_and_rights_stay(former):
    former.chmod(0o640)
    link = former.with_name("link.csv")
    link.symlink_to(former.name)
    write_whole(link, "new")
    assert link.is_symlink()
    assert former.read_text() == "new"
    assert stat.S_IMODE(former.stat().st_mode) == 0o640


def test_nobody_else_reads_a_half(tmp_path):
    new = tmp_path / "new"
    with whole_file(new) as out:
        assert stat.S_IMODE(os.fstat(out.fileno()).st_mode) == 0o600
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert new.stat().st_mode == plain.stat().st_mode


def test_the_longest_name_can_be_written(tmp_path):
    place = tmp_path / ("ü" * 125 + ".csv")
    write_whole(place, b"abc")
    assert list(tmp_path.iterdir()) == [place]


def write_both(one, other):
    (one / "README.md").write_text("new")
    (other / "picture.png").write_bytes(b"dots")


def test_a_folder_gets_all_files_or_none(tmp_path):
    (tmp_path / "README.md").write_text("former")
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path) as half:
        write_both(half, half / "no folder")
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "former"
    with whole_folder(tmp_path) as half:
        write_both(half, half)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["README.md", "picture.png"]
    assert (tmp_path / "README.md").read_text() == "new"


def test_a_folder_without_room_is_named_and_keeps_its_files(tmp_path, small_files):
    (tmp_path / "a.txt").write_bytes(b"good")
    with (
        pytest.raises(OSError, match=r"could not be written: File too large; what was there before stays"),
        small_files(100),
        whole_folder(tmp_path) as out,
    ):
        (out / "a.txt").write_bytes(b"x" * 200)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.txt", b"good")]
