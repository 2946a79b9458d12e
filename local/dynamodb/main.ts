/**
 * DynamoDB for the laptop: dynalite as a process of its own. `--data DIR` keeps tables on disk.
 * Prints one line of JSON with its endpoint when it listens; ends with its parent.
 */
import type { Server } from "node:http";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const dynalite = createRequire(import.meta.url)("dynalite") as (options: object) => Server;

const { values } = parseArgs({ options: { port: { type: "string" }, data: { type: "string" } } });
const server = dynalite({
  ...(values.data ? { path: values.data } : {}),
  createTableMs: 0,
  deleteTableMs: 0,
  updateTableMs: 0,
});
const stop = () => server.close(() => process.exit(0));
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
process.on("disconnect", () => process.exit(0));
server.keepAliveTimeout = 60_000;
server.listen(Number(values.port ?? 0), "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  console.log(JSON.stringify({ endpoint: `http://127.0.0.1:${port}` }));
  process.send?.({ ready: true });
});
