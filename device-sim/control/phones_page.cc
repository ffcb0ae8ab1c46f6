#include "device-sim/control/phones_page.h"

namespace device_sim {

std::string_view phones_page() {
  return R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The phones · device-sim</title>
<link rel="icon" href="data:,">
<style>
:root { --ground: #f4f2ee; --card: #fff; --ink: #1f2328; --quiet: #6b6f76; --line: #dedad2;
  --brass: #a8741a; --glass: #11151c; --note: #ffffffe8; --note-ink: #16181d; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ground: #14161a; --card: #1d2026; --ink: #e8e6e1;
  --quiet: #9a9da4; --line: #30343c; --brass: #e0aa4e; --glass: #06080b; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header { display: flex; align-items: baseline; gap: 1rem; padding: 1.2rem 1.6rem .4rem; flex-wrap: wrap; }
h1 { margin: 0; font-size: 1.35rem; } h1 b { color: var(--brass); }
h2 { margin: 0 0 .6rem; font-size: .8rem; letter-spacing: .08em; text-transform: uppercase; color: var(--quiet); }
#link { margin-left: auto; font-size: .85rem; color: var(--quiet); }
#link::before { content: "●"; margin-right: .4em; color: var(--bad); } #link.live::before { color: #2e9e5b; }
main { display: grid; grid-template-columns: minmax(0, 1fr) minmax(19rem, 25rem); gap: 1.4rem; padding: 1rem 1.6rem 2rem; }
@media (max-width: 60rem) { main { grid-template-columns: minmax(0, 1fr); } }
#phones { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1.2rem; align-content: start; }
.phone { background: var(--glass); border-radius: 1.9rem; padding: .55rem; box-shadow: 0 8px 24px #0003; }
.screen { height: 26rem; border-radius: 1.5rem; padding: .9rem .7rem; overflow-y: auto; color: #fff;
  background: linear-gradient(165deg, #3a4a7a, #27324f 45%, #6a4a3a); }
.fcm .screen { background: linear-gradient(165deg, #1f6b5c, #204350 50%, #4a3f6b); }
.webpush .screen { background: linear-gradient(165deg, #5a4a86, #2f4670 55%, #6b4a3f); }
.fcm.phone { border-radius: 1.2rem; } .fcm .screen { border-radius: .8rem; }
.owner { text-align: center; font-size: .78rem; opacity: .85; margin-bottom: .8rem; }
.owner strong { display: block; font-size: 1rem; }
.note { background: var(--note); color: var(--note-ink); border-radius: .9rem; padding: .55rem .7rem; margin-bottom: .5rem;
  font-size: .85rem; overflow-wrap: anywhere; animation: drop .35s ease-out; }
.note.folded { opacity: .55; } .note small { display: flex; gap: .5em; color: #5b6068; font-size: .7rem; }
.note small span:last-child { margin-left: auto; }
@keyframes drop { from { transform: translateY(-.8rem); opacity: 0; } }
@media (prefers-reduced-motion: reduce) { .note { animation: none; } }
.panel { background: var(--card); border: 1px solid var(--line); border-radius: .9rem; padding: 1rem 1.1rem; margin-bottom: 1.1rem; }
table { width: 100%; border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem 0; text-align: right; border-top: 1px solid var(--line); }
tr:first-child > * { border-top: 0; }
th:first-child, td:first-child { text-align: left; max-width: 9rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
th { color: var(--quiet); font-weight: 500; }
.bad { color: var(--bad); font-weight: 600; } .none { color: var(--quiet); }
code { font-size: .82rem; background: var(--ground); padding: .1em .35em; border-radius: .3em; }
</style>
</head>
<body>
<header><h1><b>device-sim</b> · the phones</h1><span id="population" class="none"></span><span id="link">connecting</span></header>
<main>
<section id="phones" aria-live="polite"></section>
<aside>
  <div class="panel"><h2>Events</h2><div id="events" class="none">No push with an event id yet.</div></div>
  <div class="panel"><h2>Gateways</h2><div id="gateways"></div></div>
  <div class="panel"><h2>Faults</h2><div id="faults"></div></div>
</aside>
</main>
<script>
"use strict";
const byId = id => document.getElementById(id);
const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};
const number = value => Number(value).toLocaleString("en");
const table = (head, rows) => {
  const made = element("table");
  const line = (cells, tag) => {
    const row = element("tr");
    for (const cell of cells) {
      const [text, className] = Array.isArray(cell) ? cell : [cell, ""];
      const made = element(tag, className, text);
      made.title = text;
      row.append(made);
    }
    return row;
  };
  if (head) made.append(line(head, "th"));
  for (const row of rows) made.append(line(row, "td"));
  return made;
};
const screens = new Map();
const kNotesShown = 30;
const addPhone = phone => {
  if (screens.has(phone.device)) return;
  const box = element("article", "phone " + phone.platform);
  const screen = element("div", "screen");
  const owner = element("div", "owner");
  owner.append(element("strong", "", {apns: "iPhone", fcm: "Android", webpush: "Browser"}[phone.platform]), phone.device);
  const notes = element("div");
  screen.append(owner, notes);
  box.append(screen);
  byId("phones").append(box);
  screens.set(phone.device, notes);
};
const emptyPhones = () => {
  if (screens.size) { byId("hint")?.remove(); return; }
  if (byId("hint")) return;
  const hint = element("p", "none", "No phone yet. Enrol some with ");
  hint.id = "hint";
  hint.append(element("code", "", "device-sim listen --count 3 --topic channel-42"));
  byId("phones").append(hint);
};
const show = message => {
  addPhone(message);
  const notes = screens.get(message.device);
  const note = element("div", "note " + message.display);
  const head = element("small");
  head.append(element("span", "", message.display), element("span", "", message.event.slice(0, 18)),
              element("span", "", new Date(message.received_at).toLocaleTimeString()));
  note.append(head);
  if (message.title) note.append(element("strong", "", message.title));
  if (message.body) note.append(element("div", "", message.body));
  notes.prepend(note);
  while (notes.children.length > kNotesShown) notes.lastChild.remove();
};
const state = s => {
  s.phones.forEach(addPhone);
  emptyPhones();
  const p = s.stats.population;
  byId("population").textContent = `${number(p.devices)} devices, seed ${p.seed}, ${p.mix}`;
  if (s.events.length) {
    byId("events").className = "";
    byId("events").replaceChildren(table(["event", "received", "devices", "again", "twice"],
      s.events.map(e => [e.event, number(e.received), number(e.unique_devices), number(e.duplicates),
                         [number(e.shown_twice), e.shown_twice ? "bad" : ""]])));
  }
  const rows = [];
  for (const name of ["apns", "fcm", "webpush"]) {
    const g = s.stats[name];
    rows.push([name, number(g.requests), number(g.accepted), number(g.connections_open)]);
    for (const [reason, count] of Object.entries(g.by_reason)) rows.push(["\u00a0\u00a0" + reason, number(count), "", ""]);
  }
  byId("gateways").replaceChildren(table(["", "requests", "accepted", "open"], rows));
  const plan = Object.entries(s.faults.plan).filter(([key, value]) =>
    value && !["retry_after_s", "goaway_reason", "unregistered_age_s"].includes(key));
  const struck = Object.entries(s.faults.struck).filter(([, count]) => count);
  byId("faults").replaceChildren(plan.length || struck.length
    ? table(null, [...plan.map(([k, v]) => [k, String(v)]), ...struck.map(([k, v]) => [k + " struck", number(v)])])
    : element("span", "none", "None: everything is answered well."));
};
const source = new EventSource("/sim/stream");
source.addEventListener("state", event => state(JSON.parse(event.data)));
source.addEventListener("message", event => show(JSON.parse(event.data)));
source.onopen = () => {
  for (const notes of screens.values()) notes.replaceChildren();
  byId("link").textContent = "live";
  byId("link").className = "live";
};
source.onerror = () => { byId("link").textContent = "reconnecting"; byId("link").className = ""; };
emptyPhones();
</script>
</body>
</html>
)html";
}

}  // namespace device_sim
