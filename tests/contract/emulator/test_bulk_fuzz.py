"""Whatever comes as a bulk job or as its data is processed or refused: never a 500, never a defect of ours."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salesforce_emulator.bulk import csvio
from tests.contract.emulator.test_bulk_v1 import V1, values
from tests.contract.emulator.test_fuzz import names as fields
from tests.contract.emulator.test_fuzz import values as anything

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.emulator.bulk_client import Bulk
    from tests.emulator import Emulator

often = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
DEFECT = "InternalServerError"

operations = st.sampled_from(["insert", "update", "upsert", "delete", "hardDelete", "query", "queryAll"])
jobs = st.fixed_dictionaries(
    {},
    optional={
        "operation": operations | anything,
        "object": st.sampled_from(["Lead", "lead", "Nope"]) | anything,
        "externalIdFieldName": st.sampled_from(["Id", "Email", "Company"]) | anything,
        "contentType": st.sampled_from(["CSV", "JSON", "XML"]) | anything,
        "columnDelimiter": st.sampled_from(["COMMA", "TAB"]) | anything,
        "lineEnding": st.sampled_from(["LF", "CRLF"]) | anything,
        "concurrencyMode": st.sampled_from(["Parallel", 0, 1]) | anything,
        "query": st.just("SELECT Id FROM Lead") | anything,
        "state": st.sampled_from(["Closed", "Aborted", "UploadComplete"]) | anything,
    },
)
cells = st.sampled_from(
    ["", "A", "#N/A", '"x\ny"', "佐藤", "00Q5i0000000001EAA", "true", "1e9", "2026-05-01", '"', "\0"]
)
lines = st.lists(cells | fields | st.text(max_size=5), min_size=1, max_size=4).map(",".join)
tables = st.tuples(st.lists(fields, min_size=1, max_size=3).map(",".join), st.lists(lines, max_size=4)).map(
    lambda parts: "\n".join([parts[0], *parts[1]]).encode()
)
records = st.lists(st.dictionaries(fields | st.text(max_size=6), anything, max_size=4), max_size=3)
trees = st.lists(
    st.dictionaries(fields.filter(str.isalpha), st.text("aé佐<&\x00", max_size=5), max_size=3), max_size=3
).map(
    lambda found: (
        "<sObjects>"
        + "".join("<sObject>" + "".join(f"<{k}>{v}</{k}>" for k, v in each.items()) + "</sObject>" for each in found)
        + "</sObjects>"
    )
)


@often
@given(body=jobs | anything, path=st.sampled_from(["jobs/ingest", "jobs/query", "/services/async/59.0/job"]))
def test_any_job_is_made_or_refused(bulk: Bulk, *, body: Any, path: str):
    """JSON of every shape makes a job or gets an error of the API."""
    headers = {"X-SFDC-Session": bulk.api.http.headers["Authorization"].removeprefix("Bearer ")}
    answer = bulk.api("POST", path, body, headers=headers)
    assert answer.status_code < 500, answer.text
    if answer.status_code < 400:
        made = answer.json()
        changed = bulk.api("POST" if "async" in path else "PATCH", f"{path}/{made['id']}", body, headers=headers)
        assert changed.status_code < 500, changed.text


@often
@given(data=st.binary(max_size=60) | tables, operation=st.sampled_from(["insert", "update", "upsert", "delete"]))
def test_any_csv_is_loaded_or_refused(bulk: Bulk, *, data: bytes, operation: str):
    """Bytes of every kind end a job as done or failed, and its results can be read."""
    options = {"externalIdFieldName": "Email"} if operation == "upsert" else {}
    job = bulk.run(data, operation, "Contact" if operation == "upsert" else "Lead", **options)
    assert job["state"] in {"JobComplete", "Failed"}
    assert DEFECT not in job.get("errorMessage", "")
    for kind in ("successfulResults", "failedResults", "unprocessedrecords"):
        assert bulk.api("GET", f"jobs/ingest/{job['id']}/{kind}").status_code == 200


@pytest.mark.parametrize("kind", ["CSV", "JSON", "XML"])
@often
@given(found=st.data())
def test_any_batch_is_loaded_or_refused(salesforce: Emulator, *, kind: str, found: st.DataObject):
    """Batches of every kind end as completed or failed."""
    likely = {"CSV": tables, "JSON": records.map(json.dumps).map(str.encode), "XML": trees.map(str.encode)}[kind]
    v1 = V1(salesforce, salesforce.admin["access_token"])
    job_id = v1.create(found.draw(st.sampled_from(["insert", "update", "delete", "query"])), kind=kind)
    answer = v1.add(job_id, found.draw(likely | st.binary(max_size=40)), kind)
    assert answer.status_code in {201, 400}, answer.text
    if answer.status_code == 201:
        batch = v1.wait(job_id, values(answer)["id"])
        assert DEFECT not in (batch.get("stateMessage") or "")
        assert v1.result(batch).status_code == (200 if batch["state"] == "Completed" else 400)


@pytest.mark.parametrize("chunk", range(1, 6))
def test_where_a_chunk_ends_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int):
    """Every CSV of six characters is sound or not wherever the pieces end that it is checked in."""
    path = tmp_path / "data"
    for text in map("".join, product('",\na', repeat=6)):
        path.write_text(text, encoding="utf-8", newline="")
        monkeypatch.setattr(csvio, "_CHUNK", 2**20)
        sound = _is_sound(path)
        monkeypatch.setattr(csvio, "_CHUNK", chunk)
        assert _is_sound(path) == sound, text


def _is_sound(path: Path) -> bool:
    try:
        csvio.check(path, ",", "\n")
    except csvio.InvalidBatchError:
        return False
    return True
