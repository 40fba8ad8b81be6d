"""Fields of a customer's own: made in the org as an administrator does, and mapped by a file beside the default one."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.world import World

_HEADER = ("field", "label", "type", "lead_field", "contact_field", "default", "allow_new_values")


@dataclass(frozen=True, eq=False)
class Custom:
    """A column of `leads` and the Salesforce field that it is mapped to."""

    column: str
    """One of the columns that `samples` adds to `leads`."""
    type: str
    """The lead field's type in the mapping."""
    describe: dict[str, Any]
    """What an administrator says of the field, in the words of a describe."""
    default: str = ""
    allow_new_values: str = ""
    sobjects: tuple[str, ...] = ("Lead", "Contact")

    @property
    def name(self) -> str:
        """Return the field's API name."""
        return str(self.describe["name"])


def picklist(
    name: str, *values: str | dict[str, Any], several: bool = False, restricted: bool = True
) -> dict[str, Any]:
    """Describe a picklist, or a multi-select one; a value is a text or has `value`, `label` and `active`."""
    kind = "multipicklist" if several else "picklist"
    return {"name": name, "type": kind, "restrictedPicklist": restricted, "picklistValues": list(values)}


def customise(world: World, *fields: Custom) -> None:
    """Make the fields in the org and map them."""
    for field in fields:
        for sobject in field.sobjects:
            world.salesforce.control("POST", f"fields/{sobject}", field.describe)
    with (world.copy_mappings() / "own.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADER)
        for field in fields:
            on_lead, on_contact = (field.name if sobject in field.sobjects else "" for sobject in ("Lead", "Contact"))
            row = (field.column, f"項目 {field.column}", field.type, on_lead, on_contact)
            writer.writerow((*row, field.default, field.allow_new_values))
