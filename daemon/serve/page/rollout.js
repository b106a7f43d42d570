// A rollout: the live generation and the one beside it, side by side.

import { chip, el } from "./dom.js";
import { duration, generation, number } from "./words.js";

const KINDS = { canary: "Canary", ab: "A/B" };
const COUNTED = [
  ["Requests", (arm) => String(arm.requests)],
  ["Failed", (arm) => ofAll(arm, arm.errors)],
  ["One token repeated", (arm) => ofAll(arm, arm.degenerate)],
  ["Not finite", (arm) => ofAll(arm, arm.non_finite)],
  ["Time to first token", (arm) => duration(arm.first_token_seconds)],
  ["Time per token", (arm) => duration(arm.seconds_a_token)],
  ["Tokens per answer", (arm) => plain(arm.tokens)],
  ["Log-probability per token", (arm) => plain(arm.mean_logprob)],
  ["Score", (arm) => (arm.feedback ? `${plain(arm.mean_score)} from ${arm.feedback}` : "")],
];

export function showRollout(rollout) {
  if (!rollout) return [];
  const { live, canary, share } = rollout;
  const arms = [[live, 100 - share], [canary, share]];
  const rows = [["Share of new requests", arms.map(([, percent]) => `${number(percent)} %`)]];
  rows.push(...COUNTED.map(([title, say]) => [title, arms.map(([arm]) => say(arm))]));
  const heads = [`Live: ${generation(live.generation)}`, `Beside: ${generation(canary.generation)}`];
  const head = el("tr", {}, el("td"), heads.map((text) => el("th", { scope: "col" }, text)));
  const caption = el("caption", { class: "unseen" }, "Counts for both generations since this step began");
  const table = el("table", { class: "arms" }, caption, el("thead", {}, head), el("tbody", {}, rows.map(line)));
  return [
    el("p", { class: "line arms-kind" }, chip(KINDS[rollout.kind] ?? rollout.kind, "busy"), el("span", {}, steps(rollout))),
    table,
    rollout.waits_for && el("p", { class: "under arms-waits" }, `Waiting for ${rollout.waits_for}.`),
  ].filter(Boolean);
}

function line([title, values]) {
  const cells = values.map((value) => el("td", {}, value || el("span", { class: "soft" }, "none yet")));
  return el("tr", {}, el("th", { scope: "row" }, title), cells);
}

function steps({ share, steps: all }) {
  const at = all?.indexOf(share) ?? -1;
  return all?.length > 1 && at >= 0 ? `Step ${at + 1} of ${all.length}: ${all.map(number).join(", ")} % of new requests` : "";
}

function ofAll(arm, count) {
  return count ? `${count} (${number((100 * count) / arm.requests)} %)` : String(count ?? 0);
}

function plain(value) {
  return value === undefined || value === null ? "" : number(value);
}
