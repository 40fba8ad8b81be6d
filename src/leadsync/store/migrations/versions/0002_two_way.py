"""Two-way sync: whose edit a lead's stamp is, closed links by their record, a cursor per stream."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the columns and the index."""
    op.add_column("sync_lead", sa.Column("written_at", MOMENT, nullable=True))
    op.add_column("sync_lead", sa.Column("edited_at", MOMENT, nullable=True))
    op.create_index("ix_sync_link_record", "sync_link", ["record_id"])
    _widen_stream(255)


def downgrade() -> None:
    """Take them away again."""
    _widen_stream(40)
    op.drop_index("ix_sync_link_record", table_name="sync_link")
    op.drop_column("sync_lead", "edited_at")
    op.drop_column("sync_lead", "written_at")


def _widen_stream(length: int) -> None:
    """Let a stream be named after an object and a relationship."""
    with op.batch_alter_table("sync_cursor") as table:
        table.alter_column("stream", type_=sa.String(length), existing_nullable=False)
