/** DynamoDB for the laptop: dynalite as a process of its own. `--data DIR` keeps tables on disk. */
import type { Server } from "node:http";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { runEmulator } from "../emulator.ts";

const dynalite = createRequire(import.meta.url)("dynalite") as (options: object) => Server;

const { values } = parseArgs({ options: { port: { type: "string" }, data: { type: "string" } } });
const server = dynalite({
  ...(values.data ? { path: values.data } : {}),
  createTableMs: 0,
  deleteTableMs: 0,
  updateTableMs: 0,
});
runEmulator(server, values.port);
