// Elements made from plain values: text is always text, so a name cannot bring markup in.

const SVG = "http://www.w3.org/2000/svg";

export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function chip(text, kind = "") {
  return el("span", { class: `chip ${kind}` }, text);
}

export function empty(text) {
  return el("p", { class: "empty" }, text);
}

// A chart as a table; once opened, it stays open across updates.
export function asTable(id, caption, heads, rows) {
  const head = el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)));
  const lines = rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", { class: "wrap" }, cell))));
  const table = el("table", {}, el("caption", { class: "unseen" }, caption), el("thead", {}, head), el("tbody", {}, lines));
  const wasOpen = document.getElementById(id)?.open;
  return el("details", { id, open: wasOpen }, el("summary", {}, "As a table"), el("div", { class: "scroll" }, table));
}
