// Proves that the simulator takes two more of those who talk to Apple: apns2, whose HTTP/2 is undici's
// and which sends no apns-id, and what Apple's own page does with openssl and curl, whose signature is
// ASN.1 DER.
'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const { after, before, describe, it } = require('node:test');

const { redirect } = require('./redirect.js');
const { Simulator, credential, BUNDLE_ID } = require('./simulator.js');

const NODE_MAJOR = Number(process.versions.node.split('.')[0]);
const NODE_MAJOR_MIN = 20;  // what apns2 asks for

let simulator;
let phone;
before(async () => {
  simulator = await Simulator.start();
  [phone] = await simulator.phones('apns', 1);
});
after(async () => { if (simulator) await simulator.stop(); });

describe('apns2', { skip: NODE_MAJOR < NODE_MAJOR_MIN && `needs Node.js ${NODE_MAJOR_MIN}` }, () => {
  const clients = [];
  after(async () => { await Promise.all(clients.map((client) => client.destroy())); });

  function client(options = {}) {
    const { ApnsClient } = require('apns2');
    redirect('api.push.apple.com', simulator.ports.apns);
    clients.push(new ApnsClient({
      team: 'SIMTEAM001', keyId: 'SIMKEY0001', signingKey: fs.readFileSync(credential('apns.p8')),
      defaultTopic: BUNDLE_ID, ...options,
    }));
    return clients.at(-1);
  }
  const refusal = (send) => send.then(
    () => assert.fail('it was taken'),
    ({ statusCode, reason }) => ({ statusCode, reason }));

  it('delivers, many at once and silently too', async () => {
    const { Notification, SilentNotification } = require('apns2');
    const sender = client();
    await sender.send(new Notification(phone.token, {
      alert: { title: 'New upload', body: 'Bells' }, collapseId: 'bells', expiration: new Date(Date.now() + 60_000),
    }));
    const tokens = simulator.tokens('apns', 5);
    const fates = await sender.sendMany(tokens.map((token) => new SilentNotification(token)));
    assert.deepEqual(fates.filter((fate) => fate.error), []);
    const inbox = await simulator.inbox(phone.device);
    assert.equal(inbox.at(-1).title, 'New upload');
  });

  it('is told why not, in its own words', async () => {
    const { Errors, Notification } = require('apns2');
    const sender = client();
    const heard = [];
    sender.on(Errors.badDeviceToken, (error) => heard.push(error.reason));
    assert.deepEqual(await refusal(sender.send(new Notification('not-a-token', { alert: 'x' }))),
      { statusCode: 400, reason: Errors.badDeviceToken });
    assert.deepEqual(heard, ['BadDeviceToken']);
    assert.deepEqual(
      await refusal(sender.send(new Notification(phone.token, { alert: 'x'.repeat(4097) }))),
      { statusCode: 413, reason: Errors.payloadTooLarge });
    assert.deepEqual(
      await refusal(client({ team: 'SOMEBODYEL' }).send(new Notification(phone.token, { alert: 'x' }))),
      { statusCode: 403, reason: Errors.invalidProviderToken });
  });
});

describe("Apple's recipe", () => {
  // developer.apple.com, "Sending push notifications using command-line tools".
  const base64url = (bytes) => Buffer.from(bytes).toString('base64url');
  function derToken(team = 'SIMTEAM001') {
    const head = base64url(JSON.stringify({ alg: 'ES256', kid: 'SIMKEY0001' }));
    const claims = base64url(JSON.stringify({ iss: team, iat: Math.floor(Date.now() / 1000) }));
    const signature = execFileSync('openssl',
      ['dgst', '-binary', '-sha256', '-sign', credential('apns.p8')], { input: `${head}.${claims}` });
    assert.equal(signature[0], 0x30, 'a DER sequence');
    assert.notEqual(signature.length, 64);
    return `${head}.${claims}.${base64url(signature)}`;
  }
  function push(token) {
    const answer = execFileSync('curl', ['--silent', '--http2', '--cacert', credential('ca.pem'),
      '--max-time', '20', '--header', `apns-topic: ${BUNDLE_ID}`, '--header', 'apns-push-type: alert',
      '--header', `authorization: bearer ${token}`, '--data', '{"aps":{"alert":"test"}}',
      '--write-out', '\n%{http_code} %{http_version}',
      `https://localhost:${simulator.ports.apns}/3/device/${phone.token}`], { encoding: 'utf8' });
    const [body, line] = answer.split('\n');
    return { body, line };
  }

  it('delivers with a signature in DER', () => {
    for (let i = 0; i < 5; ++i) {  // 70, 71 or 72 bytes, as its numbers come
      assert.deepEqual(push(derToken()), { body: '', line: '200 2' });
    }
  });

  it('is refused with a signature of other words', () => {
    const [head, , signature] = derToken().split('.');
    const [, claims] = derToken('SIMTEAM002').split('.');
    assert.deepEqual(push(`${head}.${claims}.${signature}`),
      { body: '{"reason":"InvalidProviderToken"}', line: '403 2' });
  });
});
