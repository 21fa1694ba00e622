"""ServerBackbone and its cache: nothing asked twice, K repeats stay K answers, a run that was cut off goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
from stub_server import OPTIONS, PROBLEMS, backbone, give_tokens, never, says, serve

from crowdllm_stats.backbones import http_json
from crowdllm_stats.backbones.cache import AnswerCache
from crowdllm_stats.backbones.http_json import ServerError
from crowdllm_stats.backbones.prompts import Template
from crowdllm_stats.backbones.server import ServerBackbone


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    monkeypatch.setattr(http_json, "pause", lambda stop, seconds: None)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.mark.parametrize("mode", ["logprobs", "samples", "auto"])
def test_what_is_in_the_cache_is_not_asked_again(tmp_path, mode):
    def give(body, number):
        return give_tokens(body, number) if "logprobs" in body else (200, says(str(1 + number % 3)))

    path = tmp_path / "answers.sqlite"
    with serve(give) as stub:
        first = backbone(stub.url, mode=mode, k=5, cache=path).reference(PROBLEMS)
        stub.answer = never
        asked = len(stub.bodies)
        again = backbone(stub.url, mode=mode, k=5, cache=path).reference(PROBLEMS[::-1])
        assert len(stub.bodies) == asked
    assert np.array_equal(again.probabilities, first.probabilities[::-1])
    count = 20 if mode == "samples" else 4
    assert (first.source["asked"], first.source["from_cache"]) == (count, 0)
    assert (again.source["asked"], again.source["from_cache"]) == (0, count)


def test_k_repeats_stay_k_answers_and_more_repeats_ask_for_the_difference(tmp_path):
    with serve(lambda body, number: (200, says(str(1 + number % 3)))) as stub, AnswerCache(tmp_path / "c") as cache:
        few = backbone(stub.url, mode="samples", k=4, cache=cache).reference(PROBLEMS)
        assert len(stub.bodies) == len(cache) == 16
        many = backbone(stub.url, mode="samples", k=9, cache=cache).reference(PROBLEMS)
        assert len(stub.bodies) == len(cache) == 36
    assert few.n_samples.tolist() == [[4.0]] * 4
    assert many.n_samples.tolist() == [[9.0]] * 4
    assert (many.source["asked"], many.source["from_cache"]) == (20, 16)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.5}, {"seed": 1}, {"max_tokens": 3}, {"extra": {"top_k": 0}}, {"mode": "logprobs"},
        {"template": Template.parse(f"[user]\n{{text}}\n{{options}}\n{OPTIONS}", "o")},
        {"labels": {1: "c", 2: "b", 3: "a"}},
    ],
)  # fmt: skip
def test_whatever_changes_the_answer_is_asked_anew(tmp_path, change):
    def give(body, number):
        return give_tokens(body, number) if "logprobs" in body else (200, says("2"))

    with serve(give) as stub:
        backbone(stub.url, mode="samples", k=2, cache=tmp_path / "c").reference(PROBLEMS)
        before = len(stub.bodies)
        backbone(stub.url, **{"mode": "samples", "k": 2, "cache": tmp_path / "c", **change}).reference(PROBLEMS)
    assert len(stub.bodies) == before + (4 if "mode" in change else 8)


def test_other_answers_to_the_same_prompt_are_asked_anew(tmp_path):
    template = Template.parse("[user]\n{text}\n", "bare")
    with serve(lambda body, number: (200, says("2"))) as stub:
        for answers in ([1, 2, 3], [2, 1, 3]):
            common = {"template": template, "mode": "samples", "k": 2, "cache": tmp_path / "c"}
            assert backbone(stub.url, answers=answers, **common).reference(PROBLEMS).mean[0, 0] == 2.0
    assert len(stub.bodies) == 16


def test_an_interrupted_run_goes_on_from_the_cache(tmp_path):
    path = tmp_path / "answers.sqlite"
    with serve(lambda body, number: (200, says("2")) if number < 13 else (500, {"error": "down"})) as stub:
        with pytest.raises(ServerError, match=r"HTTP 500: down .*; \d+ of 20 answers are in the cache") as error:
            backbone(stub.url, mode="samples", k=5, cache=path, retries=1).reference(PROBLEMS)
        with AnswerCache(path) as cache:
            assert len(cache) == 13
        assert "13 of 20" in str(error.value)
        asked = len(stub.bodies)
        stub.answer = lambda body, number: (200, says("2"))
        done = backbone(stub.url, mode="samples", k=5, cache=path).reference(PROBLEMS)
        assert len(stub.bodies) == asked + 7
    assert (done.source["asked"], done.source["from_cache"]) == (7, 13)


RUN = """
import sys
import pandas as pd
from crowdllm_stats.backbones.server import ServerBackbone
url, cache = sys.argv[1:]
problems = pd.DataFrame({"problem": range(50), "text": ["t"] * 50})
ServerBackbone(url, "m", template="offensiveness", mode="samples", k=4, cache=cache).reference(problems)
"""


def test_a_killed_run_goes_on_from_the_cache(tmp_path):
    path, halfway = tmp_path / "answers.sqlite", threading.Event()

    def give(body, number):
        if number == 60:
            halfway.set()
        if number >= 60 and not killed.is_set():
            killed.wait(30)
        return 200, says("2")

    killed = threading.Event()
    with serve(give) as stub:
        with subprocess.Popen([sys.executable, "-c", RUN, stub.url, str(path)]) as run:
            assert halfway.wait(60)
            run.kill()
            run.wait(timeout=60)
        killed.set()
        with AnswerCache(path) as cache:
            kept = len(cache)
        assert 50 <= kept <= 60
        problems = pd.DataFrame({"problem": range(50), "text": ["t"] * 50})
        done = ServerBackbone(stub.url, "m", template="offensiveness", mode="samples", k=4, cache=path)
        assert done.reference(problems).source["asked"] == 200 - kept


@pytest.mark.parametrize("mode", ["samples", "logprobs", "auto"])
def test_two_processes_on_one_cache_ask_each_question_once(tmp_path, mode):
    def give(body, number):
        time.sleep(0.01)
        return give_tokens(body, number) if "logprobs" in body and mode != "auto" else (200, says("2"))

    with serve(give) as stub:
        command = [sys.executable, "-c", TWO, stub.url, str(tmp_path / "c"), mode]
        path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
        both = {"stdout": subprocess.PIPE, "text": True, "env": {**os.environ, "PYTHONPATH": path}}
        runs = [subprocess.Popen(command, **both) for _ in range(2)]
        told = [json.loads(run.communicate(timeout=120)[0]) for run in runs]
    questions = 4 if mode == "logprobs" else 40
    assert len(stub.bodies) == questions + (mode == "auto")  # and once what kind of answers the server gives
    assert sum(asked for asked, _ in told) == questions
    assert [sum(both) for both in told] == [questions, questions]
    assert not (tmp_path / "c.asking").exists()


TWO = """
import json, sys
from stub_server import PROBLEMS, backbone
url, cache, mode = sys.argv[1:]
source = backbone(url, mode=mode, k=10, cache=cache).reference(PROBLEMS).source
print(json.dumps([source["asked"], source["from_cache"]]))
"""


def test_a_question_asked_twice_in_one_run_is_asked_once(tmp_path):
    problems = pd.DataFrame({"problem": range(8), "text": ["first"] * 8})
    with serve(give_tokens) as stub:
        source = backbone(stub.url, cache=tmp_path / "c").reference(problems).source
    assert (len(stub.bodies), source["asked"], source["from_cache"]) == (1, 1, 7)
