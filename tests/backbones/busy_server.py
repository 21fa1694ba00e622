"""A chat server in a process of its own that is slow, full, broken and silent at random, and counts what it answered.

    python tests/backbones/busy_server.py --counts FILE [--trouble 0.08] [--delay 0.02] [--words]

It listens on a free port of the loopback, says ``LISTENS http://127.0.0.1:PORT/v1``, and serves until its standard
input ends. Of all requests a share ``trouble`` meets one of six troubles, drawn from the prompt and how often it came:
429 with Retry-After, 500, a connection that breaks off within the answer, no answer at all, a page of HTML, JSON cut
short. Each answer is written to ``counts`` as a line (a hash of what was asked) at the moment it is sent. ``GET
/v1/stats`` tells what else is counted: of "early" are those who came back sooner than Retry-After said.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import math
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager

#: Seconds that a client is asked to wait.
RETRY_AFTER = 0.3
TROUBLES = ("full", "failing", "breaking", "silent", "html", "short")


class Busy:
    """The server's state and its one route."""

    def __init__(self, counts, trouble, delay, words, seed=1):
        self.counts = os.open(counts, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self.trouble, self.delay, self.words, self.seed = trouble, delay, words, seed
        self.came, self.told, self.until = Counter(), Counter(), {}
        self.busy = self.busiest = 0
        self.ports = set()

    async def answer(self, request):
        raw = await request.body()
        name = hashlib.sha256(raw).hexdigest()[:16]
        self.told["early"] += time.monotonic() < self.until.pop(name, 0.0)
        self.came[name] += 1
        self.told["requests"] += 1
        self.ports.add(request.client.port)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            return await self._answer(request, json.loads(raw), name)
        finally:
            self.busy -= 1

    async def _answer(self, request, body, name):
        from starlette.responses import JSONResponse, Response, StreamingResponse

        rng = random.Random(f"{self.seed} {name} {self.came[name]}")
        await asyncio.sleep(rng.uniform(0.0, 2.0 * self.delay))
        content = self._content(body, random.Random(name))
        if rng.random() >= self.trouble:
            os.write(self.counts, f"{name}\n".encode())
            return JSONResponse(content)
        which = rng.choice(TROUBLES)
        self.told[which] += 1
        if which == "full":
            self.until[name] = time.monotonic() + RETRY_AFTER
            return JSONResponse({"error": {"message": "full"}}, 429, {"Retry-After": str(RETRY_AFTER)})
        if which == "failing":
            return JSONResponse({"error": {"message": "out of order"}}, 500)
        if which == "silent":
            while not await request.is_disconnected():
                await asyncio.sleep(0.1)
        if which == "html":
            return Response("<html>Bad gateway</html>", media_type="text/html")
        if which == "short":
            return Response(json.dumps(content)[:-9], media_type="application/json")

        async def broken():
            yield b'{"choices": ['
            raise ConnectionResetError

        return StreamingResponse(broken(), headers={"Content-Length": "500"})

    def _content(self, body, rng):
        shares = [rng.random() for _ in range(5)]
        total = 1.1 * sum(shares)
        top = [{"token": str(place), "logprob": math.log(share / total)} for place, share in enumerate(shares, 1)]
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": str(rng.randint(1, 5))},
            "finish_reason": "stop",
        }
        if body.get("logprobs") and not self.words:
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        length = sum(len(turn["content"]) for turn in body["messages"])
        usage = {"prompt_tokens": length // 4, "completion_tokens": 1, "total_tokens": length // 4 + 1}
        return {"object": "chat.completion", "model": "busy", "choices": [choice], "usage": usage}

    async def stats(self, request):
        from starlette.responses import JSONResponse

        return JSONResponse(
            {
                "busiest": self.busiest,
                "connections": len(self.ports),
                **{name: self.told[name] for name in ("requests", "early", *TROUBLES)},
            }
        )


def serve(busy):
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Route

    routes = [Route("/v1/chat/completions", busy.answer, methods=["POST"]), Route("/v1/stats", busy.stats)]
    settings = uvicorn.Config(
        Starlette(routes=routes), log_level="critical", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(settings)

    def wait_for_the_end():
        sys.stdin.read()
        server.should_exit = True

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print(f"LISTENS http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
        threading.Thread(target=wait_for_the_end, daemon=True).start()
        server.run(sockets=[listener])


@contextmanager
def busy_server(counts, *options):
    """The server's address; it is stopped when the block ends."""
    command = [sys.executable, __file__, "--counts", str(counts), *map(str, options)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().split()[1]
        finally:
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", required=True)
    parser.add_argument("--trouble", type=float, default=0.08)
    parser.add_argument("--delay", type=float, default=0.02)
    parser.add_argument("--words", action="store_true", help="give words alone, no log-probabilities")
    given = parser.parse_args()
    serve(Busy(given.counts, given.trouble, given.delay, given.words))


if __name__ == "__main__":
    main()
