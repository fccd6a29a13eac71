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
