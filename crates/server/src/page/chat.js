// The chat page: a channel of the server, spoken to in its own words (the centrifuge protocol in JSON,
// one command a line). Whatever came from somebody else is shown by `textContent` alone.
'use strict';

const CHANNEL = 'chat';
const RECENT_MAX = 100; // of what was said before you came
const LINES_MAX = 500; // on the page; the oldest go
const WAITING_MAX = 20; // messages that wait for a connection
const DELAY_FIRST_MS = 1000;
const DELAY_MAX_MS = 30_000;
const CONNECT = 1; // the id of that command; the others count on
const NOBODY = 'User'; // what a bare client is called

const byId = (id) => document.getElementById(id);
const log = byId('log');
const line = byId('line');
const nameField = byId('name');

let socket = null;
let attempts = 0;
let retry = 0; // the timer until the next attempt
let silence = 0; // the timer that ends a connection of which nothing is heard
let you = null; // the name of this session, once it is one
let position = null; // { epoch, offset }: where we are in the channel
let early = null; // what is said while what was said before has not come yet
let lastSpeaker = '';
let asked = ''; // the name that was last told to the server
let commands = CONNECT;
const answers = new Map(); // what to do with the reply to a command, by its id
const people = new Map(); // names by session
const mine = new Set(); // the sessions that were ours
const waiting = []; // said before there was a connection

// The connection

