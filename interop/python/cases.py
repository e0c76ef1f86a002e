"""What every peer is asked to do; the twin of ../node/cases.mjs.

Each case gets connections of its own from `opened`, whichever side opened them; at the other end
everything is echoed. A connection has

    await send(data); await next() -> data; await close(code, reason) -> code
    await ping(payload)        or None, where the peer's library has no such call
    await fragments(parts)     likewise
    extension, subprotocol     the name of the one in use, or None
"""
import argparse
import asyncio
import pathlib
import ssl
import sys

CASE_S = 60
# Each length of UTF-8, the borders of its ranges, a NUL, and joined emoji.
UNICODE = "κόσμε \0 \x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff 👩‍👩‍👧 水🌊"


class NotOffered(Exception):
    """The peer's library has no such call."""


def pattern(length):
    return bytes((i * 31 + (i >> 8)) & 0xFF for i in range(length))


def same(got, wanted):
    if type(got) is not type(wanted) or got != wanted:
        raise AssertionError(f"{wanted[:60]!r} came back as {got[:60]!r} ({len(wanted)} and {len(got)} long)")


async def echoes(connection, data):
    await connection.send(data)
    same(await connection.next(), data)


async def text(opened):
    c = await opened()
    for data in ("hello", "", UNICODE):
        await echoes(c, data)
    same(await c.close(1000, ""), 1000)


async def binary_at_each_border_of_the_length_encoding(opened):
    c = await opened()
    for length in (0, 1, 125, 126, 127, 65_535, 65_536):
        await echoes(c, pattern(length))
    await c.close(1000, "")


async def text_and_binary_of_1_mib(opened):
    c = await opened()
    await echoes(c, pattern(1 << 20))
    await echoes(c, "ää水🌊" * (1 << 17))
    await c.close(1000, "")


async def fragments(opened):
    c = await opened()
    if c.fragments is None:
        await c.close(1000, "")
        raise NotOffered
    await c.fragments(list(UNICODE))
    same(await c.next(), UNICODE)
    parts = [pattern(i) for i in range(500)]
    await c.fragments(parts)
    same(await c.next(), b"".join(parts))
    await c.close(1000, "")


async def ping_is_answered_with_its_payload(opened):
    c = await opened()
    if c.ping is None:
        await c.close(1000, "")
        raise NotOffered
    for length in (0, 1, 125):
        await c.ping(pattern(length))
    await echoes(c, "still here")
    await c.close(1000, "")


async def close_codes_come_back(opened):
    for code, reason in ((1000, "bye"), (1001, "going"), (3000, ""), (4999, "tschüß 🌊")):
        c = await opened()
        await echoes(c, "x")
        same(await c.close(code, reason), code)


async def ten_thousand_messages_stay_in_order(opened):
    c = await opened()
    messages = [f"message {i}" if i % 2 else b"%d" % i for i in range(10_000)]

    async def send():
        for message in messages:
            await c.send(message)

    sending = asyncio.create_task(send())
    for message in messages:
        same(await c.next(), message)
    await sending
    await c.close(1000, "")


async def thirty_connections_at_once(opened):
    every = [await opened() for _ in range(30)]
    for i, c in enumerate(every):
        await c.send(f"number {i}")
    for i, c in enumerate(every):
        same(await c.next(), f"number {i}")
    await asyncio.gather(*(c.close(1000, "") for c in every))


CASES = [
    text,
    binary_at_each_border_of_the_length_encoding,
    text_and_binary_of_1_mib,
    fragments,
    ping_is_answered_with_its_payload,
    close_codes_come_back,
    ten_thousand_messages_stay_in_order,
    thirty_connections_at_once,
]


async def play(peer, opened, args, more=()):
    """Runs the cases and `more`, prints a verdict for each; the exit status."""
    wanted = "permessage-deflate" if args.deflate else None

    async def what_was_negotiated_is_as_agreed(opened):
        c = await opened()
        same([c.extension, c.subprotocol], [wanted, args.subprotocol])
        await c.close(1000, "")

    passed = failed = 0
    for case in [*CASES, what_was_negotiated_is_as_agreed, *more]:
        name = f"{peer}: {case.__name__.replace('_', ' ')}"
        try:
            await asyncio.wait_for(case(opened), CASE_S)
        except NotOffered as why:
            print(f"--      {name} ({why.__doc__})")
        except Exception as why:  # whatever a library throws is the verdict
            failed += 1
            print(f"FAILED  {name}: {type(why).__name__}: {why}")
        else:
            passed += 1
            print(f"ok      {name}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


class Children:
    """Starts COMMAND, an echo client, once for each connection that a case asks for."""

    def __init__(self, url, command, accepted):
        self.command = [word.replace("{url}", url) for word in command]
        self.accepted = accepted  # a queue of connections
        self.ends = []

    async def open(self):
        child = await asyncio.create_subprocess_exec(*self.command, stdin=asyncio.subprocess.DEVNULL,
                                                     stdout=asyncio.subprocess.DEVNULL)
        ended = asyncio.ensure_future(child.wait())
        self.ends.append(ended)
        accepted = asyncio.ensure_future(self.accepted.get())
        await asyncio.wait((ended, accepted), return_when=asyncio.FIRST_COMPLETED)
        if not accepted.done():
            raise AssertionError(f"the client ended with status {ended.result()}")
        return accepted.result()

    async def the_client_ends_by_itself_with_status_0(self, _):
        same([await ended for ended in self.ends], [0] * len(self.ends))


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("client", "server"))
    parser.add_argument("words", nargs="*", help="the URL; or the client's command with {url}")
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--subprotocol", help="a client offers it behind one that nobody knows")
    parser.add_argument("--ca", type=pathlib.Path)
    parser.add_argument("--cert", type=pathlib.Path)
    parser.add_argument("--key", type=pathlib.Path)
    words = sys.argv[1:]
    command = []
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1:]
    args = parser.parse_intermixed_args(words)
    args.command = command
    args.tls = None
    if args.ca:
        args.tls = ssl.create_default_context(cafile=args.ca)
    elif args.cert:
        args.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        args.tls.load_cert_chain(args.cert, args.key)
    args.offers = ["unheard-of", args.subprotocol] if args.subprotocol else []
    args.scheme = "wss" if args.tls else "ws"
    return args


def label(library, args):
    return f"{library} {args.role}{', deflate' * args.deflate}{', TLS' * bool(args.tls)}"
