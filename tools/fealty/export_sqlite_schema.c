/*
 * Points are integers in units of 10^-point_scale of their program, money integers in minor units, days text: as exact as the ledger.  `day` is
 * the day of an entry as reports have it, `business_date` that on which it happened.
 *
 * Views round as the reports do: divisions of integers go down where nothing is below zero.
 */
#include "export_sqlite.h"

const char export_sqlite_tables[] =
    "CREATE TABLE ledger (origin TEXT NOT NULL, size INTEGER NOT NULL, as_of TEXT);"
    "CREATE TABLE programs (program INTEGER PRIMARY KEY, id TEXT NOT NULL, name TEXT, version INTEGER NOT NULL, timezone TEXT NOT NULL,"
    " currency TEXT NOT NULL, currency_digits INTEGER NOT NULL, unit TEXT NOT NULL, point_scale INTEGER NOT NULL, today TEXT,"
    " cost_num INTEGER, cost_den INTEGER, expected_num INTEGER, expected_den INTEGER);"
    "CREATE TABLE tiers (program INTEGER NOT NULL, tier TEXT NOT NULL, rank INTEGER NOT NULL, PRIMARY KEY (program, tier)) WITHOUT ROWID;"
    /* prices in minor units for one unit of points; *_common: a denominator for the prices of all versions, NULL when there is none of 64 bits */
    "CREATE TABLE partners (program INTEGER NOT NULL, version INTEGER NOT NULL, partner TEXT NOT NULL, settlement TEXT NOT NULL,"
    " issue_num INTEGER NOT NULL, issue_den INTEGER NOT NULL, redeem_num INTEGER NOT NULL, redeem_den INTEGER NOT NULL,"
    " issue_common INTEGER, redeem_common INTEGER,"
    " PRIMARY KEY (program, version, partner)) WITHOUT ROWID;"
    "CREATE TABLE members (program INTEGER NOT NULL, member INTEGER NOT NULL, enrolled_day TEXT, standing TEXT NOT NULL, merged_into INTEGER,"
    " tier TEXT, earned_tier TEXT, tier_since TEXT, tier_until TEXT, gift_tier TEXT, gift_until TEXT, available INTEGER NOT NULL,"
    " pending INTEGER NOT NULL, held INTEGER NOT NULL, debt INTEGER NOT NULL, points_earned INTEGER NOT NULL, spend INTEGER NOT NULL,"
    " visits INTEGER NOT NULL, purchases INTEGER NOT NULL, PRIMARY KEY (program, member)) WITHOUT ROWID;"
    "CREATE TABLE lots (program INTEGER NOT NULL, member INTEGER NOT NULL, hold TEXT, last_day TEXT, inactivity INTEGER NOT NULL,"
    " class TEXT NOT NULL, points INTEGER NOT NULL);"
    "CREATE TABLE entries (seq INTEGER NOT NULL, idx INTEGER NOT NULL, program INTEGER NOT NULL, version INTEGER NOT NULL, op TEXT NOT NULL,"
    " principal TEXT NOT NULL, request_id TEXT, store TEXT, terminal TEXT, member INTEGER, at TEXT NOT NULL, day TEXT, business_date TEXT,"
    " occurred_at TEXT, committed_at TEXT NOT NULL, value INTEGER, activity TEXT, score INTEGER, past_seq INTEGER, past_idx INTEGER,"
    " PRIMARY KEY (seq, idx)) WITHOUT ROWID;"
    "CREATE TABLE postings (seq INTEGER NOT NULL, idx INTEGER NOT NULL, n INTEGER NOT NULL, program INTEGER NOT NULL, day TEXT NOT NULL,"
    " account TEXT NOT NULL, member INTEGER, points INTEGER NOT NULL, last_day TEXT, inactivity INTEGER NOT NULL, class TEXT,"
    " partner TEXT, PRIMARY KEY (seq, idx, n)) WITHOUT ROWID;"
    "CREATE TABLE purchases (seq INTEGER NOT NULL, idx INTEGER NOT NULL, program INTEGER NOT NULL, member INTEGER NOT NULL, day TEXT NOT NULL,"
    " business_date TEXT NOT NULL, store TEXT, partner TEXT, receipt_no TEXT, amount INTEGER NOT NULL, paid_with_points INTEGER NOT NULL,"
    " granted INTEGER NOT NULL, returned INTEGER NOT NULL DEFAULT 0, clawed INTEGER NOT NULL DEFAULT 0,"
    " wholly_returned INTEGER NOT NULL DEFAULT 0, price INTEGER NOT NULL DEFAULT 0, points_part INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY (seq, idx)) WITHOUT ROWID;"
    "CREATE TABLE returns (seq INTEGER NOT NULL, idx INTEGER NOT NULL, program INTEGER NOT NULL, member INTEGER NOT NULL, day TEXT NOT NULL,"
    " purchase_seq INTEGER NOT NULL, purchase_idx INTEGER NOT NULL, amount INTEGER NOT NULL, clawed INTEGER NOT NULL,"
    " wholly INTEGER NOT NULL, PRIMARY KEY (seq, idx)) WITHOUT ROWID;"
    "CREATE TABLE bgnbd (r REAL NOT NULL, alpha REAL NOT NULL, a REAL NOT NULL, b REAL NOT NULL);";

