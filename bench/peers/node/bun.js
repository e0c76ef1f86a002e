// Bun, whose server is uWebSockets inside, as its documentation has an echo and a topic.
//
//     bun bun.js ADDRESS [broadcast | tls CERTIFICATE KEY]

const [address, work = 'echo', certificate, key] = process.argv.slice(2);
const [hostname, port] = address.split(':');

const server = Bun.serve({
  hostname,
  port: Number(port),
  tls: work === 'tls' ? { cert: Bun.file(certificate), key: Bun.file(key) } : undefined,
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response('WebSocket only', { status: 426 });
  },
  websocket: {
    idleTimeout: 0,
    maxPayloadLength: 64 * 1024 * 1024,
    backpressureLimit: 64 * 1024 * 1024,
    perMessageDeflate: false,
    open(socket) {
      if (work === 'broadcast') socket.subscribe('everybody');
    },
    message(socket, message) {
      if (work === 'broadcast') server.publish('everybody', message);
      else socket.send(message);
    },
  },
});
