// Types of the client.  Names of fields are those of proto/fealty.proto; proto/WIRE.md says what they mean.
//
// Points and amounts are decimal texts ("12.50"), instants go in as Date or RFC 3339 and come out as RFC 3339 in UTC, dates are
// "YYYY-MM-DD".

export type Instant = Date | string;
export type Day = string;

export type Status = "OK" | "CANCELLED" | "UNKNOWN" | "INVALID_ARGUMENT" | "DEADLINE_EXCEEDED" | "NOT_FOUND" | "ALREADY_EXISTS"
	| "PERMISSION_DENIED" | "RESOURCE_EXHAUSTED" | "FAILED_PRECONDITION" | "ABORTED" | "OUT_OF_RANGE" | "UNIMPLEMENTED" | "INTERNAL"
	| "UNAVAILABLE" | "DATA_LOSS" | "UNAUTHENTICATED";

// ---- what is asked ----

/** Fields of every command. */
export interface Common {
	/** The request id of a write, 1 to 64 of A-Z a-z 0-9 . _ : -; a new one when left out. */
	key?: string;
	/** Manual ledgers only: moves the clock. */
	at?: Instant;
	/** Of the whole call, retries included; the client's when left out or 0. */
	deadline_ms?: number;
	/** Id of the program; the client's when left out. */
	program?: string;
	occurred_at?: Instant;
	store?: string;
	terminal?: string;
	/** Number of the command in its terminal's sequence, from 1 on without gaps. */
	terminal_seq?: number | bigint;
	/** With terminal_seq: numbers before it that were refused, so that they are no gap: rising. */
	terminal_refused?: { first: number | bigint; last: number | bigint }[];
	/** Writes only: a transaction of its own, and `receipt` in the reply.  Not in an atomic batch; those of two members for operators only. */
	want_receipt?: boolean;
}
/** Ends the wait for an answer.  A command that was sent may be applied all the same: the error's outcome is "unknown" then. */
export interface Abortable {
	signal?: AbortSignal;
}
interface OfMember extends Common {
	/** An alias: "card:8801". */
	member: string;
}

