import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A load script, as it describes itself in the comment at its head. */
export interface Script {
  /** A file of `k6/`, without its ending. */
  readonly name: string;
  /** What it does, in a line: its first one. */
  readonly does: string;
  /** What it takes from its environment, by name: the words in capitals behind `Environment:`. */
  readonly settings: ReadonlySet<string>;
}

/** The scripts there are, by their names. */
export function readScripts(root: string): Script[] {
  const files = readdirSync(join(root, "k6")).filter((file) => file.endsWith(".js"));
  return files
    .sort()
    .map((file) => readHead(file.slice(0, -".js".length), readFileSync(join(root, "k6", file), "utf8")));
}

function readHead(name: string, text: string): Script {
  const [head = ""] = /^(?:\/\/.*\n?)*/.exec(text) ?? [];
  const [does = "", ...more] = head.split("\n").map((line) => line.replace(/^\/\/ ?/, ""));
  const [, environment = ""] = more.join("\n").split("Environment:");
  return { name, does, settings: new Set(environment.match(/\b[A-Z][A-Z_]+\b/g) ?? []) };
}
