"""What every page must pass in a browser, as scripts that give what is wrong with it."""

from __future__ import annotations

CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => c * a / 255 + under[i] * (1 - a / 255));
  const light = rgb => {
    const [r, g, b] = rgb.map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((under, layer) => over(layer, under), rgba('Canvas').slice(0, 3));
  };
  const poor = new Set();
  const judge = (element, colour) => {
    const under = ground(element);
    const [high, low] = [light(over(rgba(colour), under)), light(under)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) poor.add(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 100)}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const isUnseen = element.closest('.sr, script, style, noscript, title, desc');
    if (isUnseen || !walker.currentNode.textContent.trim()) continue;
    if (element.checkVisibility()) {
      const style = getComputedStyle(element);
      judge(element, element.closest('svg.plot') ? style.fill : style.color);
    }
  }
  for (const input of document.querySelectorAll('input[placeholder], textarea[placeholder]'))
    if (input.checkVisibility()) judge(input, getComputedStyle(input, '::placeholder').color);
  return [...poor];
}"""

OUTSIDE = """() => [...document.querySelectorAll('body *')].filter(element => {
  const box = element.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !element.closest('.scroll, pre, .sr, .band');
}).map(element => element.outerHTML.slice(0, 120))"""

UNNAMED = """() => [...document.querySelectorAll('button, a, input, select, textarea, summary')].filter(element => {
  if (!element.checkVisibility() || element.getAttribute('aria-label')) return false;
  const labels = element.matches('input, select, textarea') ? [...element.labels] : [element];
  return !labels.some(label => label.textContent.trim());
}).map(element => element.outerHTML.slice(0, 120))"""

MOVED = """() => new Promise(resolve => {
  const still = 0.003;
  const shifts = [];
  const place = ({ top, left, width, height }) => [left, top, width, height].map(Math.round).join(' ');
  const named = node => !node ? 'gone' : `${node.nodeName} ${(node.parentElement ?? node).outerHTML.slice(0, 120)}`;
  new PerformanceObserver(list => shifts.push(...list.getEntries())).observe({ type: 'layout-shift', buffered: true });
  requestAnimationFrame(() => setTimeout(() => {
    const sum = shifts.reduce((sum, { value }) => sum + value, 0);
    resolve(sum < still ? [] : shifts.flatMap(({ value, startTime, sources }) => sources.map(source =>
      `${value.toFixed(4)} after ${startTime.toFixed()} ms at ${scrollY}: ${place(source.previousRect)} -> `
      + `${place(source.currentRect)} ${named(source.node)}`)));
  }, 150));
})"""
"""What of a page's content moved while it loaded, from where to where: nothing where all of it (CLS) is below 0.003, a
line of text that had come in two pieces. Chromium calls 0.1 good."""

FOCUS = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const box = element.getBoundingClientRect();
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  return {
    place: [...document.querySelectorAll('*')].indexOf(element),
    html: element.outerHTML.slice(0, 150),
    isShown: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1
      && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  };
}"""
"""Where the keyboard is: its element's place in the page, and whether a reader sees it; None for nowhere."""

SMUGGLED = """() => [...document.querySelectorAll('*')].filter(element =>
  element.matches('body script, [src="x"], iframe, object, embed, base')
  || [...element.attributes].some(({ name, value }) => name.startsWith('on')
    || (/^(href|src|action|formaction|xlink:href)$/.test(name) && /^\\s*javascript:/i.test(value)))
).map(element => element.outerHTML.slice(0, 150))"""
"""What no page of ours has: scripts in the body, handlers, addresses that are scripts."""

REVERSED = """() => {
  const wrong = [], range = document.createRange();
  const boxOf = (node, at) => {
    range.setStart(node, at); range.setEnd(node, at + 1);
    return range.getBoundingClientRect();
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, text = node.textContent;
    if (/[^\\x20-\\x7e]/.test(text) || !node.parentElement.checkVisibility()) continue;
    for (const word of text.matchAll(/[A-Za-z]{3,}/g)) {
      const first = boxOf(node, word.index), last = boxOf(node, word.index + word[0].length - 1);
      if (Math.abs(first.top - last.top) < 2 && first.left > last.left + 1) wrong.push(text.slice(0, 100));
    }
  }
  return [...new Set(wrong)];
}"""
"""Texts that run from right to left because of a control character that stands elsewhere."""