export interface Line {
	sku?: string;
	category?: string;
	qty?: number;
	amount?: string;
}
export interface EnrolFields extends OfMember {
	/** "MM-DD". */
	birthday?: string;
	aliases?: readonly string[];
	segments?: readonly string[];
	/** An alias of who referred the member. */
	referrer?: string;
}
export interface ProfileFields extends OfMember {
	birthday?: string;
	/** Replaces the list before; an empty one leaves none. */
	segments?: readonly string[];
	add_aliases?: readonly string[];
	remove_aliases?: readonly string[];
	no_segments?: boolean;
}
export interface PurchaseFields extends OfMember {
	amount: string;
	lines?: readonly Line[];
	partner?: string;
	paid_with_points?: string;
	receipt_no?: string;
}
export interface ActivityFields extends OfMember {
	activity: string;
	amount?: string;
	qty?: number;
	score?: number;
	/** Id or key of the purchase that it completes. */
	purchase?: string;
	partner?: string;
}
export interface HoldFields extends OfMember {
	points?: string;
	voucher?: string;
	/** "15m". */
	ttl?: string;
	order_amount?: string;
	pool?: boolean;
	partner?: string;
	/** "07" of the store that asks, "0042/07" or "pos/0042/07": only that till may capture it. */
	for_terminal?: string;
}
export interface VoucherUseFields extends OfMember {
	/** Its code; or an id of the program's vouchers: the one that ends first. */
	voucher: string;
	order_amount?: string;
	/** It was used already, at a till without a connection. */
	offline?: boolean;
}
export interface VoucherVoidFields extends OfMember {
	voucher: string;
	/** A code. */
	reason: string;
}
export interface CaptureFields extends OfMember {
	/** The hold's id or key. */
	hold: string;
	/** All that is left when left out. */
	points?: string;
}
export interface ReleaseFields extends OfMember {
	hold: string;
}
export interface RedeemFields extends OfMember {
	points?: string;
	reward?: string;
	order_amount?: string;
	round_down?: boolean;
	pool?: boolean;
	partner?: string;
}
export interface ReverseRedeemFields extends OfMember {
	/** Id or key of a redeem or a capture. */
	redeem: string;
	points?: string;
}
export interface ReturnFields extends OfMember {
	/** Id or key. */
	purchase: string;
	amount?: string;
	/** An empty list is refused: it is not all that is left. */
	lines?: readonly Line[];
	no_lines?: boolean;
}
export interface AdjustFields extends OfMember {
	/** Signed. */
	points: string;
	/** A code: 1 to 32 of a-z 0-9 _ */
	reason: string;
	last_day?: Day;
	tier_points?: boolean;
}
/** Of an adjust that waits, by another principal: approver/… */
export interface ApproveFields extends Common {
	/** Id or key of the adjust. */
	command: string;
	/** Ed25519, 64 bytes, over the PAE of type application/vnd.fealty.approval.v1 of: SHA-256 of the Transaction that holds it, and its index in 4 bytes. */
	signature: Uint8Array;
	/** The first 8 bytes of SHA-256 of the public key. */
	key_id: Uint8Array;
}
export interface TransferFields extends OfMember {
	to: string;
	points: string;
}
export interface MergeFields extends OfMember {
	into: string;
}
export interface AdvanceFields extends OfMember {
	points: string;
}
export interface PoolJoinFields extends OfMember {
	/** An alias of the head. */
	head: string;
}
export interface PoolLeaveFields extends OfMember {}
export interface PoolSums {
	available: string;
	pending: string;
	held: string;
	debt: string;
}
export interface MembershipStartFields extends OfMember {
	/** Its id in the program. */
	membership: string;
	trial?: boolean;
}
export interface MembershipRenewFields extends OfMember {
	membership: string;
}
export interface MembershipCancelFields extends OfMember {
	membership: string;
}
export interface TierFields extends OfMember {
	tier: string;
	reason: string;
	until?: Day;
}
export interface BirthdayFields extends OfMember {}
export interface FreezeFields extends OfMember {
	reason: string;
}
export interface UnfreezeFields extends OfMember {
	reason?: string;
}
export interface CloseFields extends OfMember {
	reason: string;
}
export interface BalanceFields extends OfMember {
	as_of?: Instant;
	pool?: boolean;
}
export interface VouchersFields extends OfMember {
	/** issued, held, used, expired or revoked; those that can be used when left out. */
	state?: string;
}
export interface HistoryFields extends Common {
	member?: string;
	/** Instead of member: that number's entries, even after a merge or an erasure; operators only. */
	member_no?: number | bigint;
	before?: number | bigint;
	/** 1 to 100; 20 when left out. */
	limit?: number;
}
export interface TransactionFields extends Common {
	seq?: number | bigint;
	/** An entry's id, or a key of one's own. */
	command?: string;
}
export interface CheckpointFields extends Common {
	/** Of just so many transactions; the newest that is public when left out. */
	size?: number | bigint;
}
/** That a transaction (`seq` or `command`) is in the newest checkpoint, or that the log of `from` transactions is the beginning of that of `to`. */
export interface ProofFields extends Common {
	seq?: number | bigint;
	command?: string;
	from?: number | bigint;
	to?: number | bigint;
	/** Of a transaction: answer with `receipt` instead of the parts of the proof. */
	receipt?: boolean;
}
/** Of all terminals that number their commands, or some. */
export interface TerminalsFields extends Common {
	principal?: string;
	/** Only those with numbers missing, or repeated. */
	with_trouble?: boolean;
	/** next_after of the former answer. */
	after?: string;
	/** 1 to 100. */
	limit?: number;
}
/** The epochs of the vault's keys; `rotate` asks for the next. */
export interface VaultFields extends Common { rotate?: boolean }
/** What is read of the disk in the background, and what of it is damaged; `now` begins a pass. */
export interface ScrubFields extends Common { now?: boolean }
/** What the vault keeps of one person. */
export interface PersonFields extends Common {
	member?: string;
	member_no?: number | bigint;
}
export interface ProgramFields extends Common {
	version?: number;
}
/** A program as in a program file, with the names of proto/program.proto: every amount and number of points is a text. */
export interface ProgramDefinition {
	id?: string;
	[option: string]: unknown;
}
export interface PublishFields extends Common {
	definition: ProgramDefinition;
	version?: number;
}
export interface ClockAcceptFields extends Common {}
/** The key that approvals by a principal are checked with. */
export interface ApproverKeyFields extends Common {
	/** approver/… */
	principal: string;
	/** Ed25519, 32 bytes. */
	public_key: Uint8Array;
	/** Its last day; one that is over ends it at once. */
	until?: Day;
}
export interface RotateKeyFields extends Common {
	/** The public half, 32 bytes, of the daemon's next key, as `fealty key new` prints it. */
	new_key: Uint8Array;
	/** "transaction", unless told otherwise, or "checkpoint". */
	kind?: string;
	/** checkpoint only: 30, at most 365. */
	overlap_days?: number;
	/** checkpoint only: "lost" or "compromised"; the old key ends at once. */
	reason?: string;
}

