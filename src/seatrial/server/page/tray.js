// What will go with the next message: chosen, dropped or pasted, shown small, taken back; and what is wrong with it.

import { ACCEPTED, attachmentOf, kindOf, preview } from "./attachments.js";
import { make, part } from "./markdown.js";

// What a request has besides its attachments, at the least.
const REST_BYTES = 1000;

// `list`, `complaint`, `files` (an input) and `prompt` are elements; the server takes bodies of `mostBytes`.
export function openTray({ list, complaint, files, prompt, mostBytes }) {
  let held = [];
  let reading = Promise.resolve();

  const complain = (lines, { details = "", about } = {}) => {
    complaint.replaceChildren(...lines.map((line) => make("p", line)), part("p", "details", details));
    complaint.hidden = lines.length === 0;
    [...list.children].forEach((item, place) => item.classList.toggle("wrong", held[place] === about));
  };
  const put = (attachments) => {
    held = attachments;
    list.hidden = held.length === 0;
    list.replaceChildren(...held.map((attachment, place) => make("li", preview(attachment), remover(attachment, place))));
    complain([]);
  };
  const remover = (attachment, place) => {
    const out = part("button", "plain", "×");
    out.type = "button";
    out.setAttribute("aria-label", `Leave out ${attachment.name}`);
    out.addEventListener("click", () => {
      put(held.filter((each) => each !== attachment));
      (list.querySelectorAll("button")[Math.min(place, held.length - 1)] ?? prompt).focus();
    });
    return out;
  };
  const add = (added) => {
    const fit = added.filter((file) => !wrongWith(file, mostBytes));
    const wrong = added.map((file) => wrongWith(file, mostBytes)).filter(Boolean);
    reading = reading.then(async () => {
      const read = await Promise.allSettled(fit.map(attachmentOf));
      put([...held, ...read.filter(({ value }) => value).map(({ value }) => value)]);
      const unread = read.flatMap(({ reason }, place) => (reason ? `${fit[place].name} cannot be read: ${reason.message}` : []));
      complain([...wrong, ...unread]);
    });
    return reading;
  };
  const take = () => {
    const taken = held;
    put([]);
    return taken;
  };

  listen(files, prompt, add);
  return { put, take, complain, held: () => held, isRead: () => reading };
}

function listen(files, prompt, add) {
  files.accept = ACCEPTED;
  files.addEventListener("change", async () => {
    await add([...files.files]);
    files.value = "";
    prompt.focus();
  });
  prompt.addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length) return;
    event.preventDefault();
    add([...event.clipboardData.files]);
  });
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      if (kind === "drop") add([...event.dataTransfer.files]);
    });
  }
}

// What is wrong with a whole request, "" where nothing is.
export function tooMuch(body, mostBytes) {
  const numBytes = new Blob([JSON.stringify(body)]).size;
  if (numBytes <= mostBytes) return "";
  return `With what came before it this message has ${megabytes(numBytes, Math.ceil)}; this server takes `
    + `${megabytes(mostBytes, Math.floor)}. Leave something out, or clear the conversation.`;
}

function wrongWith(file, mostBytes) {
  const kind = kindOf(file);
  if (!kind) return `${file.name} was left out: pictures (PNG, JPEG, GIF, WebP) and videos go with a message.`;
  const most = Math.max(0, Math.floor((mostBytes - REST_BYTES) / 4) * 3);
  if (file.size <= most) return "";
  return `${file.name} was left out: it has ${megabytes(file.size, Math.ceil)}, and this server takes messages with a `
    + `${kind} of up to ${megabytes(most, Math.floor)}. ${kind === "video" ? "Cut it shorter, or make its frames smaller." : "Make it smaller."}`;
}

// Rounded so that what is too much never reads as if it fitted.
const megabytes = (numBytes, rounded) => `${(rounded(numBytes / 1e5) / 10).toFixed(1)} MB`;
