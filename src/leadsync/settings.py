"""Settings, read from the environment with the prefix `LEADSYNC_` (docs/reference.md)."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class DuplicateScope(StrEnum):
    """Which records compete for an address that several of them carry (R4)."""

    ALL = "all"
    CONTACT_FIRST = "contact_first"


class Language(StrEnum):
    """The language of mails and of the command line's prose."""

    JA = "ja"
    EN = "en"


class Settings(BaseSettings):
    """Everything an operator can set; the defaults run on a laptop."""

    model_config = SettingsConfigDict(env_prefix="LEADSYNC_", frozen=True, extra="ignore")

    mappings_dir: Path = Field(Path("include/mappings"), description="Folder of the mapping CSV files.")
    staging: str = Field("file://.run/staging", description="ObjectStoragePath URL of the staging folder.")
    staging_days: int = Field(7, ge=1, description="Days that the staged files of a run are kept.")
    owner_email: str = Field("", description="The owner's address: errors go there (R36).")
    admin_emails: str = Field("", description="The administrators' addresses, comma-separated (R36).")
    language: Language = Field(Language.JA, description="Language of the mails, ja or en.")
    duplicate_scope: DuplicateScope = Field(DuplicateScope.ALL, description="all or contact_first (R4).")
    recreate_deleted: bool = Field(
        default=False, description="Whether an edited lead gets a new record for its deleted one (R29)."
    )
    overlap_seconds: int = Field(900, ge=0, description="Seconds that each delta reaches back before its cursor.")
    api_reserve: int = Field(1000, ge=0, description="API calls a day that the sync leaves to others (R53).")
    describe_max_age_seconds: int = Field(3600, ge=0, description="Seconds after which describes are read in full.")
    request_timeout_seconds: float = Field(120, gt=0, description="Seconds after which an unanswered call is lost.")
    salesforce_conn_id: str = Field("salesforce_default", description="Airflow connection of the Salesforce org.")
    lead_store_conn_id: str = Field("lead_store", description="Airflow connection of the lead database.")
    smtp_conn_id: str = Field("smtp_default", description="Airflow connection of the mail server.")

    @property
    def recipients(self) -> list[str]:
        """Return owner and administrators, each once, in that order."""
        wanted = [self.owner_email, *self.admin_emails.split(",")]
        return list(dict.fromkeys(address.strip() for address in wanted if address.strip()))
