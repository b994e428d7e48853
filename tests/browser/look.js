// Complaints about the page as it is shown now: overflow, overlap, contrast, missing charts. `arguments`: is it printed, and how many charts it has at least.
const complaints = [], printed = arguments[0], fewest = arguments[1];
const root = document.documentElement, isPage = root.localName === "html";
const near = 1.5;
if (isPage && !printed) {
  for (const summary of document.querySelectorAll("figure summary")) {
    summary.click();
    const body = summary.parentElement.querySelector("tbody");
    if (!body || body.getBoundingClientRect().height < 10) complaints.push("does not unfold: " + summary.textContent);
    summary.click();
  }
}
const clipped = (element) => element.closest(".stack thead") !== null && getComputedStyle(element.closest(".stack thead")).position === "absolute";
// Every visible text with its boxes.
const texts = [];
const walker = document.createTreeWalker(isPage ? document.body : root, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode, element = node.parentElement;
  if (!node.data.trim() || ["title", "desc", "style", "script"].includes(element.localName) || clipped(element)) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects()) {
    if (box.width > 0.5 && box.height > 0.5) texts.push({ node, element, box });
  }
}
const name = (text) => JSON.stringify(text.node.data.trim().slice(0, 60));
// Nothing beyond the page, its chart or its box.
if (isPage && root.scrollWidth > root.clientWidth + near) complaints.push(`the page is ${root.scrollWidth} wide, and the window ${root.clientWidth}`);
for (const text of texts) {
  const svg = text.element.closest("svg");
  if (svg) {
    const frame = svg.getBoundingClientRect();
    if (text.box.left < frame.left - near || text.box.right > frame.right + near || text.box.top < frame.top - near || text.box.bottom > frame.bottom + near) complaints.push("beyond its chart: " + name(text));
    continue;
  }
  const holder = text.element.closest("td, th, li, p, dd, dt, pre, button, figure, section, header, footer, main") || document.body;
  const inner = holder.getBoundingClientRect();
  const scrolls = text.element.closest(".scroll");
  if (scrolls && !printed) continue;
  if (text.box.right > Math.min(inner.right, root.clientWidth) + near || text.box.left < inner.left - near) complaints.push("beyond its box: " + name(text));
}
// No two texts on the same spot.
const visible = texts.filter((text) => printed || !text.element.closest(".scroll"));
visible.sort((a, b) => a.box.top - b.box.top);
const shrink = (box) => ({ left: box.left + near, right: box.right - near, top: box.top + box.height * 0.2, bottom: box.bottom - box.height * 0.2 });
for (let i = 0; i < visible.length; i++) {
  const a = shrink(visible[i].box);
  for (let j = i + 1; j < visible.length && visible[j].box.top < visible[i].box.bottom; j++) {
    const b = shrink(visible[j].box);
    if (visible[i].node !== visible[j].node && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom) complaints.push(`overlap: ${name(visible[i])} and ${name(visible[j])}`);
  }
}
// Text stands out from its ground (WCAG, 4.5).
const colour = (text) => (text.match(/[\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => {
  const part = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const found = colour(getComputedStyle(at).backgroundColor);
    if (found.length === 3 || found[3] === 1) return found;
    const sheet = at.querySelector?.(":scope > rect.ground");
    if (sheet) return colour(getComputedStyle(sheet).fill);
  }
  return [255, 255, 255];
};
const seen = new Set();
for (const text of texts) {
  const style = getComputedStyle(text.element);
  const ink = colour(text.element.closest("svg") ? style.fill : style.color);
  const [a, b] = [light(ink), light(ground(text.element))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const key = ink.join() + ground(text.element).join();
  if (ratio < 4.5 && !seen.has(key)) {
    seen.add(key);
    complaints.push(`contrast ${ratio.toFixed(2)}: ${name(text)}`);
  }
}
// Every chart is there, or says why not.
if (isPage) {
  const figures = [...document.querySelectorAll("figure")];
  if (figures.length < fewest) complaints.push(`${figures.length} charts`);
  for (const figure of figures) {
    const shown = [...figure.querySelectorAll("svg.chart, .missing")].filter((e) => e.getBoundingClientRect().height > 30);
    if (shown.length !== 1) complaints.push(`${figure.id}: ${shown.length} pictures`);
    const svg = figure.querySelector("svg.chart");
    if (svg && !(svg.querySelector("title")?.textContent && svg.querySelector("desc")?.textContent)) complaints.push(`${figure.id}: no title or description`);
  }
  if (document.querySelectorAll("img, iframe, main script").length) complaints.push("elements that no report has");
}
return complaints;
