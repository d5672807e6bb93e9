"""Statistics of latencies, from single times or from what a tool on the device made of them."""

import numpy as np

PERCENTILES = (50, 90, 99)


class Latency:
    """The rounds of one row.

    A round is the answer to "run N", in ms, in one of two forms:

        {"run": [N times], "end_to_end": [N times]}
        {"statistics": {"run": {"runs": number, "mean", "std", "min", "max", and "p50" if the tool tells it}}}

    In both, "end_to_end" may be missing where the tool times the run alone.
    """

    def __init__(self):
        self._rounds = []

    def add(self, answer):
        """Take in one round."""
        self._rounds.append(answer)

    def summary(self):
        """Return {"run": statistics, "end_to_end": statistics or None} in ms: mean, std, min, max, and p50, p90 and p99
        as far as they are known."""
        return {name: self._summary(name) for name in ("run", "end_to_end")}

    def medians(self):
        """Return the median of each round in ms, end to end where that is known; the mean where no median is."""
        return [_median(answer) for answer in self._rounds]

    def ratio_to(self, other):
        """Return the median over the rounds of (this / other): neighbours in time met the same machine."""
        return round(float(np.median(np.divide(self.medians(), other.medians()))), 3)

    def _summary(self, name):
        told = [answer["statistics"][name] for answer in self._rounds if name in answer.get("statistics", {})]
        if told:
            return merged(told)
        times = [time for answer in self._rounds for time in answer.get(name, ())]
        return statistics(times) if times else None


def typical(statistics):
    """Return the median, or the mean where the tool on the device tells no median."""
    return statistics.get("p50", statistics["mean"])


def _median(answer):
    values = answer.get("statistics", answer)
    chosen = values["end_to_end"] if "end_to_end" in values else values["run"]
    return typical(chosen) if isinstance(chosen, dict) else float(np.median(chosen))


def statistics(times):
    """Return p50, p90, p99, mean, std, min and max of a list of times."""
    values = {f"p{rank}": value for rank, value in zip(PERCENTILES, np.percentile(times, PERCENTILES))}
    values |= {"mean": np.mean(times), "std": np.std(times), "min": np.min(times), "max": np.max(times)}
    return _rounded(values)


def merged(told):
    """Return the statistics over several rounds of which only statistics are known: exact, but for p50, which is the
    median of the rounds' medians."""
    runs = np.array([one["runs"] for one in told], float)
    means = np.array([one["mean"] for one in told])
    mean = np.average(means, weights=runs)
    # The mean of the squares of all times follows from each round's mean and deviation.
    squares = np.average([one["std"] ** 2 + one["mean"] ** 2 for one in told], weights=runs)
    values = {"p50": np.median([one["p50"] for one in told])} if all("p50" in one for one in told) else {}
    values |= {
        "mean": mean,
        "std": max(squares - mean**2, 0) ** 0.5,
        "min": min(one["min"] for one in told),
        "max": max(one["max"] for one in told),
    }
    return _rounded(values)


def _rounded(values):
    return {name: round(float(value), 4) for name, value in values.items()}
