// Proves that Google's own Admin SDK takes the simulator for FCM and for Google's OAuth: it signs an
// assertion, gets an access token, sends over HTTP/1.1 (`send`) and over HTTP/2 (`sendEach`), and
// turns the answers into the error codes that its documentation promises.
'use strict';

const assert = require('node:assert/strict');
const { generateKeyPairSync } = require('node:crypto');
const fs = require('node:fs');
const https = require('node:https');
const { after, before, describe, it } = require('node:test');
const tls = require('node:tls');

const { redirect } = require('./redirect.js');
const { cert, deleteApp, initializeApp } = require('firebase-admin/app');
const { getMessaging } = require('firebase-admin/messaging');

const { Simulator, credential } = require('./simulator.js');

const MESSAGE_NAME = /^projects\/carillon-sim\/messages\/[^/]+$/;
const PAYLOAD_BYTES_MAX = 4096;

const serviceAccount = JSON.parse(fs.readFileSync(credential('service-account.json'), 'utf8'));

describe('firebase-admin', () => {
  let simulator;
  let token;
  const apps = [];

  before(async () => {
    simulator = await Simulator.start();
    [token] = simulator.tokens('fcm', 1);
    redirect('fcm.googleapis.com', simulator.ports.fcm);
    redirect('oauth2.googleapis.com', simulator.ports.fcm);
    redirect('iid.googleapis.com', simulator.ports.fcm);
  });
  after(async () => {
    await Promise.all(apps.map(deleteApp));
    if (simulator) await simulator.stop();
  });

  // The documented way to lead `send` elsewhere: an agent that dials the simulator.
  function agent() {
    const made = new https.Agent({ keepAlive: false });
    made.createConnection = (options) => tls.connect({
      ...options, host: '127.0.0.1', port: simulator.ports.fcm,
      servername: options.servername || options.host,
    });
    return made;
  }

  function messaging(account = serviceAccount, httpAgent = undefined) {
    const app = initializeApp(
      { credential: cert(account, httpAgent), projectId: 'carillon-sim', httpAgent },
      `app-${apps.length}`);
    apps.push(app);
    return getMessaging(app);
  }

  function accountWithAnotherKey() {
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    return { ...serviceAccount, private_key: privateKey };
  }

  const message = (to = token) => ({
    token: to,
    notification: { title: 'New upload', body: 'Bells of Bruges, part 3' },
    data: { video: 'bruges-3' },
  });
  const oversized = () => ({ token, data: { filling: 'x'.repeat(PAYLOAD_BYTES_MAX + 1) } });

  // How one message fares, by either way of sending: {messageId} or {code}.
  const ways = {
    'send, HTTP/1.1': async (body, account) => {
      try {
        return { messageId: await messaging(account, agent()).send(body) };
      } catch (error) {
        return { code: error.code, text: error.message };
      }
    },
    'sendEach, HTTP/2': async (body, account) => {
      try {
        const { responses: [response] } = await messaging(account).sendEach([body]);
        return response.success ? { messageId: response.messageId }
          : { code: response.error.code, text: response.error.message };
      } catch (error) {
        return { code: error.code, text: error.message };
      }
    },
  };

  for (const [way, fate] of Object.entries(ways)) {
    describe(way, () => {
      it('delivers and is given the name of the message', async () => {
        const { messageId, text } = await fate(message());
        assert.match(messageId ?? text, MESSAGE_NAME);
      });

      it('is told that a token is no longer registered', async () => {
        await simulator.setFaults({ unregistered_share: 1 });
        try {
          const { code } = await fate(message());
          assert.equal(code, 'messaging/registration-token-not-registered');
        } finally {
          await simulator.clearFaults();
        }
      });

      it('is told that a payload is too large', async () => {
        const { code } = await fate(oversized());
        assert.equal(code, 'messaging/invalid-argument');
      });

      it('is told that a token is malformed', async () => {
        const { code } = await fate(message('not a token'));
        assert.equal(code, 'messaging/invalid-argument');
      });

      it('gets no access token for a key that is not registered', async () => {
        const { code, text } = await fate(message(), accountWithAnotherKey());
        assert.equal(code, 'app/invalid-credential', text);
        assert.match(text, /invalid_grant/);
      });
    });
  }

  it('subscribes devices to a topic, reaches them by it and by a condition, and ends that', async () => {
    const fcm = messaging();
    const phones = await simulator.phones('fcm', 3);
    const [a, b, c] = phones.map((phone) => phone.token);
    assert.deepEqual(await fcm.subscribeToTopic([a, b], '/topics/bells'),
      { successCount: 2, failureCount: 0, errors: [] });
    await fcm.subscribeToTopic([b, c], 'organs');
    const reached = async (to) => {
      const title = `to ${JSON.stringify(to)} ${Math.random()}`;
      await fcm.send({ ...to, notification: { title } });
      const inboxes = await Promise.all(phones.map(({ device }) => simulator.inbox(device)));
      return inboxes.map((inbox) => inbox.filter((message) => message.title === title).length);
    };
    assert.deepEqual(await reached({ topic: 'bells' }), [1, 1, 0]);
    assert.deepEqual(await reached({ condition: "'bells' in topics && 'organs' in topics" }),
      [0, 1, 0]);
    assert.deepEqual(await reached({ condition: "'bells' in topics || 'organs' in topics" }),
      [1, 1, 1]);
    assert.equal((await fcm.unsubscribeFromTopic(a, 'bells')).successCount, 1);
    assert.deepEqual(await reached({ topic: 'bells' }), [0, 1, 0]);
    const { successCount, errors } = await fcm.subscribeToTopic([a, 'not a token'], 'bells');
    assert.equal(successCount, 1);
    assert.deepEqual(errors.map(({ index, error }) => [index, error.code]),
      [[1, 'messaging/invalid-registration-token']]);
    await assert.rejects(fcm.send({
      condition: ['a', 'b', 'c', 'd', 'e', 'f'].map((topic) => `'${topic}' in topics`).join(' || '),
      notification: { title: 'six' },
    }), { code: 'messaging/invalid-argument' });
  });

  it('is told that an access token is not one that was issued', async () => {
    const app = initializeApp({
      credential: { getAccessToken: async () => ({ access_token: 'forged', expires_in: 3600 }) },
      projectId: 'carillon-sim',
    }, `app-${apps.length}`);
    apps.push(app);
    const { responses: [{ success, error }] } = await getMessaging(app).sendEach([message()]);
    assert.equal(success, false);
    assert.equal(error.code, 'messaging/third-party-auth-error');
  });

  it('gets the answers of one sendEach in the order of its messages', async () => {
    const { responses, successCount, failureCount } = await messaging().sendEach(
      [message(), message('not a token'), message(), oversized()]);
    assert.deepEqual(responses.map(({ success }) => success), [true, false, true, false]);
    assert.deepEqual({ successCount, failureCount }, { successCount: 2, failureCount: 2 });
  });
});
