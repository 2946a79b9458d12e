import { computed, signal } from "@preact/signals";

/** Where in the console somebody is: the part of the address behind `#`, so that a link leads there and "back" works. */

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
});

export interface Route {
  /** Such as `["rooms", "door", "edit"]`. */
  readonly steps: readonly string[];
  readonly query: URLSearchParams;
}

export const route = computed<Route>(() => {
  const [path = "", query = ""] = hash.value.replace(/^#\/?/, "").split("?");
  return { steps: path.split("/").filter(Boolean).map(decode), query: new URLSearchParams(query) };
});

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a place in the console. */
export const to = (...steps: readonly string[]): string => `#/${steps.map(encodeURIComponent).join("/")}`;

export function go(address: string): void {
  location.hash = address;
}
