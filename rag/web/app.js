// The page: asks over /v1/ask, shows the answer as it comes, opens what it cites. What was said
// before on this visit goes along with a question, so that the next one can lean on it.
// Whatever comes from documents or answers becomes text nodes and nothing else.

const MARKER = /\[(\d+(?:\.\d+)?)\]/g;
const CONTEXT = 20000; // characters shown before and after the cited ones
const WRAPPED = 60; // a line of so many characters was wrapped, a shorter one was meant to end
const READY_EVERY_MS = 15000;
const LOOKS_BACK = 6; // answers that go along with the next question
const LOOKS_BACK_CHARS = 12000; // and their characters, questions included

const VERDICTS = {
  verbatim: "word for word",
  supported: "supported",
  partial: "partly supported",
  unsupported: "not supported",
  unchecked: "not checked",
};

const at = (id) => document.getElementById(id);

let answer = blank();
let conversation = []; // answers that are complete, the oldest first
let request = null; // AbortController of the question that is being answered
let opener = null; // what the document panel was opened from

function blank() {
  return {
    question: "",
    text: "",
    citations: [],
    closest: [],
    uncited: [], // spans of the text
    withheld: 0,
    note: "", // what to know of how it was asked
    abstained: false,
    alone: false, // asked without the conversation, because the server takes less of one
    query: "", // what was searched for, where that is not the question
    standIn: null, // the engine that answered instead, and the reason
    thoughts: "",
    model: null,
    finish: "stop",
    snapshot: null,
  };
}

// ---- asking ---------------------------------------------------------------------------

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = at("question").value;
  if (question.trim()) ask(question.trim());
});

at("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    at("form").requestSubmit();
  }
});

at("question").addEventListener("input", fit);

at("stop").addEventListener("click", () => request?.abort());

at("fresh").addEventListener("click", () => {
  const running = request;
  request = null; // what still comes is of no interest
  running?.abort();
  conversation = [];
  answer = blank();
  closePanel();
  hideError();
  working(false);
  show();
  say("");
  at("question").focus();
});

function fit() {
  const box = at("question");
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}

async function ask(question) {
  request?.abort();
  const mine = (request = new AbortController());
  answer = { ...blank(), question };
  opener = null; // the focus stays where the question is
  closePanel();
  hideError();
  write("");
  working(true);
  show();
  try {
    const response = await post(question, mine);
    if (!(await follow(response, mine))) {
      throw new Error("The connection ended before the answer did.");
    }
    if (request !== mine) return;
    conversation.push(answer);
    say(summary());
  } catch (error) {
    if (request !== mine) return;
    if (!at("question").value) write(question); // to be asked again
    if (mine.signal.aborted) say("Stopped.");
    else showError(error);
  } finally {
    if (request === mine) {
      request = null;
      working(false);
      show();
    }
  }
}

// The response to a question, with the conversation if the server takes it.
async function post(question, mine) {
  const history = before();
  const response = await send({ question, stream: true, history, ...narrowed() }, mine);
  if (response.ok) return response;
  const error = await failure(response);
  if (error.param !== "history" || history.length === 0) throw error;
  if (request === mine) answer.alone = true;
  const again = await send({ question, stream: true, ...narrowed() }, mine);
  if (!again.ok) throw await failure(again);
  return again;
}

// Which documents are searched, where not all of them are.
function narrowed() {
  const where = at("where").value.trim();
  return where === "" ? {} : { where };
}

function send(body, mine) {
  return fetch("/v1/ask", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: mine.signal,
  });
}

// The newest turns of the conversation, the oldest of them first.
function before() {
  const turns = [];
  let room = LOOKS_BACK_CHARS;
  for (const { question, text } of conversation.slice(-LOOKS_BACK).reverse()) {
    room -= question.length + text.length;
    if (room < 0) break;
    turns.unshift({ role: "user", content: question }, { role: "assistant", content: text });
  }
  return turns;
}

