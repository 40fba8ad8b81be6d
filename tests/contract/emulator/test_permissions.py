"""What the org tells of permissions and sharing: the same that its reads and writes obey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.emulator.test_sharing import ABE, codes, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator

FLAGS = ("HasReadAccess", "HasEditAccess", "HasDeleteAccess", "HasTransferAccess", "HasAllAccess", "MaxAccessLevel")


def user_id(salesforce: Emulator, profile: str = "integration") -> str:
    """Return a user's id."""
    return next(each["id"] for each in salesforce.control("GET", "users") if each["profile"] == profile)


def access(salesforce: Emulator, api: Api, *record_ids: str, user: str = "") -> list[list[Any]]:
    """Ask for the flags of a user's access to records."""
    listed = ", ".join(f"'{each}'" for each in record_ids)
    soql = f"SELECT RecordId, {', '.join(FLAGS)} FROM UserRecordAccess "
    soql += f"WHERE UserId = '{user or user_id(salesforce)}' AND RecordId IN ({listed})"
    found = {row["RecordId"]: row for row in api.query(soql).json()["records"]}
    return [[found[each][flag] for flag in FLAGS] for each in record_ids if each in found]


# UserRecordAccess


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        ("Private", [False, False, False, False, False, "None"]),
        ("Read", [True, False, False, False, False, "Read"]),
        ("Edit", [True, True, False, False, False, "Edit"]),
        ("ReadEditTransfer", [True, True, False, True, False, "Transfer"]),
        ("All", [True, True, True, True, True, "All"]),
    ],
)
def test_record_access_follows_the_default(salesforce: Emulator, api: Api, default: str, expected: list[Any]):
    """The flags of another's row are those of the organisation-wide default; an own row is open in full."""
    other, own = salesforce.admin_create("Lead", ABE), api.create("Lead", **ABE)
    share(salesforce, "Lead", default)
    assert access(salesforce, api, other, own) == [expected, [True, True, True, True, True, "All"]]


def test_record_access_says_what_writes_find(salesforce: Emulator, api: Api):
    """For every row and default, reading, editing and deleting succeed where the flags say so, and nowhere else."""
    for default in ("Private", "Read", "Edit", "ReadEditTransfer", "All"):
        record_id = salesforce.admin_create("Lead", ABE)
        share(salesforce, "Lead", default)
        (flags,) = access(salesforce, api, record_id)
        done = [
            api("GET", f"sobjects/Lead/{record_id}").ok,
            api("PATCH", f"sobjects/Lead/{record_id}", {"Title": "x"}).ok,
            api("DELETE", f"sobjects/Lead/{record_id}").ok,
        ]
        assert flags[:3] == done, default


