"""Pure decisions: frames in, frames out. No I/O, no Airflow, no SQLAlchemy, no Great Expectations."""
