// The dstack SDK, unchanged, and dcap-qvl, which shares no line with us, against a running simulator. Prints TAP.
//   node proof.mjs READY-JSON
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { secp256k1 } from '@noble/curves/secp256k1';
import { keccak_256 } from '@noble/hashes/sha3';
import dcap from '@phala/dcap-qvl';
import { DstackClient, getComposeHash } from '@phala/dstack-sdk';

const ready = JSON.parse(process.argv[2]);
const client = new DstackClient(ready.agent);
const rootDer = new X509Certificate(readFileSync(ready.root)).raw;
const hex = (bytes) => Buffer.from(bytes).toString('hex');

const cases = [];
const test = (title, run) => cases.push({ title, run });

// one line to the control socket, one back
const control = (changes) => new Promise((resolve, reject) => {
  const socket = connect(ready.control);
  let text = '';
  socket.setEncoding('utf8');
  socket.on('error', reject);
  socket.on('data', (part) => { text += part; });
  socket.on('end', () => {
    const answer = JSON.parse(text);
    answer.ok ? resolve(answer) : reject(new Error(answer.message));
  });
  socket.end(JSON.stringify(changes) + '\n');
});

// --- the SDK

test('info describes the application, and its compose hash is that of the text', async () => {
  const info = await client.info();
  assert.equal(info.app_name, 'orders');
  assert.equal(getComposeHash(JSON.parse(info.tcb_info.app_compose)), info.compose_hash);
  assert.equal(info.app_id, info.compose_hash.slice(0, 40));
  assert.equal(JSON.parse(info.key_provider_info).name, 'kms');
});

test('version works and says simulator', async () => {
  const version = await client.version();
  assert.match(version.rev, /simulator/);
  assert.equal(version.simulator, true);
  assert.equal(await client.isReachable(), true);
});

test('getKey is a function of the path, and its chain leads to the KMS', async () => {
  const first = await client.getKey('pg/superuser', 'superuser-password');
  const again = await client.getKey('pg/superuser', 'other');
  const other = await client.getKey('pg/roles');
  assert.equal(hex(first.key), hex(again.key));
  assert.notEqual(hex(first.key), hex(other.key));
  assert.equal(first.signature_chain.length, 2);

  const recover = (message, signature) => secp256k1.Signature.fromCompact(signature.slice(0, 64))
    .addRecoveryBit(signature[64]).recoverPublicKey(keccak_256(message)).toRawBytes(true);
  const publicKey = secp256k1.getPublicKey(first.key, true);
  const appKey = recover(Buffer.from(`superuser-password:${hex(publicKey)}`), first.signature_chain[0]);
  const info = await client.info();
  const issued = Buffer.concat([Buffer.from('dstack-kms-issued:'), Buffer.from(info.app_id, 'hex'), Buffer.from(appKey)]);
  const root = recover(issued, first.signature_chain[1]);
  // the other key's chain ends at the same root
  const otherPublic = secp256k1.getPublicKey(other.key, true);
  assert.equal(hex(recover(Buffer.from(`:${hex(otherPublic)}`), other.signature_chain[0])), hex(appKey));
  assert.equal(hex(recover(issued, other.signature_chain[1])), hex(root));
});

test('getKey gives ed25519 keys too', async () => {
  assert.equal((await client.getKey('test', '', 'ed25519')).key.length, 32);
  // it passes an error answer on as if it were a key
  await assert.rejects(client.getKey('test', '', 'rsa'));
});

test('replayRtmrs reaches the registers of the quote', async () => {
  const quote = await client.getQuote('a nonce');
  const info = await client.info();
  const raw = Buffer.from(quote.quote, 'hex');
  const rtmrs = quote.replayRtmrs();
  for (let i = 0; i < 4; i++) {
    assert.equal(rtmrs[i], hex(raw.subarray(376 + 48 * i, 424 + 48 * i)));
    assert.equal(rtmrs[i], info.tcb_info[`rtmr${i}`]);
  }
  assert.equal(hex(raw.subarray(568, 632)), hex(Buffer.from('a nonce')).padEnd(128, '0'));
});

