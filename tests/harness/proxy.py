"""An HTTP proxy of a few lines: CONNECT, and requests in absolute form. It notes what it was asked for and what it could read."""

import socket
import threading
from urllib.parse import urlsplit


class Proxy:
    """@mood: raw bytes to answer instead of doing what it is asked for, or "hang". May be changed while it runs."""

    def __init__(self):
        self.mood = None
        self.lines, self.seen = [], b""
        self.released = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def reset(self):
        self.mood, self.lines, self.seen = None, [], b""

    def close(self):
        self.released.set()
        self.listener.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.handle, args=(connection,), daemon=True).start()

    def handle(self, connection):
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                part = connection.recv(4096)
                if not part:
                    return
                head += part
            self.seen += head
            line, _, rest = head.partition(b"\r\n")
            method, target, _ = line.decode().split(" ", 2)
            self.lines.append(f"{method} {target}")
            if self.mood == "hang":
                self.released.wait(60)
            elif self.mood is not None:
                connection.sendall(self.mood)
            elif method == "CONNECT":
                host, _, port = target.rpartition(":")
                with socket.create_connection((host, int(port)), 10) as other:
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    self.relay(connection, other)
            else:
                url = urlsplit(target)
                with socket.create_connection((url.hostname, url.port or 80), 10) as other:
                    other.sendall(f"{method} {url.path} HTTP/1.1\r\n".encode() + rest)
                    self.relay(connection, other)

    def relay(self, a, b):
        def copy(source, target):
            try:
                while data := source.recv(65536):
                    if source is a:
                        self.seen += data
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        other = threading.Thread(target=copy, args=(b, a), daemon=True)
        other.start()
        copy(a, b)
        other.join(20)
