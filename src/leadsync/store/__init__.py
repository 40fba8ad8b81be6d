"""The database: the platform's table `leads`, and our own `sync_` tables beside it."""
