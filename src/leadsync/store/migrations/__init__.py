"""Alembic migrations of the `sync_` tables; `leadsync db upgrade` runs them."""
