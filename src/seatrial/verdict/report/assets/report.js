// Copy buttons, the filter over items, and tips on hover, focus or tap. The page is whole without any of it.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  for (const button of all("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const pre = button.parentElement.querySelector("pre");
      let done = true;
      try {
        await navigator.clipboard.writeText(pre.textContent);
      } catch {
        const range = document.createRange();
        range.selectNodeContents(pre);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        done = document.execCommand("copy");
      }
      button.textContent = done ? "Copied" : "Press Ctrl-C";
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
  }

  for (const filter of all(".filter")) {
    filter.hidden = false;
    filter.addEventListener("click", (event) => {
      const chosen = event.target.closest("button");
      if (!chosen) return;
      for (const button of all("button", filter)) button.setAttribute("aria-pressed", String(button === chosen));
      for (const group of all(".item-group")) group.hidden = Boolean(chosen.dataset.show) && group.id !== chosen.dataset.show;
    });
  }

  const tip = document.createElement("div");
  tip.className = "tooltip";
  tip.setAttribute("aria-hidden", "true");
  tip.hidden = true;
  document.body.append(tip);
  const words = new WeakMap();
  let shown = null;
  for (const group of all("svg .tip")) {
    const title = group.querySelector("title");
    words.set(group, title.textContent);
    title.remove();
  }
  for (const svg of all("svg.plot")) {
    const title = svg.querySelector("title");
    svg.setAttribute("aria-label", title.textContent);
    svg.removeAttribute("aria-labelledby");
    title.remove();
  }
  const textFor = (target) => {
    if (target.matches(".fn a")) {
      const entry = document.querySelector(target.getAttribute("href"));
      if (!entry) return "";
      const [kind, what, from] = [".kind", ".what", ".soft"].map((part) => entry.querySelector(part)?.textContent.trim().replace(/\s+/g, " "));
      return [what, from, kind].filter(Boolean).join(" · ");
    }
    return words.get(target) ?? target.dataset.tip ?? target.querySelector(".sr")?.textContent ?? "";
  };
  const show = (target) => {
    const text = textFor(target);
    if (!text) return hide();
    shown = target;
    tip.textContent = text;
    tip.hidden = false;
    const place = target.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, place.left + place.width / 2 - size.width / 2), innerWidth - size.width - 8);
    const above = place.top - size.height - 8;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above > 4 ? above : place.bottom + 8}px`;
  };
  const hide = () => { tip.hidden = true; shown = null; };
  const having = (event) => event.target.closest?.(".fn a, .tip, .mark-pair, .pip, [data-tip]");
  document.addEventListener("pointerover", (event) => { const target = having(event); target ? show(target) : hide(); });
  document.addEventListener("focusin", (event) => { const target = having(event); target ? show(target) : hide(); });
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", () => { shown && shown === document.activeElement ? show(shown) : hide(); }, { passive: true, capture: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
})();
