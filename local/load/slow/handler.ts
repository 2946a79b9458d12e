import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "../../stack.ts";
import type { Slowing } from "./slow.ts";

/** The process of the functions that answer, with other work in its event loop. */
export function slowHandler(env: NodeJS.ProcessEnv): Slowing {
  const burn = `--import=${pathToFileURL(join(ROOT, "local/load/slow/burn.mjs")).href}`;
  return {
    env: { NODE_OPTIONS: [env.NODE_OPTIONS, burn].filter(Boolean).join(" ") },
    begin: async () => {},
    end: async () => {},
  };
}
