// npm `centrifuge`, the client of another server, against ours: over one of its transports.
//
//   API_KEY=… node centrifuge.mjs TRANSPORT URL
//
// TRANSPORT is websocket, http_stream or sse. URL is the server's, over http. The server has a
// namespace without a name that allows everything, as `serve --dev` has it, and an API with this key.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

import { Centrifuge } from 'centrifuge';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';

const WAIT_MS = 20_000;

const [transport, base] = process.argv.slice(2);
const key = process.env.API_KEY;
const http = base.replace(/^ws/, 'http').replace(/\/$/, '');
const endpoint = transport === 'websocket'
  ? `${http.replace(/^http/, 'ws')}/connection/websocket` : `${http}/connection/${transport}`;

/** Until `condition()` is true. */
async function until(condition, what) {
  const end = Date.now() + WAIT_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${WAIT_MS / 1000} s: ${what}`);
    await new Promise((yes) => { setTimeout(yes, 5); });
  }
}

const event = (emitter, name) => new Promise((yes, no) => {
  const timer = setTimeout(() => no(new Error(`no "${name}" within ${WAIT_MS / 1000} s`)), WAIT_MS);
  emitter.once(name, (context) => { clearTimeout(timer); yes(context); });
});

const clients = new Set();
function client(options = {}) {
  const made = new Centrifuge([{ transport, endpoint }], {
    websocket: WebSocket,
    eventsource: EventSource,
    fetch: globalThis.fetch,
    readableStream: globalThis.ReadableStream,
    emulationEndpoint: `${http}/emulation`,
    minReconnectDelay: 10,
    maxReconnectDelay: 200,
    ...options,
  });
  clients.add(made);
  return made;
}

async function connected(options) {
  const made = client(options);
  const open = event(made, 'connected');
  made.connect();
  const context = await open;
  return Object.assign(made, { context });
}

async function subscribed(to, channel, options = {}) {
  const subscription = to.newSubscription(channel, options);
  subscription.heard = [];
  subscription.contexts = [];
  subscription.on('publication', (context) => subscription.heard.push(context));
  subscription.on('subscribed', (context) => subscription.contexts.push(context));
  const done = event(subscription, 'subscribed');
  subscription.subscribe();
  await done;
  return subscription;
}

async function api(method, body) {
  const answer = await fetch(`${http}/api/${method}`, {
    method: 'POST',
    headers: { 'X-API-Key': key, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200, `${method}: ${answer.status}`);
  const { result, error } = await answer.json();
  assert.equal(error, undefined, `${method}: ${JSON.stringify(error)}`);
  return result;
}

const fresh = (name) => `${name}-${randomUUID()}`;
const data = (subscription) => subscription.heard.map((context) => context.data);
const numbers = (count, from = 0) => Array.from({ length: count }, (_, i) => ({ number: from + i }));

const CASES = {
  'connects, and has a name': async () => {
    const one = await connected();
    assert.match(one.context.client, /^[0-9a-f-]{36}$/);
    assert.equal(one.context.transport, transport);
  },
  'what one publishes all receive, in order': async () => {
    const channel = fresh('order');
    const [one, two] = [await connected(), await connected()];
    const [here, there] = [await subscribed(one, channel), await subscribed(two, channel)];
    // Not awaited one by one: over HTTP they may overtake each other, so this is one after the other.
    for (const data of numbers(20)) await here.publish(data);
    await until(() => there.heard.length >= 20 && here.heard.length >= 20, 'twenty publications');
    assert.deepEqual(data(here), numbers(20));
    assert.deepEqual(data(there), numbers(20));
    assert.deepEqual(there.heard.map((context) => context.offset), numbers(20, 1).map((n) => n.number));
    assert.equal(there.heard[0].info.client, one.context.client);
  },
  'any JSON arrives as it was': async () => {
    const channel = fresh('json');
    const one = await connected();
    const here = await subscribed(one, channel);
    const values = [0, -1.5e-7, '', 'κόσμε \u0000 \u2028 "\\" 🌊', true, [], {}, [[{ a: [null] }]], { '': { ' ': '\n\t' } }];
    for (const value of values) await here.publish({ value });
    await until(() => here.heard.length >= values.length, 'all of them');
    assert.deepEqual(data(here).map(({ value }) => value), values);
  },
  'who is there, who comes, who goes': async () => {
    const channel = fresh('presence');
    const one = await connected();
    const here = one.newSubscription(channel, { joinLeave: true });
    const [came, went] = [[], []];
    here.on('join', ({ info }) => came.push(info.client));
    here.on('leave', ({ info }) => went.push(info.client));
    const done = event(here, 'subscribed');
    here.subscribe();
    await done;
    const two = await connected();
    await subscribed(two, channel);
    await until(() => came.includes(two.context.client), 'the join');
    const { clients: present } = await here.presence();
    assert.deepEqual(Object.keys(present).sort(), [one.context.client, two.context.client].sort());
    const stats = await here.presenceStats();
    assert.deepEqual([stats.numClients, stats.numUsers], [2, 1]);
    two.disconnect();
    await until(() => went.includes(two.context.client), 'the leave');
    const after = await here.presenceStats();
    assert.equal(after.numClients, 1);
  },
  'history: all, some, since, in reverse, the position alone': async () => {
    const channel = fresh('history');
    const one = await connected();
    const here = await subscribed(one, channel);
    for (const data of numbers(5)) await here.publish(data);
    const all = await here.history({ limit: -1 });
    assert.deepEqual(all.publications.map((p) => p.data), numbers(5));
    assert.equal(all.offset, 5);
    const some = await here.history({ limit: 2, since: { offset: 1, epoch: all.epoch } });
    assert.deepEqual(some.publications.map((p) => p.offset), [2, 3]);
    const back = await here.history({ limit: 2, reverse: true });
    assert.deepEqual(back.publications.map((p) => p.offset), [5, 4]);
    const none = await here.history({ limit: 0 });
    assert.deepEqual([none.publications, none.offset, none.epoch], [[], 5, all.epoch]);
    await assert.rejects(here.history({ limit: 10, since: { offset: 1, epoch: 'other' } }), { code: 112 });
  },
  'a disconnected client recovers all it has missed, once and in order': async () => {
    const channel = fresh('recovery');
    const [one, two] = [await connected(), await connected()];
    const here = await subscribed(one, channel);
    const there = await subscribed(two, channel);
    let sent = 0;
    for (let round = 0; round < 5; round += 1) {
      for (let i = 0; i < 10; i += 1) { await here.publish({ number: sent }); sent += 1; }
      const gone = event(two, 'connecting');
      const back = event(two, 'connected');
      await api('disconnect', { user: '', client: two.context.client, disconnect: { code: 3011, reason: 'force reconnect' } });
      assert.equal((await gone).code, 3011);
      for (let i = 0; i < 10; i += 1) { await here.publish({ number: sent }); sent += 1; }
      two.context = await back;
    }
    await until(() => there.heard.length >= sent, `${sent} publications, ${there.heard.length} came`);
    assert.deepEqual(data(there), numbers(sent));
    assert.equal(there.contexts.length, 6);
    for (const context of there.contexts.slice(1)) {
      assert.deepEqual([context.wasRecovering, context.recovered], [true, true]);
    }
  },
  'a position that is gone is told as such': async () => {
    const channel = fresh('gone');
    const one = await connected();
    const first = await subscribed(one, channel);
    await first.publish({ number: 0 });
    const two = await connected();
    const late = await subscribed(two, channel, { since: { offset: 0, epoch: 'another' } });
    const [context] = late.contexts;
    assert.deepEqual([context.wasRecovering, context.recovered], [true, false]);
    assert.deepEqual(late.heard, []);
  },
  'since a position, once and for all': async () => {
    const channel = fresh('since');
    const one = await connected();
    const first = await subscribed(one, channel);
    for (const data of numbers(7)) await first.publish(data);
    const { epoch } = await first.history({ limit: 0 });
    const two = await connected();
    const late = await subscribed(two, channel, { since: { offset: 3, epoch } });
    await until(() => late.heard.length >= 4, 'four publications');
    assert.deepEqual(late.heard.map((context) => context.offset), [4, 5, 6, 7]);
    assert.equal(late.contexts[0].recovered, true);
  },
  'unsubscribed is unsubscribed, and subscribed again recovers': async () => {
    const channel = fresh('unsubscribe');
    const [one, two] = [await connected(), await connected()];
    const here = await subscribed(one, channel);
    const there = await subscribed(two, channel);
    await here.publish({ number: 0 });
    await until(() => there.heard.length === 1, 'the first');
    there.unsubscribe();
    // Its command is on the way: what answers after it was sent after it.
    await two.presenceStats(channel).catch(() => {});
    await here.publish({ number: 1 });
    const again = event(there, 'subscribed');
    there.subscribe();
    await again;
    await here.publish({ number: 2 });
    await until(() => there.heard.at(-1)?.data.number === 2, 'the last');
    assert.deepEqual(data(there), there.contexts.at(-1).recovered ? numbers(3) : [{ number: 0 }, { number: 2 }]);
  },
  'what is not possible is told by its code': async () => {
    const one = await connected();
    await assert.rejects(one.rpc('no-such-procedure', {}), { code: 104 });
    await assert.rejects(one.publish('no-such-namespace:x', {}), { code: 103 });
    await assert.rejects(one.history('no-such-namespace:x'), { code: 103 });
    const refused = one.newSubscription('no-such-namespace:x');
    const over = event(refused, 'unsubscribed');
    refused.subscribe();
    assert.equal((await over).code, 103);
  },
  'a hundred channels in one connection': async () => {
    const [one, two] = [await connected(), await connected()];
    const names = Array.from({ length: 100 }, (_, i) => fresh(`many-${i}`));
    const all = await Promise.all(names.map((name) => subscribed(one, name)));
    await Promise.all(names.map((name, number) => two.publish(name, { number })));
    await until(() => all.every((s) => s.heard.length === 1), 'one publication in each');
    assert.deepEqual(all.map((s) => s.heard[0].data.number), numbers(100).map((n) => n.number));
  },
  'the application publishes, subscribes, unsubscribes and asks': async () => {
    const channel = fresh('api');
    const one = await connected();
    const here = await subscribed(one, channel);
    const first = await api('publish', { channel, data: { from: 'api' }, idempotency_key: 'x' });
    const second = await api('publish', { channel, data: { from: 'api' }, idempotency_key: 'x' });
    assert.deepEqual(second, first);
    assert.equal(first.offset, 1);
    await api('broadcast', { channels: [channel, fresh('other')], data: 2 });
    await until(() => here.heard.length === 2, 'both');
    assert.deepEqual(data(here), [{ from: 'api' }, 2]);
    const history = await api('history', { channel, limit: 10 });
    assert.equal(history.publications.length, 2);
    const { presence } = await api('presence', { channel });
    assert.deepEqual(Object.keys(presence), [one.context.client]);
    await api('history_remove', { channel });
    assert.equal((await api('history', { channel, limit: 10 })).publications.length, 0);
    const over = event(here, 'unsubscribed');
    await api('unsubscribe', { user: '', client: one.context.client, channel });
    assert.equal((await over).code, 2000);
    const pushed = fresh('pushed');
    const there = event(one, 'subscribed');
    await api('subscribe', { user: '', client: one.context.client, channel: pushed });
    assert.equal((await there).channel, pushed);
    const heard = event(one, 'publication');
    await api('publish', { channel: pushed, data: 3 });
    assert.equal((await heard).data, 3);
  },
};

let passed = 0;
let failed = 0;
for (const [name, run] of Object.entries(CASES)) {
  try {
    await run();
    passed += 1;
    console.log(`ok      centrifuge over ${transport}: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  centrifuge over ${transport}: ${name}: ${error?.message ?? JSON.stringify(error)}`);
  }
  for (const one of clients) one.disconnect();
  clients.clear();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
