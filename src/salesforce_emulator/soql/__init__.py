"""SOQL: a grammar, the query as data, and its translation to SQLite."""
