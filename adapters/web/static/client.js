/**
 * The chat's HTTP API: sessions, messages, events, passages.
 *
 * The token travels in the Authorization header only, never in a URL, which is why events are
 * read with fetch and not with EventSource.
 */
import { readEvents } from "./sse.js";

const TIMEOUT_MS = 15_000;
const SILENCE_MS = 45_000; // the server pings every 15 s: three missed pings mean a dead line
const PAGE_SIZE = 200;

export class HttpError extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.status = status;
    this.code = problem.code;
    this.retryAfter = retryAfter;
  }

  get isTemporary() {
    return this.status >= 500 || this.status === 429 || this.status === 408;
  }
}

/** What a page needs before it opens a session: {route_key, name, bot, suggestions?, greeting?}. */
export async function fetchConfig(routeKey) {
  const query = routeKey ? `?channel=${encodeURIComponent(routeKey)}` : "";
  return readJson(await checked(await timedFetch(`/chat/config${query}`, {})));
}

export class ChatClient {
  constructor(routeKey, storage) {
    this.base = `/chat/${encodeURIComponent(routeKey)}`;
    this.lockName = `cairn.session.${routeKey}`;
    this.storage = storage;
    this.opening = null;
    this.onConversation = () => {};
  }

  get session() {
    return this.storage.read("session");
  }

  /** Continue the conversation while its token lives, else begin one. */
  async open() {
    const { session } = this;
    if (session && !isAging(session)) return session;
    return this.renew(session?.token);
  }

  /** One renewal at a time, across the tabs of this browser too. */
  renew(staleToken) {
    this.opening ??= withLock(this.lockName, () => this.createSession(staleToken)).finally(() => {
      this.opening = null;
    });
    return this.opening;
  }

  async createSession(staleToken) {
    const current = this.session;
    if (current && current.token !== staleToken) return current; // another tab was faster
    const body = { visitor: { locale: navigator.language } };
    const headers = staleToken ? { Authorization: `Bearer ${staleToken}` } : {};
    const response = await this.post("/sessions", body, headers);
    const session = { ...(await readJson(response)), opened_at: Date.now() };
    this.storage.write("session", session);
    if (current && current.conversation_id !== session.conversation_id) this.onConversation();
    return session;
  }

  async history(after) {
    const items = [];
    let from = after;
    while (true) {
      const page = await this.json(`/messages?after=${from}&limit=${PAGE_SIZE}`);
      items.push(...page.items);
      if (page.items.length < PAGE_SIZE) return items;
      from = page.items.at(-1).seq;
    }
  }

  async send(body) {
    return readJson(await this.authorized((headers) => this.post("/messages", body, headers)));
  }

  passage(chunkId) {
    return this.json(`/passages/${encodeURIComponent(chunkId)}`);
  }

  /** Yield {id, event, data} from where `lastId` ended; `onOpen` is called once the line stands. */
  async *events(lastId, signal, onOpen) {
    const line = new AbortController();
    const watchdog = new Watchdog(() => line.abort(), SILENCE_MS);
    const both = AbortSignal.any([signal, line.signal]);
    try {
      const response = await this.authorized((headers) => this.openStream(lastId, headers, both));
      onOpen();
      yield* readEvents(response.body, () => watchdog.feed());
    } finally {
      watchdog.stop();
      line.abort();
    }
  }

  async openStream(lastId, headers, signal) {
    const stream = { Accept: "text/event-stream", "Last-Event-ID": String(lastId) };
    const url = `${this.base}/events`;
    return checked(await fetch(url, { headers: { ...headers, ...stream }, signal, cache: "no-store" }));
  }

  async json(path) {
    const get = async (headers) => checked(await timedFetch(this.base + path, { headers }));
    return readJson(await this.authorized(get));
  }

  async post(path, body, headers) {
    const options = {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
    };
    return checked(await timedFetch(this.base + path, options));
  }

  /** Call with the token; when it has expired, open a session again and call once more. */
  async authorized(call) {
    const { token } = await this.open();
    try {
      return await call({ Authorization: `Bearer ${token}` });
    } catch (error) {
      if (error.status !== 401) throw error;
    }
    const session = await this.renew(token);
    return call({ Authorization: `Bearer ${session.token}` });
  }
}

/** A token past half its life is exchanged while it can still vouch for the conversation. */
function isAging(session) {
  const expires = Date.parse(session.expires_at);
  if (Number.isNaN(expires)) return false;
  return Date.now() > (session.opened_at + expires) / 2;
}

async function timedFetch(url, options) {
  return fetch(url, { cache: "no-store", ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
}

async function checked(response) {
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  throw new HttpError(response.status, problem ?? {}, Number.isNaN(seconds) ? null : seconds);
}

async function readJson(response) {
  return response.json();
}

/** Frames without storage and plain http pages have no locks; then each tab is on its own. */
async function withLock(name, work) {
  let isGranted = false;
  const guarded = () => {
    isGranted = true;
    return work();
  };
  try {
    return await navigator.locks.request(name, guarded);
  } catch (error) {
    if (isGranted) throw error;
    return work();
  }
}

/** crypto.randomUUID is missing on plain http pages that are not localhost. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

class Watchdog {
  constructor(onSilence, milliseconds) {
    this.onSilence = onSilence;
    this.milliseconds = milliseconds;
    this.feed();
  }

  feed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.onSilence, this.milliseconds);
  }

  stop() {
    clearTimeout(this.timer);
  }
}