def test_record_access_heeds_permissions_on_the_object(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """Without the permission to edit or delete, an own row is for reading; without any there is no access."""
    record_id = lead()
    salesforce.access("Lead", edit=False, delete=False)
    assert access(salesforce, api, record_id) == [[True, False, False, False, False, "Read"]]
    salesforce.access("Lead", read=False)
    assert access(salesforce, api, record_id) == [[False, False, False, False, False, "None"]]
    salesforce.access("Lead", read=True, edit=True, delete=True)
    assert access(salesforce, api, record_id)[0][-1] == "All"


def test_record_access_answers_for_rows_that_are_not_there(salesforce: Emulator, api: Api, lead: Callable[..., str]):
    """One row for each id of the own access, deleted and unknown ones included, in either length (seen so)."""
    gone = lead()
    api("DELETE", f"sobjects/Lead/{gone}")
    unknown = "00Q5i0zzzzzzzzzAAA"
    soql = "SELECT RecordId, HasReadAccess FROM UserRecordAccess WHERE UserId = '{}' AND RecordId = '{}'"
    short = api.query(soql.format(user_id(salesforce)[:15], gone[:15])).json()["records"]
    assert [(each["RecordId"], each["HasReadAccess"]) for each in short] == [(gone, False)]
    assert short[0]["attributes"]["url"].endswith("/sobjects/UserRecordAccess/000000000000000AAA")
    assert [each[0] for each in access(salesforce, api, gone, unknown[:15] + "AAA", lead())][-1] is True


def test_the_access_of_others_is_told_for_readable_rows(salesforce: Emulator, api: Api):
    """Who asks for another's access hears nothing of rows that the asking user does not read (documented)."""
    hidden, own = salesforce.admin_create("Lead", ABE), api.create("Lead", **ABE)
    share(salesforce, "Lead", "Private")
    admin = user_id(salesforce, "admin")
    assert access(salesforce, api, hidden, own, user=admin) == [[True, True, True, True, True, "All"]]


def test_record_access_can_be_filtered_by_level(salesforce: Emulator, api: Api):
    """A level of access in the condition leaves those rows that have it (documented)."""
    other, own = salesforce.admin_create("Lead", ABE), api.create("Lead", **ABE)
    share(salesforce, "Lead", "Read")
    soql = f"SELECT RecordId FROM UserRecordAccess WHERE UserId = '{user_id(salesforce)}' "
    soql += f"AND RecordId IN ('{other}', '{own}') AND HasEditAccess = true"
    assert [each["RecordId"] for each in api.query(soql).json()["records"]] == [own]


ONE = "UserId = '005000000000001AAA' AND RecordId = '00Q000000000001AAA'"


MANY = ", ".join(f"'00Q{number:012}'" for number in range(201))


@pytest.mark.parametrize(
    ("soql", "code", "message"),
    [
        (f"SELECT Id FROM UserRecordAccess WHERE {ONE}", "INVALID_FIELD", "Can select only RecordId, a Has*Access"),
        (f"SELECT HasReadAccess FROM UserRecordAccess WHERE {ONE}", "INVALID_FIELD", "RecordId field must be selected"),
        ("SELECT RecordId FROM UserRecordAccess", "MALFORMED_QUERY", "UserId"),
        ("SELECT RecordId FROM UserRecordAccess WHERE UserId = '005000000000001AAA'", "MALFORMED_QUERY", "RecordId"),
        (f"SELECT RecordId FROM UserRecordAccess WHERE {ONE.replace('AND', 'OR')}", "MALFORMED_QUERY", "UserId"),
        (f"SELECT RecordId FROM UserRecordAccess WHERE NOT ({ONE})", "MALFORMED_QUERY", "UserId"),
        (f"SELECT RecordId FROM UserRecordAccess WHERE {ONE} AND MaxAccessLevel = 'All'", "MALFORMED_QUERY", "UserId"),
        (f"SELECT COUNT(RecordId) FROM UserRecordAccess WHERE {ONE}", "INVALID_FIELD", "Can select only"),
        (f"SELECT RecordId, HasReadAccess FROM UserRecordAccess WHERE {ONE} AND HasReadAccess = true", "INVALID_FIELD",
         "Can select only RecordId"),
        ("SELECT RecordId FROM UserRecordAccess WHERE UserId = 'x' AND RecordId = '00Q000000000001AAA'",
         "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: x"),
        (f"SELECT RecordId FROM UserRecordAccess WHERE {ONE.partition(' AND')[0]} AND RecordId IN ({MANY})",
         "MALFORMED_QUERY", "200"),
    ],
)  # fmt: skip
def test_record_access_takes_certain_queries_only(api: Api, soql: str, code: str, message: str):
    """The select list and the filters are bound; at most 200 records (documented; the first two texts are logged)."""
    answer = api.query(soql)
    assert codes(answer) == (400, code)
    assert message in answer.json()[0]["message"]


# EntityDefinition


def definitions(api: Api) -> dict[str, dict[str, Any]]:
    """Return the sharing models of all objects that the user sees."""
    fields = "QualifiedApiName, DurableId, KeyPrefix, InternalSharingModel, ExternalSharingModel"
    soql = f"SELECT {fields} FROM EntityDefinition"
    return {row["QualifiedApiName"]: row for row in api.query(soql).json()["records"]}


def test_definitions_are_those_of_the_global_list(salesforce: Emulator, api: Api):
    """Each object that the user sees is defined, and no other; a hidden one comes back with its permission."""
    for read in (True, False, True):
        salesforce.access("Lead", read=read)
        listed = {each["name"]: each["keyPrefix"] for each in api("GET", "sobjects").json()["sobjects"]}
        found = definitions(api)
        assert {name: row["KeyPrefix"] for name, row in found.items()} == listed
        assert ("Lead" in found) is read


@pytest.mark.parametrize(
    ("default", "model"),
    [("Private", "Private"), ("Read", "Read"), ("Edit", "ReadWrite"), ("ReadEditTransfer", "ReadWriteTransfer")],
)
def test_a_definition_tells_the_sharing_model(salesforce: Emulator, api: Api, default: str, model: str):
    """InternalSharingModel follows the organisation-wide default, in its own words; Contact's by its Account."""
    share(salesforce, "Lead", default)
    share(salesforce, "Contact", "ControlledByParent")
    found = definitions(api)
    assert (found["Lead"]["InternalSharingModel"], found["Lead"]["ExternalSharingModel"]) == (model, model)
    assert found["Contact"]["InternalSharingModel"] == "ControlledByParent"
    assert found["Lead"]["DurableId"] == "Lead"


def test_a_definition_is_found_by_name(api: Api):
    """Names are found in any case, LIMIT is ignored (documented), and AND, IN and null work."""
    soql = (
        "SELECT Label FROM EntityDefinition WHERE QualifiedApiName IN ('lead', 'Contact') AND KeyPrefix != null LIMIT 1"
    )
    assert [each["Label"] for each in api.query(soql).json()["records"]] == ["Contact", "Lead"]


def test_the_tooling_api_defines_objects_too(api: Api):
    """EntityDefinition is found by `tooling/query` as well; rows of Leads, or of what is not here, are not."""
    soql = "SELECT DurableId FROM EntityDefinition WHERE QualifiedApiName = 'Lead'"
    (row,) = api.query(soql, "tooling/query").json()["records"]
    assert row["attributes"]["url"] == "/services/data/v59.0/sobjects/EntityDefinition/Lead"
    assert row["DurableId"] == "Lead"
    for name in ("Lead", "SandboxProcess"):
        assert codes(api.query(f"SELECT Id FROM {name}", "tooling/query")) == (400, "INVALID_TYPE")


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("WHERE QualifiedApiName != 'Lead'", "Only equals comparisons permitted"),
        ("WHERE NOT (DurableId = 'Lead')", "Only equals comparisons permitted"),
        ("WHERE QualifiedApiName LIKE 'L%'", "Only equals comparisons permitted"),
        ("WHERE IsQueryable = true OR (IsTriggerable = false AND KeyPrefix = '00Q')", "Disjunctions not supported"),
        ("GROUP BY QualifiedApiName", "not yet supported by this SObject storage type"),
    ],
)
def test_definitions_take_certain_queries_only(api: Api, condition: str, message: str):
    """Inequality on the name, OR and GROUP BY are refused (documented; the code is guessed)."""
    answer = api.query(f"SELECT QualifiedApiName FROM EntityDefinition {condition}")
    assert codes(answer) == (400, "MALFORMED_QUERY")
    assert message in answer.json()[0]["message"]


