"""The pages: choose files, see what was understood and what follows from it, take it away."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from crowdllm_stats._base.shown import visible
from crowdllm_stats.report.page import answers
from crowdllm_stats.report.page.calculator import Calculator, Refused
from crowdllm_stats.report.page.choices import SIDES, Choices
from crowdllm_stats.report.page.guard import TooMuch
from crowdllm_stats.report.page.uploads import ROLES, Studies, Study

_HERE = Path(__file__).parent

#: Rows of a table on the page; the CSV file has them all.
SHOWN = 200


def make_app(studies: Studies, calculator: Calculator, megabytes: int) -> Starlette:
    """The application behind the guard.

    Args:
        studies: where files are kept.
        calculator: that reads and computes.
        megabytes: that may be sent at once.
    """
    pages = _Pages(studies, calculator, megabytes)
    return Starlette(
        routes=[
            Route("/", pages.start),
            Route("/files", pages.take_files, methods=["POST"]),
            Route("/example", pages.take_example, methods=["POST"]),
            Route("/study/{name}", pages.study),
            Route("/study/{name}/intervals.csv", pages.csv),
            Route("/study/{name}/forget", pages.forget, methods=["POST"]),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ],
        exception_handlers={TooMuch: pages.too_much, HTTPException: pages.not_there},
    )


class _Pages:
    def __init__(self, studies: Studies, calculator: Calculator, megabytes: int) -> None:
        self._studies, self._calculator, self._megabytes = studies, calculator, megabytes
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True, finalize=_visible,
        )  # fmt: skip
        self._templates.filters["number"] = number
        self._templates.globals |= {"megabytes": megabytes, "roles": ROLES, "sides": SIDES, "shown": SHOWN}

    def start(self, request: Request) -> Response:
        return self._start(request)

    async def take_files(self, request: Request) -> Response:
        async with request.form(max_files=len(ROLES), max_fields=10) as form:
            given = {
                role: (file.filename, file.file)
                for role in ROLES
                if isinstance(file := form.get(role), UploadFile) and file.filename
            }
            if "human" not in given:
                return self._start(request, "the file of human answers is missing; choose one")
            try:
                study = self._studies.add(given)
            except ValueError as error:
                return self._start(request, str(error))
        return _to(request, f"/study/{study.name}")

    def take_example(self, request: Request) -> Response:
        study = self._studies.made_by(partial(self._calculator.call, answers.write_example))
        return _to(request, f"/study/{study.name}?scale=1,2,3,4,5")

    def study(self, request: Request) -> Response:
        study, choices = self._study(request), Choices.of(request.query_params)
        names = [Path(study.files[side]).name for side in SIDES if side in study.files]
        page = self._templates.get_template("study.html").generate(
            root=request.scope["root_path"], study=study, names=names, choices=choices, query=request.url.query,
            command=choices.command(*names),
            ask=partial(self._ask, study, choices),
        )  # fmt: skip
        return StreamingResponse(_begun(page), media_type="text/html; charset=utf-8")

    def csv(self, request: Request) -> Response:
        study, choices = self._study(request), Choices.of(request.query_params)
        try:
            content = self._calculator.call(answers.csv_of, study, choices)
        except Refused as error:
            raise HTTPException(422, str(error)) from None
        return Response(
            content, media_type="text/csv", headers={"Content-Disposition": 'attachment; filename="intervals.csv"'}
        )

    def forget(self, request: Request) -> Response:
        self._studies.forget(self._study(request).name)
        return _to(request, "/")

    def too_much(self, request: Request, _: Exception) -> Response:
        limit = f"more than {self._megabytes} MB were sent; give smaller files, or start the page with --max-mb"
        return self._start(request, limit, 413)

    def not_there(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        said = "there is nothing here (any more); begin again" if error.status_code == 404 else error.detail
        return self._start(request, said, error.status_code)

    def _start(self, request: Request, refused: str = "", status: int | None = None) -> Response:
        page = self._templates.get_template("start.html").render(root=request.scope["root_path"], refused=refused)
        return HTMLResponse(page, status or (422 if refused else 200))

    def _study(self, request: Request) -> Study:
        name = request.path_params["name"]
        if name not in self._studies:
            raise HTTPException(404)
        return self._studies[name]

    def _ask(self, study: Study, choices: Choices, name: str) -> Any:
        """A result for the page, or the line that says why there is none."""
        job: Callable[..., Any] = {
            "understood": answers.understood,
            "intervals": answers.intervals,
            "decisions": answers.decisions,
            "plan": answers.plan,
        }[name]
        try:
            return self._calculator.call(job, study, choices)
        except Refused as error:
            return str(error)


def number(value: Any) -> str:
    """A number for people: four digits, an arrow's word for no end, a dash for none.

    Example:
        >>> number(1.23456), number(float("inf")), number(None), number(12)
        ('1.235', 'no limit', '–', '12')
    """
    if value is None:
        return "–"
    if isinstance(value, float):
        return "no limit" if math.isinf(value) else f"{value + 0.0:.4g}"
    return str(value)


def _visible(value: Any) -> Any:
    """Text in which nothing turns a line round; what is HTML already stays as it is."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _to(request: Request, place: str) -> Response:
    return RedirectResponse(f"{request.scope['root_path']}{place}", 303)


def _begun(page: Iterator[str]) -> Iterator[str]:
    """The page in parts, each as soon as it is known; not in crumbs of one word."""
    waiting: list[str] = []
    for part in page:
        waiting.append(part)
        if part.endswith("<!-- so far -->\n") or len(waiting) > 2000:
            yield "".join(waiting)
            waiting.clear()
    yield "".join(waiting)
