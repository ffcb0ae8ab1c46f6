"""What was measured as a table for people and an object for programs. Pure."""

import dataclasses
import statistics
from dataclasses import dataclass
from typing import Optional

import pairs

SIM_BUSY_MAX = 0.70  # above, the number measures the simulator
OTHERS_MAX = 0.10
# The goal for APNs, relay by h2load.
RATIO_MIN = 1.2
RATIO_LOW_ABOVE = 1.0  # the interval's lower end
CPU_RATIO_MAX = 0.7
# The goal for Web Push: 10,000 messages a second and core.
WEBPUSH_CPU_US_MAX = 100


def describe_settings(settings):
    return [
        f"settings   {settings.connections} connections a platform, streams at once: APNs "
        f"{settings.streams_apns}, FCM {settings.streams_fcm}, Web Push {settings.streams_webpush}; round trip {settings.rtt_ms} ms; "
        f"TLS 1.3; checkpoints after {settings.checkpoint_interval_ms} ms at the latest, "
        f"synchronous=FULL",
        f"pinned     senders to core {settings.sender_core}, simulator (one loop) to core "
        f"{settings.simulator_core}",
        "h2load     reads its body's file (-d) once per request; sends one apns-id, one FCM token",
    ]


@dataclass
class Row:
    case: str
    devices: int
    events_per_run: int
    rounds: int
    dropped: int
    relay_per_second: float
    relay_cpu_us: float
    relay_user_us: float
    sim_cpu_us: float  # of what the relay sends; of what others send below
    sim_user_us: float
    sim_busy: float
    others: float
    relay_rss_mib: float
    # None: nothing was compared, as with Web Push.
    covered: Optional[float] = None  # of the interval; below 0.95 with fewer than six rounds
    h2load_per_second: Optional[float] = None
    ratio: Optional[float] = None
    ratio_min: Optional[float] = None
    ratio_max: Optional[float] = None
    cpu_ratio: Optional[float] = None
    h2load_cpu_us: Optional[float] = None
    h2load_user_us: Optional[float] = None
    h2load_sim_cpu_us: Optional[float] = None
    h2load_sim_user_us: Optional[float] = None
    h2load_sim_busy: Optional[float] = None
    h2load_rss_mib: Optional[float] = None
    plain_per_second: Optional[float] = None
    plain_cpu_us: Optional[float] = None
    plain_user_us: Optional[float] = None
    plain_ratio: Optional[float] = None  # relay by plain
    plain_sim_cpu_us: Optional[float] = None
    plain_sim_user_us: Optional[float] = None
    plain_sim_busy: Optional[float] = None

    @staticmethod
    def made_of(case, devices, events, all_rounds, senders, relay_rss_mib):
        rounds = pairs.undisturbed(all_rounds)
        dropped = len(all_rounds) - len(rounds)
        if not rounds:
            raise RuntimeError(f"{case}, {devices} devices: in each of {dropped} rounds more than "
                               f"{pairs.STEAL_MAX:.0%} of the time was stolen by other guests")

        def per_second(sample):
            return sample.per_second

        def cpu_us(sample):
            return sample.cpu_us

        def user_us(sample):
            return sample.cpu_us * sample.user_share

        def sim_user_us(sample):
            return sample.sim_cpu_us * sample.sim_user_share

        def median(sender, figure):
            return pairs.median_of(rounds, sender, figure)

        row = Row(
            case=case, devices=devices, events_per_run=events, rounds=len(rounds), dropped=dropped,
            relay_per_second=median("relay", per_second),
            relay_cpu_us=median("relay", cpu_us),
            relay_user_us=median("relay", user_us),
            sim_cpu_us=median("relay", lambda one: one.sim_cpu_us),
            sim_user_us=median("relay", sim_user_us),
            sim_busy=median("relay", lambda one: one.sim_busy),
            others=statistics.median(max(sample.others for sample in one.values())
                                     for one in rounds),
            relay_rss_mib=relay_rss_mib)
        for h2load in (one for one in senders if one.name == "h2load"):
            speed = pairs.ratios(rounds, "relay", "h2load", per_second)
            row.ratio = statistics.median(speed)
            row.ratio_min, row.ratio_max, row.covered = pairs.median_interval(speed)
            row.cpu_ratio = statistics.median(pairs.ratios(rounds, "relay", "h2load", cpu_us))
            row.h2load_per_second = median("h2load", per_second)
            row.h2load_cpu_us = median("h2load", cpu_us)
            row.h2load_user_us = median("h2load", user_us)
            row.h2load_sim_cpu_us = median("h2load", lambda one: one.sim_cpu_us)
            row.h2load_sim_user_us = median("h2load", sim_user_us)
            row.h2load_sim_busy = median("h2load", lambda one: one.sim_busy)
            row.h2load_rss_mib = h2load.resident_mib
        if any(one.name == "plain" for one in senders):
            row.plain_per_second = median("plain", per_second)
            row.plain_cpu_us = median("plain", cpu_us)
            row.plain_user_us = median("plain", user_us)
            row.plain_sim_cpu_us = median("plain", lambda one: one.sim_cpu_us)
            row.plain_sim_user_us = median("plain", sim_user_us)
            row.plain_ratio = statistics.median(pairs.ratios(rounds, "relay", "plain", per_second))
            row.plain_sim_busy = median("plain", lambda one: one.sim_busy)
        return row