#define SUM_OF(account) "COALESCE(SUM(CASE account WHEN '" account "' THEN points END), 0)"

const char export_sqlite_views[] =
    "CREATE INDEX entries_member ON entries (program, member);"
    "CREATE INDEX postings_account ON postings (program, account, day);"
    "CREATE INDEX purchases_member ON purchases (program, member);"
    "CREATE INDEX lots_member ON lots (program, member);"

    /* who a member is by now */
    "CREATE VIEW member_now AS WITH RECURSIVE went (program, member, now) AS ("
    " SELECT program, member, member FROM members WHERE merged_into IS NULL"
    " UNION ALL SELECT m.program, m.member, w.now FROM went w JOIN members m ON m.program = w.program AND m.merged_into = w.member)"
    " SELECT program, member, now FROM went;"

    "CREATE VIEW report_rollforward AS WITH months AS (SELECT program, substr(day, 1, 7) AS month,"
    " SUM(CASE WHEN account IN ('member', 'pending', 'held', 'debt') THEN points ELSE 0 END) AS change,"
    " -" SUM_OF("issued") " AS issued, -" SUM_OF("reinstated") " AS reinstated, -" SUM_OF("redeemed") " AS redeemed,"
    " -" SUM_OF("expired") " AS expired, -" SUM_OF("clawed") " AS clawed, -" SUM_OF("adjusted") " AS adjusted,"
    " -" SUM_OF("transferred") " AS transferred, -" SUM_OF("advanced") " AS advanced, -" SUM_OF("opening") " AS opening_import,"
    " -" SUM_OF("partner_issued") " AS partner_issued, -" SUM_OF("partner_redeemed") " AS partner_redeemed"
    " FROM postings GROUP BY program, month)"
    " SELECT program, month, SUM(change) OVER w - change AS opening, issued, reinstated, redeemed, expired, clawed, adjusted, transferred,"
    " advanced, opening_import, partner_issued, partner_redeemed, SUM(change) OVER w AS closing"
    " FROM months WINDOW w AS (PARTITION BY program ORDER BY month);"

    "CREATE VIEW report_liability AS WITH sums AS (SELECT program, " SUM_OF("member") " AS available, " SUM_OF("pending") " AS pending, "
    SUM_OF("held") " AS held, -" SUM_OF("debt") " AS debt, " SUM_OF("redeemed") " + " SUM_OF("partner_redeemed") " + " SUM_OF("reinstated")
    " AS redeemed, " SUM_OF("expired") " AS expired FROM postings GROUP BY program),"
    " prices AS (SELECT program, SUM(price) AS price, SUM(points_part) AS points_part FROM purchases GROUP BY program),"
    /* e: what will be redeemed in total, at least what was and at most what can be; times expected_den */
    " expected AS (SELECT s.*, available + pending + held AS open, expected_num, expected_den, MAX(redeemed * expected_den,"
    " MIN((available + pending + held + redeemed + expired) * expected_num, (redeemed + available + pending + held) * expected_den)) AS e"
    " FROM sums s JOIN programs p ON p.program = s.program),"
    " shares AS (SELECT x.*, COALESCE(price, 0) AS price, COALESCE(points_part, 0) AS points_part, CASE WHEN e > 0"
    " THEN CAST(ROUND(1.0 * points_part * redeemed * expected_den / e) AS INTEGER) WHEN open = 0 THEN points_part ELSE 0 END AS recognised"
    " FROM expected x LEFT JOIN prices v ON v.program = x.program)"
    " SELECT s.program, p.today AS as_of, available, pending, held, open, debt, redeemed, expired, open * cost_num / cost_den AS cost_full,"
    " open * cost_num * p.expected_num / (cost_den * p.expected_den) AS cost_expected, price,"
    " CASE WHEN cost_num IS NOT NULL THEN price - points_part END AS ifrs_goods, CASE WHEN cost_num IS NOT NULL THEN points_part END AS ifrs_points,"
    " CASE WHEN cost_num IS NOT NULL THEN recognised END AS ifrs_recognised,"
    " CASE WHEN cost_num IS NOT NULL THEN points_part - recognised END AS ifrs_deferred"
    " FROM shares s JOIN programs p ON p.program = s.program;"

    /*
     * Each posting at the price of its version; of what comes back, of the version of what it takes back.  What one version priced is an integer and
     * a rest below one, in parts of the common denominator; these are added up, and rounded down once.  Products are taken in two halves of 20
     * bits; SQLite goes over to floating point when one does not fit all the same: then, and without a common denominator, there is no amount
     * rather than one that is not exact.
     */
    "CREATE VIEW report_settlement AS WITH priced AS (SELECT p.program, substr(p.day, 1, 7) AS month, p.partner, p.account = 'partner_issued' AS issue,"
    " CASE p.account WHEN 'partner_issued' THEN -p.points ELSE p.points END AS points, COALESCE(x.version, e.version) AS version"
    " FROM postings p JOIN entries e ON e.seq = p.seq AND e.idx = p.idx LEFT JOIN entries x ON x.seq = e.past_seq AND x.idx = e.past_idx"
    " WHERE p.account IN ('partner_issued', 'partner_redeemed')),"
    " sums AS (SELECT program, month, partner, issue, version, SUM(points) AS points, SUM(CASE WHEN points < 0 THEN -points ELSE 0 END) AS back"
    " FROM priced GROUP BY 1, 2, 3, 4, 5),"
    " prices AS (SELECT s.*, CASE WHEN issue THEN issue_num ELSE redeem_num END AS num, CASE WHEN issue THEN issue_den ELSE redeem_den END"
    " AS den, CASE WHEN issue THEN issue_common ELSE redeem_common END AS common FROM sums s JOIN partners t ON t.program = s.program"
    " AND t.version = s.version AND t.partner = s.partner),"
    " steps AS (SELECT *, points % den AS over, num % den AS fraction FROM prices),"
    " halves AS (SELECT *, over / 1048576 * fraction AS high, over % 1048576 * fraction AS low FROM steps),"
    " parts AS (SELECT *, points / den * num + over * (num / den) + high / den * 1048576 + (high % den * 1048576 + low) / den AS whole,"
    " (high % den * 1048576 + low) % den * (common / den) AS rest FROM halves),"
    " amounts AS (SELECT program, month, partner, issue, MAX(version) AS version, SUM(points) AS points, SUM(back) AS back,"
    " SUM(typeof(whole) = 'integer' AND typeof(rest) = 'integer') = COUNT(*) AS exact,"
    " SUM(whole) AS whole, SUM(rest) AS rest, MAX(common) AS common FROM parts GROUP BY 1, 2, 3, 4),"
    " floors AS (SELECT *, CASE WHEN exact THEN whole + (rest - (rest % common + common) % common) / common END AS amount FROM amounts)"
    " SELECT f.program, month, f.partner, settlement, SUM(CASE WHEN issue THEN points ELSE 0 END) AS issued,"
    " SUM(CASE WHEN issue THEN back ELSE 0 END) AS returned,"
    " CASE WHEN COUNT(CASE WHEN issue AND amount IS NULL THEN 1 END) = 0 THEN SUM(CASE WHEN issue THEN amount ELSE 0 END) END AS issued_amount,"
    " SUM(CASE WHEN issue THEN 0 ELSE points END) AS redeemed, SUM(CASE WHEN issue THEN 0 ELSE back END) AS reversed,"
    " CASE WHEN COUNT(CASE WHEN NOT issue AND amount IS NULL THEN 1 END) = 0 THEN SUM(CASE WHEN issue THEN 0 ELSE amount END) END AS redeemed_amount"
    " FROM floors f JOIN partners t ON t.program = f.program AND t.version = f.version AND t.partner = f.partner GROUP BY 1, 2, 3;"

    /* a month's figures, by the days of entries */
    "CREATE VIEW report_kpi AS WITH months AS (SELECT DISTINCT program, substr(day, 1, 7) AS month FROM entries WHERE program > 0),"
    " bought AS (SELECT p.program, substr(p.day, 1, 7) AS month, m.now AS member, COUNT(*) AS n FROM purchases p"
    " JOIN member_now m ON m.program = p.program AND m.member = p.member"
    " WHERE NOT EXISTS (SELECT 1 FROM returns r WHERE r.purchase_seq = p.seq AND r.purchase_idx = p.idx AND r.wholly"
    " AND substr(r.day, 1, 7) = substr(p.day, 1, 7)) GROUP BY 1, 2, 3),"
    " buyers AS (SELECT program, month, SUM(n) AS purchases, COUNT(*) AS purchasers, SUM(n > 1) AS repeat_purchasers FROM bought GROUP BY 1, 2),"
    " spent AS (SELECT program, substr(day, 1, 7) AS month, SUM(amount) AS spend FROM"
    " (SELECT program, day, amount FROM purchases UNION ALL SELECT program, day, -amount FROM returns) GROUP BY 1, 2),"
    " joined AS (SELECT program, substr(day, 1, 7) AS month, COUNT(*) AS enrolled FROM entries WHERE op = 'enrol' GROUP BY 1, 2),"
    " moved AS (SELECT program, month, issued + partner_issued + clawed AS issued, -(redeemed + partner_redeemed + reinstated) AS redeemed,"
    " -expired AS expired FROM report_rollforward)"
    " SELECT m.program, m.month, COALESCE(enrolled, 0) AS members_enrolled, COALESCE(purchases, 0) AS purchases, COALESCE(spend, 0) AS spend,"
    " COALESCE(purchasers, 0) AS purchasers, COALESCE(repeat_purchasers, 0) AS repeat_purchasers,"
    " ROUND(100.0 * repeat_purchasers / purchasers, 2) AS repeat_purchase_rate, ROUND(1.0 * purchases / purchasers, 2) AS purchase_frequency,"
    " COALESCE(issued, 0) AS points_issued, COALESCE(redeemed, 0) AS points_redeemed, COALESCE(expired, 0) AS points_expired,"
    " ROUND(100.0 * redeemed / NULLIF(issued, 0), 2) AS redemption_rate, ROUND(100.0 * expired / NULLIF(issued, 0), 2) AS breakage_rate"
    " FROM months m LEFT JOIN buyers b ON b.program = m.program AND b.month = m.month LEFT JOIN spent s ON s.program = m.program AND s.month = m.month"
    " LEFT JOIN joined j ON j.program = m.program AND j.month = m.month LEFT JOIN moved v ON v.program = m.program AND v.month = m.month;"

    "CREATE VIEW report_nps AS SELECT program, activity, substr(day, 1, 7) AS month, COUNT(*) AS responses,"
    " ROUND(100.0 * SUM((score >= 9) - (score <= 6)) / COUNT(*), 2) AS nps FROM entries WHERE score BETWEEN 0 AND 10 GROUP BY 1, 2, 3;"

    "CREATE VIEW report_tiers AS SELECT program, tier, COUNT(*) AS members FROM members WHERE standing <> 'closed' AND tier IS NOT NULL"
    " GROUP BY program, tier;"

    /* a day with a purchase that was not wholly returned, of who the buyer is by now */
    "CREATE VIEW purchase_days AS SELECT p.program, m.now AS member, business_date AS day, SUM(NOT wholly_returned) AS visits,"
    " SUM(amount - returned) AS spend FROM purchases p JOIN member_now m ON m.program = p.program AND m.member = p.member"
    " JOIN members c ON c.program = m.program AND c.member = m.now AND c.standing <> 'closed' GROUP BY 1, 2, 3;"

    "CREATE VIEW report_rfm AS WITH buyers AS (SELECT d.program, member, MAX(CASE WHEN visits > 0 THEN day END) AS last_day, SUM(visits) AS frequency,"
    " SUM(spend) AS monetary FROM purchase_days d GROUP BY 1, 2 HAVING SUM(visits) > 0),"
    " scores AS (SELECT b.*, 1 + 5 * (RANK() OVER (PARTITION BY program ORDER BY last_day) - 1) / COUNT(*) OVER all_of AS r,"
    " 1 + 5 * (RANK() OVER (PARTITION BY program ORDER BY frequency) - 1) / COUNT(*) OVER all_of AS f,"
    " 1 + 5 * (RANK() OVER (PARTITION BY program ORDER BY monetary) - 1) / COUNT(*) OVER all_of AS m"
    " FROM buyers b WINDOW all_of AS (PARTITION BY program))"
    " SELECT s.program, member AS member_no, last_day, CAST(julianday(p.today) - julianday(last_day) AS INTEGER) AS recency_days, frequency,"
    " monetary, r, f, m, CASE WHEN r <= 2 THEN CASE WHEN f <= 2 THEN 'hibernating' WHEN f <= 4 THEN 'at_risk' ELSE 'cannot_lose' END"
    " WHEN r = 3 THEN CASE WHEN f <= 2 THEN 'about_to_sleep' WHEN f = 3 THEN 'need_attention' ELSE 'loyal' END"
    " WHEN f = 1 THEN CASE r WHEN 4 THEN 'promising' ELSE 'new' END WHEN f <= 3 THEN 'potential_loyal'"
    " WHEN r = 4 THEN 'loyal' ELSE 'champions' END AS segment FROM scores s JOIN programs p ON p.program = s.program;"

    /* p_alive is there once the table bgnbd has a row of parameters, in weeks */
    "CREATE VIEW report_churn AS WITH lives AS (SELECT d.program, member, MIN(day) AS first_day, MAX(day) AS last_day, COUNT(*) - 1 AS repeats"
    " FROM purchase_days d WHERE visits > 0 GROUP BY 1, 2),"
    " days AS (SELECT l.*, CAST(julianday(last_day) - julianday(first_day) AS INTEGER) AS t_x_days,"
    " CAST(julianday(p.today) - julianday(first_day) AS INTEGER) AS t_days, CAST(julianday(p.today) - julianday(last_day) AS INTEGER) AS away_days"
    " FROM lives l JOIN programs p ON p.program = l.program)"
    " SELECT d.program, member AS member_no, first_day, last_day, repeats, t_x_days, t_days, away_days,"
    " ROUND(1.0 * t_x_days / NULLIF(repeats, 0), 1) AS mean_gap_days, CASE WHEN repeats > 0 THEN away_days * repeats > 2 * t_x_days END AS overdue,"
    " CASE WHEN g.r IS NULL THEN NULL WHEN repeats = 0 THEN 1.0 ELSE ROUND(1 / (1 + g.a / (g.b + repeats - 1)"
    " * pow((g.alpha + t_days / 7.0) / (g.alpha + t_x_days / 7.0), g.r + repeats)), 4) END AS p_alive FROM days d LEFT JOIN bgnbd g;";
