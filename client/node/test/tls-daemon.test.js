// Mutual TLS against the daemon: who gets in and as whom, and what a reload does to who is in already.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";

import { connect } from "../src/index.js";
import { PROGRAM, daemon } from "./lib/daemon.js";
import { failure, patience } from "./lib/fake.js";
import { freePort, pki, serverArguments, spkiHash } from "./lib/pki.js";

const QUICK = { program: PROGRAM.id, backoff_min_ms: 1, backoff_max_ms: 20, deadline_ms: 10000 };

/** A daemon with a CA of its own, a list of revoked certificates and one of denied keys, both empty. */
async function served(t, ...more) {
	const made = pki(t);
	const ca = made.ca("ca");
	const deny = join(made.dir, "deny");
	writeFileSync(deny, "# nobody yet\n");
	const server = ca.server();
	const ledger = await daemon(t, { daemonArguments: serverArguments(ca, server, "--tls-crl", ca.crl(), "--tls-deny", deny, ...more) });
	const options = ({ cert, key }, other = {}) => ({ address: ledger.secureAddress, ...QUICK, tls: { ca: ca.pem, cert, key }, ...other });
	const enter = async (certificate, other) => {
		const client = await connect(options(certificate, other));
		t.after(() => client.disconnect({ now: true }));
		return client;
	};
	return { ledger, ca, other: made.ca("other"), server, deny, options, enter };
}

test("the principal and its role are the certificate's, whatever HELLO says", async t => {
	const { ca, enter, options } = await served(t);
	const till = ca.client("pos/0042/07");
	const adjustment = { member: "m", points: "5", reason: "x" };
	const clients = {};

	for (const principal of ["pos/0042/07", "backend/app", "auditor/kpmg", "operator/ann"]) {
		clients[principal] = await enter(ca.client(principal));
		assert.equal(clients[principal].hello.principal, principal);
	}
	await clients["operator/ann"].enrol({ member: "m" });
	assert.equal((await clients["pos/0042/07"].purchase({ member: "m", amount: "3" })).granted, "3");
	assert.equal((await clients["operator/ann"].adjust(adjustment)).available, "8");
	for (const principal of ["pos/0042/07", "backend/app", "auditor/kpmg"])
		assert.equal((await failure(clients[principal].adjust(adjustment))).reason, "PERMISSION_DENIED", principal);
	assert.equal((await clients["auditor/kpmg"].subscribe().next()).value.seq, 0);
	assert.equal((await failure(clients["pos/0042/07"].subscribe().next())).reason, "PERMISSION_DENIED");

	assert.equal((await enter(till, { principal: "pos/0042/07" })).hello.principal, "pos/0042/07");
	for (const principal of ["operator/ann", "pos/0042/08"]) {
		const e = await failure(connect(options(till, { principal, wait_ms: 5000 })));
		assert.deepEqual([e.reason, e.status, e.retryable], ["PRINCIPAL_REFUSED", "PERMISSION_DENIED", false]);
	}
});

test("a certificate that is not good gets nowhere: the error says why, and nothing is tried again", async t => {
	const { ledger, ca, other, deny, options } = await served(t);
	const [revoked, denied] = [ca.client("backend/revoked"), ca.client("backend/denied")];
	const uri = "URI:spiffe://example.com/backend/app";

	ca.revoke(revoked);
	ca.crl();
	writeFileSync(deny, `${spkiHash(denied)} # stolen\n`);
	await ledger.reload();
	for (const [what, certificate, words] of [
		["another CA", other.client(), "unknown_ca"], ["expired", ca.client("backend/app", { from: -9, to: -1 }), "certificate_expired"], ["revoked", revoked, "certificate_revoked"],
		["denied", denied, "certificate_revoked"], ["a server's", ca.client("backend/app", { usage: "serverAuth" }), "unsupported_certificate"],
		["no usage", ca.client("backend/app", { usage: null }), "unsupported_certificate"], ["no name", ca.issue({ usage: "clientAuth" }), "handshake_failure"],
		["two names", ca.issue({ usage: "clientAuth", names: `${uri},URI:spiffe://example.com/operator/ann` }), "handshake_failure"],
		["another domain", ca.issue({ usage: "clientAuth", names: "URI:spiffe://example.org/backend/app" }), "handshake_failure"],
		["no such role", ca.client("janitor/bob"), "PRINCIPAL_REFUSED"], ["the server's own role", ca.client("server/a"), "PRINCIPAL_REFUSED"],
	]) {
		for (let i = 0; i < 5; i++) {			// an alert that a reset overtakes is lost now and then
			const asked = ledger.log.split("\n").length;
			const e = await failure(connect(options(certificate, { wait_ms: 10000 })));
			assert.deepEqual([e.reason, e.retryable, e.message.includes(words)], [words === "PRINCIPAL_REFUSED" ? words : "CLIENT_CERTIFICATE", false, true],
				`${what}: ${e.message}`);
			assert.ok(ledger.log.split("\n").length <= asked + 3, "it was tried again");
		}
	}
});

