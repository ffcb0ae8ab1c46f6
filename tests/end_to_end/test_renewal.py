"""Two hours of a relay: every token is renewed in time, and none too often."""

import unittest

from house import NEW_UPLOAD
from moved_clock import HOUR_S, MovedClockTest

STEP_S = 240  # so that an access token's last five minutes have a step
HOURS = 2
DEVICES = 60
GOAWAY_EVERY = 97  # requests: about one connection to Apple in a quarter of an hour, so of every age


class Renewal(MovedClockTest):
    def test_in_two_hours_no_platform_refuses_a_token_of_ours(self):
        self.start_simulator(DEVICES, mix="apns:40,fcm:40,webpush:20")
        self.configure_relay()
        self.import_devices(DEVICES)
        self.relay.start()
        self.simulator.set_faults(goaway_every=GOAWAY_EVERY)
        events = 0
        for ahead_s in range(0, HOURS * HOUR_S + 1, STEP_S):
            # Nothing is on its way while the clock is set.
            self.set_clock(ahead_s)
            done = self.wait_until_completed(self.publish({**NEW_UPLOAD, "ttl": 600}), every_s=0.005)
            self.assertEqual(done["counters"]["accepted"], DEVICES, done)
            events += 1
        stats = self.simulator.stats()
        for platform in ("apns", "fcm", "webpush"):
            self.assertEqual(stats[platform]["by_reason"], {}, "nobody was refused anything")
        # Renewed they were: at 55 minutes, while the old access token still served, and at 50.
        self.assertEqual(stats["oauth"], {"tokens_issued": 3, "tokens_refused": 0})
        self.assertGreaterEqual(stats["provider_tokens"]["brought"], 3)
        self.assertGreater(stats["apns"]["connections_opened"], 3, "of every age, not of one")
        print(f"  {events} events in {HOURS} hours: {stats['oauth']['tokens_issued']} access tokens, "
              f"{stats['provider_tokens']['brought']} provider tokens on {stats['apns']['connections_opened']} connections")


if __name__ == "__main__":
    unittest.main()
