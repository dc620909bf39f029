/** The page: read the settings, then wire store, view, outbox and connection together. */
import { Nap, backoffSeconds } from "./backoff.js";
import { ChatClient, fetchConfig, newId } from "./client.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { byId, cairn } from "./dom.js";
import { Embed } from "./embed.js";
import { Outbox } from "./outbox.js";
import { SourcePanel } from "./panel.js";
import { Follower } from "./scroll.js";
import { Status } from "./status.js";
import { Storage } from "./storage.js";
import { Store } from "./store.js";
import { startTheme } from "./theme.js";
import { View } from "./view.js";

class Chat {
  constructor(config, embed) {
    this.config = config;
    this.storage = new Storage(config.route_key);
    this.client = new ChatClient(config.route_key, this.storage);
    this.store = new Store();
    this.follower = new Follower(byId("scroller"), byId("thread"), byId("pill"));
    this.panel = new SourcePanel(byId("source"), this.client);
    this.view = new View(this.store, config, this.actions());
    this.composer = new Composer(byId("composer"), this.storage, (text) => this.say({ text }));
    this.embed = embed;
    this.embed.onOpen = () => this.composer.focusUnlessTouch();
    this.outbox = new Outbox(this.client, this.storage, {
      onSent: (id, seq) => this.store.mark(id, { seq, state: "sent", reason: undefined }),
      onState: (id, state, reason) => this.store.mark(id, { state, reason }),
    });
    this.connection = this.newConnection();
    this.status = new Status(() => this.connection.retryNow());
  }

  actions() {
    return {
      openSource: (citation, opener) => this.panel.open(citation, opener),
      choose: (item, choice) => this.choose(item, choice),
      suggest: (text) => this.suggest(text),
      retry: (item) => this.retry(item),
      discard: (item) => this.discard(item),
    };
  }

  newConnection() {
    return new Connection(this.client, {
      lastId: () => this.store.lastSeq,
      beforeOpen: () => this.catchUp(),
      onEvent: (event) => this.onEvent(event),
      onState: (state, seconds) => this.onState(state, seconds),
    });
  }

  start() {
    this.store.onChange = () => this.view.draw();
    this.client.onConversation = () => this.startOver();
    this.outbox.entries().forEach((entry) => this.store.expect(entry));
    if (!this.embed.isFramed) this.composer.focusUnlessTouch();
    return this.connection.start();
  }

  /** Everything said before, once; after that the event stream resumes by itself. */
  async catchUp() {
    if (this.view.isReady) return;
    this.receiveHistory(await this.client.history(0));
    this.view.ready();
    this.follower.toEnd();
  }

  receiveHistory(messages) {
    const draw = this.store.onChange;
    this.store.onChange = () => {};
    this.store.receiveAll(messages);
    this.store.onChange = draw;
  }

  /** The old token was too old to continue: another conversation begins. */
  startOver() {
    this.view.isReady = false;
    this.store.clear();
    this.outbox.entries().forEach((entry) => this.store.expect(entry));
    this.connection.drop();
  }

  onState(state, seconds) {
    this.status.show(state, seconds);
    if (state === "connected") this.outbox.wake();
    else this.quieten();
    if (state === "gone") this.composer.disable("This chat is not available");
  }

  quieten() {
    this.store.turns.interrupt();
    this.view.setTyping(false);
  }

  onEvent({ event, data }) {
    const handlers = {
      message: (message) => this.onMessage(message),
      delta: ({ turn, text }) => this.onDelta(() => this.store.turns.append(turn, text)),
      restart: ({ turn }) => this.onDelta(() => this.store.turns.restart(turn)),
      typing: ({ on }) => this.view.setTyping(on),
    };
    handlers[event]?.(JSON.parse(data));
  }

  onDelta(change) {
    const wasGrowing = this.view.growing !== null;
    change();
    this.view.drawLive();
    if (!wasGrowing && this.view.growing) this.follower.hold(this.view.growingNode);
  }

  onMessage(message) {
    if (message.role === "contact") this.outbox.drop(message.id);
    else this.view.setTyping(false);
    const isNew = this.store.receive(message);
    if (!isNew || message.role === "contact") return;
    this.follower.hold(this.view.drawn.get(message.id).node);
    this.embed.arrived();
  }

  say(message) {
    const entry = { id: newId(), at: new Date().toISOString(), ...message };
    this.store.expect(entry);
    this.follower.toEnd();
    this.outbox.add(entry);
  }

  choose(item, choice) {
    this.say({ text: choice.label, action: choice.value, message_id: item.id });
    this.composer.focusUnlessTouch();
  }

  suggest(text) {
    this.say({ text });
    this.composer.focusUnlessTouch();
  }

  retry(item) {
    const entry = this.outbox.retry(item.id, newId());
    this.store.remove(item.id);
    if (entry) this.store.expect(entry);
  }

  discard(item) {
    this.outbox.drop(item.id);
    this.store.remove(item.id);
    this.composer.focusUnlessTouch();
  }
}

/** Ask until the server answers: the page may be opened while it restarts. */
async function loadConfig(routeKey) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return configFor(routeKey, await fetchConfig(routeKey));
    } catch (error) {
      if (error.status === 404 && routeKey) return configFor(routeKey, {});
      if (error.status && !error.isTemporary) throw error;
      await new Nap().sleep(Math.max(backoffSeconds(attempt), error.retryAfter ?? 0));
    }
  }
}

/** The page may ask for another channel than the one the settings describe. */
function configFor(routeKey, config) {
  if (!routeKey || config.route_key === routeKey) return config;
  return { route_key: routeKey, name: "Chat", greeting: "" };
}

async function main() {
  const embed = new Embed(); // listens before anything is awaited: the widget greets at once
  embed.closeWith(byId("close-chat"));
  startTheme(byId("theme"));
  byId("face").append(cairn());
  try {
    const config = await loadConfig(new URLSearchParams(location.search).get("channel"));
    document.title = config.name;
    byId("name").textContent = config.name;
    await new Chat(config, embed).start();
  } catch (error) {
    byId("fatal").hidden = false;
    byId("fatal-text").textContent = fatalText(error);
    document.documentElement.dataset.connection = "gone";
  }
}

function fatalText(error) {
  if (error.status === 404) return "There is no web chat here yet. Create a web channel to begin.";
  return "The chat could not be loaded. Reload the page to try again.";
}

main();