test('getTlsKey gives a key, its certificate with evidence, and the chain to the KMS', async () => {
  const tls = await client.getTlsKey({
    subject: 'orders-1', altNames: ['localhost', '127.0.0.1'], usageRaTls: true, usageServerAuth: true,
    usageClientAuth: true, notAfter: Math.floor(Date.now() / 1000) + 3600, withAppInfo: true,
  });
  const chain = tls.certificate_chain.map((pem) => new X509Certificate(pem));
  assert.equal(chain.length, 3);
  assert.equal(chain[0].verify(chain[1].publicKey), true);
  assert.equal(chain[1].verify(chain[2].publicKey), true);
  assert.equal(chain[2].verify(chain[2].publicKey), true);
  assert.equal(chain[0].checkIssued(chain[1]), true);
  assert.equal(chain[0].checkHost('localhost'), 'localhost');
  assert.equal(chain[0].checkIP('127.0.0.1'), '127.0.0.1');
  const key = createPrivateKey({ key: Buffer.from(tls.asUint8Array()), format: 'der', type: 'pkcs8' });
  assert.equal(chain[0].checkPrivateKey(key), true);
  const provider = JSON.parse((await client.info()).key_provider_info).id;
  assert.equal(hex(chain[2].publicKey.export({ format: 'der', type: 'spki' })), provider);
  assert.ok(createPublicKey(key).equals(chain[0].publicKey));
  const another = await client.getTlsKey();
  assert.notEqual(another.key, tls.key);
});

test('attest, sign and verify work', async () => {
  assert.match((await client.attest('x')).attestation, /^0000/);
  for (const algorithm of ['secp256k1', 'ed25519']) {
    const signed = await client.sign(algorithm, 'message');
    assert.equal((await client.verify(algorithm, 'message', signed.signature, signed.public_key)).valid, true);
    assert.equal((await client.verify(algorithm, 'massage', signed.signature, signed.public_key)).valid, false);
  }
});

test('the agent answers over HTTP as over its socket', async () => {
  const quote = await new DstackClient(ready.http).getQuote('x');
  assert.equal(quote.quote, (await client.getQuote('x')).quote); // nothing about a quote is random
});

// --- the independent verifier

async function makeCollateral (raw) {
  const collateral = await dcap.getCollateral(ready.pccs, raw);
  // it reads no issuer's name and always takes the processor's list; ours come from the platform's CA
  const answer = await fetch(`${ready.pccs}/sgx/certification/v4/pckcrl?ca=platform&encoding=der`);
  assert.equal(answer.status, 200);
  return { ...collateral, pck_crl: Array.from(Buffer.from(await answer.arrayBuffer())) };
}

async function judge (root = rootDer, change = (raw) => raw) {
  const raw = Buffer.from((await client.getQuote('x')).quote, 'hex');
  const collateral = await makeCollateral(raw);
  return dcap.QuoteVerifier.newWithRootCa(root).verify(change(raw), collateral, Math.floor(Date.now() / 1000));
}

const statuses = ['UpToDate', 'SWHardeningNeeded', 'ConfigurationNeeded', 'ConfigurationAndSWHardeningNeeded', 'OutOfDate',
  'OutOfDateConfigurationNeeded'];
for (const version of ['4', '5', '5.1']) {
  for (const status of statuses) {
    test(`dcap-qvl says ${status} of a version ${version} quote`, async () => {
      await control({ quote_version: version, tcb_status: status, misbehave: 'none' });
      const report = await judge();
      assert.equal(report.status, status);
      assert.equal(report.report.type, version === '5.1' ? 'td15' : 'td10');
      assert.equal(report.advisory_ids.length, status === 'UpToDate' ? 0 : 1);
    });
  }
  test(`dcap-qvl refuses a revoked level in a version ${version} quote`, async () => {
    await control({ quote_version: version, tcb_status: 'Revoked', misbehave: 'none' });
    await assert.rejects(judge(), /Revoked/);
  });
}

for (const [fault, message] of [['debug-td', /[Dd]ebug/], ['revoked-pck', /revoked/], ['expired-collateral', /expired/]]) {
  test(`dcap-qvl refuses ${fault}`, async () => {
    await control({ quote_version: '4', tcb_status: 'UpToDate', misbehave: fault });
    await assert.rejects(judge(), message);
  });
}

test('dcap-qvl refuses the quote under Intel\'s own root', async () => {
  await control({ quote_version: '4', tcb_status: 'UpToDate', misbehave: 'none' });
  await judge();
  await assert.rejects(judge(null));
});

test('dcap-qvl refuses a quote with one bit changed', async () => {
  for (const offset of [184, 568, 640, 1100]) {
    await assert.rejects(judge(rootDer, (raw) => {
      const changed = Buffer.from(raw);
      changed[offset] ^= 1;
      return changed;
    }), `offset ${offset}`);
  }
});

console.log(`1..${cases.length}`);
for (const [index, { title, run }] of cases.entries()) {
  try {
    await run();
    console.log(`ok ${index + 1} - ${title}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`not ok ${index + 1} - ${title}`);
    for (const line of String(error.stack).split('\n')) console.log(`# ${line}`);
  }
}
