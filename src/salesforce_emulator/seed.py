"""The rows an org has before anybody writes one: the organization itself and its users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salesforce_emulator.permissions import profile_id
from salesforce_emulator.users import ORGANIZATION_ID

if TYPE_CHECKING:
    from salesforce_emulator.record_types import RecordType
    from salesforce_emulator.sharing import Sharing
    from salesforce_emulator.users import User


def _stamps(when: str, by: User) -> dict[str, Any]:
    return {
        "CreatedDate": when,
        "CreatedById": by.id,
        "LastModifiedDate": when,
        "LastModifiedById": by.id,
        "SystemModstamp": when,
    }


def organization_row(when: str, admin: User, sharing: Sharing) -> dict[str, Any]:
    """Return the Organization's row: a Japanese developer org with the org's sharing defaults."""
    return {
        "Id": ORGANIZATION_ID,
        "Name": "Emulator KK",
        "Country": "JP",
        "PrimaryContact": admin.name,
        "DefaultLocaleSidKey": "ja_JP",
        "TimeZoneSidKey": "Asia/Tokyo",
        "LanguageLocaleKey": "ja",
        "ReceivesInfoEmails": 1,
        "ReceivesAdminInfoEmails": 1,
        "PreferencesLightningLoginEnabled": 1,
        "FiscalYearStartMonth": 4,
        "DefaultOpportunityAccess": "Edit",
        "DefaultCaseAccess": "ReadEditTransfer",
        "DefaultCalendarAccess": "HideDetailsInsert",
        "DefaultPricebookAccess": "ReadSelect",
        "DefaultCampaignAccess": "All",
        "UiSkin": "Theme3",
        "SignupCountryIsoCode": "JP",
        "OrganizationType": "Developer Edition",
        "InstanceName": "AP0",
        "IsSandbox": 0,
        "WebToCaseDefaultOrigin": "Web",
        "MonthlyPageViewsUsed": 0,
        "MonthlyPageViewsEntitlement": 0,
        "IsReadOnly": 0,
        **{f"Default{name}Access": sharing.default(name) for name in ("Account", "Contact", "Lead")},
        **_stamps(when, admin),
    }


def record_type_row(when: str, admin: User, name: str, made: RecordType) -> dict[str, Any]:
    """Return the row of an object's record type."""
    return {
        "Id": made.id,
        "Name": made.label,
        "DeveloperName": made.name,
        "Description": made.description,
        "SobjectType": name,
        "IsActive": int(made.active),
        **_stamps(when, admin),
    }


def user_row(when: str, user: User) -> dict[str, Any]:
    """Return a user's row."""
    return {
        "Id": user.id,
        "Username": user.username,
        "FirstName": user.first_name,
        "LastName": user.last_name,
        "Name": user.name,
        "Email": user.username,
        "Alias": user.profile[:8],
        "CommunityNickname": user.profile,
        "IsActive": int(user.active),
        "TimeZoneSidKey": "Asia/Tokyo",
        "LocaleSidKey": "ja_JP",
        "LanguageLocaleKey": "ja",
        "EmailEncodingKey": "UTF-8",
        "ProfileId": profile_id(user.profile),
        "UserType": "Standard",
        **_stamps(when, user),
    }
