"""The server as a process: profiles, what a data folder keeps, the end of it, and the edge's limits."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.emulator import Emulator

if TYPE_CHECKING:
    from tests.contract.emulator.conftest import Api


def test_a_fresh_org_hides_the_opt_out(tmp_path: Path):
    """Profile `fresh` starts with the opt-out hidden by field-level security, until it is granted."""
    with Emulator.start(profile="fresh") as org:
        http = org.session(org.login())
        url = f"{org.url}/services/data/v59.0/query?q=SELECT HasOptedOutOfEmail FROM "
        before = [http.get(url + name, timeout=10).status_code for name in ("Lead", "Contact")]
        org.access("Lead/HasOptedOutOfEmail", read=True, edit=True)
        assert (before, http.get(f"{url}Lead", timeout=10).status_code) == ([400, 400], 200)


def test_a_data_folder_keeps_the_org(tmp_path: Path):
    """With a data folder rows, keys, the admin's token, the authority, fields and permissions outlive the process."""
    with Emulator.start(data=tmp_path) as first:
        record_id = first.admin_create("Lead", {"LastName": "Abe", "Company": "ACME"})
        first.control("POST", "fields/Lead", {"name": "Vip__c", "type": "picklist", "picklistValues": ["a"]})
        first.admin_update("Lead", record_id, {"Vip__c": "a"})
        first.access("Lead/Title", read=False)
        authority = Path(first.ca_file).read_text()
    with Emulator.start(data=tmp_path) as second:
        assert second.admin["access_token"] == first.admin["access_token"]
        assert second.integration["consumer_secret"] == first.integration["consumer_secret"]
        assert Path(second.ca_file).read_text() == authority
        assert second.admin_query("SELECT LastName, Vip__c FROM Lead")[0]["Vip__c"] == "a"
        assert second.admin_create("Lead", {"LastName": "Baba", "Company": "ACME"}) > record_id
        hidden = second.session(second.login()).get(f"{second.url}/services/data/v59.0/query?q=SELECT Title FROM Lead")
        assert hidden.json()[0]["errorCode"] == "INVALID_FIELD"


def test_the_keys_can_be_given():
    """A deployment that must know the integration's keys beforehand gives them by environment."""
    with Emulator.start(
        environment={
            "SALESFORCE_EMULATOR_CONSUMER_KEY": "key",
            "SALESFORCE_EMULATOR_CONSUMER_SECRET": "secret",
        }
    ) as org:
        assert (org.integration["consumer_key"], org.integration["consumer_secret"]) == ("key", "secret")
        assert org.login()


def test_a_taken_port_is_said(emulator_process: Emulator, capfd: pytest.CaptureFixture[str]):
    """A port in use ends the start with 1 and a line that names it."""
    port = int(emulator_process.url.rpartition(":")[2])
    with pytest.raises(RuntimeError, match="ended with 1"):
        Emulator.start(port=port)
    assert f"cannot start on 127.0.0.1:{port}" in capfd.readouterr().err


def test_a_signal_ends_it_cleanly(capfd: pytest.CaptureFixture[str]):
    """SIGTERM ends the server with 0, without a word, and leaves no file behind."""
    running = Emulator.start()
    folder = Path(running.ca_file).parent
    running.admin_query("SELECT Id FROM User")
    assert (running.stop(), folder.exists(), capfd.readouterr().err) == (0, False, "")


def test_the_edge_limits_addresses(api: Api):
    """An address or headers beyond 16,384 bytes never reach the org, and the answer is no JSON."""
    long = api.query("SELECT Id FROM Lead WHERE Email = '" + "x" * 16_400)
    headers = api("GET", "limits", headers={"X-Long": "x" * 16_400})
    assert (long.status_code, headers.status_code) == (414, 431)
    assert long.headers["Content-Type"].startswith("text/html")


def test_a_packed_body_is_unpacked(api: Api):
    """A gzip body is understood."""
    packed = gzip.compress(json.dumps({"LastName": "Abe", "Company": "ACME"}).encode())
    answer = api.http.post(f"{api.root}/sobjects/Lead", data=packed, headers={"Content-Encoding": "gzip"}, timeout=10)
    assert answer.status_code == 201


def test_a_body_can_be_printed_prettily(api: Api):
    """X-PrettyPrint asks for lines, its absence for none."""
    pretty, compact = (api("GET", "limits", headers={"X-PrettyPrint": value}).text for value in ("1", "0"))
    assert (pretty.count("\n") > 10, compact.count("\n")) == (True, 0)
    assert json.loads(pretty).keys() == json.loads(compact).keys()
