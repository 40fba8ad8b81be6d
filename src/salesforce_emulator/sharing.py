"""Which rows a user reaches: organisation-wide defaults, criteria-based sharing rules, and who owns a row.

A row is open to a user as far as the object's default says, or a rule whose criterion the row meets; its owner may do
everything, and so may whoever has "modify all". A Contact is as open as its Account where its default is
`ControlledByParent`; one without an Account is its owner's alone (documented). What is not open is not there: reads
carry the condition in their SQL.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from salesforce_emulator.table import literal, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from salesforce_emulator.access import ObjectAccess
    from salesforce_emulator.users import User


class Level(IntEnum):
    """How far a row is open to a user; each level includes those before it."""

    NONE = 0
    READ = 1
    EDIT = 2
    TRANSFER = 3
    ALL = 4


CONTROLLED = "ControlledByParent"
LEVELS = {
    "None": Level.NONE,
    "Read": Level.READ,
    "Edit": Level.EDIT,
    "ReadEditTransfer": Level.TRANSFER,
    "All": Level.ALL,
}
"""The values of Organization.Default…Access (recorded: Edit, ReadEditTransfer, All; documented: None, Read)."""

NAMES = {"Private": "None", "ReadWrite": "Edit", "ReadWriteTransfer": "ReadEditTransfer", "FullAccess": "All"}
"""The names that Setup, EntityDefinition and the Metadata API have for the same."""

MODELS = {"None": "Private", "Read": "Read", "Edit": "ReadWrite", "ReadEditTransfer": "ReadWriteTransfer"}
MODELS |= {"All": "FullAccess", CONTROLLED: CONTROLLED}
"""The words of EntityDefinition.InternalSharingModel for the same (documented)."""

PARENTS = {"Contact": ("AccountId", "Account")}
DEFAULTS = {"Account": "Edit", "Contact": CONTROLLED, "Lead": "ReadEditTransfer"}
"""A new org's defaults (recorded); objects that are not listed are open to everybody."""

DEMO = {"Contact": "Edit"}
"""What the administrator of the demo org has opened: a Contact without an Account is otherwise its owner's alone."""


@dataclass(frozen=True, slots=True)
class SharingRule:
    """A criteria-based rule: rows whose `field` holds `value` are open to everybody as far as `access` says."""

    field: str
    value: str | float | bool | None
    access: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A group that may own Leads; what it owns is as open to its members as what they own themselves."""

    id: str
    name: str
    developer_name: str
    members: tuple[str, ...] = ()


class Sharing:
    """Keep the organisation-wide defaults and sharing rules, by object, and the queues by id."""

    def __init__(self, *, fresh: bool) -> None:
        self._usual = DEFAULTS if fresh else DEFAULTS | DEMO
        self.defaults: dict[str, str] = {}
        self.rules: dict[str, tuple[SharingRule, ...]] = {}
        self.queues: dict[str, Queue] = {}
        self.reset()

    def reset(self) -> None:
        """Go back to the sharing that the org started with."""
        self.defaults, self.rules, self.queues = dict(self._usual), {}, {}

    def set(self, name: str, default: str | None, rules: tuple[SharingRule, ...] | None) -> None:
        """Change an object's default or rules; None leaves them. Raises `ValueError` for what an org does not offer."""
        if default is not None:
            default = NAMES.get(default, default)
            if default not in LEVELS and (default != CONTROLLED or name not in PARENTS):
                raise ValueError(f"{name} cannot be shared as {default}")
            self.defaults[name] = default
        if rules is not None:
            if any(LEVELS.get(rule.access) not in {Level.READ, Level.EDIT} for rule in rules):
                raise ValueError("a sharing rule gives Read or Edit")
            self.rules[name] = rules

    def default(self, name: str) -> str:
        """Return an object's organisation-wide default, in the words of the Organization row."""
        return self.defaults.get(name, "All")

    def as_json(self) -> dict[str, Any]:
        """Return all of it, to show and to keep."""
        rules = {name: [asdict(rule) for rule in rules] for name, rules in self.rules.items()}
        return {name: {"default": default, "rules": rules.get(name, [])} for name, default in self.defaults.items()}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take over what `as_json` returned."""
        for name, each in kept.items():
            self.set(name, each["default"], tuple(SharingRule(**rule) for rule in each["rules"]))

    def reach(self, name: str, user: User, objects: Mapping[str, ObjectAccess]) -> Reach:
        """Return the rows of an object that a user reaches, given the object permissions of the user's profile."""
        granted = {each: _granted(user, objects.get(each)) for each in self.defaults}
        queues = [each.id for each in self.queues.values() if user.id in each.members]
        return Reach(self, name, user.id, granted, (user.id, *queues))

    def condition(self, reach: Reach, name: str, level: Level, alias: str) -> str:
        """Return the SQL that is true for an object's rows that are open at a level; nothing where all of them are."""
        default = self.default(name)
        if reach.granted.get(name, Level.NONE) >= level:
            return ""
        owned = f"{alias}.{quoted('OwnerId')} IN ({', '.join(map(literal, reach.owners))})"
        if default == CONTROLLED:
            return self._controlled(reach, name, level, alias, owned)
        if LEVELS[default] >= level:
            return ""
        met = [self.meets(rule, alias) for rule in self.rules.get(name, ()) if LEVELS[rule.access] >= level]
        return f"({' OR '.join([owned, *met])})"

    @staticmethod
    def meets(rule: SharingRule, alias: str) -> str:
        """Return the SQL that is true for the rows that a rule opens."""
        return f"{alias}.{quoted(rule.field)} IS {literal(rule.value)}"

    def _controlled(self, reach: Reach, name: str, level: Level, alias: str, owned: str) -> str:
        field, parent = PARENTS[name]
        reference, inner = f"{alias}.{quoted(field)}", f"{alias}p"
        alone = f"({reference} IS NULL AND {owned})"
        condition = self.condition(reach, parent, Level.EDIT if level == Level.TRANSFER else level, inner)
        if not condition:
            return f"({reference} IS NOT NULL OR {alone})"
        found = f"SELECT 1 FROM {quoted(parent)} {inner} WHERE {inner}.{quoted('Id')} = {reference} AND {condition}"
        return f"(EXISTS ({found}) OR {alone})"


@dataclass(frozen=True)
class Reach:
    """The rows of one object that one user reaches; `granted` is what permissions open whatever sharing says.

    `owners` are the user and the queues that the user is a member of.
    """

    sharing: Sharing
    name: str
    user_id: str
    granted: Mapping[str, Level]
    owners: tuple[str, ...]

    def at_least(self, level: Level, alias: str) -> str:
        """Return the SQL that is true for the rows open at a level, or nothing where all of them are."""
        return self.sharing.condition(self, self.name, level, alias)

    def and_readable(self, alias: str) -> str:
        """Return the same for reading, to follow another condition."""
        condition = self.at_least(Level.READ, alias)
        return f" AND {condition}" if condition else ""


def _granted(user: User, access: ObjectAccess | None) -> Level:
    if user.profile == "admin" or user.modify_all or (access is not None and access.modify_all):
        return Level.ALL
    return Level.READ if user.view_all or (access is not None and access.view_all) else Level.NONE
