"""Many clients at once: nothing is lost, doubled or torn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

CLIENTS, ROUNDS = 8, 6


def test_eight_clients_write_and_read(salesforce: Emulator, api: Api):
    """Every record that was answered with success is there once, under an id of its own, while others read."""
    token = salesforce.login()

    def client(number: int) -> list[str]:
        http = salesforce.session(token)
        ids = []
        for turn in range(ROUNDS):
            rows = [
                {"attributes": {"type": "Lead"}, "LastName": f"{number}-{turn}-{row}", "Company": "ACME"}
                for row in range(20)
            ]
            written = http.post(f"{api.root}/composite/sobjects", json={"records": rows}, timeout=60).json()
            ids += [each["id"] for each in written if each["success"]]
            read = http.get(f"{api.root}/query?q=SELECT count() FROM Lead", timeout=60).json()
            assert read["totalSize"] % 20 == 0
        return ids

    with ThreadPoolExecutor(CLIENTS) as pool:
        ids = [each for part in pool.map(client, range(CLIENTS)) for each in part]
    assert len(ids) == len(set(ids)) == CLIENTS * ROUNDS * 20
    assert {record["Id"] for record in salesforce.admin_query("SELECT Id FROM Lead")} == set(ids)


def test_racing_upserts_make_one_row(salesforce: Emulator, api: Api):
    """Eight clients that upsert one key at once make one row."""
    token = salesforce.login()

    def client(_: int) -> int:
        body = {"LastName": "Abe"}
        return (
            salesforce.session(token)
            .patch(f"{api.root}/sobjects/Contact/Email/abe@example.jp", json=body, timeout=60)
            .status_code
        )

    with ThreadPoolExecutor(CLIENTS) as pool:
        statuses = sorted(pool.map(client, range(CLIENTS)))
    assert statuses == [200] * (CLIENTS - 1) + [201]


def test_racing_updates_all_count(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """Concurrent changes of different fields of one row all stay."""
    record_id = lead()
    token = salesforce.login()
    names = ("Title", "Phone", "MobilePhone", "Fax", "City", "State", "Street", "Website")

    def client(name: str) -> int:
        url = f"{api.root}/sobjects/Lead/{record_id}"
        return salesforce.session(token).patch(url, json={name: "x"}, timeout=60).status_code

    with ThreadPoolExecutor(CLIENTS) as pool:
        assert set(pool.map(client, names)) == {204}
    record = api.read("Lead", record_id)
    assert [record[name] for name in names] == ["x"] * len(names)