export interface OpeningLot {
	points: string;
	/** Never expires when left out. */
	last_day?: Day;
}
/** A member of an old system moves in; for operators. */
export interface OpeningFields extends OfMember {
	aliases?: readonly string[];
	lots?: readonly OpeningLot[];
	tier?: string;
	/** Its last day; as if it were reached today when left out. */
	tier_until?: Day;
	/** {nights: 12}: what counters stand at, dated on the business date. */
	counters?: Readonly<Record<string, number>>;
}
export interface ConsentFields extends OfMember {
	/** A code: 1 to 32 of a-z 0-9 _ */
	purpose: string;
	/** false: withdrawn. */
	given: boolean;
}
/** For good; for operators. */
export interface EraseFields extends OfMember {}

export interface SubscribeFields extends Omit<Common, "key" | "at"> {
	/** The first transaction is after + 1; the ledger's first when left out. */
	after?: number;
	/** How many transactions may wait for the loop; 256. */
	credits?: number;
	/** Only what concerns this member; `program` alone: only what is of this program. */
	member?: string;
	/** Events for a CRM instead of transactions: the loop gets CrmEvent. */
	events?: boolean;
	/** With `events`, instead of `after`: the first event is behind the one of this id. */
	after_event?: string;
	/** Ends when nothing newer is known to be in the ledger. */
	stop_at_head?: boolean;
}

/** A command of a batch: its method's name, and its fields. */
export type BatchCommand =
	| { op: "enrol" } & EnrolFields
	| { op: "profile" } & ProfileFields
	| { op: "purchase" } & PurchaseFields
	| { op: "activity" } & ActivityFields
	| { op: "hold" } & HoldFields
	| { op: "capture" } & CaptureFields
	| { op: "release" } & ReleaseFields
	| { op: "redeem" } & RedeemFields
	| { op: "reverse_redeem" } & ReverseRedeemFields
	| { op: "return" } & ReturnFields
	| { op: "adjust" } & AdjustFields
	| { op: "approve" } & ApproveFields
	| { op: "transfer" } & TransferFields
	| { op: "merge" } & MergeFields
	| { op: "advance" } & AdvanceFields
	| { op: "pool_join" } & PoolJoinFields
	| { op: "pool_leave" } & PoolLeaveFields
	| { op: "membership_start" } & MembershipStartFields
	| { op: "membership_renew" } & MembershipRenewFields
	| { op: "membership_cancel" } & MembershipCancelFields
	| { op: "voucher_use" } & VoucherUseFields
	| { op: "voucher_void" } & VoucherVoidFields
	| { op: "tier" } & TierFields
	| { op: "birthday" } & BirthdayFields
	| { op: "freeze" } & FreezeFields
	| { op: "unfreeze" } & UnfreezeFields
	| { op: "close" } & CloseFields
	| { op: "opening" } & OpeningFields
	| { op: "consent" } & ConsentFields
	| { op: "erase" } & EraseFields
	| { op: "clock_accept" } & ClockAcceptFields;
export interface BatchOptions extends Abortable {
	/** The command at place n, from 1, gets the key "<key>.<n>" unless it has its own; a new one when left out. */
	key?: string;
	/** All or nothing. */
	atomic?: boolean;
	deadline_ms?: number;
}

// ---- what is answered ----

