// The parts in words: state, what is live, berths, sources, queue, refusals, actions.

import { chip, el, empty } from "./dom.js";
import { verdicts } from "./verdicts.js";
import { clock, generation, megabytes, moving, nameOf } from "./words.js";

export function showState(status) {
  return [
    status.ready ? chip("Ready", "good") : chip("Not ready", "bad"),
    status.pinned && chip("Pinned", "busy"),
    status.paused && chip("Paused", "busy"),
  ].filter(Boolean);
}

export function showNotices(status) {
  const notices = [];
  if (!status.ready) notices.push(notice("bad", "Not ready", status.phase ?? "the daemon is starting"));
  if (status.trouble) notices.push(notice("bad", "Ledger", status.trouble));
  if (status.pinned) notices.push(notice("busy", "Pinned", "new adapters are verified and then held; hotswapd unpin lets them go live"));
  if (status.paused) notices.push(notice("busy", "Paused", "nothing is taken from the queue; hotswapd resume continues"));
  const recompiles = status.resident?.recompiles ?? 0;
  if (recompiles) notices.push(notice("busy", "Recompiled", `${recompiles} compilations after the warm-up; the log says when`));
  return notices;
}

function notice(kind, title, text) {
  return el("p", { class: `notice ${kind}` }, el("strong", {}, `${title}: `), text);
}

export function showLive(live) {
  if (!live.generation) {
    return [
      el("p", { class: "headline" }, "The base model"),
      el("p", { class: "since" }, "No adapter is live. ", moving(live.since, "for")),
    ];
  }
  return [
    el("p", { class: "headline" }, `Generation ${live.generation} `, el("span", { class: "soft" }, nameOf(live.uri))),
    el("p", { class: "since" }, "Live ", moving(live.since, "for"), `, since ${clock(live.since)}`),
    el("p", { class: "where" }, live.uri),
    el("p", { class: "soft mono", title: live.digest }, "sha256 ", live.digest.slice(0, 12)),
  ];
}

export function showResident(resident) {
  if (!resident?.base) return [el("dt", {}, "Model"), el("dd", {}, "not loaded yet")];
  const facts = [
    ["Base model", resident.base],
    ["Runs on", `${resident.device}, ${resident.dtype}, ${resident.compiled ? "compiled" : "eager"}`],
    ["Slots", `${resident.slots} of rank ${resident.max_rank}, ${megabytes(resident.berth_bytes)} a berth`],
    ["Recompilations", String(resident.recompiles)],
  ];
  return facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
}

export function showBerths(berths) {
  if (!berths?.length) return empty("No berth holds an adapter yet.");
  return el("ul", { class: "list" }, berths.map((berth) => {
    const words = berth.active || berth.waiting ? `${berth.active} active, ${berth.waiting} waiting` : berth.use;
    const marks = (count, kind) => Array.from({ length: Math.min(count, 64) }, () => el("i", { class: kind }));
    const bar = el("div", { class: "berth-bar", "aria-hidden": "true" }, marks(berth.active, ""), marks(berth.waiting, "waiting"));
    return el("li", {}, el("p", { class: "line" }, el("span", { class: "name" }, berth.generation < 0 ? "Candidate" : generation(berth.generation)), el("span", { class: "end" }, words)), berth.active || berth.waiting ? bar : null);
  }));
}

export function showReplicas(replicas, replaced) {
  const gone = replaced.map((one) => el("li", {},
    el("p", { class: "line" }, chip("Replaced", "bad"), el("span", { class: "name" }, one.name), el("span", { class: "end" }, one.code)),
    el("p", { class: "under bad-text" }, one.sentence),
  ));
  return el("ul", { class: "list" }, replicas.map((one) => {
    const numbers = one.answering.map((number) => generation(number)).join(", ") || "The base alone";
    const refused = one.trial && one.trial.answer !== "fit" ? `${one.trial.answer}: ${one.trial.code ?? ""} ${one.trial.sentence ?? ""}` : null;
    const wrong = one.trouble ?? (one.silent >= 3 ? `Silent for ${Math.round(one.silent)} s` : refused);
    return el("li", {},
      el("p", { class: "line" },
        one.serving ? chip("Serves", "good") : chip("Starts", "bad"),
        el("span", { class: "name" }, one.name),
        el("span", { class: "end" }, `${numbers}; ${one.active} active, ${one.waiting} waiting`),
      ),
      wrong && el("p", { class: "under bad-text" }, wrong),
    );
  }), gone);
}

