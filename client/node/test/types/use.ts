// How the client is used, for the compiler only: what is right compiles, what is wrong does not.
import { FealtyError, connect, newKey, readTransaction } from "../../index.js";

async function use(): Promise<void> {
	await using client = await connect({ address: "unix:/run/fealty/fealtyd.sock", principal: "backend/app", program: "acme", wait_ms: 1000 });
	client.on("disconnected", e => console.log(e.reason)).on("rolled_back", ({ size, size_seen }) => console.log(size < size_seen));

	const store = { load: async () => null, save(note: string) { console.log(note); } };
	const watching = await connect({ address: "unix:/s", watch: true, vkey: ["a+b+c", "d+e+f"], checkpoint_store: store, watch_ms: 5000 });
	watching.on("distrusted", e => console.log(e.reason, e.notes?.[0]));
	const seen: number | undefined = watching.checkpoint_seen?.size;
	const note: string | undefined = watching.checkpoint_seen?.note;
	console.log(seen, note);

	const credentials = { ca: "PEM", cert: new Uint8Array(0), key: "PEM", server_name: "ledger.example.com" };
	await connect({ address: "10.0.0.5:7450", tls: credentials });
	await connect({ address: "ledger.example.com:7450", tls: () => credentials });
	await connect({ address: "ledger.example.com:7450", tls: async () => credentials });

	const key: string = newKey();
	const bought = await client.purchase({ member: "card:1", amount: "12.50", key, occurred_at: new Date(), lines: [{ sku: "a", qty: 2, amount: "3" }] });
	const granted: string = bought.granted;
	const first: string | undefined = bought.grants[0]?.rule;
	const did: string | undefined = bought.effects?.[0]?.type;
	const nights: number | undefined = bought.counters["nights"];
	console.log(did);
	const hold = await client.hold({ member: "card:1", points: "5", ttl: "15m", signal: AbortSignal.timeout(100), deadline_ms: 50 });
	const left: string | undefined = (await client.capture({ member: "card:1", hold: hold.id })).left;
	await client.return({ member: "card:1", purchase: bought.id });
	const kept: string = (await client.purchase({ member: "card:1", amount: "5", want_receipt: true })).receipt ?? "none";
	const saved: string | undefined = (await client.proof({ command: key, receipt: true })).receipt;
	const { program } = await client.program();
	await client.publish({ definition: { ...program, id: "acme" } });
	console.log(granted, first, nights, left, kept, saved);

	try {
		await client.redeem({ member: "card:1", points: "5" });
	} catch (e) {
		if (e instanceof FealtyError && e.outcome === "unknown")
			console.log(e.key, e.reply?.available, e.status === "DEADLINE_EXCEEDED");
	}
	const { results } = await client.batch([{ op: "purchase", member: "m", amount: "1" }, { op: "adjust", member: "m", points: "1", reason: "x" }], { atomic: true });
	for (const r of results)
		console.log(r.ok ? r.reply.available : r.error.reason);

	const subscription = client.subscribe({ after: 41, credits: 10 });
	for await (const { seq, data } of subscription)
		console.log(seq, readTransaction(data, { key: "00" }).entries?.[0]?.postings?.[0]?.points);
	const after: number | undefined = subscription.last_seq;
	await client.disconnect({ now: after === undefined });

	// @ts-expect-error an amount is a text
	await client.purchase({ member: "card:1", amount: 12.5 });
	// @ts-expect-error the member is missing
	await client.balance({});
	// @ts-expect-error no such field
	await client.redeem({ member: "card:1", point: "5" });
	// @ts-expect-error a member must be named: disconnect() ends the connection
	await client.close();
	// @ts-expect-error a read is not for a batch
	await client.batch([{ op: "balance", member: "m" }]);
	// @ts-expect-error it is wanted or not
	await client.purchase({ member: "card:1", amount: "5", want_receipt: "yes" });
	// @ts-expect-error a store keeps as well
	await connect({ address: "unix:/s", checkpoint_store: { load: () => null } });
	// @ts-expect-error both sides show a certificate
	await connect({ address: "ledger.example.com:7450", tls: { ca: "PEM" } });
	// @ts-expect-error contents, not names of files
	await connect({ address: "ledger.example.com:7450", tls: { ...credentials, ca_file: "/etc/ca.pem" } });
	// @ts-expect-error no such option
	await connect({ adress: "x" });
	// @ts-expect-error no such event
	client.on("connect", () => {});
	// @ts-expect-error there is no granted in a balance
	console.log((await client.balance({ member: "m" })).granted);
}

void use;
