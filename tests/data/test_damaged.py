"""Tables that are damaged, packed too well, too wide, or hold what no answer is: one line that names the file."""

import gzip
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crowdllm_stats._base.unpacking import VARIABLE
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.files import read_table, write_table

HEADER = b"problem,participant,response\n"
ROWS = b"".join(b"q%d,p%d,%d\n" % (row % 7, row, 1 + row * 7919 % 5) for row in range(400))


def refusal(path, match):
    with pytest.raises(ValueError, match=match) as error:
        CrowdData.read(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_a_damaged_gzip_file_is_refused_wherever_the_damage_is(tmp_path):
    path = tmp_path / "a.csv.gz"
    packed = gzip.compress(HEADER + ROWS, mtime=0)
    for place in range(10, len(packed), 13):
        path.write_bytes(packed[:place] + bytes([packed[place] ^ 0x10]) + packed[place + 1 :])
        refusal(path, "cannot be unpacked, it is damaged or cut off")


def test_gzip_files_in_several_pieces_are_read(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(HEADER + ROWS[:100]) + gzip.compress(ROWS[100:]))
    assert len(read_table(path)) == 400


def attempt(path):
    """The table, or what is said of it."""
    try:
        return read_table(path), ""
    except ValueError as error:
        return None, str(error)


def frame():
    rows = np.arange(60)
    return pd.DataFrame(
        {"problem": [f"q{row % 7}" for row in rows], "participant": [f"p{row // 7}" for row in rows],
         "response": 1.0 + rows % 5, "age": 20 + rows // 7}
    )  # fmt: skip


def test_damage_in_the_pages_of_a_parquet_file_of_ours_is_noticed(tmp_path):
    path = tmp_path / "a.parquet"
    write_table(frame(), path)
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for place in range(4, footer, 31):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x04]) + whole[place + 1 :])
        found, said = attempt(path)
        assert "cannot be read as Parquet" in said or found.astype(str).equals(frame().astype(str)), place


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"age", b"agu"),
        (b"participant", b"participan\xff"),
        (b'"pandas_type": "float64"', b'"pandas_type":["float64"]'),
    ],
)
def test_damage_in_the_notes_of_a_parquet_file_is_refused_or_does_no_harm(tmp_path, old, new):
    path = tmp_path / "a.parquet"
    frame().to_parquet(path)
    whole = path.read_bytes()
    found = 0
    for place in range(len(whole)):
        if whole.startswith(old, place):
            path.write_bytes(whole[:place] + new + whole[place + len(old) :])
            found += 1
            read, said = attempt(path)
            assert (str(path) in said and "\n" not in said) or list(read.columns) == list(frame().columns), place
    assert found


def test_a_file_that_unpacks_to_too_much_is_refused_in_little_memory(tmp_path, monkeypatch):
    path = tmp_path / "a.csv.gz"
    with gzip.open(path, "wb") as packed:
        packed.write(HEADER)
        for _ in range(400):
            packed.write(b"1,1,1\n" * 10_000)  # 24 MB of text, 120 MB as a table
    whole = pa.table({"problem": np.ones(3_000_000, np.int64), "response": np.ones(3_000_000)})
    pq.write_table(whole, tmp_path / "a.parquet")
    monkeypatch.setenv(VARIABLE, "0.03")
    refusal(path, r"unpack to more than 0.03 GB.* set CROWDLLM_STATS_UNPACK_GB .* or unpack it first: gunzip a.csv.gz")
    refusal(tmp_path / "a.parquet", "unpack to more than 0.03 GB.* set CROWDLLM_STATS_UNPACK_GB")
    monkeypatch.setenv(VARIABLE, "1")
    assert len(read_table(path)) == 4_000_000
    monkeypatch.setenv(VARIABLE, "much")
    with pytest.raises(ValueError, match="CROWDLLM_STATS_UNPACK_GB must be a positive number of gigabytes.*'much'"):
        read_table(path)