const host = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}`;

function connect() {
  clearTimeout(retry);
  retry = 0;
  showState('connecting', attempts ? 'Reconnecting…' : 'Connecting…');
  const current = new WebSocket(`${host}/connection/websocket`);
  socket = current;
  let opened = false;
  let failed = '';
  current.onopen = () => {
    opened = true;
    report('open');
    enter();
  };
  current.onmessage = ({ data }) => {
    if (socket === current) data.split('\n').forEach((text) => receive(JSON.parse(text)));
  };
  current.onerror = () => { failed = 'error, '; };
  current.onclose = ({ code, reason }) => {
    if (socket !== current) return;
    const text = `${failed}close ${code}${reason ? `: ${reason}` : ''}`;
    const isTrouble = code !== 1000 && code !== 1001 && code !== 3001;
    if (opened || !attempts) report(text, isTrouble);
    else reportAttempt(text);
    closed(code, reason);
  };
}

function closed(code, reason) {
  clearTimeout(silence);
  socket = null;
  you = null;
  answers.clear();
  people.clear();
  showPeople();
  // The protocol says by the code whether it is of use to come back: from 3500 on, and from 4500 on, it is not.
  if (code === 1009 || (code >= 3500 && code < 4000) || code >= 4500) {
    showState('closed', reason || `Closed (${code})`);
    return; // another name, or another message, tries again
  }
  // Truncated exponential backoff with full jitter (RFC 6455 §7.2.3): many pages that lost one
  // server do not come back at one moment.
  const ceiling = Math.min(DELAY_MAX_MS, DELAY_FIRST_MS * 2 ** attempts);
  const delay = 200 + Math.random() * ceiling;
  attempts += 1;
  showState('connecting', `Reconnecting in ${Math.ceil(delay / 1000)} s`);
  retry = setTimeout(connect, delay);
}

function connectNow() {
  if (!socket) connect();
}

function command(request, done) {
  commands += 1;
  answers.set(commands, done);
  return { id: commands, ...request };
}

function send(...commands) {
  if (socket?.readyState !== WebSocket.OPEN) return;
  socket.send(commands.map((one) => JSON.stringify(one)).join('\n'));
}

// Says who we are, and takes part: all in one message, since the answers come in this order.
function enter() {
  asked = nameField.value;
  early = [];
  commands = CONNECT;
  const since = position && { recover: true, ...position };
  const options = { channel: CHANNEL, join_leave: true, recoverable: true };
  const first = { id: CONNECT, connect: { token: asked } };
  answers.set(CONNECT, connected);
  send(
    first,
    command({ subscribe: { ...options, ...since } }, subscribed),
    command({ presence: { channel: CHANNEL } }, ({ presence }) => present(presence)),
    command({ history: { channel: CHANNEL, limit: RECENT_MAX, reverse: true } }, ({ history }) => {
      if (!position) history.publications?.reverse().forEach(hear);
      position ??= { epoch: history.epoch, offset: history.offset ?? 0 };
      early.splice(0).forEach(hear);
      early = null;
      ready();
    }),
  );
}

function connected({ connect: { client, ping } }) {
  mine.add(client);
  you = client;
  listen(ping);
}

// Without the server's pings the connection is dead, though nobody has told the browser.
function listen(ping) {
  if (!ping) return;
  const current = socket;
  const again = () => {
    clearTimeout(silence);
    silence = setTimeout(() => current.close(), (ping + 10) * 1000);
  };
  current.addEventListener('message', again);
  again();
}

function subscribed({ subscribe }) {
  if (subscribe.was_recovering && !subscribe.recovered) {
    note('Some of what was said meanwhile is gone');
    position = null;
    return;
  }
  subscribe.publications?.forEach(hear);
}

function present({ presence }) {
  people.clear();
  for (const { client, user } of Object.values(presence)) people.set(client, user || NOBODY);
  showPeople();
}

function ready() {
  attempts = 0;
  store(asked); // it was taken
  note(`You are ${asked}`);
  for (const text of waiting.splice(0)) publish(text);
  showState('open', 'Connected');
}

// What arrives

function receive({ id, error, push, ...reply }) {
  if (id) {
    const done = answers.get(id);
    answers.delete(id);
    if (error) note(`${error.message} (${error.code})`, true);
    else done?.(reply);
  } else if (push) {
    if (push.pub) (early ? early.push(push.pub) : hear(push.pub));
    if (push.join) came(push.join.info);
    if (push.leave) went(push.leave.info);
    if (push.unsubscribe) socket.close(); // and back, from where we are
  } else {
    send({}); // a ping, and the answer to it
  }
}

function came({ client, user }) {
  people.set(client, user || NOBODY);
  showPeople();
  if (client !== you) note(`${user || NOBODY} joined`);
}

function went({ client, user }) {
  people.delete(client);
  showPeople();
  if (!mine.has(client)) note(`${user || NOBODY} left`);
}

function hear({ offset, data, info, time }) {
  if (position) {
    if (offset <= position.offset) return;
    position.offset = offset;
  }
  if (typeof data?.text !== 'string') return; // published by somebody who speaks otherwise
  const name = info?.user || NOBODY;
  const client = info?.client ?? '';
  const item = document.createElement('li');
  item.className = 'said';
  item.classList.toggle('mine', mine.has(client));
  item.classList.toggle('next', lastSpeaker === client);
  item.style.setProperty('--hue', hue(name));
  const by = document.createElement('div');
  by.className = 'by';
  const at = document.createElement('time');
  const when = time ? new Date(time) : new Date();
  at.dateTime = when.toISOString();
  at.textContent = when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  by.append(element('b', name), at);
  const bubble = element('div', data.text);
  bubble.className = 'bubble';
  bubble.dir = 'auto';
  item.append(by, bubble);
  append(item, mine.has(client));
  lastSpeaker = client;
}

// What is shown

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function note(text, isTrouble = false) {
  const item = element('li', text);
  item.className = isTrouble ? 'note trouble' : 'note';
  lastSpeaker = '';
  append(item);
}

// What the connection does, on the page and for those who debug it.
function report(text, isTrouble = false) {
  console.info(`tidewire: ${text}`);
  note(text, isTrouble);
}

// One line for all attempts of an outage, however long: they shall not push out what was said.
function reportAttempt(text) {
  const counted = `${text} (attempt ${attempts})`;
  const last = log.lastElementChild;
  if (last?.classList.contains('attempt')) {
    console.info(`tidewire: ${counted}`);
    last.textContent = counted;
  } else {
    report(counted, true);
    log.lastElementChild.classList.add('attempt');
  }
}

function isAtEnd() {
  return log.scrollHeight - log.scrollTop - log.clientHeight < 80;
}

function append(item, isMine = false) {
  const follow = isAtEnd() || isMine;
  log.append(item);
  while (log.childElementCount > LINES_MAX) log.firstElementChild.remove();
  if (follow) log.scrollTop = log.scrollHeight;
  byId('newer').hidden = follow;
}

function showState(state, text) {
  byId('state').dataset.state = state;
  byId('state-text').textContent = waiting.length ? `${text} · ${waiting.length} unsent` : text;
}

function showPeople() {
  byId('count').textContent = people.size;
  byId('people').replaceChildren(...[...people].map(([id, name]) => {
    const item = document.createElement('li');
    item.style.setProperty('--hue', hue(name));
    item.classList.toggle('you', id === you);
    item.title = name;
    const face = element('span', [...name][0]?.toLocaleUpperCase() ?? '');
    face.className = 'face';
    face.setAttribute('aria-hidden', 'true');
    item.append(face, element('span', name));
    return item;
  }));
}

// A colour for a name, the same on every page.
function hue(name) {
  let hash = 7;
  for (const unit of name) hash = (hash * 31 + unit.codePointAt(0)) % 360;
  return hash;
}

// What you do

function publish(text) {
  send(command({ publish: { channel: CHANNEL, data: { text } } }));
}

function say() {
  const text = line.value;
  if (!text.trim()) return;
  if (you && !early && socket?.readyState === WebSocket.OPEN) {
    publish(text);
  } else if (waiting.length < WAITING_MAX) {
    waiting.push(text);
    showState('connecting', 'Connecting…');
    connectNow();
  } else {
    return; // it stays in the field
  }
  line.value = '';
}

byId('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  say();
  line.focus();
});

line.addEventListener('keydown', (event) => {
  // An input method's Enter chooses a word; it does not send.
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    say();
  }
});

function rename() {
  const name = nameField.value.trim();
  if (!name || name === asked) return;
  // A session has one name, so this is another one.
  const before = socket;
  socket = null;
  before?.close(1000);
  closed(1000, '');
  connect();
}

byId('me').addEventListener('submit', (event) => {
  event.preventDefault();
  rename();
  line.focus();
});
nameField.addEventListener('change', rename);

byId('newer').addEventListener('click', () => { log.scrollTop = log.scrollHeight; });
log.addEventListener('scroll', () => { if (isAtEnd()) byId('newer').hidden = true; });
window.addEventListener('online', connectNow);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && retry) connectNow();
});

// A name for a tab, which it keeps when it is loaded again. Storage may be forbidden.

function store(name) {
  try { sessionStorage.setItem('tidewire.name', name); } catch { /* then not */ }
}

function stored() {
  try { return sessionStorage.getItem('tidewire.name'); } catch { return null; }
}

function invented() {
  const pick = (words) => words[Math.floor(Math.random() * words.length)];
  const kind = pick(['Amber', 'Brisk', 'Calm', 'Coral', 'Deep', 'Early', 'Fair', 'Gentle', 'High',
    'Idle', 'Jolly', 'Keen', 'Late', 'Mild', 'Northern', 'Opal', 'Pale', 'Quiet', 'Rapid', 'Salty',
    'Silver', 'Swift', 'Tidal', 'Warm']);
  const being = pick(['Auk', 'Clam', 'Cod', 'Crab', 'Dolphin', 'Eel', 'Gannet', 'Gull', 'Heron',
    'Kelp', 'Limpet', 'Manta', 'Mussel', 'Narwhal', 'Octopus', 'Otter', 'Petrel', 'Plover',
    'Puffin', 'Seal', 'Sprat', 'Tern', 'Urchin', 'Whelk']);
  return `${kind} ${being}`;
}

nameField.value = stored() ?? invented();
store(nameField.value);
byId('snippet').textContent = `const ws = new WebSocket('${host}/');
ws.onmessage = (e) => console.log(e.data);
ws.onopen = () => ws.send('hello');`;
byId('command').textContent = `tidewire connect ${host}/`;
connect();
