"""`leadsync`: the same stages as the DAG, and the questions an operator asks.

Exit codes: 0 fine, 1 problems found, 2 usage or settings, 3 a side cannot be reached. With `--json` standard output
holds one JSON document and nothing else; logs and errors go to standard error. Heavy imports stand inside the
commands, so that `--help` and a typing mistake answer at once.
"""

from __future__ import annotations

# ruff: noqa: PLC0415 - see above
import datetime as dt
import json
import sys
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from leadsync.errors import ConfigurationError, LeadsyncError, SalesforceRefusedError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

    from leadsync.core.problems import Problem
    from leadsync.pipeline.cycle import Cycle
    from leadsync.settings import Settings
    from leadsync.ui.held import Held

PROBLEMS, USAGE, UNREACHABLE = 1, 2, 3


class _Commands(TyperGroup):
    """Commands that tell trouble in one sentence and in their exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except LeadsyncError as error:
            typer.echo(f"leadsync: {error}", err=True)
            raise typer.Exit(_exit_code(error)) from error


def _exit_code(error: LeadsyncError) -> int:
    # A connection that nobody has defined is a side out of reach; its message names the variable to set.
    if isinstance(error, UnreachableError | SalesforceRefusedError) or "AIRFLOW_CONN_" in str(error):
        return UNREACHABLE
    return USAGE if isinstance(error, ConfigurationError) else PROBLEMS


_OPTIONS: dict[str, Any] = {"no_args_is_help": True, "add_completion": False, "rich_markup_mode": None}
app = typer.Typer(cls=_Commands, help="Keep leads and Salesforce the same.", pretty_exceptions_enable=False, **_OPTIONS)
db = typer.Typer(help="The system's own tables in the lead store.", **_OPTIONS)
mapping = typer.Typer(help="The mapping CSV files.", **_OPTIONS)
app.add_typer(db, name="db")
app.add_typer(mapping, name="mapping")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@db.command()
def upgrade(as_json: Json = False) -> None:
    """Create the sync_ tables, or bring them to this version; leads itself is never touched."""
    with _working():
        from leadsync.store import migrate

        engine = _engine(_settings(), upgraded=False)
        changed = not migrate.is_current(engine)
        migrate.upgrade(engine)
    _print({"upgraded": changed}, as_json, "sync_ tables brought up to date" if changed else "sync_ tables are current")


@app.command()
def start(
    now: Annotated[bool, typer.Option("--now", help="Sync what changes from this moment on (R34 b).")] = False,
    bulk: Annotated[bool, typer.Option("--bulk", help="Sync all customers first (R34 a).")] = False,
    as_json: Json = False,
) -> None:
    """Start the sync: before it nothing is written to either side (R33)."""
    if bulk:
        raise typer.BadParameter("the bulk sync needs the lead_backfill DAG, which this version lacks; use --now")
    if not now:
        raise typer.BadParameter("say how to start: --now syncs what changes from this moment on")
    with _working():
        from leadsync.pipeline import control

        answer = control.start_now(_engine(_settings()))
    _print(answer, as_json)


@app.command()
def pause(as_json: Json = False) -> None:
    """Stop writing to either side until the next start; cursors stay, so nothing is lost."""
    with _working():
        from leadsync.pipeline import control

        answer = control.pause(_engine(_settings()))
    _print(answer, as_json)


@app.command()
def sync(as_json: Json = False) -> None:
    """Run one cycle without Airflow's scheduler, through the same stages as the DAG."""
    with _working():
        from leadsync.pipeline.cycle import run_all

        counts = run_all(_cycle())
    _print(counts, as_json)


@app.command()
def status(as_json: Json = False) -> None:
    """Say how the sync stands, how the last cycles went and what is held; 1 if the last cycle failed or is overdue."""
    with _working():
        from leadsync.pipeline import control
        from leadsync.ui.verdict import ALARMING, verdict

        settings = _settings()
        answer = control.status(_engine(settings), settings)
        answer = {"verdict": verdict(answer, dt.datetime.now(dt.UTC)), **answer}
    _print(answer, as_json)
    if answer["verdict"] in ALARMING:
        raise typer.Exit(PROBLEMS)


