"""What becomes of bulk jobs when the server dies: each goes on where it stopped, and nothing is written twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.emulator.bulk_client import Bulk, counts, names
from tests.contract.emulator.conftest import Api
from tests.contract.emulator.test_bulk_v1 import V1, values
from tests.emulator import Emulator

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = 3_000


def test_jobs_go_on_after_a_kill(tmp_path: Path):
    """Killed in the middle of a load, the server finishes it after a restart, and what waited behind it."""
    data = "LastName,Company\n" + "".join(f"N{n:04},C\n" for n in range(RECORDS))
    with Emulator.start(data=tmp_path) as first:
        first.control("PUT", "bulk_pace", {"batch_size": 200, "seconds": 0.05})
        bulk, v1 = Bulk(Api(first)), V1(first)
        loading, uploaded, classic = bulk.create()["id"], bulk.create()["id"], v1.create()
        bulk.put(loading, data)
        bulk.put(uploaded, "LastName,Company\nuploaded,C\n")
        bulk.state(loading, "UploadComplete")
        while (job := bulk.api("GET", f"jobs/ingest/{loading}").json())["numberRecordsProcessed"] < 400:
            assert job["state"] in {"UploadComplete", "InProgress"}
        first.control("PUT", "bulk_pace", {"paused": True})
        batch = values(v1.add(classic, "LastName,Company\nclassic,C\n"))["id"]
        query = bulk.api("POST", "jobs/query", {"operation": "query", "query": "SELECT Id FROM Lead"}).json()["id"]
        written = first.admin_count("Lead")
        first.process.kill()
        first.process.wait()
    (tmp_path / "bulk" / "half.upload").write_bytes(b"what a client was still sending")
    with Emulator.start(data=tmp_path) as second:
        bulk, v1 = Bulk(Api(second)), V1(second)
        job = bulk.wait(loading)
        assert v1.wait(classic, batch)["state"] == "Completed"
        bulk.state(uploaded, "UploadComplete")
        bulk.wait(uploaded)
        assert 400 <= written < RECORDS
        assert counts(job) == ("JobComplete", RECORDS, 0)
        assert names(second) == [*(f"N{n:04}" for n in range(RECORDS)), "classic", "uploaded"]
        lines = bulk.lines(job, "successfulResults")
        rows = second.admin_query("SELECT Id FROM Lead ORDER BY Id")
        assert [line["sf__Id"] for line in lines] == [row["Id"] for row in rows[:RECORDS]]
        assert bulk.api("GET", f"jobs/query/{query}").json()["state"] == "JobComplete"
        assert not list(tmp_path.rglob("*.upload"))
