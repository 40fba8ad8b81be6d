"""The command line: `salesforce-emulator serve`."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations when the command runs
from typing import Annotated, Any

import typer

app = typer.Typer(help="A local Salesforce org over HTTPS.", no_args_is_help=True, add_completion=False)


class Profile(StrEnum):
    """What kind of org starts."""

    DEMO = "demo"
    FRESH = "fresh"


@app.callback()
def main() -> None:
    """Run a local Salesforce org over HTTPS."""


@app.command()
def serve(
    *,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 0,
    data: Annotated[Path | None, typer.Option(help="Folder of rows, keys, certificates; none: nothing stays.")] = None,
    profile: Annotated[Profile, typer.Option(help="demo, or fresh: hides the opt-out field at first.")] = Profile.DEMO,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    hostname: Annotated[str, typer.Option(help="Name that clients use; the certificate holds it.")] = "localhost",
    consumer_key: Annotated[
        str | None, typer.Option(envvar="SALESFORCE_EMULATOR_CONSUMER_KEY", help="The integration user's key.")
    ] = None,
    consumer_secret: Annotated[
        str | None, typer.Option(envvar="SALESFORCE_EMULATOR_CONSUMER_SECRET", help="The integration user's secret.")
    ] = None,
) -> None:
    """Serve an org until stopped; print one JSON line with address, CA file and logins once it answers."""
    from salesforce_emulator.server import serve as run  # noqa: PLC0415 - `--help` needs no server

    if bool(consumer_key) != bool(consumer_secret):
        raise typer.BadParameter("give both --consumer-key and --consumer-secret, or neither")
    keys = (consumer_key, consumer_secret) if consumer_key and consumer_secret else None
    try:
        run(
            host=host,
            port=port,
            hostname=hostname,
            directory=data,
            profile=profile.value,
            keys=keys,
            ready=_print_line,
        )
    except OSError as error:
        typer.echo(f"cannot start on {host}:{port}: {error}", err=True)
        raise typer.Exit(1) from error


def _print_line(details: dict[str, Any]) -> None:
    typer.echo(json.dumps(details))
