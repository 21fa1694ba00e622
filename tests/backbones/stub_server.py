"""A small chat server on this machine, for tests: it answers as the test says and writes down what it was asked."""

from __future__ import annotations

import json
import math
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd

from crowdllm_stats.backbones.prompts import Template
from crowdllm_stats.backbones.server import ServerBackbone

OPTIONS = "[options]\n1 = a\n2 = b\n3 = c\n"
TEMPLATE = Template.parse(f"[system]\nYou rate.\n[user]\n{{text}}\nOne of {{options}}.\n{OPTIONS}", "t")
PERSONAS = Template.parse("[system]\nYou are {persona}.\n[user]\n{text}\n", "p")
PROBLEMS = pd.DataFrame({"problem": ["x", "y", "z", "w"], "text": ["first", "second", "third", "fourth"]})
WHICH = {"first": 0, "second": 1, "third": 2, "fourth": 3}


class Stub:
    """What the server was asked (``bodies``, ``headers``, ``paths``), and how often."""

    def __init__(self, answer):
        self.answer, self.bodies, self.headers, self.paths = answer, [], [], []
        self.lock = threading.Lock()
        self.busy = self.busiest = 0
        self.url = ""

    def handle(self, handler):
        size = int(handler.headers.get("Content-Length", 0))
        body = json.loads(handler.rfile.read(size))
        with self.lock:
            number = len(self.bodies)
            self.bodies.append(body)
            self.headers.append(dict(handler.headers))
            self.paths.append(handler.path)
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
        try:
            answer = self.answer(body, number)
        finally:
            with self.lock:  # before it is sent, for with the answer the client may ask again
                self.busy -= 1
        self.send(handler, *answer)

    def send(self, handler, status, content, headers=()):
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        told = dict(headers)
        told.setdefault("Content-Length", str(len(raw)))
        for name, value in told.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(raw)


@contextmanager
def serve(answer):
    """A server on a free port of the loopback; ``answer(body, number)`` gives (status, body, headers)."""
    stub = Stub(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            stub.handle(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stub.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def says(text, **choice):
    """A chat completion that says ``text``."""
    message = {"role": "assistant", "content": text}
    return {"model": "stub-1", "choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}]}


def lists(probabilities, text="1"):
    """A chat completion with the probabilities of its likeliest first tokens."""
    top = [{"token": token, "logprob": math.log(p), "bytes": None} for token, p in probabilities.items()]
    return says(text, logprobs={"content": [{"token": text, "logprob": top[0]["logprob"], "top_logprobs": top}]})


def which(body):
    return WHICH[body["messages"][-1]["content"].split("\n")[0]]


def give_tokens(body, number):
    """Each problem its own probabilities; "1" also as " 1"."""
    place = which(body)
    return 200, lists({"1": 0.1 + 0.1 * place, "2": 0.2, " 1": 0.05, "3": 0.05, "The": 0.3})


def never(body, number):
    raise AssertionError("asked although everything is in the cache")


def backbone(url, **changes):
    return ServerBackbone(url, "m", **{"template": TEMPLATE, "concurrency": 2, **changes})
