"""Marks of a case, and what it may say.  A case is a function test_*(world); see README.md of tests/ for how to run one."""


def long(function):
    """Only with --long."""
    function.long = True
    return function


def seconds(limit):
    """May take so long (60 s otherwise)."""
    def mark(function):
        function.seconds = limit
        return function
    return mark


def reduced(function):
    """Also in the reduced set, which ThreadSanitizer runs."""
    function.reduced = True
    return function


def alone(function):
    """No other case runs meanwhile: it measures what others would disturb."""
    function.alone = True
    return function


def plain_build(function):
    """Not under a sanitizer: it measures, or preloads a library."""
    function.plain_build = True
    return function


def tell(text):
    """A line that is printed also when the case passes: how much it tried."""
    print(f"told: {text}", flush=True)
