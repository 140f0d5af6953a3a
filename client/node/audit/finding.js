// What an audit finds, and what keeps it from looking.

/** Something of the log that does not hold.  `file` is its path in the export, `entry` is "<seq>.<index>", `field` of ledger.proto. */
export class Finding extends Error {
	constructor(message, { file, seq, entry, field } = {}) {
		super(message);
		this.name = "Finding";
		this.where = { file, seq, entry, field };
	}

	/** The same, of a file, unless it is of one already. */
	in(file) {
		return new Finding(this.message, { ...this.where, file: this.where.file ?? file });
	}

	toJSON() {
		return { message: sentence(this), ...this.where };
	}
}

/** Nothing can be said of the log: wrong usage, no log there ("usage"), or nobody who answers ("unreachable"). */
export class Obstacle extends Error {
	constructor(kind, message) {
		super(message);
		this.name = "Obstacle";
		this.kind = kind;
	}
}

/** "tile/entries/000: transaction 17, entry 17.0, postings: they sum to 3". */
export function sentence({ message, where: { file, seq, entry, field } }) {
	const place = [seq === undefined ? undefined : `transaction ${seq}`, entry === undefined ? undefined : `entry ${entry}`, field]
		.filter(word => word !== undefined).join(", ");

	return [file, place, message].filter(part => part !== undefined && part !== "").join(": ");
}
