"""Fields of a customer's own, for the rules that the standard columns cannot show: R9 to R18."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

from leadsync.samples.defects import Defect

if TYPE_CHECKING:
    import pandas as pd

    from leadsync.samples.draw import Draw


@dataclass(frozen=True)
class ExtraField:
    """A column of `leads`, its row in the mapping, and the Salesforce field it is mapped to on both objects."""

    column: str
    label: str
    type: str
    describe: dict[str, Any]
    """What Salesforce's describe says of the field; an administrator would make it so."""
    defects: tuple[Defect, ...]


def _values(*labels: str, retired: str = "") -> list[dict[str, Any]]:
    """Describe picklist values; `value=label` where the two differ."""
    pairs = [label.partition("=") for label in labels]
    values = [{"value": value, "label": label or value, "active": True} for value, _, label in pairs]
    return [*values, {"value": retired, "label": retired, "active": False}] if retired else values


_SECTORS = (
    *("manufacturing=製造業", "construction=建設業", "retail=小売業", "wholesale=卸売業", "it=情報通信業"),
    *("finance=金融業", "estate=不動産業", "transport=運輸業", "medical=医療・福祉", "education=教育"),
)
_PRODUCTS = ("CMS", "MA", "SFA", "広告運用", "SEO", "動画制作", "ウェビナー", "データ分析")
_CONTACT = ("電話", "メール", "訪問", "オンライン会議")

FIELDS = (
    ExtraField(
        "seminar_date",
        "セミナー参加日",
        "date",
        {"name": "Seminar_Date__c", "type": "date"},
        (
            Defect(
                "seminar_date",
                "date_format",
                11,
                (
                    *("5/1", "05/01", "05月01日", "2024年5月1日", "2024.05.01", "20240501", "05/01/2024"),
                    *("2024/5/1", "2024-5-1", "2024-05-01T00:00", "２０２４-０５-０１"),
                ),
            ),
            Defect("seminar_date", "date_invalid", 2, ("2024-02-30", "2025/02/29")),
        ),
    ),
    ExtraField(
        "budget",
        "予算(円)",
        "number",
        {"name": "Budget__c", "type": "currency", "precision": 18, "scale": 2},
        (
            Defect("budget", "number_format", 4, ("100万円", "1,000,000", "５００", "約50")),
            Defect("budget", "number_range", 2, ("12345678901234567", "100.125")),
        ),
    ),
    ExtraField(
        "industry",
        "業種",
        "select",
        {
            "name": "Sector__c",
            "type": "picklist",
            "restrictedPicklist": True,
            "picklistValues": _values(*_SECTORS, retired="旧分類"),
        },
        (Defect("industry", "picklist_value", 2, ("製造", "旧分類")),),
    ),
    ExtraField(
        "contact_method",
        "希望連絡方法",
        "radio",
        {"name": "Contact_Method__c", "type": "picklist", "picklistValues": _values(*_CONTACT)},
        (Defect("contact_method", "picklist_value", 2, ("電話かメール",)),),
    ),
    ExtraField(
        "interests",
        "興味のある製品",
        "checkbox",
        {
            "name": "Interests__c",
            "type": "multipicklist",
            "restrictedPicklist": True,
            "picklistValues": _values(*_PRODUCTS),
        },
        (Defect("interests", "multipicklist_value", 3, ("MA;その他", "SEO、MA", "CMS,SFA")),),
    ),
    ExtraField(
        "newsletter",
        "メルマガ希望",
        "text",
        {"name": "Newsletter__c", "type": "boolean"},
        (Defect("newsletter", "checkbox_literal", 6, ("ture", "yes", "1", "tRUE", "ｔｒｕｅ", " true")),),
    ),
    ExtraField(
        "remarks",
        "備考",
        "textarea",
        {"name": "Remarks__c", "type": "textarea", "length": 255},
        (Defect("remarks", "too_long", 2, ("資料をご請求。\n" * 40,)),),
    ),
)

COLUMNS = tuple(field.column for field in FIELDS)
DEFECTS = tuple(defect for field in FIELDS for defect in field.defects)

_DATES = [f"{y}{s}{m:02}{s}{d:02}" for y in (2025, 2026) for s in "-/" for m in range(1, 13) for d in range(1, 29)]
_BUDGETS = [str(n * 10_000) for n in range(1, 200)] + [f"{n}.5" for n in range(100, 110)] + ["0", "007"]
_SETS = [";".join(chosen) for size in (1, 2, 3) for chosen in permutations(_PRODUCTS, size)]
_TICKS = ("true", "True", "TRUE", "false", "False", "FALSE")
_REMARKS = (
    "資料請求",
    "展示会で名刺交換",
    "至急ご連絡ください。\n夕方以降を希望",
    '"比較表"をご希望',
    "A,B両プランを検討中",
)


def good_values(person: Draw) -> dict[str, pd.Series]:
    """Make a valid text for each lead and field, NA where nothing was entered."""
    sectors = [part for sector in _SECTORS for part in sector.split("=")]  # by API value or by label (R12)
    pools = (_DATES, _BUDGETS, sectors, _CONTACT, _SETS, _TICKS, _REMARKS)
    return {
        column: person.pick(column, pool).where(person.chance(f"{column} entered", 70))
        for column, pool in zip(COLUMNS, pools, strict=True)
    }


def mapping_csv() -> str:
    """Return the mapping of these fields, as a file to lay beside the default one."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("field", "label", "type", "lead_field", "contact_field"))
    for field in FIELDS:
        writer.writerow((field.column, field.label, field.type, field.describe["name"], field.describe["name"]))
    return text.getvalue()
