"""What a test of the provider library against python3-h2 is made of.

h2 is a server by other people that refuses what HTTP/2 does not allow; the tests make it play what
Apple and Google were seen to do, and what no server should.
"""

import unittest

from h2.settings import SettingCodes

from h2_peer import Peer, credential
from stage import Driver, Stage

MANY_STREAMS = {SettingCodes.MAX_CONCURRENT_STREAMS: 100}


class H2Test(unittest.TestCase):
    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.close)
        self.peer = None
        self.driver = None

    def serve(self, first_settings=None, **options):
        self.peer = Peer(self.stage, MANY_STREAMS if first_settings is None else first_settings,
                         **options)
        self.addCleanup(self.peer.close)

    def drive_apns(self, **more):
        self._drive({"platform": "apns", "endpoint": f"https://localhost:{self.peer.port}",
                     "key_file": credential("apns.p8"), "key_id": "SIMKEY0001",
                     "team_id": "SIMTEAM001", "bundle_id": "com.example.video", **more})

    def drive_fcm(self, **more):
        at = f"https://localhost:{self.peer.port}"
        self._drive({"platform": "fcm", "endpoint": at, "token_uri": f"{at}/token",
                     "service_account_file": credential("service-account.json"), **more})

    def _drive(self, configuration):
        # One connection at a time, and patience that no slow machine wears out; a test says
        # otherwise where that is what it is about.
        patience = {"request_timeout_ms": 60_000, "stuck_after_ms": 60_000, "ping_max_ms": 60_000,
                    "queued_max_ms": 60_000, "connections_max": 1}
        self.driver = Driver(self.stage, {"ca_file": credential("ca.pem"), **patience,
                                          **configuration})
        self.addCleanup(self.end)

    def end(self):
        """What holds whatever the peer did: one verdict each, and not a word that HTTP/2 forbids."""
        code = self.driver.close()
        self.assertEqual(code, 0)
        self.assertEqual(self.driver.repeated, [])
        self.assertEqual(self.peer.violations, [])

    def send(self, count, **more):
        tags = self.driver.submit(count, **more)
        return tags, self.driver.until_settled(tags)

    def send_until_accepted(self):
        """What somebody who repeats what may be repeated sees in the end."""
        while True:
            _, [verdict] = self.send(1)
            if verdict["kind"] == "accepted":
                return
            self.assertIn(verdict["kind"], ("not_sent", "unanswered"))

    def hold(self):
        """Nothing is answered until a test does."""
        self.peer.on_request = lambda request: None

    def wait_open(self, count, connection=0):
        """The first `count` requests of a connection, when they have come and not been answered."""
        def waiting():
            return self.peer.connections[connection].open_requests() \
                if len(self.peer.connections) > connection else []
        self.stage.until(lambda: len(waiting()) >= count, f"{count} requests wait for an answer")
        return waiting()

    def kinds(self, verdicts):
        return [verdict["kind"] for verdict in verdicts]
