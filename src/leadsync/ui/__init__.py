"""What people look at: the Lead Sync page in Airflow, and the questions that it and the command line share."""
