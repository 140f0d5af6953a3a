"""The table of ratios, written from what was measured: no number in RESULTS.md is typed by anybody, but the targets and TigerBeetle's."""
import postgresql
import why
from figures import Figures

TIGERBEETLE_PER_SECOND = 119_000
PG_PURCHASES = [f"postgresql/purchase/{clients}" for clients in postgresql.CLIENTS]
GROWN = (1_000_000, 10_000_000)
GROWTH_BEGIN = 10_000
GROWTH_BATCH_SECONDS = 8         # a commit of batches is 26 000 commands and more: in two seconds there are four or five
GROWTH_WORK = (("purchase", "single purchases, 64 connections × 16"), ("batch", "purchases in batches of 1 000"), ("balance", "balance queries, 64 × 16"))
LOADED = 0.2                    # of the cores: a load average above it at the beginning spoils what is measured


class Value:
    """A number to compare with; None when it was not measured."""

    def __init__(self, number, note=""):
        self.number, self.note = number, note


def measured(figures, name, factor=1.0, note=""):
    median = figures.median(name)
    return Value(None if median is None else median * factor, note)


def best_of(figures, names, what):
    name = figures.best(names)
    return Value(None) if name is None else measured(figures, name, note=f"{what} {name.rsplit('/', 1)[1]}")


def flush_limit(figures, in_flight):
    flush_ms = figures.median("limits/fdatasync_ms")
    if flush_ms is None:
        return Value(None)
    return Value(in_flight / (2 * flush_ms / 1e3), f"{in_flight} ÷ (2 × {flush_ms:.3g} ms)")


def times_cores(figures, name, cores):
    return measured(figures, name, cores, f"{cores} × {figures.median(name):,.0f}" if figures.median(name) else "")


class Row:
    """${name}: ours; ${peer}: a Value to compare with; ${at_least} or ${at_most}: how many times that ours should be; neither: only told."""

    def __init__(self, work, name, against, peer, unit="/s", at_least=None, at_most=None):
        self.work, self.name, self.against, self.peer, self.unit = work, name, against, peer, unit
        self.at_least, self.at_most = at_least, at_most

    def ratio(self, figures):
        own = figures.median(self.name)
        if own is None or self.peer.number is None or self.peer.number == 0:
            return None
        return own / self.peer.number

    def has_target(self):
        return self.at_least is not None or self.at_most is not None

    def met(self, figures):
        """None: there is no target, or it could not be measured."""
        ratio = self.ratio(figures)
        if ratio is None or not self.has_target():
            return None
        return ratio >= self.at_least if self.at_least is not None else ratio <= self.at_most

    def target(self):
        if self.at_least is not None:
            return f"≥ {self.at_least:g} ×"
        return f"≤ {self.at_most:g} ×" if self.at_most is not None else ""


def purchase_rows(figures, cores):
    best = best_of(figures, PG_PURCHASES, "clients:")
    signing = times_cores(figures, "limits/sign_one", cores)
    return [
        Row("single purchases, 64 connections", "fealty/purchase/64x1", "flush limit", flush_limit(figures, 64), at_least=0.8),
        Row("", "fealty/purchase/64x1", "what the cores sign", signing),
        Row("", "fealty/purchase/64x1", "PostgreSQL, 64 clients", measured(figures, "postgresql/purchase/64"), at_least=1.5),
        Row("", "fealty/purchase/64x1", "PostgreSQL's best", best),
        Row("", "fealty/purchase/64x1", "Redis, 64 clients", measured(figures, "redis/purchase/64x1")),
        Row("single purchases, 512 connections", "fealty/purchase/512x1", "PostgreSQL's best", best, at_least=4),
        Row("", "fealty/purchase/512x1", "PostgreSQL, 512 clients", measured(figures, "postgresql/purchase/512")),
        Row("", "fealty/purchase/512x1", "Redis, 512 clients", measured(figures, "redis/purchase/512x1"), at_least=1),
        Row("purchases pipelined, 64 connections × 16", "fealty/purchase/64x16", "what the cores sign", signing, at_least=0.6),
        Row("", "fealty/purchase/64x16", "Redis, 64 × 16", measured(figures, "redis/purchase/64x16")),
    ]


