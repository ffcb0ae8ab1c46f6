// Proves that a client written for Apple's service finds in the simulator's APNs gateway what it
// expects of Apple's: HTTP/2 with ALPN, the paths and headers it sends, and answers that it can read.
'use strict';

const assert = require('node:assert/strict');
const { generateKeyPairSync } = require('node:crypto');
const fs = require('node:fs');
const { after, before, describe, it } = require('node:test');

const apn = require('@parse/node-apn');

const { Simulator, credential, BUNDLE_ID } = require('./simulator.js');

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const PAYLOAD_BYTES_MAX = 4096;

describe('@parse/node-apn', () => {
  let simulator;
  let tokens;
  const providers = [];

  before(async () => {
    simulator = await Simulator.start();
    tokens = simulator.tokens('apns', 5);
  });
  after(async () => {
    await Promise.all(providers.map((provider) => provider.shutdown()));
    if (simulator) await simulator.stop();
  });

  function provider(key = fs.readFileSync(credential('apns.p8'))) {
    const made = new apn.Provider({
      address: '127.0.0.1',
      port: simulator.ports.apns,
      manageChannelsAddress: '127.0.0.1',
      manageChannelsPort: simulator.ports.apns,
      ca: [fs.readFileSync(credential('ca.pem'))],
      rejectUnauthorized: true,
      token: { key, keyId: 'SIMKEY0001', teamId: 'SIMTEAM001' },
      requestTimeout: 10_000,
    });
    providers.push(made);
    return made;
  }

  function notification(change = () => {}) {
    const made = new apn.Notification();
    made.topic = BUNDLE_ID;
    made.pushType = 'alert';
    made.alert = { title: 'New upload', body: 'Bells of Bruges, part 3' };
    made.expiry = Math.floor(Date.now() / 1000) + 3600;
    change(made);
    return made;
  }

  // The one failure of a send to one device.
  async function refusal(sender, message, token = tokens[0]) {
    const { sent, failed } = await sender.send(message, token);
    assert.deepEqual(sent, []);
    assert.equal(failed.length, 1);
    assert.equal(failed[0].error, undefined, 'an answer, not a broken connection');
    return { status: Number(failed[0].status), ...failed[0].response };
  }

  it('delivers to every device it is given', async () => {
    const { sent, failed } = await provider().send(notification(), tokens);
    assert.deepEqual(failed, []);
    assert.deepEqual(new Set(sent.map(({ device }) => device)), new Set(tokens));
  });

  it('may name the notification itself', async () => {
    const id = '123e4567-e89b-12d3-a456-42665544a000';
    assert.match(id, UUID);
    const { sent } = await provider().send(notification((made) => { made.id = id; }), tokens[0]);
    assert.equal(sent.length, 1);
  });

  it('is told that a device is unregistered, and since when', async () => {
    await simulator.setFaults({ unregistered_share: 1 });
    try {
      const { status, reason, timestamp } = await refusal(provider(), notification());
      assert.deepEqual({ status, reason }, { status: 410, reason: 'Unregistered' });
      assert.ok(Number.isInteger(timestamp), 'milliseconds since the epoch');
      assert.ok(Math.abs(Date.now() - timestamp) < 60_000, `not ${timestamp}`);
    } finally {
      await simulator.clearFaults();
    }
  });

  it('is told that a payload is one byte too large, and not before', async () => {
    const filled = (bytes) => notification((made) => {
      made.rawPayload = { aps: { alert: '' } };
      const empty = Buffer.byteLength(JSON.stringify(made.rawPayload));
      made.rawPayload.aps.alert = 'x'.repeat(bytes - empty);
    });
    const { sent } = await provider().send(filled(PAYLOAD_BYTES_MAX), tokens[0]);
    assert.equal(sent.length, 1);
    const { status, reason } = await refusal(provider(), filled(PAYLOAD_BYTES_MAX + 1));
    assert.deepEqual({ status, reason }, { status: 413, reason: 'PayloadTooLarge' });
  });

  it('is told that its signing key is not the one registered', async () => {
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const { status, reason } = await refusal(provider(privateKey), notification());
    assert.deepEqual({ status, reason }, { status: 403, reason: 'InvalidProviderToken' });
  });

  it('is told that a token is malformed', async () => {
    const { status, reason } = await refusal(provider(), notification(), 'not-hex');
    assert.deepEqual({ status, reason }, { status: 400, reason: 'BadDeviceToken' });
  });

  it('is told that a background push must not have priority 10', async () => {
    const { status, reason } = await refusal(provider(), notification((made) => {
      made.pushType = 'background';
      made.priority = 10;
      made.rawPayload = { aps: { 'content-available': 1 } };
    }));
    assert.deepEqual({ status, reason }, { status: 400, reason: 'BadPriority' });
  });

  // What a call about channels was answered, or refused with.
  async function about(channel, action, change = () => {}) {
    const made = new apn.Notification();
    made.channelId = channel;
    change(made);
    const { sent, failed } = await provider().manageChannels(made, BUNDLE_ID, action);
    return sent[0] ?? { status: failed[0].status, ...failed[0].response };
  }

  it('makes, reads, lists, sends to and deletes a broadcast channel', async () => {
    const made = await about(undefined, 'create', (order) => {
      order.payload = { 'message-storage-policy': 1 };
    });
    const channel = made['apns-channel-id'];
    assert.match(made['apns-request-id'], UUID);
    const read = await about(channel, 'read');
    assert.equal(read['message-storage-policy'], 1);
    assert.ok((await about(undefined, 'readAll')).channels.includes(channel));

    const update = new apn.Notification();
    update.channelId = channel;
    update.pushType = 'liveactivity';
    update.priority = 10;
    update.expiry = Math.floor(Date.now() / 1000) + 3600;
    update.rawPayload = { aps: { event: 'update', timestamp: 1, 'content-state': {} } };
    const { sent, failed } = await provider().broadcast(update, BUNDLE_ID);
    assert.deepEqual(failed, []);
    assert.match(sent[0]['apns-request-id'], UUID);

    await about(channel, 'delete');
    const gone = await about(channel, 'read');
    assert.deepEqual([gone.status, gone.reason], [400, 'ChannelNotRegistered']);
  });
});
