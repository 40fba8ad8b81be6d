"""What outlives a restart, and what many clients of all kinds leave behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.emulator import Emulator

if TYPE_CHECKING:
    from pathlib import Path

    import requests

CLIENTS, ROUNDS = 16, 12


def test_a_restart_keeps_what_became_of_rows_and_users(tmp_path: Path):
    """Converted, merged and deleted rows, what users lost and refresh tokens are kept; sessions are not."""
    lead = {"LastName": "Abe", "Company": "ACME"}
    soql = "SELECT Id, IsDeleted, IsConverted, MasterRecordId, ConvertedContactId, SystemModstamp FROM Lead ORDER BY Id"
    with Emulator.start(data=tmp_path) as first:
        converted, master, merged, deleted = (first.admin_create("Lead", lead) for _ in range(4))
        first.control("POST", "convert", {"lead_id": converted})
        first.control("POST", "merge", {"object": "Lead", "master_id": master, "other_ids": [merged]})
        first.admin_delete("Lead", deleted)
        user = next(each["id"] for each in first.control("GET", "users") if each["profile"] == "integration")
        refresh_token = first.control("POST", f"users/{user}/approve")["refresh_token"]
        session = first.login()
        first.control("PUT", f"users/{user}", {"api_enabled": False})
        before = first.admin_query(soql, deleted=True)
    with Emulator.start(data=tmp_path) as second:
        assert second.admin_query(soql, deleted=True) == before
        assert [row["IsDeleted"] for row in before] == [False, False, True, True]
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": second.integration["consumer_key"],
        }
        url = f"{second.url}/services/oauth2/token"
        refused = second.http.post(url, data=form, timeout=10).json()["error_description"]
        second.control("PUT", f"users/{user}", {"api_enabled": True})
        granted = second.http.post(url, data=form, timeout=10).status_code
        old = second.session(session).get(f"{second.url}/services/data/v59.0/limits", timeout=10).status_code
        second.control("POST", "undelete", {"ids": [deleted]})
        assert (refused, granted, old, second.admin_count("Lead")) == ("user is not API enabled", 200, 401, 3)


def test_a_restart_keeps_what_administrators_set(tmp_path: Path):
    """Fields, picklists, record types, profiles, permissions, sharing, rules, automation and tracking are kept."""
    lead = {"LastName": "Abe", "Company": "ACME"}

    def told(emulator: Emulator, user: dict[str, str]) -> dict[str, object]:
        """Return what the org says of itself to the administrator and to a user of another profile."""
        http, root = emulator.session(emulator.login(user)), f"{emulator.url}/services/data/v59.0"
        described = http.get(f"{root}/sobjects/Lead/describe", timeout=10).json()
        shared = "SELECT QualifiedApiName, InternalSharingModel FROM EntityDefinition"
        permissions = "SELECT Id, Field, PermissionsEdit, Parent.Profile.Name FROM FieldPermissions"
        return {
            "controls": [emulator.control("GET", name) for name in ("access", "sharing", "history", "users")],
            "record types": emulator.control("GET", "record_types/Lead"),
            "fields": described["fields"],
            "infos": described["recordTypeInfos"],
            "definitions": emulator.admin_query(shared),
            "permissions": emulator.admin_query(permissions),
            "history": emulator.admin_query("SELECT Id, Field, OldValue, NewValue, CreatedDate FROM LeadHistory"),
            "rows": emulator.admin_query("SELECT Id, Colour__c, Number__c, RecordTypeId, Title FROM Lead"),
        }

    with Emulator.start(data=tmp_path) as first:
        user = first.control("POST", "users", {"username": "s@emulator.example", "profile": "sales"})
        colour = {"name": "Colour__c", "type": "picklist", "restrictedPicklist": True, "picklistValues": ["Red"]}
        shade = {"name": "Shade__c", "type": "picklist", "controllerName": "Colour__c"}
        for field in (
            colour,
            {**shade, "picklistValues": [{"value": "dark", "validFor": ["Red"]}]},
            {"name": "Number__c", "type": "string", "autoNumber": True},
            {"name": "Both__c", "type": "string", "calculatedFormula": "LastName & Company"},
            {"name": "Key__c", "type": "string", "unique": True, "externalId": True, "length": 20},
        ):
            first.control("POST", "fields/Lead", field)
        first.control("PUT", "picklists/Lead/Colour__c", [{"value": "Red", "label": "赤"}, "Blue"])
        retail = {"name": "Retail", "label": "小売", "default": True, "picklists": {"Colour__c": ["Blue"]}}
        made = first.control("POST", "record_types/Lead", retail)["id"]
        first.control("PUT", "access/Lead/Phone", {"profile": "sales", "read": False})
        first.access("Lead", delete=False, view_all=True)
        first.access("Contact/Title", edit=False)
        rules = [{"field": "LeadSource", "value": "Web", "access": "Read"}]
        first.control("PUT", "sharing/Lead", {"default": "Private", "rules": rules})
        first.control("PUT", "history/Lead", ["Title", "OwnerId"])
        condition = {"type": "validation", "condition": 'Title = "CEO"', "message": "No CEOs"}
        first.control("POST", "rules/Lead", condition)
        first.control("POST", "rules/Lead", {"type": "duplicate", "fields": ["Email"]})
        first.control("POST", "automation/Lead", {"on": "create", "set": {"Title": "Buyer"}})
        row = first.admin_create("Lead", {**lead, "Email": "abe@example.jp", "Key__c": "k", "Colour__c": "Blue"})
        first.admin_update("Lead", row, {"Title": "CTO"})
        before = told(first, user)
    with Emulator.start(data=tmp_path) as second:
        assert told(second, user) == before
        answers = [
            second.rest("PATCH", f"sobjects/Lead/{row}", {"Title": "CEO"}),
            second.rest("POST", "sobjects/Lead", {**lead, "Email": "abe@example.jp"}),
            second.rest("POST", "sobjects/Lead", {**lead, "Colour__c": "Red"}),
            second.rest("POST", "sobjects/Lead", {**lead, "Key__c": "K"}),
        ]
        assert [answer.json()[0]["errorCode"] for answer in answers] == [
            "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "DUPLICATES_DETECTED",
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "DUPLICATE_VALUE",
        ]
        new = second.rest("GET", f"sobjects/Lead/{second.admin_create('Lead', lead)}").json()
        assert (new["Title"], new["RecordTypeId"], new["Both__c"]) == ("Buyer", made, "AbeACME")
        assert new["Number__c"] > before["rows"][0]["Number__c"]
        assert (
            second.admin_query(f"SELECT Field FROM LeadHistory WHERE LeadId = '{new['Id']}'")[0]["Field"] == "created"
        )


def test_sixteen_clients_of_all_kinds_lose_nothing(salesforce: Emulator):
    """While others create, delete, restore, convert and read, each client's edits of one shared row all stay."""
    shared = salesforce.admin_create("Account", {"Name": "shared"})
    names = [f"C{number}__c" for number in range(CLIENTS)]
    for name in names:
        salesforce.control("POST", "fields/Account", {"name": name, "type": "double", "precision": 5, "scale": 0})
    token = salesforce.login()
    root = f"{salesforce.url}/services/data/v59.0"

    def send(http: requests.Session, method: str, path: str, body: object = None) -> requests.Response:
        answer = http.request(method, f"{root}/{path}", json=body, timeout=60)
        assert answer.ok, answer.text
        return answer

    def client(number: int) -> int:
        http, converted = salesforce.session(token), 0
        for turn in range(1, ROUNDS + 1):
            read = send(http, "GET", f"sobjects/Account/{shared}").json()
            assert (read[names[number]] or 0) == turn - 1
            lead = {"LastName": f"{number}-{turn}", "Company": "ACME"}
            lead_id = send(http, "POST", "sobjects/Lead", lead).json()["id"]
            send(http, "PATCH", f"sobjects/Account/{shared}", {names[number]: turn})
            if turn % 3 == 0:
                send(http, "DELETE", f"sobjects/Lead/{lead_id}")
                salesforce.control("POST", "undelete", {"ids": [lead_id]})
            if turn % 4 == 0:
                salesforce.control("POST", "convert", {"lead_id": lead_id})
                converted += 1
        return converted

    with ThreadPoolExecutor(CLIENTS) as pool:
        converted = sum(pool.map(client, range(CLIENTS)))
    row = salesforce.admin_query(f"SELECT {', '.join(names)} FROM Account WHERE Id = '{shared}'")[0]
    assert [row[name] for name in names] == [ROUNDS] * CLIENTS
    leads = salesforce.admin_query("SELECT LastName FROM Lead")
    assert len(leads) == len({each["LastName"] for each in leads}) == CLIENTS * ROUNDS
    assert salesforce.admin_count("Contact") == converted == CLIENTS * (ROUNDS // 4)
