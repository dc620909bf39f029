/** Read a text/event-stream body: bytes in, {id, event, data} out. */

export async function* readEvents(body, onBytes = () => {}) {
  const parser = new EventParser();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      onBytes();
      yield* parser.feed(value);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Keeps what is left of a line or an event between two chunks. */
export class EventParser {
  constructor() {
    this.rest = "";
    this.reset();
  }

  reset() {
    this.event = { id: null, event: "message", data: [] };
  }

  *feed(chunk) {
    const text = this.rest + chunk;
    // A trailing CR may be the first half of a CRLF, so it waits for the next chunk.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop();
    for (const line of lines) {
      if (line !== "") this.readField(line);
      else yield* this.finish();
    }
  }

  readField(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment: the server's ping
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.event.data.push(value);
    else if (name === "event" || name === "id") this.event[name] = value;
  }

  *finish() {
    const { id, event, data } = this.event;
    this.reset();
    if (data.length > 0) yield { id, event, data: data.join("\n") };
  }
}
