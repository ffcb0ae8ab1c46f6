"""What h2 answers, in every form that HTTP/2 has for it, is told as what it was."""

import struct
import unittest

from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe import frame as frames

from h2_test import MANY_STREAMS, H2Test


class Answers(H2Test):
    REFUSAL = b'{"reason":"BadDeviceToken"}'

    def expect_refusal(self, answer):
        self.serve()
        self.drive_apns()
        self.peer.on_request = answer
        _, verdicts = self.send(5)
        self.assertEqual({(v["kind"], v["status"], v["reason"]) for v in verdicts},
                         {("token_unusable", 400, "BadDeviceToken")})
        self.assertEqual(len(self.peer.connections), 1)

    def test_may_come_after_interim_ones(self):
        def answer(request):
            for status in ("100", "103", "103"):
                request.connection.h2.send_headers(request.stream_id, [(":status", status), ("link", "</a>")])
            request.answer(400, self.REFUSAL)
        self.expect_refusal(answer)

    def test_may_have_trailers(self):
        def answer(request):
            request.answer(400, self.REFUSAL, end=False)
            request.connection.h2.send_headers(request.stream_id, [("server-timing", "a;dur=1")], end_stream=True)
        self.expect_refusal(answer)

    def test_may_be_padded(self):
        def answer(request):
            connection = request.connection
            head = frames.HeadersFrame(request.stream_id, pad_length=200, flags=["PADDED", "END_HEADERS"],
                                       data=connection.h2.encoder.encode([(":status", "400")]))
            connection.send_frame(head)
            for at in range(len(self.REFUSAL)):
                connection.send_frame(frames.DataFrame(request.stream_id, self.REFUSAL[at:at + 1],
                                                       pad_length=at * 9, flags=["PADDED"]))
            connection.send_frame(frames.DataFrame(request.stream_id, b"", flags=["END_STREAM"]))
        self.expect_refusal(answer)

    def test_may_have_a_head_cut_into_continuations_with_padding_and_priority(self):
        def answer(request):
            connection = request.connection
            block = connection.h2.encoder.encode([(":status", "400"), ("x-long", "y" * 300)])
            cuts = [block[:1], block[1:2], block[2:50], b"", block[50:]]
            connection.send_frame(frames.HeadersFrame(request.stream_id, cuts[0], pad_length=3,
                                                      flags=["PADDED", "PRIORITY"]))
            for piece in cuts[1:-1]:
                connection.send_frame(frames.ContinuationFrame(request.stream_id, piece))
            connection.send_frame(frames.ContinuationFrame(request.stream_id, cuts[-1], flags=["END_HEADERS"]))
            connection.send_frame(frames.DataFrame(request.stream_id, self.REFUSAL, flags=["END_STREAM"]))
        self.expect_refusal(answer)

    def test_may_stand_among_frames_and_settings_that_nobody_knows(self):
        """RFC 9113, 4.1 and 6.5.2: they are to be ignored."""
        def answer(request):
            connection = request.connection
            unknown = struct.pack("!HBBBL", 0, 5, 0xFA, 0xFF, request.stream_id) + b"bells"
            connection.send_bytes(unknown)
            connection.send_frame(frames.AltSvcFrame(0, origin=b"https://a", field=b"h3"))
            connection.send_bytes(struct.pack("!HBBBL", 0, 6, 4, 0, 0) + struct.pack("!HL", 0x1A2A, 7))
            request.answer(400, self.REFUSAL)
        self.expect_refusal(answer)

    def test_may_be_longer_than_anybody_reads(self):
        self.serve()
        self.drive_apns()

        def answer(request):
            request.answer(500, b"x" * 16_384, end=False)
            for _ in range(2):  # what is left of the stream's 65,535 bytes, but one
                request.connection.h2.send_data(request.stream_id, b"x" * 16_384)
            request.connection.h2.send_data(request.stream_id, b"x" * 16_000, end_stream=True)
        self.peer.on_request = answer
        _, verdicts = self.send(50)
        self.assertEqual({(v["kind"], v["status"]) for v in verdicts}, {("unavailable", 500)})


