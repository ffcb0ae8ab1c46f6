"""Every device is accounted for, whatever the platforms do in between."""

import unittest

from conditions import eventually
from house import HouseTest

DEVICES = 300_000


class Accounting(HouseTest):
    def test_every_device_has_an_outcome_while_tokens_die_and_connections_break(self):
        self.start_house(DEVICES)
        self.simulator.set_faults(unregistered_share=0.02, unavailable_share=0.01, retry_after_s=1,
                                  goaway_every=50_000, cut_every=200_000)
        event = self.publish()
        done = self.wait_until_completed(event)
        counters = done["counters"]

        self.assertEqual(counters["targeted"], DEVICES)
        self.assertEqual(counters["pending"], 0)
        seen = self.assert_same_view(event, counters)
        # The share is of the devices, by a keyed hash: 2 % of 300,000 with a standard deviation of 77.
        self.assertAlmostEqual(counters["rejected"], 0.02 * DEVICES, delta=500)
        # What could be retried was: nothing but dead tokens is missing.
        self.assertEqual(counters["accepted"] + counters["rejected"], DEVICES, done)
        print(f"  {counters}; the simulator: {seen}; by reason: {done['by_reason']}")

    def test_all_three_platforms_reach_every_device_once(self):
        devices = 20_000
        self.start_simulator(devices, mix="apns:50,fcm:40,webpush:10")
        self.configure_relay()
        self.import_devices(devices)
        self.relay.start()
        event = self.publish()
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["accepted"], devices)
        seen = self.assert_same_view(event, counters)
        # A browser's message counts as received only if it could be decrypted with the browser's key.
        for platform, share in (("apns", 0.5), ("fcm", 0.4), ("webpush", 0.1)):
            self.assertAlmostEqual(seen["by_platform"][platform]["unique_devices"], share * devices,
                                   delta=400)  # 5.6 sigma
        self.assertEqual(self.simulator.stats()["webpush"]["by_reason"], {})

    def test_a_token_that_died_is_not_sent_to_again(self):
        devices = 20_000
        self.start_house(devices)
        self.simulator.set_faults(unregistered_share=0.05)
        first = self.wait_until_completed(self.publish())["counters"]
        self.assertGreater(first["rejected"], 0)
        second = self.wait_until_completed(self.publish())["counters"]
        self.assertEqual(second["targeted"], first["accepted"])
        self.assertEqual(second["rejected"], 0)

    def test_an_unavailable_platform_kills_no_token(self):
        devices = 2_000
        self.start_house(devices)
        self.simulator.set_faults(unavailable_share=1, retry_after_s=1)
        event = self.publish()
        eventually(lambda: self.simulator.stats() and self.relay.event(event)["state"] != "queued",
                   20, "the send begins")
        self.simulator.clear_faults()
        counters = self.wait_until_completed(event)["counters"]
        self.assertEqual(counters["accepted"], devices)
        self.assert_same_view(event, counters)


class Memory(HouseTest):
    RESIDENT_MIB_MAX = 128

    def test_the_relay_stays_small_while_it_sends_to_many(self):
        self.start_house(DEVICES)
        self.wait_until_completed(self.publish())
        peak = self.relay.resident_peak_mib()
        print(f"  peak {peak:.1f} MiB")
        self.assertLess(peak, self.RESIDENT_MIB_MAX)


if __name__ == "__main__":
    unittest.main()
