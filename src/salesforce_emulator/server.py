"""The HTTPS server around an org: uvicorn, and a protocol whose connections faults can break."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from salesforce_emulator.app import TRANSPORT, App
from salesforce_emulator.lifecycle import empty_bins
from salesforce_emulator.org import Org
from salesforce_emulator.tls import certificates

if TYPE_CHECKING:
    from collections.abc import Callable

    from salesforce_emulator.tls import Certificates

_GRACE_SECONDS = 2
_KEEP_ALIVE_SECONDS = 75


class BreakableProtocol(HttpToolsProtocol):
    """Let the application reach the transport, to break a connection in the middle of an exchange."""

    def on_message_begin(self) -> None:
        """Start a request's scope, with the transport in its extensions."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}

    def shutdown(self) -> None:
        """Hang up at once on a client that is only keeping its connection: TLS would wait for its goodbye."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
        else:
            super().shutdown()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(
    *,
    host: str,
    port: int,
    hostname: str,
    directory: Path | None,
    profile: str,
    keys: tuple[str, str] | None,
    ready: Callable[[dict[str, Any]], None],
) -> None:
    """Serve an org until a signal stops it; `ready` gets the connection details once requests are answered."""
    # uvicorn shuts down gracefully and then raises the signal again: that must unwind, or files are left behind.
    signal.signal(signal.SIGTERM, _exit)
    with TemporaryDirectory(prefix="salesforce-emulator-tls-") as scratch, _listen(host, port) as listener:
        folder = directory or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        pems = certificates(folder, [hostname, host, socket.gethostname()])
        org = Org(directory, profile=profile, keys=keys)
        empty_bins(org, org.clock.now())
        try:
            details = connection_details(org, pems, f"{hostname}:{listener.getsockname()[1]}")
            config = uvicorn.Config(
                App(org),
                http=BreakableProtocol,
                lifespan="off",
                ws="none",
                log_level="warning",
                access_log=False,
                date_header=False,
                server_header=False,
                ssl_keyfile=str(pems.key),
                ssl_certfile=str(pems.chain),
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
            _Server(config, lambda: ready(details)).run(sockets=[listener])
        finally:
            org.close()


def _exit(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def connection_details(org: Org, pems: Certificates, authority: str) -> dict[str, Any]:
    """Return what clients need: the address, the authority to trust, both users' credentials."""
    domain = f"{authority}/x"
    return {
        "url": f"https://{authority}",
        "ca_file": str(pems.ca.resolve()),
        "integration": org.users.integration.credentials(domain),
        "admin": org.users.admin.credentials(domain) | {"access_token": org.users.admin_token},
    }


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(True)
    return listener
