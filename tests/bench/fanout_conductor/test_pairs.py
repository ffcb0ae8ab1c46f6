"""What is said about runs: order, dropped rounds, intervals, verdicts of the guard."""

import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

import figures
import growth
import guard
import latency
import machine
import pairs
import senders
from held_output import HeldOutput
from pairs import Sample


def sample(count=1_000, seconds=1.0, cpu_s=0.5, steal=0.0, sim_cpu_s=0.4, slices=(),
           sim_user_share=0.5):
    return Sample(count=count, seconds=seconds, cpu_s=cpu_s, user_share=0.75, sim_cpu_s=sim_cpu_s,
                  sim_user_share=sim_user_share, steal=steal, others=0.0, slices=list(slices))


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
    def row(self, rounds):
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

    def test_what_the_simulator_takes_is_told_of_each_sender(self):
        rounds = [{"relay": sample(sim_cpu_s=0.002, sim_user_share=0.75),
                   "h2load": sample(sim_cpu_s=0.004, sim_user_share=0.25),
                   "plain": sample(sim_cpu_s=0.003, sim_user_share=1.0)}] * 6
        row = figures.Row.made_of("apns", 1_000, 1, rounds,
                                  [types.SimpleNamespace(name=name, resident_mib=30)
                                   for name in ("h2load", "plain")], 20)
        self.assertEqual(figures.simulator_lines([row])[1],
                         "  apns, 1,000 devices: relay 2.00 (1.50+0.50), 0%; "
                         "h2load 4.00 (1.00+3.00), 0%; plain client 3.00 (3.00+0.00), 0%")
        self.assertEqual((row.sim_user_us, row.h2load_sim_user_us, row.plain_sim_user_us),
                         (1.5, 1.0, 3.0))

    def test_nothing_is_said_of_rounds_that_were_all_disturbed(self):
        with self.assertRaises(RuntimeError):
            self.row([{"relay": sample(steal=0.5), "h2load": sample()}])

    def test_a_row_that_nothing_is_compared_with_says_why_and_has_its_place_in_the_object(self):
        row = figures.Row.made_of("webpush", 1_000, 1, [{"relay": sample(cpu_s=0.07)}] * 6,
                                  [types.SimpleNamespace(name="relay")], 20)
        cells = dict(zip(figures.HEADINGS, figures._cells(row)))  # pylint: disable=protected-access
        self.assertEqual(cells["relay us"], "70.00 (52.50+17.50)")
        for heading in ("h2load/s", "plain/s", "ratio (95 %)", "CPU", "h2load us", "plain us",
                        "h2load MiB"):
            self.assertEqual(cells[heading], "-", heading)
        self.assertTrue(any("encrypted to its browser" in line for line in figures.remarks([row])))
        made = figures.as_object([row])["webpush"]
        self.assertEqual((made["relay_cpu_us"], made["ratio"]), (70.0, None))

    def test_the_object_has_the_largest_size_of_a_case_and_all_of_them_beside_it(self):
        rounds = [{"relay": sample(), "h2load": sample()}] * 6
        rows = [self.row(rounds), self.row(rounds)]
        rows[0].devices = 5_000
        made = figures.as_object(rows, {"apns": {"relay": 10.4, "h2load": 20.6}})["apns"]
        self.assertEqual(made["devices"], 5_000)
        self.assertEqual([size["devices"] for size in made["sizes"]], [1_000, 5_000])
        self.assertEqual(made["instructions"], {"relay": 10, "h2load": 21})


class Goal(unittest.TestCase):
    COUNTED = {"apns": {"relay": 100.0, "h2load": 100.0}}

    def lines(self, counted, **changed):
        rounds = [{"relay": sample(), "h2load": sample()}] * 6
        row = Rows.row(self, rounds)
        for name, value in {"ratio": 1.2, "ratio_min": 1.001, "cpu_ratio": 0.7, **changed}.items():
            setattr(row, name, value)
        return figures.goal_lines([row], counted)

    def test_at_its_edge_each_demand_is_held(self):
        said = self.lines(self.COUNTED)
        self.assertEqual(sum("  held  " in line for line in said), 4)
        self.assertFalse(any("missed" in line for line in said))

    def test_beyond_its_edge_a_demand_is_missed_and_no_other(self):
        for changed, counted, told in (
                ({"ratio": 1.1999}, self.COUNTED, "at least 1.2"),
                ({"ratio_min": 1.0}, self.COUNTED, "above 1.0"),
                ({"cpu_ratio": 0.7001}, self.COUNTED, "at most 0.7"),
                ({}, {"apns": {"relay": 101.0, "h2load": 100.0}}, "at most h2load's")):
            missed = [line for line in self.lines(counted, **changed) if "missed" in line]
            self.assertEqual(len(missed), 1, changed)
            self.assertIn(told, missed[0])

    def test_too_few_rounds_tell_nothing_of_the_interval(self):
        for covered, told in ((0.95, 0), (0.949, 1)):
            said = self.lines(self.COUNTED, covered=covered)
            self.assertEqual(sum("unknown  lower end" in line for line in said), told, covered)

    def test_instructions_that_nobody_counted_are_neither(self):
        self.assertEqual(self.lines({})[-1], "  not counted")

    def test_web_push_may_take_a_hundred_microseconds_a_message(self):
        for cpu_s, told in ((0.1, "held"), (0.1001, "missed")):
            row = figures.Row.made_of("webpush", 1_000, 1, [{"relay": sample(cpu_s=cpu_s)}], [], 20)
            said = figures.goal_lines([row], {})
            self.assertEqual(len(said), 2)
            self.assertEqual(said[1].split()[0], told)

    def test_other_platforms_have_none(self):
        row = Rows.row(self, [{"relay": sample(), "h2load": sample()}] * 6)
        row.case = "fcm"
        self.assertEqual(figures.goal_lines([row], {}), [])


