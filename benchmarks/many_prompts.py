"""100,000 prompts to a server full of troubles, the asking command killed twice: what was asked, stored, and what it took.

    make reports NAME=scale/prompts    # the report; a look at it under out/: python benchmarks/many_prompts.py --people 3

The server is a process of its own on this machine (`tests/backbones/busy_server.py`, Starlette on uvicorn): it waits at random,
answers with log-probabilities, and meets a share of all requests with 429 and Retry-After, 500, an answer that breaks off,
silence, a page of HTML or JSON cut short.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

import pandas as pd

from crowdllm_stats._base.manifest import made_by
from crowdllm_stats._base.markdown import markdown_table
from crowdllm_stats._base.whole_files import write_whole
from crowdllm_stats.backbones.cache import AnswerCache
from reports import ROOT, command_line, typed

sys.path.append(str(ROOT / "tests" / "backbones"))
from busy_server import busy_server

PROBLEMS, AT_ONCE, DELAY, TROUBLE, TIMEOUT = 1000, 32, 0.05, 0.02, 5
PROMPT = """[system]
You are a person of this kind: {persona}. Give your own opinion.
[user]
{text}
How offensive do you find this comment? Answer with one number of {options}.
[options]
1 = not at all
2 = slightly
3 = moderately
4 = very
5 = extremely
"""
TEXT = "Comment {}: nobody on this street has ever seen the council mend a single lamp, and I doubt that it ever will."


def write_inputs(folder: Path, people: int) -> None:
    names = [f"c{place:04d}" for place in range(PROBLEMS)]
    pd.DataFrame({"problem": names, "text": [TEXT.format(name) for name in names]}).to_csv(folder / "problems.csv")
    who = {"participant": [f"v{place:03d}" for place in range(people)], "age": [20 + place for place in range(people)]}
    pd.DataFrame(who).to_csv(folder / "people.csv", index=False)
    (folder / "prompt.txt").write_text(PROMPT)


def ask(folder: Path, url: str) -> subprocess.Popen:
    words = [sys.executable, "-m", "crowdllm_stats", "backbone", "ask", url, "problems.csv", "--profiles", "people.csv"]
    words += ["--template", "prompt.txt", "--server-model", "m", "--cache", "answers.sqlite", "--out", "reference.npz"]
    words += [
        "--concurrency",
        str(AT_ONCE),
        "--timeout",
        str(TIMEOUT),
        "--prices",
        "0.15,0.6",
        "--at-most",
        "100",
        "--json",
    ]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": (folder / "said.txt").open("w")}
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(words, cwd=folder, env=environment, text=True, **pipes)


def run(folder: Path, url: str, counts: Path, kill_at: int | None) -> dict[str, object]:
    """One start of the command, killed once the server has answered so many; a row of the report's table."""
    before, start = size(counts), time.perf_counter()
    process = ask(folder, url)
    while kill_at is not None and size(counts) < kill_at:
        time.sleep(0.05)
        if process.poll() is not None:
            raise SystemExit(f"ended before it was killed: {(folder / 'said.txt').read_text()}")
    if kill_at is not None:
        process.send_signal(signal.SIGKILL)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds, answered = time.perf_counter() - start, size(counts) - before
    if kill_at is None and process.returncode:
        raise SystemExit(f"the command failed: {(folder / 'said.txt').read_text()}")
    time.sleep(2 * DELAY)  # what the server has begun to answer is counted
    with AnswerCache(folder / "answers.sqlite") as cache:
        stored = len(cache)
    return {
        "ended by": "SIGKILL" if kill_at else "itself",
        "answers given": size(counts) - before,
        "stored in all": stored,
        "seconds": round(seconds, 1),
        "answers per second": round(answered / seconds, 1),
        "CPU seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak MiB": round(usage.ru_maxrss / 1024),
        "source": json.loads(out)["source"] if out else None,
    }


def size(counts: Path) -> int:
    """Lines of 17 bytes."""
    return counts.stat().st_size // 17 if counts.exists() else 0


def page(
    rows: list[dict[str, object]], told: dict[str, int], answered: Counter, first_words: str, cache_mb: float
) -> str:
    sources = [row.pop("source") for row in rows]
    twice = sum(answered.values()) - len(answered)
    done = sources[2]
    troubles = ", ".join(
        f"{count:,} {name}"
        for name, count in told.items()
        if name not in ("busiest", "requests", "early", "connections")
    )
    return f"""# {len(answered):,} prompts to a server, the command killed twice

{made_by(typed())}
{os.cpu_count()} cores shared with other work, load {os.getloadavg()[0]:.1f} at the end. {PROBLEMS:,} problems by
{len(answered) // PROBLEMS:,} people, log-probabilities, {AT_ONCE} requests at once, time-out {TIMEOUT} s. The server waits 0 to {2000 * DELAY:.0f} ms
before each answer and meets {TROUBLE:.0%} of all requests with a trouble.

Said before the start: "{first_words}"

{markdown_table(pd.DataFrame(rows), 1)}

The last row is the same command once more, when everything is in the cache.

- Prompts that the server answered: {len(answered):,} different ones, {sum(answered.values()):,} answers: **{twice} prompts were answered
  twice**, of at most {2 * AT_ONCE} that two kills allow ({AT_ONCE} in flight at each). No prompt more than twice: {max(answered.values()) <= 2}.
- Answers stored: {rows[2]["stored in all"]:,}, one for each question and person. The last run that asked found {done["from_cache"]:,} in the cache
  and asked {done["asked"]:,}.
- Requests: {told["requests"]:,} over {told["connections"]:,} connections; at once at most {told["busiest"]}. Troubles: {troubles}. Sent again
  sooner than Retry-After said: {told["early"]}.
- Cache: {cache_mb:.1f} MB, {1e6 * cache_mb / len(answered):.0f} bytes an answer.

What is promised: an answer that was stored is never asked for again; what was in flight at a kill may be, at most as many as
are asked at once; of each question (with log-probabilities: of each prompt; with samples: of each question, person and
repeat) one answer is stored.
"""


def main() -> None:
    parser = command_line(__doc__, "scale")
    parser.add_argument("--people", type=int, default=100, help=f"each is asked {PROBLEMS} problems (default 100)")
    given = parser.parse_args()
    whole = PROBLEMS * given.people
    with tempfile.TemporaryDirectory() as name:
        folder, counts = Path(name), Path(name) / "counts"
        write_inputs(folder, given.people)
        with busy_server(counts, "--delay", DELAY, "--trouble", TROUBLE) as url:
            rows = [run(folder, url, counts, int(0.3 * whole))]
            first_words = (folder / "said.txt").read_text().splitlines()[0]
            rows += [run(folder, url, counts, at) for at in (int(0.7 * whole), None, None)]
            with urllib.request.urlopen(f"{url}/stats") as told:
                stats = json.load(told)
        answered = Counter(counts.read_text().split())
        text = page(rows, stats, answered, first_words, (folder / "answers.sqlite").stat().st_size / 1e6)
    given.out.mkdir(parents=True, exist_ok=True)
    write_whole(given.out / "prompts.md", text)
    print(text)


if __name__ == "__main__":
    main()
