"""A local Salesforce org on the wire: REST over HTTPS, SOQL, logins, real error bodies, and faults on demand."""
