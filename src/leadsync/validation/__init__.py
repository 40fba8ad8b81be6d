"""Lead values checked by Great Expectations: suites from the mapping, verdicts per lead and field (R9-R19).

Great Expectations is imported only here; the predicates are those of `core.types`.
"""
