/** What a person has chosen, kept by the browser; a browser that keeps nothing (private windows, policies) is no reason to fail. */

const nameOf = (key: string) => `firstcome.${key}`;

export function remembered(key: string): string | undefined {
  try {
    return localStorage.getItem(nameOf(key)) ?? undefined;
  } catch {
    return undefined;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(nameOf(key), value);
  } catch {
    // It holds until the page is closed.
  }
}
