"""Rows beyond an edit: Leads are converted, rows merged, deleted ones restored or purged, over SOAP and by control."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import pytest

from salesforce_emulator.clock import read_stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

XSI = "http://www.w3.org/2001/XMLSchema-instance"
CONVERTED = ["IsConverted", "Status", "ConvertedDate", "ConvertedAccountId", "ConvertedContactId"]


class Soap:
    """A SOAP client: the envelopes that clients send, and the replies taken apart."""

    def __init__(self, salesforce: Emulator, token: str, flavour: str = "partner") -> None:
        self.url = f"{salesforce.url}/services/Soap/{flavour[0].replace('p', 'u').replace('e', 'c')}/59.0"
        self.namespace = f"urn:{flavour}.soap.sforce.com"
        self.http = salesforce.http
        self.token = token

    def send(self, inner: str, header: str = "") -> requests.Response:
        """Send a call in an envelope with a session header."""
        text = (
            '<?xml version="1.0" encoding="utf-8"?>'
            f'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="{self.namespace}" '
            f'xmlns:xsi="{XSI}"><e:Header><SessionHeader><sessionId>{escape(self.token)}</sessionId></SessionHeader>'
            f"{header}</e:Header><e:Body>{inner}</e:Body></e:Envelope>"
        )
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""', "Authorization": None}
        return self.http.post(self.url, text.encode(), headers=headers, timeout=30)

    def call(self, inner: str, header: str = "") -> list[dict[str, Any]]:
        """Send a call that must be answered; return its results, an element that occurs twice as a list."""
        answer = self.send(inner, header)
        assert answer.status_code == 200, answer.text
        return [values_of(each) for each in ET.fromstring(answer.content).iter(f"{{{self.namespace}}}result")]

    def fault(self, inner: str) -> tuple[int, str | None]:
        """Send a call that must be refused; return the status and the exception code."""
        answer = self.send(inner)
        return answer.status_code, ET.fromstring(answer.content).findtext(".//{*}exceptionCode")


def values_of(element: ET.Element) -> dict[str, Any]:
    """Return an element's children by name."""
    values: dict[str, Any] = {}
    for child in element:
        name = child.tag.rpartition("}")[2]
        value = values_of(child) if len(child) else None if child.get(f"{{{XSI}}}nil") == "true" else child.text or ""
        values[name] = (
            [*values[name], value]
            if isinstance(values.get(name), list)
            else ([values[name], value] if name in values else value)
        )
    return values


@pytest.fixture
def soap(salesforce: Emulator, api: Api) -> Soap:
    """Give the SOAP API, as the integration user."""
    return Soap(salesforce, api.http.headers["Authorization"].partition(" ")[2])


def lead_convert(lead_id: str, *, status: str = "Closed - Converted", more: str = "") -> str:
    """Return a convertLead call, as it was recorded."""
    return (
        f"<convertLead><leadConverts>{more}<convertedStatus>{status}</convertedStatus>"
        f"<doNotCreateOpportunity>true</doNotCreateOpportunity><leadId>{lead_id}</leadId></leadConverts></convertLead>"
    )


def merging(name: str, master_id: str, *others: str, values: str = "") -> str:
    """Return a merge call."""
    ids = "".join(f"<recordToMergeIds>{each}</recordToMergeIds>" for each in others)
    master = f"<masterRecord><type>{name}</type><Id>{master_id}</Id>{values}</masterRecord>"
    return f"<merge><request>{master}{ids}</request></merge>"


# --- convert ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["", "<doNotCreateOpportunity>false</doNotCreateOpportunity>"])
def test_a_conversion_that_wants_an_opportunity_is_refused(soap: Soap, api: Api, lead: Callable[..., str], said: str):
    """Without `doNotCreateOpportunity` a real org makes one; here nobody may: the Lead stays (code guessed)."""
    lead_id = lead()
    call = lead_convert(lead_id).replace("<doNotCreateOpportunity>true</doNotCreateOpportunity>", said)
    (done,) = soap.call(call)
    assert (done["success"], done["errors"]["statusCode"]) == ("false", "INSUFFICIENT_ACCESS_OR_READONLY")
    assert api.read("Lead", lead_id)["IsConverted"] is False


