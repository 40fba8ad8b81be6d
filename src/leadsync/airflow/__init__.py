"""The seam to Airflow: connections, retries and the shape of a task.

Nothing below this layer knows Airflow's task API.
"""
