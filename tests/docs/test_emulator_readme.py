"""The emulator's README against its code: every option, fault and control that is there stands in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

import salesforce_emulator
from salesforce_emulator import cli, controls
from salesforce_emulator.faults import KINDS
from salesforce_emulator.schema import load

README = (Path(salesforce_emulator.__file__).parent / "README.md").read_text(encoding="utf-8")


def control_calls() -> list[str]:
    """Write each control as the README does: `PUT access/{object}`."""
    calls = []
    for pattern, handlers in controls._ROUTES:
        path = re.sub(r"\(\?P<(\w+)>\[\^/\]\+\)", r"{\1}", pattern.pattern).removesuffix("/?").removeprefix("/")
        path = path.replace("{name}", "{object}").replace("{record_id}", "{id}").replace("{user_id}", "{id}")
        calls += [f"{method} {path}" for method in handlers]
    return calls


@pytest.mark.parametrize("call", control_calls())
def test_every_control_is_in_the_readme(call: str) -> None:
    """Each method and path under `/_emulator/` is told."""
    assert f"`{call}`" in README


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_fault_is_in_the_readme(kind: str) -> None:
    """Each kind of fault is told."""
    assert f"`{kind}`" in README


def test_every_option_of_serve_is_in_the_readme() -> None:
    """Each option of `salesforce-emulator serve` is told, and none that is not there."""
    serve = typer.main.get_command(cli.app).commands["serve"]
    options = {option for each in serve.params for option in each.opts}
    told = set(re.findall(r"`(--[a-z-]+)", README)) - {"--cacert"}
    assert told == options


def test_every_sobject_is_in_the_readme() -> None:
    """The objects that can be described are named."""
    assert ", ".join(load()) in README
