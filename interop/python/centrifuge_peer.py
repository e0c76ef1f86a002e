"""PyPI `centrifuge-python`, the client of another server, against ours.

    API_KEY=… centrifuge_peer.py URL

URL is the server's, over http. It has a namespace without a name that allows everything, as
`serve --dev` has it, and an API with this key.
"""
import asyncio
import os
import sys
import uuid

import aiohttp
from centrifuge import (
    Client, ClientEventHandler, ReplyError, StreamPosition, SubscriptionEventHandler)

WITHIN = 20

HTTP = sys.argv[1].replace("ws", "http", 1) if sys.argv[1].startswith("ws") else sys.argv[1]
HTTP = HTTP.rstrip("/")
ENDPOINT = HTTP.replace("http", "ws", 1) + "/connection/websocket"


class Life(ClientEventHandler):
    def __init__(self):
        self.connections = []

    async def on_connected(self, context):
        self.connections.append(context)


class Heard(SubscriptionEventHandler):
    def __init__(self):
        self.publications, self.subscriptions, self.joins, self.leaves = [], [], [], []

    async def on_publication(self, context):
        self.publications.append(context.pub)

    async def on_subscribed(self, context):
        self.subscriptions.append(context)

    async def on_join(self, context):
        self.joins.append(context.info.client)

    async def on_leave(self, context):
        self.leaves.append(context.info.client)


class World:
    """The clients of one case, which all end with it."""

    def __init__(self):
        self.clients = []

    async def connected(self):
        life = Life()
        client = Client(ENDPOINT, events=life, min_reconnect_delay=0.01, max_reconnect_delay=0.2)
        client.life = life
        self.clients.append(client)
        await client.connect()
        await client.ready(WITHIN)
        return client

    async def subscribed(self, client, channel, **options):
        heard = Heard()
        subscription = client.new_subscription(channel, events=heard, **options)
        subscription.heard = heard
        await subscription.subscribe()
        await subscription.ready(WITHIN)
        return subscription

    async def end(self):
        for client in self.clients:
            await client.disconnect()


def same(found, wanted):
    assert found == wanted, f"{found!r} is not {wanted!r}"


async def until(condition, what):
    for _ in range(WITHIN * 200):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"not within {WITHIN} s: {what}")


async def api(method, body):
    async with aiohttp.ClientSession(headers={"X-API-Key": os.environ["API_KEY"]}) as session:
        async with session.post(f"{HTTP}/api/{method}", json=body) as answer:
            found = await answer.json()
            assert "error" not in found, f"{method}: {found}"
            return found["result"]


def fresh(name):
    return f"{name}-{uuid.uuid4()}"


async def what_one_publishes_all_receive_in_order(world):
    channel = fresh("order")
    one, two = await world.connected(), await world.connected()
    here, there = await world.subscribed(one, channel), await world.subscribed(two, channel)
    for number in range(20):
        await here.publish({"number": number, "text": "κόσμε \u0000 🌊"})
    for subscription in (here, there):
        heard = subscription.heard.publications
        await until(lambda: len(heard) >= 20, "twenty publications")
        same([p.data["number"] for p in heard], list(range(20)))
        same([p.offset for p in heard], list(range(1, 21)))
        same(heard[0].data["text"], "κόσμε \u0000 🌊")


async def who_is_there_who_comes_who_goes(world):
    channel = fresh("presence")
    one, two = await world.connected(), await world.connected()
    here = await world.subscribed(one, channel, join_leave=True)
    await world.subscribed(two, channel)
    name = two.life.connections[0].client
    await until(lambda: name in here.heard.joins, "the join")
    present = await here.presence()
    same(sorted(present.clients), sorted([name, one.life.connections[0].client]))
    stats = await here.presence_stats()
    same((stats.num_clients, stats.num_users), (2, 1))
    await two.disconnect()
    await until(lambda: name in here.heard.leaves, "the leave")
    same((await here.presence_stats()).num_clients, 1)


async def history_is_there_and_says_what_is_not(world):
    channel = fresh("history")
    one = await world.connected()
    here = await world.subscribed(one, channel)
    for number in range(5):
        await here.publish(number)
    everything = await here.history(limit=-1)
    same([p.data for p in everything.publications], list(range(5)))
    part = await here.history(limit=2, since=StreamPosition(offset=1, epoch=everything.epoch))
    same([p.offset for p in part.publications], [2, 3])
    back = await here.history(limit=2, reverse=True)
    same([p.offset for p in back.publications], [5, 4])
    try:
        await here.history(limit=2, since=StreamPosition(offset=1, epoch="other"))
    except ReplyError as error:
        same(error.code, 112)
    else:
        raise AssertionError("a position of another epoch was taken")


async def a_disconnected_client_recovers_all_it_has_missed(world):
    channel = fresh("recovery")
    one, two = await world.connected(), await world.connected()
    here, there = await world.subscribed(one, channel), await world.subscribed(two, channel)
    sent = 0
    for gone in range(1, 6):
        client = two.life.connections[-1].client
        await api("disconnect", {
            "user": "", "client": client, "disconnect": {"code": 3011, "reason": "force reconnect"}})
        for _ in range(10):
            await here.publish(sent)
            sent += 1
        await until(lambda: len(two.life.connections) > gone, "the connection is back")
    await until(lambda: len(there.heard.publications) >= sent, "all of them")
    same([p.data for p in there.heard.publications], list(range(sent)))
    same({context.recovered for context in there.heard.subscriptions[1:]}, {True})


async def what_is_not_possible_is_told_by_its_code(world):
    one = await world.connected()
    for wanted, call in [
        (104, one.rpc("no-such-procedure", {})),
        (103, one.publish("no-such-namespace:x", {})),
        (103, one.presence("no-such-namespace:x")),
    ]:
        try:
            await call
        except ReplyError as error:
            same(error.code, wanted)
        else:
            raise AssertionError(f"{wanted} was expected")


CASES = [
    what_one_publishes_all_receive_in_order,
    who_is_there_who_comes_who_goes,
    history_is_there_and_says_what_is_not,
    a_disconnected_client_recovers_all_it_has_missed,
    what_is_not_possible_is_told_by_its_code,
]


async def main():
    passed = failed = 0
    for case in CASES:
        name = f"centrifuge-python: {case.__name__.replace('_', ' ')}"
        world = World()
        try:
            await asyncio.wait_for(case(world), 3 * WITHIN)
        except Exception as why:  # whatever it is, the next case has its turn
            failed += 1
            print(f"FAILED  {name}: {type(why).__name__}: {why}")
        else:
            passed += 1
            print(f"ok      {name}")
        await world.end()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
