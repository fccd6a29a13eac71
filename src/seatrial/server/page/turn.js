// One turn of the conversation on the page: a question, the reasoning folded away, the answer, its figures.

import { exhibit } from "./attachments.js";
import { copyText } from "./copy.js";
import { make, part, show } from "./markdown.js";

export function turnView(turn, { onAgain, onEdit, onCode }) {
  const question = part("div", "question", make("p", turn.question));
  question.prepend(part("span", "sr", "You: "));
  if (turn.attachments?.length) question.prepend(part("div", "shown", ...turn.attachments.map(exhibit)));
  if (turn.lost?.length) question.append(part("p", "lost", `${each(turn.lost)} not kept over the reload`));
  if (turn.question.length > 160 || turn.question.includes("\n")) question.classList.add("long");
  const edit = button("Edit", onEdit);
  const model = part("p", "model", turn.model);
  const summary = make("summary");
  const thoughts = part("div", "thoughts");
  const reasoning = part("details", "reasoning", summary, thoughts);
  const text = part("div", "text");
  const failure = part("div", "notice");
  const figures = part("p", "figures");
  const copy = button("Copy", () => copyText(turn.text, copy));
  const again = button("Regenerate", onAgain);
  const actions = part("div", "actions", copy, again, button("Code", onCode), edit);
  const answer = part("section", "answer", model, reasoning, text, failure, part("div", "under", figures, actions));
  answer.setAttribute("aria-live", "polite");
  answer.setAttribute("aria-label", `Answer of ${turn.model}`);
  const node = part("article", "turn", question, answer);

  const update = (isLast) => {
    const isRunning = turn.state === "running";
    answer.setAttribute("aria-busy", String(isRunning));
    node.classList.toggle("running", isRunning);
    show(text, turn.text);
    reasoning.hidden = !turn.reasoning;
    if (thoughts.textContent !== turn.reasoning) thoughts.textContent = turn.reasoning;
    summary.textContent = thought(turn);
    failure.hidden = !turn.failure;
    if (turn.failure) failure.replaceChildren(make("p", turn.failure.message), part("p", "details", turn.failure.details));
    figures.textContent = isRunning ? waiting(turn) : measured(turn);
    actions.hidden = isRunning;
    copy.hidden = !turn.text;
    again.hidden = edit.hidden = !isLast;
  };
  return { node, update, turn };
}

// What a chunk of the stream adds to the turn.
export function gain(turn, chunk) {
  if (chunk.usage) turn.usage = chunk.usage;
  const choice = chunk.choices?.[0];
  if (!choice) return;
  const { content, refusal, reasoning_content, reasoning } = choice.delta ?? {};
  const thought = reasoning_content ?? reasoning ?? "";
  const text = content ?? refusal ?? "";
  if (thought || text) {
    turn.last = performance.now();
    turn.first ??= turn.last;
  }
  turn.reasoning += thought;
  turn.text += text;
  turn.finish = choice.finish_reason ?? turn.finish;
}

function thought({ reasoning, text, state, usage }) {
  if (state === "running" && !text) return "Thinking…";
  const tokens = usage?.completion_tokens_details?.reasoning_tokens;
  return tokens ? `Thought for ${counted(tokens, "token")}` : reasoning && "Thought";
}

const waiting = ({ first }) => (first === undefined ? "Reading…" : "");

function measured({ state, finish, usage, sent, first, last }) {
  const tokens = usage?.completion_tokens;
  const seconds = (last - first) / 1000;
  return [
    tokens > 1 && seconds > 0.01 && `${figure((tokens - 1) / seconds)} tokens/s`,
    first !== undefined && `${figure((first - sent) / 1000)} s to the first token`,
    tokens !== undefined && counted(tokens, "token"),
    state === "stopped" && "stopped",
    finish === "length" && "cut at the limit of tokens",
    finish === "content_filter" && "withheld by a filter",
  ].filter(Boolean).join(" · ");
}

const figure = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(value >= 1 ? 3 : 2));
const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

// Kinds as they are counted: "2 pictures and 1 video".
function each(kinds) {
  const numbers = ["picture", "video"].map((kind) => [kinds.filter((other) => other === kind).length, kind]);
  return numbers.filter(([count]) => count).map(([count, kind]) => counted(count, kind)).join(" and ");
}

function button(label, onClick) {
  const node = part("button", "plain", label);
  node.type = "button";
  node.addEventListener("click", onClick);
  return node;
}