export interface Expiring { points: string; last_day: Day }
export interface Notice { kind: string; points?: string; last_day?: Day; due?: Day; voucher?: string }
export interface LotRow { last_day?: Day; points: string }
/** What a command did to its member; `reason` is the rules, the id, the code or the op that brought it about. */
export interface Effect { type: string; points?: string; reason: string }
export interface GrantRow { rule: string; wanted: string; granted: string; cap?: string }
/** Numbers of a terminal's sequence, both included. */
export interface SeqRange { first: number; last: number }
export interface TerminalRow {
	principal: string;
	store?: string;
	terminal?: string;
	/** The highest number in the ledger, and the entry that has it. */
	last: number;
	id: string;
	/** How many numbers below it are in no entry and were not refused, and which. */
	missing: number;
	gaps?: SeqRange[];
	/** Entries whose number had been used before; the newest of them. */
	repeats: number;
	repeat?: number;
	repeat_id?: string;
}
export interface VoucherCode { id: string; code: string; last_day?: Day }
export interface VoucherRow {
	/** "<seq>.<index>.<n>": the entry that issued it, and its place there. */
	name: string;
	id: string;
	/** What the program calls it. */
	title?: string;
	code: string;
	/** issued, held, used, expired or revoked. */
	state: string;
	/** What issued it: rule, reward, birthday, anniversary, card, milestone, auto_redeem; and which of them. */
	source: string;
	of?: string;
	last_day?: Day;
	value?: string;
}
/** Numbers of a terminal's sequence, both included. */
export interface SeqRange { first: number; last: number }
export interface TerminalRow {
	principal: string;
	store?: string;
	terminal?: string;
	/** The highest number in the ledger, and the entry that has it. */
	last: number;
	id: string;
	/** How many numbers below it are in no entry and were not refused, and which. */
	missing: number;
	gaps?: SeqRange[];
	/** Entries whose number had been used before; the newest of them. */
	repeats: number;
	repeat?: number;
	repeat_id?: string;
}
export interface OldEpoch { epoch: number; replaced_at: string; destroyed_at: string }
export interface VaultState {
	epoch: number;
	begun_at: string;
	/** The next is being made, or asked for. */
	turning: boolean;
	/** Why the newest turn came to nothing. */
	failed?: string;
	turns: number;
	/** Whose keys are there still. */
	old?: OldEpoch[];
}
export interface ScrubFault {
	kind: string;
	environment: string;
	/** In it: "transactions 17 to 20". */
	where: string;
	/** The first; of a checkpoint its size. */
	seq?: number;
	last_seq?: number;
	/** What differs. */
	what: string;
	remedy: string;
}
export interface ScrubState {
	enabled: boolean;
	bytes_per_second: number;
	/** A pass is on its way, or asked for. */
	running: boolean;
	stage?: string;
	/** Transactions that it is past. */
	position: number;
	size: number;
	/** Reads go to the disk; false: the file system may answer from memory. */
	direct: boolean;
	/** Whole ones, since the daemon started. */
	passes: number;
	last_at?: string;
	last_ms?: number;
	bytes: number;
	transactions: number;
	/** That are known: found by the newest whole pass, or since. */
	known_faults: number;
	/** The first 64. */
	faults?: ScrubFault[];
}
export interface BirthdayRow { birthday: string; entered: Day }
/** Of one who was erased: nothing. */
export interface PersonRow {
	aliases?: string[];
	birthdays?: BirthdayRow[];
	segments?: string[];
	absorbed?: number[];
}
export interface ConsentRow { purpose: string; given: boolean; since: Day }
export interface HistoryRow {
	id: string;
	at: string;
	business_date?: Day;
	op: string;
	principal: string;
	key?: string;
	points?: string;
	available?: string;
	held?: string;
	debt?: string;
	tier?: string;
	amount?: string;
	store?: string;
	pending?: string;
	/** An adjust that is not approved yet. */
	waiting?: boolean;
	/** Of an adjust that waits, or waited: the points that it asks for. */
	wanted?: string;
}

