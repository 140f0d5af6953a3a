"""Instants, local dates and decimals.  An instant is an int of UTC microseconds, a day a datetime.date, an amount an int of its
smallest unit."""
import datetime as dt
import functools
import re
from zoneinfo import ZoneInfo

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)
SECOND = 1_000_000
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DIGITS = {"KRW": 0, "JPY": 0, "USD": 2, "EUR": 2, "CLP": 0, "BHD": 3, "KWD": 3, "AUD": 2, "PYG": 0, "BRL": 2}


def instant(text):
    when = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    delta = when - EPOCH
    return (delta.days * 86400 + delta.seconds) * SECOND + delta.microseconds


def instant_text(us):
    when = EPOCH + dt.timedelta(microseconds=us)
    text = when.strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{when.microsecond:06d}" if when.microsecond else "") + "Z"


def day_of(text):
    return dt.date.fromisoformat(text)


def duration(text):
    """`15m` in microseconds."""
    return int(text[:-1]) * UNITS[text[-1]] * SECOND


class Zone:
    def __init__(self, name):
        self.info = ZoneInfo(name)
        self.midnights = {}

    @functools.lru_cache(maxsize=65536)
    def local(self, us):
        """The naive local time of an instant."""
        return (EPOCH + dt.timedelta(microseconds=us)).astimezone(self.info).replace(tzinfo=None)

    def date(self, us):
        return self.local(us).date()

    def midnight(self, day):
        """The first instant of the local date."""
        found = self.midnights.get(day)
        if found is None:
            found = self.midnights[day] = self._midnight(day)
        return found

    def _midnight(self, day):
        naive = dt.datetime(day.year, day.month, day.day, tzinfo=self.info)
        guess = instant(naive.astimezone(dt.timezone.utc).isoformat())
        if self.date(guess) == day and self.date(guess - 1) < day:
            return guess
        low, high = guess - 6 * 3600 * SECOND, guess + 6 * 3600 * SECOND
        while high - low > 1:      # the first instant whose date is `day`
            middle = (low + high) // 2
            if self.date(middle) >= day:
                high = middle
            else:
                low = middle
        return high


@functools.lru_cache(maxsize=None)
def zone(name):
    return Zone(name)


def month_end(year, month):
    return (dt.date(year + month // 12, month % 12 + 1, 1)) - DAY


def add_months(day, months):
    """Clamped: 31 January + 1 month is 28 or 29 February."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return dt.date(year, month + 1, min(day.day, month_end(year, month + 1).day))


def round_up(day, to):
    span = {None: 0, "none": 0, "month": 1, "quarter": 3, "half_year": 6, "year": 12}[to]
    if span == 0:
        return day
    return month_end(day.year, (day.month - 1) // span * span + span)


def year_day(year, month, day):
    """The date of a year, 29 February clamped."""
    return dt.date(year, month, min(day, month_end(year, month).day))


class Malformed(Exception):
    pass


def decimal(text, digits):
    """A decimal in its smallest unit; surplus digits are an error."""
    match = re.fullmatch(r"(-?)(\d+)(?:\.(\d+))?", str(text))
    if not match:
        raise Malformed(f"{text} is no decimal")
    fraction = match[3] or ""
    if len(fraction) > digits:
        raise Malformed(f"{text} has surplus digits")
    value = int(match[2] + fraction.ljust(digits, "0"))
    return -value if match[1] else value


def decimal_text(value, digits):
    sign = "-" if value < 0 else ""
    text = str(abs(value)).rjust(digits + 1, "0")
    return sign + (f"{text[:-digits]}.{text[-digits:]}" if digits else text)
