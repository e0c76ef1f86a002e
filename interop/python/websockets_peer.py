"""PyPI `websockets`, both ways.

    websockets_peer.py client URL [--deflate] [--subprotocol NAME] [--ca FILE]
    websockets_peer.py server [--deflate] [--subprotocol NAME] [--cert FILE --key FILE] -- COMMAND with {url}
"""
import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

import cases


class Connection:
    def __init__(self, socket):
        self.socket = socket
        self.next = socket.recv
        self.extension = ", ".join(extension.name for extension in socket.protocol.extensions) or None
        self.subprotocol = socket.subprotocol

    async def send(self, data):
        await self.socket.send(data)

    async def fragments(self, parts):
        await self.socket.send(parts)

    async def ping(self, payload):
        await (await self.socket.ping(payload))

    async def close(self, code, reason):
        await self.socket.close(code, reason)
        return self.socket.close_code


def options(args):
    return {
        "compression": "deflate" if args.deflate else None,
        "max_size": None,
        "ping_interval": None,
        "ssl": args.tls,
    }


async def client(args):
    async def opened():
        return Connection(await connect(args.words[0], proxy=None, subprotocols=args.offers or None,
                                        **options(args)))

    async def a_violation_is_answered_with_1002(opened):
        # An unmasked frame from a client (RFC 6455 §5.1), past the library's own encoder.
        c = await opened()
        c.socket.transport.write(b"\x81\x01x")
        try:
            await c.next()
            raise AssertionError("it was taken")
        except ConnectionClosed as closed:
            cases.same(closed.rcvd.code, 1002)

    return await cases.play(cases.label("websockets", args), opened, args, [a_violation_is_answered_with_1002])


async def server(args):
    accepted = asyncio.Queue()

    async def handler(socket):
        await accepted.put(Connection(socket))
        await socket.wait_closed()

    known = [args.subprotocol] if args.subprotocol else None
    async with serve(handler, "127.0.0.1", 0, subprotocols=known, **options(args)) as listening:
        port = listening.sockets[0].getsockname()[1]
        children = cases.Children(f"{args.scheme}://127.0.0.1:{port}", args.command, accepted)
        return await cases.play(cases.label("websockets", args), children.open, args,
                                [children.the_client_ends_by_itself_with_status_0])


if __name__ == "__main__":
    arguments = cases.arguments()
    sys.exit(asyncio.run(client(arguments) if arguments.role == "client" else server(arguments)))
