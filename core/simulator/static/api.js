/** The simulator's API. Every change carries a header that pages of other sites can't send. */
import { readEvents } from "/static/sse.js";

const BASE = "/simulator/api";
const OWN = { "Cairn-Simulator": "1", "Content-Type": "application/json" };

async function call(path, options = {}) {
  const response = await fetch(BASE + path, { cache: "no-store", ...options });
  if (!response.ok) throw new Error(await reason(response));
  return response.status === 204 ? null : response.json();
}

async function reason(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `The server answered ${response.status}.`;
  }
}

const change = (method, path, body) => call(path, { method, headers: OWN, body: JSON.stringify(body) });

export const readStage = () => call("/stage");
export const readView = (pane, place) => call(`/panes/${pane}?place=${encodeURIComponent(place)}`);
export const readWire = (pane) => call(`/panes/${pane}/wire`);
export const write = (pane, place, text, thread) =>
  change("POST", `/panes/${pane}/writes`, { place, text, thread: thread ?? null });
export const press = (pane, place, bubble, value) =>
  change("POST", `/panes/${pane}/presses`, { place, bubble, value });
export const setBot = (bot, pane = null) => change("PATCH", "/bot", { bot, pane });
export const readTime = () => call("/time");
export const passTime = (minutes) => change("POST", "/time", { minutes });

/** Calls `onChanged(names)` for ever; `onState` hears whether the server is there. */
export async function followChanges(onChanged, onState) {
  while (true) {
    try {
      const response = await fetch(`${BASE}/changes`, { cache: "no-store" });
      if (!response.ok) throw new Error(await reason(response));
      onState(true);
      for await (const event of readEvents(response.body)) {
        if (event.event === "changed") onChanged(JSON.parse(event.data));
      }
    } catch {
      /* the server is away: shown below, and asked again */
    }
    onState(false);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
