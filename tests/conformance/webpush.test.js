// Web Push from both sides, each against code of others: a library that sends to browsers finds in
// the simulator the push service it expects, and what the relay sends is read by a library that
// decrypts as browsers do.
'use strict';

const assert = require('node:assert/strict');
const { createECDH, createPrivateKey, createPublicKey, randomBytes, verify } = require('node:crypto');
const fs = require('node:fs');
const http2 = require('node:http2');
const { after, before, describe, it } = require('node:test');

const ece = require('http_ece');
const webpush = require('web-push');

const { Relay, SUBJECT } = require('./relay.js');
const { Simulator, credential } = require('./simulator.js');

const PLAINTEXT_BYTES_MAX = 3993;
const TTL_S_MAX = 2_419_200;

function vapidKeys() {
  const jwk = createPublicKey(fs.readFileSync(credential('vapid-public.pem'))).export({ format: 'jwk' });
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(jwk.x, 'base64url'), Buffer.from(jwk.y, 'base64url')]);
  const { d } = createPrivateKey(fs.readFileSync(credential('vapid.pem'))).export({ format: 'jwk' });
  return { publicKey: point.toString('base64url'), privateKey: d };
}

describe('web-push', () => {
  let simulator;
  let browser;

  before(async () => {
    simulator = await Simulator.start();
    [browser] = await simulator.browsers(1);
  });
  after(async () => { if (simulator) await simulator.stop(); });

  const options = (more = {}) => ({
    vapidDetails: { subject: SUBJECT, ...vapidKeys() }, TTL: 60, timeout: 10_000, ...more,
  });
  const send = (payload, more) => webpush.sendNotification(browser.subscription, payload, options(more));
  const refusal = (payload, more) => send(payload, more).then(
    () => assert.fail('it was accepted'),
    (error) => ({ status: error.statusCode, errno: JSON.parse(error.body).errno }));

  it('delivers a message that the browser can read', async () => {
    const { statusCode, headers } = await send(JSON.stringify({
      event: 'e1', notification: { title: 'New upload', body: 'Bells of Bruges, part 3 – 🔔' },
    }), { urgency: 'high', topic: 'channel-42' });
    assert.equal(statusCode, 201);
    assert.match(headers.location, /^\/m\//);
    assert.equal(headers.ttl, '60');
    const [message] = await simulator.inbox(browser.device);
    assert.equal(message.event, 'e1');
    assert.equal(message.title, 'New upload');
    assert.equal(message.body, 'Bells of Bruges, part 3 – 🔔');
    assert.equal(message.identity, 'channel-42');
  });

  it('delivers a message without content', async () => {
    assert.equal((await send(null)).statusCode, 201);
  });

  it('is told that a message is one byte too large, and not before', async () => {
    assert.equal((await send('x'.repeat(PLAINTEXT_BYTES_MAX))).statusCode, 201);
    assert.deepEqual(await refusal('x'.repeat(PLAINTEXT_BYTES_MAX + 1)), { status: 413, errno: 104 });
  });

  it('is told that a browser has unsubscribed', async () => {
    await simulator.setFaults({ unregistered_share: 1 });
    try {
      assert.deepEqual(await refusal('x'), { status: 410, errno: 106 });
    } finally {
      await simulator.clearFaults();
    }
  });

  it('is told that its key is not the one that the subscription was made with', async () => {
    const vapidDetails = { subject: SUBJECT, ...webpush.generateVAPIDKeys() };
    assert.deepEqual(await refusal('x', { vapidDetails }), { status: 403, errno: 109 });
  });

  it('is told that it speaks an encoding of the past', async () => {
    assert.equal((await refusal('x', { contentEncoding: 'aesgcm' })).status, 403,
      'whose authorization has another form');
  });
});

// A browser and its push service, on Node's own HTTP/2 and http_ece.
class Browser {
  constructor(port) {
    this.keys = createECDH('prime256v1');
    this.keys.generateKeys();
    this.auth = randomBytes(16);
    this.path = `/push/${randomBytes(24).toString('base64url')}`;
    this.subscription = {
      endpoint: `https://127.0.0.1:${port}${this.path}`,
      expirationTime: null,
      keys: { p256dh: this.keys.getPublicKey('base64url'), auth: this.auth.toString('base64url') },
    };
  }

  read(body) {
    return ece.decrypt(body, {
      version: 'aes128gcm', privateKey: this.keys, authSecret: this.auth.toString('base64url'),
    }).toString();
  }
}

async function startPushService() {
  const requests = [];
  const server = http2.createSecureServer({
    cert: fs.readFileSync(credential('server.pem')), key: fs.readFileSync(credential('server-key.pem')),
  });
  server.on('stream', (stream, headers) => {
    const parts = [];
    stream.on('data', (part) => parts.push(part));
    stream.on('end', () => {
      requests.push({ headers, body: Buffer.concat(parts) });
      stream.respond({ ':status': headers[':path'].endsWith('gone') ? 410 : 201, location: '/m/1' });
      stream.end();
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { server, requests, port: server.address().port };
}

describe('http_ece', () => {
  let service;
  let relay;
  let browsers;

  before(async () => {
    service = await startPushService();
    relay = await Relay.start(service.port);
    browsers = Array.from({ length: 5 }, () => new Browser(service.port));
    for (const [index, { subscription }] of browsers.entries()) {
      await relay.ask('PUT', `/v1/apps/video/devices/b-${index}`,
        { platform: 'webpush', subscription, topics: ['channel-42'] });
    }
  });
  after(async () => {
    if (relay) await relay.stop();
    if (service) await new Promise((resolve) => { service.server.close(resolve); });
  });

  async function publish(event) {
    service.requests.length = 0;
    const { id } = await relay.ask('POST', '/v1/events', { app: 'video', topic: 'channel-42', ...event });
    for (;;) {
      const now = await relay.ask('GET', `/v1/events/${id}`);
      if (now.state === 'completed') return { id, counters: now.counters };
      await new Promise((resolve) => { setImmediate(resolve); });
    }
  }
  const requestTo = (browser) => service.requests.find(({ headers }) => headers[':path'] === browser.path);

  it('reads what the relay sends to each browser, and to no other', async () => {
    const title = 'New upload – 🔔';
    const { id, counters } = await publish({ notification: { title, body: 'Bells' }, data: { video: 'v-1' } });
    assert.equal(counters.accepted, browsers.length);
    for (const [index, browser] of browsers.entries()) {
      const { body } = requestTo(browser);
      assert.deepEqual(JSON.parse(browser.read(body)),
        { event: id, notification: { title, body: 'Bells', tag: id }, data: { video: 'v-1' } });
      assert.throws(() => browsers[(index + 1) % browsers.length].read(body));
    }
  });

  it('finds the headers of RFC 8030 and a token that the browser\'s key verifies', async () => {
    await publish({ notification: { title: 'x' }, priority: 'urgent', ttl: TTL_S_MAX });
    const { headers } = requestTo(browsers[0]);
    assert.equal(headers['content-encoding'], 'aes128gcm');
    assert.equal(headers.urgency, 'high');
    assert.ok(TTL_S_MAX - headers.ttl < 60, `what is left of four weeks, not ${headers.ttl}`);
    assert.match(headers.topic, /^[\w-]{1,32}$/);
    const [, token, key] = /^vapid t=([^,]+), k=(\S+)$/.exec(headers.authorization);
    assert.equal(key, Relay.applicationServerKey(), 'the one that browsers were given');
    const [head, claims, signature] = token.split('.');
    assert.equal(JSON.parse(Buffer.from(head, 'base64url')).alg, 'ES256');
    assert.ok(verify('sha256', Buffer.from(`${head}.${claims}`),
      { key: createPublicKey(fs.readFileSync(credential('vapid-public.pem'))), dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url')));
    const { aud, exp, sub } = JSON.parse(Buffer.from(claims, 'base64url'));
    assert.equal(aud, `https://127.0.0.1:${service.port}`);
    assert.equal(sub, SUBJECT);
    const ahead = exp - Date.now() / 1000;
    assert.ok(ahead > 0 && ahead <= 24 * 3600, `exp is ${ahead} s ahead`);
  });

  it('reads the longest message that the relay takes', async () => {
    const empty = JSON.stringify({ event: '0'.repeat(36), notification: { body: '', tag: '0'.repeat(36), title: '' } });
    const body = 'x'.repeat(PLAINTEXT_BYTES_MAX - empty.length - 1);
    await publish({ notification: { title: 'y', body } });
    const request = requestTo(browsers[0]);
    assert.equal(request.body.length, 4096);
    assert.equal(JSON.parse(browsers[0].read(request.body)).notification.body, body);
    await assert.rejects(publish({ notification: { title: 'y', body: `${body}x` } }), /3994 bytes/);
  });
});
