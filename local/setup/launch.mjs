import { dirname, join } from "node:path";
import { ensureChromium } from "./chromium.mjs";
import { commands, usage } from "./commands.mjs";
import { envWithPath } from "./machine.mjs";
import { ensureNode24 } from "./node24.mjs";
import { installPackages } from "./packages.mjs";
import { ensureRedis } from "./redis.mjs";
import { Interrupted, runInTerminal, SetupError } from "./run.mjs";

/** @typedef {import("./machine.mjs").Machine} Machine */

/**
 * Brings what a command needs, then runs it with Node 24. On a prepared machine nothing is brought and nothing said.
 *
 * @param {string[]} argv The command's name and the words for it.
 * @param {Machine} machine
 * @returns {Promise<number>} The exit status: the command's own, 1 when something could not be brought, 2 when the
 *   command is unknown, 128 + the signal's number when it was stopped.
 */
export async function launch(argv, machine) {
  const [name = "", ...words] = argv;
  if (["--help", "-h", "help"].includes(name)) {
    machine.stdout.write(usage());
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) {
    machine.stderr.write(`${name ? `There is no command "${name}".\n\n` : ""}${usage()}`);
    return 2;
  }
  try {
    // Redis comes first: if the user has to do something about it, they learn it before a long download.
    const redis = command.redis ? await ensureRedis(machine) : undefined;
    const node = await ensureNode24(machine);
    await installPackages(machine, machine.root, node, "Installing the dependencies");
    if (name === "setup") machine.stderr.write("Everything is in place.\n");
    const chromium = command.chromium ? await ensureChromium(machine) : undefined;
    return await runPrograms(machine, command, words, node, { redis, chromium });
  } catch (error) {
    if (error instanceof Interrupted) return error.status;
    if (!(error instanceof SetupError)) throw error;
    machine.stderr.write(`${error.message}\n`);
    return 1;
  }
}

/**
 * @param {Machine} machine
 * @param {import("./commands.mjs").Command} command
 * @param {string[]} words
 * @param {string} node
 * @param {{ redis: string | undefined, chromium: string | undefined }} binaries
 */
async function runPrograms(machine, command, words, node, { redis, chromium }) {
  const env = envWithPath(machine, [dirname(node), join(machine.root, "node_modules", ".bin")]);
  if (redis) env.FIRSTCOME_REDIS_SERVER = redis;
  if (chromium) env.FIRSTCOME_CHROMIUM = chromium;
  let status = 0;
  for (const { args, forwards } of command.programs) {
    const program = await runInTerminal(node, forwards ? [...args, ...words] : args, { cwd: machine.root, env });
    status ||= program.status;
    if (program.stopped) break;
  }
  return status;
}
