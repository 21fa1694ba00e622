"""Many prompts from the command line against a real server full of troubles: killed, gone on, nothing asked twice."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from busy_server import busy_server
from stub_server import PROBLEMS as FOUR
from stub_server import backbone, give_tokens, serve

from crowdllm_stats.backbones.asking_cost import asking_cost
from crowdllm_stats.backbones.cache import AnswerCache
from crowdllm_stats.cli.spending import Spending, prices_of
from crowdllm_stats.data.reference import Reference

pytest.importorskip("uvicorn", reason="needs uvicorn: pip install 'crowdllm-stats[test]'")

AT_ONCE, PROBLEMS, PEOPLE = 8, 30, 7
PROMPT = (
    "[system]\nYou are {persona}.\n[user]\n{text}\nOne of {options}.\n[options]\n1 = a\n2 = b\n3 = c\n4 = d\n5 = e\n"
)


def ask(folder, url, *options):
    """The command, started; its tables are written to the folder first."""
    problems = [f"p{place}" for place in range(PROBLEMS)]
    pd.DataFrame({"problem": problems, "text": [f"Text {name}." for name in problems]}).to_csv(folder / "problems.csv")
    people = pd.DataFrame({"participant": [f"v{place}" for place in range(PEOPLE)], "age": range(20, 20 + PEOPLE)})
    people.to_csv(folder / "people.csv", index=False)
    (folder / "prompt.txt").write_text(PROMPT)
    words = [
        sys.executable, "-m", "crowdllm_stats", "backbone", "ask", url, "problems.csv", "--profiles", "people.csv",
        "--template", "prompt.txt", "--server-model", "m", "--cache", "answers.sqlite", "--out", "reference.npz",
        "--concurrency", str(AT_ONCE), "--timeout", "3", "--json", *options,
    ]  # fmt: skip
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(words, cwd=folder, **pipes)


def lines(counts):
    return counts.read_text().split() if counts.exists() else []


def kill_at(run, counts, number):
    """SIGKILL as soon as the server has answered so many."""
    while len(lines(counts)) < number and run.poll() is None:
        time.sleep(0.002)
    assert run.poll() is None, run.communicate()
    run.send_signal(signal.SIGKILL)
    run.communicate()


@pytest.mark.parametrize(
    ("mode", "repeats", "kills"), [("logprobs", 1, 1), pytest.param("samples", 8, 3, marks=pytest.mark.slow)]
)
def test_after_a_kill_nothing_stored_is_asked_again(tmp_path, mode, repeats, kills):
    """Of 210 prompts (or 1,680 draws) each is answered once, but for at most 8 in flight at each kill."""
    counts, whole, sampled = tmp_path / "counts", PROBLEMS * PEOPLE * repeats, mode == "samples"
    with busy_server(counts, "--delay", 0.004, "--trouble", 0.05 / repeats, *["--words"][:sampled]) as url:
        for number in range(1, kills + 1):
            kill_at(ask(tmp_path, url), counts, number * whole // (kills + 1))
            with AnswerCache(tmp_path / "answers.sqlite") as cache:
                stored = len(cache) - sampled  # that the server gives no log-probabilities is stored as well
            assert len(lines(counts)) - sampled - number * AT_ONCE <= stored <= len(lines(counts))
        out, error = ask(tmp_path, url, "--prices", "1,2", "--at-most", "9").communicate(timeout=200)
        with urllib.request.urlopen(f"{url}/stats") as told:
            told = json.load(told)
    assert f"({stored:,} in the cache)" in error
    assert "at the prices given" in error
    source = json.loads(out)["source"]
    assert (source["mode"], source["asked"], source["from_cache"]) == (mode, whole - stored, stored)
    answered = Counter(lines(counts)[sampled:])  # the first asks a server of words for log-probabilities
    assert len(answered) == whole
    assert sum(answered.values()) - whole <= kills * AT_ONCE
    assert told["busiest"] <= 2 * AT_ONCE  # of a killed client's requests the server learns a little later
    assert told["early"] == 0
    assert told["connections"] < 0.5 * told["requests"]  # kept open, but where an answer breaks off or does not come
    with AnswerCache(tmp_path / "answers.sqlite") as cache:
        assert len(cache) == whole + sampled
    reference = Reference.load(tmp_path / "reference.npz")
    assert reference.probabilities.shape == (PROBLEMS, PEOPLE, 5)
    if sampled:
        assert np.array_equal(reference.n_samples, np.full((PROBLEMS, PEOPLE), 8.0))


def test_what_is_asked_and_what_it_costs_is_said_before():
    """The range holds the tokens that the server counted, and no more is asked than was said."""
    said = []

    def give(body, number):
        usage = {"prompt_tokens": 21 + number, "completion_tokens": 1}
        return 200, {**give_tokens(body, number)[1], "usage": usage}

    with serve(give) as stub:
        reference = backbone(
            stub.url, k=5, prices=(2.0, 8.0), before=lambda cost: said.append((cost, len(stub.bodies)))
        ).reference(FOUR)
    ((cost, asked_by_then),) = said
    assert (asked_by_then, cost.answers, cost.stored) == (0, (4, 20), 0)
    source = reference.source
    assert (source["prompt_tokens"], source["reply_tokens"]) == (21 + 22 + 23 + 24, 4)
    assert cost.tokens[0] <= 94 <= cost.tokens[1]
    assert cost.cost.money_lower <= (90 * 2.0 + 4 * 8.0) / 1e6 <= cost.cost.money_upper


def test_the_cost_is_that_of_what_the_cache_lacks(tmp_path):
    said = []
    with serve(give_tokens) as stub:
        asked = backbone(stub.url, cache=tmp_path / "c", before=said.append)
        asked.reference(FOUR[:3])
        asked.reference(FOUR)
        asked.reference(FOUR)
    assert [(cost.answers, cost.stored) for cost in said] == [((3, 24), 0), ((1, 1), 3)]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_what_may_cost_too_much_is_not_asked(monkeypatch):
    free, dear = (asking_cost((1500, 1500), 400.0, prices=prices) for prices in (None, (2.0, 8.0)))
    many = Spending(2.0)
    many(dear)  # 0.68
    many(dear)
    with pytest.raises(ValueError, match=r"may cost 2\.05, and --at-most allows 2: allow more"):
        many(dear)
    with pytest.raises(ValueError, match="--at-most needs the server's prices: give --prices"):
        Spending(1.0)(free)
    with pytest.raises(ValueError, match="--at-most must be a number of at least 0"):
        Spending(float("nan"))
    with pytest.raises(ValueError, match="--prices must be two numbers of at least 0"):
        prices_of("1,-2")
    Spending(None)(free)  # nobody to ask
    monkeypatch.setattr(sys, "stderr", Terminal())
    for answer in ("y\n", "yes\n"):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        Spending(None)(free)
    for answer in ("\n", "", "no\n"):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        with pytest.raises(ValueError, match="nothing was asked"):
            Spending(None)(free)
        Spending(None)(asking_cost((999, 999), 400.0))  # few are asked without a question
