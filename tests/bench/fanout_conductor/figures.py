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


def describe_settings(settings):
    return [
        f"settings   {settings.connections} connections a platform, streams at once: APNs "
        f"{settings.streams_apns}, FCM {settings.streams_fcm}; round trip {settings.rtt_ms} ms; "
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
    covered: float  # of the interval; below 0.95 with fewer than six rounds
    relay_per_second: float
    h2load_per_second: float
    ratio: float
    ratio_min: float
    ratio_max: float
    cpu_ratio: float
    relay_cpu_us: float
    relay_user_us: float
    h2load_cpu_us: float
    h2load_user_us: float
    sim_cpu_us: float
    sim_busy: float
    h2load_sim_busy: float
    others: float
    relay_rss_mib: float
    h2load_rss_mib: float
    plain_per_second: Optional[float] = None
    plain_cpu_us: Optional[float] = None
    plain_ratio: Optional[float] = None  # relay by plain
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

        def median(sender, figure):
            return pairs.median_of(rounds, sender, figure)

        speed = pairs.ratios(rounds, "relay", "h2load", per_second)
        low, high, covered = pairs.median_interval(speed)
        row = Row(
            case=case, devices=devices, events_per_run=events, rounds=len(rounds), dropped=dropped,
            covered=covered,
            relay_per_second=median("relay", per_second),
            h2load_per_second=median("h2load", per_second),
            ratio=statistics.median(speed), ratio_min=low, ratio_max=high,
            cpu_ratio=statistics.median(pairs.ratios(rounds, "relay", "h2load", cpu_us)),
            relay_cpu_us=median("relay", cpu_us),
            relay_user_us=median("relay", lambda one: one.cpu_us * one.user_share),
            h2load_cpu_us=median("h2load", cpu_us),
            h2load_user_us=median("h2load", lambda one: one.cpu_us * one.user_share),
            sim_cpu_us=median("relay", lambda one: one.sim_cpu_us),
            sim_busy=median("relay", lambda one: one.sim_busy),
            h2load_sim_busy=median("h2load", lambda one: one.sim_busy),
            others=statistics.median(max(sample.others for sample in one.values())
                                     for one in rounds),
            relay_rss_mib=relay_rss_mib,
            h2load_rss_mib=next(one.resident_mib for one in senders if one.name == "h2load"))
        if any(one.name == "plain" for one in senders):
            row.plain_per_second = median("plain", per_second)
            row.plain_cpu_us = median("plain", cpu_us)
            row.plain_ratio = statistics.median(pairs.ratios(rounds, "relay", "plain", per_second))
            row.plain_sim_busy = median("plain", lambda one: one.sim_busy)
        return row


HEADINGS = ("", "devices", "relay/s", "h2load/s", "plain/s", "ratio (95 %)", "CPU", "relay us",
            "h2load us", "plain us", "sim us", "sim busy", "relay MiB", "h2load MiB", "rounds")


def _cells(row):
    def microseconds(total, user):
        return f"{total:.2f} ({user:.2f}+{total - user:.2f})"

    return (row.case, f"{row.devices:,}", f"{row.relay_per_second:,.0f}",
            f"{row.h2load_per_second:,.0f}",
            "-" if row.plain_per_second is None else f"{row.plain_per_second:,.0f}",
            f"{row.ratio:.2f} ({row.ratio_min:.2f}-{row.ratio_max:.2f})", f"{row.cpu_ratio:.2f}",
            microseconds(row.relay_cpu_us, row.relay_user_us),
            microseconds(row.h2load_cpu_us, row.h2load_user_us),
            "-" if row.plain_cpu_us is None else f"{row.plain_cpu_us:.2f}",
            f"{row.sim_cpu_us:.2f}", f"{row.sim_busy:.0%}", f"{row.relay_rss_mib:.0f}",
            f"{row.h2load_rss_mib:.0f}",
            f"{row.rounds}" + (f" (-{row.dropped})" if row.dropped else ""))


def table(rows):
    """Ratio: relay by h2load. us: CPU microseconds a notification, user + system."""
    lines = [HEADINGS] + [_cells(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(line, widths)))
                     for line in lines)


def remarks(rows):
    said = ["", "ratio: relay / h2load, median of pairs with its interval; us: CPU of one "
                "notification, user + system; CPU: relay / h2load"]
    for row in rows:
        name = f"{row.case}, {row.devices:,} devices"
        if row.dropped:
            said.append(f"{name}: {row.dropped} of {row.rounds + row.dropped} rounds dropped, over "
                        f"{pairs.STEAL_MAX:.0%} of the time stolen")
        if row.covered < pairs.CONFIDENCE:
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
    """What was wanted of APNs and whether it is so, a line for each size and each demand.

    `counted` as for `instruction_lines`. Judges what was measured, to its last digit.
    """
    said = []
    for row in rows:
        if row.case != "apns":
            continue
        said.append(f"goal, apns, {row.devices:,} devices")
        said += [f"  {_verdict(holds)}  {demand}" for holds, demand in (
            (row.ratio >= RATIO_MIN, f"ratio {row.ratio:.3f}, at least {RATIO_MIN}"),
            (row.ratio_min > RATIO_LOW_ABOVE if row.covered >= pairs.CONFIDENCE else None,
             f"lower end of its interval {row.ratio_min:.3f}, above {RATIO_LOW_ABOVE}"),
            (row.cpu_ratio <= CPU_RATIO_MAX, f"CPU {row.cpu_ratio:.3f}, at most {CPU_RATIO_MAX}"))]
    if said:
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
