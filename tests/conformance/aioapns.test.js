// Proves that the simulator takes a client of APNs that was written in another language for Apple's
// service alone: HTTP/2 without ALPN, and `host` in the place of `:authority`.
'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');

const { Simulator, credential, BUNDLE_ID } = require('./simulator.js');

const WITHIN_MS = 60_000;

describe('aioapns', () => {
  let simulator;
  before(async () => { simulator = await Simulator.start(); });
  after(async () => { if (simulator) await simulator.stop(); });

  // {status, description} of each request.
  function send(requests, topic = BUNDLE_ID) {
    const ran = spawnSync(process.env.CARILLON_PYTHON ?? '/usr/bin/python3',
      [path.join(__dirname, 'aioapns_client.py')],
      {
        encoding: 'utf8',
        timeout: WITHIN_MS,
        input: JSON.stringify({
          port: simulator.ports.apns, ca: credential('ca.pem'), key: credential('apns.p8'), topic, requests,
        }),
      });
    assert.equal(ran.status, 0, ran.stderr);
    return JSON.parse(ran.stdout).map(({ status, description }) => ({ status, description }));
  }
  const message = { aps: { alert: { title: 'New upload', body: 'Bells of Bruges, part 3' } } };

  it('delivers over a connection without ALPN, and is told why not in words', async () => {
    const [phone] = await simulator.phones('apns', 1);
    const { token } = phone;
    assert.deepEqual(send([
      { token, message, time_to_live: 60, priority: 10, collapse_key: 'bells' },
      { token: 'not-a-token', message },
      { token, message, push_type: 'background', priority: 10 },
      { token, message: { filling: 'x'.repeat(5000) } },
      { token, message: { aps: { 'content-available': 1 } }, push_type: 'background', priority: 5 },
    ]), [
      { status: '200', description: null },
      { status: '400', description: 'BadDeviceToken' },
      { status: '400', description: 'BadPriority' },
      { status: '413', description: 'PayloadTooLarge' },
      { status: '200', description: null },
    ]);
    const inbox = await simulator.inbox(phone.device);
    assert.deepEqual(inbox.map(({ title }) => title), ['New upload', '']);
  });

  it('is told that an app is not known', async () => {
    const [{ token }] = await simulator.phones('apns', 1);
    assert.deepEqual(send([{ token, message }], 'com.example.other'),
      [{ status: '400', description: 'TopicDisallowed' }]);
  });
});