# Permissions


def integration_permissions(api: Api, kind: str, fields: str, condition: str) -> list[dict[str, Any]]:
    """Ask for the permissions of the integration's profile."""
    soql = f"SELECT {fields} FROM {kind} WHERE Parent.Profile.Name = 'integration' AND {condition}"
    answer = api.query(soql)
    assert answer.ok, answer.text
    return answer.json()["records"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"read": True}, [(True, True)]), ({"edit": False}, [(True, False)]), ({"read": False}, [])],
)
def test_field_permissions_say_what_the_describe_says(
    salesforce: Emulator, api: Api, given: dict[str, bool], expected: list[Any]
):
    """A field that may be read has a row, one that may not has none; the describe agrees, also when given back."""
    salesforce.access("Lead/Title", **given)
    condition = "SobjectType = 'Lead' AND Field = 'Lead.Title'"
    rows = integration_permissions(api, "FieldPermissions", "PermissionsRead, PermissionsEdit", condition)
    fields = {each["name"]: each for each in api("GET", "sobjects/Lead/describe").json()["fields"]}
    assert [(row["PermissionsRead"], row["PermissionsEdit"]) for row in rows] == expected
    assert [(True, field["updateable"]) for name, field in fields.items() if name == "Title"] == expected
    salesforce.access("Lead/Title", read=True, edit=True)
    assert integration_permissions(api, "FieldPermissions", "PermissionsEdit", condition)[0]["PermissionsEdit"] is True


