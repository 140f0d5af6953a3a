// Instants are microseconds since 1970-01-01 UTC on the wire and RFC 3339 here; dates are days since 1970-01-01 and YYYY-MM-DD.
// What cannot be said in four digits of a year is an error in both directions.

const DAY_MS = 86400000;
const INSTANT = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const DAY = /^(\d{4})-(\d\d)-(\d\d)$/;

/** Days since 1970 of "YYYY-MM-DD"; undefined when it is no date. */
export function parseDay(text) {
	const m = typeof text === "string" ? DAY.exec(text) : null;
	if (m === null || m[1] === "0000")
		return undefined;
	const date = new Date(0);
	date.setUTCFullYear(Number(m[1]), Number(m[2]) - 1, Number(m[3]));
	const same = date.getUTCFullYear() === Number(m[1]) && date.getUTCMonth() === Number(m[2]) - 1 && date.getUTCDate() === Number(m[3]);
	return same ? date.getTime() / DAY_MS : undefined;
}

/** "YYYY-MM-DD"; undefined outside of the years 1 to 9999. */
export function formatDay(days) {
	const date = new Date(days * DAY_MS);
	const year = date.getUTCFullYear();

	return year >= 1 && year <= 9999 ? date.toISOString().slice(0, 10) : undefined;
}

/** Microseconds (bigint) of a Date or an RFC 3339 text; undefined when it is none. */
export function parseInstant(value) {
	if (value instanceof Date)
		return Number.isNaN(value.getTime()) ? undefined : BigInt(value.getTime()) * 1000n;
	const m = typeof value === "string" ? INSTANT.exec(value) : null;
	const days = m === null ? undefined : parseDay(m[1]);
	if (days === undefined)
		return undefined;
	const [hour, minute, second, offsetHour, offsetMinute] = [m[2], m[3], m[4], m[7] ?? "0", m[8] ?? "0"].map(Number);
	if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59)
		return undefined;
	const offset = (offsetHour * 60 + offsetMinute) * (m[6] === "-" ? -1 : 1);
	const seconds = days * 86400 + (hour * 60 + minute - offset) * 60 + second;
	return BigInt(seconds) * 1000000n + BigInt((m[5] ?? "").padEnd(6, "0"));
}

/** RFC 3339 in UTC, with six digits of a second when there are any; undefined outside of the years 1 to 9999. */
export function formatInstant(us) {
	const fraction = ((us % 1000000n) + 1000000n) % 1000000n;
	const date = new Date(Number((us - fraction) / 1000n));
	const year = date.getUTCFullYear();

	if (!(year >= 1 && year <= 9999))
		return undefined;
	return date.toISOString().slice(0, 19) + (fraction === 0n ? "" : `.${String(fraction).padStart(6, "0")}`) + "Z";
}