def test_a_converted_lead_becomes_a_contact_and_its_account(soap: Soap, api: Api, lead: Callable[..., str]):
    """A conversion makes both, carries the values over, and marks the Lead (recorded; the mapping is documented)."""
    lead_id = lead(FirstName="Hana", Email="hana@example.jp", Phone="03", City="Osaka", HasOptedOutOfEmail=True)
    (done,) = soap.call(lead_convert(lead_id))
    assert done == {
        "accountId": done["accountId"],
        "contactId": done["contactId"],
        "leadId": lead_id,
        "opportunityId": None,
        "success": "true",
    }
    contact, account = api.read("Contact", done["contactId"]), api.read("Account", done["accountId"])
    assert (account["Name"], account["BillingCity"], account["Phone"]) == ("ACME", "Osaka", "03")
    wanted = {"Name": "Hana Yamada", "Email": "hana@example.jp", "MailingCity": "Osaka", "HasOptedOutOfEmail": True}
    assert {name: contact[name] for name in wanted} == wanted
    assert contact["AccountId"] == account["Id"]
    found = api.read("Lead", lead_id)
    expected = [True, "Closed - Converted", found["SystemModstamp"][:10], account["Id"], contact["Id"]]
    assert [found[name] for name in CONVERTED] == expected


def test_the_contact_is_a_second_older_than_the_leads_last_change(soap: Soap, api: Api, lead: Callable[..., str]):
    """The new Contact's stamps are one second before those of the Lead (recorded)."""
    lead_id = lead()
    (done,) = soap.call(lead_convert(lead_id))
    found, contact = api.read("Lead", lead_id), api.read("Contact", done["contactId"])
    assert found["LastModifiedDate"] == found["SystemModstamp"]
    later = read_stamp(str(found["SystemModstamp"])) - read_stamp(str(contact["CreatedDate"]))
    assert later == timedelta(seconds=1)


def test_one_address_is_on_a_lead_and_a_contact_after_conversion(soap: Soap, api: Api, lead: Callable[..., str]):
    """The converted Lead is still found by its address; IsConverted tells the two apart (recorded)."""
    lead_id = lead(Email="hana@example.jp")
    soap.call(lead_convert(lead_id))
    where = "WHERE Email IN ('hana@example.jp')"
    leads, contacts = (api.query(f"SELECT Id FROM {name} {where}").json()["totalSize"] for name in ("Lead", "Contact"))
    open_leads = api.query(f"SELECT Id FROM Lead {where} AND IsConverted = false").json()["totalSize"]
    assert (leads, contacts, open_leads) == (1, 1, 0)


def test_a_converted_lead_takes_no_update(soap: Soap, api: Api, lead: Callable[..., str]):
    """A PATCH of a converted Lead is refused with the recorded words; it can still be deleted."""
    lead_id = lead()
    soap.call(lead_convert(lead_id))
    refused = api("PATCH", f"sobjects/Lead/{lead_id}", {"Title": "x"})
    error = {"message": "cannot reference converted lead", "errorCode": "CANNOT_UPDATE_CONVERTED_LEAD", "fields": []}
    assert (refused.status_code, refused.json()) == (400, [error])
    assert api("DELETE", f"sobjects/Lead/{lead_id}").status_code == 204


