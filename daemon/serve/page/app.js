// Polls the daemon every two seconds while the page is visible, and shows what has changed.

import { el } from "./dom.js";
import { showActions, showBerths, showReplicas, showLive, showNotices, showQueue, showRefusals, showResident, showSources, showState } from "./lists.js";
import { showChannels } from "./channels.js";
import { showDrops } from "./drops.js";
import { showPictures } from "./pictures.js";
import { showRollout } from "./rollout.js";
import { showTimeline } from "./timeline.js";
import { showGates } from "./verdicts.js";
import { clock, generation, nameOf, setClock, tick } from "./words.js";

const EVERY = 2000;
const GIVE_UP = 8000;
const KEY = "hotswapd-key";
const byId = (id) => document.getElementById(id);

let answer = null;
let answeredAt = 0;
let waiting = 0;

// What each part of the page is made from, and how; a part is rebuilt only when that has changed.
const PARTS = [
  ["state", (a) => a.status, showState],
  ["notices", (a) => a.status, showNotices],
  ["live", (a) => a.status.live, showLive],
  ["resident", (a) => a.status.resident, showResident],
  ["rollout", (a) => (a.status.rollout ? { ...a.status.rollout, seconds: 0 } : null), showRollout],
  ["replicas", (a) => [a.status.replicas ?? [], a.status.replaced?.last ?? []], ([replicas, replaced]) => showReplicas(replicas, replaced)],
  ["berths", (a) => a.status.berths, showBerths],
  ["channels", (a) => [a.status.channels ?? [], byId("sought").value], ([channels, sought]) => showChannels(channels, sought)],
  ["sources", (a) => a.status.sources, showSources],
  ["queue", (a) => [a.status.queue, a.status.queue_depth], showQueue],
  ["timeline", (a) => [a.lives, a.refusals, Math.floor(Date.parse(a.now) / 10000)], (_, a) => showTimeline(a)],
  ["drops", (a) => a.lives, showDrops],
  ["gates", (a) => a.lives, showGates],
  ["pictures", (a) => [a.pictures, a.status.live], showPictures],
  ["refusals", (a) => a.refusals, showRefusals],
  ["actions", (a) => a.actions, showActions],
];
const shown = new Map();

function show(next) {
  setClock(next.now);
  announce(answer, next);
  answer = next;
  for (const [id, pick, make] of PARTS) {
    const from = JSON.stringify(pick(next));
    if (shown.get(id) === from) continue;
    byId(id).replaceChildren(...[make(pick(next), next)].flat());
    shown.set(id, from);
  }
  byId("rollout-card").hidden = !next.status.rollout;
  byId("replicas-card").hidden = !next.status.replicas?.length && !next.status.replaced?.last.length;
  byId("channels-card").hidden = (next.status.channels ?? []).length < 2;
  byId("base").textContent = next.status.resident?.base ?? "";
  byId("version").textContent = `hotswapd ${next.version}`;
  byId("updated").textContent = `As of ${clock(next.now)}`;
  document.title = `${next.status.ready ? "" : "Not ready: "}${generation(next.status.live.generation)}, hotswapd`;
  byId("content").hidden = false;
  tick();
}

// One sentence for a screen reader, only for what is worth an interruption.
function announce(before, after) {
  if (!before) return;
  const sentences = [];
  const live = after.status.live;
  if (before.status.live.generation !== live.generation) sentences.push(`${generation(live.generation)}, ${nameOf(live.uri)}, is live.`);
  const [was, beside] = [before, after].map((one) => one.status.rollout?.canary.generation);
  if (was !== beside) sentences.push(beside === undefined ? "The rollout has ended." : `${generation(beside)} is now running beside the live generation.`);
  const last = after.refusals[0];
  if (last && last.at !== before.refusals[0]?.at) sentences.push(`${nameOf(last.uri)} was refused: ${last.reason}.`);
  if (before.status.ready !== after.status.ready) sentences.push(after.status.ready ? "Ready." : "Not ready.");
  if (sentences.length) byId("said").textContent = sentences.join(" ");
}

function complain(sentence, said) {
  const box = byId("contact");
  box.textContent = sentence;
  if (box.hidden) byId("said").textContent = said;
  box.hidden = false;
  byId("content").classList.add("stale");
}

function lostContact(sentence) {
  const since = answeredAt ? `No answer since ${clock(answeredAt)}` : "No answer yet";
  complain(`${since}: ${sentence}. Trying again every two seconds.`, "The daemon does not answer.");
}

// An answer that this page cannot show is not the daemon's fault: the daemon may be newer than the open page.
function answered(next) {
  answeredAt = Date.now();
  byId("key-form").hidden = true;
  try {
    show(next);
  } catch (error) {
    complain(`The daemon answers, but this page cannot show it (${error.message}). Reload the page.`, "Reload the page.");
    return;
  }
  byId("contact").hidden = true;
  byId("content").classList.remove("stale");
}

async function poll() {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  try {
    const response = await fetch("status.json", { headers, cache: "no-store", signal: AbortSignal.timeout(GIVE_UP) });
    if (response.status === 401) return askForKey(Boolean(key));
    if (!response.ok) return lostContact(`it answered with status ${response.status}`);
    answered(await response.json());
  } catch (error) {
    lostContact(error.name === "TimeoutError" ? "it took too long" : "it cannot be reached");
  }
  return pollLater();
}

function pollLater() {
  clearTimeout(waiting);
  waiting = setTimeout(() => (document.hidden ? pollLater() : poll()), EVERY);
}

function askForKey(wrong) {
  sessionStorage.removeItem(KEY);
  byId("content").hidden = true;
  byId("contact").hidden = true;
  byId("key-form").hidden = false;
  byId("key-wrong").textContent = wrong ? "This key is wrong." : "";
  byId("key").focus();
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, byId("key").value.trim());
  byId("key").value = "";
  poll();
});
byId("sought").addEventListener("input", () => answer && show(answer));
document.addEventListener("visibilitychange", () => document.hidden || (answer && (clearTimeout(waiting), poll())));
setInterval(tick, 1000);

const ranges = [["hour", "1 hour"], ["day", "1 day"], ["week", "1 week"], ["all", "All"]];
byId("range").append(...ranges.map(([value, text]) => {
  const input = el("input", { type: "radio", name: "range", value });
  input.addEventListener("change", () => byId("timeline").replaceChildren(...showTimeline(answer)));
  return el("label", {}, input, el("span", {}, text));
}));
let width = 0;
new ResizeObserver(([entry]) => {
  if (answer && Math.abs(entry.contentRect.width - width) > 1) byId("timeline").replaceChildren(...showTimeline(answer));
  width = entry.contentRect.width;
}).observe(byId("timeline"));

poll();