def other_rows(figures):
    tigerbeetle = Value(TIGERBEETLE_PER_SECOND, "June 2024 build, published, unsigned")
    rows = [
        Row("batches of 1 000", "fealty/batch/1000", "TigerBeetle", tigerbeetle, at_least=1),
        Row("", "fealty/batch/1000", "TigerBeetle, the next aim", tigerbeetle, at_least=2),
    ]
    rows += [Row(f"batches of {size}", f"fealty/batch/{size}", "TigerBeetle", tigerbeetle) for size in (100, 10, 1)]
    for depth in (1, 16):
        rows.append(Row(f"balance queries, 64 connections × {depth}", f"fealty/balance/64x{depth}", "Redis HGET",
                        measured(figures, f"redis/balance/64x{depth}"), at_least=1))
        if depth == 1:
            rows.append(Row("", "fealty/balance/64x1", "PostgreSQL SELECT, 64 clients", measured(figures, "postgresql/balance/64")))
    flush = measured(figures, "limits/fdatasync_ms")
    for load, what in (("64x1", "64 connections"), ("64x16", "64 × 16")):
        rows.append(Row(f"p99 of a purchase, open loop at half of what {what} reach", f"fealty/half-of-{load}/p99_ms", "fdatasync", flush, " ms", at_most=6))
    return rows


def slow_rows(figures, cores):
    rows = [
        Row("audit: replay and verify", "audit/rate", "what the cores verify", measured(figures, "audit/verify_rate"), at_least=0.9),
        Row("", "audit/rate", "cores × one core's rate", times_cores(figures, "limits/verify_one", cores)),
        Row("audit by hashes alone", "audit/hashes_rate", "300 000 transactions a second", Value(300_000.0), at_least=1),
        Row("restart after kill -9, 1 M members", "restart/1000000/seconds", "1 s", Value(1.0), " s", at_most=1),
    ]
    for members in GROWN:
        for work, words in GROWTH_WORK:
            for cost, what in (("wall_us", "time"), ("cpu_us", "CPU time")):
                rows.append(Row(f"growth to {members:,} members: {what} of a command; {words}", f"growth/{members}/{work}/{cost}",
                                f"at {GROWTH_BEGIN:,} members", measured(figures, f"growth/{members}/{work}/begin/{cost}"), " µs",
                                at_most=2 if members == GROWN[-1] else None))
    return rows


NULL_WORDS = {"null": "null server", "null-sign": "null server, signing", "null-flush": "null server, signing and flushing"}


def with_limits(figures, rows):
    """Behind what is not met, once for each figure, what a server reaches that decides nothing."""
    missed = {row.name: row for row in rows if row.met(figures) is False}
    found = []
    for row in rows:
        found.append(row)
        if missed.get(row.name) is row:
            found += [Row("", row.name, NULL_WORDS[kind], measured(figures, why.beside(row.name, kind)), row.unit) for kind in why.kinds_of(row.name)]
    return found


def target_rows(figures, cores):
    return with_limits(figures, purchase_rows(figures, cores) + other_rows(figures) + slow_rows(figures, cores))


# ---- text ----

def number_text(number, unit=""):
    if number is None:
        return "—"
    digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2 if abs(number) >= 1 else 3
    return f"{number:,.{digits}f}{unit}"


def figure_text(figures, name, unit=""):
    median, spread = figures.median(name), figures.spread(name)
    if median is None:
        return "missing"
    if len(figures.samples[name]) == 1:
        return number_text(median, unit)
    return f"{number_text(median, unit)} ({number_text(spread[0])} … {number_text(spread[1])})"


def peer_text(row):
    if row.peer.number is None:
        return "missing"
    return number_text(row.peer.number, row.unit) + (f" ({row.peer.note})" if row.peer.note else "")