def test_conversion_into_existing_rows_fills_their_blanks_only(soap: Soap, api: Api, lead: Callable[..., str]):
    """An existing Contact keeps what it has, gets what it lacks; LeadSource is overwritten on demand (documented)."""
    account = api.create("Account", Name="Old")
    contact = api.create("Contact", LastName="Old", AccountId=account, Title="CEO", LeadSource="Web")
    lead_id = lead(Title="CTO", Email="hana@example.jp", LeadSource="Other")
    into = f"<accountId>{account}</accountId><contactId>{contact}</contactId>"
    (done,) = soap.call(lead_convert(lead_id, more=f"{into}<overwriteLeadSource>true</overwriteLeadSource>"))
    found = api.read("Contact", contact)
    assert (done["accountId"], done["contactId"]) == (account, contact)
    names = ("LastName", "Title", "Email", "LeadSource")
    assert [found[name] for name in names] == ["Old", "CEO", "hana@example.jp", "Other"]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda _: lead_convert("00Q000000000999AAA"), "INVALID_CROSS_REFERENCE_KEY"),
        (lambda _: lead_convert("nonsense"), "MALFORMED_ID"),
        (lambda lead_id: lead_convert(lead_id, status="Working - Contacted?"), "INVALID_STATUS"),
        (
            lambda lead_id: lead_convert(lead_id, more="<contactId>003000000000001AAA</contactId>"),
            "REQUIRED_FIELD_MISSING",
        ),
        (
            lambda lead_id: lead_convert(lead_id, more="<accountId>001000000000999AAA</accountId>"),
            "INVALID_CROSS_REFERENCE_KEY",
        ),
    ],
)
def test_a_wrong_conversion_changes_nothing(
    soap: Soap, salesforce: Emulator, lead: Callable[..., str], call: Callable[[str], str], code: str
):
    """What is wrong with a conversion is said in its result, and neither row nor mark is left behind."""
    lead_id = lead()
    (done,) = soap.call(call(lead_id))
    assert (done["success"], done["errors"]["statusCode"]) == ("false", code)
    assert salesforce.admin_query("SELECT IsConverted FROM Lead")[0]["IsConverted"] is False
    assert (salesforce.admin_count("Contact"), salesforce.admin_count("Account")) == (0, 0)


def test_a_lead_is_converted_once(soap: Soap, salesforce: Emulator, lead: Callable[..., str]):
    """A second conversion is refused and makes no second Contact."""
    lead_id = lead()
    (first,), (second,) = (soap.call(lead_convert(lead_id)) for _ in range(2))
    assert (first["success"], second["errors"]["statusCode"]) == ("true", "CANNOT_UPDATE_CONVERTED_LEAD")
    assert salesforce.admin_count("Contact") == 1


def test_conversion_needs_the_right_to_create_contacts(soap: Soap, salesforce: Emulator, lead: Callable[..., str]):
    """Whoever may not create Contacts converts nothing; field-level security does not hinder a conversion."""
    first, second = lead(Title="CEO"), lead()
    salesforce.access("Contact/Title", read=False)
    (done,) = soap.call(lead_convert(first))
    assert salesforce.admin_query("SELECT Title FROM Contact")[0]["Title"] == "CEO"
    salesforce.access("Contact", create=False)
    (refused,) = soap.call(lead_convert(second))
    assert (done["success"], refused["errors"]["statusCode"]) == ("true", "INSUFFICIENT_ACCESS_OR_READONLY")


def test_each_conversion_of_a_call_stands_alone(soap: Soap, lead: Callable[..., str]):
    """One bad Lead does not keep the others; with AllOrNoneHeader it does."""
    calls = [lead_convert(lead()), lead_convert("00Q000000000999AAA")]
    both = "".join(each.removeprefix("<convertLead>").removesuffix("</convertLead>") for each in calls)
    none = soap.call(
        f"<convertLead>{both}</convertLead>", "<AllOrNoneHeader><allOrNone>true</allOrNone></AllOrNoneHeader>"
    )
    assert [each["errors"]["statusCode"] for each in none] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "INVALID_CROSS_REFERENCE_KEY",
    ]
    assert [each["success"] for each in soap.call(f"<convertLead>{both}</convertLead>")] == ["true", "false"]


