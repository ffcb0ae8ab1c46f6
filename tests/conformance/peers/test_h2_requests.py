"""What we send is what HTTP/2 and the platforms ask for, whatever limits and windows h2 sets."""

import re
import unittest

import hpack
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe import frame as frames

from h2_test import MANY_STREAMS, H2Test

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class WhatWeSend(H2Test):
    def test_apns_requests_are_what_apple_and_http2_ask_for(self):
        self.serve()
        self.drive_apns()
        tags, verdicts = self.send(150)
        self.send(1, urgent=True)
        self.assertEqual(set(self.kinds(verdicts)), {"accepted"})
        by_tag = {request.tag: request for request in self.peer.requests()}
        self.assertEqual(len(by_tag), 151)
        for tag in tags:
            request = by_tag[tag]
            names = [bytes(name) for name, _ in request.headers]
            self.assertEqual(names[:4], [b":method", b":scheme", b":authority", b":path"])
            self.assertEqual(len(names), len(set(names)), "no header twice")
            self.assertTrue(all(name == name.lower() for name in names))
            self.assertEqual(request.header(":method"), "POST")
            self.assertEqual(request.header(":scheme"), "https")
            self.assertEqual(request.header(":authority"), f"localhost:{self.peer.port}")
            self.assertRegex(request.header("apns-id"), UUID)
            self.assertEqual(int(request.header("apns-id").rpartition("-")[2], 16), tag)
            self.assertEqual(request.header("apns-topic"), "com.example.video")
            self.assertEqual(request.header("apns-push-type"), "alert")
            self.assertIn(b"carillon", request.body)

    def test_credentials_are_never_put_into_a_header_table(self):
        self.serve()
        self.drive_apns()
        self.send(60)
        for request in self.peer.requests():
            for header in request.headers:
                if header[0] == b"authorization":
                    self.assertIsInstance(header, hpack.NeverIndexedHeaderTuple)
        kept = [entry for c in self.peer.connections for entry in c.h2.decoder.header_table.dynamic_entries]
        self.assertTrue(kept, "what repeats is indexed")
        self.assertNotIn(b"authorization", [name for name, _ in kept])
        self.assertNotIn(b"apns-id", [name for name, _ in kept], "it would drive out what repeats")

    def test_fcm_requests_follow_a_token_that_was_asked_for_once(self):
        self.serve()
        self.play_google()
        self.drive_fcm()
        _, verdicts = self.send(150)
        self.assertEqual(set(self.kinds(verdicts)), {"accepted"})
        asked = [r for r in self.peer.requests() if r.header(":path") == "/token"]
        sent = [r for r in self.peer.requests() if r.header(":path") != "/token"]
        self.assertEqual(len(asked), 1)
        self.assertEqual(asked[0].header("content-type"), "application/x-www-form-urlencoded")
        self.assertRegex(asked[0].body, rb"\Agrant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3A"
                                        rb"jwt-bearer&assertion=[\w-]+\.[\w-]+\.[\w-]+\Z")
        self.assertEqual({r.header(":path") for r in sent}, {"/v1/projects/carillon-sim/messages:send"})
        self.assertEqual({r.header("authorization") for r in sent}, {"Bearer ya29.token"})

    def test_fcm_has_a_hundred_streams_of_a_connection_whatever_is_allowed(self):
        """Google was seen to end connections that have more, whatever its SETTINGS say."""
        self.serve({SettingCodes.MAX_CONCURRENT_STREAMS: 1000})
        self.play_google(holds_messages=True)
        self.drive_fcm()
        tags = self.driver.submit(250)

        def sent():
            return [r for r in self.peer.requests() if r.ended and r.header(":path") != "/token"]
        self.stage.until(lambda: len(sent()) >= 100, "a hundred messages come")
        while (health := self.driver.ask_health())["in_flight"] < 100:  # told at the turn's end
            pass
        self.assertEqual((health["in_flight"], health["queued"]), (100, 150))
        self.assertEqual(len(sent()), 100)
        connection = sent()[0].connection
        self.play_google()
        connection.send_frame(frames.GoAwayFrame(0, last_stream_id=0, error_code=ErrorCodes.PROTOCOL_ERROR,
                                                 additional_data=b"exceeded_max_concurrent_streams"))
        lost = self.driver.until_settled(tags[:100])
        self.assertEqual({(v["kind"], v["reason"]) for v in lost}, {("not_sent", "GoAway: exceeded_max_concurrent_streams")})
        self.assertIn("exceeded_max_concurrent_streams", self.driver.ask_health()["last_error"])
        rest = self.driver.until_settled(tags[100:])
        self.assertEqual(set(self.kinds(rest)), {"accepted"}, "what waited goes elsewhere")

    def play_google(self, holds_messages=False):
        def answer(request):
            if request.header(":path") == "/token":
                request.answer(body=b'{"access_token":"ya29.token","expires_in":3599,"token_type":"Bearer"}')
            elif not holds_messages:
                request.answer(body=b'{"name":"projects/carillon-sim/messages/1"}')
        self.peer.on_request = answer


