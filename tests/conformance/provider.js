// A provider of the relay's library in a process of its own, driven over JSON lines
// (provider_driver.cc).
'use strict';

const assert = require('node:assert/strict');
const { once, EventEmitter } = require('node:events');
const { spawn } = require('node:child_process');
const readline = require('node:readline');

const { credential } = require('./simulator.js');

class Provider extends EventEmitter {
  static async start(configuration) {
    const provider = new Provider();
    provider.verdicts = new Map();
    provider.repeated = [];
    provider.process = spawn(process.env.CARILLON_PROVIDER_DRIVER, { stdio: ['pipe', 'pipe', 'inherit'] });
    readline.createInterface({ input: provider.process.stdout }).on('line', (line) => provider.#take(JSON.parse(line)));
    provider.#say({ ca_file: credential('ca.pem'), ...configuration });
    const [problems] = await once(provider, 'made');
    assert.equal(problems, undefined);
    return provider;
  }

  static apns(port, more = {}) {
    return Provider.start({
      platform: 'apns', endpoint: `https://localhost:${port}`, key_file: credential('apns.p8'),
      key_id: 'SIMKEY0001', team_id: 'SIMTEAM001', bundle_id: 'com.example.video', ...more,
    });
  }
  static fcm(port, more = {}) {
    return Provider.start({
      platform: 'fcm', endpoint: `https://localhost:${port}`, token_uri: `https://localhost:${port}/token`,
      service_account_file: credential('service-account.json'), ...more,
    });
  }

  #say(line) { this.process.stdin.write(`${JSON.stringify(line)}\n`); }

  #take(line) {
    if (line.ready || line.problems) this.emit('made', line.problems);
    for (const verdict of line.verdicts ?? []) {
      if (this.verdicts.has(verdict.tag)) this.repeated.push(verdict.tag);
      this.verdicts.set(verdict.tag, verdict);
    }
    if (line.verdicts) this.emit('verdicts');
  }

  // Sends to targets `first`, `first` + 1, …; resolves with their verdicts when all have one.
  async send(first, count) {
    this.#say({ submit: { first, count } });
    const tags = Array.from({ length: count }, (_, index) => first + index);
    while (!tags.every((tag) => this.verdicts.has(tag))) await once(this, 'verdicts');
    return tags.map((tag) => this.verdicts.get(tag));
  }

  async stop() {
    const ended = once(this.process, 'exit');
    this.process.stdin.end();
    const [code] = await ended;
    assert.equal(code, 0);
    assert.deepEqual(this.repeated, []);
  }
}

module.exports = { Provider };
