"""Attacks on the answers of a model: replies that give none, servers that drip, runs side by side on one cache."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pandas as pd
import pytest
from backbones.stub_server import TEMPLATE, backbone, says, serve

from crowdllm_stats.backbones import http_json
from crowdllm_stats.backbones.cache import AnswerCache
from crowdllm_stats.backbones.http_json import JsonServer, ServerError
from crowdllm_stats.backbones.options import Options
from crowdllm_stats.backbones.replies import ReplyReader

YES_NO = Options.of(["yes", "no"])
FIVE = Options.of([1, 2, 3, 4, 5])

#: Each begins a reply that gives no answer to a question with the answers yes and no.
OPENINGS = [
    "As an AI, I have no opinion", "I'm sorry, but no", "I\u2019m sorry, but no", "There is no doubt", "No doubt",
    "I have no personal view", "No one can say", "It is no surprise", "It depends", "I see no reason to answer",
    "Whether yes or no", "No, I cannot help with that", "No. As an AI language model, I do not have opinions",
    "Neither yes nor no", "Yes and no", "Well, yes and no", "I would say yes to some and no to others", "Not no",
    "I don't think the answer is no", "There are no wrong answers", "No problem", "No, I'm not able to answer that",
    "Apologies, no comment", "I neither say yes nor no", "You asked for yes or no", "I'd rather say no more",
    "The answer is not no", "No matter", "No answer", "As a language model I say no", "I cannot say yes or no",
    "Yes, I'd be happy to help with that", "No worries", "Yes, how can I help you today",
]  # fmt: skip
#: What follows them.
CLOSINGS = [
    "", ".", "!", ", that is clear.", " about it.", " in this matter, yes.", ". No.", " of it, for no reason.",
    ". I hope that helps, yes?", " here.\n\nYes, it is a hard question.", " (no).", " today, because people differ.",
    "; there is no simple way.", "\u2026",
]  # fmt: skip
#: Sentences with a number that is no answer on a scale from 1 to 5.
NUMBERED = [
    "see policy section {n}", "See section {n}.", "I found {n} reasons to decline.", "{n} people would agree.",
    "{n} to 5", "1 to {n}", "{n} or 5", "Between {n} and 5.", "{n}-5", "It is {n}% likely.", "{n}.5",
    "GPT-{n} would know.", "Step {n}: read the text.", "On July {n}, it was said.", "{n}:30", "Article {n} forbids it.",
    "{n}. First, the text.", "{n}0", "-{n}", "{n}/10", "{n} out of 10", "more than {n}",
    "I would not rate this a {n}.", "{n},000",
    "no {n} here", "I'm sorry, I cannot rate it {n} of 5.", "As an AI, I cannot give a {n}.",
    "Version {n} of the scale is unclear.",
    "The answer is not {n}.", "{n} and a half", "at least a {n}", "{n} or more", "Page {n}", "question {n} is odd",
    "{n} to 9", "{n} - 10", "{n} stars out of 10", "{n} on a scale of 1 to 10.", "{n} points to consider", "{n} or 7",
]  # fmt: skip
#: The same answer in other clothes.
CLOTHES = [
    "{a}", " {a}\n", "{a}.", "**{a}**", "*{a}*", "\"{a}\"", "Answer: {a}", "**Answer:** {a}", "My answer is {a}.",
    "The answer is {a}", "{a}, because it fits.", "{a} - it fits.", "`{a}`", "Final answer: **{a}**",
    "I would say {a}.", "Response: {a}\n", "<answer>{a}</answer>", "<think>hm, yes or 2?</think>\n{a}",
    '{{"answer": "{a}"}}', "{a}!",
    "{a}\n\nIt fits.", "Sure! {a}", "I think {a}.", "Okay, {a}", "({a})", "In my opinion, {a}.", "{a} ({a})",
]  # fmt: skip


def stated(said, options):
    return options.texts[said] if isinstance(said, int) else said


def test_refusals_and_chatter_with_a_word_answer_in_them(campaign):
    rng, reader = random.Random(campaign.seed), ReplyReader(YES_NO)
    silent = []
    for _ in range(campaign.tries(3000)):
        opening = rng.choice(OPENINGS)
        reply = rng.choice([opening, opening.upper(), f"**{opening}**", f"\n{opening}"]) + rng.choice(CLOSINGS)
        read = isinstance(reader.read(reply), int)
        silent += [reply] * read
        campaign.record(
            "A refusal or chatter has yes or no in it: As an AI, I have no opinion; No doubt ...",
            "silent" if read else "refused",
            before="counted as the answer no",
        )
    assert silent == []


def test_numbers_that_are_no_answer(campaign):
    rng, reader = random.Random(campaign.seed), ReplyReader(FIVE)
    silent = []
    for _ in range(campaign.tries(3000)):
        reply = rng.choice(NUMBERED).format(n=rng.randint(1, 5)) + rng.choice(["", " ", "\n", " Thank you."])
        read = isinstance(reader.read(reply), int)
        silent += [reply] * read
        campaign.record(
            "A reply has a number in it that is no answer: see policy section 4; 1 to 5; 4.5",
            "silent" if read else "refused",
            before="see policy section 4 counted as 4",
        )
    assert silent == []


@pytest.mark.parametrize("options", [YES_NO, FIVE], ids=["words", "numbers"])
def test_answers_in_other_clothes(campaign, options):
    rng, reader = random.Random(campaign.seed), ReplyReader(options)
    silent = []
    for _ in range(campaign.tries(2000)):
        answer = rng.choice(options.texts)
        shown = rng.choice([answer, answer.capitalize(), answer.upper()])
        reply = rng.choice(CLOTHES).format(a=shown)
        said = stated(reader.read(reply), options)
        silent += [(reply, said)] * (said != answer)
        campaign.record("A plain answer is dressed up: **No**, Answer: no, <answer>3</answer>",
                        "survived" if said == answer else "silent")  # fmt: skip
    assert silent == []


def test_replies_that_are_changed_at_random(campaign):
    """A changed reply may mean anything; but what is read stands in it, as often as it takes no other answer back."""
    rng, reader = random.Random(campaign.seed), ReplyReader(FIVE)
    pieces = [
        *OPENINGS,
        *NUMBERED,
        *CLOTHES,
        *map(str, range(7)),
        "\x00",
        "\u202e",
        "\ud800",
        "<",
        "*" * 9,
        "```",
        " " * 9,
    ]
    wrong = []
    for _ in range(campaign.tries(4000)):
        reply = "".join(rng.choice(pieces) for _ in range(rng.randint(1, 6))).format(n=4, a=3)
        said, start = reader.read(reply), time.perf_counter()
        fault = (isinstance(said, int) and FIVE.texts[said] not in reply) or time.perf_counter() - start > 1
        wrong += [reply] * fault
        campaign.record("Pieces of replies are put together at random", "silent" if fault else "survived")
    assert wrong == []


HEADS = [b"", b"HT", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nServer: ", b"HTTP/1.1 100 Continue\r\n\r\n",
         b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1",
         b"HTTP/1.1 500 No\r\nContent-Length: 99999\r\n\r\n", b"HTTP/1.1 302 No\r\nLocation: "]  # fmt: skip


def test_servers_that_drip(campaign):
    """Three bytes in every tenth of a second, for as long as they are read."""
    rng = random.Random(campaign.seed)
    slow = 0
    ended = threading.Event()

    def drip(connection, head, piece):
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(head)
            while not ended.wait(0.03):
                connection.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        for _ in range(campaign.tries(45)):
            head, piece = rng.choice(HEADS), rng.choice([b"x", b" ", b"1", b"\r\n", b"a: b\r\n"])
            allowed = rng.choice([0.15, 0.3, 0.5])
            served = threading.Thread(
                target=lambda a, b: drip(listener.accept()[0], a, b), args=(head, piece), daemon=True
            )
            served.start()
            start = time.monotonic()
            with pytest.raises(ServerError):
                JsonServer(url, timeout=allowed, retries=0).post("chat", {}, dict)
            late = time.monotonic() - start > allowed + 2
            slow += late
            campaign.record(
                "A server drips its head or its body, one piece in 0.03 seconds",
                "lost" if late else "refused",
                before="a head that dripped held the attempt open for ever",
            )
        ended.set()
    assert slow == 0


RUN = """
import json, os, sys
sys.path[:0] = sys.argv[4].split(os.pathsep)
import pandas as pd
from backbones.stub_server import backbone
problems = pd.DataFrame({"problem": range(int(sys.argv[3])), "text": [f"text {n}" for n in range(int(sys.argv[3]))]})
source = backbone(sys.argv[1], mode="samples", k=4, cache=sys.argv[2], concurrency=3).reference(problems).source
print(json.dumps([source["asked"], source["from_cache"]]))
"""


def started(url, cache, problems):
    command = [sys.executable, "-c", RUN, url, str(cache), str(problems), os.pathsep.join(sys.path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_runs_side_by_side_on_one_cache(campaign, tmp_path):
    """Three processes, of which some are killed: each question is asked once, but for those in flight at a kill."""
    rng = random.Random(campaign.seed)
    problems, faults = 15, 0

    def give(body, number):
        time.sleep(0.005)
        return 200, says("2")

    for number in range(campaign.tries(6)):
        killed = rng.choice([0, 1, 1, 2])
        with serve(give) as stub:
            runs = [started(stub.url, tmp_path / f"{number}", problems) for _ in range(3)]
            for run in runs[:killed]:
                least = len(stub.bodies) + rng.randrange(1, 15)
                while len(stub.bodies) < least and run.poll() is None:
                    time.sleep(0.002)
                with suppress(ProcessLookupError):
                    os.kill(run.pid, signal.SIGKILL)
            try:
                told = [json.loads(run.communicate(timeout=300)[0]) for run in runs[killed:]]
            except (subprocess.TimeoutExpired, ValueError):
                told = []
            for run in runs:
                run.kill()
                run.communicate()
            asked = len(stub.bodies)
            with AnswerCache(tmp_path / f"{number}") as cache:
                kept = len(cache)
        whole = len(told) == 3 - killed and kept == 4 * problems and all(sum(both) == kept for both in told)
        once = kept <= asked <= kept + 3 * killed
        faults += not (whole and once)
        campaign.record(
            "Three processes on one cache of answers, up to two of them killed",
            "survived" if whole and once else "silent" if whole else "lost",
            before="each question was asked by each process",
        )
    assert faults == 0


TOKENS = [
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "<|end|>", "<|user|>", "</s>",
    "<s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[TOOL_CALLS]", "[/THINK]", "<<SYS>>", "<start_of_turn>",
    "<end_of_turn>",
    "<\uff5cUser\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>", "<\uff5cAssistant\uff5c>", "<bos>", "<tool_call>",
    "<|vision_start|>", "<unused7>", "<|python_tag|>", "<think>",
]  # fmt: skip


def test_control_tokens_in_the_data(campaign):
    rng = random.Random(campaign.seed)
    silent = []
    for _ in range(campaign.tries(20)):
        texts = []
        for _ in range(10):
            parts = [rng.choice([*TOKENS, "tea", "is", "good", " "]) for _ in range(rng.randint(1, 6))]
            inside, place = "".join(parts), rng.randrange(8)
            token = rng.choice(TOKENS)
            texts.append(f"x {inside}{token[:place]}{rng.choice(TOKENS)}{token[place:]}")
        table = pd.DataFrame({"problem": range(len(texts)), "text": texts})
        with serve(lambda body, number: (200, says("2"))) as stub:
            backbone(stub.url, template=TEMPLATE, mode="samples", k=1).reference(table)
        for body in stub.bodies:
            sent = "".join(message["content"] for message in body["messages"])
            reached = [token for token in TOKENS if token in sent]
            silent += reached
            campaign.record(
                "Control tokens of ten models stand in the data, also within each other, and go to a server",
                "silent" if reached else "survived",
                before="those of DeepSeek, Mistral, Gemma and Qwen reached the server in part",
            )
    assert silent == []


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    monkeypatch.setattr(http_json, "pause", lambda stop, seconds: None)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
