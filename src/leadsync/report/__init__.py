"""What people are told: one digest mail a cycle, and a loud mail when the sync stops (R36-R38)."""