/** Everything that a Response of the wire may hold. */
export interface Reply {
	status: Status;
	reason?: string;
	retryable?: boolean;
	retry_after_ms?: number;
	field?: string;
	message?: string;
	replayed?: boolean;
	/** "<seq>.<index>" of the entry. */
	id?: string;
	member_no?: number;
	granted?: string;
	wanted?: string;
	value?: string;
	lots?: LotRow[];
	grants?: GrantRow[];
	/** Absent when there is none, and in a brief reply. */
	effects?: Effect[];
	ends_at?: string;
	left?: string;
	clawed?: string;
	waiting?: boolean;
	available?: string;
	pending?: string;
	held?: string;
	debt?: string;
	expiring?: Expiring[];
	tier?: string;
	tier_earned?: string;
	tier_since?: Day;
	tier_until?: Day;
	points_to_next?: string;
	points_to_keep?: string;
	points_earned?: string;
	spend?: string;
	visits?: number;
	as_of?: string;
	seq?: number;
	counters?: Record<string, number>;
	remainder?: Record<string, string>;
	/** Of each card of the program; owed; of a purchase, before and after the card's cap. */
	stamps?: Record<string, number>;
	stamp_debt?: Record<string, number>;
	stamps_wanted?: Record<string, number>;
	stamps_granted?: Record<string, number>;
	/** Of each membership that the member ever had: trial, active, grace or ended. */
	membership?: Record<string, string>;
	/** The last day of each: of what is paid, of the trial, or of grace. */
	membership_until?: Record<string, Day>;
	/** Of a balance with `pool`. */
	pool?: PoolSums;
	/** Money, of a membership that was cancelled. */
	refund?: string;
	notices?: Notice[];
	/** Ids of the vouchers that can be used, sorted. */
	vouchers?: string[];
	/** Ids of those that the command issued, and that it revoked. */
	issued?: string[];
	revoked?: string[];
	/** Of those that it issued, as a till prints them. */
	codes?: VoucherCode[];
	/** The voucher was used before, at another till: recorded for settlement. */
	conflict?: boolean;
	voucher_rows?: VoucherRow[];
	history?: HistoryRow[];
	next_before?: number;
	transaction?: Uint8Array;
	program?: ProgramDefinition;
	version?: number;
	note?: string;
	size?: number;
	index?: number;
	hashes?: Uint8Array[];
	receipt?: Receipt;
	no_receipt?: NoReceipt;
	/** Of a command with terminal_seq: how many numbers are missing right before it; that another command had its number. */
	terminal_gap?: number;
	terminal_repeat?: boolean;
	terminals?: TerminalRow[];
	next_after?: string;
	/** The member is not enrolled: it earns, is returned and read, and nothing else. */
	provisional?: boolean;
	/** The newest word on each purpose. */
	consents?: ConsentRow[];
	vault?: VaultState;
	person?: PersonRow;
	scrub?: ScrubState;
}
/** The text of a C2SP tlog-proof, with the SignedTransaction as its extra data: to keep as a file, byte for byte. */
export type Receipt = string;
/** Why there is none although it was wanted; the command was applied all the same.  "SHARED": a replay, whose transaction shows other
 *  members; "REPLY_FULL": the reply to the batch had no room, proof() has it. */
export type NoReceipt = "SHARED" | "REPLY_FULL" | (string & {});

type Has<K extends keyof Reply> = Required<Pick<Reply, K>>;
type May<K extends keyof Reply> = Pick<Reply, K>;
interface Ok { status: "OK" }
/** The balance block: how the member stands now, or after the command. */
export type Block = Has<"available" | "pending" | "held" | "debt" | "expiring" | "notices" | "vouchers" | "counters" | "remainder" | "stamps" | "stamp_debt">
	& May<"tier" | "tier_earned" | "tier_since" | "tier_until" | "points_to_next" | "points_to_keep" | "points_earned" | "spend" | "visits"
		| "as_of" | "seq" | "member_no" | "membership" | "membership_until" | "provisional" | "consents">;
/** A command that was applied, now or (`replayed`) by an earlier sending under the same key. */
export type WriteReply = Ok & Has<"id" | "replayed"> & May<"receipt" | "no_receipt" | "terminal_gap" | "terminal_repeat"> & { key: string };
export type MemberReply = WriteReply & Block & May<"issued" | "revoked" | "codes" | "effects">;
/** waiting: it is above the program's limit, and nothing changes until it is approved. */
export type AdjustReply = MemberReply & May<"waiting">;
export type EarnReply = MemberReply & Has<"granted" | "wanted" | "grants"> & May<"stamps_wanted" | "stamps_granted">;
export type EnrolReply = MemberReply & Has<"grants"> & May<"granted" | "wanted">;
/** left: none of a voucher. */
export type HoldReply = MemberReply & Has<"lots"> & May<"left" | "ends_at" | "value">;
export type RedeemReply = MemberReply & Has<"lots"> & May<"value">;
export type ReturnReply = MemberReply & Has<"lots"> & May<"clawed" | "left">;
export type PublishReply = WriteReply & May<"version" | "seq">;
/** ends_at: until when the old checkpoint key signs as well. */
export type RotateKeyReply = WriteReply & May<"ends_at">;
export type QuoteReply = Ok & Has<"granted" | "wanted" | "grants"> & May<"seq" | "member_no" | "issued" | "stamps_wanted" | "stamps_granted" | "provisional">;
export type VoucherUseReply = MemberReply & May<"value" | "conflict">;
export type MembershipCancelReply = MemberReply & May<"refund">;
export type VouchersReply = Ok & Block & Has<"voucher_rows">;
export type BalanceReply = Ok & Block & May<"pool">;
export type HistoryReply = Ok & Has<"history"> & May<"next_before" | "member_no" | "seq">;
export type TransactionReply = Ok & Has<"transaction"> & May<"seq">;
export type CheckpointReply = Ok & Has<"note" | "size"> & May<"seq">;
export type VaultReply = Ok & Has<"vault"> & May<"seq">;
export type ScrubReply = Ok & Has<"scrub"> & May<"seq">;
export type PersonReply = Ok & Has<"person" | "member_no"> & May<"seq" | "as_of">;
export type TerminalsReply = Ok & Has<"terminals"> & May<"next_after" | "seq">;
export type ProofReply = Ok & Has<"hashes"> & May<"note" | "size" | "index" | "transaction" | "seq" | "receipt">;
export type ProgramReply = Ok & Has<"program" | "version"> & May<"seq">;
export type BatchResult = { ok: true; reply: MemberReply & Reply } | { ok: false; error: FealtyError };
export interface BatchReply {
	key: string;
	/** One for each command, in their order. */
	results: BatchResult[];
}

