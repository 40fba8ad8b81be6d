"""Addresses of all sorts: e-mail, web and telephone (R3, R18).

The local part of an e-mail address is as Salesforce documents it: ASCII letters, digits and the special characters of
RFC 5322, with a dot neither first nor last. Two dots in a row, which some Japanese carriers gave out, are taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from leadsync.core.mapping import EMAIL
from leadsync.core.values.column import casefold, codes, matches, nfkc, per_distinct, trim
from leadsync.core.values.text import too_long

if TYPE_CHECKING:
    from leadsync.core.access import ActiveField


_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_EMAIL_FORM = rf"{_ATOM}+(?:\.+{_ATOM}+)*@(?:{_HOST_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])"
_URL_FORM = r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?[^\s/?#.]+(?:\.[^\s/?#.]+)+(?:[/?#]\S*)?"
_PHONE_FORM = r"\+?[0-9(][0-9 ()./\x{2010}-\x{2015}\x{2212}\x{30FC}-]*(?: *(?:ext|x|内線|#|,|;)[.: ]*[0-9]+)?"


def address(column: pa.Array, _field: ActiveField | None = None) -> pa.Array:
    """Return e-mail addresses as they go on the wire: NFKC and trimmed, case as typed (R3)."""
    return trim(nfkc(column))


def address_key(column: pa.Array, _field: ActiveField | None = None) -> pa.Array:
    """Return e-mail addresses as they are compared: NFKC, trimmed, case-folded (R3)."""
    return casefold(address(column))


def well_formed(wire: pa.Array) -> pa.Array:
    """Say which addresses, as they go on the wire, Salesforce takes (bool, null for null)."""
    return matches(wire, _EMAIL_FORM)


@per_distinct
def check_email(column: pa.Array, field: ActiveField) -> pa.Array:
    """Check e-mail addresses; the key has a code of its own (R3)."""
    wire = address(column)
    code = "email_malformed" if field.field == EMAIL else "email_format"
    return pc.coalesce(codes(pc.invert(well_formed(wire)), code), too_long(wire, field))


@per_distinct
def check_url(column: pa.Array, field: ActiveField) -> pa.Array:
    """Check web addresses: a host with a dot, no white space; the scheme may be missing."""
    wire = trim(column)
    return pc.coalesce(codes(pc.invert(matches(wire, _URL_FORM)), "url_format"), too_long(wire, field))


@per_distinct
def check_phone(column: pa.Array, field: ActiveField) -> pa.Array:
    """Check telephone numbers: digits with the usual marks, full-width ones too, and an extension."""
    wire = trim(column)
    return pc.coalesce(codes(pc.invert(matches(nfkc(wire), _PHONE_FORM)), "phone_format"), too_long(wire, field))
