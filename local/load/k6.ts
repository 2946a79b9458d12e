import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { capture, type Interrupts } from "./run.ts";
import { NoLoad, type Surroundings } from "./surroundings.ts";

/** What is built where no k6 is found. Exact, so that two machines measure with the same tool. */
const VERSION = "v1.8.1";
const MODULE = `go.k6.io/k6@${VERSION}`;

const HOW_TO_GET = `Install k6 (https://grafana.com/docs/k6/latest/set-up/install-k6/), or Go (https://go.dev/dl), with which it is
built here, and run the same command again. Or set FIRSTCOME_K6 to a k6 binary.`;

/**
 * The k6 to use: what `FIRSTCOME_K6` names, else the one on the PATH, else the one that was built here before.
 *
 * @throws {NoLoad} When `FIRSTCOME_K6` names nothing that runs: something else would not be what was asked for.
 */
export function findK6({ root, env }: Pick<Surroundings, "root" | "env">): string | undefined {
  const named = env.FIRSTCOME_K6;
  if (!named) return findProgram(env, "k6") ?? findProgram(env, builtK6(root));
  const program = findProgram(env, named);
  if (program) return program;
  throw new NoLoad(2, `FIRSTCOME_K6 names ${named}, and there is no such program.`);
}

/**
 * Finds k6, or lets Go build it.
 *
 * @throws {NoLoad} When there is neither, or the build fails. Says how to get one.
 */
export async function obtainK6(surroundings: Surroundings, interrupts: Interrupts): Promise<string> {
  const { root, env, say, progressEveryMs } = surroundings;
  const found = findK6(surroundings);
  if (found) return found;
  const go = findProgram(env, "go");
  if (!go) throw new NoLoad(2, `There is no k6 on this machine, and no Go to build one with.\n${HOW_TO_GET}`);

  const folder = join(root, ".local", "k6");
  mkdirSync(folder, { recursive: true });
  say(`There is no k6 on this machine: building ${MODULE} with Go, once. It takes a few minutes.`);
  const startedAt = performance.now();
  const seconds = () => `${Math.round((performance.now() - startedAt) / 1_000)} s`;
  const timer = setInterval(() => say(`Building k6 (${seconds()})`), progressEveryMs);
  // GOFLAGS replaces the user's, which are meant for modules of theirs (-mod=vendor would break this one).
  const buildEnv = { ...env, GOBIN: folder, GOFLAGS: "-trimpath" };
  const { status, printed } = await capture(go, ["install", MODULE], { cwd: folder, env: buildEnv }, interrupts);
  clearInterval(timer);
  const built = findProgram(env, builtK6(root));
  if (status !== 0 || !built) throw new NoLoad(2, `${printed}\n\nGo could not build k6.\n${HOW_TO_GET}`);
  say(`Built k6 in ${seconds()}.`);
  return built;
}

const builtK6 = (root: string) => join(root, ".local", "k6", "k6");

/** Finds a program as a shell would: a name on the PATH, or a path as it stands. */
function findProgram(env: NodeJS.ProcessEnv, program: string): string | undefined {
  const file = process.platform === "win32" && !program.endsWith(".exe") ? `${program}.exe` : program;
  if (/[\\/]/.test(file)) return isRunnable(resolve(file)) ? resolve(file) : undefined;
  const folders = (env.PATH ?? env.Path ?? "").split(delimiter).filter(isAbsolute);
  return folders.map((folder) => join(folder, file)).find(isRunnable);
}

function isRunnable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
