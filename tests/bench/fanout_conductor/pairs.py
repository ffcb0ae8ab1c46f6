"""Paired runs and what may be said about them. Pure: numbers in, numbers out."""

import math
import statistics
from dataclasses import dataclass, field

CONFIDENCE = 0.95
STEAL_MAX = 0.05  # of the cores' time, while a run lasts


@dataclass
class Sample:
    """One run of one sender."""
    count: int  # notifications that were answered
    seconds: float
    cpu_s: float  # the sender's
    user_share: float  # of cpu_s
    sim_cpu_s: float
    sim_user_share: float  # of sim_cpu_s
    steal: float  # share of the cores' time
    others: float  # share of the cores' time that other processes took
    slices: list = field(default_factory=list)  # CPU us a notification, of one stretch each

    @property
    def per_second(self):
        return self.count / self.seconds

    @property
    def cpu_us(self):
        return self.cpu_s / self.count * 1e6

    @property
    def sim_cpu_us(self):
        return self.sim_cpu_s / self.count * 1e6

    @property
    def sim_busy(self):
        return self.sim_cpu_s / self.seconds


def turns(senders, rounds):
    """The order of a session: A B, B A, A B, … so that a drift of the machine meets both alike."""
    for number in range(rounds):
        yield number, senders if number % 2 == 0 else senders[::-1]


def undisturbed(rounds, steal_max=STEAL_MAX):
    """Of rounds ({sender: Sample}) those in which no run lost more than that to other guests."""
    return [one for one in rounds if all(sample.steal <= steal_max for sample in one.values())]


def median_interval(values, confidence=CONFIDENCE):
    """(low, high, covered): the median's confidence interval by order statistics.

    Supposes nothing about the distribution. The k-th smallest and the k-th largest of n values
    enclose the median unless fewer than k lie on one side of it, which has the binomial
    probability. With fewer than six values the extremes cover less than 95 %: `covered` tells.
    """
    ordered = sorted(values)
    n = len(ordered)
    if n == 0:
        raise ValueError("no values")

    def coverage(k):
        return 1 - 2 * sum(math.comb(n, i) for i in range(k)) / 2 ** n

    k = 1
    while k + 1 <= (n + 1) // 2 and coverage(k + 1) >= confidence:
        k += 1
    return ordered[k - 1], ordered[n - k], coverage(k)


def lower_quartile(values):
    """A quarter of the values, rounded up, are no larger."""
    return sorted(values)[(len(values) + 3) // 4 - 1]


def ratios(rounds, a, b, figure):
    return [figure(one[a]) / figure(one[b]) for one in rounds]


def median_of(rounds, sender, figure):
    return statistics.median(figure(one[sender]) for one in rounds)
