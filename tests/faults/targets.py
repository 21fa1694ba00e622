"""What reads bytes from outside, each with a second opinion on what it read."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import re
import tomllib
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from crowdllm_stats._base.shown import one_line
from crowdllm_stats.backbones.cache import AnswerCache
from crowdllm_stats.backbones.chat_api import is_refusal, masses_of, text_of
from crowdllm_stats.backbones.http_json import ServerError
from crowdllm_stats.backbones.options import Options
from crowdllm_stats.backbones.prompts import Template
from crowdllm_stats.cli import main
from crowdllm_stats.data.crowd import CrowdData
from crowdllm_stats.data.files import read_table
from crowdllm_stats.data.formats.text import DELIMITERS
from crowdllm_stats.data.reference import AGGREGATORS, Reference
from crowdllm_stats.data.scale import Scale
from crowdllm_stats.studies.engine.design_file import read_design
from faults.fuzzing import Target

#: The keys and answers of :data:`faults.seeds.CACHE`.
ASKED = tuple({"model": "m", "prompt": f"p{place}", "repeat": 0} for place in range(20))
ANSWERED = tuple([place + 0.5] for place in range(20))

#: The table of :func:`faults.seeds.parquet_file`.
WRITTEN = [
    ["problem", "participant", "response", "note"],
    *([f"q{place % 3}", f"p{place}", str(place % 5 + 1), "x" * place] for place in range(12)),
]

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.0*)?")


def csv_rows(content: bytes, said: Sequence[str] = ()) -> list[list[str]] | None:
    """Header and rows as Python's csv module reads them, strictly; blank lines do not count. None where it refuses.

    The text is UTF-8 with commas, or what the reader said of it.
    """
    told = " ".join(said)
    mark = next((mark for mark, name in DELIMITERS.items() if f"{name} between values" in told), ",")
    usual = csv.field_size_limit(1 << 30)
    try:
        text = content.decode("cp1252" if "Windows-1252" in told else "utf-8-sig")
        rows = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=mark)
        return [row for row in rows if (any(row) if said else row)]
    except (UnicodeDecodeError, csv.Error):
        return None
    finally:
        csv.field_size_limit(usual)


def rows_of(frame: pd.DataFrame) -> list[list[str]]:
    return [list(map(str, frame.columns)), *frame.astype(str).to_numpy().tolist()]


def csv_table(content: bytes, folder: Path) -> bool:
    """A CSV file, cell by cell."""
    place = folder / "table.csv"
    place.write_bytes(content)
    return rows_of(read_table(place)) == csv_rows(content)


def gzip_table(content: bytes, folder: Path) -> bool:
    """A packed CSV file, cell by cell."""
    place = folder / "table.csv.gz"
    place.write_bytes(content)
    read = rows_of(read_table(place))
    try:
        return read == csv_rows(gzip.decompress(content))
    except (OSError, EOFError, zlib.error):
        return False


def parquet_table(content: bytes, folder: Path) -> bool:
    """A Parquet file of :data:`WRITTEN`: its values, or other names of columns, which are seen."""
    place = folder / "table.parquet"
    place.write_bytes(content)
    read = rows_of(read_table(place))
    return read[1:] == WRITTEN[1:] and len(read[0]) == len(WRITTEN[0])


def two_tables(content: bytes, folder: Path) -> bool:
    """The command ``interval`` on two tables, parted by a zero byte and a line break: every row counts, and rows of
    the same problem and participant count as one where the answer says so."""
    human, _, digital = content.partition(b"\0\n")
    for name, table in (("human.csv", human), ("digital.csv", digital)):
        (folder / name).write_bytes(table)
    out, err = io.StringIO(), io.StringIO()
    names = [str(folder / name) for name in ("human.csv", "digital.csv")]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["interval", *names, "--scale", "1:5", "--json"])
    if code == 2 and not out.getvalue() and err.getvalue().startswith("error: "):
        raise ValueError(err.getvalue())
    if code:
        raise AssertionError(f"exit code {code}: {err.getvalue()}")
    told = json.loads(out.getvalue(), parse_constant=_refused)
    rows = csv_rows(human, [notice for notice in told["notices"] if "human.csv" in notice]) or []
    once = {tuple(row[:2]) for row in rows[1:]}
    said = len(once) == len(rows) - 1 or any("mean of several rows" in notice for notice in told["notices"])
    return (
        said
        and told["counts"]["answers"] == len(once)
        and all(1 <= result["lower"] <= result["estimate"] <= result["upper"] <= 5 for result in told["results"])
    )


def _refused(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def answers(content: bytes, folder: Path) -> bool:
    """A table of answers: ids without outer blanks, answers as numbers, every row."""
    place = folder / "answers.csv"
    place.write_bytes(content)
    data = CrowdData.read(place, repeats="keep")
    read, rows = data.responses, csv_rows(content, data.notes)
    if rows is None:
        return False
    header = [name.strip().casefold() for name in rows[0]]
    at = [header.index(name) for name in ("problem", "participant", "response")]
    problem, participant, response = ([row[column].strip() for row in rows[1:]] for column in at)
    return bool(
        read["problem"].tolist() == plain_ids(problem)
        and read["participant"].tolist() == plain_ids(participant)
        and read["response"].tolist() == [float(word) for word in response]
    )


def plain_ids(texts: list[str]) -> list[str]:
    """Ids as they should be: "1.0" is "1" where every id is a whole number."""
    if all(map(_NUMBER.fullmatch, texts)) and any(text.endswith(".0") for text in texts):
        return [text.partition(".")[0] for text in texts]
    return texts


def scale(content: bytes, folder: Path) -> bool:
    """A scale as it is typed."""
    text = content.decode("utf-8", errors="surrogateescape")
    read = Scale.parse(text)
    parts = [part.strip() for part in text.split(",")]
    if read.kind == "continuous":
        low, high = map(float, text.split(":"))
        return (read.low, read.high) == (low, high) and bool(np.isfinite([low, high]).all()) and low < high
    if read.kind == "ordinal":
        return sorted(map(float, parts)) == list(read.levels)
    return list(read.options) == parts


def template(content: bytes, folder: Path) -> bool:
    """A prompt template: every turn is text of the file, and slots alone are filled, once."""
    place = folder / "template.txt"
    place.write_bytes(content)
    read = Template.load(place)
    text = content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n") + "\n"
    values = {slot: f"<{slot}> {{text}}" for slot in read.slots}
    wanted = [re.sub(r"\{([a-z_]+)\}", lambda match: values[match[1]], turn.content) for turn in read.messages]
    whole = all(turn.content in text for turn in read.messages)
    usable = read.k >= 1 and 0.0 <= read.temperature < np.inf and read.decision in AGGREGATORS
    return whole and usable and [turn.content for turn in read.fill(values)] == wanted


def study(content: bytes, folder: Path) -> bool:
    """A study file: what the design says is what TOML says."""
    place = folder / "mine.toml"
    place.write_bytes(content)
    design = read_design(place)
    told = tomllib.loads(content.decode("utf-8"))
    return (
        (design.replicates, design.seed, list(design.methods), set(design.factors))
        == (told["replicates"], told["seed"], told["methods"], set(told["factors"]))
        and design.name == told.get("name", "mine")
        and design.n_cells == int(np.prod([len(levels) for levels in told["factors"].values()]))
    )


def chat(content: bytes, folder: Path) -> bool:
    """The body of a server's answer: probabilities are probabilities. What is said of it is shown as one line."""
    body = json.loads(content)
    if not isinstance(body, dict):
        return True
    try:
        is_refusal(body)
        text_of(body)
        read = masses_of(body, Options.of([1, 2, 3, 4, 5]))
    except ServerError as error:
        raise ServerError(one_line(str(error))) from None
    if read is None:
        return True
    shares = np.array([*read.masses, read.unseen_bound])
    return bool(((shares >= 0) & (shares <= 1.01)).all()) and sum(read.masses) <= 1.01


