// How times, durations, names and numbers are written: short, and the same everywhere.

import { el } from "./dom.js";

let ahead = 0; // how far this browser's clock is ahead of the daemon's, in milliseconds

export function setClock(now) {
  ahead = Date.now() - Date.parse(now);
}

export function daemonNow() {
  return Date.now() - ahead;
}

export function nameOf(uri) {
  if (!uri) return "the base model";
  return uri.replace(/\/+$/, "").split("/").pop() || uri;
}

export function generation(number) {
  return number ? `Generation ${number}` : "The base model";
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 0.00995) return `${(seconds * 1000).toFixed(seconds < 0.000995 ? 2 : 1)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  return span(seconds * 1000);
}

export function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
  if (days) return `${days} d ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

export function clock(at) {
  const when = new Date(at);
  const today = when.toDateString() === new Date(daemonNow()).toDateString();
  const time = when.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  return today ? time : `${when.toLocaleDateString(undefined, { day: "numeric", month: "short" })}, ${time}`;
}

// A time whose distance from now `tick` keeps up to date; `how` is "for", "ago" or "in".
export function moving(at, how) {
  const node = el("time", { datetime: at, "data-how": how, title: new Date(at).toLocaleString() });
  say(node);
  return node;
}

export function tick() {
  document.querySelectorAll("time[data-how]").forEach(say);
}

function say(node) {
  const away = daemonNow() - Date.parse(node.dateTime);
  const how = node.dataset.how;
  const text = how === "in" ? (away > -1000 ? "now" : `in ${span(-away)}`) : how === "ago" ? `${span(away)} ago` : `for ${span(away)}`;
  if (node.textContent !== text) node.textContent = text;
}

export function number(value) {
  if (value === 0) return "0";
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

export function megabytes(bytes) {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