def verdict(row, figures):
    if not row.has_target():
        return ""
    return {True: "yes", False: "**NOT MET**", None: "not measured"}[row.met(figures)]


def plural(n, word):
    return f"{n} {word}" + ("" if n == 1 else "s")


def table(head, rows):
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in cells), ""]


def ratio_table(figures, rows):
    lines = []
    for row in rows:
        ratio = row.ratio(figures)
        lines.append([row.work, figure_text(figures, row.name, row.unit), row.against, peer_text(row), "—" if ratio is None else f"{ratio:.2f} ×",
                      row.target(), verdict(row, figures)])
    return table(["work", "fealty", "beside", "that", "ratio", "target", "met"], lines)


def summary(figures, rows, cores):
    """What is not met and what limits it, and what is not known, before all else."""
    works, work = [], ""
    for row in rows:
        work = row.work or work
        works.append((work, row))
    missed = [(work, row) for work, row in works if row.met(figures) is False]
    unknown = sum(row.has_target() and row.met(figures) is None for row in rows)
    met = sum(row.met(figures) is True for row in rows)
    lines = [f"{plural(met, 'target')} met, **{len(missed)} not met**, {unknown} not measured.", ""]
    lines += [f"- **NOT MET**: {work}: {row.ratio(figures):.2f} × {row.against}, where {row.target()} is the target. "
              f"{why.sentence(figures, row, cores, GROWTH_BEGIN)}" for work, row in missed]
    return lines + ([""] if missed else [])


LOADS = (("purchase/64x1", "single purchases, 64 connections"), ("purchase/512x1", "single purchases, 512 connections"),
         ("purchase/64x16", "pipelined, 64 × 16"), ("batch/1000", "batches of 1 000"), ("balance/64x1", "balance, 64 connections"),
         ("balance/64x16", "balance, 64 × 16"))


def tls_table(figures):
    rows = []
    for work, words in LOADS:
        plain, tls = figures.median(f"fealty/{work}"), figures.median(f"fealty-tls/{work}")
        rows.append([words, figure_text(figures, f"fealty/{work}", "/s"), figure_text(figures, f"fealty-tls/{work}", "/s"),
                     f"{tls / plain:.2f} ×" if plain and tls else "—"])
    return table(["work", "UNIX socket", "TCP with mutual TLS 1.3", "ratio"], rows)


def latency_table(figures):
    names = [f"{who}/{work}" for who in ("fealty", "fealty-tls") for work in [load for load, _ in LOADS] + ["half-of-64x1", "half-of-64x16"]]
    names += [f"{kind}/{work}" for work, kinds in why.BESIDE.items() for kind in kinds]
    names += PG_PURCHASES + ["postgresql/balance/64"]
    names += [f"redis/{work}" for work in ("purchase/64x1", "purchase/512x1", "purchase/64x16", "purchase/512x16", "balance/64x1", "balance/64x16")]
    rows = [[name, figure_text(figures, name, "/s"), figure_text(figures, f"{name}/p50_ms", " ms"), figure_text(figures, f"{name}/p99_ms", " ms"),
             *(number_text(figures.median(f"{name}/{part}"), unit) for part, unit in (("commits", "/s"), ("together", ""), ("cpu_us", " µs")))]
            for name in names]
    return table(["who, what, connections × in flight on each", "rate", "p50", "p99", "commits", "commands of a commit", "the daemon's CPU for a command"],
                 rows)


