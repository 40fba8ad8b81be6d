"""Ask two SOQL parsers of other makers about every query of `verdicts.csv`, and hold the table to their answers.

`python -m tests.conformance.soql.judge` installs the parsers through npm into a temporary folder, asks them, and exits
with 1 where the table says otherwise; `--write` puts their answers into the table. Node and npm must be there.

The parsers: `jetstream` is @jetstreamapp/soql-parser-js, `salesforce` is Salesforce's own @salesforce/soql-common (for
a client that is not Apex). `emulator` is whether `salesforce_emulator.soql.parser.parse` takes the query, `reason` why
it differs from either.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

TABLE = Path(__file__).with_name("verdicts.csv")
COLUMNS = ("query", "emulator", "jetstream", "salesforce", "reason")
_JUDGE = Path(__file__).with_name("judge.cjs")
_PACKAGES = ("@jetstreamapp/soql-parser-js@6.3.1", "@salesforce/soql-common@0.2.2", "antlr4ts@0.5.0-alpha.4")
_WORDS = {True: "accept", False: "refuse"}


def table() -> list[dict[str, str]]:
    """Return the rows of the table."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def ask(queries: list[str]) -> list[tuple[str, str]]:
    """Return what jetstream and Salesforce's parser say of each query."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        raise SystemExit("Node and npm are needed to ask the other parsers; neither is part of this project.")
    with TemporaryDirectory() as folder:
        install = [npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", folder, *_PACKAGES]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        shutil.copy(_JUDGE, folder)
        asked = json.dumps(queries)
        answer = subprocess.run(
            [node, _JUDGE.name], input=asked, capture_output=True, text=True, check=True, cwd=folder
        )
    return [(_WORDS[jetstream], _WORDS[salesforce]) for jetstream, salesforce in json.loads(answer.stdout)]


def main() -> int:
    """Compare the table with the parsers, or write it."""
    rows = table()
    answers = ask([row["query"] for row in rows])
    changed = [
        row["query"] for row, said in zip(rows, answers, strict=True) if said != (row["jetstream"], row["salesforce"])
    ]
    if "--write" in sys.argv[1:]:
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for row, (jetstream, salesforce) in zip(rows, answers, strict=True):
                writer.writerow(row | {"jetstream": jetstream, "salesforce": salesforce})
    alike = sum(row["emulator"] == one == other for row, (one, other) in zip(rows, answers, strict=True))
    sys.stdout.write(f"{len(rows)} queries; all three agree on {alike}; the table is wrong on {len(changed)}\n")
    sys.stdout.writelines(f"  {query}\n" for query in changed)
    return 1 if changed and "--write" not in sys.argv[1:] else 0


if __name__ == "__main__":
    raise SystemExit(main())
