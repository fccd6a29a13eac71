// What goes with a message, pictures and videos: what each is, how it is sent, how it is shown. They stay in this tab.

import { make, part } from "./markdown.js";
import { clock, stillOf } from "./still.js";

const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
// Browsers know some containers by no type, or by no common one.
const VIDEO_NAMES = [".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ogv"];
const LONG = 200;
const senders = new WeakMap();

export const ACCEPTED = [...PICTURES, "video/*", ...VIDEO_NAMES].join();

// "picture" or "video"; undefined for a file that is neither. Whether it is one by its bytes, the server says.
export function kindOf({ name, type }) {
  if (PICTURES.includes(type)) return "picture";
  const isVideo = type.startsWith("video/") || VIDEO_NAMES.some((ending) => name.toLowerCase().endsWith(ending));
  return isVideo ? "video" : undefined;
}

// A file as it goes with a message. A video's `still` comes later. Rejects where the file cannot be read.
export async function attachmentOf(file) {
  const attachment = { kind: kindOf(file), name: file.name, url: await dataUrl(file) };
  if (attachment.kind === "picture") return attachment;
  // Let go of when the tab is closed: turns, the composer and what is edited show the same video.
  const address = URL.createObjectURL(file);
  return { ...attachment, address, still: stillOf(address) };
}

// What a message says: what it shows, then its text.
export function content(text, attachments = []) {
  if (!attachments.length) return text;
  const shown = attachments.map((attachment) => {
    const type = attachment.kind === "video" ? "video_url" : "image_url";
    const sent = { type, [type]: { url: attachment.url } };
    senders.set(sent, attachment);
    return sent;
  });
  return [...shown, { type: "text", text }];
}

export const shows = ({ messages }) => messages.some(({ content }) => Array.isArray(content));

// The attachment that an error's `param` names, such as `messages[0].content[1].video_url.url`.
export function blamed(param, { messages }) {
  const [, message, place] = param?.match(/^messages\[(\d+)\]\.content\[(\d+)\]/) ?? [];
  return senders.get(messages[message]?.content[place]);
}

// A request whose attachments are cut short, to be read and kept.
export function brief(body) {
  const cut = (name, value) =>
    name === "url" && value.length > LONG ? `${value.slice(0, value.indexOf(",") + 1)}…` : value;
  return JSON.parse(JSON.stringify(body, cut));
}

// Small, beside the composer.
export function preview(attachment) {
  return attachment.kind === "video" ? filled(part("span", "film"), attachment, film) : picture(attachment);
}

// In a turn, where a video is played if this browser can.
export function exhibit(attachment) {
  return attachment.kind === "video" ? filled(part("span", "film"), attachment, player) : picture(attachment);
}

function picture({ name, url }) {
  const image = make("img");
  image.src = url;
  image.alt = name;
  return image;
}

function filled(home, attachment, show) {
  show(home, attachment, {});
  attachment.still.then((still) => show(home, attachment, still));
  return home;
}

function film(home, { name }, { image, seconds }) {
  const length = seconds === undefined ? "" : clock(seconds);
  home.setAttribute("role", "img");
  home.setAttribute("aria-label", ["Video", name, length].filter(Boolean).join(" "));
  home.title = name;
  const shown = image ? picture({ name: "", url: image }) : part("span", "name", name);
  home.classList.toggle("unseen", !image);
  home.replaceChildren(shown, part("span", "length", length));
}

function player(home, attachment, still) {
  if (!still.image) return film(home, attachment, still);
  for (const name of ["role", "aria-label", "title"]) home.removeAttribute(name);
  const video = make("video");
  Object.assign(video, { controls: true, playsInline: true, preload: "none", poster: still.image, src: attachment.address });
  Object.assign(video, { width: still.width, height: still.height });
  video.setAttribute("aria-label", `Video ${attachment.name}`);
  home.classList.remove("unseen");
  home.replaceChildren(video);
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