def limit_table(figures):
    rows = [[words, figure_text(figures, f"limits/{name}", unit)] for name, words, unit in (
        ("sign_one", "Ed25519 signatures, one core", "/s"), ("sign_all", "Ed25519 signatures, all cores", "/s"),
        ("verify_one", "Ed25519 verifications, one core", "/s"), ("verify_all", "Ed25519 verifications, all cores", "/s"),
        ("fdatasync_ms", "fdatasync after 4 KiB appended, mean", " ms"), ("fdatasync_p50_ms", "the same, p50", " ms"),
        ("fdatasync_p99_ms", "the same, p99", " ms"), ("fdatasync_in_place_ms", "fdatasync after 4 KiB overwritten, mean", " ms"),
        ("page_copy_near_ns", "4 KiB copied at random within 1 MiB", " ns"), ("page_copy_far_ns", "4 KiB copied at random within 1 GiB", " ns"))]
    rows += [[f"LMDB append, 256-byte records, {size} in a transaction, {how}", figure_text(figures, f"limits/lmdb/{kind}/{size}", "/s")]
             for kind, how in (("synced", "default sync"), ("unsynced", "MDB_NOSYNC")) for size in (1, 100, 1000)]
    return table(["limit of the machine", ""], rows)


def memory_table(figures, idle):
    rows = []
    for members in (GROWTH_BEGIN, *GROWN):
        rows.append([f"{members:,} members, after the load"] +
                    [figure_text(figures, f"memory/{members}/{part}_mib", " MiB") for part in ("rss", "anon", "file")])
    rows.append(["at rest, just started"] + [figure_text(figures, f"memory/rest/{part}_mib", " MiB") for part in ("rss", "anon", "file")])
    for door, words in (("unix", "UNIX socket"), ("tls", "mutual TLS")):
        rows.append([f"with {idle:,} idle connections, {words}"] +
                    [figure_text(figures, f"memory/idle-{door}/{part}_mib", " MiB") for part in ("rss", "anon", "file")])
    lines = table(["", "RSS", "of it anonymous", "of it page cache of the maps"], rows)
    costs = [f"{figure_text(figures, f'memory/idle-{door}/connection_kib', ' KiB')} ({words})" for door, words in
             (("unix", "UNIX socket"), ("tls", "mutual TLS"))]
    lines += [f"A connection that is idle costs {' and '.join(costs)} of anonymous memory, buffers of the kernel apart.", ""]
    sizes = [f"{members:,} members: {figure_text(figures, f'growth/{members}/disk_mib', ' MiB')}" for members in (GROWTH_BEGIN, *GROWN)]
    return lines + [f"On disk, snapshots apart: {'; '.join(sizes)}.", ""]


def machine_lines(facts):
    lines = [f"- {name}: {value}" for name, value in facts["machine"].items()]
    load, cores = facts["load_average"], facts["cores"]
    lines.append(f"- load average at the beginning: {load:.2f}")
    lines += [f"- {name}: {value}" for name, value in facts["versions"].items()]
    lines.append(f"- {facts['date']}, `{facts['command']}`, {plural(facts['rounds'], 'round')} of {facts['seconds']:g} s each, "
                 f"{plural(max(1, round(facts['took_seconds'] / 60)), 'minute')} in all")
    if load > LOADED * cores:
        lines += ["", f"**The machine was busy before this began (load average {load:.2f} on {cores} cores): do not take these numbers for fealty's, "
                  "or its peers'.**"]
    if facts["quick"]:
        lines += ["", "**A quick run: it shows that everything works, and the figures spread more than those of a full one.**"]
    return lines + [""]


def first_purchases(figures):
    """What each of them took."""
    costs = [[figure_text(figures, f"growth/{members}/first/{cost}", " µs") for cost in ("wall_us", "cpu_us")] for members in (GROWTH_BEGIN, *GROWN)]
    return ", ".join(f"{wall} each ({cpu} of CPU) with {members:,} members" for members, (wall, cpu) in zip((GROWTH_BEGIN, *GROWN), costs))


