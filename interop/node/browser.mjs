// Headless Chromium on the chat: two tabs of the server's own page, then two of a bare page that
// is opened from a file. What one tab says the other must show, and nothing of it as HTML.
//
//   node browser.mjs CHROMIUM URL FOLDER      screenshots go to FOLDER
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
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

const [executablePath, url, folder] = process.argv.slice(2);
const http = url.replace(/^ws/, 'http');
const ws = url.replace(/^http/, 'ws');
const bare = `file://${fileURLToPath(new URL('bare.html', import.meta.url))}?${encodeURIComponent(ws)}`;

const profile = mkdtempSync(join(tmpdir(), 'tidewire-chromium-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath, headless: true, args: FLAGS, viewport: { width: 900, height: 640 },
});
browser.setDefaultTimeout(WAIT_MS);

const troubles = [];
async function tab(address) {
  const page = await browser.newPage();
  page.on('pageerror', (error) => troubles.push(`${address}: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') troubles.push(`${address}: ${message.text()}`);
  });
  await page.goto(address);
  return page;
}

async function ownPage() {
  const tabs = [await tab(http), await tab(http)];
  const say = async (page, text) => {
    const line = page.getByRole('textbox', { name: /message/i });
    await line.fill(text);
    await line.press('Enter');
  };
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

async function nothingWasComplainedAbout() {
  assert.deepEqual(troubles, []);
}

let passed = 0;
let failed = 0;
for (const [name, run] of [
  ['the chat page, two tabs, a message each way', ownPage],
  ['a bare page from a file, Origin null', barePage],
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
