/**
 * What this browser remembers of one chat: token, unsent messages, draft.
 *
 * A frame may be refused localStorage; then the same things live as long as the page does.
 */
const PREFIX = "cairn.chat";

export class Storage {
  constructor(routeKey, backend = openBackend()) {
    this.prefix = `${PREFIX}.${routeKey}.`;
    this.backend = backend;
  }

  read(name, fallback = null) {
    try {
      return JSON.parse(this.backend.getItem(this.prefix + name)) ?? fallback;
    } catch {
      return fallback;
    }
  }

  write(name, value) {
    try {
      this.backend.setItem(this.prefix + name, JSON.stringify(value));
    } catch {
      this.backend = copyToMemory(this.backend, this.prefix); // full or switched off
      this.backend.setItem(this.prefix + name, JSON.stringify(value));
    }
  }

  remove(name) {
    this.backend.removeItem(this.prefix + name);
  }
}

function openBackend() {
  try {
    window.localStorage.getItem(PREFIX);
    return window.localStorage;
  } catch {
    return memoryBackend();
  }
}

function memoryBackend() {
  const values = new Map();
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => values.set(key, value),
    removeItem: (key) => values.delete(key),
  };
}

function copyToMemory(backend, prefix) {
  const memory = memoryBackend();
  for (const key of Object.keys(backend).filter((name) => name.startsWith(prefix))) {
    memory.setItem(key, backend.getItem(key));
  }
  return memory;
}
