// What each gate found, with its numbers: of what went live, and of what was refused.

import { chip, el, empty } from "./dom.js";
import { clock, generation, nameOf, number } from "./words.js";

const KINDS = { passed: "good", warned: "busy", failed: "bad" };
const LATEST = 8;

export function showGates(lives) {
  const tried = lives.filter((life) => life.verify?.length).slice(0, LATEST);
  if (!tried.length) return empty("No gate has been run yet.");
  return el("ul", { class: "list" }, tried.map((life) => el("li", {},
    el("p", { class: "line" },
      el("span", { class: "name" }, `${generation(life.generation)}, ${nameOf(life.uri)}`),
      el("time", { class: "end", datetime: life.at }, clock(life.at)),
    ),
    verdicts(life.verify, `gates-${life.generation}-${life.at}`),
  )));
}

// A line with the number that passed, which opens a table; once opened, it stays open across updates.
export function verdicts(verify, id) {
  if (!verify?.length) return null;
  const heads = ["Gate", "Outcome", "Numbers", "Why"].map((text) => el("th", { scope: "col" }, text));
  const lines = verify.map((one) => el("tr", {},
    el("td", {}, one.gate),
    el("td", {}, chip(one.outcome, KINDS[one.outcome])),
    el("td", { class: "wrap" }, Object.entries(one.numbers).map(([name, value]) => `${name} ${value === null ? "not finite" : number(value)}`).join(", ")),
    el("td", { class: "wrap" }, one.code ? `${one.code}: ${one.sentence}` : ""),
  ));
  const table = el("table", {}, el("caption", { class: "unseen" }, "What each gate found"), el("thead", {}, el("tr", {}, heads)), el("tbody", {}, lines));
  const open = document.getElementById(id)?.open;
  return el("details", { id, open }, el("summary", {}, summary(verify)), el("div", { class: "scroll" }, table));
}

function summary(verify) {
  const count = (outcome) => verify.filter((one) => one.outcome === outcome).length;
  const told = Object.keys(KINDS).filter(count).map((outcome) => `${count(outcome)} ${outcome}`);
  return `${verify.length === 1 ? "1 gate" : `${verify.length} gates`}: ${told.join(", ")}`;
}
