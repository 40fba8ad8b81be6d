"""Bulk API 2.0 (ingest and query jobs) and Bulk API v1, processed in the background."""
