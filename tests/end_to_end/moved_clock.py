"""A house whose calendar is moved by hand."""

import glob
import os
import unittest

from house import HouseTest

HOUR_S = 3_600
PRELOADED = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")


@unittest.skipUnless(PRELOADED, "libfaketime is not installed")
class MovedClockTest(HouseTest):
    """Simulator and relay have one calendar, which a file moves; waits are measured by the real
    monotonic clock, as a kernel does it."""

    def setUp(self):
        super().setUp()
        self.clock = self.directory / "clock"
        self.set_clock(0)
        self.environment = {
            **os.environ, "LD_PRELOAD": PRELOADED[0], "FAKETIME_TIMESTAMP_FILE": str(self.clock),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1", "NO_FAKE_STAT": "1"}

    def set_clock(self, ahead_s):
        """Of the real one, in one step."""
        written = self.clock.with_suffix(".new")
        written.write_text(f"{ahead_s:+d}\n")
        written.rename(self.clock)

    def start_simulator(self, devices, **options):
        """With certificates of yesterday: they are good at whatever hour the tests make it."""
        self.set_clock(-24 * HOUR_S)
        super().start_simulator(devices, **options)
        self.set_clock(0)
