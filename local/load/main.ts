import { fileURLToPath } from "node:url";
import { load } from "./load.ts";

process.exitCode = await load(process.argv.slice(2), {
  root: fileURLToPath(new URL("../../", import.meta.url)),
  env: process.env,
  answer: (text) => process.stdout.write(text),
  say: (line) => process.stderr.write(`${line}\n`),
  progressEveryMs: 5_000,
  isWatched: process.stdout.isTTY === true,
});
