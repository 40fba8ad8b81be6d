"""Keep the leads of a marketing platform and Salesforce Leads and Contacts the same."""
