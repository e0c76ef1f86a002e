// npm `undici`: the WebSocket of Node and of the web platform, as a client.
//
//   node undici.mjs client URL [--deflate] [--subprotocol NAME] [--ca FILE]
//
// It always offers permessage-deflate; --deflate says that the server is expected to take it.
import { readFileSync } from 'node:fs';

import { Agent, WebSocket } from 'undici';

import { Inbox, agreed, offers, options, play } from './cases.mjs';

const [, ...argv] = process.argv.slice(2);
const flags = options(argv);
const { deflate, ca, words: [url] } = flags;
const dispatcher = new Agent(ca ? { connect: { ca: readFileSync(ca) } } : {});

function open() {
  const inbox = new Inbox();
  const socket = new WebSocket(url, { dispatcher, protocols: offers(flags) });
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

await play(`undici client${deflate ? ', deflate' : ''}${ca ? ', TLS' : ''}`, open, agreed(flags));
