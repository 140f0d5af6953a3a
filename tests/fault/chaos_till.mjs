// A backend by the client for Node: purchases, several at a time, each until it is answered, while it follows the ledger.
//
//   chaos_till.mjs CLIENT_DIRECTORY OPTIONS
//
// OPTIONS is JSON: address, principal, tls (paths ca, cert, key), member, count, prefix.  Prints {key, id, replayed} of each answer, then
// {subscribed: [first, last], transactions: N}.  Exit code 1 and a sentence: something else than what may happen.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const { connect } = await import(pathToFileURL(`${process.argv[2]}/src/index.js`).href);
const o = JSON.parse(process.argv[3]);
const pem = async () => Object.fromEntries(await Promise.all(Object.entries(o.tls).map(async ([name, path]) => [name, await readFile(path)])));
const client = await connect({ address: o.address, principal: o.principal, wait_ms: 60000, connect_ms: 2000, ping_ms: 500, backoff_max_ms: 200,
	...(o.tls ? { tls: pem } : {}) });

async function until_answered(key)
{
	for (let attempt = 1; ; attempt++) {
		try {
			return await client.purchase({ member: o.member, amount: "1", key, deadline_ms: 3000 });
		} catch (e) {
			if (e.outcome !== "unknown" && e.reason !== "DEADLINE" && !e.retryable || attempt > 60)
				throw e;
		}
	}
}

let newest = 0;
async function till(n)
{
	for (let i = n; i < o.count; i += 8) {
		const key = `${o.prefix}${i}`;
		const { id, replayed } = await until_answered(key);
		newest = Math.max(newest, Number(id.split(".")[0]));
		console.log(JSON.stringify({ key, id, replayed: replayed ?? false }));
	}
}

async function follow()
{
	let expected = 0;
	for await (const { seq } of client.subscribe({ credits: 32 })) {
		if (seq !== expected)
			throw new Error(`transaction ${seq} came where ${expected} was to come`);
		expected++;
		if (done && seq >= newest)
			break;
	}
	return expected;
}

let done = false;
const followed = follow();
await Promise.all([...Array(8).keys()].map(till));
done = true;
await until_answered(`${o.prefix}last`);		// so that one more comes when all had come already
console.log(JSON.stringify({ transactions: await followed, newest }));
await client.disconnect({ now: true });