// Reads events until the one that ends the stream; false when it ended without one.
async function follow(response, mine) {
  for await (const { name, data } of events(response.body)) {
    if (request !== mine) return true;
    if (name === "error") throw told(data.error);
    take(name, data);
    show();
    if (name === "done") return true;
  }
  return false;
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const fields = Object.fromEntries(
          block.split("\n").filter((line) => !line.startsWith(":")).map(field),
        );
        if (fields.event) yield { name: fields.event, data: JSON.parse(fields.data) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function field(line) {
  const colon = line.indexOf(": ");
  return [line.slice(0, colon), line.slice(colon + 2)];
}

function take(name, data) {
  if (name === "meta") answer.snapshot = data.snapshot.id;
  if (name === "query") answer.query = data.text;
  if (name === "thought") answer.thoughts += data.text;
  if (name === "token") answer.text += data.text;
  if (name === "citation") answer.citations.push(data);
  if (name === "degraded") {
    answer.standIn = data;
    answer.thoughts = "";
  }
  if (name === "done") {
    answer.text = data.answer;
    answer.citations = data.citations;
    answer.closest = data.closest;
    answer.uncited = data.uncited.map((one) => inUnits(data.answer, one));
    answer.withheld = data.withheld;
    answer.note = data.note ?? "";
    answer.abstained = data.status === "abstained";
    answer.query = data.query ?? "";
    answer.standIn = data.degraded ? { engine: data.engine, reason: data.degraded_reason } : null;
    answer.thoughts = data.thoughts ?? "";
    answer.model = data.model;
    answer.finish = data.finish_reason;
    answer.snapshot = data.snapshot.id;
  }
}

// A span in code points, as the server counts, as one in the UTF-16 units of a string.
function inUnits(text, { start, end }) {
  const characters = Array.from(text);
  const units = (count) => characters.slice(0, count).join("").length;
  return { start: units(start), end: units(end) };
}

async function failure(response) {
  try {
    return told((await response.json()).error);
  } catch {
    return new Error(`The server answered with status ${response.status}.`);
  }
}

function told(error) {
  const told = new Error(error.message);
  told.param = error.param;
  told.hint = [error.hint, `request ${error.request_id}`].filter(Boolean).join(" · ");
  return told;
}

// ---- showing --------------------------------------------------------------------------

function working(yes) {
  if (document.activeElement === at("ask") || document.activeElement === at("stop")) {
    at("question").focus(); // not lost with the button that goes
  }
  at("question").placeholder =
    conversation.length > 0 ? "Ask on, or something else" : "What would you like to know?";
  at("ask").hidden = yes;
  at("stop").hidden = !yes;
  at("answer").classList.toggle("writing", yes);
  if (yes) say("Searching the documents…");
}

function say(text) {
  at("status").textContent = text;
}

function write(question) {
  at("question").value = question;
  fit();
}

function summary() {
  if (answer.abstained) return "The documents do not say.";
  const by = answer.model ? ` by ${answer.model}` : "";
  return `Answered${by} with ${counted(once(answer.citations).length, "citation")}.`;
}

function counted(count, what) {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function show() {
  const { abstained, citations, closest, question, thoughts } = answer;
  at("result").hidden = question === "";
  at("asked").textContent = question;
  line("searched", searched());
  line("stand-in", standIn());
  line("notes", notes());
  at("thoughts").hidden = thoughts === "";
  at("thought").textContent = thoughts;
  at("abstained").hidden = !abstained;
  at("answer").hidden = abstained;
  at("answer").replaceChildren(...marked(answer));
  at("sources").hidden = citations.length === 0;
  at("citations").replaceChildren(...once(citations).map(citationItem));
  at("near").hidden = !(abstained && closest.length > 0);
  at("closest").replaceChildren(...closest.map(closestItem));
  showEarlier();
}

function line(id, text) {
  at(id).hidden = text === "";
  at(id).textContent = text;
}

function searched() {
  if (answer.alone) return "Asked by itself: the server takes less of a conversation along.";
  return answer.query && `Searched for: ${answer.query}`;
}

function standIn() {
  const { standIn } = answer;
  return standIn ? `The engine ${standIn.engine} stands in: ${standIn.reason}` : "";
}

const CUT = {
  length: "The answer is cut off: it had used up its tokens.",
  deadline: "The answer is cut off: its time was over.",
};

function notes() {
  const { uncited, withheld, finish, note } = answer;
  const told = note === "" ? [] : [`${note[0].toUpperCase()}${note.slice(1)}.`];
  if (uncited.length > 0) {
    told.push(`Underlined with dots: ${counted(uncited.length, "statement")} without citation.`);
  }
  if (withheld > 0) {
    told.push(`Held back, because no citation holds it up: ${counted(withheld, "sentence")}.`);
  }
  if (CUT[finish]) told.push(CUT[finish]);
  return told.join(" ");
}

// What was answered before, the newest first, with markers that still open their sources.
function showEarlier() {
  const earlier = conversation.filter((one) => one !== answer).reverse();
  at("fresh").hidden = conversation.length === 0 && answer.question === "";
  at("earlier").hidden = earlier.length === 0;
  if (at("turns").childElementCount !== earlier.length) {
    at("turns").replaceChildren(...earlier.map(turn));
  }
}

function turn(answer) {
  const node = element("li");
  const details = element("details");
  const text = element("p", "said");
  text.append(...marked(answer));
  details.append(element("summary", "", answer.question), text);
  node.append(details);
  return node;
}

// A source that is cited twice keeps its number, and is listed once.
function once(citations) {
  return [...new Map(citations.map((one) => [one.marker, one])).values()];
}

// The text of an answer: each marker that has a citation as a button, what has none underlined.
function marked(answer) {
  const { text, citations, snapshot } = answer;
  const nodes = [];
  let done = 0;
  for (const found of text.matchAll(MARKER)) {
    const citation = citations.find((one) => one.marker === found[1]);
    if (!citation) continue;
    nodes.push(...underlined(answer, done, found.index), marker(citation, snapshot));
    done = found.index + found[0].length;
  }
  nodes.push(...underlined(answer, done, text.length));
  return nodes;
}

function underlined({ text, uncited }, from, to) {
  const nodes = [];
  let done = from;
  for (const span of uncited) {
    const [start, end] = [Math.max(span.start, done), Math.min(span.end, to)];
    if (start >= end) continue;
    const node = element("span", "uncited", flowing(text.slice(start, end)));
    node.title = "no citation";
    nodes.push(flowing(text.slice(done, start)), node);
    done = end;
  }
  nodes.push(flowing(text.slice(done, to)));
  return nodes;
}

// Documents are often wrapped at some width; what is quoted from them need not be. A line
// break stays where it means something: before a blank line, a list item, a row, a heading.
function flowing(text) {
  return text.replace(/([^\n])\n(?=[^\n\s|#>*+-])(?!\d+[.)]\s)/g, "$1 ");
}

function marker(citation, snapshot) {
  const label = `Source ${citation.marker}: ${citation.document.title}`;
  const node = button("marker", citation.marker, () => openCitation(citation, node, snapshot));
  node.setAttribute("aria-label", label);
  node.title = citation.document.title;
  return node;
}

function citationItem(citation) {
  const { snapshot } = answer;
  const open = button("open", citation.document.title, () => openCitation(citation, open, snapshot));
  const verdict = element("span", "verdict", VERDICTS[citation.verdict] ?? citation.verdict);
  verdict.dataset.verdict = citation.verdict;
  if (citation.missing.length === 0) {
    return item(citation.marker, open, citation, citation.quote, verdict);
  }
  const missing = element("span", "where", `not there: ${citation.missing.join(", ")}`);
  return item(citation.marker, open, citation, citation.quote, verdict, missing);
}

function closestItem(hit) {
  const span = { ...hit, quote: hit.text };
  const { snapshot } = answer;
  const open = button("open", hit.document.title, () => openCitation(span, open, snapshot));
  const node = item("", open, hit, hit.text);
  node.classList.add("short");
  return node;
}

function item(number, open, place, quote, ...more) {
  const node = element("li", "source");
  const body = element("div");
  const line = element("div", "line");
  line.append(open, element("span", "where", whereabouts(place)), ...more);
  body.append(line, element("blockquote", "", flowing(quote)));
  if (number) node.append(element("span", "number", number));
  node.append(body);
  return node;
}

function whereabouts({ heading, page, level }) {
  const parts = [...heading];
  if (page !== null) parts.push(`page ${page}`);
  if (level === "passage") parts.push("the whole passage");
  return parts.join(" › ");
}

function showError(error) {
  at("result").hidden = answer.text === "";
  at("error-message").textContent = error.message;
  at("error-message").classList.toggle("pointed", error.message.includes("\n")); // a caret below
  if (error.param === "where") at("narrow").open = true;
  at("error-hint").textContent = error.hint ?? "";
  at("error").hidden = false;
  say("");
}

function hideError() {
  at("error").hidden = true;
}

function element(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.textContent = text;
  return node;
}

function button(className, text, action) {
  const node = element("button", className, text);
  node.type = "button";
  node.addEventListener("click", action);
  return node;
}

// ---- the source of a citation -----------------------------------------------------------

async function openCitation(citation, from, answeredBy) {
  opener = from;
  at("panel-title").textContent = citation.document.title;
  at("panel-id").textContent = citation.document.id;
  at("panel-note").hidden = true;
  at("document").replaceChildren("Opening…");
  at("panel").hidden = false;
  document.body.classList.add("reading");
  at("panel-title").focus({ preventScroll: true });
  try {
    const source = await read(citation);
    if (opener === from) showSource(citation, source, answeredBy);
  } catch (error) {
    if (opener !== from) return;
    note(error.message);
    at("document").replaceChildren(citation.quote);
  }
}

// The cited characters with what stands around them.
async function read({ document: { id }, start, end }) {
  const base = `/v1/documents/${encodeURIComponent(id)}`;
  const { document } = await get(base);
  const from = Math.max(0, Math.min(start, document.length) - CONTEXT);
  const to = Math.min(document.length, Math.max(end, from) + CONTEXT);
  return get(`${base}/text?start=${from}&end=${to}`);
}

async function get(path) {
  const response = await fetch(path);
  if (!response.ok) throw await failure(response);
  return response.json();
}

function showSource(citation, source, answeredBy) {
  const characters = Array.from(source.text); // offsets count code points, strings UTF-16 units
  const part = (from, to) => characters.slice(from - source.start, to - source.start).join("");
  if (part(citation.start, citation.end) !== citation.quote) {
    note(
      `This document has changed since the answer was made (snapshot ${short(answeredBy)}). ` +
        `What was cited: “${citation.quote}”`,
    );
    at("document").replaceChildren(source.text);
    return;
  }
  const mark = element("mark");
  const read = reader(characters);
  const [start, end] = [citation.start - source.start, citation.end - source.start];
  mark.append(...read(start, end));
  at("document").replaceChildren(
    source.start > 0 ? "[…] " : "",
    ...read(0, start),
    mark,
    ...read(end, characters.length),
    source.end < source.length ? " […]" : "",
  );
  mark.scrollIntoView({ block: "center" });
}

// Nodes for a span of a text. Every character is there; the break after a line that was
// wrapped at some width takes the room of a space only, so that the lines can fit the panel.
function reader(characters) {
  const soft = wrappedAt(characters);
  return (from, to) => {
    const nodes = [];
    let done = from;
    for (const at of soft.filter((index) => index >= from && index < to)) {
      nodes.push(characters.slice(done, at).join(""), element("span", "soft", "\n"));
      done = at + 1;
    }
    nodes.push(characters.slice(done, to).join(""));
    return nodes;
  };
}

function wrappedAt(characters) {
  const breaks = [];
  let began = 0;
  characters.forEach((character, index) => {
    if (character !== "\n") return;
    const next = characters[index + 1] ?? "\n";
    if (index - began >= WRAPPED && !/[\s|#>*+-]/.test(next)) breaks.push(index);
    began = index + 1;
  });
  return breaks;
}

function note(text) {
  at("panel-note").textContent = text;
  at("panel-note").hidden = false;
}

function closePanel() {
  if (at("panel").hidden) return;
  at("panel").hidden = true;
  document.body.classList.remove("reading");
  if (opener?.isConnected) opener.focus();
  opener = null;
}

at("close").addEventListener("click", closePanel);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closePanel();
});

// ---- what answers ------------------------------------------------------------------------

async function watch() {
  try {
    const response = await fetch("/readyz");
    const state = await response.json();
    const troubled = state.problems.length > 0;
    ready(
      state.ready ? (troubled ? "troubled" : "ready") : "down",
      state.ready && !troubled ? "Ready" : state.problems.join("; "),
    );
    at("snapshot").textContent = state.snapshot
      ? `Snapshot ${short(state.snapshot.id)}, published ${ago(state.snapshot.age_s)}`
      : "";
  } catch {
    ready("down", "The server does not answer.");
  }
}

function ready(state, text) {
  const node = at("ready");
  if (node.textContent !== text) node.textContent = text;
  node.dataset.state = state;
}

function short(id) {
  return id ? id.slice(0, 12) : "unknown";
}

function ago(seconds) {
  const steps = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const format = new Intl.RelativeTimeFormat("en", { numeric: "always" });
  for (const [unit, length] of steps) {
    if (seconds >= length) return format.format(-Math.floor(seconds / length), unit);
  }
  return "just now";
}

watch();
setInterval(watch, READY_EVERY_MS);
