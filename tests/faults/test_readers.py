"""Tables that are damaged, unpack to gigabytes, are wider than tables are, or hold what no answer is."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.files import read_table, write_table
from faults.commands import run
from faults.fuzzing import fuzz
from faults.mutators import damaged, flipped

HEADER = b"problem,participant,response\n"

#: A command, and a file of reference answers read as commands read them, with 4 GB of memory and no more.
_LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32)); "
COMMAND = _LIMITED + "from crowdllm_stats.cli import main; sys.exit(main(sys.argv[1:]))"
ARRAYS = _LIMITED + (
    "from crowdllm_stats.data.reference import Reference\n"
    "try: Reference.load(sys.argv[1])\n"
    "except ValueError as error: print('error:', error, file=sys.stderr); sys.exit(2)"
)


@pytest.fixture
def rng(campaign):
    return np.random.default_rng(campaign.seed)


def answers() -> pd.DataFrame:
    rows = np.arange(60)
    return pd.DataFrame(
        {"problem": [f"q{row % 7}" for row in rows], "participant": [f"p{row // 7}" for row in rows],
         "response": 1.0 + rows % 5, "gender": [("Woman", "Man", "")[row // 7 % 3] for row in rows],
         "age": 20 + rows // 7}
    )  # fmt: skip


def parquet_table(content: bytes, folder: Path) -> bool:
    place = folder / "table.parquet"
    place.write_bytes(content)
    found = read_table(place)
    return set(found.columns) == set(answers().columns) and all(
        found[name].astype(str).tolist() == answers()[name].astype(str).tolist() for name in answers().columns
    )


def test_parquet_of_ours(campaign, rng, tmp_path):
    write_table(answers(), tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    before = "72 of 3,000 lost, 144 silent"
    attack = "One bit of a Parquet file that the package wrote is flipped"
    fuzz(campaign, attack, 3000, lambda: flipped(whole, rng), parquet_table, tmp_path, before)
    attack = "A Parquet file that the package wrote has one to four kinds of damage"
    fuzz(campaign, attack, 3000, lambda: damaged([whole], rng), parquet_table, tmp_path)


def test_notes_of_parquet_files(campaign, rng, tmp_path):
    plain, packed, indexed = (io.BytesIO() for _ in range(3))
    answers().to_parquet(plain)
    answers().astype({"gender": "category"}).to_parquet(packed, compression="gzip")
    answers().set_index(["problem", "participant"]).to_parquet(indexed)
    files = [file.getvalue() for file in (plain, packed, indexed)]

    def make() -> bytes:
        content = files[int(rng.integers(len(files)))]
        start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
        notes = content[start:]
        return content[:start] + (flipped(notes, rng) if rng.random() < 0.5 else damaged([notes], rng))

    fuzz(
        campaign,
        "The notes at the end of another program's Parquet file are damaged",
        3000,
        make,
        parquet_table,
        tmp_path,
    )


# Bombs ----------------------------------------------------------------------------------------------------------------
def _packed(head: bytes, piece: bytes, times: int) -> bytes:
    return gzip.compress(head) + gzip.compress(piece) * times


def _tables(folder: Path) -> dict[str, bytes]:
    """Small files of tables that unpack to gigabytes, by name."""
    ones = pa.table({name: np.ones(10_000_000, np.int8) for name in ("problem", "participant", "response")})
    with pq.ParquetWriter(folder / "rows", ones.schema) as out:
        for _ in range(20):
            out.write_table(ones, row_group_size=len(ones))
    lists = pa.ListArray.from_arrays(pa.array([0, 1_000_000_000]), pa.nulls(1_000_000_000, pa.null()))
    pq.write_table(pa.table({"problem": ["q"], "participant": ["p"], "response": lists}), folder / "lists")
    nothing = pa.table({"problem": pa.nulls(400_000_000), "participant": pa.nulls(400_000_000)})
    pq.write_table(nothing, folder / "nothing")
    return {
        "rows.csv.gz": _packed(HEADER, b"1,1,1\n" * 1_000_000, 400),
        "value.csv.gz": _packed(HEADER + b'1,1,"', b"x" * 10_000_000, 250),
        "header.csv.gz": _packed(b"problem", b"x" * 10_000_000, 250),
        "columns.csv.gz": _packed(HEADER[:-1], b",1" * 5_000_000, 250),
        "blank.csv.gz": _packed(HEADER, b"\n" * 10_000_000, 250),
        "quotes.csv.gz": _packed(HEADER, b'"' * 10_000_000, 250),
        "rows.parquet": (folder / "rows").read_bytes(),
        "lists.parquet": (folder / "lists").read_bytes(),
        "nothing.parquet": (folder / "nothing").read_bytes(),
    }


def _arrays() -> dict[str, bytes]:
    """Files of arrays that unpack to gigabytes, or say so in an array's header."""
    made = {}
    for name, shape, size in (("zeros.npz", (500_000_000,), 4_000_000_000), ("header.npz", (10**15,), 8_000),
                              ("empty.npz", (10**12, 0, 10**6), 0)):  # fmt: skip
        out = io.BytesIO()
        with (
            zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("problems.npy", "w", force_zip64=True) as file,
        ):
            np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
            for _ in range(size // 8_000):
                file.write(bytes(8_000))
        made[name] = out.getvalue()
    return made


def test_bombs(campaign, tmp_path):
    attack = "A small packed file of a table that unpacks to gigabytes is read, with 4 GB of memory"
    outcomes = {}
    for name, content in _tables(tmp_path).items():
        (tmp_path / name).write_bytes(content)
        done = run("interval", name, "example:digital", cwd=tmp_path, program=("-c", COMMAND), timeout=120)
        outcomes[name] = done.outcome(right=False), done.err
        campaign.record(attack, outcomes[name][0], before="18.7 GB taken by 2.3 MB")
    attack = "A small file of arrays (.npz) that unpacks to gigabytes, or says so, is read, with 4 GB of memory"
    for name, content in _arrays().items():
        (tmp_path / name).write_bytes(content)
        done = run(name, cwd=tmp_path, program=("-c", ARRAYS), timeout=120)
        outcomes[name] = done.outcome(right=False), done.err
        campaign.record(attack, outcomes[name][0], before="3.5 GB taken by 3.4 MB")
    assert {outcome for outcome, _ in outcomes.values()} == {"refused"}, outcomes


# What is no table of answers ------------------------------------------------------------------------------------------
def test_headers(campaign, rng, tmp_path):
    def wide() -> bytes:
        names = ",".join(f"c{number}" for number in range(int(rng.integers(10_001, 120_000))))
        return f"problem,participant,response,{names}\n{names}\n".encode()

    def long() -> bytes:
        name = b"x" * int(rng.integers(1 << 20, 3 << 20))
        return b"problem,participant,response," + name + b"\n1,2,3,4\n"

    def foreign() -> bytes:
        names = ["problem", "participant", "response", "größe", "夏", "ñ"]
        for encoding in rng.permutation(["latin-1", "cp1252", "utf-16-le", "shift_jis"]):
            picked = ",".join(name for name in rng.permutation(names))
            content = f"{picked}\n1,2,3,4,5,6\n".encode(encoding, errors="ignore")
            if not _is_text(content):
                return content
        return b"problem,participant,response,\xe9\n1,2,3,4\n"

    def rightly(content: bytes, folder: Path) -> bool:
        """UTF-16 is read, Windows-1252 too: then the columns are where the header has them."""
        (folder / "table.csv").write_bytes(content)
        found = CrowdData.read(folder / "table.csv").responses.iloc[0]
        lines = content.decode("utf-16-le" if b"\0" in content else "latin-1").split("\n")
        names, values = (line.split(",") for line in lines[:2])
        return all(
            float(found[name]) == float(values[names.index(name)]) for name in ("problem", "participant", "response")
        )

    def never(content: bytes, folder: Path) -> bool:
        (folder / "table.csv").write_bytes(content)
        CrowdData.read(folder / "table.csv")
        return False

    fuzz(campaign, "A CSV file has 10,000 to 120,000 columns", 20, wide, never, tmp_path, "hangs (quadratic)")
    fuzz(campaign, "A CSV file has a header of 1 to 3 MB", 40, long, never, tmp_path)
    fuzz(campaign, "The header of a CSV file is not UTF-8", 300, foreign, rightly, tmp_path, "lost, no file named")


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def test_times_as_answers(campaign, rng, tmp_path):
    def make() -> bytes:
        days = pd.to_datetime(rng.integers(0, 20_000, 4), unit="D")
        kinds = (days, days.tz_localize("Europe/Berlin"), days - days[0], days.date, pd.Series(days).dt.time)
        answered = kinds[int(rng.integers(len(kinds)))]
        out = io.BytesIO()
        table = pd.DataFrame({"problem": ["a", "a", "b", "b"], "participant": ["x", "y", "x", "y"]})
        table.assign(response=answered).to_parquet(out)
        return out.getvalue()

    def never(content: bytes, folder: Path) -> bool:
        (folder / "table.parquet").write_bytes(content)
        CrowdData.read(folder / "table.parquet")
        return False

    fuzz(campaign, "Times, spans of time and dates stand where answers are due", 200, make, never, tmp_path, "lost")
