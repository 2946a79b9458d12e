import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { routes } from "../../../functions/routes.ts";
import type { Judge } from "../subject.ts";

/**
 * Who lets caches keep an answer. The edge keeps what a function's headers allow, so every file that functions are made of is
 * looked through: only what is for anyone may be kept, and nothing that changes something.
 */

/** What all answers say that say nothing else. */
const KEEPS_OUT = { file: "http/answer.ts", says: '"cache-control": "no-store"' };

/** Headers that CloudFront goes by, and what they say; in any spelling, since a header's name has none. */
const WORDS =
  /[\w-]*cache-control\b|\b(?:s-maxage|max-age|stale-while-revalidate|stale-if-error)\b|["'`]expires["'`]|\bexpires:/gi;

/** The words of caching in a file's code. Comments are none, and a text that is put together of parts is read as one. */
export function cacheWordsIn(code: string): string[] {
  const { code: bare } = transformSync(code, { loader: "ts", minifySyntax: true, legalComments: "none" });
  return bare.replaceAll(KEEPS_OUT.says, "").match(WORDS) ?? [];
}

const publicFiles: ReadonlySet<string> = new Set(
  routes
    .filter(({ contract }) => contract.who === "anyone" && contract.method === "GET")
    .map(({ file }) => `${file}.ts`),
);

export const cacheWords: Judge = ({ root }, findings) => {
  const folder = join(root, "functions");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  for (const file of files) {
    const code = readFileSync(join(folder, file), "utf8");
    if (file === KEEPS_OUT.file) {
      const both = code.split(KEEPS_OUT.says).length - 1;
      findings.equal(`functions/${file}`, "answers and refusals that keep caches out", both, 2);
    }
    if (publicFiles.has(file)) continue;
    const words = [...new Set(cacheWordsIn(code))];
    findings.that(
      `functions/${file}`,
      words.length === 0,
      `lets caches keep what is not for anyone: it says ${words.join(", ")}.`,
    );
  }
  // A handler that serves two routes would be public by one of them.
  const served = routes.map(({ file }) => file);
  findings.equal("functions/routes.ts", "files that serve one route each", new Set(served).size, served.length);
};