HEADINGS = ("", "devices", "relay/s", "h2load/s", "plain/s", "ratio (95 %)", "CPU", "relay us",
            "h2load us", "plain us", "sim us", "sim busy", "relay MiB", "h2load MiB", "rounds")


def _microseconds(total, user):
    return "-" if total is None else f"{total:.2f} ({user:.2f}+{total - user:.2f})"


def _cells(row):
    def shown(form, *values):
        return "-" if None in values else form.format(*values)

    return (row.case, f"{row.devices:,}", f"{row.relay_per_second:,.0f}",
            shown("{:,.0f}", row.h2load_per_second), shown("{:,.0f}", row.plain_per_second),
            shown("{:.2f} ({:.2f}-{:.2f})", row.ratio, row.ratio_min, row.ratio_max),
            shown("{:.2f}", row.cpu_ratio), _microseconds(row.relay_cpu_us, row.relay_user_us),
            _microseconds(row.h2load_cpu_us, row.h2load_user_us),
            _microseconds(row.plain_cpu_us, row.plain_user_us),
            _microseconds(row.sim_cpu_us, row.sim_user_us), f"{row.sim_busy:.0%}", f"{row.relay_rss_mib:.0f}",
            shown("{:.0f}", row.h2load_rss_mib),
            f"{row.rounds}" + (f" (-{row.dropped})" if row.dropped else ""))


def table(rows):
    """Ratio: relay by h2load. us: CPU microseconds a notification, user + system."""
    lines = [HEADINGS] + [_cells(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(line, widths)))
                     for line in lines)


def simulator_lines(rows):
    """What each sender's notifications cost the simulator: the same ones, coded differently."""
    return ["the simulator's CPU us of a notification (user + system), and how busy it was, by sender"] + [
        f"  {row.case}, {row.devices:,} devices: " + "; ".join(
            f"{sender} {_microseconds(total, user)}, {busy:.0%}" for sender, total, user, busy in (
                ("relay", row.sim_cpu_us, row.sim_user_us, row.sim_busy),
                ("h2load", row.h2load_sim_cpu_us, row.h2load_sim_user_us, row.h2load_sim_busy),
                ("plain client", row.plain_sim_cpu_us, row.plain_sim_user_us, row.plain_sim_busy))
            if total is not None) for row in rows]


