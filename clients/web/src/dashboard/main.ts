// The dashboard's page: signs in, follows the server, shows the view that the address names. It must never put what
// comes from events into the page other than as text (see dom.ts), and never ask another host.
import { Alerts } from "./alerts.js";
import { login, logout, me, Refused, Stream } from "./api.js";
import { CallPage } from "./call.js";
import { Calls } from "./calls.js";
import { batched, byId, el, setAttribute, setText } from "../shared/dom.js";
import { defineGlyphs, glyph, look, ORDER } from "../shared/emotions.js";
import { Figures } from "./figures.js";
import { clock, words } from "./format.js";
import { startKeys } from "./keys.js";
import { Links } from "./links.js";
import { isWall, nextTheme, remember, remembered, startSettings, toggleWall } from "./settings.js";
import { critical, startSound, toggleSound } from "./sound.js";
import { State } from "./state.js";
import { drawToday } from "./today.js";
import type { Alert, Me, Pushed } from "./wire.js";

const VIEWS = ["login", "floor", "today", "call"] as const;
type View = (typeof VIEWS)[number];

const state = new State();
let ahead = 0; // how far the server's clock is ahead of this one, in ms
const now = (): number => Date.now() + ahead;
let who: Me | null = null;
let stream: Stream | null = null;
let view: View = "login";
let begun = false; // a snapshot has been shown: what is new from here on is news

const say = (sentence: string): void => {
  byId("say").append(el("p", {}, sentence));
  while (byId("say").children.length > 5) byId("say").firstElementChild?.remove();
};
const links = new Links(now, say);
const taken = (alert: Alert): void => {
  state.apply("alert", alert);
  refresh();
  callPage.changed(alert.tenant, alert.call);
};
const calls = new Calls(state, now);
const alerts = new Alerts(state, now, taken);
const figures = new Figures(state, now, (filter) => {
  calls.show(filter);
});
const callPage = new CallPage(now, taken, (problem) => {
  if (problem instanceof Refused && problem.status === 401) signedOut();
});

const draw = batched(() => {
  const open = state.open().length;
  const title = open ? `(${open}) Calls · Emotion Streamer` : "Calls · Emotion Streamer";
  if (document.title !== title) document.title = title;
  if (view === "floor") {
    figures.draw();
    alerts.draw();
  } else if (view === "today") drawToday(state.today, state.nodes.values());
});

function refresh(): void {
  draw();
  calls.update();
}

function show(next: View): void {
  const before = view;
  view = next;
  for (const name of VIEWS) setAttribute(byId(`view-${name}`), "hidden", name !== next);
  for (const name of ["top", "foot"]) setAttribute(byId(name), "hidden", next === "login");
  for (const [id, name] of [["to-floor", "floor"], ["to-today", "today"]] as const) {
    setAttribute(byId(id), "aria-current", name === next ? "page" : null);
  }
  if (before !== next && next !== "login") scrollTo(0, 0);
}

function route(): void {
  if (!who) return;
  const [, page, tenant, id] = location.hash.split("/");
  if (page === "calls" && tenant && id) {
    show("call");
    try {
      callPage.open(decodeURIComponent(tenant), decodeURIComponent(id));
    } catch {
      callPage.gone(tenant, id); // an address that somebody has broken names no call
    }
  } else {
    callPage.close();
    show(page === "today" ? "today" : "floor");
  }
  refresh();
}

function pushed<K extends keyof Pushed>(kind: K, data: Pushed[K]): void {
  if (kind === "alert") announce(data as Alert);
  state.apply(kind, data);
  if (kind === "broker") links.broker(state.broker);
  if (kind === "node") links.nodes(state.nodes.values());
  if (kind === "call") callPage.changed((data as Pushed["call"]).tenant, (data as Pushed["call"]).id);
  if (kind === "alert") callPage.changed((data as Alert).tenant, (data as Alert).call);
  if (kind === "gone") callPage.gone((data as Pushed["gone"]).tenant, (data as Pushed["gone"]).id);
  refresh();
}

const announced = new Set<string>();

function announce(alert: Alert, aloud = true): void {
  if (announced.has(alert.id)) return;
  announced.add(alert.id);
  if (alert.acknowledged || !aloud) return;
  say(`${alert.severity} alert, ${words(alert.rule)}, call ${alert.call}: ${alert.message}`);
  if (alert.severity === "critical") critical();
}

