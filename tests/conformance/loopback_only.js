// Preloaded into a server that would listen on every interface: it listens on loopback instead, and
// tells its port on a line of its own.
'use strict';

const net = require('node:net');

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function listenOnLoopback(port, ...rest) {
  this.once('listening', () => console.log(`loopback port ${this.address().port}`));
  return listen.call(this, port, '127.0.0.1', ...rest);
};
