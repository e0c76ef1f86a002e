// The chat page. What it speaks is written down in the server's `chat/wire.rs`. Whatever came from
// somebody else is shown by `textContent` alone.
'use strict';

const SUBPROTOCOL = 'tidewire.chat.v1';
const LINES_MAX = 500; // on the page; the oldest go
const WAITING_MAX = 20; // messages that wait for a connection
const DELAY_FIRST_MS = 1000;
const DELAY_MAX_MS = 30_000;
// After these the same would happen again: the protocol was broken, a policy, a message too long.
const FINAL_CODES = [1002, 1003, 1007, 1008, 1009, 1010];

const byId = (id) => document.getElementById(id);
const log = byId('log');
const line = byId('line');
const nameField = byId('name');

let socket = null;
let attempts = 0;
let retry = 0; // the timer until the next attempt
let you = null;
let seen = { epoch: '', offset: 0 };
let lastSpeaker = 0;
let asked = ''; // the name that was last told to the server
const people = new Map(); // by id
const mine = new Set(); // the ids that were ours in this epoch
const waiting = []; // said before there was a connection

// The connection

const address = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/`;

function connect() {
  clearTimeout(retry);
  retry = 0;
  showState('connecting', attempts ? 'Reconnecting…' : 'Connecting…');
  const current = new WebSocket(address, SUBPROTOCOL);
  socket = current;
  let opened = false;
  let failed = '';
  current.onopen = () => {
    opened = true;
    report('open');
    asked = nameField.value;
    send({ type: 'join', name: asked });
  };
  current.onmessage = ({ data }) => receive(JSON.parse(data));
  current.onerror = () => { failed = 'error, '; };
  current.onclose = ({ code, reason }) => {
    if (socket !== current) return;
    const text = `${failed}close ${code}${reason ? `: ${reason}` : ''}`;
    const isTrouble = code !== 1000 && code !== 1001;
    if (opened || !attempts) report(text, isTrouble);
    else reportAttempt(text);
    closed(code, reason);
  };
}

function closed(code, reason) {
  socket = null;
  you = null;
  people.clear();
  showPeople();
  if (FINAL_CODES.includes(code)) {
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

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

// What arrives

function receive(event) {
  switch (event.type) {
    case 'welcome':
      attempts = 0;
      if (event.epoch !== seen.epoch) {
        seen = { epoch: event.epoch, offset: 0 };
        mine.clear();
      }
      you = event.you;
      mine.add(you.id);
      store(asked); // it was taken
      nameField.value = asked = you.name;
      people.clear();
      for (const who of event.people) people.set(who.id, who.name);
      showPeople();
      event.recent.forEach(hear);
      note(`You are ${you.name}`);
      for (const text of waiting.splice(0)) send({ type: 'say', text });
      showState('open', 'Connected');
      break;
    case 'joined':
      people.set(event.who.id, event.who.name);
      showPeople();
      note(`${event.who.name} joined`);
      break;
    case 'renamed':
      people.set(event.who.id, event.who.name);
      if (event.who.id === you?.id) {
        you = event.who;
        store(asked);
        nameField.value = asked = you.name;
      }
      showPeople();
      note(`${event.before} is now ${event.who.name}`);
      break;
    case 'left':
      people.delete(event.who.id);
      showPeople();
      note(`${event.who.name} left`);
      break;
    case 'said':
      hear(event);
      break;
  }
}

function hear({ offset, at, who, text }) {
  if (offset <= seen.offset) return; // told again after a reconnection
  seen.offset = offset;
  const item = document.createElement('li');
  item.className = 'said';
  item.classList.toggle('mine', mine.has(who.id));
  item.classList.toggle('next', lastSpeaker === who.id);
  item.style.setProperty('--hue', hue(who.name));
  const by = document.createElement('div');
  by.className = 'by';
  const time = document.createElement('time');
  const when = new Date(at);
  time.dateTime = when.toISOString();
  time.textContent = when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  by.append(element('b', who.name), time);
  const bubble = element('div', text);
  bubble.className = 'bubble';
  bubble.dir = 'auto';
  item.append(by, bubble);
  append(item, mine.has(who.id));
  lastSpeaker = who.id;
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
  lastSpeaker = 0;
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
    item.classList.toggle('you', id === you?.id);
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

function say() {
  const text = line.value;
  if (!text.trim()) return;
  if (you && socket?.readyState === WebSocket.OPEN) {
    send({ type: 'say', text });
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
  asked = name;
  send({ type: 'join', name });
  connectNow();
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
byId('snippet').textContent = `const ws = new WebSocket('${address}');
ws.onmessage = (e) => console.log(e.data);
ws.onopen = () => ws.send('hello');`;
byId('command').textContent = `tidewire connect ${address}`;
connect();
