// Markdown to elements. Text only ever becomes text nodes, so that nothing a model writes can be markup or script.

const FENCE = /^ {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)/;
const HEADING = /^ {0,3}(#{1,6})[ \t]+(.*?)[ \t#]*$/;
const RULE = /^ {0,3}([-*_])([ \t]*\1){2,}[ \t]*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])( +|$)/;
const DASHES = /^[ \t]*\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const INLINE = new RegExp([
  /\\([!-/:-@[-`{-~])/,
  /(`+)(.{1,1000}?)(?<!`)\2(?!`)/,
  /\*\*(?=\S)(.{1,1000}?)(?<=\S)\*\*/,
  /(?<![\w*])\*(?=[^\s*])(.{1,500}?)(?<=[^\s*])\*(?![\w*])/,
  /(?<!\w)_(?=[^\s_])(.{1,500}?)(?<=[^\s_])_(?!\w)/,
  /!?\[([^[\]]{1,300})\]\((https?:\/\/[^\s()]{1,1000}|mailto:[^\s()]{1,300})\)/,
  /(\bhttps?:\/\/[^\s<>()[\]"'`*]{1,1000}[^\s<>()[\]"'`*.,;:!?])/,
].map((part) => part.source).join("|"), "gs");
const DEEPEST = 8;

// Shows `text` in `home`. Called again with a longer text, it touches only the blocks that changed.
export function show(home, text) {
  const found = split(text.replace(/\r\n?/g, "\n").split("\n"));
  const shown = home.blocks ?? [];
  home.blocks = found.map((block, place) => {
    const before = shown[place];
    if (before && before.raw === block.raw) return before;
    const node = element(block, 0);
    if (before) before.node.replaceWith(node);
    else home.append(node);
    return { raw: block.raw, node };
  });
  for (const { node } of shown.slice(found.length)) node.remove();
}

function split(lines) {
  const blocks = [];
  for (let at = 0; at < lines.length;) {
    const from = at;
    const kind = kindOf(lines, at++);
    if (kind === "blank") continue;
    if (kind === "fence") {
      const [, mark] = FENCE.exec(lines[from]);
      const ends = new RegExp(`^ {0,3}${mark[0]}{${mark.length},}\\s*$`);
      while (at < lines.length && !ends.test(lines[at])) at++;
      at++;
    } else if (kind === "quote") {
      while (at < lines.length && QUOTE.test(lines[at])) at++;
    } else if (kind === "list") {
      const marker = markerOf(lines[from]);
      const belongs = (line) => /^ {2,}\S/.test(line) || (ITEM.test(line) && !RULE.test(line) && markerOf(line) === marker);
      while (at < lines.length) {
        if (belongs(lines[at])) at++;
        else if (!lines[at].trim() && at + 1 < lines.length && belongs(lines[at + 1])) at += 2;
        else if (kindOf(lines, at) === "text" && lines[at - 1].trim()) at++;
        else break;
      }
    } else if (kind === "table") {
      while (at < lines.length && lines[at].includes("|")) at++;
    } else if (kind === "text") {
      while (at < lines.length && kindOf(lines, at) === "text") at++;
    }
    const own = lines.slice(from, at);
    blocks.push({ kind, lines: own, raw: own.join("\n") });
  }
  return blocks;
}

function kindOf(lines, at) {
  const line = lines[at];
  if (!line.trim()) return "blank";
  if (FENCE.test(line)) return "fence";
  if (HEADING.test(line)) return "heading";
  if (RULE.test(line)) return "rule";
  if (QUOTE.test(line)) return "quote";
  if (ITEM.test(line)) return "list";
  if (line.includes("|") && lines[at + 1]?.includes("|") && DASHES.test(lines[at + 1])) return "table";
  return "text";
}

const markerOf = (line) => ITEM.exec(line)[2].slice(-1);

function element({ kind, lines }, depth) {
  if (kind === "fence") return codeBlock(lines);
  if (kind === "rule") return make("hr");
  if (kind === "heading") {
    const [, marks, text] = HEADING.exec(lines[0]);
    return make(`h${Math.min(6, marks.length + 2)}`, ...inline(text));
  }
  if (kind === "table") return table(lines);
  if (kind === "text" || depth === DEEPEST) return make("p", ...inline(lines.map((line) => line.trimStart()).join("\n")));
  if (kind === "quote") return make("blockquote", ...inside(lines.map((line) => line.replace(QUOTE, "")), depth));
  return list(lines, depth);
}

const inside = (lines, depth) => split(lines).map((block) => element(block, depth + 1));

function codeBlock(lines) {
  const [, mark, language] = FENCE.exec(lines[0]);
  const isClosed = lines.length > 1 && lines.at(-1).trim().startsWith(mark);
  const code = make("code", lines.slice(1, isClosed ? -1 : undefined).join("\n"));
  const pre = make("pre", code);
  pre.tabIndex = 0;
  const copy = make("button", "Copy");
  copy.type = "button";
  copy.className = "plain copy";
  const block = make("div", make("p", make("span", language), copy), pre);
  block.className = "code";
  return block;
}

function list(lines, depth) {
  const [, , marker] = ITEM.exec(lines[0]);
  const whole = make(/\d/.test(marker) ? "ol" : "ul");
  if (/\d/.test(marker) && parseInt(marker, 10) !== 1) whole.start = parseInt(marker, 10);
  const items = [];
  let width = 0;
  for (const line of lines) {
    const start = ITEM.exec(line);
    if (start && start[1].length < Math.max(2, width) && !RULE.test(line)) {
      width = start[0].length;
      items.push([line.slice(width)]);
    } else {
      const indent = line.search(/\S|$/);
      items.at(-1).push(line.slice(Math.min(indent, Math.max(2, width))));
    }
  }
  for (const item of items) {
    const parts = inside(item, depth);
    const isTight = parts[0]?.tagName === "P" && !item.some((line) => !line.trim());
    whole.append(isTight ? make("li", ...parts[0].childNodes, ...parts.slice(1)) : make("li", ...parts));
  }
  return whole;
}

function table(lines) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
  const row = (kind, line) => make("tr", ...cells(line).map((cell) => make(kind, ...inline(cell))));
  const whole = make("table", make("thead", row("th", lines[0])), make("tbody", ...lines.slice(2).map((line) => row("td", line))));
  const scroll = make("div", whole);
  scroll.className = "scroll";
  scroll.tabIndex = 0;
  return scroll;
}

function inline(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    const [all, escaped, , code, strong, em, alsoEm, label, address, bare] = found;
    parts.push(text.slice(at, found.index));
    at = found.index + all.length;
    if (escaped) parts.push(escaped);
    else if (code) parts.push(make("code", code.trim() || code));
    else if (strong) parts.push(make("strong", ...inline(strong)));
    else if (em ?? alsoEm) parts.push(make("em", ...inline(em ?? alsoEm)));
    else parts.push(link(label ?? bare, address ?? bare));
  }
  parts.push(text.slice(at));
  return parts.filter((part) => part !== "");
}

function link(label, address) {
  const a = make("a", label);
  a.href = address;
  a.rel = "noopener noreferrer nofollow ugc";
  a.target = "_blank";
  return a;
}

export function make(name, ...children) {
  const node = document.createElement(name);
  node.append(...children);
  return node;
}

// The same with a class.
export function part(name, className, ...children) {
  const node = make(name, ...children);
  node.className = className;
  return node;
}
