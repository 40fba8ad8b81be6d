"""The Salesforce edge: one client on the provider's hook, SOQL texts, describes, collections."""