/** How a client that has ended says why. */
function ending(client) {
	return patience(new Promise(resolve => client.once("disconnected", resolve)), "the end of a connection");
}

test("a reload ends the connection of who was revoked or denied, and no other", async t => {
	const { ledger, ca, deny, enter, options } = await served(t);
	const [stays, stolen, left] = [ca.client("backend/stays"), ca.client("pos/0042/07"), ca.client("backend/left")];
	const clients = { stays: await enter(stays), stolen: await enter(stolen), left: await enter(left) };
	let losses = 0;

	clients.stays.on("disconnected", () => { losses++; });
	await clients.left.enrol({ member: "m" });
	await ledger.reload();
	await clients.left.balance({ member: "m" });
	for (const [name, certificate, refuse] of [
		["left", left, () => { ca.revoke(left); ca.crl(); }], ["stolen", stolen, () => writeFileSync(deny, `${spkiHash(stolen)}\n`)],
	]) {
		assert.equal(clients[name].connected, true);
		const gone = ending(clients[name]);
		refuse();
		await ledger.reload();
		const e = await gone;
		assert.deepEqual([e.reason, e.status, e.retryable], ["PRINCIPAL_REFUSED", "PERMISSION_DENIED", false], name);
		assert.equal((await failure(clients[name].balance({ member: "m" }))).reason, "PRINCIPAL_REFUSED");
		assert.equal((await failure(connect(options(certificate)))).reason, "CLIENT_CERTIFICATE");
	}
	assert.equal((await clients.stays.balance({ member: "m" })).available, "0");
	assert.equal(losses, 0);
});

test("a server's certificate is renewed by a reload: who is in stays, who comes sees the new one; a broken file changes nothing", async t => {
	const { ledger, ca, server, enter, options } = await served(t);
	const app = ca.client();
	const before = await enter(app);
	const renewed = ca.server({ names: "URI:spiffe://example.com/server/a,DNS:renewed.example.com" });
	let losses = 0;

	before.on("disconnected", () => { losses++; });
	await before.enrol({ member: "m" });
	writeFileSync(server.files.cert, "-----BEGIN CERTIFICATE-----\n");
	await ledger.reload();
	assert.match(ledger.log, /tls\.reload_failed/);
	await (await enter(app)).balance({ member: "m" });
	writeFileSync(server.files.cert, renewed.cert);
	writeFileSync(server.files.key, renewed.key);
	await ledger.reload();
	assert.equal((await before.balance({ member: "m" })).available, "0");
	const e = await failure(connect(options(app)));
	assert.deepEqual([e.reason, e.message.includes("DNS:renewed.example.com")], ["SERVER_CERTIFICATE", true], e.message);
	const { address, tls } = options(app);
	const after = await connect({ address, ...QUICK, tls: { ...tls, server_name: "renewed.example.com" } });
	assert.equal((await after.balance({ member: "m" })).available, "0");
	await after.disconnect();
	assert.equal(losses, 0);
});

test("a connection that became old is followed by one with the certificate of that day; no call and no transaction is lost", async t => {
	const { ledger, ca, enter } = await served(t, "--connection-age", "1");
	const given = [ca.client("auditor/kpmg"), ca.client("auditor/kpmg")];
	const asked = [];
	const reader = await enter(given[0], { address: ledger.secureAddress, tls: () => {
		const { cert, key } = given[Math.min(asked.length, 1)];
		asked.push(cert);
		return { ca: ca.pem, cert, key };
	} });
	const operator = await ledger.client(t);
	const goaways = [];
	reader.on("goaway", words => goaways.push(words));
	const seen = [];
	await operator.enrol({ member: "m" });
	for await (const { seq } of reader.subscribe()) {
		seen.push(seq);
		if (goaways.length >= 2)
			break;
		await reader.checkpoint({ deadline_ms: 20 }).catch(() => {});
		await operator.purchase({ member: "m", amount: "1" });
	}
	assert.deepEqual(seen, seen.map((_, i) => i));
	assert.match(goaways[0], /old/);
	assert.ok(asked.length >= 2 && asked[1] === given[1].cert);
});

test("kill -9 under writes: sent again over a new connection, and applied once", async t => {
	const port = await freePort();
	const { ledger, ca, enter } = await served(t, "--listen", `127.0.0.1:${port}`);
	const client = await enter(ca.client("backend/app"), { address: `127.0.0.1:${port}`, deadline_ms: 30000 });
	const bought = [];

	await client.enrol({ member: "m" });
	for (let i = 0; i < 200; i++)
		bought.push(client.purchase({ member: "m", amount: "1", key: `k-${i}` }));
	await bought[3];
	await ledger.kill();
	ledger.launch();
	await Promise.all(bought);
	assert.equal((await client.balance({ member: "m" })).available, "200");
});

test("a client without TLS at the door with TLS", async t => {
	const { ledger } = await served(t);
	const e = await failure(connect({ address: ledger.secureAddress, principal: "backend/app", ...QUICK }));

	assert.deepEqual([e.reason, e.retryable], ["CONNECT", true]);
	assert.match(e.message, /before it answered HELLO; if that door is one with TLS, give tls$/);
});
