"""Files: broken ones are refused in one line that says what is wrong; large ones are read in little memory."""

import gzip
import json
import subprocess
import sys

import pandas as pd
import pytest

from crowdllm_stats.data.crowd import CrowdData, continuous
from crowdllm_stats.data.files import read_table

GOOD = b'problem,participant,response,note\n007,ann,4,NA\n1.0,"b,ob",5,"two\nlines"\n'


@pytest.fixture
def place(tmp_path):
    def write(content, name="ratings.csv"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_text_is_read_as_written(place, prefix):
    frame = read_table(place(prefix + GOOD))
    assert frame.columns.tolist() == ["problem", "participant", "response", "note"]
    assert frame.astype(str).to_numpy().tolist() == [["007", "ann", "4", "NA"], ["1.0", "b,ob", "5", "two\nlines"]]
    packed = read_table(place(gzip.compress(GOOD), "ratings.csv.gz"))
    assert packed.astype(str).equals(frame.astype(str))


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"c", b'"c"', b'"c""d"', b'""', b'"""c"""', b'c"d', b'"\n"', b'",\n"'])
def test_whole_last_values_are_not_taken_for_stumps(place, last, ending):
    assert len(read_table(place(b"a,b\n1,2\n3," + last + ending))) == 2


BROKEN = {
    "empty": (b"", r"empty \(0 bytes\)"),
    "header only": (b"problem,participant,response\n", "a header but no rows"),
    "header without end": (b"problem,participant,response", "a header but no rows"),
    "cut in a row": (GOOD + b"2,cem", r"line 5 has 2 value\(s\) where the header has 4 columns"),
    "cut in a quoted text": (GOOD + b'2,cem,4,"it beg', "quote that is never closed"),
    "cut after a quote": (GOOD + b'2,cem,4,"', "quote that is never closed"),
    "damaged UTF-8": (GOOD + b"2,ren\xc3\xa9\xe9,4,x\n", "line 5 is not UTF-8 text .*ren.*save the file as UTF-8"),
    "cut UTF-16": (GOOD.decode().encode("utf-16")[:-1], "not whole UTF-16 text"),
    "column twice": (b"problem,problem,response\n1,2,3\n", "column 'problem' is there 2 times"),
    "binary": (bytes(range(128, 256)) * 20, "not UTF-8"),
    "a value of 3 MB": (
        GOOD + b'2,cem,4,"' + b"x" * 3_000_000 + b'"\n',
        "line 5 holds a value of more than 131,072 char",
    ),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_csv(place, content, message):
    with pytest.raises(ValueError, match=message) as error:
        CrowdData.read(place(content))
    assert "\n" not in str(error.value)
    assert "ratings.csv" in str(error.value)


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.9])
def test_cut_gzip(place, keep):
    packed = gzip.compress(GOOD + b"".join(b"%d,ann,4,x%d\n" % (row, row * 7919) for row in range(5000)))
    with pytest.raises(ValueError, match="cut off") as error:
        CrowdData.read(place(packed[: int(len(packed) * keep)], "ratings.csv.gz"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("keep", [0, 3, 200, -1])
def test_cut_parquet(place, tmp_path, keep):
    frame = pd.DataFrame({"problem": [1, 2], "participant": ["ann", "ann"], "response": [4, 5]})
    frame.to_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    with pytest.raises(ValueError, match="empty|cut off") as error:
        CrowdData.read(place(whole[:keep], "cut.parquet"))
    assert "\n" not in str(error.value)


def test_missing_files_and_other_types(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        CrowdData.read(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"use one of .csv, .csv.gz, .parquet, .tsv"):
        CrowdData.read(tmp_path / "ratings.pdf")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        CrowdData.read(tmp_path / "folder.csv")


def test_parquet_index_becomes_columns(tmp_path):
    path = tmp_path / "ratings.parquet"
    index = pd.MultiIndex.from_tuples([(1, "ann"), (2, "ann")], names=["problem", "participant"])
    pd.DataFrame({"response": [4, 5]}, index=index).to_parquet(path)
    assert CrowdData.read(path).responses["problem"].tolist() == ["1", "2"]


def test_scale_is_checked_on_files_too(place):
    with pytest.raises(ValueError, match=r"ratings.csv: column 'response' holds 1 of 2 answers off the scale"):
        CrowdData.read(place(GOOD), scale=continuous(0, 4))


_READER = """
import json, resource, sys, time
from crowdllm_stats.data.crowd import CrowdData, continuous
start = time.perf_counter()
data = CrowdData.read(sys.argv[1], scale=continuous(1, 5))
print(json.dumps({
    "rows": len(data.responses), "total": float(data.responses["response"].sum()), "people": len(data.participants),
    "problems": len(data.problems), "last": data.responses["participant"].iloc[-1],
    "women": int((data.participants["gender"] == "Woman").sum()),
    "seconds": time.perf_counter() - start,
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


@pytest.mark.slow
def test_200_megabytes(tmp_path, record_property):
    path = tmp_path / "large.csv"
    people, problems = 400, 13_900
    with path.open("w", encoding="utf-8") as file:
        file.write("problem,participant,response,gender,age\n")
        for problem in range(problems):
            file.write(
                "".join(
                    f"item-{problem:06},person-{person:06},{1 + (problem + person) % 5},"
                    f"{'Woman' if person % 2 else 'Man'},{20 + person % 50}\n"
                    for person in range(people)
                )
            )
    assert path.stat().st_size > 200e6
    done = subprocess.run([sys.executable, "-c", _READER, str(path)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    for name in ("seconds", "megabytes"):
        record_property(name, round(found[name], 1))
        print(f"{name}: {found[name]:.1f}")  # seen with `pytest -s`
    assert (found["rows"], found["people"], found["problems"]) == (people * problems, people, problems)
    assert found["total"] == 3 * people * problems
    assert (found["last"], found["women"]) == ("person-000399", people // 2)
