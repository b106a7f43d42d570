// From the drop to live: for each swap a bar, one piece for each stage.

import { el, empty } from "./dom.js";
import { duration, nameOf } from "./words.js";

const BARS = 10;
const STAGES = [
  ["wait", "Waiting: settling, the queue, a berth"],
  ["fetch", "Fetch"],
  ["admit", "Admit"],
  ["stage", "Stage"],
  ["verify", "Verify"],
];

export function showDrops(lives) {
  const drops = lives.filter((life) => life.source !== "operator").slice(0, BARS).map(split);
  if (!drops.length) return empty("No adapter has gone live yet.");
  const longest = Math.max(...drops.map((drop) => drop.total));
  const rows = drops.map((drop) => row(drop, longest));
  const head = el("thead", { class: "unseen" }, el("tr", {}, ["Adapter", "Stages", "Total"].map((text) => el("th", { scope: "col" }, text))));
  const caption = el("caption", {}, "Time from the first sighting of each adapter until it was live, newest first.");
  const legend = el("ul", { class: "legend", "aria-hidden": "true" }, STAGES.map(([name, text]) => el("li", {}, el("i", { class: `s-${name}` }), text)));
  return [el("table", { class: "drops" }, caption, head, el("tbody", {}, rows)), legend];
}

function split(life) {
  const spent = STAGES.slice(1).map(([name]) => [name, life.seconds[name] ?? 0]);
  const known = spent.reduce((sum, [, seconds]) => sum + seconds, 0);
  return { life, total: Math.max(life.total, known), parts: [["wait", Math.max(0, life.total - known)], ...spent] };
}

function row({ life, total, parts }, longest) {
  const shown = parts.filter(([, seconds]) => seconds > 0);
  const pieces = shown.map(([name, seconds]) => {
    const piece = el("span", { class: `s-${name}`, title: `${name} ${duration(seconds)}` });
    piece.style.flexGrow = seconds / total;
    return piece;
  });
  const bar = el("div", { class: "bar", "aria-hidden": "true" }, pieces);
  bar.style.width = `${(100 * total) / longest}%`;
  const words = shown.map(([name, seconds]) => `${name} ${duration(seconds)}`).join(", ");
  const who = el("div", { title: life.uri }, el("strong", {}, `g${life.generation}`), ` ${nameOf(life.uri)}`);
  return el("tr", {},
    el("th", { scope: "row", class: "who" }, who),
    el("td", {}, bar, el("span", { class: "unseen" }, words)),
    el("td", { class: "sum" }, duration(total)),
  );
}
