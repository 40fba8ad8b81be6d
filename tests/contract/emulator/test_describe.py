"""Describe calls as the wire has them; the attributes themselves are checked against recordings elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simple_salesforce import Salesforce

if TYPE_CHECKING:
    from tests.contract.emulator.conftest import Api
    from tests.emulator import Emulator


def test_the_global_list_has_the_objects(api: Api):
    """Describe global lists what the org has."""
    answer = api("GET", "sobjects/").json()
    assert (answer["encoding"], answer["maxBatchSize"]) == ("UTF-8", 200)
    names = {each["name"] for each in answer["sobjects"]}
    assert names >= {"Lead", "Contact", "Account", "User", "Organization", "RecordType"}


def test_every_listed_object_can_be_described(api: Api):
    """Each object of the global list has a describe under its address."""
    listed = api("GET", "sobjects").json()["sobjects"]
    assert {api("GET", each["urls"]["describe"]).json()["name"] for each in listed} == {each["name"] for each in listed}


def test_every_queryable_field_can_be_selected(api: Api):
    """What a describe lists, a query reads, for every object."""
    names = [each["name"] for each in api("GET", "sobjects").json()["sobjects"] if each["name"] != "UserRecordAccess"]
    for name in names:
        fields = [field["name"] for field in api("GET", f"sobjects/{name}/describe").json()["fields"]]
        answer = api.query(f"SELECT {', '.join(fields)} FROM {name}")
        assert answer.status_code == 200, answer.text
        assert all(list(record)[1:] == fields for record in answer.json()["records"])


def test_a_client_describes(salesforce: Emulator):
    """simple_salesforce finds the opt-out field of the demo org."""
    client = Salesforce(**{key: salesforce.integration[key] for key in ("consumer_key", "consumer_secret", "domain")})
    fields = {field["name"]: field for field in client.Lead.describe()["fields"]}
    assert (fields["HasOptedOutOfEmail"]["updateable"], len(fields["Email"])) == (True, 57)


def test_a_describe_names_its_own_state(api: Api):
    """ETag and Last-Modified come with a describe and do not move by themselves."""
    first, second = (api("GET", "sobjects/Lead/describe").headers for _ in range(2))
    assert (first["ETag"], first["Last-Modified"]) == (second["ETag"], second["Last-Modified"])


def test_the_short_description_has_no_fields(api: Api):
    """GET of an object answers with its short description."""
    answer = api("GET", "sobjects/lead").json()
    assert (answer["objectDescribe"]["name"], answer["recentItems"]) == ("Lead", [])
