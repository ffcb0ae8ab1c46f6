// Clients that cannot be given another address are led to the simulator at the level of the socket:
// everything above it, TLS server name and certificate check included, is as it would be in life.
'use strict';

const net = require('node:net');

const routes = new Map();  // host name → port on the loopback interface

function redirect(host, port) { routes.set(host, port); }

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function connectRedirected(...args) {
  // Node's own callers pass [options, callback] as one array. The options are copied, not changed:
  // TLS looks into them again to check the certificate against the name that was asked for.
  const holder = Array.isArray(args[0]) ? args[0] : args;
  const options = holder[0];
  if (options && typeof options === 'object' && routes.has(options.host)) {
    holder[0] = { ...options, host: '127.0.0.1', port: routes.get(options.host) };
  }
  return connect.apply(this, args);
};

module.exports = { redirect };