class FileSystems(unittest.TestCase):
    MOUNTS = "\n".join((
        "22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw",
        "30 22 0:26 / /tmp rw,nosuid - tmpfs tmpfs rw,size=1g",
        "31 30 259:2 / /tmp/a\\040disk rw - xfs /dev/sdb rw",
        "32 22 0:27 / /srv rw - tmpfs tmpfs rw",
        "33 32 259:3 / /srv rw shared:9 master:1 - btrfs /dev/sdc rw"))

    def test_it_is_the_one_of_the_nearest_mount_point_and_the_latest_there(self):
        for folder, kind in (("/home/me", "ext4"), ("/tmp", "tmpfs"), ("/tmp/x", "tmpfs"),
                             ("/tmpfoo", "ext4"), ("/tmp/a disk/x", "xfs"), ("/srv/x", "btrfs")):
            self.assertEqual(machine.file_system(folder, self.MOUNTS), kind, folder)

    def test_memory_is_told_and_a_disk_is_named(self):
        usual = machine.file_system
        try:
            for kind, told in (("tmpfs", True), ("ramfs", True), ("ext4", False)):
                machine.file_system = lambda folder, kind=kind: kind
                said = "\n".join(machine.describe(tempfile.gettempdir()))
                self.assertIn(f", {kind}, ", said)
                self.assertEqual("no figure is of a durable store" in said, told, kind)
        finally:
            machine.file_system = usual


class Commits(unittest.TestCase):
    def test_a_figure_is_tied_to_its_sources_and_to_changes_in_them(self):
        for said in ("e9e443008a35", "e9e443008a35-dirty"):
            self.assertEqual(machine.commit(said), said)

    def test_without_git_or_a_repository_nothing_is_made_up(self):
        for said in ("not there", "fatal: not a git repository (or any of the parent directories)"):
            self.assertEqual(machine.commit(said), "unknown, git does not tell")


class Missing(unittest.TestCase):
    def test_without_h2load_nothing_is_begun_and_its_package_list_is_named(self):
        conductor = pathlib.Path(__file__).resolve().parent
        with tempfile.TemporaryDirectory() as empty:
            ran = subprocess.run([sys.executable, "-B", conductor, "--case", "apns"], check=False,
                                 capture_output=True, text=True, env={"PATH": empty})
        self.assertEqual((ran.returncode, ran.stdout), (1, ""))
        self.assertIn("deploy/install-deps --bench", ran.stderr)


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


class Latency(unittest.TestCase):
    def test_a_receipt_counts_as_late_as_its_cut_off_millisecond_allows(self):
        seen = {"first_at": "2026-01-01T00:00:00.123Z"}
        world = types.SimpleNamespace(simulated=lambda method, path: seen)
        self.assertAlmostEqual(latency.received_at(world, "e") % 1, 0.124, places=6)
        seen["first_at"] = None
        self.assertIsNone(latency.received_at(world, "e"))

    def test_a_bulk_event_is_posted_when_the_one_before_is_half_received(self):
        receipts = {}  # event: of 10 devices; a look at one finds one more of each
        looks = []  # (event looked at, events on their way)

        def post():
            receipts[len(receipts)] = 0
            return len(receipts) - 1

        def received(event):
            for other in receipts:
                receipts[other] = min(10, receipts[other] + 1)
            looks.append(sum(count < 10 for count in receipts.values()))
            return receipts[event]

        over = types.SimpleNamespace(is_set=lambda: len(looks) >= 100, wait=lambda seconds: None)
        posted = latency.keep_sending(post, received, 10, over)
        self.assertEqual(posted, list(range(len(posted))))
        self.assertEqual(len(posted), 21)  # the first at once, then one for each five looks
        self.assertTrue(all(1 <= on_their_way <= 2 for on_their_way in looks), looks)


class Growth(unittest.TestCase):
    def sizes(self, dearest=2.0, largest=20.0, from_idle=None):
        return [growth.Size(devices, 1.0, cpu_us, 2.0, 2.5, 50, mib, idle_us)
                for devices, cpu_us, mib, idle_us in ((10_000, dearest, 20.0, from_idle),
                                                      (100_000, 2.0, largest, 1.0))]

    def verdict(self, subject, sizes):
        said, = [line for line in growth.lines(sizes) if line.startswith(f"  {subject}")]
        return said

    def test_a_cost_is_flat_up_to_ten_percent(self):
        self.assertIn("is flat", self.verdict("the cost", self.sizes(dearest=2.2)))
        self.assertIn("is not flat", self.verdict("the cost", self.sizes(dearest=2.21)))

    def test_memory_is_flat_up_to_ten_percent(self):
        self.assertIn("is flat", self.verdict("memory", self.sizes(largest=22.0)))
        self.assertIn("is not flat", self.verdict("memory", self.sizes(largest=22.1)))

    def test_what_an_idle_relay_takes_is_told_and_not_judged(self):
        said = self.verdict("one event at a time", self.sizes(from_idle=1.5))
        self.assertIn("differs by 50% (not judged)", said)

    def test_the_mean_is_of_whole_runs(self):
        rounds = [{10: sample(count=1_000_000, cpu_s=1.0, slices=[0.9])},
                  {10: sample(count=3_000_000, cpu_s=6.0, slices=[0.9])}]
        self.assertAlmostEqual(growth.size_of(10, rounds, {10: 20.0}, {}).cpu_us_mean, 1.75)

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
