// npm `undici`: the WebSocket of Node and of the web platform, as a client.
//
//   node undici.mjs client URL [--deflate] [--ca FILE]
//
// It always offers permessage-deflate; --deflate says that the server is expected to take it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { Agent, WebSocket } from 'undici';

import { Inbox, options, play } from './cases.mjs';

const [, ...argv] = process.argv.slice(2);
const { deflate, ca, words: [url] } = options(argv);
const dispatcher = new Agent(ca ? { connect: { ca: readFileSync(ca) } } : {});

function open() {
  const inbox = new Inbox();
  const socket = new WebSocket(url, { dispatcher });
  socket.binaryType = 'arraybuffer';
  socket.onmessage = ({ data }) => inbox.put(typeof data === 'string' ? data : Buffer.from(data));
  socket.onclose = ({ code, reason }) => inbox.end(code, reason);
  const connection = {
    socket,
    send: (data) => socket.send(data),
    next: () => inbox.next(),
    close: (code, reason) => { socket.close(code, reason); return inbox.closed; },
  };
  return new Promise((yes, no) => {
    socket.onopen = () => yes(connection);
    socket.onerror = ({ error, message }) => no(error ?? new Error(message));
  });
}

await play(`undici client${deflate ? ', deflate' : ''}${ca ? ', TLS' : ''}`, open, {
  [deflate ? 'permessage-deflate is agreed on' : 'no extension is in use']: async () => {
    const c = await open();
    assert.equal(c.socket.extensions.split(';')[0], deflate ? 'permessage-deflate' : '');
    await c.close(1000, '');
  },
});
