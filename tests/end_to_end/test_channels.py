"""Broadcast channels of APNs, from the command line to the service and back."""

import json
import time

from house import HouseTest

UPDATE = {"aps": {"event": "update", "timestamp": 1767355200, "content-state": {"score": 1}}}


class Channels(HouseTest):
    def channels(self, command, *arguments):
        code, output = self.relay.client("channels", command, "--app", "video", *arguments)
        self.assertEqual(code, 0, output)
        return output.strip()

    def test_a_channel_is_made_sent_to_listed_and_deleted(self):
        self.start_simulator(1)
        self.configure_relay()
        self.relay.start()
        channel = self.channels("create", "--storage", "latest")
        other = json.loads(self.channels("create", "--json"))
        self.assertEqual(other["storage"], "none")
        self.assertEqual(sorted(self.channels("list").splitlines()), sorted([channel, other["id"]]))

        before = int(time.time())
        sent = json.loads(self.channels("send", channel, "--apns", json.dumps(UPDATE),
                                        "--ttl", "60", "--json"))
        after = int(time.time())
        self.assertRegex(sent["request_id"], r"^[0-9a-fA-F-]{36}$")
        arrived = self.simulator.channels()[channel]
        self.assertEqual(arrived["storage_policy"], 1)
        self.assertEqual(arrived["broadcasts"], 1)
        self.assertEqual(arrived["latest"]["payload"], UPDATE)
        self.assertEqual(arrived["latest"]["priority"], "10")
        self.assertIn(arrived["latest"]["expiration_s"], range(before + 60, after + 62))
        code, output = self.relay.client("channels", "send", "--app", "video", other["id"], "--apns",
                                         json.dumps(UPDATE), "--ttl", "60")
        self.assertEqual(code, 1, output)
        self.assertIn("BadExpirationDate (status 400)", output)
        self.assertEqual(self.simulator.channels()[other["id"]]["broadcasts"], 0)

        self.channels("delete", channel)
        self.assertEqual(self.channels("list"), other["id"])
        code, output = self.relay.client("channels", "delete", "--app", "video", channel)
        self.assertEqual(code, 1, output)
        self.assertIn("ChannelNotRegistered (status 400)", output)
