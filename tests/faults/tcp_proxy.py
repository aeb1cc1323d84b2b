"""A TCP proxy that can cut, reset, stall or refuse: a bad network on one machine."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Protocol

LOCALHOST = "127.0.0.1"
_CHUNK = 65_536


class Watcher(Protocol):
    """Gets the data of a connection before it is forwarded; an OSError closes the connection."""

    def client_says(self, data: bytes) -> None: ...

    def server_says(self, data: bytes) -> None: ...


class TcpProxy:
    """Passes every connection to `port` of this machine on to `target_port`, until it is stopped.

    With port 0 it takes a free port. `watch` makes a watcher for each connection.
    """

    def __init__(
        self, target_port: int, port: int = 0, watch: Callable[[], Watcher] | None = None
    ) -> None:
        self.target_port = target_port
        self.watch = watch
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._refusing = False
        self._listener = socket.create_server((LOCALHOST, port))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection gracefully; new ones are accepted."""
        self._end_all()

    def reset(self) -> None:
        """End every connection with a TCP reset, as a crashed machine or a firewall does."""
        self._end_all(struct.pack("ii", 1, 0))

    def stall(self) -> None:
        """Keep the connections open and forward nothing, as an overloaded network does."""
        self._flowing.clear()

    def refuse(self) -> None:
        """End every connection and every new one at once, as when the service is down."""
        self._refusing = True
        self._end_all()

    def heal(self) -> None:
        """Forward everything again, including what was held back."""
        self._refusing = False
        self._flowing.set()

    def close(self) -> None:
        """Close everything, including the listening socket."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.refuse()
        self._flowing.set()

    def _end_all(self, linger: bytes | None = None) -> None:
        with self._lock:
            ending, self._sockets = self._sockets, set()
        for end in ending:
            with contextlib.suppress(OSError):
                if linger:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    # A reset is sent by close(), and only when no other thread waits in recv().
                    end.shutdown(socket.SHUT_RD)
                else:
                    end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            if self._refusing:
                client.close()
            else:
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection((LOCALHOST, self.target_port), timeout=5)
        except OSError:
            client.close()  # what is behind the proxy is down: so is the proxy
            return
        server.settimeout(None)
        watcher = self.watch() if self.watch else None
        with self._lock:
            self._sockets |= {client, server}
        for source, sink, tell in (
            (client, server, watcher and watcher.client_says),
            (server, client, watcher and watcher.server_says),
        ):
            threading.Thread(target=self._pump, args=(source, sink, tell), daemon=True).start()

    def _pump(
        self, source: socket.socket, sink: socket.socket, tell: Callable[[bytes], None] | None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flowing.wait()
                if tell:
                    tell(data)
                sink.sendall(data)
        with self._lock:
            self._sockets -= {source, sink}
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
