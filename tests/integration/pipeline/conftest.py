"""The parts of a world, real: an org over TLS, a database of each kind, a mail server."""

from tests.databases import database_url, lead_store, postgres_url, store_engine
from tests.emulator import emulator_process, salesforce
from tests.smtp import mail_catcher
from tests.world import world

__all__ = [
    "database_url",
    "emulator_process",
    "lead_store",
    "mail_catcher",
    "postgres_url",
    "salesforce",
    "store_engine",
    "world",
]
