// npm `ws`, both ways.
//
//   node ws.mjs client URL [--deflate] [--subprotocol NAME] [--ca FILE]
//   node ws.mjs server [--deflate] [--subprotocol NAME] [--cert FILE --key FILE] -- COMMAND
//       with {url} in it
//
// As a server it starts COMMAND, an echo client, once for each connection that a case asks for.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';

import WebSocket, { WebSocketServer } from 'ws';

import { Inbox, agreed, offers, options, play } from './cases.mjs';

const [role, ...argv] = process.argv.slice(2);
const flags = options(argv);
const { deflate, subprotocol, ca, cert, key, words } = flags;

function wrap(socket) {
  const inbox = new Inbox();
  socket.on('message', (data, binary) => inbox.put(binary ? data : data.toString()));
  socket.on('close', (code, reason) => inbox.end(code, reason.toString()));
  socket.on('error', (error) => inbox.end(1006, error.message));
  return {
    socket,
    send: (data) => socket.send(data),
    next: () => inbox.next(),
    close: (code, reason) => { socket.close(code, reason); return inbox.closed; },
    ping: async (payload) => {
      const pong = once(socket, 'pong');
      socket.ping(payload);
      return (await pong)[0];
    },
    fragments: (parts, binary) => {
      parts.forEach((part, i) => socket.send(part, { binary, fin: i + 1 === parts.length }));
    },
  };
}

if (role === 'client') {
  const [url] = words;
  const connect = async (offer) => {
    const socket = new WebSocket(url, offers(flags), {
      perMessageDeflate: offer, maxPayload: 1 << 26, ca: ca && readFileSync(ca),
    });
    const wrapped = wrap(socket);
    await once(socket, 'open');
    return wrapped;
  };
  const dialects = deflate ? {
    'deflate without takeover': {
      serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0,
    },
    'deflate with window bits': { serverMaxWindowBits: 9, clientMaxWindowBits: 10, threshold: 0 },
    'deflate not offered': false,
  } : {};
  const more = Object.fromEntries(Object.entries(dialects).map(([name, offer]) => [name, async () => {
    const c = await connect(offer);
    assert.equal(c.socket.extensions !== '', offer !== false);
    for (let i = 0; i < 20; i += 1) {
      const data = `${name} `.repeat(i * 40);
      c.send(data);
      assert.equal(await c.next(), data);
    }
    await c.close(1000, '');
  }]));
  await play(`ws client${deflate ? ', deflate' : ''}${ca ? ', TLS' : ''}`,
    () => connect(deflate && { threshold: 0 }), { ...agreed(flags), ...more });
} else {
  const http = cert
    ? createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) })
    : createServer();
  const server = new WebSocketServer({
    server: http,
    perMessageDeflate: deflate && { threshold: 0 },
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
    maxPayload: 1 << 26,
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const url = `${cert ? 'wss' : 'ws'}://127.0.0.1:${http.address().port}`;
  const statuses = [];
  const open = async () => {
    const accepted = once(server, 'connection');
    const [program, ...rest] = words.map((word) => word.replace('{url}', url));
    const child = spawn(program, rest, { stdio: ['ignore', 'ignore', 'inherit'] });
    const ended = once(child, 'exit');
    statuses.push(ended);
    const [socket] = await Promise.race([
      accepted,
      ended.then(([status]) => { throw new Error(`the client ended with status ${status}`); }),
    ]);
    return wrap(socket);
  };
  await play(`ws server${deflate ? ', deflate' : ''}${cert ? ', TLS' : ''}`, open, {
    ...agreed(flags),
    'the client ends by itself, with status 0': async () => {
      for (const ended of statuses) assert.deepEqual(await ended, [0, null]);
    },
  });
}
