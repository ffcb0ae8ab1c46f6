// What the relay sends to browsers, taken by web-push-testing: a push service with its browsers, by
// others. It checks the VAPID token and the key, decrypts, and hands out what its browsers read.
'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const path = require('node:path');
const readline = require('node:readline');
const { after, before, describe, it } = require('node:test');

const { Relay } = require('./relay.js');
const { credential } = require('./simulator.js');

const READY_MS_MAX = 20_000;

// It speaks HTTP/1.1 in the clear, as some services do behind their front.
class PushService {
  static async start() {
    const service = new PushService();
    service.process = spawn(process.execPath,
      ['--require', path.join(__dirname, 'loopback_only.js'),
        path.join(__dirname, 'node_modules/web-push-testing/src/bin/server.js'), '0'],
      { stdio: ['ignore', 'pipe', 'ignore'] });
    service.port = await new Promise((resolve, reject) => {
      const deadline = setTimeout(() => reject(new Error('web-push-testing did not listen')), READY_MS_MAX);
      service.process.once('exit', (code) => reject(new Error(`web-push-testing ended with ${code}`)));
      readline.createInterface({ input: service.process.stdout }).on('line', (line) => {
        const port = /^loopback port (\d+)$/.exec(line)?.[1];
        if (!port) return;
        clearTimeout(deadline);
        service.process.removeAllListeners('exit');
        resolve(Number(port));
      });
    });
    await service.#startFront();
    return service;
  }

  // The front: TLS and HTTP/2 before it, every header and byte passed on, every status passed back.
  async #startFront() {
    this.requests = [];
    this.front = http2.createSecureServer({
      cert: fs.readFileSync(credential('server.pem')), key: fs.readFileSync(credential('server-key.pem')),
    });
    this.front.on('stream', (stream, head) => {
      const headers = Object.fromEntries(Object.entries(head).filter(([name]) => !name.startsWith(':')));
      const request = http.request({
        host: '127.0.0.1', port: this.port, method: head[':method'], path: head[':path'], headers,
      }, (answer) => {
        this.requests.push({ path: head[':path'], headers, status: answer.statusCode });
        stream.respond({ ':status': answer.statusCode });
        answer.pipe(stream);
      });
      request.once('error', () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
      stream.pipe(request);
    });
    await new Promise((resolve) => { this.front.listen(0, '127.0.0.1', resolve); });
    this.frontPort = this.front.address().port;
  }

  async #ask(target, body) {
    const answer = await fetch(`http://127.0.0.1:${this.port}${target}`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
    });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return text;
  }

  async subscribe(applicationServerKey) {
    const { data } = JSON.parse(await this.#ask('/subscribe', { applicationServerKey, userVisibleOnly: 'true' }));
    return {
      hash: data.clientHash,
      subscription: { endpoint: `https://127.0.0.1:${this.frontPort}/notify/${data.clientHash}`, keys: data.keys },
    };
  }
  async messages(hash) {
    const { data } = JSON.parse(await this.#ask('/get-notifications', { clientHash: hash }));
    return data.messages.map((text) => JSON.parse(text));
  }
  expire(hash) { return this.#ask(`/expire-subscription/${hash}`, {}); }

  async stop() {
    if (this.front) await new Promise((resolve) => { this.front.close(resolve); });
    const ended = new Promise((resolve) => { this.process.once('exit', resolve); });
    if (this.process.exitCode === null && this.process.kill('SIGTERM')) await ended;
  }
}

describe('web-push-testing', () => {
  let service;
  let relay;
  const browsers = [];

  before(async () => {
    service = await PushService.start();
    relay = await Relay.start(service.frontPort);
    for (let index = 0; index < 20; ++index) browsers.push(await service.subscribe(Relay.applicationServerKey()));
    await Promise.all(browsers.map(({ subscription }, index) => relay.ask('PUT', `/v1/apps/video/devices/b-${index}`,
      { platform: 'webpush', subscription, topics: ['channel-42'] })));
  });
  after(async () => {
    if (relay) await relay.stop();
    if (service) await service.stop();
  });

  async function publish(event) {
    const { id } = await relay.ask('POST', '/v1/events', { app: 'video', ...event });
    for (;;) {
      const now = await relay.ask('GET', `/v1/events/${id}`);
      if (now.state === 'completed') return { id, ...now };
      await new Promise((resolve) => { setImmediate(resolve); });
    }
  }

  it('verifies the token, decrypts each message and has it once', async () => {
    const { id, counters } = await publish({
      topic: 'channel-42', notification: { title: 'New upload – 🔔', body: 'Bells' }, data: { video: 'v-1' },
    });
    assert.equal(counters.accepted, browsers.length);
    for (const { hash } of browsers) {
      assert.deepEqual(await service.messages(hash), [
        { event: id, notification: { title: 'New upload – 🔔', body: 'Bells', tag: id }, data: { video: 'v-1' } }]);
    }
  });

  it('says 410 after a subscription has expired, and the relay removes that device alone', async () => {
    await service.expire(browsers[3].hash);
    const { counters } = await publish({ topic: 'channel-42', notification: { title: 'x' } });
    assert.equal(counters.accepted, browsers.length - 1);
    assert.equal(counters.rejected, 1);
    // A relay that has just started believes nobody before it has seen some hundred answers.
    for (let targeted = browsers.length, left = 10; targeted === browsers.length; --left) {
      assert.ok(left > 0, 'it is still in the audience');
      service.requests.length = 0;
      ({ targeted } = (await publish({ topic: 'channel-42', notification: { title: 'y' } })).counters);
    }
    const dead = `/notify/${browsers[3].hash}`;
    assert.equal(service.requests.length, browsers.length - 1);
    assert.ok(service.requests.every((request) => request.path !== dead), 'nobody asks for it again');
  });

  it('refuses a subscription made for another key, and the relay keeps the device', async () => {
    // The public key of the RFC 8291 example: a point of the curve that is not ours.
    const other = await service.subscribe(
      'BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8');
    await relay.ask('PUT', '/v1/apps/video/devices/other', { platform: 'webpush', subscription: other.subscription });
    const { counters } = await publish({ devices: ['other'], notification: { title: 'x' } });
    assert.equal(counters.accepted, 0);
    assert.equal(service.requests.at(-1).status, 400);
    assert.deepEqual(await service.messages(other.hash), []);
    assert.equal((await relay.ask('GET', '/v1/apps/video/devices/other')).platform, 'webpush');
  });
});
