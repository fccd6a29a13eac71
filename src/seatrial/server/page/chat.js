// The chat page: what is on it, what is sent, and what stays for a reload. Everything lives in this tab alone.

import { call, chunks, Failed } from "./api.js";
import { blamed, brief, content, shows } from "./attachments.js";
import { codeDialog } from "./code_dialog.js";
import { keepTalk, keptTalk } from "./kept.js";
import { make } from "./markdown.js";
import { openTray, tooMuch } from "./tray.js";
import { gain, turnView } from "./turn.js";

const $ = (id) => document.getElementById(id);
const IDEAS = [
  "Explain in three sentences why there are two tides a day.",
  "Write a Python function that tells whether a year is a leap year.",
  "Which questions should I ask before I ship a model? Give a short list.",
];
const SETTINGS = ["temperature", "top_p", "max_completion_tokens", "reasoning_effort"];
const KEY = "seatrial-key";

const model = $("model");
const prompt = $("prompt");
const mostBytes = Number(document.body.dataset.maxBodyBytes);
const tray = openTray({ list: $("tray"), complaint: $("unfit"), files: $("files"), prompt, mostBytes });
const code = codeDialog($("code"));
let views = [];
let running = null;
let isEditing = false;
let key = sessionStorage.getItem(KEY) ?? "";
let chosen = "";

// What is sent

function settings() {
  const given = {};
  for (const name of SETTINGS) {
    const value = $(name).value;
    if (value !== "") given[name] = $(name).type === "number" ? Number(value) : value;
  }
  return given;
}

function requestFor(question, attachments, before) {
  const system = $("system").value.trim();
  const messages = system ? [{ role: "system", content: system }] : [];
  for (const { turn } of before) {
    if (turn.text) {
      const asked = { role: "user", content: content(turn.question, turn.attachments) };
      messages.push(asked, { role: "assistant", content: turn.text });
    }
  }
  messages.push({ role: "user", content: content(question, attachments) });
  return { model: model.value, messages, ...settings(), stream: true, stream_options: { include_usage: true } };
}

async function ask(question, attachments) {
  const body = requestFor(question, attachments, views);
  const turn = {
    question, attachments, model: body.model, body: brief(body), text: "", reasoning: "", state: "running", sent: performance.now(),
  };
  const view = added(turn);
  running = new AbortController();
  drawn();
  scrollTo(0, document.documentElement.scrollHeight);
  let frame = 0;
  const draw = () => { frame ||= requestAnimationFrame(() => { frame = 0; following(() => view.update(true)); }); };
  try {
    const response = await call("/chat/completions", { key, body, signal: running.signal });
    for await (const chunk of chunks(response)) {
      gain(turn, chunk);
      draw();
    }
    turn.state = "done";
  } catch (error) {
    turn.state = error.name === "AbortError" ? "stopped" : "failed";
    if (turn.state === "failed") turn.failure = { message: error.message, details: error.details ?? "" };
    if (error.status === 401) askForKey();
    takeBack(error, body, turn);
  } finally {
    cancelAnimationFrame(frame);
    running = null;
    following(drawn);
    const said = { done: "Answered.", stopped: "Stopped.", failed: "Failed." };
    $("status").textContent = said[turn.state];
    keep();
  }
}

// What a server will not be shown goes back to the composer, with the reason beside it, unless something else is there.
function takeBack(error, body, turn) {
  const isRefused = [400, 413].includes(error.status) && shows(body);
  const isFree = !prompt.value && !tray.held().length && !isEditing;
  if (!isRefused || !isFree || views.at(-1)?.turn !== turn) return;
  dropLast();
  write(turn.question);
  tray.put(turn.attachments);
  const about = blamed(error.param, body);
  tray.complain([about ? `${about.name}: ${error.message}` : error.message], { details: error.details, about });
}

// What is on the page

function added(turn) {
  const view = turnView(turn, {
    onAgain: () => { if (!running) { const { question, attachments } = dropLast(); ask(question, attachments); } },
    onEdit: () => edit(turn),
    onCode: () => code.show(turn.body, { asksForKey: Boolean(key) }),
  });
  views.push(view);
  $("turns").append(view.node);
  return view;
}

function dropLast() {
  const { node, turn } = views.pop();
  node.remove();
  return turn;
}

function drawn() {
  views.forEach((view, place) => view.update(place === views.length - 1));
  $("empty").hidden = views.length > 0;
  $("clear").hidden = views.length === 0;
  $("send").textContent = running ? "Stop" : "Send";
  $("send").disabled = !running && !model.value;
  $("editing").hidden = !isEditing;
  document.body.classList.toggle("editing-last", isEditing);
}

