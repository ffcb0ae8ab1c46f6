"""What is said about runs: order, dropped rounds, intervals, verdicts of the guard."""

import pathlib
import subprocess
import tempfile
import types
import unittest

import figures
import growth
import guard
import latency
import pairs
import senders
from held_output import HeldOutput
from pairs import Sample


def sample(count=1_000, seconds=1.0, cpu_s=0.5, steal=0.0, sim_cpu_s=0.4, slices=()):
    return Sample(count=count, seconds=seconds, cpu_s=cpu_s, user_share=0.75, sim_cpu_s=sim_cpu_s,
                  steal=steal, others=0.0, slices=list(slices))


class Turns(unittest.TestCase):
    def test_who_began_a_round_ends_the_next(self):
        self.assertEqual([order for _, order in pairs.turns(["a", "b"], 3)],
                         [["a", "b"], ["b", "a"], ["a", "b"]])


class Disturbance(unittest.TestCase):
    def test_a_round_goes_as_a_whole_if_one_of_its_runs_lost_more_than_five_percent(self):
        good = {"relay": sample(steal=0.05), "h2load": sample(steal=0.0)}
        bad = {"relay": sample(steal=0.0), "h2load": sample(steal=0.0501)}
        self.assertEqual(pairs.undisturbed([good, bad]), [good])


class MedianInterval(unittest.TestCase):
    def test_ten_values_leave_out_the_smallest_and_the_largest(self):
        low, high, covered = pairs.median_interval([5, 3, 9, 1, 7, 2, 8, 4, 10, 6])
        self.assertEqual((low, high), (2, 9))
        self.assertAlmostEqual(covered, 1 - 2 * 11 / 1024)

    def test_six_values_are_the_fewest_that_cover_95_percent(self):
        self.assertGreaterEqual(pairs.median_interval(range(6))[2], 0.95)
        self.assertEqual(pairs.median_interval(range(6))[:2], (0, 5))
        self.assertLess(pairs.median_interval(range(5))[2], 0.95)

    def test_one_value_is_its_own_interval_and_covers_nothing(self):
        self.assertEqual(pairs.median_interval([3.0]), (3.0, 3.0, 0.0))

    def test_no_value_has_none(self):
        with self.assertRaises(ValueError):
            pairs.median_interval([])


class Rows(unittest.TestCase):
    def row(self, rounds, **senders):
        return figures.Row.made_of("apns", 1_000, 1, rounds,
                                   [types.SimpleNamespace(name="h2load", resident_mib=30)], 20)

    def test_a_ratio_is_the_median_of_pairs_not_the_ratio_of_medians(self):
        rounds = [{"relay": sample(seconds=1 / relay), "h2load": sample(seconds=1 / h2load)}
                  for relay, h2load in ((1, 1), (4, 2), (9, 3))]
        self.assertAlmostEqual(self.row(rounds).ratio, 2)

    def test_a_simulator_that_is_busy_for_more_than_seventy_percent_is_told(self):
        for sim_cpu_s, told in ((0.70, False), (0.71, True)):
            row = self.row([{"relay": sample(sim_cpu_s=sim_cpu_s), "h2load": sample()}] * 6)
            self.assertEqual(any("the simulator was busy" in line
                                 for line in figures.remarks([row])), told, sim_cpu_s)

    def test_nothing_is_said_of_rounds_that_were_all_disturbed(self):
        with self.assertRaises(RuntimeError):
            self.row([{"relay": sample(steal=0.5), "h2load": sample()}])

    def test_the_object_has_the_largest_size_of_a_case_and_all_of_them_beside_it(self):
        rounds = [{"relay": sample(), "h2load": sample()}] * 6
        rows = [self.row(rounds), self.row(rounds)]
        rows[0].devices = 5_000
        made = figures.as_object(rows, {"apns": {"relay": 10.4, "h2load": 20.6}})["apns"]
        self.assertEqual(made["devices"], 5_000)
        self.assertEqual([size["devices"] for size in made["sizes"]], [1_000, 5_000])
        self.assertEqual(made["instructions"], {"relay": 10, "h2load": 21})


