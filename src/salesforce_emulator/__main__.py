"""Run `python -m salesforce_emulator`."""

from __future__ import annotations

from salesforce_emulator.cli import app

app()