def remarks(rows):
    said = ["", "ratio: relay / h2load, median of pairs with its interval; us: CPU of one "
                "notification, user + system; CPU: relay / h2load"]
    for row in rows:
        name = f"{row.case}, {row.devices:,} devices"
        if row.dropped:
            said.append(f"{name}: {row.dropped} of {row.rounds + row.dropped} rounds dropped, over "
                        f"{pairs.STEAL_MAX:.0%} of the time stolen")
        if row.ratio is None:
            said.append(f"{name}: no other sender, as each message is encrypted to its browser and "
                        f"h2load and the plain client send one body to all")
        elif row.covered < pairs.CONFIDENCE:
            said.append(f"{name}: {row.rounds} rounds, the interval covers {row.covered:.0%} only")
        for sender, busy in (("relay", row.sim_busy), ("h2load", row.h2load_sim_busy),
                             ("plain client", row.plain_sim_busy)):
            if busy is not None and busy > SIM_BUSY_MAX:
                said.append(f"{name}: the simulator was busy for {busy:.0%} of the {sender}'s time: "
                            f"that rate is the simulator's")
        if row.others > OTHERS_MAX:
            said.append(f"{name}: other processes took {row.others:.0%} of the two cores: rates are "
                        f"not to be trusted, CPU times less so than alone")
    return said


def _verdict(holds):
    """None: too little was measured, as with an interval of fewer than six rounds."""
    return "unknown" if holds is None else "held   " if holds else "missed "


def goal_lines(rows, counted):
    """What was wanted of APNs and of Web Push and whether it is so, a line for each size and demand.

    `counted` as for `instruction_lines`. Judges what was measured, to its last digit.
    """
    said, of_apns = [], [row for row in rows if row.case == "apns"]
    for row in rows:
        if row.case == "webpush":
            said += [f"goal, webpush, {row.devices:,} devices",
                     f"  {_verdict(row.relay_cpu_us <= WEBPUSH_CPU_US_MAX)}  CPU "
                     f"{row.relay_cpu_us:.2f} us a message, at most {WEBPUSH_CPU_US_MAX}: "
                     f"{1e6 / row.relay_cpu_us:,.0f} a second and core"]
    for row in of_apns:
        said.append(f"goal, apns, {row.devices:,} devices")
        said += [f"  {_verdict(holds)}  {demand}" for holds, demand in (
            (row.ratio >= RATIO_MIN, f"ratio {row.ratio:.3f}, at least {RATIO_MIN}"),
            (row.ratio_min > RATIO_LOW_ABOVE if row.covered >= pairs.CONFIDENCE else None,
             f"lower end of its interval {row.ratio_min:.3f}, above {RATIO_LOW_ABOVE}"),
            (row.cpu_ratio <= CPU_RATIO_MAX, f"CPU {row.cpu_ratio:.3f}, at most {CPU_RATIO_MAX}"))]
    if of_apns:
        senders = (counted or {}).get("apns")
        said.append("goal, apns, instructions")
        said.append("  not counted" if senders is None else
                    f"  {_verdict(senders['relay'] <= senders['h2load'])}  "
                    f"{senders['relay']:,.0f} a notification, at most h2load's "
                    f"{senders['h2load']:,.0f}")
    return said


def instruction_lines(counted):
    """`counted`: {case: {sender: instructions a notification}}."""
    return [f"{case}: instructions a notification: " + ", ".join(
        f"{sender} {count:,.0f}" + (f" ({count / senders['h2load']:.2f} x h2load)"
                                    if sender != "h2load" else "")
        for sender, count in senders.items()) for case, senders in counted.items()]


def as_object(rows, counted=None):
    """By case; of several sizes the largest, the others under `sizes`."""
    made = {}
    for row in sorted(rows, key=lambda one: one.devices):
        sizes = made.get(row.case, {}).get("sizes", [])
        plain = {key: round(value, 4) if isinstance(value, float) else value
                 for key, value in dataclasses.asdict(row).items() if key != "case"}
        made[row.case] = {**plain, "sizes": sizes + [plain]}
    for case, senders in (counted or {}).items():
        made[case]["instructions"] = {sender: round(count) for sender, count in senders.items()}
    return made
