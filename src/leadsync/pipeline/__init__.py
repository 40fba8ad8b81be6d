"""One module per stage of a cycle, each "gather, decide, apply"; `run_all` strings them together without Airflow."""
