import { effect, signal } from "@preact/signals";
import { remember, remembered } from "./remembered.ts";

/** Light or dark: the person's choice, else the system's. */

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const choice = signal<Theme>(THEMES.find((it) => it === remembered("theme")) ?? "auto");

const system = matchMedia("(prefers-color-scheme: dark)");
const systemTheme = signal<"light" | "dark">(system.matches ? "dark" : "light");
system.addEventListener("change", ({ matches }) => {
  systemTheme.value = matches ? "dark" : "light";
});

/** What the page looks like now. */
export const theme = signal<"light" | "dark">("light");

effect(() => {
  theme.value = choice.value === "auto" ? systemTheme.value : choice.value;
  document.documentElement.dataset.theme = theme.value;
});

export function chooseTheme(to: Theme): void {
  choice.value = to;
  remember("theme", to);
}
