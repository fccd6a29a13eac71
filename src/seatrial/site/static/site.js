// Costs at the reader's own volume, and which way the reader voted. The page is whole without any of it.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  const usd = (value) => {
    if (value === 0) return "$0";
    if (value >= 1e15) return "$" + value.toPrecision(3);
    if (value >= 1000) return "$" + Math.round(value).toLocaleString("en-US");
    if (value >= 1) return "$" + value.toFixed(2);
    if (value >= 0.1) return "$" + value.toFixed(3).replace(/0$/, "");
    return "$" + value.toFixed(Math.min(12, 1 - Math.floor(Math.log10(value) + 1e-12)));
  };

  const table = document.getElementById("volume-table");
  if (table) {
    const slider = document.getElementById("volume-tasks");
    const price = document.getElementById("volume-machine");
    const shown = document.getElementById("volume-at");
    const says = document.getElementById("volume-says");
    const line = document.querySelector("#volume .at-volume");
    const plot = line.ownerSVGElement;
    const hours = Number(table.dataset.hours);
    const rows = all("tbody tr", table);
    const columns = all("thead th:not(.yours):not(.basis)", table).slice(1).map((head) => Number(head.textContent.replaceAll(",", "")));
    const costOf = ({ dataset }, tasks, month) => {
      if (dataset.perTask) return Number(dataset.perTask) * tasks;
      const each = Number(dataset.tasksPerMachine);
      return month * (each ? Math.max(1, Math.ceil(tasks / each)) : 1);
    };
    const fill = (cell, cost, least) => {
      cell.textContent = usd(cost);
      cell.classList.toggle("least", cost === least);
      if (cost === least) cell.insertAdjacentHTML("beforeend", '<span class="sr">, lowest</span>');
    };
    const show = () => {
      const tasks = Number((10 ** Number(slider.value)).toPrecision(2));
      const words = tasks.toLocaleString("en-US");
      const month = Math.max(0, Number(price.value) || 0) * hours;
      shown.textContent = words;
      slider.setAttribute("aria-valuetext", `${words} tasks a month`);
      all("th.yours", table).forEach((head) => { head.textContent = words; });
      [tasks, ...columns].forEach((at, place) => {
        const costs = rows.map((row) => costOf(row, at, month));
        rows.forEach((row, index) => fill(all("td", row)[place], costs[index], Math.min(...costs)));
      });
      const ranked = rows.map((row) => [costOf(row, tasks, month), row.dataset.name]).sort(([a], [b]) => a - b);
      const [[least, first], [next, second]] = ranked;
      says.textContent = least === next
        ? `At ${words} tasks a month, ${first} and ${second} cost the same: ${usd(least)}.`
        : `At ${words} tasks a month, ${first} costs least: ${usd(least)} against ${usd(next)} for ${second}.`;
      const share = (Number(slider.value) - Number(slider.min)) / (Number(slider.max) - Number(slider.min));
      const { left, right } = plot.dataset;
      line.setAttribute("transform", `translate(${Number(left) + share * (Number(right) - Number(left))} 0)`);
    };
    document.querySelector(".volume-controls").hidden = false;
    all(".yours", table).forEach((cell) => { cell.hidden = false; });
    slider.addEventListener("input", show);
    price.addEventListener("input", () => {
      // The drawing holds for the price that it was drawn at.
      document.querySelector(".volume-drawing").hidden = Number(price.value) !== Number(table.dataset.machine);
      show();
    });
    show();
  }

  // Pages are the same for every reader; who has voted in this tab is told on the buttons which way.
  const forms = all(".vote-form");
  const remembered = (key, value) => {
    try {
      if (value) sessionStorage.setItem(key, value);
      return sessionStorage.getItem(key);
    } catch {
      return null;
    }
  };
  for (const form of forms) form.addEventListener("submit", () => remembered("voted", "yes"));
  if (forms.length && remembered("voted")) {
    fetch("/votes/mine.json", { headers: { Accept: "application/json" } })
      .then((reply) => (reply.ok ? reply.json() : { votes: [] }))
      .then(({ votes }) => {
        const choices = new Map(votes.map(({ subject, choice }) => [subject, choice]));
        for (const form of forms)
          for (const button of all("button.choice", form))
            button.setAttribute("aria-pressed", String(choices.get(form.dataset.subject) === button.value));
      })
      .catch(() => {});
  }
})();
