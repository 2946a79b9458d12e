import { spawnSync } from "node:child_process";
import { type Browser, chromium } from "playwright-core";

/** A real browser for the tests of the console. */

/** The Chromium to use: the launcher's, else one on the PATH. @returns undefined when there is none */
export function findChromium(): string | undefined {
  if (process.env.FIRSTCOME_CHROMIUM) return process.env.FIRSTCOME_CHROMIUM;
  const found = spawnSync("sh", ["-c", "command -v chromium chromium-browser google-chrome"], { encoding: "utf8" });
  return found.stdout.split("\n").find(Boolean);
}

/**
 * Whether tests in a browser are left out: where there is none. In CI that is a failure: there the launcher has installed one, and
 * tests that nobody runs hold nothing.
 */
export function isWithoutBrowser(): boolean {
  if (findChromium() !== undefined) return false;
  if (process.env.CI) throw new Error("There is no Chromium: install one, or set FIRSTCOME_CHROMIUM.");
  return true;
}

/** Starts it. The caller closes it. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("There is no Chromium.");
  // Chromium refuses its sandbox to root; the pages are our own.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath, args });
}
