"""What a publisher gets wrong is named, and leaves nothing behind."""

import socket
import unittest

from house import NEW_UPLOAD, HouseTest


def changed(**fields):
    return {**NEW_UPLOAD, **fields}


def without(field):
    return {name: value for name, value in NEW_UPLOAD.items() if name != field}


# (what is wrong, body, status, field that the problem names)
BODIES = [
    ("no JSON", b'{"app": "video",', 400, None),
    ("an array", b"[]", 400, ""),
    ("an unknown field", changed(colour="red"), 400, "/colour"),
    ("an unknown field of the notification",
     changed(notification={"title": "New upload", "colour": "red"}), 400, "/notification/colour"),
    ("a wrong type", changed(ttl="an hour"), 400, "/ttl"),
    ("a wrong type within", changed(notification={"title": 7}), 400, "/notification/title"),
    ("data that is no string", changed(data={"video": 7}), 400, "/data/video"),
    ("a negative ttl", changed(ttl=-1), 400, "/ttl"),
    ("an unknown priority", changed(priority="at once"), 400, "/priority"),
    ("a topic out of form", changed(topic=""), 400, "/topic"),
    ("a topic with a control character", changed(topic="channel\u0007"), 400, "/topic"),
    ("no app", without("app"), 400, "/app"),
    ("no audience", without("topic"), 400, ""),
    ("a condition that ends too soon", changed(condition="'a' in topics &&"), 400, "/condition"),
    ("a condition of the wrong type", changed(condition="app_version > 3"), 400, "/condition"),
    ("a topic twice out of form", changed(topics=["news", "a b"]), 400, "/topics/1"),
    ("an unknown app", changed(app="nobody"), 404, "/app"),
    ("one value that fills a payload by itself", changed(data={"filling": "x" * 4097}), 400, "/data/filling"),
    ("a payload that no provider takes", changed(data={"one": "x" * 2500, "two": "x" * 2500}), 422, None),
    ("a body over the limit", changed(data={"filling": "x" * 300_000}), 413, None),
]


class BadInput(HouseTest):
    def setUp(self):
        super().setUp()
        self.start_house(10)

    def assert_problem(self, answer, status, pointer=None):
        self.assertEqual(answer.status, status, answer)
        self.assertTrue(answer.headers["Content-Type"].startswith("application/problem+json"), answer)
        problem = answer.json
        self.assertEqual(problem["status"], status)
        self.assertTrue(problem["type"] and problem["title"], problem)
        if pointer is not None:
            self.assertIn(pointer, [error["pointer"] for error in problem["errors"]], problem)

    def test_a_bad_body_is_answered_with_the_field_and_leaves_nothing(self):
        for what, body, status, pointer in BODIES:
            with self.subTest(what):
                answer = self.relay.request("POST", "/v1/events", body)
                self.assert_problem(answer, status, pointer)
        self.assertEqual(self.relay.events(), [])
        self.assertEqual(self.wait_until_completed(self.publish())["counters"]["accepted"], 10)

    def test_every_fault_of_a_body_is_told_at_once(self):
        answer = self.relay.request("POST", "/v1/events", changed(ttl="an hour", colour="red", topic=""))
        pointers = {error["pointer"] for error in answer.json["errors"]}
        self.assertLessEqual({"/ttl", "/colour", "/topic"}, pointers)

    def test_a_missing_or_wrong_key_is_refused(self):
        self.assert_problem(self.relay.request("POST", "/v1/events", NEW_UPLOAD, key=""), 401)
        self.assert_problem(self.relay.request("POST", "/v1/events", NEW_UPLOAD, key="wrong"), 401)
        self.assert_problem(self.relay.request("GET", "/v1/events", key="wrong"), 401)
        self.assertEqual(self.relay.events(), [])

    def test_a_key_may_only_do_what_it_was_made_for(self):
        subscriber = self.relay.create_key(scopes="subscribe", name="phones")
        self.assert_problem(self.relay.request("POST", "/v1/events", NEW_UPLOAD, key=subscriber), 403)
        self.assertEqual(self.relay.events(), [])

    def test_no_answer_repeats_the_key(self):
        answer = self.relay.request("POST", "/v1/events", NEW_UPLOAD, key="a-secret-that-is-wrong")
        self.assertNotIn(b"a-secret-that-is-wrong", answer.content)

    def test_a_bad_device_is_answered_with_the_field(self):
        device = {"platform": "apns", "token": "ab" * 32, "topics": ["channel-42"]}
        for field, value in (("platform", "pigeon"), ("token", 7), ("topics", "channel-42"),
                             ("colour", "red")):
            with self.subTest(field):
                answer = self.relay.request("PUT", "/v1/apps/video/devices/new",
                                            {**device, field: value})
                self.assert_problem(answer, 400, f"/{field}")
        self.assertEqual(self.relay.request("GET", "/v1/apps/video/devices/new").status, 404)

    def test_the_relay_still_answers_after_a_broken_conversation(self):
        for content in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST /v1/events HTTP/1.1\r\n"):
            self.talk(content)
        self.assertEqual(self.relay.request("GET", "/healthz", key="").status, 200)

    def talk(self, content):
        with socket.create_connection(("127.0.0.1", self.relay.port), timeout=5) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass


if __name__ == "__main__":
    unittest.main()
