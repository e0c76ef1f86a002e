// Headless Chromium on the chat: two tabs of the server's own page, then two of a bare page that
// is opened from a file. What one tab says the other must show, and nothing of it as HTML.
//
// Then a server of its own is stopped and started again under an open page.
//
//   node browser.mjs CHROMIUM URL FOLDER COMMAND...
//
// Screenshots go to FOLDER. In COMMAND, which starts the chat, {addr} stands for where to listen.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const WAIT_MS = 15_000;
const FLAGS = [
  '--no-sandbox', // it does not start in a container as root otherwise; the pages are our own
  '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const MARKUP = '<img src=x onerror="document.title=\'broken into\'"> & <b>bold</b>';

const [executablePath, url, folder, ...command] = process.argv.slice(2);
const http = url.replace(/^ws/, 'http');
const ws = url.replace(/^http/, 'ws');
const bare = `file://${fileURLToPath(new URL('bare.html', import.meta.url))}?${encodeURIComponent(ws)}`;

const profile = mkdtempSync(join(tmpdir(), 'tidewire-chromium-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath, headless: true, args: FLAGS, viewport: { width: 900, height: 640 },
});
browser.setDefaultTimeout(WAIT_MS);

const troubles = [];
async function tab(address, { expected = /^$/ } = {}) {
  const page = await browser.newPage();
  page.on('pageerror', (error) => troubles.push(`${address}: ${error.message}`));
  page.on('console', (message) => {
    const isTrouble = message.type() === 'error' && !expected.test(message.text());
    if (isTrouble) troubles.push(`${address}: ${message.text()}`);
  });
  await page.goto(address);
  return page;
}

async function say(page, text) {
  const line = page.getByRole('textbox', { name: /message/i });
  await line.fill(text);
  await line.press('Enter');
}

async function ownPage() {
  const tabs = [await tab(http), await tab(http)];
  await say(tabs[0], 'hello from the first tab');
  await tabs[1].getByText('hello from the first tab').waitFor();
  await say(tabs[1], 'and hello back, κόσμε 🌊');
  await tabs[0].getByText('and hello back, κόσμε 🌊').waitFor();
  await say(tabs[1], MARKUP);
  await tabs[0].getByText(MARKUP).waitFor();
  for (const page of tabs) {
    assert.equal(await page.locator('img[src=x]').count(), 0, 'what was said became HTML');
    assert.notEqual(await page.title(), 'broken into');
  }
  await tabs[0].screenshot({ path: join(folder, 'chat-first-tab.png') });
  await tabs[1].screenshot({ path: join(folder, 'chat-second-tab.png') });
  await Promise.all(tabs.map((page) => page.close()));
}

async function barePage() {
  const tabs = [await tab(bare), await tab(bare)];
  const log = (page, line) => page.waitForFunction(
    (wanted) => document.getElementById('log').textContent.split('\n').includes(wanted), line);
  const say = async (page, text) => {
    await page.locator('#line').fill(text);
    await page.locator('#line').press('Enter');
  };
  await Promise.all(tabs.map((page) => log(page, 'open')));
  await say(tabs[0], 'from a file');
  await Promise.all(tabs.map((page) => log(page, 'User: from a file')));
  await say(tabs[1], 'and back 🌊');
  await Promise.all(tabs.map((page) => log(page, 'User: and back 🌊')));
  await tabs[0].screenshot({ path: join(folder, 'bare.png') });
  await Promise.all(tabs.map((page) => page.close()));
}

// The chat as a process of ours: `stop` waits for its end.
async function startServer(addr) {
  const [program, ...options] = command.map((word) => word.replace('{addr}', addr));
  const server = spawn(program, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'exit');
  process.once('exit', () => server.kill('SIGKILL'));
  await Promise.race([
    once(server.stdout, 'data'), // its first line: it listens
    ended.then(() => { throw new Error(`${program} ended before it listened`); }),
  ]);
  return {
    stop: async () => {
      server.kill('SIGTERM');
      await ended;
    },
  };
}

async function freeAddress() {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address();
  taken.close();
  await once(taken, 'close');
  return `127.0.0.1:${port}`;
}

async function reconnecting() {
  const addr = await freeAddress();
  let server = await startServer(addr);
  try {
    // The browser itself complains of attempts that find nobody.
    const page = await tab(`http://${addr}/`, { expected: /ERR_CONNECTION_REFUSED/ });
    const status = page.getByRole('status');
    await status.getByText('Connected', { exact: true }).waitFor();
    await say(page, 'before the stop');
    await page.locator('li.said', { hasText: 'before the stop' }).waitFor();
    await server.stop();
    await status.getByText(/^Reconnecting/).waitFor();
    await say(page, 'while nobody is there');
    await status.getByText(/1 unsent/).waitFor();
    await page.screenshot({ path: join(folder, 'reconnecting.png') });
    server = await startServer(addr);
    await status.getByText('Connected', { exact: true }).waitFor();
    // Said once, and what was said before is still there.
    await page.locator('li.said', { hasText: 'while nobody is there' }).waitFor();
    assert.equal(await page.locator('li.said', { hasText: 'while nobody is there' }).count(), 1);
    assert.equal(await page.locator('li.said', { hasText: 'before the stop' }).count(), 1);
    await page.screenshot({ path: join(folder, 'reconnected.png') });
    await page.close();
  } finally {
    await server.stop();
  }
}

async function nothingWasComplainedAbout() {
  assert.deepEqual(troubles, []);
}

let passed = 0;
let failed = 0;
for (const [name, run] of [
  ['the chat page, two tabs, a message each way', ownPage],
  ['a bare page from a file, Origin null', barePage],
  ['the server is stopped and started again, and the page comes back', reconnecting],
  ['no error on any console', nothingWasComplainedAbout],
]) {
  try {
    await run();
    passed += 1;
    console.log(`ok      chromium: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  chromium: ${name}: ${error.message}`);
    for (const [i, page] of browser.pages().entries()) {
      await page.screenshot({ path: join(folder, `failed-${i}.png`) });
      await page.close();
    }
  }
}
await browser.close();
rmSync(profile, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
