"""PyPI `aiohttp`, both ways.

    aiohttp_peer.py client URL [--deflate] [--subprotocol NAME] [--ca FILE]
    aiohttp_peer.py server [--deflate] [--subprotocol NAME] [--cert FILE --key FILE] -- COMMAND with {url}
"""
import asyncio
import sys

import aiohttp
from aiohttp import WSMsgType, web

import cases


class Connection:
    fragments = None

    def __init__(self, socket, subprotocol):
        self.socket = socket
        self.extension = "permessage-deflate" if socket.compress else None
        self.subprotocol = subprotocol

    async def send(self, data):
        if isinstance(data, str):
            await self.socket.send_str(data)
        else:
            await self.socket.send_bytes(data)

    async def next(self):
        message = await self.socket.receive()
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise AssertionError(f"{message.type!r} {message.data!r} {message.extra!r}")
        return message.data

    async def ping(self, payload):
        await self.socket.ping(payload)
        message = await self.socket.receive()
        cases.same(message.type, WSMsgType.PONG)
        cases.same(bytes(message.data), payload)

    async def close(self, code, reason):
        await self.socket.close(code=code, message=reason.encode())
        return self.socket.close_code


async def client(args):
    async with aiohttp.ClientSession(trust_env=False) as session:
        async def opened():
            socket = await session.ws_connect(
                args.words[0], protocols=args.offers, compress=15 if args.deflate else 0,
                max_msg_size=0, autoping=False, ssl=args.tls or True)
            return Connection(socket, socket.protocol)

        return await cases.play(cases.label("aiohttp", args), opened, args)


async def server(args):
    accepted = asyncio.Queue()
    known = [args.subprotocol] if args.subprotocol else []

    async def handler(request):
        socket = web.WebSocketResponse(protocols=known, compress=args.deflate, max_msg_size=0, autoping=False)
        await socket.prepare(request)
        connection = Connection(socket, socket.ws_protocol)
        ended = connection.ended = asyncio.Event()
        await accepted.put(connection)
        await ended.wait()
        return socket

    async def opened():
        connection = await children.open()
        close = connection.close

        async def close_and_end(code, reason):
            got = await close(code, reason)
            connection.ended.set()
            return got

        connection.close = close_and_end
        return connection

    application = web.Application()
    application.router.add_get("/", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=args.tls)
    await site.start()
    port = runner.addresses[0][1]
    children = cases.Children(f"{args.scheme}://127.0.0.1:{port}", args.command, accepted)
    try:
        return await cases.play(cases.label("aiohttp", args), opened, args,
                                [children.the_client_ends_by_itself_with_status_0])
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    arguments = cases.arguments()
    sys.exit(asyncio.run(client(arguments) if arguments.role == "client" else server(arguments)))
