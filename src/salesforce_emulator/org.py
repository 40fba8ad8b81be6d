"""One Salesforce org: its schema, rows, users, clock and limits, wired together."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from salesforce_emulator import computed, errors, formulas, ids, metadata, records, schema
from salesforce_emulator.access import Access, ObjectView
from salesforce_emulator.automation import Automation
from salesforce_emulator.barrier import Barrier
from salesforce_emulator.bulk.service import Bulk
from salesforce_emulator.clock import Clock, read_stamp, stamp
from salesforce_emulator.faults import Faults
from salesforce_emulator.history import History
from salesforce_emulator.limits import Quota
from salesforce_emulator.record_types import RecordType, RecordTypes, record_type_field
from salesforce_emulator.requestlog import RequestLog
from salesforce_emulator.rules import Rules
from salesforce_emulator.seed import organization_row, record_type_row, user_row
from salesforce_emulator.sharing import Sharing
from salesforce_emulator.storage import Storage
from salesforce_emulator.users import Users

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from salesforce_emulator.query import Locator
    from salesforce_emulator.schema import FieldSchema, SObjectSchema
    from salesforce_emulator.table import Table
    from salesforce_emulator.users import User


_CREATED = "created"


class Org:
    """Hold everything a request may touch. `profile` is `demo`, or `fresh` where field security hides the opt-out."""

    def __init__(
        self, directory: Path | None = None, *, profile: str = "demo", keys: tuple[str, str] | None = None
    ) -> None:
        self.clock = Clock()
        self.storage = Storage(directory)
        kept = self.storage.settings()
        self.created = self._creation(kept.get(_CREATED))
        self.schemas = metadata.restored_schemas(kept)
        self.storage.open(self.schemas, empty=False)
        self.sharing = Sharing(fresh=profile == "fresh")
        self.rules = Rules()
        self.automation = Automation()
        self.record_types = RecordTypes()
        self.history = History(self)
        self.access = Access(self.sharing, partial(computed.select, self), fresh=profile == "fresh")
        metadata.restore(self, kept)
        self.users = Users(self.storage, keys)
        self.quota = Quota()
        self.faults = Faults()
        self.barrier = Barrier()
        self.purged: dict[str, str] = {}
        self.requests = RequestLog()
        self.locators: OrderedDict[str, Locator] = OrderedDict()
        self.generation = 0
        self._lock = threading.Lock()
        self._settle()
        self._seed()
        self.bulk = Bulk(self, self.storage.folder / "bulk")

    def _creation(self, kept: str | None) -> datetime:
        """Return since when the org is there; a new one says since yesterday."""
        if kept is not None:
            return read_stamp(kept)
        made = self.clock.now().replace(microsecond=0) - timedelta(days=1)
        self.storage.keep([(_CREATED, stamp(made))])
        return made

    def reset(self) -> None:
        """Empty the org: rows, custom fields, permissions, faults, limits, clock, log. Users and keys stay."""
        with self._lock:
            self.generation += 1
            self.bulk.reset()
            self.clock.set()
            self.schemas = schema.load()
            self.storage.open(self.schemas, empty=True)
            self.sharing.reset()
            self.rules.clear()
            self.automation.clear()
            self.record_types.clear()
            self.history.reset()
            self.users.reset_permissions()
            self.access.reset()
            self.quota.reset()
            self.faults.set([])
            self.barrier.set(None)
            self.purged.clear()
            self.requests.clear()
            self.locators.clear()
            self._settle()
            self._seed()
            self._keep_metadata()

    def close(self) -> None:
        """Let go of the files."""
        self.bulk.close()
        self.storage.close()

    # --- schema ------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        self._names = {name.lower(): name for name in self.schemas}
        self._prefixes = {each.key_prefix: name for name, each in self.schemas.items() if each.key_prefix}
        self._describes: dict[Any, bytes] = {}
        self._translate_formulas()
        self.metadata_changed_at = self.created

    def metadata_changed(self) -> None:
        """Note that describes may answer otherwise from now on, later than any earlier change."""
        self.access.forget()
        self._translate_formulas()
        self._describes = {}
        now = self.clock.now().replace(microsecond=0)
        self.metadata_changed_at = max(now, self.metadata_changed_at + timedelta(seconds=1))
        self._keep_metadata()

    def _keep_metadata(self) -> None:
        self.storage.keep(metadata.as_settings(self))

    def table(self, name: str) -> Table | None:
        """Find an object's table by its API name in any case."""
        known = self._names.get(name.lower())
        return self._table(known) if known else None

    def table_of_id(self, record_id: str) -> Table | None:
        """Find the table that a record id belongs to, by its key prefix."""
        name = self._prefixes.get(record_id[:3])
        return self._table(name) if name else None

    def _table(self, name: str) -> Table:
        return self.storage.tables.get(name) or self.storage.computed[name]

    def view(self, user: User, name: str) -> ObjectView | None:
        """Return an object as a user sees it; None where it is unknown or may not be read."""
        if (table := self.table(name)) is None:
            return None
        if not table.schema.stored and not computed.is_visible(self, user, table.name):
            return None
        view = self.access.view(user, table)
        return view if view.access.read else None

    def require(self, user: User, name: str) -> ObjectView:
        """Return an object as a user sees it, or raise NOT_FOUND."""
        if (view := self.view(user, name)) is None:
            raise errors.not_found()
        return view

    def views(self, user: User) -> list[ObjectView]:
        """Return every object that a user may read."""
        found = (self.view(user, name) for name in self.schemas)
        return [view for view in found if view is not None]

    def _translate_formulas(self) -> None:
        for name, table in self.storage.tables.items():
            calculated = [field for field in table.fields if field.calculated_formula]
            table.formulas = {
                field.name: formulas.of_field(field, self.schemas[name], self.schemas) for field in calculated
            }

    @staticmethod
    def _check_formulas(schemas: Mapping[str, SObjectSchema]) -> None:
        """Raise FormulaError where a formula field would miss a field that it names."""
        for each in schemas.values():
            for field in each.fields:
                if field.calculated_formula:
                    formulas.of_field(field, each, schemas)

    def replace_schema(self, changed: SObjectSchema) -> None:
        """Put a changed object into the schema."""
        self.schemas[changed.name] = changed
        self.metadata_changed()

    def add_field(self, table: Table, field: FieldSchema) -> None:
        """Add a custom field to an object."""
        changed = replace(table.schema, fields=(*table.schema.fields, field))
        if field.calculated_formula:
            formulas.of_field(field, table.schema, self.schemas)
        self.storage.add_column(changed, field)
        self.replace_schema(changed)

    def drop_field(self, table: Table, name: str) -> None:
        """Remove a custom field and its values."""
        changed = replace(table.schema, fields=tuple(each for each in table.schema.fields if each.name != name))
        self._check_formulas({**self.schemas, table.name: changed})
        self.storage.drop_column(changed, name)
        self.access.drop_field(table.name, name)
        self.history.drop_field(table.name, name)
        self.replace_schema(changed)

    def change_field(self, table: Table, field: FieldSchema) -> None:
        """Replace a field's attributes (its picklist); its column stays."""
        fields = tuple(field if each.name == field.name else each for each in table.schema.fields)
        changed = replace(table.schema, fields=fields)
        self.storage.refresh(changed)
        self.replace_schema(changed)

    def put_record_type(self, table: Table, made: RecordType) -> None:
        """Add or change a record type: its row, and with an object's first one the field that rows name theirs by."""
        changed = schema.with_field(table.schema, record_type_field())
        if changed is not table.schema:
            self.storage.add_column(changed, changed.by_name["recordtypeid"])
            self.replace_schema(changed)
        self.record_types.put(table.name, made)
        with self.storage.writing() as db:
            values = record_type_row(stamp(self.clock.now()), self.users.admin, table.name, made)
            self._insert_missing(db, "RecordType", values)
            records.put(db, self.storage.tables["RecordType"], made.id, values)
        self.metadata_changed()

    def cached_describe(self, key: Any) -> bytes | None:
        """Return a describe already printed for this state of the schema."""
        return self._describes.get(key)

    def cache_describe(self, key: Any, printed: bytes) -> None:
        """Keep a printed describe until the schema or a permission changes."""
        self._describes[key] = printed

    def keep_locator(self, key: str, locator: Locator, *, at_most: int) -> None:
        """Keep a paged result; the oldest beyond `at_most` are forgotten."""
        with self._lock:
            self.locators[key] = locator
            while len(self.locators) > at_most:
                self.locators.popitem(last=False)

    # --- rows ---------------------------------------------------------------------------------------------------

    def new_id(self, table: Table) -> tuple[int, str]:
        """Take the next row number of a table and the id made from it."""
        number = self.storage.next_number(table.name)
        return number, ids.make(table.schema.key_prefix, number)

    def _seed(self) -> None:
        when = stamp(self.created)
        with self.storage.writing() as db:
            self._insert_missing(db, "Organization", organization_row(when, self.users.admin, self.sharing))
        self.seed_users()

    def seed_users(self) -> None:
        """Give every user a row."""
        with self.storage.writing() as db:
            for user in self.users:
                self._insert_missing(db, "User", user_row(stamp(self.created), user))

    def _insert_missing(self, db: Any, name: str, values: dict[str, Any]) -> None:
        table = self.storage.tables[name]
        number = ids.number(values["Id"])
        if db.execute(f'SELECT 1 FROM "{name}" WHERE _n = ?', (number,)).fetchone():
            return
        row = [values.get(column, default) for column, default in zip(table.columns, table.defaults, strict=True)]
        db.execute(table.insert_sql, (number, *row))
        self.storage.reserve_number(name, number)
