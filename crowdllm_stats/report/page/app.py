"""The pages: choose files, see what was understood and what follows from it, take it away."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from crowdllm_stats._base.shown import one_line, visible
from crowdllm_stats.report.page import answers
from crowdllm_stats.report.page.answers import Shown
from crowdllm_stats.report.page.calculator import Calculator, Refused
from crowdllm_stats.report.page.choices import ROLES, SIDES, Choices
from crowdllm_stats.report.page.guard import TooMuch
from crowdllm_stats.report.page.uploads import Studies, Study
from crowdllm_stats.report.parts import text_of

_HERE = Path(__file__).parent
_REPORT = _HERE.parent / "templates"

#: What the page looks like and does as a report: its style, and how pictures are drawn and tables sorted.
SHARED = ("report.css", "report.js")


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
            Route("/study/{name}/sheets", pages.sheets),
            Route("/study/{name}/report.html", pages.report),
            Route("/study/{name}/forget", pages.forget, methods=["POST"]),
            Route("/static/drawing.js", pages.drawing),
            *(Route(f"/static/{name}", partial(_shared, name)) for name in SHARED),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ],
        exception_handlers={
            TooMuch: pages.too_much,
            HTTPException: pages.not_there,
            ClientDisconnect: lambda request, _: Response(status_code=400),  # nobody is there to read more
        },
    )


class _Pages:
    def __init__(self, studies: Studies, calculator: Calculator, megabytes: int) -> None:
        self._studies, self._calculator, self._megabytes = studies, calculator, megabytes
        self._templates = Environment(
            loader=FileSystemLoader([_HERE / "templates", _REPORT]), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True, finalize=_visible,
        )  # fmt: skip
        self._templates.filters |= {"text": text_of, "whole": one_line}
        self._templates.globals["megabytes"] = megabytes
        self._drawing = ""

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
        return await run_in_threadpool(self._proposed, request, study, {})

    def sheets(self, request: Request) -> Response:
        """The page on other sheets of the files; what was chosen for the old ones need not hold for them."""
        return self._proposed(request, self._study(request), Choices.of(request.query_params).sheets)

    def _proposed(self, request: Request, study: Study, sheets: dict[str, str]) -> Response:
        """The page on a study, with what can be found out of it chosen already."""
        query = {f"{role}_sheet": sheet for role, sheet in sheets.items()}
        with suppress(Refused):  # the page on the study says why
            query |= self._calculator.call(answers.proposed, study, Choices.of(query))
        return _to(request, f"/study/{study.name}?{urlencode(query)}")

    def take_example(self, request: Request) -> Response:
        study = self._studies.made_by(partial(self._calculator.call, answers.write_example))
        return _to(request, f"/study/{study.name}?scale=1:5")

    def study(self, request: Request) -> Response:
        study, choices = self._study(request), Choices.of(request.query_params)
        page = self._templates.get_template("study.html").generate(
            root=request.scope["root_path"], study=study, choices=choices, query=request.url.query,
            names=[study.names[side] for side in SIDES if side in study.names], commands=_commands(study, choices),
            understood=partial(self._ask, answers.understood, study, choices),
            shown=partial(self._shown, study, choices),
        )  # fmt: skip
        return StreamingResponse(_begun(page), media_type="text/html; charset=utf-8")

    def report(self, request: Request) -> Response:
        study, choices = self._study(request), Choices.of(request.query_params)
        content = self._ask(answers.report, study, choices, _commands(study, choices))
        if isinstance(content, str):
            raise HTTPException(422, content)
        return Response(
            content, media_type="text/html", headers={"Content-Disposition": 'attachment; filename="report.html"'}
        )

    def drawing(self, request: Request) -> Response:
        if not self._drawing:
            self._drawing = self._calculator.call(answers.drawing)
        return Response(self._drawing, media_type="text/javascript")

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

    def _ask(self, job: Callable[..., Any], *arguments: Any) -> Any:
        """A result for the page, or the line that says why there is none."""
        try:
            return self._calculator.call(job, *arguments)
        except Refused as error:
            return str(error)

    def _shown(self, study: Study, choices: Choices, command: str, known: Sequence[str]) -> Shown | str:
        """A part of the page with all its rows to load, and without notices that are known already."""
        found = self._ask(answers.shown, study, choices, command)
        if isinstance(found, str):
            return found
        assert isinstance(found, Shown)
        figures = [
            dataclasses.replace(figure, table=dataclasses.replace(figure.table, loaded=len(figure.table.rows)))
            for figure in found.part.figures
        ]
        notices = [notice for notice in found.part.notices if notice not in known]
        return Shown(dataclasses.replace(found.part, figures=figures, notices=notices), found.command)


def _commands(study: Study, choices: Choices) -> list[str]:
    """What can be asked of these files."""
    if "digital" not in study.files:
        return ["interval"]
    safe = ["safe-interval"] if "reference" in study.files or choices.reference_participant else []
    return ["interval", *safe, *([] if choices.unpaired else ["planner"])]


def _shared(name: str, request: Request) -> Response:
    return FileResponse(_REPORT / name)


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
