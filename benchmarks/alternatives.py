"""What one would write first with the same libraries, on the same data; short, and honest about doing less."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leadsync.pipeline.cycle import Cycle


def read_sql(cycle: Cycle) -> None:
    """Read the changed leads with `pandas.read_sql` and stage them; no hash, no links, no records."""
    import pandas as pd
    import sqlalchemy as sa

    columns = ", ".join(["id", "updated_at", *cycle.mapping.lead_columns])
    query = sa.text(f"SELECT {columns} FROM leads WHERE updated_at >= '2026-01-01' ORDER BY updated_at, id")
    with cycle.engine.connect() as connection:
        frame = pd.read_sql(query, connection)
    cycle.staging.write_frame("alternative", frame.drop(columns=["updated_at"]))


def whole_columns(cycle: Cycle) -> None:
    """Validate raw columns with one built-in expectation each and the rows that fail; no parsing of dates or sets."""
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.data_context.types.base import ProgressBarsConfig

    leads = cycle.staging.read_frame("leads")
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("leads").add_dataframe_asset("leads")
    batch = asset.add_batch_definition_whole_dataframe("leads")
    suite = context.suites.add(gx.ExpectationSuite("leads"))
    for field in cycle.mapping.on("Lead"):
        if not field.pushed:
            continue
        if field.picklist and field.sf_type == "picklist":
            known = [value.value for value in field.picklist]
            suite.add_expectation(gxe.ExpectColumnValuesToBeInSet(column=field.field, value_set=known))
        elif field.length:
            suite.add_expectation(gxe.ExpectColumnValueLengthsToBeBetween(column=field.field, max_value=field.length))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="leads", data=batch, suite=suite))
    wanted = {"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]}
    definition.run(batch_parameters={"dataframe": leads}, result_format=wanted)


def row_loop(cycle: Cycle) -> None:
    """Compare lead and record field by field in a loop over rows; raw text, one object, no twins, holds or links."""
    staging = cycle.staging
    fields = [field for field in cycle.mapping.on("Lead") if field.pushed]
    records = {
        row["Email"].lower(): row for row in staging.read_frame("records_Lead").to_dict("records") if row["Email"]
    }
    changes = []
    for lead in staging.read_frame("leads").to_dict("records"):
        email = lead["email"]
        if not isinstance(email, str) or not email.strip():
            continue
        record = records.get(email.strip().lower(), {})
        for field in fields:
            mine, theirs = lead[field.field], record.get(field.api_name)
            if isinstance(mine, str) and mine.strip() and mine != theirs:
                changes.append((lead["id"], field.api_name, theirs, mine))
