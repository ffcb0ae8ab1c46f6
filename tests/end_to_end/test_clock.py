"""Somebody sets the machine's clock by an hour, either way, while the relay sends."""

import unittest

from conditions import eventually
from house import NEW_UPLOAD
from moved_clock import HOUR_S, MovedClockTest

DEVICES = 20_000
MINUTES_S = 600
STEPS = 2
IN_FLIGHT_MAX = 8_000  # at once, over all platforms


class Clock(MovedClockTest):
    def test_retries_tokens_and_lifetimes_outlast_a_clock_that_is_set_back_and_ahead(self):
        self.start_house(DEVICES)
        self.simulator.set_faults(unavailable_share=0.2, retry_after_s=1)
        lasting = self.publish({**NEW_UPLOAD, "ttl": 3 * HOUR_S})
        eventually(lambda: self.relay.metric("carillon_retried_total") > 0, 20,
                   "some are asked for again")
        self.set_clock(-HOUR_S)
        brief = self.publish({**NEW_UPLOAD, "ttl": MINUTES_S})
        self.simulator.clear_faults()
        # Neither a retry nor a pause waits for the hour to come again.
        for event in (lasting, brief):
            done = self.wait_until_completed(event)["counters"]
            self.assertEqual(done["accepted"], DEVICES, done)
            self.assert_same_view(event, done)

        self.simulator.freeze()
        kept, expiring = (self.publish({**NEW_UPLOAD, "ttl": ttl}) for ttl in (3 * HOUR_S, MINUTES_S))
        for event in (kept, expiring):
            self.assertEqual(self.relay.request("POST", f"/v1/events/{event}/pause").status, 200)
        self.set_clock(HOUR_S)
        self.simulator.thaw()
        # What a clock that is set ahead ages: an event of minutes is over, one of hours is not.
        over = self.wait_until_completed(expiring)["counters"]
        self.assertEqual(over["accepted"] + over["expired"], DEVICES, over)
        self.assertGreater(over["expired"], 0)
        self.assertEqual(self.relay.request("POST", f"/v1/events/{kept}/resume").status, 200)
        after = self.publish({**NEW_UPLOAD, "ttl": MINUTES_S})
        for event in (kept, after):
            done = self.wait_until_completed(event)["counters"]
            self.assertEqual(done["accepted"], DEVICES, done)
            self.assert_same_view(event, done)

        # What was on its way at a step may have been refused by the platforms' new hour; a credential
        # that is made by the new hour is good, and no provider was left alone for it.
        stats = self.simulator.stats()
        refused = sum(count for gateway in ("apns", "fcm", "webpush")
                      for reason, count in stats[gateway]["by_reason"].items()
                      if reason != "ServiceUnavailable")
        self.assertLessEqual(refused, STEPS * IN_FLIGHT_MAX, stats)
        self.assertNotIn("nothing more is sent", self.relay.output())
        heard = [line for line in self.relay.output().splitlines() if "the clock was set" in line]
        self.assertGreaterEqual(len(heard), STEPS, heard)
        print(f"  {refused:,} requests on their way at {STEPS} steps were refused, and sent again")


if __name__ == "__main__":
    unittest.main()
