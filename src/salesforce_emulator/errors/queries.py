"""What a query is refused with."""

from __future__ import annotations

from salesforce_emulator.errors.kinds import ApiError, simple

_CUSTOM_HINT = "Please reference your WSDL or the describe call for the appropriate names."


def malformed_request(message: str) -> ApiError:
    """Refuse a parameter that cannot be read."""
    return simple(400, "MALFORMED_QUERY", message)


def too_complicated(why: str) -> ApiError:
    """Refuse a query beyond what can be run (the text is not recorded anywhere)."""
    return simple(400, "QUERY_TOO_COMPLICATED", f"Query is too complicated: {why}")


def in_query(code: str, query: str, position: int, length: int, message: str) -> ApiError:
    """Refuse a query, quoting the lines around the place: row and column count from 1."""
    start_of_line = query.rfind("\n", 0, position) + 1
    end_of_line = query.find("\n", position)
    line = query[start_of_line : end_of_line if end_of_line >= 0 else len(query)]
    row, column = query.count("\n", 0, position) + 1, position - start_of_line
    left = line.rfind(" ", 0, max(column - 40, 0)) + 1
    right = line.find(" ", min(column + length + 20, len(line)))
    shown = line[left : right if right >= 0 else None][:200]
    return simple(400, code, f"\n{shown}\n{' ' * (column - left)}^\nERROR at Row:{row}:Column:{column + 1}\n{message}")


def unsupported_object(name: str) -> str:
    """Say that a query's object is unknown or hidden (INVALID_TYPE)."""
    return (
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append "
        f"the '__c' after the entity name. {_CUSTOM_HINT}"
    )


def unknown_column(name: str, entity: str) -> str:
    """Say that a query's field is unknown or hidden (INVALID_FIELD)."""
    return (
        f"No such column '{name}' on entity '{entity}'. If you are attempting to use a custom field, be sure to append "
        f"the '__c' after the custom field name. {_CUSTOM_HINT}"
    )


def unknown_relationship(name: str) -> str:
    """Say that a query's relationship is unknown (INVALID_FIELD)."""
    return (
        f"Didn't understand relationship '{name}' in field path. If you are attempting to use a custom relationship, "
        f"be sure to append the '__r' after the custom relationship name. {_CUSTOM_HINT}"
    )


def unknown_in_from(name: str) -> str:
    """Say that a child query's relationship is unknown (INVALID_TYPE)."""
    return (
        f"Didn't understand relationship '{name}' in FROM part of query call. If you are attempting to use a custom "
        f"relationship, be sure to append the '__r' after the custom relationship name. {_CUSTOM_HINT}"
    )
