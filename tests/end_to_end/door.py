"""A way to the simulator that a test can spoil: a port that forwards, or answers garbage instead."""

import socket
import ssl
import threading


class Door:
    """Listens on loopback. While `garbage` is set, whoever connects gets TLS and then no HTTP/2."""

    def __init__(self, port_behind, credentials, random):
        self.garbage = False
        self.spoiled = 0  # connections that got garbage
        self._port_behind = port_behind
        self._random = random
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(credentials / "server.pem", credentials / "server-key.pem")
        self._tls.set_alpn_protocols(["h2"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = set()
        self._lock = threading.Lock()
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()
        self.cut()

    def cut(self):
        """Ends every connection."""
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._spoil if self.garbage else self._forward, args=(client,),
                             daemon=True).start()

    def _spoil(self, client):
        try:
            with self._tls.wrap_socket(client, server_side=True) as secure:
                secure.sendall(self._random.randbytes(4096))
                self.spoiled += 1
                while secure.recv(65536):
                    pass
        except OSError:
            pass

    def _forward(self, client):
        behind = socket.create_connection(("127.0.0.1", self._port_behind))
        with self._lock:
            self._open |= {client, behind}
        for source, target in ((client, behind), (behind, client)):
            threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    @staticmethod
    def _pump(source, target):
        try:
            while content := source.recv(65536):
                target.sendall(content)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
