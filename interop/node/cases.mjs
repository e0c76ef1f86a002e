// What every peer is asked to do. Each case gets connections of its own from `open`, whichever
// side opened them; at the other end everything is echoed.
//
// A connection here is { send(data), next(): data, close(code?, reason?): {code, reason} } with
// strings for text and Buffers for binary, and, where the peer's library can do it,
// ping(payload): payload and fragments(parts).
import assert from 'node:assert/strict';

const CASE_MS = 60_000;
const NOT_OFFERED = "the peer's library has no such call";

const pattern = (length) => {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i += 1) bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  return bytes;
};

// Each length of UTF-8, the borders of its ranges, a NUL, and joined emoji.
const UNICODE = 'κόσμε \u0000 \u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff} 👩‍👩‍👧 水🌊';

const echoes = async (connection, data) => {
  connection.send(data);
  assert.deepEqual(await connection.next(), data);
};

const CASES = {
  'text': async (open) => {
    const c = await open();
    await echoes(c, 'hello');
    await echoes(c, '');
    await echoes(c, UNICODE);
    assert.deepEqual(await c.close(1000, ''), { code: 1000, reason: '' });
  },
  'binary at each border of the length encoding': async (open) => {
    const c = await open();
    for (const length of [0, 1, 125, 126, 127, 65_535, 65_536]) await echoes(c, pattern(length));
    await c.close(1000, '');
  },
  'text and binary of 1 MiB': async (open) => {
    const c = await open();
    await echoes(c, pattern(1 << 20));
    const line = 'ää水🌊'.repeat(1 << 17);
    await echoes(c, line.slice(0, 1 << 19));
    await c.close(1000, '');
  },
  'fragments, cut inside a code point': async (open) => {
    const c = await open();
    if (!c.fragments) return c.close(1000, '').then(() => NOT_OFFERED);
    const bytes = Buffer.from(UNICODE.repeat(8));
    const parts = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
    c.fragments(parts, false);
    assert.equal(await c.next(), bytes.toString());
    c.fragments(Array.from({ length: 500 }, (_, i) => pattern(i)), true);
    assert.deepEqual(await c.next(), Buffer.concat(Array.from({ length: 500 }, (_, i) => pattern(i))));
    await c.close(1000, '');
  },
  'ping is answered with its payload': async (open) => {
    const c = await open();
    if (!c.ping) return c.close(1000, '').then(() => NOT_OFFERED);
    for (const length of [0, 1, 125]) assert.deepEqual(await c.ping(pattern(length)), pattern(length));
    await echoes(c, 'still here');
    await c.close(1000, '');
  },
  'close codes and reasons come back': async (open) => {
    for (const [code, reason] of [[1000, 'bye'], [3000, ''], [4999, 'tschüß 🌊']]) {
      const c = await open();
      await echoes(c, 'x');
      assert.equal((await c.close(code, reason)).code, code);
    }
  },
  'a close without a code': async (open) => {
    const c = await open();
    assert.equal((await c.close()).code, 1005);
  },
  'ten thousand messages stay in order': async (open) => {
    const c = await open();
    const count = 10_000;
    for (let i = 0; i < count; i += 1) c.send(i % 2 ? `message ${i}` : Buffer.from(`${i}`));
    for (let i = 0; i < count; i += 1) {
      assert.deepEqual(await c.next(), i % 2 ? `message ${i}` : Buffer.from(`${i}`));
    }
    await c.close(1000, '');
  },
  'thirty connections at once': async (open) => {
    const all = [];
    for (let i = 0; i < 30; i += 1) all.push(await open());
    for (const [i, c] of all.entries()) c.send(`number ${i}`);
    for (const [i, c] of all.entries()) assert.equal(await c.next(), `number ${i}`);
    await Promise.all(all.map((c) => c.close(1000, '')));
  },
};

/** What was negotiated is what the flags say: `extensions` and `protocol` as WebSocket has them. */
export const agreed = ({ deflate, subprotocol }) => ({
  [`the extension in use is ${deflate ? 'permessage-deflate' : 'none'}`]: async (open) => {
    const c = await open();
    assert.equal(c.socket.extensions.split(';')[0], deflate ? 'permessage-deflate' : '');
    await c.close(1000, '');
  },
  [`the subprotocol in use is ${subprotocol ?? 'none'}`]: async (open) => {
    const c = await open();
    assert.equal(c.socket.protocol, subprotocol ?? '');
    await c.close(1000, '');
  },
});

/** A client offers this one beside the wanted one, and first. */
export const offers = ({ subprotocol }) => (subprotocol ? ['unheard-of', subprotocol] : []);

const bounded = (promise, what) => {
  let timer;
  const late = new Promise((_, no) => {
    timer = setTimeout(() => no(new Error(`nothing for ${CASE_MS / 1000} s: ${what}`)), CASE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

/** Runs the cases (and `more`, of the same shape), prints a verdict for each, ends the process. */
export async function play(peer, open, more = {}) {
  let passed = 0;
  let failed = 0;
  for (const [name, run] of Object.entries({ ...CASES, ...more })) {
    try {
      const remark = await bounded(run(open), name);
      if (remark === NOT_OFFERED) {
        console.log(`--      ${peer}: ${name} (${NOT_OFFERED})`);
        continue;
      }
      passed += 1;
      console.log(`ok      ${peer}: ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${peer}: ${name}: ${error?.message ?? error}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}

/** Turns a library's callbacks into `next` and `closed`. */
export class Inbox {
  #ready = [];
  #waiting = [];
  #end;

  constructor() {
    this.closed = new Promise((yes) => { this.#end = yes; });
  }

  put(data) {
    const first = this.#waiting.shift();
    if (first) first.yes(data); else this.#ready.push(data);
  }

  end(code, reason) {
    this.#end({ code, reason });
    for (const { no } of this.#waiting.splice(0)) no(new Error(`closed with ${code} ${reason}`));
  }

  next() {
    if (this.#ready.length) return Promise.resolve(this.#ready.shift());
    return Promise.race([
      this.closed.then(({ code, reason }) => { throw new Error(`closed with ${code} ${reason}`); }),
      new Promise((yes, no) => { this.#waiting.push({ yes, no }); }),
    ]);
  }
}

/**
 * The flags every script here takes, then words: --deflate, --subprotocol NAME, --ca FILE,
 * --cert FILE, --key FILE.
 */
export function options(argv) {
  const found = { deflate: false, words: [] };
  const rest = [...argv];
  while (rest.length) {
    const word = rest.shift();
    if (word === '--') { found.words.push(...rest); break; }
    if (word === '--deflate') found.deflate = true;
    else if (['--ca', '--cert', '--key', '--subprotocol'].includes(word)) found[word.slice(2)] = rest.shift();
    else found.words.push(word);
  }
  return found;
}