/**
 * "refused": the server refused it; nothing has changed.  "failed": it was never sent, or was a read; nothing has changed.  "unknown": it was
 * sent and may have been applied or not; call again with the same key to learn which, which never applies it twice.
 */
export type Outcome = "refused" | "failed" | "unknown";

export class FealtyError extends Error {
	name: "FealtyError";
	readonly status: Status;
	/** A stable word: of WIRE.md when the server refused, else one of the client's (README.md). */
	readonly reason?: string;
	readonly outcome: Outcome;
	/** The field that is wrong, or what was not found. */
	readonly field?: string;
	/** The same call, with the same key, may succeed later without anybody changing anything. */
	readonly retryable: boolean;
	readonly retry_after_ms?: number;
	/** The server's answer, when there is one. */
	readonly reply?: Reply;
	/** The key it was sent under. */
	readonly key?: string;
	/** How often it was sent. */
	readonly attempts: number;
	/** FORKED, ROLLED_BACK: the checkpoints that contradict each other, the kept one first: keep them as evidence. */
	readonly notes?: readonly string[];
	toJSON(): object;
}

// ---- the client ----

/** What mutual TLS needs: contents of PEM files, not their names. */
export interface TlsCredentials {
	/** The CA of this ledger, or some: nobody else vouches for the server. */
	ca: string | Uint8Array;
	/** Our certificate, which names the principal, and behind it those between it and the CA. */
	cert: string | Uint8Array;
	/** The certificate's key, without a passphrase. */
	key: string | Uint8Array;
	/** The DNS name or IP address that the server's certificate must have; that of `address` when left out. */
	server_name?: string;
}

export interface ConnectOptions {
	/** "unix:/run/fealty/fealtyd.sock", "127.0.0.1:7450", "[::1]:7450"; with `tls` any "ledger.example.com:7450". */
	address: string;
	/** Needed for whatever is not on this machine.  A function is asked for each connection, so that renewed certificates need no new client. */
	tls?: TlsCredentials | (() => TlsCredentials | Promise<TlsCredentials>);
	/** "backend/app"; what the door gives when left out: with `tls` that of the certificate. */
	principal?: string;
	/** Stands in for `program` of each command that has none. */
	program?: string;
	/** Refuse a server with another ledger. */
	origin?: string;
	client_name?: string;
	client_version?: string;
	/** Of calls that do not set their own; 10 000. */
	deadline_ms?: number;
	/** For one connection, HELLO included; 5 000. */
	connect_ms?: number;
	/** How long connect() goes on trying while no server is there; 0: it tries once. */
	wait_ms?: number;
	/** A reconnect waits a random time below min × 2^failures, at most max; 50 and 10 000. */
	backoff_min_ms?: number;
	backoff_max_ms?: number;
	/** Time between PINGs; a third of the server's idle time, at most 30 000. */
	ping_ms?: number;
	/** Calls that wait to be sent; 1 024. */
	queue_max?: number;
	/** `size_seen` of an earlier run: finds a ledger that was rolled back in between. */
	size_seen?: number;
	/** Watch the log: keep the last checkpoint, and have the server prove on each connection that its log begins with what that is of. */
	watch?: boolean;
	/** The verifier key that must have signed the checkpoints, as `fealty log key` prints it, or some, of which any will do while a key is being
	 *  replaced; implies `watch`. */
	vkey?: string | readonly string[];
	/** A file that keeps the checkpoint between runs; implies `watch`. */
	checkpoint_file?: string;
	/** Keeps it in some other way; implies `watch`. */
	checkpoint_store?: CheckpointStore;
	/** How often a connection that lasts is asked for a newer one; 60 000. */
	watch_ms?: number;
	/** Ends connect(); later it does nothing. */
	signal?: AbortSignal;
}

