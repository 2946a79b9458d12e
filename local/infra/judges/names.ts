import { readFileSync } from "node:fs";
import { join } from "node:path";
import { linksOf } from "../env-types.ts";
import type { Judge } from "../subject.ts";

/** Names: what is deployed, what the functions ask for, and what the laptop's stack gives them are called the same. */

/** Names in a block of TypeScript, one to a line. */
function namesIn(root: string, file: string, block: RegExp, name: RegExp): string[] {
  const found = block.exec(readFileSync(join(root, file), "utf8"))?.[1];
  if (found === undefined) throw new Error(`${file}: the names of what is linked are no longer found by ${block}.`);
  return [...found.matchAll(name)].map(([, it = ""]) => it);
}

export const names: Judge = ({ root, graph }, findings) => {
  // SST gives every component a name to link to; nothing is linked to these.
  const unlinked = ["sst.aws.ApiGatewayV2", "sst.aws.SnsTopic", "sst.aws.Function"];
  const deployed = Object.entries(linksOf(graph))
    .filter(([, { type }]) => !unlinked.includes(String(type)))
    .map(([name]) => name);
  const asked = namesIn(
    root,
    "functions/stores/settings.ts",
    /interface Linked \{\n([\s\S]*?)\n\}/,
    /^ {2}readonly (\w+):/gm,
  );
  const local = namesIn(root, "local/stack.ts", /const linked = \{\n([\s\S]*?)\n {4}\};/, /^ {6}(\w+):/gm);
  findings.same("infra/", "what functions/stores/settings.ts asks for", deployed, asked);
  findings.same(
    "local/stack.ts",
    "what the laptop's stack links",
    local.filter((name) => name !== "App"),
    asked,
  );
};
