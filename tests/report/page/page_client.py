"""The page as a client sees it, without a network, and files to send to it."""

from __future__ import annotations

import dataclasses
import re
from html import unescape
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

HOST, SECRET, ONCE = "127.0.0.1:8000", "secret", "once"

HUMAN = b"problem,participant,response\n" + b"".join(
    b"%s,p%d,%d\n" % (question, person, 1 + (person * 7 + shift) % 5)
    for shift, question in enumerate((b"tea", b"milk", b"rice"))
    for person in range(9)
)
DIGITAL = b"problem,participant,response\n" + b"".join(
    b"%s,p%d,%d\n" % (question, person, 1 + (person * 7 + shift + person % 2) % 5)
    for shift, question in enumerate((b"tea", b"milk", b"rice"))
    for person in range(40)
)


@dataclasses.dataclass
class Page:
    """A client that holds the key, and the folder of the uploads."""

    client: TestClient
    folder: Path

    def get(self, place: str, **others: Any) -> Any:
        return self.client.get(f"/{SECRET}{place}", **others)

    def post(self, place: str, **others: Any) -> Any:
        return self.client.post(f"/{SECRET}{place}", **others)

    def send(self, **files: Any) -> Any:
        """Send files, each content or (name, content), and follow to the page on them."""
        given = {role: file if isinstance(file, tuple) else (f"{role}.csv", file) for role, file in files.items()}
        return self.post("/files", files=given)

    def look(self, answer: Any, **choices: str) -> Any:
        """The page on the same files with these choices alone."""
        return self.client.get(answer.url.copy_with(query=None), params=choices)

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


def refusals(text: str) -> list[str]:
    """What the page refuses, as a browser shows it."""
    return [unescape(found) for found in re.findall(r'<p class="refused" role="alert">(.*?)</p>', text)]
