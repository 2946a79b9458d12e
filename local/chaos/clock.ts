import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * A clock that goes behind, for one process: libfaketime, where it is installed (Debian's package `faketime`).
 */

const FOLDERS = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib"];
const LIBRARY = join("faketime", "libfaketime.so.1");
const PROBE_MS = 3_000;

function findLibrary(): string | undefined {
  for (const folder of FOLDERS.filter(existsSync)) {
    const places = [folder, ...readdirSync(folder, { withFileTypes: true }).flatMap(subfolderOf(folder))];
    const library = places.map((place) => join(place, LIBRARY)).find(existsSync);
    if (library !== undefined) return library;
  }
  return undefined;
}

const subfolderOf = (folder: string) => (entry: { name: string; isDirectory(): boolean }) =>
  entry.isDirectory() ? [join(folder, entry.name)] : [];

/** @returns what makes a process of this environment live so many minutes in the past */
function behind(library: string, minutes: number): NodeJS.ProcessEnv {
  return {
    ...process.env,
    // jemalloc asks for the time before the library can tell it, and both would wait for one another. The C library's own
    // allocator, loaded ahead of it, does not.
    LD_PRELOAD: `${library}:libc.so.6`,
    FAKETIME: `-${minutes}m`,
    // Timers must still fire.
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    NO_FAKE_STAT: "1",
  };
}

/**
 * Looks whether a Redis server can be started with its clock behind.
 *
 * @returns the environment to start it with by how many minutes, or undefined where there is no such library, or it does not
 *   get on with this server
 */
export async function findClock(server: string): Promise<((minutes: number) => NodeJS.ProcessEnv) | undefined> {
  const library = findLibrary();
  if (library === undefined) return undefined;
  // A server that does not get on with the library hangs in its first allocation, whatever it is asked.
  const child = spawn(server, ["--version"], { env: behind(library, 1), stdio: "ignore", timeout: PROBE_MS });
  const works = await new Promise<boolean>((resolve) => {
    child.once("error", () => resolve(false));
    child.once("exit", (status) => resolve(status === 0));
  });
  return works ? (minutes) => behind(library, minutes) : undefined;
}
