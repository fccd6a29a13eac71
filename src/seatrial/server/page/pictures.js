// Pictures that go with the next message: chosen, dropped or pasted, shown small, taken back. They stay in this tab.

import { make } from "./markdown.js";

const TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const LONG = 200;

export function pictureTray(home, complaint) {
  let held = [];

  const drawn = () => {
    home.hidden = held.length === 0;
    home.replaceChildren(...held.map((picture) => {
      const out = make("button", "×");
      out.type = "button";
      out.className = "plain";
      out.setAttribute("aria-label", `Leave out ${picture.name}`);
      out.addEventListener("click", () => put(held.filter((each) => each !== picture)));
      return make("li", thumbnail(picture), out);
    }));
  };
  const put = (pictures) => {
    held = pictures;
    complaint.hidden = true;
    drawn();
  };
  const add = async (files) => {
    const fit = [...files].filter(({ type }) => TYPES.includes(type));
    put([...held, ...await Promise.all(fit.map(read))]);
    complaint.hidden = fit.length === files.length;
  };
  const take = () => {
    const taken = held;
    put([]);
    return taken;
  };
  return { add, put, take };
}

export function thumbnail({ name, url }) {
  const image = make("img");
  image.src = url;
  image.alt = name;
  return image;
}

// What a message says: its pictures, then its text.
export function content(text, pictures = []) {
  const shown = pictures.map(({ url }) => ({ type: "image_url", image_url: { url } }));
  return shown.length ? [...shown, { type: "text", text }] : text;
}

// A request whose pictures are cut short, to be read and kept.
export function brief(body) {
  const cut = (_, value) =>
    typeof value === "string" && value.length > LONG && value.startsWith("data:image/")
      ? `${value.slice(0, value.indexOf(",") + 1)}…`
      : value;
  return JSON.parse(JSON.stringify(body, cut));
}

function read(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve({ name: file.name, url: reader.result });
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
