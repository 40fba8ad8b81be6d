"""`make bench`: stages of a large delta, changes on both sides, then cycles on the real scheduler."""

from __future__ import annotations

import typer

from benchmarks import scheduler, stages, two_way


def main(leads: int = 100_000, cycles: int = 15) -> None:
    """Run every benchmark; smaller numbers give a quick look."""
    stages.main(leads)
    typer.echo("")
    two_way.main(leads)
    typer.echo("")
    scheduler.main(cycles)


typer.run(main)
