"""A whole leadsync on one machine: the local Salesforce org, a mail catcher and a real Airflow, each a process.

`make demo` and `make up` use it, and so do the end-to-end tests. `leadsync` itself never imports it.
"""
