"""A server that breaks the rules, or says nothing, costs little and holds up nobody."""

import struct
import unittest

from h2.errors import ErrorCodes
from hyperframe import frame as frames

from h2_test import H2Test


class BadPeers(H2Test):
    """Each ends the connection, costs bounded memory, tells no lie, and the next one serves."""

    def lose(self, misbehave, **options):
        self.serve(**options)
        self.hold()
        self.drive_apns()
        tags = self.driver.submit(3)
        requests = self.wait_open(3)
        connection = self.peer.connections[0]
        self.peer.on_request = lambda request: request.answer()
        misbehave(connection, requests)
        verdicts = self.driver.until_settled(tags)
        self.assertEqual({(v["kind"], v["reason"]) for v in verdicts}, {("unanswered", "ConnectionLost")})
        self.send_until_accepted()
        self.assertEqual(len(self.peer.connections), 2)
        return connection

    def flood(self, one):
        """More than any socket's buffers hold, while nothing that comes back is read."""
        def misbehave(connection, _requests):
            connection.reads = False
            before = self.driver.resident_kib()
            while not connection.closed:
                connection.send_bytes(one * 10_000)
                self.stage.until(lambda: connection.closed or not connection.out,
                                 "the client reads, or leaves")
            self.assertLess(self.driver.resident_kib() - before, 8 * 1024)
        self.lose(misbehave, receive_buffer_bytes=4096)

    def test_that_flood_with_pings_are_left(self):
        self.flood(frames.PingFrame(0, b"floodbel").serialize())

    def test_that_flood_with_settings_are_left(self):
        self.flood(frames.SettingsFrame(0).serialize())

    def test_that_push_what_nobody_asked_for_are_left(self):
        def misbehave(connection, requests):
            block = connection.h2.encoder.encode([(":method", "GET"), (":scheme", "https"),
                                                  (":authority", "localhost"), (":path", "/")])
            connection.send_frame(frames.PushPromiseFrame(requests[0].stream_id, promised_stream_id=2,
                                                          data=block, flags=["END_HEADERS"]))
        self.lose(misbehave)

    def test_that_send_frames_beyond_the_limit_are_left(self):
        def misbehave(connection, requests):
            connection.send_bytes(struct.pack("!BHBBL", 0, 16_385, 0, 0, requests[0].stream_id) + bytes(16_385))
        self.lose(misbehave)

    def test_that_cut_a_head_into_endless_continuations_are_left(self):
        def misbehave(connection, requests):
            connection.send_frame(frames.HeadersFrame(requests[0].stream_id, b"\x88"))
            connection.send_bytes(frames.ContinuationFrame(requests[0].stream_id, b"").serialize() * 1000)
        self.lose(misbehave)

    def test_that_send_a_head_nobody_can_decode_are_left(self):
        def misbehave(connection, requests):
            connection.send_frame(frames.HeadersFrame(requests[0].stream_id, b"\xff\xff\xff\xff\xff\x7f",
                                                      flags=["END_HEADERS"]))
        self.lose(misbehave)

    def test_that_give_more_window_than_there_is_are_left(self):
        def misbehave(connection, _requests):
            connection.send_frame(frames.WindowUpdateFrame(0, window_increment=2**31 - 1))
        self.lose(misbehave)

    def test_that_answer_on_a_stream_nobody_opened_are_left(self):
        def misbehave(connection, _requests):
            connection.send_frame(frames.HeadersFrame(9_999, b"\x88", flags=["END_HEADERS", "END_STREAM"]))
        self.lose(misbehave)

    def test_that_hang_up_without_a_word_are_left(self):
        self.lose(lambda connection, _requests: connection.cut())


class Silence(H2Test):
    def test_of_one_request_gives_up_that_one_and_not_the_connection(self):
        self.serve()
        self.hold()
        self.drive_apns(request_timeout_ms=200)
        tags = self.driver.submit(4)
        verdicts = self.driver.until_settled(tags)
        self.assertEqual({(v["kind"], v["reason"]) for v in verdicts}, {("unanswered", "Timeout")})
        self.stage.until(lambda: len([r for r in self.peer.requests() if r.reset is not None]) == 4,
                         "they are taken back")
        requests = self.peer.requests()
        self.assertEqual({r.reset for r in requests}, {ErrorCodes.CANCEL})
        late = requests[0]  # the answer crosses the RST_STREAM
        late.connection.send_frame(frames.HeadersFrame(late.stream_id, b"\x88",
                                                       flags=["END_HEADERS", "END_STREAM"]))
        self.peer.on_request = lambda request: request.answer()
        self.send_until_accepted()
        self.assertEqual(len(self.peer.connections), 1)

    def test_of_the_whole_peer_is_found_by_a_ping(self):
        self.serve()
        self.drive_apns(stuck_after_ms=100, ping_max_ms=100)
        self.peer.on_request = lambda request: request.connection.go_deaf()
        tags = self.driver.submit(4)
        verdicts = self.driver.until_settled(tags)
        self.assertEqual({(v["kind"], v["reason"]) for v in verdicts}, {("unanswered", "ConnectionLost")})
        self.assertIn("PING", self.driver.ask_health()["last_error"])
        self.peer.on_request = lambda request: request.answer()
        self.send_until_accepted()

    def test_of_a_slow_peer_that_answers_pings_is_borne(self):
        self.serve()
        self.hold()
        self.drive_apns(stuck_after_ms=50)
        tags = self.driver.submit(1)
        [request] = self.wait_open(1)
        self.stage.until(lambda: request.connection.pings >= 3, "the client asks thrice")
        request.answer()
        self.peer.flush()
        self.assertEqual(self.kinds(self.driver.until_settled(tags)), ["accepted"])
        self.assertEqual(len(self.peer.connections), 1)


if __name__ == "__main__":
    unittest.main()