class TogetherLetGo(unittest.TestCase):
    def test_a_program_waits_in_its_first_word_until_it_is_let_go(self):
        with tempfile.TemporaryDirectory() as folder:
            begun = pathlib.Path(folder) / "begun"
            held = HeldOutput()
            process = subprocess.Popen(["sh", "-c", f"echo starting; : >'{begun}'; echo finished"],
                                       stdin=subprocess.DEVNULL, stdout=held.end)
            held.held_by(process)
            try:
                held.wait_until_held(process)
                self.assertFalse(begun.exists())
                held.let_go()
                self.assertEqual(process.stdout.read(), "starting\nfinished\n")
                self.assertTrue(begun.exists())
            finally:
                process.kill()
                process.wait()
                process.stdout.close()

    def test_a_program_that_ends_without_a_word_is_not_waited_for(self):
        held = HeldOutput()
        process = subprocess.Popen(["false"], stdin=subprocess.DEVNULL, stdout=held.end)
        held.held_by(process)
        held.wait_until_held(process)
        held.let_go()
        self.assertEqual(process.stdout.read(), "")
        process.stdout.close()
        self.assertEqual(process.wait(), 1)

    def test_a_request_that_arrives_before_all_are_let_go_is_an_error(self):
        seen = {"/sim/events/a": None, "/sim/events/b": {"received": 0}}
        world = types.SimpleNamespace(simulated=lambda method, path: seen[path])
        sender = senders.H2load(world, None)
        prepared = [("apns", "a", 10, []), ("fcm", "b", 10, [])]
        sender._check_nothing_was_sent(prepared)  # pylint: disable=protected-access
        seen["/sim/events/b"] = {"received": 1}
        with self.assertRaisesRegex(senders.HeadStart, "1 fcm requests arrived"):
            sender._check_nothing_was_sent(prepared)  # pylint: disable=protected-access


class Quantiles(unittest.TestCase):
    def test_at_least_the_share_of_all_values_is_no_larger(self):
        values = list(range(1, 1_001))
        self.assertEqual([latency.quantile(values, share) for share in (0.5, 0.99, 0.999, 1)],
                         [500, 990, 999, 1_000])
        self.assertEqual(latency.quantile([7], 0.5), 7)


class Growth(unittest.TestCase):
    def test_a_cost_is_flat_up_to_ten_percent(self):
        def sizes(dearest):
            return [growth.Size(devices, 1.0, cpu_us, 2.0, 50, 20.0)
                    for devices, cpu_us in ((10_000, dearest), (100_000, 2.0))]

        self.assertIn("is flat", growth.lines(sizes(2.2))[-1])
        self.assertIn("is not flat", growth.lines(sizes(2.21))[-1])

    def test_slices_that_the_machine_made_dearer_leave_a_size_its_cost(self):
        # Half of the slices, and all of one round, met a machine that was half as fast.
        rounds = [{10: sample(slices=slices)}
                  for slices in ([1.5, 3.0, 1.5, 3.0], [3.0] * 4, [1.5, 1.5, 1.5, 1.5])]
        size = growth.size_of(10, rounds, {10: 20.0}, {})
        self.assertEqual((size.cpu_us, size.cpu_us_median, size.slices), (1.5, 2.25, 12))

    def test_a_size_that_sent_for_less_than_a_slice_is_an_error(self):
        with self.assertRaises(RuntimeError):
            growth.size_of(10, [{10: sample()}], {10: 20.0}, {})


class LowerQuartile(unittest.TestCase):
    def test_a_quarter_of_the_values_rounded_up_are_no_larger(self):
        self.assertEqual([pairs.lower_quartile(list(range(count, 0, -1)))
                          for count in (1, 3, 4, 5, 8, 9)], [1, 1, 1, 2, 2, 3])


class Guard(unittest.TestCase):
    def test_five_percent_more_hold_and_anything_beyond_does_not(self):
        self.assertTrue(guard.judge("x", 105.0, 100.0)[0])
        self.assertFalse(guard.judge("x", 105.1, 100.0)[0])

    def test_fewer_hold_and_ask_to_be_recorded(self):
        holds, said = guard.judge("x", 94.0, 100.0)
        self.assertTrue(holds)
        self.assertIn("--record", said)

    def test_nothing_is_judged_where_nothing_is_recorded(self):
        holds, said = guard.judge("x", 94.0, None)
        self.assertTrue(holds)
        self.assertIn("none is recorded", said)

    def test_what_a_start_costs_is_in_neither_size(self):
        self.assertEqual(guard.difference([1_000 + 2 * 7, 1_000 + 10 * 7], (2, 10)), 7)


if __name__ == "__main__":
    unittest.main()
