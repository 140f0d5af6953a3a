"""What was measured: samples by name, a median of them, and what could not be measured and why."""
import statistics


class Figures:
    """A name is SUBJECT/WORK/... with its unit at the end, when it is no rate: redis/balance/64x16, fealty/half/p99_ms."""

    def __init__(self, samples=None, missing=None):
        self.samples = {name: list(values) for name, values in (samples or {}).items()}
        self.missing = dict(missing or {})

    def add(self, name, value):
        self.samples.setdefault(name, []).append(float(value))

    def miss(self, prefix, reason):
        """Nothing below ${prefix} could be measured; the first reason stays."""
        self.missing.setdefault(prefix, reason)

    def median(self, name):
        """None: it was not measured."""
        values = self.samples.get(name)
        return statistics.median(values) if values else None

    def spread(self, name):
        """(least, most); None: it was not measured."""
        values = self.samples.get(name)
        return (min(values), max(values)) if values else None

    def best(self, names):
        """The name with the greatest median; None: none was measured."""
        measured = [name for name in names if self.median(name) is not None]
        return max(measured, key=self.median) if measured else None

    def reason(self, name):
        """Why ${name} was not measured, by the longest prefix that says so."""
        prefixes = [p for p in self.missing if name == p or name.startswith(p + "/")]
        return self.missing[max(prefixes, key=len)] if prefixes else "not measured"