/** Where a checkpoint, a text, is kept. */
export interface CheckpointStore {
	/** What save() was given last; nothing when there is none. */
	load(): string | null | undefined | Promise<string | null | undefined>;
	save(note: string): void | Promise<void>;
}
export interface CheckpointSeen {
	readonly origin: string;
	/** Transactions in the log. */
	readonly size: number;
	readonly root: Uint8Array;
	/** The signed note. */
	readonly note: string;
}

/** What the server says of itself. */
export interface Hello {
	readonly version: number;
	readonly features?: readonly string[];
	readonly server_version?: string;
	readonly origin?: string;
	readonly principal?: string;
	readonly frame_bytes_max?: number;
	readonly batch_bytes_max?: number;
	readonly batch_commands_max?: number;
	readonly reply_bytes_max?: number;
	readonly in_flight_max?: number;
	readonly idle_ms?: number;
	readonly manual_clock?: boolean;
	readonly size?: number;
}

/** One transaction of the ledger, as it is stored and not yet judged: readTransaction() reads it. */
export interface LedgerItem {
	seq: number;
	/** Transactions in the ledger when the server sent this. */
	head: number;
	/** A SignedTransaction of ledger.proto. */
	data: Uint8Array;
}

/** What an entry of the ledger means for a member; proto/WIRE.md lists the types. */
export interface CrmEvent {
	/** "<seq>.<index>.<n>": in the order of the log, and the same whoever asks. */
	readonly id?: string;
	readonly type?: string;
	readonly program?: string;
	readonly member_no?: number;
	readonly at?: string;
	readonly date?: Day;
	readonly op?: string;
	readonly points?: string;
	readonly pending?: string;
	readonly last_day?: Day;
	readonly tier?: string;
	readonly tier_from?: string;
	readonly hold?: string;
	readonly voucher?: string;
	readonly voucher_name?: string;
}

/** Each transaction, or event, once, in order, also across lost connections; it ends by `break`, return(), `signal` and disconnect(). */
export interface Subscription<Item = LedgerItem> extends AsyncIterableIterator<Item> {
	/** Of the transaction that was given last, or up to which there were no more events: `after` of the subscription that goes on from here. */
	readonly last_seq: number | undefined;
	/** Of the event that was given last, unless last_seq is behind it: `after_event` of the subscription that goes on from here. */
	readonly last_event: string | undefined;
	return(value?: unknown): Promise<IteratorResult<Item>>;
}

interface Events {
	connected: [hello: Hello];
	/** A connection was lost; calls go on on the next one. */
	disconnected: [error: FealtyError];
	/** The server is about to stop. */
	goaway: [message: string];
	/** The server has fewer transactions than were seen before: an old copy was restored.  Tell a person. */
	rolled_back: [sizes: { size: number; size_seen: number }];
	/** The watch found that the log is not what it was (ROLLED_BACK, FORKED, SIGNATURE); the client has ended.  Tell a person. */
	distrusted: [error: FealtyError];
}

type Call<F, R> = (fields: F & Abortable) => Promise<R>;

export interface Client {
	readonly hello: Hello;
	readonly connected: boolean;
	readonly size_seen: number;
	readonly rolled_back: boolean;
	/** The newest checkpoint that the watch has seen, and proved to continue the one before it. */
	readonly checkpoint_seen: CheckpointSeen | undefined;

