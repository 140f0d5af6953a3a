// The books of a ledger: what every member has, replayed from postings alone.
//
// Invariants.
// - A member is a slot of its program: four balances and its newest entry, in flat arrays.  Memory grows with members, never with transactions.
// - debt is kept as the account has it, at or below zero; entries and reports show it positive.
import { COLUMNS } from "./leaf.js";
import { Finding } from "./finding.js";

const BALANCES = ["available", "pending", "held", "debt"];
const WIDTH = BALANCES.length;
const SLOTS_FIRST = 1024;
const AFTER = COLUMNS.indexOf("afterAvailable");
const DELTA = COLUMNS.indexOf("available");
const POINTS_MAX = 2n ** 63n - 1n;
const [SEQ, INDEX, PROGRAM, VERSION, MEMBER] = ["seq", "index", "program", "version", "member"].map(name => COLUMNS.indexOf(name));
const [HAS_PREV, PREV_SEQ, PREV_INDEX] = ["hasPrev", "prevSeq", "prevIndex"].map(name => COLUMNS.indexOf(name));

class ProgramBooks {
	#slots = new Map();
	#balances = new BigInt64Array(SLOTS_FIRST * WIDTH);
	#heads = new Float64Array(SLOTS_FIRST * 2);		// seq and index of the newest entry
	accounts = new Map();
	versions = 0;

	constructor(number, { id, scale }) {
		Object.assign(this, { number, id, scale });
	}

	get members() {
		return this.#slots.size;
	}

