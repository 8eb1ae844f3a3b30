// What a person has chosen on this machine: colours, sound, single keys, name. It must never keep a token or anything
// of a call; a browser that forbids storage forgets the choices, and that is all.
import { byId, setAttribute, setText } from "../shared/dom.js";

type Name = "theme" | "sound" | "keys" | "name";

export function remembered(name: Name): string {
  try {
    return localStorage.getItem(`streamer.${name}`) ?? "";
  } catch {
    return ""; // storage is forbidden here
  }
}

export function remember(name: Name, value: string): void {
  try {
    localStorage.setItem(`streamer.${name}`, value);
  } catch {
    // storage is forbidden here: the choice lasts as long as the page
  }
}

const THEMES = ["auto", "light", "dark"] as const;

function showTheme(theme: string): void {
  setAttribute(document.documentElement, "data-theme", theme === "auto" ? null : theme);
  setText(byId("theme-text"), { auto: "Auto", light: "Light", dark: "Dark" }[theme] ?? "Auto");
}

function currentTheme(): string {
  return document.documentElement.dataset["theme"] ?? "auto";
}

/** The next of auto (as the system says), light, dark. */
export function nextTheme(): void {
  const next = THEMES[(THEMES.indexOf(currentTheme() as "auto") + 1) % THEMES.length] ?? "auto";
  remember("theme", next);
  showTheme(next);
}

export const isWall = (): boolean => document.documentElement.hasAttribute("data-wall");

function showWall(wall: boolean): void {
  setAttribute(document.documentElement, "data-wall", wall);
  setAttribute(byId("wall"), "aria-pressed", String(wall));
}

/** Wall mode stands in the address (`?wall`), so that a screen on a wall starts in it. */
export function toggleWall(): void {
  const address = new URL(location.href);
  if (isWall()) address.searchParams.delete("wall");
  else address.searchParams.set("wall", "");
  history.replaceState(history.state, "", address.href.replace("wall=", "wall"));
  showWall(address.searchParams.has("wall"));
}

export function startSettings(): void {
  const theme = remembered("theme");
  showTheme(THEMES.includes(theme as "auto") ? theme : "auto");
  showWall(new URL(location.href).searchParams.has("wall"));
}