function following(change) {
  const wasAtEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 60;
  change();
  if (wasAtEnd) scrollTo(0, document.documentElement.scrollHeight);
}

async function send() {
  await tray.isRead();
  const question = prompt.value.trim();
  if (!question || running || !model.value) return;
  const before = isEditing ? views.slice(0, -1) : views;
  const wrong = tooMuch(requestFor(question, tray.held(), before), mostBytes);
  if (wrong) return tray.complain([wrong]);
  if (isEditing) dropLast();
  isEditing = false;
  write("");
  ask(question, tray.take());
}

function edit(turn) {
  if (running) return;
  isEditing = true;
  write(turn.question);
  tray.put(turn.attachments ?? []);
  drawn();
  prompt.focus();
}

function write(text) {
  prompt.value = text;
  grow();
}

function grow() {
  prompt.style.height = "auto";
  prompt.style.height = `${prompt.scrollHeight}px`;
}

function leaveEditing() {
  isEditing = false;
  write("");
  tray.take();
  drawn();
}

function digest() {
  const names = { max_completion_tokens: "at most", reasoning_effort: "thinking", top_p: "top p" };
  const said = Object.entries(settings()).map(([name, value]) => `${names[name] ?? name} ${value === "none" ? "off" : value}`);
  if ($("system").value.trim()) said.unshift("system prompt");
  $("digest").textContent = said.join(", ");
}

// Models and key

async function loadModels() {
  $("problem").hidden = true;
  try {
    const { data } = await (await call("/models", { key })).json();
    if (!data.length) throw new Failed(0, { message: "This server has no models." });
    model.replaceChildren(...data.map(({ id }) => new Option(id, id, false, id === chosen)));
    model.disabled = false;
    $("key-form").hidden = true;
    named();
  } catch (error) {
    if (error.status === 401) askForKey();
    if (error.status === 503) setTimeout(loadModels, 2000);
    if (error.status !== 401 || key) complain(error);
  }
  drawn();
}

function named() {
  chosen = model.value;
  $("whom").textContent = chosen;
}

function askForKey() {
  $("key-form").hidden = false;
  $("key").focus();
}

function complain(error) {
  const again = make("button", "Try again");
  again.className = "button";
  again.onclick = loadModels;
  $("problem").replaceChildren(make("p", error.message), make("p", error.details ?? ""), again);
  $("problem").hidden = false;
}

// What stays for a reload

function keep() {
  const form = Object.fromEntries([...SETTINGS, "system"].map((name) => [name, $(name).value]));
  keepTalk({ chosen, form, turns: views.map(({ turn }) => turn) });
}

function restore() {
  const kept = keptTalk();
  if (!kept) return;
  chosen = kept.chosen;
  for (const [name, value] of Object.entries(kept.form)) $(name).value = value;
  for (const turn of kept.turns) added(turn);
}

// Keys and clicks

$("attach").addEventListener("click", () => $("files").click());
prompt.addEventListener("input", grow);
prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  } else if (event.key === "ArrowUp" && !prompt.value && views.length) {
    event.preventDefault();
    edit(views.at(-1).turn);
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || code.isOpen()) return;
  if (running) running.abort();
  else if (isEditing) leaveEditing();
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) running.abort();
  else send();
  prompt.focus();
});
$("keep").addEventListener("click", leaveEditing);
$("clear").addEventListener("click", () => {
  running?.abort();
  $("turns").replaceChildren();
  views = [];
  leaveEditing();
  keep();
  prompt.focus();
});
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  sessionStorage.setItem(KEY, key);
  $("key").value = "";
  loadModels();
});
$("show-code").addEventListener("click", () => {
  const body = requestFor(prompt.value.trim() || "Hello", tray.held(), views);
  code.show(brief(body), { asksForKey: Boolean(key) });
});
model.addEventListener("change", () => { named(); tray.complain([]); keep(); });
$("settings").addEventListener("input", () => { digest(); keep(); });
$("ideas").append(...IDEAS.map((idea) => {
  const offer = make("button", idea);
  offer.className = "plain";
  offer.addEventListener("click", () => { write(idea); send(); prompt.focus(); });
  return make("li", offer);
}));

restore();
digest();
drawn();
loadModels();
if (matchMedia("(hover: hover)").matches) prompt.focus();
