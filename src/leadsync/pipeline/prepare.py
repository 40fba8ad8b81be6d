"""prepare: whether this cycle may write, and by which mapping (R21, R24, R25, R33, R53).

Gathers the mapping files and the describes, decides the effective mapping, and stages it for every later stage.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from typing import TYPE_CHECKING, Any

import orjson

from leadsync.core import access
from leadsync.core.mapping import Mapping, check, parse, read_folder
from leadsync.errors import ConfigurationError, StopError
from leadsync.pipeline import control, mails
from leadsync.report.stop import Stop
from leadsync.salesforce.describe import describe
from leadsync.store import engine as engines
from leadsync.store import migrate, state
from leadsync.store.leads import LeadTable

if TYPE_CHECKING:
    from leadsync.pipeline.cycle import Cycle

log = logging.getLogger(__name__)

MAPPING_USED = "effective_mapping"
"""Control value: the version of the effective mapping that the last run used."""


def run(cycle: Cycle) -> dict[str, Any]:
    """Return `go` and why not; stage the effective mapping.

    Raises:
        ConfigurationError: the state tables are missing, or no mapping has ever been good.
        SalesforceRefusedError, SalesforceUnavailableError: the org does not talk to us.
    """
    if not migrate.is_current(cycle.engine):
        raise ConfigurationError("The sync_ tables are missing or old. Run `leadsync db upgrade`.")
    with engines.reading(cycle.engine) as view:
        if reason := control.why_not(view):
            log.info("Nothing is synced: %s (R33). `leadsync start --now` starts the sync.", reason)
            return {"go": False, "reason": reason}
    mapping = _mapping(cycle)
    if not mapping.email_mapped:
        mails.stop(cycle, Stop.NO_EMAIL_MAPPING)
        log.error("The e-mail address is not mapped: every sync is skipped, nothing is written anywhere (R24).")
        return {"go": False, "reason": "no_email_mapping"}
    try:
        describes = _describes(cycle)
    except StopError as error:
        mails.stop(cycle, Stop.CREDENTIALS, message=str(error))
        raise
    return _stage(cycle, _versioned(access.effective(mapping, describes)))


def _mapping(cycle: Cycle) -> Mapping:
    """Return the mapping of the files, or the last good one where they are broken (R25)."""
    mapping, problems = parse(read_folder(cycle.settings.mappings_dir))
    if mapping is not None:
        problems = check(mapping, LeadTable(cycle.engine).columns)
    if mapping is not None and not problems:
        with cycle.engine.begin() as connection:
            state.keep_mapping(connection, mapping.version, mapping.to_json())
        mails.stop_over(cycle, Stop.MAPPING_BROKEN)
        return mapping
    for problem in problems:
        log.error("%s", problem)
    with engines.reading(cycle.engine) as view:
        last = state.last_good_mapping(view)
    mails.stop(cycle, Stop.MAPPING_BROKEN, problems=problems, kept=last is not None)
    if last is None:
        raise ConfigurationError(
            f"The mapping in {cycle.settings.mappings_dir} has {len(problems)} problems and none was ever good; "
            f"the first: {problems[0]}"
        )
    return Mapping.from_json(last)


def _describes(cycle: Cycle) -> dict[str, Any]:
    """Return the describes; an object whose describe did not change since we read it costs no parsing (R53)."""
    with engines.reading(cycle.engine) as view:
        cached = state.describes(view)
    oldest = state.now() - dt.timedelta(seconds=cycle.settings.describe_max_age_seconds)
    known = {name: entry.last_modified for name, entry in cached.items() if entry.fetched_at >= oldest}
    found = describe(cycle.salesforce, access.OBJECTS, known)
    fresh = {
        name: state.Describe(
            orjson.dumps(access.slim(entry.body) if entry.body else None).decode(), entry.last_modified, state.now()
        )
        for name, entry in found.items()
        if not entry.unchanged
    }
    if fresh:
        with cycle.engine.begin() as connection:
            state.keep_describes(connection, fresh)
    return {name: orjson.loads((fresh.get(name) or cached[name]).body) for name in access.OBJECTS}


def _versioned(effective: access.EffectiveMapping) -> access.EffectiveMapping:
    """Let the version cover what the org says too: a held lead is tried again when the org changes (R39)."""
    places = {"fields": {"__all__": {"file", "line", "reason", "reason_ja"}}}
    facts = effective.model_dump_json(exclude={"version": True, **places}).encode()
    return effective.model_copy(update={"version": hashlib.blake2b(facts, digest_size=16).hexdigest()})


def _stage(cycle: Cycle, effective: access.EffectiveMapping) -> dict[str, Any]:
    again = 0
    with cycle.engine.begin() as connection:
        state.begin_run(connection, cycle.run_id, effective.version)
        changed = state.keep_field_states(
            connection,
            [f.model_dump(include={"field", "sobject", "api_name", "state", "reason"}) for f in effective.fields],
        )
        used = state.get_control(connection, MAPPING_USED)
        if used != effective.version:
            again = state.look_again_at_held(connection, cycle.run_id) if used else 0
            state.put_control(connection, MAPPING_USED, effective.version)
    for row in changed:
        if row["state"] != access.FieldState.ACTIVE:
            log.warning("%s on %s is %s: %s", row["field"], row["sobject"], row["state"], row["reason"] or "shown only")
    cycle.staging.write_json("mapping", effective.model_dump(mode="json"))
    cycle.staging.write_json("clock", {"salesforce_ahead_seconds": cycle.salesforce.ahead.total_seconds()})
    fields = [f.state for f in effective.fields]
    counts = {
        "fields": fields.count(access.FieldState.ACTIVE),
        "released": fields.count(access.FieldState.RELEASED),
        "looked_at_again": again,
    }
    return {"go": True, "reason": "", **cycle.done("prepare", counts)}
