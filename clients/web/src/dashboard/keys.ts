// Single keys and their list. They work outside of fields and dialogs only, and can be switched off (WCAG 2.1.4).
import { byId, el } from "../shared/dom.js";
import { remember, remembered } from "./settings.js";

export interface Key {
  readonly key: string;
  readonly does: string;
  readonly run: () => void;
}

const shown = (key: string): string => ({ Escape: "Esc" })[key] ?? (key.length === 1 ? key.toUpperCase() : key);

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, dialog") !== null;
}

export function startKeys(keys: readonly Key[]): void {
  const box = byId<HTMLInputElement>("keys-on");
  box.checked = remembered("keys") !== "off";
  box.addEventListener("change", () => {
    remember("keys", box.checked ? "on" : "off");
  });
  byId("help-keys").append(
    ...keys.map(({ key, does }) => el("div", {}, el("dt", {}, el("kbd", {}, shown(key))), el("dd", {}, does))),
  );
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (isTyping(event.target) && event.key !== "Escape") return;
    if (event.target instanceof HTMLElement && event.target.closest("dialog")) return;
    if (!box.checked && event.key.length === 1) return;
    const found = keys.find(({ key }) => key === event.key || key === event.key.toLowerCase());
    if (!found) return;
    event.preventDefault();
    found.run();
  });
}
