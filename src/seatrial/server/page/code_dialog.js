// The dialog that shows a request in code, a tab for each language.

import { base } from "./api.js";
import { LANGUAGES } from "./snippets.js";

// `show(body, { asksForKey })` opens it with the request of that body.
export function codeDialog(dialog) {
  const code = dialog.querySelector("code");
  const list = dialog.querySelector(".tabs");

  const tab = (name, write) => {
    const node = document.createElement("button");
    node.type = "button";
    node.textContent = name;
    node.setAttribute("role", "tab");
    node.setAttribute("aria-controls", "code-panel");
    node.addEventListener("click", () => {
      for (const other of list.children) {
        other.setAttribute("aria-selected", String(other === node));
        other.tabIndex = other === node ? 0 : -1;
      }
      code.textContent = write();
    });
    return node;
  };
  const show = (body, { asksForKey }) => {
    const languages = Object.entries(LANGUAGES);
    list.replaceChildren(...languages.map(([name, written]) => tab(name, () => written({ base, body, asksForKey }))));
    list.firstElementChild.click();
    dialog.showModal();
  };

  list.addEventListener("keydown", ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step) return;
    const tabs = [...list.children];
    const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
    next.click();
    next.focus();
  });
  dialog.querySelector("#close-code").addEventListener("click", () => dialog.close());
  return { show, isOpen: () => dialog.open };
}
