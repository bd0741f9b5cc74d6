// The page: asks over /v1/ask, shows the answer as it comes, opens what it cites.
// Whatever comes from documents or answers becomes text nodes and nothing else.

const MARKER = /\[(\d+(?:\.\d+)?)\]/g;
const CONTEXT = 20000; // characters shown before and after the cited ones
const WRAPPED = 60; // a line of so many characters was wrapped, a shorter one was meant to end
const READY_EVERY_MS = 15000;

const VERDICTS = {
  verbatim: "word for word",
  supported: "supported",
  partial: "partly supported",
  unsupported: "not supported",
  unchecked: "not checked",
};

const at = (id) => document.getElementById(id);

let answer = blank();
let request = null; // AbortController of the question that is being answered
let opener = null; // what the document panel was opened from

function blank() {
  return { question: "", text: "", citations: [], closest: [], abstained: false, snapshot: null };
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
  working(true);
  show();
  try {
    const response = await fetch("/v1/ask", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ question, stream: true }),
      signal: mine.signal,
    });
    if (!response.ok) throw await failure(response);
    if (!(await follow(response, mine))) {
      throw new Error("The connection ended before the answer did.");
    }
    say(summary());
  } catch (error) {
    if (request !== mine) return;
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
  if (name === "token") answer.text += data.text;
  if (name === "citation") answer.citations.push(data);
  if (name === "done") {
    answer.text = data.answer;
    answer.citations = data.citations;
    answer.closest = data.closest;
    answer.abstained = data.status === "abstained";
    answer.snapshot = data.snapshot.id;
  }
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
  told.hint = [error.hint, `request ${error.request_id}`].filter(Boolean).join(" · ");
  return told;
}

// ---- showing --------------------------------------------------------------------------

function working(yes) {
  if (document.activeElement === at("ask") || document.activeElement === at("stop")) {
    at("question").focus(); // not lost with the button that goes
  }
  at("ask").hidden = yes;
  at("stop").hidden = !yes;
  at("answer").classList.toggle("writing", yes);
  if (yes) say("Searching the documents…");
}

function say(text) {
  at("status").textContent = text;
}

function summary() {
  if (answer.abstained) return "The documents do not say.";
  const count = once(answer.citations).length;
  return `Answered with ${count} ${count === 1 ? "citation" : "citations"}.`;
}

function show() {
  const { abstained, citations, closest } = answer;
  at("result").hidden = false;
  at("asked").textContent = answer.question;
  at("abstained").hidden = !abstained;
  at("answer").hidden = abstained;
  at("answer").replaceChildren(...marked(answer.text));
  at("sources").hidden = citations.length === 0;
  at("citations").replaceChildren(...once(citations).map(citationItem));
  at("near").hidden = !(abstained && closest.length > 0);
  at("closest").replaceChildren(...closest.map(closestItem));
}

// A source that is cited twice keeps its number, and is listed once.
function once(citations) {
  return [...new Map(citations.map((one) => [one.marker, one])).values()];
}

// The text of an answer with each marker that has a citation as a button.
function marked(text) {
  const nodes = [];
  let done = 0;
  for (const found of text.matchAll(MARKER)) {
    const citation = answer.citations.find((one) => one.marker === found[1]);
    if (!citation) continue;
    nodes.push(flowing(text.slice(done, found.index)), marker(citation));
    done = found.index + found[0].length;
  }
  nodes.push(flowing(text.slice(done)));
  return nodes;
}

// Documents are often wrapped at some width; what is quoted from them need not be. A line
// break stays where it means something: before a blank line, a list item, a row, a heading.
function flowing(text) {
  return text.replace(/([^\n])\n(?=[^\n\s|#>*+-])(?!\d+[.)]\s)/g, "$1 ");
}

function marker(citation) {
  const label = `Source ${citation.marker}: ${citation.document.title}`;
  const node = button("marker", citation.marker, () => openCitation(citation, node));
  node.setAttribute("aria-label", label);
  node.title = citation.document.title;
  return node;
}

function citationItem(citation) {
  const open = button("open", citation.document.title, () => openCitation(citation, open));
  const verdict = element("span", "verdict", VERDICTS[citation.verdict] ?? citation.verdict);
  verdict.dataset.verdict = citation.verdict;
  return item(citation.marker, open, citation, citation.quote, verdict);
}

function closestItem(hit) {
  const span = { ...hit, quote: hit.text };
  const open = button("open", hit.document.title, () => openCitation(span, open));
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

function whereabouts({ heading, page }) {
  const parts = [...heading];
  if (page !== null) parts.push(`page ${page}`);
  return parts.join(" › ");
}

function showError(error) {
  at("result").hidden = answer.text === "";
  at("error-message").textContent = error.message;
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

async function openCitation(citation, from) {
  opener = from;
  const answeredBy = answer.snapshot;
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