class Resets(H2Test):
    def test_tell_what_was_refused_from_what_may_have_been_done(self):
        self.serve()
        self.hold()
        self.drive_apns()
        codes = [ErrorCodes.REFUSED_STREAM, ErrorCodes.CANCEL, ErrorCodes.INTERNAL_ERROR,
                 ErrorCodes.ENHANCE_YOUR_CALM, 0xBEEF]
        tags = self.driver.submit(len(codes))
        for request, code in zip(self.wait_open(len(codes)), codes):
            request.send_reset(code)
        self.peer.on_request = lambda request: request.answer()
        self.peer.flush()
        verdicts = self.driver.until_settled(tags)
        self.assertEqual([(v["kind"], v["reason"]) for v in verdicts],
                         [("not_sent", "StreamRefused")] + 4 * [("unanswered", "StreamReset")])
        self.send_until_accepted()
        self.assertEqual(len(self.peer.connections), 1, "a reset is about one request")

    def test_after_half_an_answer_leave_the_request_unanswered(self):
        self.serve()
        self.drive_apns()

        def break_off(request):
            request.answer(status=400, body=b'{"reas', end=False)
            request.send_reset(ErrorCodes.INTERNAL_ERROR)
        self.peer.on_request = break_off
        _, [verdict] = self.send(1)
        self.assertEqual(verdict["kind"], "unanswered")

    def test_without_error_after_an_early_answer_take_nothing_from_it(self):
        """RFC 9113, 8.1: a server may answer before it has the body, and asks to stop sending it."""
        self.serve({**MANY_STREAMS, SettingCodes.INITIAL_WINDOW_SIZE: 10})
        self.peer.gives_window = False
        self.drive_apns()
        tags = self.driver.submit(1)
        self.stage.until(lambda: self.peer.requests(), "the head of the request comes")
        [request] = self.peer.requests()
        request.answer(status=413, body=b'{"reason":"PayloadTooLarge"}')
        request.send_reset(ErrorCodes.NO_ERROR)
        self.peer.flush()
        [verdict] = self.driver.until_settled(tags)
        self.assertEqual((verdict["kind"], verdict["reason"]), ("notification_refused", "PayloadTooLarge"))

    def test_after_an_interim_answer_are_no_answer(self):
        self.serve()
        self.drive_apns()

        def break_off(request):
            request.connection.h2.send_headers(request.stream_id, [(":status", "103")])
            request.send_reset(ErrorCodes.NO_ERROR)
        self.peer.on_request = break_off
        _, [verdict] = self.send(1)
        self.assertEqual((verdict["kind"], verdict["reason"]), ("unanswered", "StreamReset"))


class Goaway(H2Test):
    def test_splits_what_is_open_and_what_waits_goes_elsewhere(self):
        self.serve({SettingCodes.MAX_CONCURRENT_STREAMS: 10})
        self.hold()
        self.drive_apns()
        tags = self.driver.submit(30)
        waiting = self.wait_open(10)
        connection = self.peer.connections[0]
        connection.send_frame(frames.GoAwayFrame(0, last_stream_id=waiting[4].stream_id,
                                                 error_code=ErrorCodes.NO_ERROR,
                                                 additional_data=b'{"reason":"Shutdown"}'))
        above = self.driver.until_settled(tags[5:10])
        self.assertEqual({(v["kind"], v["reason"]) for v in above}, {("not_sent", "GoAway: Shutdown")})
        self.assertFalse(any(tag in self.driver.verdicts for tag in tags[:5]), "below: they wait")
        for request in waiting[:5]:
            request.answer()
        self.peer.on_request = lambda request: request.answer()
        self.peer.flush()
        below = self.driver.until_settled(tags[:5])
        self.assertEqual(set(self.kinds(below)), {"accepted"})
        self.stage.until(lambda: len(self.peer.connections) == 2, "another connection is opened")
        self.assertEqual(set(self.kinds(self.driver.until_settled(tags[10:]))), {"accepted"})
        again = self.driver.verdicts
        for tag in tags[5:10]:
            again.pop(tag)
        self.driver.submit_again(tags[5:10])
        self.assertEqual(set(self.kinds(self.driver.until_settled(tags[5:10]))), {"accepted"})
        second = {r.tag: r for r in self.peer.connections[1].requests.values()}
        for request in waiting[5:10]:
            self.assertEqual(second[request.tag].header("apns-id"), request.header("apns-id"))
        self.assertEqual([r.tag for r in waiting[:5] if r.tag in second], [], "below: sent once")

    def test_keeps_the_reason_that_stands_in_its_json(self):
        self.serve()
        self.hold()
        self.drive_apns()
        tags = self.driver.submit(3)
        self.wait_open(3)
        self.peer.on_request = lambda request: request.answer()
        self.peer.connections[0].send_frame(
            frames.GoAwayFrame(0, last_stream_id=0, error_code=ErrorCodes.NO_ERROR,
                               additional_data=b'{"reason":"BadCertificateEnvironment"}'))
        self.assertEqual(set(self.kinds(self.driver.until_settled(tags))), {"not_sent"})
        self.assertIn("BadCertificateEnvironment", self.driver.ask_health()["last_error"])

    def test_may_come_twice_first_without_naming_a_stream(self):
        """RFC 9113, 6.8: a server that shuts down gracefully first says 2³¹ − 1, then the real one."""
        self.serve({SettingCodes.MAX_CONCURRENT_STREAMS: 10})
        self.hold()
        self.drive_apns()
        tags = self.driver.submit(10)
        waiting = self.wait_open(10)
        connection = self.peer.connections[0]
        connection.send_frame(frames.GoAwayFrame(0, last_stream_id=2**31 - 1))
        connection.send_frame(frames.GoAwayFrame(0, last_stream_id=waiting[7].stream_id))
        self.assertEqual(set(self.kinds(self.driver.until_settled(tags[8:]))), {"not_sent"})
        for request in waiting[:8]:
            request.answer()
        self.peer.flush()
        self.assertEqual(set(self.kinds(self.driver.until_settled(tags[:8]))), {"accepted"})


if __name__ == "__main__":
    unittest.main()
