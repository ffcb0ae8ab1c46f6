// A device-sim process of its own for one test file, on ports that the system chose.
'use strict';

const { spawn, execFileSync } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');

const READY_MS_MAX = 20_000;
const POPULATION = { devices: 1000, seed: 20261121, mix: 'apns:1,fcm:1,webpush:1' };

const BUNDLE_ID = 'com.example.video';
// Where Google's own client asks for access tokens, whatever the service account says: it is the
// audience that the assertion names.
const TOKEN_URI = 'https://oauth2.googleapis.com/token';

function required(variable) {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set; run tests/conformance/run`);
  return value;
}

const deviceSim = required('CARILLON_DEVICE_SIM');
const credentials = required('CARILLON_CREDENTIALS');
const credential = (name) => path.join(credentials, name);

const configuration = `
[tls]
certificate = "${credential('server.pem')}"
key = "${credential('server-key.pem')}"

[apns]
listen = "127.0.0.1:0"
topics = ["${BUNDLE_ID}"]

[[apns.keys]]
key_id = "SIMKEY0001"
team_id = "SIMTEAM001"
public_key = "${credential('apns-public.pem')}"

[fcm]
listen = "127.0.0.1:0"
project = "carillon-sim"
client_email = "relay@carillon-sim.iam.gserviceaccount.com"
public_key = "${credential('fcm-public.pem')}"
token_uri = "${TOKEN_URI}"

[webpush]
listen = "127.0.0.1:0"
public_key = "${credential('vapid-public.pem')}"

[control]
listen = "127.0.0.1:0"

[population]
devices = ${POPULATION.devices}
seed = ${POPULATION.seed}
mix = "${POPULATION.mix}"
`;

class Simulator {
  static async start() {
    const simulator = new Simulator();
    simulator.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'conformance-'));
    const config = path.join(simulator.directory, 'device-sim.toml');
    fs.writeFileSync(config, configuration);
    simulator.process = spawn(deviceSim, ['serve', '--config', config], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    simulator.ports = await simulator.#listening();
    return simulator;
  }

  // Resolves with {apns, fcm, webpush, control} once the simulator has said `ready`.
  #listening() {
    const ports = {};
    const said = [];
    return new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`device-sim ${why}; it said:\n${said.join('\n')}`));
      const deadline = setTimeout(() => fail(`was not ready after ${READY_MS_MAX} ms`), READY_MS_MAX);
      this.process.once('exit', (code, signal) => fail(`ended with ${code ?? signal}`));
      const hear = (line) => {
        said.push(line);
        const listener = /^(apns|fcm|webpush|control) listening on \S*?:(\d+)\b/.exec(line);
        if (listener) ports[listener[1]] = Number(listener[2]);
        if (/^ready\b/.test(line)) {
          clearTimeout(deadline);
          this.process.removeAllListeners('exit');
          resolve(ports);
        }
      };
      readline.createInterface({ input: this.process.stdout }).on('line', hear);
      readline.createInterface({ input: this.process.stderr }).on('line', hear);
    });
  }

  // Tokens of simulated devices, as an app's backend would have them.
  tokens(platform, count) {
    const { seed, mix } = POPULATION;
    const lines = execFileSync(deviceSim, ['devices', '--count', '200', '--seed', String(seed),
      '--mix', mix, '--app', 'video', '--topic', 'channel-42'], { encoding: 'utf8' });
    return lines.trim().split('\n').map((line) => JSON.parse(line))
      .filter((device) => device.platform === platform).slice(0, count)
      .map((device) => device.token);
  }

  // In the simulator's hands: {device, token}, of browsers {device, subscription}; `inbox` tells
  // what they showed.
  async phones(platform, count) {
    return (await this.#control('POST', '/sim/phones', { count, platform })).phones;
  }
  browsers(count) { return this.phones('webpush', count); }
  async inbox(device) { return (await this.#control('GET', `/sim/devices/${device}`)).inbox; }

  setFaults(faults) { return this.#control('PUT', '/sim/faults', faults); }
  clearFaults() { return this.#control('DELETE', '/sim/faults'); }

  #control(method, target, body) {
    return new Promise((resolve, reject) => {
      const request = http.request({
        agent: false, host: '127.0.0.1', port: this.ports.control, method, path: target,
        headers: body ? { 'content-type': 'application/json' } : {},
      }, (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.once('end', () => (response.statusCode < 300
          ? resolve(JSON.parse(Buffer.concat(parts).toString() || 'null'))
          : reject(new Error(`${method} ${target}: ${response.statusCode}`))));
      });
      request.once('error', reject);
      request.end(body ? JSON.stringify(body) : undefined);
    });
  }

  async stop() {
    const ended = new Promise((resolve) => { this.process.once('exit', resolve); });
    if (this.process.exitCode === null && this.process.kill('SIGTERM')) await ended;
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

module.exports = { Simulator, credential, BUNDLE_ID };