export function showSources(sources) {
  if (!sources?.length) return empty("No source is configured.");
  return el("ul", { class: "list" }, sources.map((source) => el("li", {},
    el("p", { class: "line" },
      source.ok ? chip("Up", "good") : chip("Down", "bad"),
      el("span", { class: "name" }, source.name),
      el("span", { class: "end" }, `${source.kind}, `, source.last_scan ? ["scanned ", moving(source.last_scan, "ago")] : "not scanned yet"),
    ),
    source.error && el("p", { class: "under bad-text" }, source.error),
  )));
}

export function showQueue([queue, depth]) {
  if (!queue?.length) return empty("Nothing is waiting to go live.");
  const more = depth > queue.length ? el("p", { class: "under" }, `and ${depth - queue.length} more`) : null;
  return [el("ul", { class: "list" }, queue.map((entry) => el("li", {},
    el("p", { class: "line" },
      chip(title(entry.state), ["WAITING", "HELD", "IGNORED"].includes(entry.state) ? "busy" : ""),
      el("span", { class: "name" }, nameOf(entry.uri)),
      channel(entry),
      entry.next_try && el("span", { class: "end" }, "next try ", moving(entry.next_try, "in")),
    ),
    el("p", { class: "under" }, entry.uri),
    entry.reason && el("p", { class: "under" }, el("span", { class: "reason" }, entry.reason), entry.detail ? `  ${entry.detail}` : ""),
  ))), more].filter(Boolean);
}

export function showRefusals(refusals) {
  if (!refusals.length) return empty("No adapter has been refused.");
  const lines = refusals.map((one) => el("li", {},
    el("p", { class: "line" },
      chip(title(one.state), "bad"),
      el("span", { class: "name" }, one.generation ? `${generation(one.generation)}, ${nameOf(one.uri)}` : nameOf(one.uri)),
      channel(one),
      el("span", { class: "reason" }, one.reason ?? ""),
      el("time", { class: "end", datetime: one.at }, clock(one.at)),
    ),
    el("p", { class: "under" }, one.uri ?? ""),
    sentences(one.detail),
    verdicts(one.verify, `refused-${one.at}-${one.uri}`),
  ));
  const [first, rest] = [lines.slice(0, 5), lines.slice(5)];
  if (!rest.length) return el("ul", { class: "list" }, first);
  const open = document.getElementById("refusals-older")?.open;
  const older = el("details", { id: "refusals-older", open }, el("summary", {}, `${rest.length} older`), el("ul", { class: "list" }, rest));
  return [el("ul", { class: "list" }, first), older];
}

function channel(one) {
  return one.channel && one.channel !== "default" ? el("span", { class: "soft" }, one.channel) : null;
}

// Reasons are joined by semicolons, as in the ledger; each includes what to do.
function sentences(detail) {
  if (!detail) return null;
  return el("p", { class: "under" }, detail);
}

function title(state) {
  const words = (state ?? "").replace("_", " ").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function showActions(actions) {
  if (!actions.length) return empty("No operator has done anything yet.");
  return el("ul", { class: "list" }, actions.slice(0, 8).map((one) => el("li", {},
    el("p", { class: "line" },
      chip(one.result === "done" ? "Done" : one.result, one.result === "done" ? "good" : "bad"),
      el("span", { class: "name" }, one.action),
      el("span", { class: "wrap" }, one.argument),
      el("time", { class: "end", datetime: one.at }, clock(one.at)),
    ),
  )));
}