	enrol: Call<EnrolFields, EnrolReply>;
	profile: Call<ProfileFields, EnrolReply>;
	purchase: Call<PurchaseFields, EarnReply>;
	quote: Call<PurchaseFields, QuoteReply>;
	return: Call<ReturnFields, ReturnReply>;
	activity: Call<ActivityFields, EarnReply>;
	hold: Call<HoldFields, HoldReply>;
	capture: Call<CaptureFields, HoldReply>;
	release: Call<ReleaseFields, HoldReply>;
	redeem: Call<RedeemFields, RedeemReply>;
	reverse_redeem: Call<ReverseRedeemFields, RedeemReply>;
	adjust: Call<AdjustFields, AdjustReply>;
	approve: Call<ApproveFields, MemberReply>;
	transfer: Call<TransferFields, MemberReply>;
	merge: Call<MergeFields, MemberReply>;
	advance: Call<AdvanceFields, MemberReply>;
	pool_join: Call<PoolJoinFields, MemberReply>;
	pool_leave: Call<PoolLeaveFields, MemberReply>;
	membership_start: Call<MembershipStartFields, MemberReply>;
	membership_renew: Call<MembershipRenewFields, MemberReply>;
	/** `refund` says what to pay back. */
	membership_cancel: Call<MembershipCancelFields, MembershipCancelReply>;
	voucher_use: Call<VoucherUseFields, VoucherUseReply>;
	voucher_void: Call<VoucherVoidFields, MemberReply>;
	/** Those that can be used, or those in `state`; the ones that end first come first. */
	vouchers: Call<VouchersFields, VouchersReply>;
	tier: Call<TierFields, MemberReply>;
	birthday: Call<BirthdayFields, EarnReply>;
	freeze: Call<FreezeFields, MemberReply>;
	unfreeze: Call<UnfreezeFields, MemberReply>;
	/** Closes a member, not the connection: that is disconnect(). */
	close: Call<CloseFields, MemberReply>;
	opening: Call<OpeningFields, MemberReply>;
	consent: Call<ConsentFields, MemberReply>;
	/** Forgets a member: no alias means it any more. */
	erase: Call<EraseFields, MemberReply>;
	publish: Call<PublishFields, PublishReply>;
	balance: Call<BalanceFields, BalanceReply>;
	history: Call<HistoryFields, HistoryReply>;
	transaction: Call<TransactionFields, TransactionReply>;
	checkpoint(fields?: CheckpointFields & Abortable): Promise<CheckpointReply>;
	proof: Call<ProofFields, ProofReply>;
	terminals: Call<TerminalsFields, TerminalsReply>;
	vault: Call<VaultFields, VaultReply>;
	scrub: Call<ScrubFields, ScrubReply>;
	person: Call<PersonFields, PersonReply>;
	program(fields?: ProgramFields & Abortable): Promise<ProgramReply>;
	clock_accept(fields?: ClockAcceptFields & Abortable): Promise<WriteReply>;
	rotate_key: Call<RotateKeyFields, RotateKeyReply>;
	approver_key: Call<ApproverKeyFields, WriteReply>;

	/** Many commands at once.  They succeed or fail one by one, unless `atomic`. */
	batch(commands: readonly BatchCommand[], options?: BatchOptions): Promise<BatchReply>;
	/** `deadline_ms` limits the time without a connection, and there is no limit when it is left out. */
	subscribe(fields: SubscribeFields & Abortable & { events: true }): Subscription<CrmEvent>;
	subscribe(fields?: SubscribeFields & Abortable): Subscription;
	ping(options?: { deadline_ms?: number; signal?: AbortSignal }): Promise<void>;

	/** Waits for the calls under way, ends the subscriptions, and closes the connection.  With `now` calls end as CLOSED. */
	disconnect(options?: { now?: boolean }): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;

	on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): this;
	once<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): this;
	off<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): this;
}

/** A client whose first connection is made. */
export function connect(options: ConnectOptions): Promise<Client>;

/** A new request id, to note before a command is sent: 26 characters that sort by time. */
export function newKey(): string;

// ---- transactions ----

/** Fields of an Entry of ledger.proto.  Points are whole numbers here, in units of 10^-scale of the program. */
export interface Entry {
	principal?: string;
	request_id?: string;
	engine?: number;
	program_version?: number;
	occurred_at?: string;
	due_at?: string;
	business_date?: Day;
	member?: number;
	store?: string;
	terminal?: string;
	/** A text when it is above 2^53 - 1. */
	terminal_seq?: number | string;
	terminal_refused?: SeqRange[];
	fingerprint?: Uint8Array;
	/** One key, the op's name. */
	inputs?: Record<string, unknown>;
	facts?: Record<string, unknown>;
	postings?: Posting[];
	after?: { available?: string; pending?: string; held?: string; debt?: string; tier?: string }[];
	touched?: { member?: number; prev_seq?: number; prev_index?: number }[];
	at?: string;
}
export interface Posting {
	account?: string;
	member?: number;
	points?: string;
	last_day?: Day;
	class?: string;
	partner?: string;
	inactivity?: boolean;
	hold?: { seq?: number; index?: number };
}
export interface Transaction {
	origin?: string;
	seq?: number;
	/** `hash` of the transaction before. */
	prev?: Uint8Array;
	committed_at?: string;
	program?: number;
	entries?: Entry[];
	hash: Uint8Array;
}

/** Reads a SignedTransaction.  With the server's public key (32 bytes, or in hexadecimal) its signature is checked first: SIGNATURE. */
export function readTransaction(data: Uint8Array, options?: { key?: Uint8Array | string }): Transaction;
