/**
 * CloudWatch's metrics for the laptop as a process of its own: GetMetricData over what the functions have written into the log.
 * `--log FILE` is that log.
 */
import { parseArgs } from "node:util";
import { runEmulator } from "../emulator.ts";
import { cloudwatchServer } from "./server.ts";

const { values } = parseArgs({ options: { port: { type: "string" }, log: { type: "string" } } });
runEmulator(cloudwatchServer(values.log ?? ""), values.port);
