"""The SOAP API as far as clients need it: login and logout, who asks, and what REST cannot do.

That is converting Leads, merging rows and taking them out of the recycle bin. Every record of a call succeeds or fails
by itself, unless the call asks for all or none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salesforce_emulator import errors, ids, lifecycle, records, soapxml
from salesforce_emulator.errors import ApiError, FieldTypeError, Problem, RecordError
from salesforce_emulator.permissions import profile_id
from salesforce_emulator.records import Writer
from salesforce_emulator.storage import Rollback
from salesforce_emulator.users import ORGANIZATION_ID

if TYPE_CHECKING:
    import sqlite3
    import xml.etree.ElementTree as ET
    from collections.abc import Callable, Sequence

    from salesforce_emulator.soapxml import Asked
    from salesforce_emulator.users import User, Users
    from salesforce_emulator.web import Call, Reply

    One = Callable[[Writer, sqlite3.Connection, ET.Element], dict[str, Any]]

MAX_CONVERTED, MAX_RECORDS = 100, 200


class SoapError(Exception):
    """A call that is refused as a whole, with the exception code of its fault."""

    def __init__(self, code: str, text: str, detail: str = "UnexpectedErrorFault") -> None:
        super().__init__(text)
        self.code, self.text, self.detail = code, text, detail


def login(users: Users, asked: Asked | None, flavour: str, version: str, base_url: str) -> Reply:
    """Answer the `login` call: username and password, the security token appended to it or not."""
    username, password = ("", "") if asked is None else _credentials(asked.element)
    user = users.by_password(username, password) if username and password else None
    if user is None:
        text = "Invalid username, password, security token; or user locked out."
        return soapxml.fault("INVALID_LOGIN", text, flavour=flavour, detail="LoginFault")
    if not user.api_enabled:
        text = "API is not enabled for this Organization or Partner"
        return soapxml.fault("API_DISABLED_FOR_ORG", text, flavour=flavour, detail="LoginFault")
    letter = next(letter for letter, name in soapxml.FLAVOURS.items() if name == flavour)
    short = ORGANIZATION_ID[:15]
    found = {
        "metadataServerUrl": f"{base_url}/services/Soap/m/{version}/{short}",
        "passwordExpired": user.password_expired,
        "sandbox": False,
        "serverUrl": f"{base_url}/services/Soap/{letter}/{version}/{short}",
        "sessionId": users.start_session(user),
        "userId": user.id,
        "userInfo": user_info(user, users.session_seconds),
    }
    return soapxml.result(flavour, "login", found)


def refused(error: ApiError, flavour: str) -> Reply:
    """Turn an error of the REST API into a fault."""
    body = error.body[0] if isinstance(error.body, list) else {}
    code = body.get("errorCode", "UNKNOWN_EXCEPTION")
    text = body.get("message", "")
    if code == "INVALID_SESSION_ID":
        text = "Invalid Session ID found in SessionHeader: Illegal Session"
    return soapxml.fault(code, text, flavour=flavour)


def answer(call: Call, asked: Asked, flavour: str) -> Reply:
    """Answer a call of a user who is logged in; whatever is wrong with it becomes a fault."""
    handler = _OPERATIONS.get(asked.operation)
    if handler is None:
        namespace = f"urn:{flavour}.soap.sforce.com"
        return soapxml.client_fault(f"No operation available for request {{{namespace}}}{asked.operation}")
    try:
        found = handler(call, asked)
    except SoapError as error:
        return soapxml.fault(error.code, error.text, flavour=flavour, detail=error.detail)
    except ApiError as error:
        return refused(error, flavour)
    header = soapxml.limit_header(*call.org.quota.used())
    if found is None:
        return soapxml.empty_result(flavour, asked.operation, header)
    return soapxml.result(flavour, asked.operation, found, header)


def user_info(user: User, session_seconds: float) -> dict[str, Any]:
    """Describe a user as `login` and `getUserInfo` do."""
    return {
        "accessibilityMode": False,
        "chatterExternal": False,
        "currencySymbol": "￥",
        "orgAttachmentFileSizeLimit": 5_242_880,
        "orgDefaultCurrencyIsoCode": "JPY",
        "orgDisallowHtmlAttachments": False,
        "orgHasPersonAccounts": False,
        "organizationId": ORGANIZATION_ID,
        "organizationMultiCurrency": False,
        "organizationName": "Emulator KK",
        "profileId": profile_id(user.profile),
        "roleId": None,
        "sessionSecondsValid": int(session_seconds),
        "userDefaultCurrencyIsoCode": None,
        "userEmail": user.username,
        "userFullName": user.name,
        "userId": user.id,
        "userLanguage": "ja",
        "userLocale": "ja_JP",
        "userName": user.username,
        "userTimeZone": "Asia/Tokyo",
        "userType": "Standard",
        "userUiSkin": "Theme3",
    }


def _credentials(element: ET.Element) -> tuple[str, str]:
    return soapxml.text_of(element, "username") or "", soapxml.text_of(element, "password") or ""


def _get_user_info(call: Call, _: Asked) -> dict[str, Any]:
    return user_info(call.user, call.org.users.session_seconds)


def _logout(call: Call, asked: Asked) -> None:
    call.org.users.expire(asked.session)


def _convert_lead(call: Call, asked: Asked) -> list[dict[str, Any]]:
    def one(writer: Writer, db: sqlite3.Connection, element: ET.Element) -> dict[str, Any]:
        lead_id = _id(soapxml.text_of(element, "leadId"), "LeadId")
        given = {name: soapxml.text_of(element, name) for name in ("accountId", "contactId", "ownerId")}
        account_id, contact_id, owner_id = (None if not text else _id(text, name) for name, text in given.items())
        if (status := soapxml.text_of(element, "convertedStatus")) is None:
            raise RecordError([Problem("REQUIRED_FIELD_MISSING", "convertedStatus is required")])
        if soapxml.text_of(element, "doNotCreateOpportunity") not in {"true", "1"}:
            raise errors.insufficient_access()  # nobody may create Opportunities here, as where the permission lacks
        overwrite = soapxml.text_of(element, "overwriteLeadSource") in {"true", "1"}
        wanted = lifecycle.Conversion(lead_id, status, account_id, contact_id, owner_id, overwrite)
        done = lifecycle.convert(writer, db, wanted)
        return _converted(lead_id, done.account_id, done.contact_id)

    def failed(element: ET.Element, problems: list[dict[str, Any]]) -> dict[str, Any]:
        return _converted(soapxml.text_of(element, "leadId"), None, None, problems)

    given = asked.element.findall("{*}leadConverts")
    if len(given) > MAX_CONVERTED:
        raise SoapError("EXCEEDED_LEAD_CONVERT_LIMIT", f"at most {MAX_CONVERTED} leads can be converted in one call")
    return _each(call, asked, given, one, failed)


def _converted(
    lead_id: str | None, account_id: str | None, contact_id: str | None, problems: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    return {
        "accountId": account_id,
        "contactId": contact_id,
        "errors": list(problems),
        "leadId": lead_id,
        "opportunityId": None,
        "success": not problems,
    }


def _merge(call: Call, asked: Asked) -> list[dict[str, Any]]:
    def one(writer: Writer, db: sqlite3.Connection, element: ET.Element) -> dict[str, Any]:
        master = element.find("{*}masterRecord")
        if master is None:
            raise RecordError([Problem("REQUIRED_FIELD_MISSING", "masterRecord is required")])
        kind, given = soapxml.record_of(master)
        master_id = _id(next((value for name, value in given.items() if name.lower() == "id"), None), "Id")
        view = call.org.view(call.user, kind or "")
        if view is None or view.schema.key_prefix != master_id[:3]:
            raise RecordError([Problem("INVALID_TYPE", errors.unsupported_object(kind or ""))])
        values = _values(view, given)
        others = [_id(each.text, "Id") for each in element.findall("{*}recordToMergeIds")]
        moved = lifecycle.merge(writer, db, view, master_id=master_id, other_ids=others, values=values)
        return {"id": master_id, "mergedRecordIds": others, "success": True, "updatedRelatedIds": moved}

    def failed(element: ET.Element, problems: list[dict[str, Any]]) -> dict[str, Any]:
        master = element.find("{*}masterRecord")
        return {
            "errors": problems,
            "id": None if master is None else soapxml.text_of(master, "Id"),
            "success": False,
        }

    return _each(call, asked, _limited(asked.element.findall("{*}request")), one, failed)


def _values(view: Any, given: dict[str, Any]) -> dict[str, Any]:
    try:
        return records.checked(view, given, ignore=frozenset({"id"}))
    except FieldTypeError as error:
        text = f"{error.value!r} is not a valid value for the type {error.type_name}"
        raise SoapError("INVALID_FIELD", text, "InvalidFieldFault") from error


def _undelete(call: Call, asked: Asked) -> list[dict[str, Any]]:
    def one(writer: Writer, db: sqlite3.Connection, element: ET.Element) -> dict[str, Any]:
        record_id = _id(element.text, "Id")
        lifecycle.undelete(writer, db, record_id)
        return {"id": record_id, "success": True}

    def failed(element: ET.Element, problems: list[dict[str, Any]]) -> dict[str, Any]:
        return {"errors": problems, "id": (element.text or "").strip() or None, "success": False}

    given = asked.element.findall("{*}ids") or asked.element.findall("{*}ID")
    return _each(call, asked, _limited(given), one, failed)


def _limited(given: list[ET.Element]) -> list[ET.Element]:
    if len(given) > MAX_RECORDS:
        text = f"record limit reached. cannot submit more than {MAX_RECORDS} records into this call"
        raise SoapError("EXCEEDED_ID_LIMIT", text)
    return given


def _id(given: str | None, name: str) -> str:
    record_id = ids.normalise((given or "").strip())
    if record_id is None:
        raise RecordError([Problem("MALFORMED_ID", f"malformed id {given or ''}".rstrip(), (name,))])
    return record_id


def _each(
    call: Call,
    asked: Asked,
    given: Sequence[ET.Element],
    one: One,
    failed: Callable[[ET.Element, list[dict[str, Any]]], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Do one record after the other in one transaction; what fails leaves nothing behind."""
    results = []
    with call.org.storage.writing():
        writer = Writer.at(call.org, call.user, call.now())
        for position, element in enumerate(given):
            try:
                if position in call.locked:
                    raise errors.locked(None)
                with call.org.storage.writing() as db:
                    results.append(one(writer, db, element))
            except RecordError as error:
                results.append(failed(element, [_problem(each) for each in error.problems]))
        if asked.all_or_none and not all(each["success"] for each in results):
            halted = [_problem(errors.rolled_back())]
            results = [
                failed(element, halted) if each["success"] else each
                for element, each in zip(given, results, strict=True)
            ]
            raise Rollback
    return results


def _problem(problem: Problem) -> dict[str, Any]:
    return {"fields": list(problem.fields), "message": problem.message, "statusCode": problem.code}


_OPERATIONS: dict[str, Callable[[Call, Asked], Any]] = {
    "getUserInfo": _get_user_info,
    "logout": _logout,
    "convertLead": _convert_lead,
    "merge": _merge,
    "undelete": _undelete,
}
