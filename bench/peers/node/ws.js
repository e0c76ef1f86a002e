// ws, as its README has an echo and a broadcast.
//
//     node ws.js ADDRESS [broadcast | tls CERTIFICATE KEY | deflate | deflate-takeover]

import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { WebSocketServer } from 'ws';

const [address, work = 'echo', certificate, key] = process.argv.slice(2);
const [host, port] = address.split(':');

const deflate = {
  threshold: 0,
  zlibDeflateOptions: { level: 1 },
  serverNoContextTakeover: work === 'deflate',
  clientNoContextTakeover: work === 'deflate',
};

const server =
  work === 'tls'
    ? createHttpsServer({ cert: readFileSync(certificate), key: readFileSync(key) })
    : createHttpServer();
const sockets = new WebSocketServer({
  server,
  maxPayload: 64 * 1024 * 1024,
  perMessageDeflate: work.startsWith('deflate') && deflate,
});

sockets.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => {
    if (work === 'broadcast') {
      for (const client of sockets.clients) client.send(data, { binary: isBinary });
    } else {
      socket.send(data, { binary: isBinary });
    }
  });
});

server.listen(Number(port), host, 4096);
