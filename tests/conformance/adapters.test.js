// The provider library against Node's own HTTP/2 server, with every credential checked by Node's own
// cryptography.
'use strict';

const assert = require('node:assert/strict');
const { createPublicKey, verify } = require('node:crypto');
const fs = require('node:fs');
const http2 = require('node:http2');
const { afterEach, describe, it } = require('node:test');

const { Provider } = require('./provider.js');
const { credential } = require('./simulator.js');

const { NGHTTP2_REFUSED_STREAM, NGHTTP2_INTERNAL_ERROR } = http2.constants;
const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';

function readJwt(token, publicKey, dsaEncoding) {
  const [head, claims, signature] = token.split('.');
  assert.ok(verify('sha256', Buffer.from(`${head}.${claims}`),
    { key: createPublicKey(fs.readFileSync(credential(publicKey))), dsaEncoding },
    Buffer.from(signature, 'base64url')), 'the signature is right');
  const read = (part) => JSON.parse(Buffer.from(part, 'base64url'));
  return { head: read(head), claims: read(claims), signature: Buffer.from(signature, 'base64url') };
}

describe('Node http2', () => {
  const running = [];
  afterEach(async () => {
    while (running.length > 0) await running.pop()();
  });

  // `onRequest(request)`: {stream, headers, body}. Resolves with the port.
  async function serve(onRequest, settings = { maxConcurrentStreams: 100 }) {
    const sessions = [];
    const server = http2.createSecureServer({
      settings, cert: fs.readFileSync(credential('server.pem')), key: fs.readFileSync(credential('server-key.pem')),
    });
    server.on('session', (session) => sessions.push(session));
    server.on('stream', (stream, headers) => {
      const parts = [];
      stream.on('error', () => {});  // of those that a test resets
      stream.on('data', (part) => parts.push(part));
      stream.on('end', () => onRequest({ stream, headers, body: Buffer.concat(parts).toString() }));
    });
    await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    running.push(() => new Promise((resolve) => {
      server.close(resolve);
      sessions.forEach((session) => session.destroy());
    }));
    return { port: server.address().port, sessions };
  }
  async function provider(made) {
    const started = await made;
    running.push(() => started.stop());
    return started;
  }
  const answer = ({ stream, headers }, status = 200, body = '') => {
    stream.respond({ ':status': status, 'apns-id': headers['apns-id'] }, { endStream: body === '' });
    if (body !== '') stream.end(body);
  };
  const kinds = (verdicts) => new Set(verdicts.map(({ kind }) => kind));

  it('verifies one raw ES256 token that all requests to Apple share', async () => {
    const requests = [];
    const { port } = await serve((request) => { requests.push(request); answer(request); });
    const apns = await provider(Provider.apns(port));
    assert.deepEqual(kinds(await apns.send(0, 500)), new Set(['accepted']));
    assert.equal(requests.length, 500);
    const authorizations = new Set(requests.map(({ headers }) => headers.authorization));
    assert.equal(authorizations.size, 1);
    const [, token] = /^bearer (\S+)$/.exec([...authorizations][0]);
    const { head, claims, signature } = readJwt(token, 'apns-public.pem', 'ieee-p1363');
    assert.equal(signature.length, 64, 'R and S, not DER');
    assert.deepEqual(head, { alg: 'ES256', kid: 'SIMKEY0001' });
    assert.equal(claims.iss, 'SIMTEAM001');
    assert.ok(Math.abs(Date.now() / 1000 - claims.iat) < 60);
    assert.deepEqual(Object.keys(claims).sort(), ['iat', 'iss']);
    for (const { headers, body } of requests) {
      assert.match(headers['apns-id'], /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      assert.equal(JSON.parse(body).aps.alert.title, 'New upload');
    }
  });

  it('verifies the RS256 assertion that an access token is asked for with', async () => {
    const asked = [];
    const sent = [];
    const { port } = await serve((request) => {
      const isToken = request.headers[':path'] === '/token';
      (isToken ? asked : sent).push(request);
      answer(request, 200, JSON.stringify(isToken
        ? { access_token: 'ya29.one', expires_in: 3599, token_type: 'Bearer' }
        : { name: 'projects/carillon-sim/messages/1' }));
    });
    const fcm = await provider(Provider.fcm(port));
    assert.deepEqual(kinds(await fcm.send(0, 300)), new Set(['accepted']));
    assert.equal(asked.length, 1);
    const form = new URLSearchParams(asked[0].body);
    assert.equal(form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer');
    const { head, claims } = readJwt(form.get('assertion'), 'fcm-public.pem');
    assert.equal(head.alg, 'RS256');
    assert.equal(claims.iss, 'relay@carillon-sim.iam.gserviceaccount.com');
    assert.equal(claims.aud, `https://localhost:${port}/token`);
    assert.ok(claims.scope.split(' ').includes(SCOPE));
    assert.ok(claims.exp > claims.iat && claims.exp - claims.iat <= 3600);
    for (const { headers, body } of sent) {
      assert.equal(headers.authorization, 'Bearer ya29.one');
      assert.match(JSON.parse(body).message.token, /^[0-9a-f]{64}$/);
    }
  });

  it('refuses and resets streams, and each request is told what it was', async () => {
    let count = 0;
    const { port } = await serve((request) => {
      const turn = count++ % 3;
      if (turn === 0) answer(request);
      else request.stream.close(turn === 1 ? NGHTTP2_REFUSED_STREAM : NGHTTP2_INTERNAL_ERROR);
    });
    const apns = await provider(Provider.apns(port));
    const told = await apns.send(0, 90);
    for (const kind of ['accepted', 'not_sent', 'unanswered']) {
      assert.equal(told.filter((verdict) => verdict.kind === kind).length, 30, kind);
    }
  });

  it('says GOAWAY in the middle, and what it served is served once', async () => {
    const served = new Map();
    let goaway = false;
    const { port, sessions } = await serve((request) => {
      const path = request.headers[':path'];
      served.set(path, (served.get(path) ?? 0) + 1);
      answer(request);
      if (served.size === 50 && !goaway) {
        goaway = true;
        request.stream.session.goaway(0, request.stream.id, Buffer.from('{"reason":"Shutdown"}'));
      }
    });
    const apns = await provider(Provider.apns(port, { connections_max: 1 }));
    const verdicts = await apns.send(0, 400);
    for (const { tag, kind } of verdicts) {
      assert.ok(kind === 'accepted' || kind === 'not_sent', kind);
      if (kind === 'accepted') assert.equal(served.get(`/3/device/${tag.toString(16).padStart(64, '0')}`), 1);
    }
    assert.ok(sessions.length >= 2, 'the rest goes elsewhere');
  });
});
