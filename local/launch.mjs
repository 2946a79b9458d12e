// The one entry of every npm script. It must run on whatever Node a newcomer has, so it and local/setup/ are plain
// JavaScript without dependencies; everything else in this repo may count on Node 24.
import { launch } from "./setup/launch.mjs";
import { thisMachine } from "./setup/machine.mjs";

process.exitCode = await launch(process.argv.slice(2), thisMachine());
