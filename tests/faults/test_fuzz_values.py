"""Fuzzing of values: ids, profile columns, written tables and replies, drawn by hypothesis or from hostile words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from crowdllm_stats.backbones.options import Options
from crowdllm_stats.backbones.replies import ReplyReader
from crowdllm_stats.data.attributes import plain
from crowdllm_stats.data.files import read_table, write_table
from crowdllm_stats.data.ids import as_ids
from faults.campaign import FAULTS, Campaign
from faults.fuzzing import outcome_of

#: Any text that UTF-8 can hold.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
KINDS = (
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.integers().map(str),
    st.integers().map(lambda n: f"{n}.0"),
    st.floats().map(str), st.just([1]), st.just(()), st.binary(max_size=3), st.dates(),
)  # fmt: skip
#: Columns of one kind of values, and of several.
COLUMNS = st.one_of(*(st.lists(kind, min_size=1, max_size=5) for kind in (*KINDS, st.one_of(*KINDS))))
WORDS = (
    "yes", "no", "Yes", "NO", "3", "4", "5", "1", "4.5", "-1", "3%", "1,000", "3/5", "3-4", "13", "no.", "\u0663",
    "\u00b3", "nobody", "know", "doubt", "There is", "I'm sorry, but", "As an AI,", "I have", "opinion", "section",
    "see", "policy", "Answer:", "**", "*", "_", "`", "(", ")", "\n", "\n\n", "\t", ".", ",", ":", ";", "!", "?", "'",
    '"', "</think>", "<think>", "\u2019", "\u2013", "\u00a0", "\u200b", "\x00", "\x1b[31m", "a" * 2000,
    "no " * 500, "3 " * 500, "(" * 500, " " * 2000,
)  # fmt: skip


def drawn(
    campaign: Campaign, attack: str, tries: int, strategy: Any, right: Callable[[Any], bool], folder: Any
) -> None:
    """Try what hypothesis draws, and let it look for the simplest one that goes wrong."""

    @hypothesis.seed(campaign.seed)
    @hypothesis.settings(
        max_examples=campaign.tries(tries),
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def one(value: Any) -> None:
        outcome, said = outcome_of(lambda content, place: right(value), b"", folder)
        campaign.record(attack, outcome)
        assert outcome not in FAULTS, said

    one()


def test_ids(campaign, tmp_path):
    def right(values):
        read = as_ids(pd.Series(values, dtype=object), "column 'problem'")
        given = [("" if value is None or value != value else _word(value)).strip() for value in values]
        if any(text.endswith(".0") for text in given) and all(re.fullmatch(r"\d+(\.0+)?", t) for t in given if t):
            given = [text.partition(".")[0] for text in given]
        found = ["" if code < 0 else read.names[code] for code in read.codes]
        return found == given

    attack = "A column of ids holds values of any type"
    drawn(campaign, attack, 3000, COLUMNS, right, tmp_path)


def _word(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and not isinstance(value, bool) else str(value)


def test_attributes(campaign, tmp_path):
    def right(values):
        read = plain(pd.Series(values, dtype=object), "column 'age'").tolist()
        if all(isinstance(value, str) for value in read):
            return read == list(map(_said, values))
        return all(_alike(number, value) for number, value in zip(read, values, strict=True))

    attack = "A profile column holds values of any type"
    drawn(campaign, attack, 3000, COLUMNS, right, tmp_path)


def _said(value: Any) -> str:
    missing = value is None or (isinstance(value, float) and value != value)
    return "" if missing else str(value)


def _alike(number: float, value: Any) -> bool:
    said = _said(value)
    return number != number if said == "" else number == (int(said) if re.fullmatch(r"-?\d+", said) else float(said))


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_written_tables(campaign, tmp_path, ending):
    def right(rows):
        frame = pd.DataFrame(rows, columns=["problem", "text"]).astype(object)
        write_table(frame, tmp_path / f"table.{ending}")
        return read_table(tmp_path / f"table.{ending}").astype(str).to_numpy().tolist() == [list(row) for row in rows]

    attack = f"A table with any text in its cells is written as .{ending} and read again"
    rows = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4)
    drawn(campaign, attack, 1200, rows, right, tmp_path)


@pytest.mark.parametrize("answers", [[1, 2, 3, 4, 5], ["yes", "no"], ["no", "not at all", "somewhat"]], ids=str)
def test_replies(campaign, answers, tmp_path):
    reader = ReplyReader(Options.of(answers))
    rng = np.random.default_rng(campaign.seed)
    attack = f"A reply of hostile words is read ({answers[0]} to {answers[-1]}): an answer only where it stands alone"
    for _ in range(campaign.tries(3000)):
        words = [WORDS[place] for place in rng.integers(len(WORDS), size=int(rng.integers(1, 9)))]
        reply = " ".join(words) if rng.random() < 0.7 else "".join(words)

        def right(content, folder, reply=reply):
            place = reader.place(reply)
            return place is None or _stands_alone(str(answers[place]), reply)

        outcome, said = outcome_of(right, b"", tmp_path)
        campaign.record(attack, outcome)
        assert outcome not in FAULTS, f"{said}: {reply[:200]!r}"


def _stands_alone(word: str, reply: str) -> bool:
    before, after = (r"(?<![\w+-])(?<!\d[.,:])", r"(?![.,:]\d)(?!\s*%)") if word.isdigit() else (r"(?<!\w)", "")
    return re.search(rf"{before}{re.escape(word)}(?![^\W_]){after}", reply, re.IGNORECASE) is not None


@pytest.mark.parametrize("answers", [[1, 2, 3, 4, 5], ["yes", "no"]], ids=str)
def test_plain_replies(campaign, answers):
    reader = ReplyReader(Options.of(answers))
    attack = "A reply is one of the answers with marks around it"
    for place, answer in enumerate(answers):
        for mark in ("{}", " {}", "{}\n", "**{}**", "{}.", '"{}"', "`{}`", "Answer: {}", "({})", "{}!", "\n\n{}\n\n"):
            outcome = "survived" if reader.place(mark.format(answer)) == place else "silent"
            campaign.record(attack, outcome)
            assert outcome not in FAULTS, mark.format(answer)