@app.command()
def errors(
    code: Annotated[str | None, typer.Option(help="Only errors with this code.")] = None,
    lead: Annotated[int | None, typer.Option(help="Only errors of the lead with this id.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """List what is held: lead, field, value, rule and what to do; 1 if anything is."""
    from leadsync.core.codes import CODES

    if code is not None and code not in CODES:
        raise typer.BadParameter(f'there is no error code "{code}"; the codes are: {", ".join(CODES)}')
    with _working():
        from leadsync.store.engine import reading
        from leadsync.ui.held import open_errors

        settings = _settings()
        with reading(_engine(settings)) as connection:
            held, more = open_errors(connection, settings.language, code=code, lead_id=lead, limit=limit)
    text = "\n".join(_held_lines(error) for error in held) or "nothing is held"
    if more:
        text += f"\n{more} more; see them with --limit {len(held) + more}"
    _print({"errors": [asdict(error) for error in held], "more": more}, as_json, text)
    if held:
        raise typer.Exit(PROBLEMS)


@app.command()
def explain(
    email: Annotated[str, typer.Argument(help="The lead's e-mail address.")],
    field: Annotated[str | None, typer.Argument(help="Only this lead field.")] = None,
    as_json: Json = False,
) -> None:
    """Say why a lead has its values: link, what is held, both sides as agreed, history; 1 if nobody has the address."""
    with _working():
        import pandas as pd

        from leadsync.core.types import email_key
        from leadsync.ui import explain as explained

        key = email_key(pd.Series([email], dtype="str"))[0]
        if not isinstance(key, str):
            raise typer.BadParameter("an e-mail address is needed")
        found = explained.explain(_engine(_settings()), key, field)
    _print({"leads": found}, as_json, None if found else "no run has seen a lead with this address")
    if not found:
        raise typer.Exit(PROBLEMS)


@mapping.command()
def check(
    org: Annotated[bool, typer.Option("--org", help="Also against the lead table and the org (R18, R21).")] = False,
    as_json: Json = False,
) -> None:
    """Check the mapping files, every problem at once with its place and remedy (R25); 1 if there is any."""
    from leadsync.core import mapping as mappings

    settings = _settings()
    parsed, problems = mappings.parse(mappings.read_folder(settings.mappings_dir))
    if org and parsed:
        with _working():
            from leadsync.pipeline.control import mapping_problems

            problems = mapping_problems(_cycle(), parsed)
    fields = len(parsed.rows) if parsed else 0
    language = str(settings.language)
    lines = [_problem_line(problem, language) for problem in problems]
    if parsed and not parsed.email_mapped:
        lines.append("the e-mail address is not mapped: every sync is skipped (R24)")
    told = [
        {key: getattr(each, key) for key in ("code", "rule", "file", "line", "column")}
        | {"message": each.message(language), "remedy": each.remedy(language)}
        for each in problems
    ]
    answer = {"fields": fields, "email_mapped": bool(parsed and parsed.email_mapped), "problems": told}
    _print(answer, as_json, "\n".join(lines) or f"{fields} fields, no problem found")
    if lines:
        raise typer.Exit(PROBLEMS)


@contextmanager
def _working() -> Iterator[None]:
    """Keep standard output for the answer: Airflow writes logs to it while it is imported."""
    with redirect_stdout(sys.stderr):
        yield


def _settings() -> Settings:
    from pydantic import ValidationError

    from leadsync.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"LEADSYNC_{each['loc'][0]}".upper() + f": {each['msg']}" for each in error.errors())
        raise ConfigurationError(f"{wrong}. docs/reference.md lists every setting.") from error


def _engine(settings: Settings, *, upgraded: bool = True) -> Engine:
    """Open the lead store; by default only one whose sync_ tables are those of this version."""
    from leadsync.airflow.context import lead_store_url
    from leadsync.store import engine, migrate

    store = engine.create(lead_store_url(settings))
    if upgraded and not migrate.is_current(store):
        raise ConfigurationError("the sync_ tables are missing or of another version: run `leadsync db upgrade` first")
    return store


def _cycle() -> Cycle:
    from leadsync.airflow.context import open_cycle

    _settings()
    return open_cycle(f"cli__{dt.datetime.now(dt.UTC).isoformat(timespec='microseconds')}")


def _print(answer: dict[str, Any], as_json: bool, text: str | None = None) -> None:
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False, default=str))
    else:
        typer.echo(text if text is not None else "\n".join(_outline(answer)))


def _outline(answer: Any, indent: str = "") -> Iterator[str]:
    """Yield nested counts and facts as indented lines."""
    for name, value in answer.items() if isinstance(answer, dict) else (("-", each) for each in answer):
        if isinstance(value, dict | list) and value:
            yield f"{indent}{name}" if name == "-" else f"{indent}{name}:"
            yield from _outline(value, indent + "  ")
        else:
            yield f"{indent}{name}: {'-' if value in ({}, [], None, '') else value}"


def _held_lines(error: Held) -> str:
    place = f"lead {error.lead_id}" + (f"  {error.field}" if error.field else "")
    said = [f'  value: "{error.value}"'] if error.value else []
    said += [f"  Salesforce: {error.api_message}"] if error.api_message else []
    seen = error.first_seen.astimezone().strftime("%Y-%m-%d %H:%M %Z")
    lines = [f"{place}  {error.code} ({error.rule})  since {seen}", f"  {error.title}", *said, f"  -> {error.remedy}"]
    return "\n".join(lines)


def _problem_line(problem: Problem, language: str) -> str:
    place = ":".join(str(part) for part in (problem.file, problem.line or "") if part)
    column = f" [{problem.column}]" if problem.column else ""
    said = f"{place}{column}: {problem.message(language)} ({problem.rule}, {problem.code})"
    return f"{said}\n  -> {problem.remedy(language)}"
