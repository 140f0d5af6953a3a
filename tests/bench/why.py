"""What limits each target that is not met: a sentence, and every number in it is of the same run."""

# what the null server was asked for beside fealty, least first: the last is all that fealty must do besides deciding and storing
WRITES, READS, LATENCY = ("null", "null-sign", "null-flush"), ("null",), ("null-flush",)
BESIDE = {"purchase/64x1": WRITES, "purchase/512x1": WRITES, "purchase/64x16": WRITES, "batch/1000": WRITES, "balance/64x1": READS, "balance/64x16": READS,
          "half-of-64x1": LATENCY, "half-of-64x16": LATENCY}
DOES = {"null": "decides nothing and stores nothing", "null-sign": "decides nothing and stores nothing, but signs,",
        "null-flush": "decides nothing, but signs and flushes,"}
FULL = 0.9                      # of the time: a core or a thread that is busy for more has no more to give
UNKNOWN = "What limits it was not measured."


def percent(share):
    return f"{100 * share:.0f} %"


def work_of(name):
    """purchase/64x1 of fealty/purchase/64x1, half-of-64x1 of fealty/half-of-64x1/p99_ms."""
    return name.split("/", 1)[1].removesuffix("/p99_ms")


def kinds_of(name):
    """The kinds of null server that were measured beside fealty's ${name}."""
    return BESIDE.get(work_of(name), ()) if name.startswith("fealty/") else ()


def beside(name, kind):
    return f"{kind}/{name.split('/', 1)[1]}"


def needed(row):
    """What the row's figure would have to be."""
    return row.peer.number * (row.at_least if row.at_least is not None else row.at_most)


def busiest(figures, name):
    """(a kind of thread, how much of a core it has)"""
    prefix = f"{name}/thread/"
    shares = {n.removeprefix(prefix): figures.median(n) for n in figures.samples if n.startswith(prefix)}
    kind = max(shares, key=shares.get, default=None)
    return kind, shares.get(kind)


def flushing(figures, name):
    """The share of the time that the commits' flushes take, when each is two; None: it has none."""
    commits, flush_ms = figures.median(f"{name}/commits"), figures.median("limits/fdatasync_ms")
    return commits * 2 * flush_ms / 1e3 if commits and flush_ms else None


def cause(figures, name, cores):
    """What is full while ${name} is measured, or that nothing is; "" when that is not known."""
    rate, busy, daemon_us, load_us = (figures.median(n) for n in (name, f"{name}/busy", f"{name}/cpu_us", f"{name}/load_us"))
    thread, share = busiest(figures, name)
    if None in (rate, busy, daemon_us, load_us, share):
        return ""
    each = f"the daemon takes {daemon_us:.1f} µs and the load {load_us:.1f} µs for a command"
    if busy >= FULL:
        return f"the {cores} cores are full ({percent(busy)} busy): {each}"
    if rate * load_us / 1e6 >= FULL:
        return f"the load's one thread is full: {each}, and the cores are {percent(busy)} busy"
    if share >= FULL:
        return f"one thread, `{thread}`, is full ({percent(share)} busy), while the cores are {percent(busy)} busy"
    flushes = flushing(figures, name)
    waits = ""
    if flushes is not None:
        waits = ", and flushes fill the time" if flushes >= FULL else f", and two fdatasyncs for each commit are {percent(flushes)} of the time"
    return f"neither the cores ({percent(busy)} busy) nor a thread (`{thread}`, {percent(share)}) are full{waits}"


def with_cause(sentence, why):
    return f"{sentence}; {why}." if why else f"{sentence}."


def rate_sentence(figures, row, cores):
    kind = kinds_of(row.name)[-1]
    machine, own, need = figures.median(beside(row.name, kind)), figures.median(row.name), needed(row)
    if not machine:
        return UNKNOWN
    first = "Out of reach on this machine" if machine < need else "The machine allows it"
    return with_cause(f"{first}: a server that {DOES[kind]} reaches {machine:,.0f}/s, where {need:,.0f}/s are asked for, and fealty "
                      f"{percent(own / machine)} of it", cause(figures, row.name, cores))


def latency_sentence(figures, row, cores):
    kind = kinds_of(row.name)[-1]
    machine, own, need = figures.median(beside(row.name, kind)), figures.median(row.name), needed(row)
    if not machine:
        return UNKNOWN
    first = "Out of reach on this machine" if machine > need else "The machine allows it"
    return with_cause(f"{first}: at the same rate the p99 of a server that {DOES[kind]} is {machine:.2f} ms, where {need:.2f} ms are asked for, and "
                      f"fealty's is {own / machine:.1f} times as long", cause(figures, row.name.removesuffix("/p99_ms"), cores))


def audit_sentence(figures, row, cores):
    verify_us, whole_us = cores * 1e6 / row.peer.number, cores * 1e6 / figures.median(row.name)
    return (f"Of the {whole_us:.1f} µs of a core that a transaction takes, {verify_us:.1f} µs are its signature's; all else takes "
            f"{whole_us - verify_us:.1f} µs, for which the target leaves {verify_us / row.at_least - verify_us:.1f} µs.")


def growth_sentence(figures, row, begin):
    """Of growth/10000000/batch/wall_us, beside a ledger of ${begin} members."""
    _, members, work, _ = row.name.split("/")
    parts = [figures.median(f"growth/{members}/{of}/{cost}") for cost in ("wall_us", "cpu_us") for of in (work, f"{work}/begin")]
    thread, share = busiest(figures, f"growth/{members}/{work}")
    disk, disk_before = (figures.median(f"growth/{n}/disk_mib") for n in (members, begin))
    if None in (*parts, share, disk, disk_before):
        return UNKNOWN
    longer, more = parts[0] - parts[1], parts[2] - parts[3]
    kind = "it works more, and does not wait" if more >= FULL * longer else "the rest is waiting"
    return (f"A command takes {longer:.1f} µs longer and {more:.1f} µs more CPU time of the daemon: {kind}; its files have {disk:,.0f} MiB instead of "
            f"{disk_before:,.0f}, and its busiest thread, `{thread}`, is {percent(share)} busy.")


def sentence(figures, row, cores, growth_begin):
    """What limits ${row}, whose target is not met."""
    if kinds_of(row.name):
        return (latency_sentence if row.name.endswith("_ms") else rate_sentence)(figures, row, cores)
    if row.name == "audit/rate":
        return audit_sentence(figures, row, cores)
    if row.name.startswith("growth/"):
        return growth_sentence(figures, row, growth_begin)
    return UNKNOWN
