// What the live adapter changes, next to what the previous one changed: a cell for each layer and kind of module.

import { el, empty } from "./dom.js";
import { generation, number } from "./words.js";

export function showPictures([pictures, live]) {
  const [now, before] = [pictures.find((one) => one.generation === live.generation), pictures.find((one) => one.generation !== live.generation)];
  if (!now) return empty("It is measured when a generation goes live.");
  const largest = Math.max(...[now, before].filter(Boolean).flatMap((one) => one.norms.flat()).map((norm) => norm ?? 0));
  const panels = [panel(now, "live", largest), before ? panel(before, "before", largest) : nothingBefore()];
  return [el("div", { class: "pictures" }, panels), largest > 0 ? scale(largest) : null].filter(Boolean);
}

function nothingBefore() {
  return el("div", { class: "picture" }, el("h3", {}, "Before"), empty("No earlier generation is known."));
}

function panel(picture, when, largest) {
  const total = Math.hypot(...picture.norms.flat().map((norm) => norm ?? 0));
  const title = el("h3", {}, generation(picture.generation), el("span", { class: "soft" }, ` ${when}, ${number(total)} in all`));
  if (total === 0) return el("div", { class: "picture" }, title, empty("It adds nothing to the base model."));
  return el("div", { class: "picture" }, title, heat(picture, largest));
}

function heat(picture, largest) {
  const every = picture.layers.length > 48 ? 8 : picture.layers.length > 12 ? 4 : 1;
  const heads = picture.layers.map((layer, index) => el("th", { scope: "col" }, el("span", { class: index % every ? "unseen" : null }, layer || "other")));
  const rows = picture.kinds.map((kind, column) => el("tr", {},
    el("th", { scope: "row", title: kind }, kind),
    picture.norms.map((row, line) => cell(row[column], picture.layers[line], kind, largest)),
  ));
  const caption = el("caption", {}, "Norm of the update, by layer and kind of module.");
  const table = el("table", { class: "heat" }, caption, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "layer"), heads)), el("tbody", {}, rows));
  table.style.maxWidth = `${96 + picture.layers.length * 44}px`;
  return el("div", { class: "scroll" }, table);
}

function cell(norm, layer, kind, largest) {
  if (norm === null) return el("td", { class: "none", title: `layer ${layer}, ${kind}: no slot` }, el("span", { class: "unseen" }, "none"));
  const node = el("td", { title: `layer ${layer}, ${kind}: ${number(norm)}` }, el("span", { class: "unseen" }, number(norm)));
  node.style.setProperty("--v", largest > 0 ? norm / largest : 0);
  return node;
}

function scale(largest) {
  return el("p", { class: "scale", "aria-hidden": "true" }, "0", el("i"), number(largest));
}
