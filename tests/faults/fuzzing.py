"""Many damaged inputs for one reader: which outcome each has, and the smallest input of one that went wrong."""

from __future__ import annotations

import hashlib
import re
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from crowdllm_stats._base.messages import BadInput
from crowdllm_stats.backbones.http_json import ServerError
from crowdllm_stats.data.files import NotUTF8
from faults.campaign import FAULTS, Campaign

#: A reader and a check of what it read: true if that was right. Refusals are raised.
Target = Callable[[bytes, Path], bool]

#: What a refusal is: exactly these types, for an error of decoding is a ValueError too and names no file.
REFUSALS = (ValueError, BadInput, NotUTF8, FileNotFoundError, ServerError)

#: Seconds that one small input may take.
PATIENCE = 20

#: What differs between faults of one kind.
_KIND = re.compile(r"0x[0-9a-f]+|[0-9]+")

#: Where smallest inputs of faults are left for a look; git ignores it.
LEFT = Path(__file__).resolve().parents[2] / "out" / "faults"


def outcome_of(target: Target, content: bytes, folder: Path) -> tuple[str, str]:
    """The outcome of one input, and what was said."""
    try:
        with within(PATIENCE), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ("survived", "") if target(content, folder) else ("silent", "what was read is not right")
    except Exception as error:  # whatever a reader raises is what is looked for here
        said = str(error)
        right = type(error) in REFUSALS and len(said.splitlines()) == 1
        return ("refused" if right else "lost"), f"{type(error).__name__}: {said}"


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in what takes longer."""

    def late(number: int, frame: object) -> None:
        raise TimeoutError(f"not done after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def smallest(content: bytes, wrong: Callable[[bytes], bool], seconds: float = 5.0) -> bytes:
    """A shorter input that is wrong too: stretches are left out, ever shorter ones, while it stays wrong."""
    size, end = max(1, len(content) // 2), time.monotonic() + seconds
    while size and time.monotonic() < end:
        start = 0
        while start < len(content) and time.monotonic() < end:
            shorter = content[:start] + content[start + size :]
            if wrong(shorter):
                content = shorter
            else:
                start += size
        size //= 2
    return content


def fuzz(
    campaign: Campaign,
    attack: str,
    tries: int,
    make: Callable[[], bytes],
    target: Target,
    folder: Path,
    before: str = "",
) -> None:
    """Try many inputs, record each outcome, and fail if one was silent or lost, with the smallest such input.

    Args:
        campaign: where outcomes are recorded.
        attack: the line of the report.
        tries: in the whole campaign.
        make: draws an input.
        target: reads it.
        folder: for files that the target writes.
        before: what the attack did once.
    """
    wrong: dict[str, bytes] = {}
    for _ in range(campaign.tries(tries)):
        content = make()
        outcome, said = outcome_of(target, content, folder)
        campaign.record(attack, outcome, before=before)
        if outcome in FAULTS:
            wrong.setdefault(f"{outcome}, {_KIND.sub('', said)[:120]}", content)
    told = []
    for said, content in list(wrong.items())[:5]:
        kind = said.partition(",")[0]
        small = smallest(content, lambda shorter, kind=kind: outcome_of(target, shorter, folder)[0] == kind)
        LEFT.mkdir(parents=True, exist_ok=True)
        (LEFT / hashlib.sha256(small).hexdigest()[:12]).write_bytes(small)
        told.append(f"{said}: {small[:300]!r}")
    assert not told, f"{len(wrong)} kinds of faults, smallest inputs in {LEFT}:\n" + "\n".join(told)
