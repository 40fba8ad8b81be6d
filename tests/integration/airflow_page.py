"""Ask the Lead Sync page as Airflow's api-server serves it, in a process of its own; print the answers as JSON.

Run by test_page.py with an environment that names Airflow's home, the plugins folder and the lead store.
"""

from __future__ import annotations

# ruff: noqa: PLC0415, T201 - Airflow is imported where its logs cannot reach the answer, which is printed
import json
import os
import sys
from contextlib import redirect_stdout

ASKED = json.loads(sys.argv[1])


def main() -> None:
    """Answer each question: who asks, how, for which path."""
    with redirect_stdout(sys.stderr):
        from airflow.utils.db import initdb

        initdb()
        from airflow.api_fastapi.app import create_app, get_auth_manager
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
        from starlette.testclient import TestClient

        client = TestClient(create_app())
        answers = []
        for question in ASKED:
            headers, cookies = {}, {}
            if "role" in question:
                token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="u", role=question["role"]))
                headers = {"Authorization": f"Bearer {token}"}
                if question.get("cookie"):
                    headers, cookies = {}, {"_token": token}
            if "token" in question:
                headers = {"Authorization": f"Bearer {question['token']}"}
            os.environ.update(question.get("set", {}))
            client.cookies.update(cookies)
            reply = client.request(question.get("method", "GET"), question["path"], headers=headers)
            client.cookies.clear()
            answers.append({"status": reply.status_code, "body": reply.text, "headers": dict(reply.headers)})
    print(json.dumps(answers))


main()
