// Channels: those that need a look first, as the daemon sorts them; a search for when there are hundreds.

import { chip, el, empty } from "./dom.js";
import { generation, nameOf, number } from "./words.js";

const MOST = 20;

export function showChannels(channels, sought) {
  const found = channels.filter((one) => one.name.toLowerCase().includes(sought.trim().toLowerCase()));
  if (!found.length) return empty("No channel has such a name.");
  const list = el("ul", { class: "list" }, found.slice(0, MOST).map(line));
  const more = found.length - MOST;
  return more > 0 ? [list, el("p", { class: "under" }, `and ${more} more: search for their names`)] : list;
}

function line(one) {
  const { live } = one;
  return el("li", {}, el("p", { class: "line" },
    el("span", { class: "name" }, one.name),
    el("span", { class: "wrap" }, live.generation ? `${generation(live.generation)}, ${nameOf(live.uri)}` : "The base model"),
    marks(one),
  ));
}

function marks(one) {
  return [
    one.refused && chip(`Refused: ${one.refused}`, "bad"),
    one.rollout && chip(`${one.rollout.kind === "canary" ? "Canary" : "A/B"} at ${number(one.rollout.share)} %`, "busy"),
    one.pinned && chip("Pinned", "busy"),
    one.paused && chip("Paused", "busy"),
    one.waiting && chip(`${one.waiting} waiting`, "busy"),
  ].filter(Boolean);
}
