// A carillon process of its own for one test file, which sends to the browsers of one push service.
'use strict';

const { spawn, execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');

const { credential } = require('./simulator.js');

const READY_MS_MAX = 20_000;
const SUBJECT = 'mailto:push@example.com';

class Relay {
  // `port`: of the push service on the loopback interface.
  static async start(port) {
    const relay = new Relay();
    relay.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-conformance-'));
    relay.config = path.join(relay.directory, 'carillon.toml');
    fs.writeFileSync(relay.config, `
[http]
listen = "127.0.0.1:0"

[apps.video.webpush]
vapid_key_file = "${credential('vapid.pem')}"
subject = "${SUBJECT}"
origins = ["127.0.0.1:${port}"]
allow_private_addresses = true
ca_file = "${credential('ca.pem')}"
`);
    relay.key = relay.#run('keys', 'create', '--config', relay.config, '--name', 'conformance',
      '--scopes', 'admin');
    relay.process = spawn(process.env.CARILLON_RELAY, ['serve', '--config', relay.config],
      { stdio: ['ignore', 'pipe', 'pipe'] });
    try {
      relay.url = await relay.#ready();
    } catch (error) {
      await relay.stop();
      throw error;
    }
    return relay;
  }

  // What a browser subscribes with, as the relay's own command tells it.
  static applicationServerKey() {
    return execFileSync(process.env.CARILLON_RELAY, ['keys', 'vapid', '--out', credential('vapid.pem')],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  }

  #run(...args) {
    return execFileSync(process.env.CARILLON_RELAY, args,
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  }

  #ready() {
    const said = [];
    return new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`carillon ${why}; it said:\n${said.join('\n')}`));
      const deadline = setTimeout(() => fail(`was not ready after ${READY_MS_MAX} ms`), READY_MS_MAX);
      this.process.once('exit', (code, signal) => fail(`ended with ${code ?? signal}`));
      let url;
      const hear = (line) => {
        said.push(line);
        url = /^carillon .*(http:\/\/\S+)$/.exec(line)?.[1] ?? url;
        if (!/^ready\b/.test(line)) return;
        clearTimeout(deadline);
        this.process.removeAllListeners('exit');
        resolve(url);
      };
      readline.createInterface({ input: this.process.stdout }).on('line', hear);
      readline.createInterface({ input: this.process.stderr }).on('line', hear);
    });
  }

  async ask(method, target, body) {
    const answer = await fetch(`${this.url}${target}`, {
      method,
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${target}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  async stop() {
    const ended = new Promise((resolve) => { this.process.once('exit', resolve); });
    if (this.process.exitCode === null && this.process.kill('SIGTERM')) await ended;
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

module.exports = { Relay, SUBJECT };
