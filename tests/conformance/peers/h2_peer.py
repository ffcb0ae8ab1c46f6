"""A server on python3-h2, which takes nothing that HTTP/2 does not allow, and whose every frame a
test may write itself."""

import os
import selectors
import socket
import ssl

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

READ_BYTES = 65536


def credential(name):
    return os.path.join(os.environ["CARILLON_CREDENTIALS"], name)


class Request:
    def __init__(self, connection, stream_id, headers):
        self.connection = connection
        self.stream_id = stream_id
        self.headers = headers  # h2's tuples, whose class says whether they were never to be indexed
        self.body = b""
        self.ended = False
        self.reset = None       # the code, if the client took it back

    def header(self, name):
        return dict(self.headers).get(name.encode(), b"").decode()

    @property
    def tag(self):
        """Which of the driver's targets it is for: APNs tokens end in its number."""
        return int(self.header(":path").rpartition("/")[2][-16:], 16)

    def answer(self, status=200, body=b"", headers=(), end=True):
        """One HEADERS, and one DATA if there is a body."""
        head = [(":status", str(status)), ("apns-id", self.header("apns-id")), *headers]
        self.connection.h2.send_headers(self.stream_id, head, end_stream=end and not body)
        if body:
            self.connection.h2.send_data(self.stream_id, body, end_stream=end)

    def send_reset(self, code):
        self.connection.h2.reset_stream(self.stream_id, code)


class Connection:
    def __init__(self, peer, raw):
        self.peer = peer
        self.requests = {}   # by stream, in the order they came
        self.out = bytearray()
        self.tls = peer.context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False,
                                            suppress_ragged_eofs=True)
        self.tls.setblocking(False)
        self.handshaken = False
        self.closed = False
        self.reads = True
        self.writes = True           # else what it has to say waits
        self.deaf = False            # neither reads nor writes any more
        self.goaway_from_client = None
        self.settings_acknowledged = 0
        self.heard_bytes = 0
        self.pings = 0
        # The headers are looked at as they came, not as h2 would mend them.
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding=None, validate_inbound_headers=True,
            normalize_inbound_headers=False))
        self.h2.local_settings = h2.settings.Settings(client=False,
                                                      initial_values=dict(peer.first_settings))
        self.h2.decoder.max_allowed_table_size = self.h2.local_settings.header_table_size
        self.h2.initiate_connection()
        peer.stage.watch(self.tls, self._on_ready)

    def send_frame(self, frame):
        """A frame of hyperframe's, past all that h2 knows: what it holds is the test's affair."""
        self.send_bytes(frame.serialize())

    def send_bytes(self, raw):
        self.out += self.h2.data_to_send() + raw
        self._want()

    def send_later(self):
        self.writes = False

    def send_now(self):
        self.writes = True
        self.send_bytes(b"")

    def go_deaf(self):
        if self.closed or self.deaf:
            return
        self.deaf = True
        self.peer.stage.forget(self.tls)

    def cut(self):
        if self.closed:
            return
        if not self.deaf:
            self.peer.stage.forget(self.tls)
        self.closed = True
        self.tls.close()

    def open_requests(self):
        return [r for r in self.requests.values() if r.ended and r.reset is None]

    # --- the sockets

    def _on_ready(self, events):
        try:
            if not self.handshaken:
                self.tls.do_handshake()
                self.handshaken = True
            if events & selectors.EVENT_READ:
                self._read()
            self._write()
        except ssl.SSLWantReadError:
            self._want()
        except ssl.SSLWantWriteError:
            self._want(write=True)
        except OSError:  # it was cut, which is a client's right
            self.cut()

    def _read(self):
        while self.reads and not self.closed:
            try:
                data = self.tls.recv(READ_BYTES)
            except ssl.SSLWantReadError:
                return
            if not data:
                return self.cut()
            self.heard_bytes += len(data)
            try:
                events = self.h2.receive_data(data)
            except h2.exceptions.ProtocolError as error:
                self.peer.violations.append(repr(error))
                self._write()
                return self.cut()
            for event in events:
                self._take(event)

    def _write(self):
        if self.closed or self.deaf or not self.handshaken or not self.writes:
            return
        self.out += self.h2.data_to_send()
        while self.out:
            try:
                del self.out[:self.tls.send(self.out)]
            except ssl.SSLWantWriteError:
                return self._want(write=True)
        self._want()

    def _want(self, write=None):
        if self.closed or self.deaf:
            return
        write = bool(self.out) if write is None else write
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        self.peer.stage.expect(self.tls, events)

    # --- what h2 makes of it

    def _take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.requests[event.stream_id] = Request(self, event.stream_id, event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.requests[event.stream_id].body += event.data
            if self.peer.gives_window:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            request = self.requests[event.stream_id]
            request.ended = True
            self.peer.on_request(request)
        elif isinstance(event, h2.events.StreamReset):
            self.requests[event.stream_id].reset = event.error_code
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway_from_client = event.error_code
        elif isinstance(event, h2.events.SettingsAcknowledged):
            self.settings_acknowledged += 1
        elif isinstance(event, h2.events.PingReceived):
            self.pings += 1


class Peer:
    """Listens on loopback and answers as `on_request` says; at first 200 to everything."""

    def __init__(self, stage, first_settings=None, receive_buffer_bytes=None):
        self.stage = stage
        self.first_settings = first_settings or {}
        self.gives_window = True
        self.connections = []
        self.violations = []
        self.on_connection = lambda connection: None  # before the handshake
        self.on_request = lambda request: request.answer()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(credential("server.pem"), credential("server-key.pem"))
        self.context.set_alpn_protocols(["h2"])
        self._listener = socket.socket()
        if receive_buffer_bytes:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        stage.watch(self._listener, self._accept)

    def _accept(self, _events):
        raw, _ = self._listener.accept()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections.append(Connection(self, raw))
        self.on_connection(self.connections[-1])

    def flush(self):
        """Sends what the test has given to h2 outside of `on_request`."""
        for connection in self.connections:
            connection.send_bytes(b"")

    def requests(self):
        return [r for connection in self.connections for r in connection.requests.values()]

    def close(self):
        self.stage.forget(self._listener)
        self._listener.close()
        for connection in self.connections:
            connection.cut()
