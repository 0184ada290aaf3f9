// What the page knows, and how it speaks to its server: answers are sent one after another until each is acknowledged.

const POLL = 1000; // milliseconds between looking for what other windows and the head did
const AGAIN = 1000; // until an answer is sent again that got no acknowledgement

const draw = () => Array.from(crypto.getRandomValues(new Uint8Array(9)), (one) => one.toString(36)).join("");

export class Client extends EventTarget {
  constructor() {
    super();
    this.window = draw();
    this.queue = []; // answers that are not acknowledged yet
    this.labels = new Int16Array(0); // codes of labels, -1 for none
    this.believed = new Int16Array(0);
    this.sure = new Uint8Array(0); // percent
    this.names = [];
    this.state = {};
    this.fits = -1;
    this.sending = false;
    this.fault = "";
  }

  async start() {
    this.state = await this.ask("start");
    this.names = this.state.names;
    await this.loadLabels();
    await this.loadBeliefs();
    setInterval(() => this.poll(), POLL);
  }

  async ask(path, body) {
    const how = body === undefined ? {} : {method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(body)};
    const answer = await fetch(path, {...how, credentials: "omit"});
    const said = await answer.json().catch(() => ({error: `The server answered ${answer.status}.`}));
    if (!answer.ok) throw Object.assign(new Error(said.error || `The server answered ${answer.status}.`), {status: answer.status});
    return said;
  }

  async bytes(path) {
    return (await fetch(path, {credentials: "omit"})).arrayBuffer();
  }

  async loadLabels() {
    this.labels = new Int16Array(await this.bytes("labels"));
  }

  async loadBeliefs() {
    const content = await this.bytes("beliefs"), count = content.byteLength / 3;
    this.believed = new Int16Array(content.slice(0, 2 * count));
    this.sure = new Uint8Array(content.slice(2 * count));
    this.fits = this.state.fits;
  }

  async poll() {
    if (this.sending) return;
    try {
      await this.take(await this.ask(`changes?seen=${this.state.seen}`));
      this.tell("");
    } catch (error) {
      this.tell("The server does not answer.");
    }
  }

  // Take up what the server says has changed; pictures of answers that are still waiting stay as they are shown.
  async take(said) {
    const waiting = new Set(this.queue.flatMap((one) => one.pictures || []));
    said.changed.forEach((picture, place) => {
      if (!waiting.has(picture)) this.labels[picture] = said.codes[place];
    });
    this.state = {...this.state, ...said};
    if (this.names.length <= said.names.length) this.names = said.names;
    if (said.fits !== this.fits) await this.loadBeliefs();
    this.dispatchEvent(new CustomEvent("changed", {detail: said.changed}));
  }

  code(name) {
    if (!name) return -1;
    if (!this.names.includes(name)) this.names = [...this.names, name];
    return this.names.indexOf(name);
  }

  // An answer: shown at once, sent until it is acknowledged; the same key makes that it counts once.
  act(verb, facts = {}) {
    const answer = {key: draw(), window: this.window, verb, seen: this.state.seen, ...facts}; // what was seen when it was given
    if (verb === "label") answer.pictures.forEach((picture) => (this.labels[picture] = this.code(answer.name)));
    this.queue.push(answer);
    this.send();
    this.dispatchEvent(new CustomEvent("changed", {detail: answer.pictures || []}));
  }

  async send() {
    if (this.sending) return;
    this.sending = true;
    while (this.queue.length) {
      try {
        const said = await this.ask("act", this.queue[0]);
        this.queue.shift();
        await this.take(said);
        this.tell("");
        if (said.left_out.length) this.say(`${said.left_out.length} had been answered in another window, and stay as they are.`);
      } catch (error) {
        if (error.status === undefined || error.status >= 500) {
          this.tell("The server does not answer.");
          await new Promise((done) => setTimeout(done, AGAIN));
        } else {
          this.queue.shift();
          await this.loadLabels();
          this.say(error.message);
          this.dispatchEvent(new CustomEvent("changed", {detail: []}));
        }
      }
    }
    this.sending = false;
    setTimeout(() => this.poll(), 150);
  }

  tell(fault) {
    this.fault = fault;
    this.dispatchEvent(new Event("saved"));
  }

  say(text) {
    this.dispatchEvent(new CustomEvent("say", {detail: text}));
  }
}