class StreamLimits(H2Test):
    def allow(self, streams):
        [connection] = self.peer.connections
        before = connection.settings_acknowledged
        connection.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: streams})
        self.peer.flush()
        self.stage.until(lambda: connection.settings_acknowledged > before, "SETTINGS is acknowledged")

    def answer_all(self, requests):
        for request in requests:
            request.answer()
            request.connection.requests.pop(request.stream_id)
        self.peer.flush()

    def test_are_obeyed_from_one_to_many_and_back(self):
        """h2 counts: a stream too many is a violation."""
        self.serve({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        self.hold()
        self.drive_apns()
        tags = self.driver.submit(60)
        for _ in range(2):
            self.answer_all(self.wait_open(1))
        self.allow(20)
        self.answer_all(self.wait_open(20))
        self.wait_open(20)
        self.allow(1)  # while twenty are open: those stay, none comes until all but none are answered
        self.answer_all(self.wait_open(20))
        while not self.driver.settled(tags):
            self.answer_all(self.wait_open(1))
            self.stage.until(lambda: self.driver.settled(tags) or self.peer.connections[0].open_requests(),
                             "the next request comes")
        self.assertEqual(set(self.kinds(self.driver.verdicts.values())), {"accepted"})
        self.assertEqual(len(self.peer.connections), 1)

    def test_of_none_let_nothing_go_and_lose_nothing(self):
        self.serve({SettingCodes.MAX_CONCURRENT_STREAMS: 0})
        self.drive_apns()
        tags = self.driver.submit(5)
        self.stage.until(lambda: self.peer.connections and self.peer.connections[0].settings_acknowledged,
                         "the client has read that nothing is allowed")
        self.assertEqual(self.driver.ask_health()["queued"], 5)
        self.assertEqual(self.peer.requests(), [])
        self.allow(100)
        self.assertEqual(set(self.kinds(self.driver.until_settled(tags))), {"accepted"})

    def test_are_waited_for_before_the_first_request(self):
        self.serve()
        self.drive_apns()
        self.peer.on_connection = lambda connection: connection.send_later()
        tags = self.driver.submit(3)
        self.stage.until(lambda: self.peer.connections and self.peer.connections[0].heard_bytes,
                         "the client has said all that it says before SETTINGS")
        self.assertEqual(self.driver.ask_health()["in_flight"], 0)
        self.assertEqual(self.peer.requests(), [])
        self.peer.connections[0].send_now()
        self.assertEqual(set(self.kinds(self.driver.until_settled(tags))), {"accepted"})


class Windows(H2Test):
    """h2 raises FlowControlError for a byte too much."""

    def test_of_a_byte_carry_the_whole_body(self):
        self.serve({**MANY_STREAMS, SettingCodes.INITIAL_WINDOW_SIZE: 1})
        self.drive_apns()
        _, verdicts = self.send(2)
        self.assertEqual(set(self.kinds(verdicts)), {"accepted"})
        for request in self.peer.requests():
            self.assertIn(b"carillon", request.body)

    def test_that_stall_one_request_do_not_stall_the_answers_to_others(self):
        self.serve({**MANY_STREAMS, SettingCodes.INITIAL_WINDOW_SIZE: 0})
        self.peer.gives_window = False
        self.drive_apns()
        tags = self.driver.submit(3)
        self.stage.until(lambda: len(self.peer.requests()) == 3, "three heads of requests come")
        requests = {r.tag: r for r in self.peer.requests()}
        for tag in (tags[2], tags[0]):
            requests[tag].connection.h2.increment_flow_control_window(4096, requests[tag].stream_id)
            self.peer.flush()
            self.assertEqual(self.kinds(self.driver.until_settled([tag])), ["accepted"])
        self.assertNotIn(tags[1], self.driver.verdicts)
        requests[tags[1]].connection.h2.increment_flow_control_window(4096, requests[tags[1]].stream_id)
        self.peer.flush()
        self.assertEqual(self.kinds(self.driver.until_settled(tags)), 3 * ["accepted"])

    def test_of_the_whole_connection_stall_and_go_on(self):
        self.serve()
        self.peer.gives_window = False
        self.drive_apns()
        tags = self.driver.submit(30, body="x" * 3500)  # more than the 65,535 bytes at the start
        self.stage.until(lambda: sum(len(r.body) for r in self.peer.requests()) == 65_535,
                         "the connection's window is used up to its last byte")
        self.assertFalse(self.driver.settled(tags))
        self.peer.connections[0].h2.increment_flow_control_window(1_000_000)
        self.peer.flush()
        self.assertEqual(set(self.kinds(self.driver.until_settled(tags))), {"accepted"})

    def test_that_shrink_below_what_is_sent_are_waited_out(self):
        """RFC 9113, 6.9.2: a smaller SETTINGS_INITIAL_WINDOW_SIZE makes a window negative."""
        self.serve({**MANY_STREAMS, SettingCodes.INITIAL_WINDOW_SIZE: 100})
        self.peer.gives_window = False
        self.drive_apns()
        tags = self.driver.submit(1)
        self.stage.until(lambda: sum(len(r.body) for r in self.peer.requests()) == 100,
                         "a hundred bytes come")
        [request] = self.peer.requests()
        connection = request.connection
        connection.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        self.peer.flush()
        self.stage.until(lambda: connection.settings_acknowledged == 2, "the smaller window is known")
        for grant in (60, 39, 2):  # from −100 to 1, and one byte comes; then the rest
            connection.h2.increment_flow_control_window(grant, request.stream_id)
        self.peer.flush()
        self.stage.until(lambda: len(request.body) == 101, "one byte more comes")
        connection.h2.increment_flow_control_window(4096, request.stream_id)
        self.peer.flush()
        self.assertEqual(self.kinds(self.driver.until_settled(tags)), ["accepted"])


class HeaderTables(H2Test):
    def test_of_the_peer_are_never_outgrown_whatever_size_it_names(self):
        """hpack refuses an encoder that does not shrink, or that does not say so."""
        self.serve({**MANY_STREAMS, SettingCodes.HEADER_TABLE_SIZE: 0})
        self.drive_apns()
        self.assertEqual(set(self.kinds(self.send(40)[1])), {"accepted"})
        [connection] = self.peer.connections
        for sizes in ([4096], [64], [0, 4096], [1 << 20], [100, 0], [300]):
            expected = connection.settings_acknowledged + len(sizes)
            for size in sizes:
                connection.h2.update_settings({SettingCodes.HEADER_TABLE_SIZE: size})
            self.peer.flush()
            self.stage.until(lambda: connection.settings_acknowledged == expected, "SETTINGS is acknowledged")
            self.assertEqual(set(self.kinds(self.send(40)[1])), {"accepted"})
            self.assertLessEqual(connection.h2.decoder.header_table_size, sizes[-1])


if __name__ == "__main__":
    unittest.main()