	/** The slot of a member; a new one has never been touched, and its head is -1. */
	slot(member) {
		let slot = this.#slots.get(member);

		if (slot === undefined) {
			slot = this.#slots.size;
			this.#slots.set(member, slot);
			if ((slot + 1) * WIDTH > this.#balances.length)
				this.#grow();
			this.#heads[2 * slot] = -1;
		}
		return slot;
	}

	#grow() {
		const balances = new BigInt64Array(this.#balances.length * 2);
		const heads = new Float64Array(this.#heads.length * 2);

		balances.set(this.#balances);
		heads.set(this.#heads);
		this.#balances = balances;
		this.#heads = heads;
	}

	balance(slot, i) {
		return this.#balances[slot * WIDTH + i];
	}

	setBalance(slot, i, points) {
		this.#balances[slot * WIDTH + i] = points;
	}

	/** [seq, index] of a member's newest entry; seq -1: none. */
	head(slot) {
		return [this.#heads[2 * slot], this.#heads[2 * slot + 1]];
	}

	setHead(slot, seq, index) {
		this.#heads[2 * slot] = seq;
		this.#heads[2 * slot + 1] = index;
	}

	/** Sum over all members of each of the four. */
	totals() {
		const totals = [0n, 0n, 0n, 0n];

		for (let i = 0; i < this.#slots.size * WIDTH; i++)
			totals[i % WIDTH] += this.#balances[i];
		return totals;
	}
}

/** "12.50" of 1250 at scale 2. */
export function decimal(points, scale) {
	const digits = String(points < 0n ? -points : points).padStart(scale + 1, "0");
	const sign = points < 0n ? "-" : "";

	return scale === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** Every partner's account of a kind as one: "partner_issued", "partner_redeemed". */
function foldPartners(accounts) {
	const folded = new Map();

	for (const [name, points] of accounts) {
		const [first, , kind] = name.split(":");
		const account = kind === undefined ? name : `${first}_${kind}`;
		folded.set(account, (folded.get(account) ?? 0n) + points);
	}
	return folded;
}

export class Books {
	#programs = new Map();

	#program(number, where) {
		const program = this.#programs.get(number);

		if (program === undefined)
			throw new Finding(`program ${number} has not been published`, { ...where, field: "program" });
		return program;
	}

	publish({ seq, index, program: number, id, version, scale }) {
		const where = { seq, entry: `${seq}.${index}` };
		const known = this.#programs.get(number);
		const wrong = (field, message) => new Finding(message, { ...where, field });

		if (number === 0)
			throw wrong("program", "a program needs a number");
		if (known !== undefined && (known.id !== id || known.scale !== scale))
			throw wrong("inputs.publish", `program ${number} is "${known.id}" with ${known.scale} digits, and this is "${id}" with ${scale}`);
		if (known === undefined && [...this.#programs.values()].some(one => one.id === id))
			throw wrong("program", `"${id}" has another number already`);
		const books = known ?? new ProgramBooks(number, { id, scale });
		if (version !== books.versions + 1)
			throw wrong("inputs.publish.version", `it is ${version}, and ${books.versions + 1} comes next`);
		books.versions = version;
		this.#programs.set(number, books);
	}

	/** A posting's sum to an account of the program. */
	account(seq, number, name, points) {
		const { accounts } = this.#program(number, { seq });
		const sum = (accounts.get(name) ?? 0n) + points;

		if (sum > POINTS_MAX || sum < -POINTS_MAX)
			throw new Finding(`the account ${name} is beyond what it can hold`, { seq, field: "postings" });
		accounts.set(name, sum);
	}

	/** One row of leaf.js, at place `at` of `rows`; `unsigned` is the same memory. */
	row(rows, unsigned, at) {
		const [seq, index] = [Number(rows[at + SEQ]), Number(rows[at + INDEX])];
		const where = { seq, entry: `${seq}.${index}` };
		const member = unsigned[at + MEMBER];
		const program = this.#program(Number(unsigned[at + PROGRAM]), where);
		const slot = program.slot(member <= Number.MAX_SAFE_INTEGER ? Number(member) : member);

		if (unsigned[at + VERSION] === 0n || unsigned[at + VERSION] > program.versions)
			throw new Finding(`it is ${unsigned[at + VERSION]}, and versions 1 to ${program.versions} are published`, { ...where, field: "program_version" });
		this.#link(program, slot, { rows, unsigned, at, seq, index, member, where });
		for (let i = 0; i < WIDTH; i++)
			this.#move(program, slot, i, { rows, at, member, where });
	}

	#link(program, slot, { rows, unsigned, at, seq, index, member, where }) {
		const [headSeq, headIndex] = program.head(slot);
		const says = rows[at + HAS_PREV] === 0n ? "none" : `${unsigned[at + PREV_SEQ]}.${unsigned[at + PREV_INDEX]}`;
		const is = headSeq < 0 ? "none" : `${headSeq}.${headIndex}`;

		if (says !== is)
			throw new Finding(`the entry before it of member ${member} is ${is}, and it says ${says}`, { ...where, field: "touched" });
		program.setHead(slot, seq, index);
	}

	#move(program, slot, i, { rows, at, member, where }) {
		const points = program.balance(slot, i) + rows[at + DELTA + i];
		const after = rows[at + AFTER + i];
		const shown = BALANCES[i] === "debt" ? -points : points;

		if (shown < 0n)
			throw new Finding(`${BALANCES[i]} of member ${member} would be ${decimal(shown, program.scale)}, below zero`, { ...where, field: "postings" });
		if (shown > POINTS_MAX)
			throw new Finding(`${BALANCES[i]} of member ${member} is beyond what an account can hold`, { ...where, field: "postings" });
		if (shown !== after)
			throw new Finding(`${BALANCES[i]} of member ${member} is ${decimal(shown, program.scale)} by the postings so far, and it says ` +
				decimal(after, program.scale), { ...where, field: `after.${BALANCES[i]}` });
		program.setBalance(slot, i, points);
	}

	/** The trial balance of each program: members and the program's accounts together come to nothing. */
	close() {
		for (const program of this.#programs.values()) {
			const sum = [...program.totals(), ...program.accounts.values()].reduce((a, b) => a + b, 0n);
			if (sum !== 0n)
				throw new Finding(`the trial balance of program "${program.id}" is ${decimal(sum, program.scale)}, not zero`);
		}
	}

	get members() {
		return [...this.#programs.values()].reduce((n, program) => n + program.members, 0);
	}

	/** As `fealty audit --json` has it. */
	report() {
		return [...this.#programs.values()].sort((a, b) => a.number - b.number).map(program => {
			const [available, pending, held, debt] = program.totals();
			const moved = [...foldPartners(program.accounts)].filter(([, points]) => points !== 0n);
			const accounts = [["member", available], ["pending", pending], ["held", held], ["debt", debt], ...moved];
			return { program: program.id, number: program.number, versions: program.versions, members: program.members,
				accounts: Object.fromEntries(accounts.map(([name, points]) => [name, decimal(points, program.scale)])) };
		});
	}
}
