"""The exceptions of leadsync, grouped by what to do about them.

Trouble with one record is no exception: it is a row in a frame (`core.codes`). An exception means that the task
cannot go on, and its branch says whether trying again can help::

    LeadsyncError
    +-- StopError                 a retry cannot help: a person must act
    |   +-- ConfigurationError        settings, mapping files, connections (exit 2)
    |   +-- NotStartedError           nobody has started the sync yet (R33)
    |   +-- StagingError              staged files are gone or of different passes: clear the task that is named
    |   +-- SalesforceRefusedError    wrong login, app revoked, API disabled
    |   +-- RefusedRecordsError       report: Salesforce newly refused records in this run
    |   +-- SupersededError           a later run has committed: this one writes nothing
    +-- RetryableError            the same task may work in a moment
        +-- UnreachableError          a side cannot be reached (exit 3)
        |   +-- SalesforceUnavailableError
        |   +-- LeadStoreUnavailableError
        +-- LostReplyError            a request was sent and its outcome is unknown
        +-- OrgChangedError           the org is no longer as described: the next cycle describes it anew
        +-- QuotaError                API limit or reserve reached (R53)
"""


class LeadsyncError(Exception):
    """Say who, what, why and the next step in one message."""


class StopError(LeadsyncError):
    """A retry cannot help: a person must act."""


class ConfigurationError(StopError):
    """Settings, mapping files or connections are wrong or missing."""


class NotStartedError(StopError):
    """Nobody has started the sync yet (R33)."""


class StagingError(StopError):
    """The run's staged files are gone, or come from different passes: clear the task that the message names."""


class SalesforceRefusedError(StopError):
    """Salesforce refuses to talk to us: login, app or API access."""


class RefusedRecordsError(StopError):
    """Salesforce refused records in this run that it had not refused before."""


class SupersededError(StopError):
    """A later run has committed; this one must write nothing any more."""


class RetryableError(LeadsyncError):
    """The same task may work in a moment."""


class UnreachableError(RetryableError):
    """One side cannot be reached."""


class SalesforceUnavailableError(UnreachableError):
    """Salesforce cannot be reached or answers 5xx."""


class LeadStoreUnavailableError(UnreachableError):
    """The database of the leads cannot be reached."""


class LostReplyError(RetryableError):
    """A request was sent and its outcome is unknown."""


class OrgChangedError(RetryableError):
    """A field or object that the mapping counts on is gone or hidden since it was described (R21, R40, R42)."""


class QuotaError(RetryableError):
    """The API limit or our reserve of it is reached (R53)."""
