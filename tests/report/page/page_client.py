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
        return self.post("/files", files=_named(files))

    def keep(self, **files: Any) -> str:
        """Send files likewise, and only return the address of the page on them: nothing is computed."""
        answer = self.post("/files", files=_named(files), follow_redirects=False)
        return str(answer.headers["location"]).partition("?")[0]

    def look(self, study: Any, **choices: str) -> Any:
        """The page on files that were sent, at this address or with this answer, with these choices alone."""
        return self.client.get(study if isinstance(study, str) else study.url.path, params=choices)

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


def _named(files: dict[str, Any]) -> dict[str, Any]:
    return {role: file if isinstance(file, tuple) else (f"{role}.csv", file) for role, file in files.items()}


def refusals(text: str) -> list[str]:
    """What the page refuses, as a browser shows it."""
    return [unescape(found) for found in re.findall(r'<p class="refused" role="alert">(.*?)</p>', text)]
