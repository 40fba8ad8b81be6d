"""The tables of the first cycle: cursors, links with snapshots, journal, pending, held errors, runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create them all."""
    op.create_table(
        "sync_control",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", JSON, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_sync_control"),
    )
    op.create_table(
        "sync_cursor",
        sa.Column("stream", sa.String(40), nullable=False),
        sa.Column("position", MOMENT, nullable=False),
        sa.Column("run_id", sa.String(250), nullable=True),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("stream", name="pk_sync_cursor"),
    )
    op.create_table(
        "sync_describe",
        sa.Column("sobject", sa.String(80), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.String(40), nullable=True),
        sa.Column("fetched_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sobject", name="pk_sync_describe"),
    )
    op.create_table(
        "sync_error",
        sa.Column("lead_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("field", sa.String(255), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("rule", sa.String(8), nullable=False),
        sa.Column("sobject", sa.String(80), nullable=True),
        sa.Column("api_name", sa.String(255), nullable=True),
        sa.Column("record_id", sa.String(18), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("api_message", sa.Text(), nullable=True),
        sa.Column("first_seen", MOMENT, nullable=False),
        sa.Column("last_seen", MOMENT, nullable=False),
        sa.Column("first_run", sa.String(250), nullable=False),
        sa.Column("last_run", sa.String(250), nullable=False),
        sa.Column("recovered_at", MOMENT, nullable=True),
        sa.Column("recovered_run", sa.String(250), nullable=True),
        sa.Column("mailed", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("lead_id", "field", "code", name="pk_sync_error"),
    )
    op.create_table(
        "sync_field",
        sa.Column("field", sa.String(255), nullable=False),
        sa.Column("sobject", sa.String(80), nullable=False),
        sa.Column("api_name", sa.String(255), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("field", "sobject", name="pk_sync_field"),
    )
    op.create_table(
        "sync_journal",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("action_id", sa.String(64), nullable=False),
        sa.Column("lead_id", BIG_ID, nullable=False),
        sa.Column("link_id", BIG_ID, nullable=True),
        sa.Column("side", sa.String(12), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("sobject", sa.String(80), nullable=True),
        sa.Column("record_id", sa.String(18), nullable=True),
        sa.Column("changes", JSON, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("requested_at", MOMENT, nullable=True),
        sa.Column("written_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.Column("api_message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sync_journal"),
    )
    op.create_index("ix_sync_journal_action", "sync_journal", ["run_id", "action_id"], unique=False)
    op.create_index("ix_sync_journal_lead_id", "sync_journal", ["lead_id"], unique=False)
    op.create_index(
        "uq_sync_journal_intent",
        "sync_journal",
        ["lead_id"],
        unique=True,
        sqlite_where=sa.text("state = 'intent'"),
        postgresql_where=sa.text("state = 'intent'"),
    )
    op.create_table(
        "sync_lead",
        sa.Column("lead_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("row_hash", sa.String(32), nullable=False),
        sa.Column("mapping_version", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("email_key", sa.String(320), nullable=True),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.PrimaryKeyConstraint("lead_id", name="pk_sync_lead"),
    )
    op.create_index("ix_sync_lead_email_key", "sync_lead", ["email_key"], unique=False)
    op.create_table(
        "sync_link",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("lead_id", BIG_ID, nullable=False),
        sa.Column("email_key", sa.String(320), nullable=False),
        sa.Column("sent_email", sa.String(320), nullable=True),
        sa.Column("sobject", sa.String(80), nullable=False),
        sa.Column("record_id", sa.String(18), nullable=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("lead_snapshot", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("record_snapshot", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("owner_run", sa.String(250), nullable=True),
        sa.Column("requested_at", MOMENT, nullable=True),
        sa.Column("record_edited_at", MOMENT, nullable=True),
        sa.Column("synced_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sync_link"),
    )
    op.create_index("ix_sync_link_lead_id", "sync_link", ["lead_id"], unique=False)
    op.create_index(
        "uq_sync_link_key",
        "sync_link",
        ["email_key"],
        unique=True,
        sqlite_where=sa.text("current = 1"),
        postgresql_where=sa.text("current"),
    )
    op.create_index(
        "uq_sync_link_lead",
        "sync_link",
        ["lead_id"],
        unique=True,
        sqlite_where=sa.text("current = 1"),
        postgresql_where=sa.text("current"),
    )
    op.create_index(
        "uq_sync_link_record",
        "sync_link",
        ["record_id"],
        unique=True,
        sqlite_where=sa.text("current = 1"),
        postgresql_where=sa.text("current"),
    )
    op.create_table(
        "sync_mapping",
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("first_used_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_sync_mapping"),
    )
    op.create_table(
        "sync_outbox",
        sa.Column("mail_id", sa.String(80), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("recipients", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.Column("discarded", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("mail_id", name="pk_sync_outbox"),
    )
    op.create_table(
        "sync_pending",
        sa.Column("lead_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.PrimaryKeyConstraint("lead_id", name="pk_sync_pending"),
    )
    op.create_table(
        "sync_run",
        sa.Column("run_id", sa.String(250), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("mapping_version", sa.String(64), nullable=False),
        sa.Column("counts", JSON, nullable=False),
        sa.Column("api_calls", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_sync_run"),
        sa.UniqueConstraint("sequence", name="uq_sync_run_sequence"),
    )


def downgrade() -> None:
    """Drop them all, with everything they hold."""
    op.drop_table("sync_run")
    op.drop_table("sync_pending")
    op.drop_table("sync_outbox")
    op.drop_table("sync_mapping")
    op.drop_table("sync_link")
    op.drop_table("sync_lead")
    op.drop_table("sync_journal")
    op.drop_table("sync_field")
    op.drop_table("sync_error")
    op.drop_table("sync_describe")
    op.drop_table("sync_cursor")
    op.drop_table("sync_control")