function signedIn(person: Me): void {
  who = person;
  setAttribute(byId("logout"), "hidden", false);
  setAttribute(byId("logout"), "title", `Signed in as ${person.name}`);
  stream?.close();
  stream = new Stream({
    onSnapshot: (snapshot) => {
      ahead = (Date.parse(snapshot.now) || Date.now()) - Date.now();
      for (const alert of snapshot.alerts) announce(alert, begun); // those that came while we were away
      begun = true;
      state.replace(snapshot);
      links.broker(state.broker);
      links.nodes(state.nodes.values());
      calls.resort();
      route();
    },
    onPush: pushed,
    onServer: (reachable) => {
      links.server(reachable);
    },
    onSignedOut: signedOut,
  });
  route();
}

function signedOut(): void {
  if (who) setText(byId("login-error"), "The session is over, or the token is another one now: log in once more.");
  who = null;
  stream?.close();
  stream = null;
  callPage.close();
  state.calls.clear();
  state.alerts.clear();
  announced.clear();
  begun = false;
  links.server(true);
  show("login");
  byId("login-token").focus();
}

async function signIn(token: string, name: string): Promise<void> {
  const field = byId<HTMLInputElement>("login-name");
  try {
    const person = await login(token, name);
    byId<HTMLInputElement>("login-token").value = "";
    if (name) remember("name", name);
    setText(byId("login-error"), "");
    signedIn(person);
  } catch (problem) {
    show("login");
    setText(byId("login-error"), problem instanceof Error ? problem.message : String(problem));
    if (problem instanceof Refused && problem.refusal.name_needed && !name) {
      byId<HTMLInputElement>("login-token").value = token; // a shared token is right only together with a name
      field.focus();
    } else byId("login-token").focus();
  }
}

async function begin(): Promise<void> {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname + location.search);
    await signIn(token, remembered("name"));
    return;
  }
  try {
    signedIn(await me());
  } catch (problem) {
    signedOut();
    if (!(problem instanceof Refused && problem.status === 401)) {
      setText(byId("login-error"), problem instanceof Error ? problem.message : String(problem));
    }
  }
}

function help(): void {
  byId<HTMLDialogElement>("help").showModal();
}

function escape(): void {
  const filter = byId<HTMLInputElement>("filter");
  if (view !== "floor") location.hash = "#/";
  else if (filter.value) calls.show(filter.value);
  else if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
}

function start(): void {
  startSettings();
  defineGlyphs();
  startSound();
  byId("help-legend").append(
    ...ORDER.map((emotion) => el("li", {}, glyph(emotion), glyph(emotion, true), look(emotion).word)),
  );
  byId<HTMLInputElement>("login-name").value = remembered("name");
  byId<HTMLFormElement>("login-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void signIn(byId<HTMLInputElement>("login-token").value, byId<HTMLInputElement>("login-name").value.trim());
  });
  const wall = (): void => {
    toggleWall();
    calls.resort();
    refresh();
  };
  for (const [id, run] of [["theme", nextTheme], ["sound", toggleSound], ["wall", wall], ["keys", help]] as const) {
    byId(id).addEventListener("click", run);
  }
  byId("logout").addEventListener("click", () => {
    who = null; // by choice: nothing to explain
    void logout().then(signedOut, signedOut);
  });
  startKeys([
    { key: "a", does: "to the next open alert; Enter takes it", run: () => { toFloor(() => { alerts.focusNext(); }); } },
    { key: "/", does: "filter the calls", run: () => { toFloor(() => { calls.focusFilter(); }); } },
    { key: "j", does: "next call; Enter opens it", run: () => { toFloor(() => { calls.step(1); }); } },
    { key: "k", does: "previous call", run: () => { toFloor(() => { calls.step(-1); }); } },
    { key: "c", does: "all calls", run: () => { location.hash = "#/"; } },
    { key: "t", does: "today", run: () => { location.hash = "#/today"; } },
    { key: "w", does: "large type for a wall, and back", run: wall },
    { key: "d", does: "colours: as the system, light, dark", run: nextTheme },
    { key: "s", does: "sound at critical alerts, on or off", run: toggleSound },
    { key: "?", does: "this help", run: help },
    { key: "Escape", does: "back to all calls; clear the filter", run: escape },
  ]);
  addEventListener("hashchange", route);
  const tick = (): void => {
    setText(byId("clock"), clock(now(), !isWall()));
    links.tick();
    if (view === "floor") {
      calls.tick();
      alerts.tick();
    } else if (view === "call") callPage.tick();
  };
  setInterval(tick, 1000);
  tick();
  void begin();
}

function toFloor(then: () => void): void {
  if (view !== "floor") {
    location.hash = "#/";
    route();
  }
  then();
}

start();
