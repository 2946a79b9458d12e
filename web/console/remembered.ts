/** What a browser keeps for the page. One that keeps nothing (private windows, policies) is no reason to fail. */

const nameOf = (key: string) => `firstcome.${key}`;

/** What a person has chosen. */
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

/** What is kept as long as the tab is open. */
export function kept(key: string): string | undefined {
  try {
    return sessionStorage.getItem(nameOf(key)) ?? undefined;
  } catch {
    return undefined;
  }
}

/** @returns whether it is kept */
export function keep(key: string, value: string): boolean {
  try {
    sessionStorage.setItem(nameOf(key), value);
    return true;
  } catch {
    return false;
  }
}

/** @param prefix of the keys to forget; a whole key for one */
export function forget(prefix: string): void {
  try {
    for (const name of Object.keys(sessionStorage)) {
      if (name.startsWith(nameOf(prefix))) sessionStorage.removeItem(name);
    }
  } catch {
    // Nothing was kept.
  }
}