def test_the_control_converts_as_soap_does(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """`POST /_emulator/convert` answers what the Lead became."""
    lead_id = lead(Email="hana@example.jp")
    done = salesforce.control("POST", "convert", {"lead_id": lead_id})
    assert api.read("Contact", done["contact_id"])["Email"] == "hana@example.jp"
    assert api.read("Lead", lead_id)["ConvertedAccountId"] == done["account_id"]


# --- merge -----------------------------------------------------------------------------------------------------------


def test_merged_rows_are_deleted_and_name_their_master(soap: Soap, salesforce: Emulator, lead: Callable[..., str]):
    """The losers are in the recycle bin with MasterRecordId; queryAll finds them, query does not (documented)."""
    master, one, two = lead(Title="CEO"), lead(Title="CTO"), lead()
    (done,) = soap.call(merging("Lead", master, one, two, values="<Phone>03</Phone><Title>CIO</Title>"))
    assert (done["id"], done["mergedRecordIds"], done["success"]) == (master, [one, two], "true")
    rows = salesforce.admin_query("SELECT Id FROM Lead WHERE IsDeleted = true AND MasterRecordId != null", deleted=True)
    assert {row["Id"] for row in rows} == {one, two}
    (kept,) = salesforce.admin_query("SELECT Id, Title, Phone, MasterRecordId FROM Lead")
    assert [kept[name] for name in ("Id", "Title", "Phone", "MasterRecordId")] == [master, "CIO", "03", None]


def test_children_follow_the_master_and_only_their_system_stamp_shows_it(soap: Soap, salesforce: Emulator, api: Api):
    """Contacts of a merged Account belong to the master; SystemModstamp moves, LastModifiedDate does not (guessed)."""
    master, other = (api.create("Account", Name=name) for name in ("A", "B"))
    child = api.create("Contact", LastName="Abe", AccountId=other)
    old = api.read("Contact", child)
    salesforce.clock(offset_seconds=60)
    (done,) = soap.call(merging("Account", master, other))
    new = api.read("Contact", child)
    assert (done["updatedRelatedIds"], new["AccountId"], new["IsDeleted"]) == (child, master, False)
    assert new["LastModifiedDate"] == old["LastModifiedDate"]
    assert new["SystemModstamp"] > old["SystemModstamp"]


def test_nobody_reports_to_themselves_after_a_merge(soap: Soap, api: Api):
    """A master that pointed at a loser points nowhere."""
    boss = api.create("Contact", LastName="Boss")
    master = api.create("Contact", LastName="Abe", ReportsToId=boss)
    soap.call(merging("Contact", master, boss))
    assert api.read("Contact", master)["ReportsToId"] is None


def test_a_loser_can_be_cleared_field_by_field(soap: Soap, api: Api, lead: Callable[..., str]):
    """`fieldsToNull` of the master record clears a value."""
    master, other = lead(Title="CEO"), lead()
    soap.call(merging("Lead", master, other, values="<fieldsToNull>Title</fieldsToNull>"))
    assert api.read("Lead", master)["Title"] is None


@pytest.mark.parametrize(
    ("others", "code"),
    [
        (lambda master, _: [master], "MERGE_FAILED"),
        (lambda _, other: [other, other], "MERGE_FAILED"),
        (lambda _, __: [], "INVALID_OPERATION"),
        (lambda _, other: [other] * 3, "INVALID_OPERATION"),
        (lambda _, __: ["00Q000000000999AAA"], "INVALID_CROSS_REFERENCE_KEY"),
    ],
)
def test_a_wrong_merge_changes_nothing(
    soap: Soap,
    salesforce: Emulator,
    lead: Callable[..., str],
    others: Callable[[str, str], list[str]],
    code: str,
):
    """A merge with itself, with none, with too many or with nobody is refused, its values too."""
    master, other = lead(), lead()
    (done,) = soap.call(merging("Lead", master, *others(master, other), values="<Title>x</Title>"))
    assert (done["success"], done["errors"]["statusCode"]) == ("false", code)
    assert [row["Title"] for row in salesforce.admin_query("SELECT Title FROM Lead")] == [None, None]


def test_a_converted_lead_is_not_merged(soap: Soap, lead: Callable[..., str]):
    """A converted Lead is neither master nor merged."""
    converted, other = lead(), lead()
    soap.call(lead_convert(converted))
    calls = (merging("Lead", converted, other), merging("Lead", other, converted))
    codes = [soap.call(each)[0]["errors"]["statusCode"] for each in calls]
    assert codes == ["CANNOT_UPDATE_CONVERTED_LEAD"] * 2


def test_the_control_merges_as_soap_does(salesforce: Emulator, lead: Callable[..., str]):
    """`POST /_emulator/merge` deletes the others; a merge of another object's rows is refused."""
    master, other = lead(), lead()
    salesforce.control("POST", "merge", {"object": "Lead", "master_id": master, "other_ids": [other]})
    (gone,) = salesforce.admin_query("SELECT MasterRecordId FROM Lead WHERE IsDeleted = true", deleted=True)
    assert gone["MasterRecordId"] == master
    wrong = {"object": "Contact", "master_id": master, "other_ids": [other]}
    assert salesforce.http.post(f"{salesforce.url}/_emulator/merge", json=wrong, timeout=10).status_code == 400


# --- the recycle bin -------------------------------------------------------------------------------------------------


def test_a_deleted_row_comes_back(soap: Soap, salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """Undelete takes a row out of the bin, newer than before; what is not in there cannot be."""
    lead_id = lead(Title="CEO")
    before = api.read("Lead", lead_id)["SystemModstamp"]
    api("DELETE", f"sobjects/Lead/{lead_id}")
    assert api("GET", f"sobjects/Lead/{lead_id}").status_code == 404
    salesforce.clock(offset_seconds=60)
    (done,), (again,) = (soap.call(f"<undelete><ids>{lead_id}</ids></undelete>") for _ in range(2))
    found = api.read("Lead", lead_id)
    assert (done, found["Title"], found["IsDeleted"]) == ({"id": lead_id, "success": "true"}, "CEO", False)
    assert found["SystemModstamp"] > before
    assert again["errors"] == {"message": "Entity is not in the recycle bin", "statusCode": "UNDELETE_FAILED"}


def test_an_accounts_contacts_come_back_with_it(salesforce: Emulator, api: Api):
    """Contacts deleted with their Account are restored with it; one that was deleted before is not."""
    account = api.create("Account", Name="ACME")
    kept, lost = (api.create("Contact", LastName=name, AccountId=account) for name in ("A", "B"))
    api("DELETE", f"sobjects/Contact/{lost}")
    salesforce.clock(offset_seconds=60)
    api("DELETE", f"sobjects/Account/{account}")
    assert api.query("SELECT count() FROM Contact").json()["totalSize"] == 0
    salesforce.control("POST", "undelete", {"ids": [account]})
    assert [row["Id"] for row in api.query("SELECT Id FROM Contact").json()["records"]] == [kept]


def test_a_merged_row_that_comes_back_has_no_master(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """MasterRecordId is null for a row that is not deleted (documented)."""
    master, other = lead(), lead()
    salesforce.control("POST", "merge", {"object": "Lead", "master_id": master, "other_ids": [other]})
    salesforce.control("POST", "undelete", {"ids": [other]})
    assert api.read("Lead", other)["MasterRecordId"] is None


def test_a_purged_row_leaves_no_trace(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """Purged is gone from queryAll and `/deleted`, and cannot be restored; `/deleted` says since when that may be."""
    lead_id = lead()
    api("DELETE", f"sobjects/Lead/{lead_id}")
    now = read_stamp(salesforce.clock(offset_seconds=30))
    salesforce.control("POST", "purge", {"ids": [lead_id]})
    assert salesforce.admin_query("SELECT Id FROM Lead", deleted=True) == []
    start, end = (f"{moment:%Y-%m-%dT%H:%M:%S}%2B00:00" for moment in (now - timedelta(hours=1), now))
    answer = api("GET", f"sobjects/Lead/deleted/?start={start}&end={end}").json()
    assert (answer["deletedRecords"], read_stamp(answer["earliestDateAvailable"]) >= now) == ([], True)
    body = {"ids": [lead_id]}
    assert salesforce.http.post(f"{salesforce.url}/_emulator/undelete", json=body, timeout=10).status_code == 400


def test_the_bin_keeps_fifteen_days(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """Deleted rows are found for 15 days and are gone after (documented)."""
    lead_id = lead()
    api("DELETE", f"sobjects/Lead/{lead_id}")
    found = []
    for days in (14, 16):
        salesforce.clock(offset_seconds=days * 86_400)
        found.append(len(salesforce.admin_query("SELECT Id FROM Lead", deleted=True)))
    assert found == [1, 0]


@pytest.mark.parametrize("resource", ["updated", "deleted"])
@pytest.mark.parametrize(("since", "until"), [(-31 * 24, 0), (-1, -2), (-1, -1)])
def test_a_wrong_period_is_refused(api: Api, resource: str, since: int, until: int):
    """A period that starts more than 30 days ago, or ends before it starts, is an INVALID_REPLICATION_DATE."""
    now = datetime.now(UTC)
    start, end = (f"{now + timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}Z" for hours in (since, until))
    answer = api("GET", f"sobjects/Lead/{resource}/?start={start}&end={end}")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_REPLICATION_DATE")


def test_a_parents_change_leaves_the_child_alone(salesforce: Emulator, api: Api):
    """An Account's edit does not touch its Contacts' SystemModstamp, so no delta of Contacts shows it."""
    account = api.create("Account", Name="ACME", Industry="Energy")
    contact = api.create("Contact", LastName="Abe", AccountId=account)
    before = api.read("Contact", contact)["SystemModstamp"]
    salesforce.clock(offset_seconds=60)
    api("PATCH", f"sobjects/Account/{account}", {"Industry": "Media"})
    row = api.query("SELECT SystemModstamp, Account.Industry FROM Contact").json()["records"][0]
    assert (row["SystemModstamp"], row["Account"]["Industry"]) == (before, "Media")


# --- SOAP itself -----------------------------------------------------------------------------------------------------


def test_a_wrong_session_gets_the_soap_fault(soap: Soap):
    """An unknown session is a fault with HTTP 500 and the code clients look for (recorded words)."""
    soap.token = "00D!wrong"
    answer = soap.send("<getUserInfo/>")
    assert answer.status_code == 500
    assert "<faultcode>sf:INVALID_SESSION_ID</faultcode>" in answer.text
    assert "Invalid Session ID found in SessionHeader: Illegal Session" in answer.text


def test_an_unknown_operation_is_a_client_fault(soap: Soap):
    """What this API has not is refused by name."""
    answer = soap.send("<fly/>")
    assert (answer.status_code, "No operation available for request {urn:partner" in answer.text) == (500, True)


def test_who_asks_is_told(salesforce: Emulator, soap: Soap):
    """The call getUserInfo names the user, in the enterprise namespace too."""
    enterprise = Soap(salesforce, soap.token, "enterprise")
    names = [each.call("<getUserInfo/>")[0]["userName"] for each in (soap, enterprise)]
    assert names == [salesforce.integration["username"]] * 2


def test_a_logout_ends_the_session(soap: Soap, api: Api):
    """After logout the token is worth nothing, over REST either."""
    assert soap.send("<logout/>").status_code == 200
    assert api("GET", "limits").status_code == 401


def test_a_call_says_how_much_quota_is_used(salesforce: Emulator, soap: Soap):
    """Every reply carries LimitInfoHeader (recorded), the call counts, and past the limit it is a fault."""
    salesforce.control("PUT", "limits", {"DailyApiRequests": {"Max": 100, "Remaining": 1}})
    answer = soap.send("<getUserInfo/>")
    info = ET.fromstring(answer.content).find(".//{*}limitInfo")
    assert info is not None
    assert values_of(info) == {"current": "100", "limit": "100", "type": "API REQUESTS"}
    assert soap.fault("<getUserInfo/>") == (500, "REQUEST_LIMIT_EXCEEDED")


def test_too_many_conversions_in_one_call_are_refused(soap: Soap):
    """A call converts at most 100 Leads (documented)."""
    one = "<leadConverts><leadId>00Q000000000999AAA</leadId></leadConverts>"
    assert soap.fault(f"<convertLead>{one * 101}</convertLead>") == (500, "EXCEEDED_LEAD_CONVERT_LIMIT")


@pytest.mark.parametrize(
    ("fault", "code"), [("limit", "REQUEST_LIMIT_EXCEEDED"), ("expire_session", "INVALID_SESSION_ID")]
)
def test_faults_speak_soap_too(salesforce: Emulator, soap: Soap, fault: str, code: str):
    """A fault on a SOAP call answers as that API does; an expired session really ends."""
    salesforce.faults([{"match": {"path": "Soap"}, "fault": fault}])
    assert soap.fault("<getUserInfo/>") == (500, code)
    assert soap.send("<getUserInfo/>").status_code == (200 if fault == "limit" else 500)


def test_a_locked_lead_is_not_converted(salesforce: Emulator, soap: Soap, lead: Callable[..., str]):
    """The fault `lock` refuses a conversion with UNABLE_TO_LOCK_ROW, once."""
    call = lead_convert(lead())
    salesforce.faults([{"match": {"body": "convertLead"}, "fault": "lock"}])
    (first,), (second,) = soap.call(call), soap.call(call)
    assert (first["errors"]["statusCode"], second["success"]) == ("UNABLE_TO_LOCK_ROW", "true")