def test_fields_that_cannot_be_hidden_have_no_permissions(api: Api):
    """Only permissionable fields have a row (documented)."""
    rows = integration_permissions(api, "FieldPermissions", "Field", "SobjectType = 'Lead'")
    fields = api("GET", "sobjects/Lead/describe").json()["fields"]
    assert {row["Field"] for row in rows} == {f"Lead.{each['name']}" for each in fields if each["permissionable"]}


def test_object_permissions_follow_the_control(salesforce: Emulator, api: Api):
    """Each flag is the control's; without read access the row is gone."""
    keys = ("Create", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords")
    fields = ", ".join(f"Permissions{key}" for key in keys)

    def flags() -> list[list[bool]]:
        rows = integration_permissions(api, "ObjectPermissions", fields, "SobjectType = 'Lead'")
        return [[row[f"Permissions{key}"] for key in keys] for row in rows]

    assert flags() == [[True, True, True, False, False]]
    salesforce.access("Lead", create=False, delete=False, view_all=True)
    assert flags() == [[False, True, False, True, False]]
    salesforce.access("Lead", read=False)
    assert flags() == []


def test_a_user_finds_its_own_permissions(salesforce: Emulator, api: Api):
    """From the user over its permission sets to permissions on all data, given by a control as by a permission set."""
    me = user_id(salesforce)
    soql = (
        "SELECT Id FROM PermissionSet WHERE PermissionsViewAllData = true AND "
        f"Id IN (SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = '{me}')"
    )
    own = "SELECT PermissionsViewAllData, PermissionsModifyAllData FROM UserPermissionAccess"
    before = api.query(soql).json()["totalSize"], api.query(own).json()["records"][0]["PermissionsViewAllData"]
    salesforce.control("PUT", f"users/{me}", {"view_all": True})
    after = api.query(soql).json()["totalSize"], api.query(own).json()["records"][0]["PermissionsViewAllData"]
    assert (before, after) == ((0, False), (1, True))
    profile = api.query(f"SELECT Profile.Name FROM User WHERE Id = '{me}'").json()["records"][0]["Profile"]
    assert profile["Name"] == "integration"


def test_permissions_are_for_users_who_view_setup(salesforce: Emulator, api: Api):
    """Without "View Setup and Configuration" those objects are not there (documented), until it is given back."""
    me = user_id(salesforce)
    names = ("FieldPermissions", "ObjectPermissions", "PermissionSet", "PermissionSetAssignment")
    for allowed in (True, False, True):
        salesforce.control("PUT", f"users/{me}", {"view_setup": allowed})
        listed = {each["name"] for each in api("GET", "sobjects").json()["sobjects"]}
        status = {api.query(f"SELECT Id FROM {name}").status_code for name in names}
        assert (set(names) <= listed, status) == ((True, {200}) if allowed else (False, {400}))


# Shares


def test_shares_tell_owner_and_rules(salesforce: Emulator, api: Api):
    """A readable row has its owner's share and one of each rule that opens it further than the default does."""
    admin = user_id(salesforce, "admin")
    ids = [salesforce.admin_create("Lead", {**ABE, "LeadSource": source}) for source in ("Web", "Other")]
    share(salesforce, "Lead", "Private", {"field": "LeadSource", "value": "Web", "access": "Edit"})
    soql = (
        "SELECT Id, LeadId, UserOrGroupId, UserOrGroup.Type, LeadAccessLevel, RowCause FROM LeadShare ORDER BY RowCause"
    )
    rows = api.query(soql).json()["records"]
    group = api.query("SELECT Id FROM Group WHERE Type = 'Organization'").json()["records"][0]["Id"]
    found = [(row["LeadId"], row["UserOrGroupId"], row["LeadAccessLevel"], row["RowCause"]) for row in rows]
    assert found == [(ids[0], admin, "All", "Owner"), (ids[0], group, "Edit", "Rule")]
    assert len({row["Id"] for row in rows}) == 2
    assert {row["Id"][:3] for row in rows} == {"01o"}
    assert len(salesforce.admin_query("SELECT Id FROM LeadShare")) == 3
    share(salesforce, "Lead", "Edit", {"field": "LeadSource", "value": "Web", "access": "Edit"})
    assert {each["RowCause"] for each in salesforce.admin_query("SELECT RowCause FROM LeadShare")} == {"Owner"}


def test_shares_are_read_with_their_row(salesforce: Emulator, api: Api):
    """Shares are children of the row, can be read by id, and go with the object's permission or its own sharing."""
    record_id = salesforce.admin_create("Lead", ABE)
    (row,) = api.query("SELECT Id, (SELECT Id, RowCause FROM Shares) FROM Lead").json()["records"]
    (child,) = row["Shares"]["records"]
    assert api.read("LeadShare", child["Id"])["LeadId"] == record_id
    share(salesforce, "Contact", "ControlledByParent")
    salesforce.access("Lead", read=False)
    listed = {each["name"] for each in api("GET", "sobjects").json()["sobjects"]}
    assert {"LeadShare", "ContactShare", "AccountShare"} & listed == {"AccountShare"}
    assert codes(api.query("SELECT Id FROM LeadShare")) == (400, "INVALID_TYPE")


@pytest.mark.parametrize("name", ["LeadShare", "Group", "Profile", "FieldPermissions", "EntityDefinition"])
def test_what_follows_from_settings_is_not_written(salesforce: Emulator, api: Api, name: str):
    """Computed rows refuse every write, are in no list of changes, and take no control."""
    salesforce.admin_create("Lead", ABE)
    (row, *_) = api.query(f"SELECT Id FROM {name}").json()["records"]
    answers = [
        api("POST", f"sobjects/{name}", {}),
        api("PATCH", f"sobjects/{name}/{row['Id']}", {}),
        api("DELETE", f"sobjects/{name}/{row['Id']}"),
        api("GET", f"sobjects/{name}/updated", params={"start": "2026-01-01T00:00:00Z", "end": "2099-01-01T00:00:00Z"}),
        salesforce.http.post(
            f"{salesforce.url}/_emulator/fields/{name}", json={"name": "A__c", "type": "int"}, timeout=9
        ),
    ]
    assert all(400 <= answer.status_code < 500 for answer in answers), [answer.text for answer in answers]


def test_a_record_tells_its_own_access(salesforce: Emulator, api: Api):
    """UserRecordAccess is a relationship of a record and of its parents, without the ids (documented)."""
    other, own = salesforce.admin_create("Lead", ABE), api.create("Lead", **ABE)
    share(salesforce, "Lead", "Read")
    soql = "SELECT Id, UserRecordAccess.HasEditAccess, UserRecordAccess.MaxAccessLevel FROM Lead ORDER BY Id"
    told = {each["Id"]: each["UserRecordAccess"] for each in api.query(soql).json()["records"]}
    assert {key: (row["HasEditAccess"], row["MaxAccessLevel"]) for key, row in told.items()} == {
        other: (False, "Read"),
        own: (True, "All"),
    }
    assert told[own]["attributes"]["type"] == "UserRecordAccess"
    found = api.query("SELECT Id FROM Lead WHERE UserRecordAccess.HasEditAccess = true").json()["records"]
    assert [each["Id"] for each in found] == [own]
    account = api.create("Account", Name="ACME")
    api.create("Contact", LastName="Abe", AccountId=account)
    (row,) = api.query("SELECT Account.UserRecordAccess.HasDeleteAccess FROM Contact").json()["records"]
    assert row["Account"]["UserRecordAccess"]["HasDeleteAccess"] is True
    assert codes(api.query("SELECT UserRecordAccess.RecordId FROM Lead")) == (400, "INVALID_FIELD")
    assert codes(api.query("SELECT UserRecordAccess.HasEditAccess FROM User")) == (400, "INVALID_FIELD")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "purge", {"ids": ["00G5i0000000001AAA"]}),
        ("POST", "undelete", {"ids": ["00G5i0000000001AAA"]}),
        ("PUT", "rows/Group/00G5i0000000001AAA", {}),
        ("PUT", "access/Group", {"read": False}),
        ("PUT", "sharing/LeadShare", {"default": "Private"}),
        ("POST", "rules/Lead", {"type": "duplicate", "fields": ["Name"], "matches": "Group"}),
        ("POST", "record_types/User", {"name": "A"}),
    ],
)
def test_no_control_reaches_what_follows_from_settings(
    salesforce: Emulator, method: str, path: str, body: dict[str, Any]
):
    """Controls of rows and rules are refused for objects without rows of their own."""
    answer = salesforce.http.request(method, f"{salesforce.url}/_emulator/{path}", json=body, timeout=10)
    assert answer.status_code in {400, 404}, answer.text
    assert answer.json()["error"]
