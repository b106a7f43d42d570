// The timeline: which generation was live when, what was refused when, and how long each swap paused the answers.

import { asTable, empty, svg } from "./dom.js";
import { clock, daemonNow, duration, nameOf } from "./words.js";

const RANGES = { hour: 3600e3, day: 86400e3, week: 7 * 86400e3 };
const ENOUGH = 4;
const TOP = 18;
const BAND = 30;
const Y = { lives: 0, refusals: 62, pauses: 122, axis: 202 };
const PAUSE_HEIGHT = 58;
const [SHORTEST, LONGEST] = [-4, 0]; // powers of ten of a second: 0.1 ms to 1 s

export function showTimeline(answer) {
  const lives = answer.lives.map((life) => ({ ...life, time: Date.parse(life.at) })).reverse();
  const refusals = answer.refusals.map((one) => ({ ...one, time: Date.parse(one.at) })).reverse();
  if (!lives.length && !refusals.length) return [empty("Nothing has gone live yet, and nothing was refused.")];
  const [from, to] = [begin([...lives, ...refusals].map((one) => one.time)), daemonNow()];
  const width = Math.max(280, document.getElementById("timeline").clientWidth);
  const x = (time) => Math.max(0, Math.min(width, ((time - from) / (to - from)) * width));
  const inside = (one) => one.time >= from;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${Y.axis + 24}`, height: Y.axis + 24, role: "img", "aria-label": summary(lives, refusals) },
    generations(lives, from, to, x),
    crosses(refusals.filter(inside), x),
    stems(lives.filter(inside), x, width),
    axis(from, to, x, width),
  );
  return [drawing, words(lives, refusals)];
}

// The chosen range, else the shortest one that shows enough.
function begin(times) {
  const now = daemonNow();
  const chosen = document.querySelector("#range input:checked");
  const shortest = () => Object.keys(RANGES).find((name) => times.filter((time) => time > now - RANGES[name]).length >= Math.min(ENOUGH, times.length)) ?? "all";
  const name = chosen?.value ?? shortest();
  if (!chosen) document.querySelector(`#range input[value=${name}]`).checked = true;
  const first = Math.min(...times);
  const all = first - (now - first) * 0.02 - 1000;
  return name === "all" ? all : Math.max(now - RANGES[name], all);
}

function strip(y, title) {
  return svg("text", { x: 0, y: y + 11, class: "strip" }, title);
}

function generations(lives, from, to, x) {
  const spans = lives.map((life, index) => ({ life, index, end: lives[index + 1]?.time ?? to })).filter(({ end }) => end >= from);
  const bands = spans.map(({ life, index, end }) => {
    const [left, right] = [x(life.time), x(end)];
    const now = index === lives.length - 1 ? "now" : "";
    const back = index > 0 && life.generation < lives[index - 1].generation;
    const name = `${back ? "↩ " : ""}${life.generation ? `g${life.generation}` : "base"}`;
    const fits = right - left > name.length * 8 + 8;
    const kind = life.generation ? (index % 2 ? "odd" : "") : "base";
    return svg("g", {},
      svg("title", {}, `${name} ${nameOf(life.uri)}, live from ${clock(life.at)}`),
      svg("rect", { x: left, y: Y.lives + TOP, width: Math.max(2, right - left), height: BAND, rx: 3, class: `life ${kind} ${now}` }),
      fits && svg("text", { x: (left + right) / 2, y: Y.lives + TOP + 19.5, "text-anchor": "middle", class: `life-name ${now}` }, name),
    );
  });
  return [strip(Y.lives, "Generations"), ...bands];
}

function crosses(refusals, x) {
  const y = Y.refusals + TOP + 10;
  const marks = refusals.map((one) => {
    const at = x(one.time);
    return svg("g", {},
      svg("title", {}, `${nameOf(one.uri)} refused at ${clock(one.at)}: ${one.reason ?? one.state}`),
      svg("rect", { x: at - 8, y: y - 10, width: 16, height: 20, fill: "transparent" }),
      svg("path", { d: `M${at - 4.5} ${y - 4.5}l9 9m0-9l-9 9`, class: "refusal" }),
    );
  });
  return [strip(Y.refusals, "Refusals"), ...(marks.length ? marks : [svg("text", { x: 0, y: y + 4, class: "none" }, "none in this range")])];
}

function stems(lives, x, width) {
  const floor = Y.pauses + TOP + PAUSE_HEIGHT;
  const height = (seconds) => ((Math.log10(seconds) - SHORTEST) / (LONGEST - SHORTEST)) * PAUSE_HEIGHT;
  const lines = [["1 ms", 0.001], ["100 ms", 0.1]].flatMap(([text, seconds]) => [
    svg("line", { x1: 0, x2: width, y1: floor - height(seconds), y2: floor - height(seconds), class: "gridline" }),
    svg("text", { x: width, y: floor - height(seconds) - 3, "text-anchor": "end" }, text),
  ]);
  const marks = lives.filter((life) => life.seconds.pause > 0).map((life) => {
    const [at, top] = [x(life.time), floor - Math.max(2, Math.min(PAUSE_HEIGHT, height(life.seconds.pause)))];
    return svg("g", {},
      svg("title", {}, `g${life.generation}: no step could run for ${duration(life.seconds.pause)}`),
      svg("line", { x1: at, x2: at, y1: floor, y2: top, class: "stem" }),
      svg("circle", { cx: at, cy: top, r: 4, class: "dot" }),
    );
  });
  return [strip(Y.pauses, "Pauses"), ...lines, svg("line", { x1: 0, x2: width, y1: floor, y2: floor, class: "axis" }), ...marks];
}

function axis(from, to, x, width) {
  const count = Math.max(2, Math.floor(width / 150));
  return Array.from({ length: count + 1 }, (_, index) => {
    const time = from + ((to - from) * index) / count;
    const anchor = index === 0 ? "start" : index === count ? "end" : "middle";
    return svg("text", { x: x(time), y: Y.axis + 16, "text-anchor": anchor }, index === count ? "now" : label(time, to - from));
  });
}

function label(time, range) {
  const how = range > 2 * 86400e3 ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", hour12: false };
  return new Date(time).toLocaleString(undefined, range < 600e3 ? { ...how, second: "2-digit" } : how);
}

function summary(lives, refusals) {
  const pauses = lives.map((life) => life.seconds.pause).filter(Boolean).sort((one, other) => one - other);
  const longest = pauses.length ? `; the longest pause was ${duration(pauses.at(-1))}` : "";
  return `Timeline: a generation went live ${lives.length} times, and ${refusals.length} adapters were refused${longest}. The table below has the same data.`;
}

function words(lives, refusals) {
  const events = [
    ...lives.map((life) => [life.time, `g${life.generation} went live`, nameOf(life.uri), duration(life.seconds.pause) || "not known"]),
    ...refusals.map((one) => [one.time, `${one.state.toLowerCase().replace("_", " ")}: ${one.reason ?? ""}`, nameOf(one.uri), ""]),
  ].sort((one, other) => other[0] - one[0]);
  return asTable("timeline-table", "What happened, newest first", ["When", "What", "Adapter", "Pause"], events.map(([time, ...rest]) => [clock(time), ...rest]));
}
