/** Keys of one letter. They do nothing in fields and dialogs, with a modifier, or when they are switched off (WCAG 2.1.4). */
import { useEffect, useRef } from "react";

export type Keys = Readonly<Record<string, () => void>>;

export const keySwitch = {
  get isOn(): boolean {
    try {
      return localStorage.getItem("keys") !== "off";
    } catch {
      return true;
    }
  },
  set isOn(on: boolean) {
    try {
      localStorage.setItem("keys", on ? "on" : "off");
    } catch {
      // Storage is off: the keys stay on.
    }
  },
};

/** "g p" is g, then p within a second. */
export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    let first = "";
    let timer: ReturnType<typeof setTimeout> | undefined;
    function onKey(event: KeyboardEvent): void {
      if (event.ctrlKey || event.metaKey || event.altKey || !keySwitch.isOn) return;
      const target = event.target as Element | null;
      if (target?.closest("input, select, textarea, dialog, [contenteditable]") != null) return;
      const run = latest.current[first === "" ? event.key : `${first} ${event.key}`];
      clearTimeout(timer);
      first = first === "" && event.key === "g" ? "g" : "";
      timer = setTimeout(() => (first = ""), 1000);
      if (run === undefined) return;
      event.preventDefault();
      run();
    }
    document.addEventListener("keydown", onKey);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("keydown", onKey);
    };
  }, []);
}