def reference(content: bytes, folder: Path) -> bool:
    """Reference answers on file: distributions over different, finite answers."""
    place = folder / "reference.npz"
    place.write_bytes(content)
    read = Reference.load(place)
    numbers = all(np.isfinite(answer) for answer in read.answers if isinstance(answer, float))
    return bool(
        numbers
        and len(set(read.answers)) == len(read.answers)
        and read.probabilities.shape[0] == len(read.problems) == len(set(read.problems))
        and np.allclose(read.probabilities.sum(axis=-1), 1.0)
    )


def cache(content: bytes, folder: Path) -> bool:
    """A cache of answers: what is found is what was stored; what is not found will be asked again."""
    for file in folder.glob("answers.sqlite*"):
        file.unlink()
    place = folder / "answers.sqlite"
    place.write_bytes(content)
    with AnswerCache(place) as opened:
        found = opened.get_many(ASKED)
    return all(mine is None or mine == stored for mine, stored in zip(found, ANSWERED, strict=True))


#: By the name of the folder in ``corpus`` that holds small inputs.
TARGETS: dict[str, Target] = {
    "csv": csv_table,
    "csv.gz": gzip_table,
    "parquet": parquet_table,
    "two_tables": two_tables,
    "answers": answers,
    "scale": scale,
    "template": template,
    "study": study,
    "chat": chat,
    "reference": reference,
    "cache": cache,
}