def how_lines(facts, figures):
    settings = {name: ", ".join(f"{key} = {value or 'none'}" for key, value in of.items()) for name, of in facts["settings"].items()}
    return [
        f"Each figure is the median of {plural(facts['rounds'], 'round')}, with the least and the most; in a round fealty and its peers take turns. "
        "All load comes from this machine, and all connections are to UNIX sockets, but those with TLS. There are 10 000 members, taken at random. "
        "An answer to a write says that it is on the disk, with all three; fealty signs each transaction besides.", "",
        "- fealty: `fealty-bench`, one thread, batches by 16 connections with 2 in flight. The load is one principal from one address; their limits, which "
        f"hold by TCP alone, are raised for it: {settings['fealty']}.",
        f"- PostgreSQL: `purchase.sql`, `pgbench -M prepared -n -f`, 2 threads; {settings['postgresql']}.",
        f"- Redis: `purchase.lua`, `redis-benchmark`, one thread; {settings['redis']}.",
        f"- TigerBeetle was not measured here: {TIGERBEETLE_PER_SECOND:,} transfers a second is what its build of June 2024 is published with, unsigned.",
        "- The flush limit is what 64 commands in flight reach when each round waits for one commit, and a commit for two fdatasyncs (of 4 KiB, appended).",
        "- The null server (`null_server.c`) is what fealty is without its ledger, by the same network loops, signers and load: it reads a frame and "
        "answers it with one as long. Signing, it signs each purchase or batch by fealty's pool in front of that; flushing, it appends what was queued "
        "meanwhile, as many bytes as fealty's ledger gets, and flushes twice, while the next are signed. It stands beside what is not met. \"Busy\" is of "
        "the time: cores by /proc/stat, threads by their processor time.",
        "- Half load is an open loop: purchases at random moments (Poisson), as many a second as half of what the closed loop reached in the same round, the "
        "null server's as half of fealty's.",
        f"- Growth is one ledger that grows, beside one that stays with {GROWTH_BEGIN:,} members; in a round they take turns. Members are enrolled in batches. "
        "Then as many purchases are made in batches of 1 000 as there are members, each by a member taken at random, so that what is measured next "
        "are not the first ones, after which a record is longer. These took "
        f"{first_purchases(figures)}. In batches the small ledger took {figure_text(figures, f'growth/{GROWTH_BEGIN}/batch/wall_us', ' µs')} for a purchase "
        f"({figure_text(figures, f'growth/{GROWTH_BEGIN}/batch/cpu_us', ' µs')} of CPU) when it was new and alone, before the other was begun; no ratio is "
        f"of that. Batches are measured for {GROWTH_BATCH_SECONDS} s each at least, since a commit of "
        "theirs is 26 000 commands and takes up to half a second; restart is from kill -9 under load until `/readyz` says 200. Their daemons make no "
        "snapshots of the derived state (`--snapshot-seconds 0`): while one is made commands cost more, and with ten million members it would fall on this "
        "work or on that.", ""]


def results(facts, figures: Figures):
    """The text of RESULTS.md."""
    rows = target_rows(figures, facts["cores"])
    lines = ["# fealty beside what people would use instead", "", "Written by `tests/bench/run`, which measures all of it in one run on one machine. "
             "Do not edit; run it again.", ""]
    lines += machine_lines(facts)
    lines += ["## Targets", ""] + summary(figures, rows, facts["cores"]) + ratio_table(figures, rows)
    lines += ["## How", ""] + how_lines(facts, figures)
    lines += ["## With and without TLS", ""] + tls_table(figures)
    lines += ["## Rates and latencies", ""] + latency_table(figures)
    lines += ["## What the machine allows", ""] + limit_table(figures)
    lines += ["## Memory and disk", ""] + memory_table(figures, facts["idle_connections"])
    if figures.missing:
        lines += ["## What could not be measured", ""] + [f"- {prefix}: {reason}" for prefix, reason in sorted(figures.missing.items())] + [""]
    return "\n".join(lines).rstrip("\n") + "\n"


def as_json(facts, figures):
    """What --json writes: all samples, and the rows as they were judged."""
    rows, work = [], ""
    for row in target_rows(figures, facts["cores"]):
        work = row.work or work
        rows.append({"work": work, "figure": row.name, "fealty": figures.median(row.name), "beside": row.against, "that": row.peer.number,
                     "ratio": row.ratio(figures), "at_least": row.at_least, "at_most": row.at_most, "met": row.met(figures)})
    return {**facts, "rows": rows, "samples": figures.samples, "missing": figures.missing}
