// Imports one file in this fresh process and says how many milliseconds that took: `node cold-import.mjs <file> [http]`.
// With `http`, Node's own HTTP client is loaded before: Lambda's runtime has done so when it imports a function.
import { pathToFileURL } from "node:url";

const [file, preload] = process.argv.slice(2);
if (preload === "http") process.getBuiltinModule("node:http");
const url = pathToFileURL(file).href;
const startedAt = performance.now();
await import(url);
const ms = performance.now() - startedAt;
// The function has begun to connect; nobody waits for that.
process.stdout.write(`${ms}\n`, () => process.exit(0));