_PEAK = """
import resource, sys
import pyarrow.csv, pyarrow.parquet
from crowdllm_stats.data.files import read_table
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_table(sys.argv[1])
except ValueError as error:
    assert "unpack to more than" in str(error), error
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_what_refuses_a_bomb_takes_no_memory(tmp_path):
    path = tmp_path / "a.csv.gz"
    piece = gzip.compress(b"1,1,1\n" * 1_000_000)
    path.write_bytes(gzip.compress(HEADER) + piece * 200)  # 1.2 GB of text
    done = subprocess.run([sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 64 * 1024  # kilobytes


def test_parquet_whose_metadata_understate_its_size_is_refused_while_it_is_read(tmp_path, monkeypatch):
    """A list column: the number of rows is small, what they hold is not."""
    path = tmp_path / "a.parquet"
    lists = pa.ListArray.from_arrays(pa.array([0, 9_000_000]), pa.array(np.ones(9_000_000, np.int8)))
    pq.write_table(pa.table({"problem": ["q"], "response": lists}), path)
    monkeypatch.setenv(VARIABLE, "0.005")
    refusal(path, "unpack to more than")


def test_more_columns_than_a_table_has_are_refused_at_once(tmp_path):
    names = ",".join(f"c{number}" for number in range(100_000))
    (tmp_path / "a.csv").write_text(f"{names}\n{names}\n", encoding="utf-8")
    start = time.perf_counter()
    refusal(tmp_path / "a.csv", "has 100,000 columns, at most 10,000 are read")
    assert time.perf_counter() - start < 10
    wide = pa.table({f"c{number}": [1] for number in range(10_001)})
    pq.write_table(wide, tmp_path / "a.parquet")
    refusal(tmp_path / "a.parquet", "has 10,001 columns, at most 10,000 are read")


def test_headers_that_are_none_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"problem,participant,response," + b"x" * (1 << 20) + b"\n1,2,3,4\n")
    refusal(path, "first line is longer than 1 MB; it must be a header")
    path.write_bytes("problem,participant,response,größe\n".encode() + b"1,2,3,\xe4\n")
    refusal(path, "line 2 is not UTF-8 text .*save the file as UTF-8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'q1,"a"b,1\n', "line 2 opens a quote that is closed before its value ends"),
        (b'q1,a,1\nq2,"x\nq3,"y",2\n', "line 3 opens a quote that is closed before its value ends"),
        (b'q1,a,1\n"' + b"x" * 3_000_000 + b'"y,b,2\n', "line 3 opens a quote that is closed before its value ends"),
        (b"q1,a,1\nq2,\0,2\n", "line 3 holds a zero byte, which is not text"),
    ],
)
def test_a_quote_that_is_closed_too_early_swallows_nothing(tmp_path, content, message):
    for path, written in (
        (tmp_path / "a.csv", HEADER + content),
        (tmp_path / "a.csv.gz", gzip.compress(HEADER + content)),
    ):
        path.write_bytes(written)
        refusal(path, message)


@pytest.mark.parametrize("place", [(1 << 20) - 3, (1 << 20) - 2, (1 << 20) - 1, 1 << 20])
def test_quotes_at_the_edge_of_what_is_read_at_a_time_are_understood(tmp_path, place):
    start = HEADER + b"q,p,"
    long = b"x" * (place - len(start))
    (tmp_path / "a.csv").write_bytes(start + long + b'\nq,"a""b",c\r\n"z",5" tall,"d"')
    assert read_table(tmp_path / "a.csv").astype(str).to_numpy()[1:].tolist() == [
        ["q", 'a"b', "c"],
        ["z", '5" tall', "d"],
    ]


@pytest.mark.parametrize(
    "answers",
    [
        pd.to_datetime(["2026-01-01", "2026-01-02"]),
        pd.to_datetime(["2026-01-01", "2026-01-02"]).tz_localize("Europe/Berlin"),
        pd.to_timedelta([1, 2], "s"),
        pd.to_datetime(["2026-01-01", "2026-01-02"]).date,
    ],
    ids=["times", "with zone", "spans", "dates"],
)
def test_times_are_no_answers(tmp_path, answers):
    table = pd.DataFrame({"problem": ["a", "a"], "participant": ["x", "y"], "response": answers})
    table.to_parquet(tmp_path / "a.parquet")
    refusal(tmp_path / "a.parquet", "holds 2 of 2 answers that are not numbers")
