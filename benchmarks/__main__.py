"""`make bench`: stages of a large delta, then cycles on the real scheduler."""

from __future__ import annotations

import typer

from benchmarks import scheduler, stages


def main(leads: int = 100_000, cycles: int = 15) -> None:
    """Run every benchmark; smaller numbers give a quick look."""
    stages.main(leads)
    typer.echo("")
    scheduler.main(cycles)


typer.run(main)
