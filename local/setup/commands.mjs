/**
 * A program is a script and its arguments for Node 24. Where `forwards` is set it also gets the words a user typed
 * after the command's name.
 *
 * @typedef {{ args: string[], forwards: boolean }} Program
 *
 * @typedef {object} Command
 * @property {string} typed What a newcomer types.
 * @property {string} summary
 * @property {boolean} redis Whether a Redis or Valkey server must be at hand.
 * @property {boolean} [chromium] Whether a Chromium is wanted; it goes on without one.
 * @property {Program[]} programs Run one after another, all of them even when one fails.
 */

/** @param {string} file */
const typescript = (file) => ({ args: ["--import", "./local/register.mjs", file], forwards: true });

/**
 * The commands, in the order in which the usage lists them.
 *
 * @type {Record<string, Command>}
 */
export const commands = {
  start: {
    typed: "npm start",
    summary: "run the whole system on this machine",
    redis: true,
    programs: [typescript("local/start.ts")],
  },
  test: {
    typed: "npm test",
    summary: "run the tests, against a real Redis and in a real browser",
    redis: true,
    chromium: true,
    programs: [{ args: ["node_modules/vitest/vitest.mjs", "run"], forwards: true }],
  },
  check: {
    typed: "npm run check",
    summary: "check style and types (words after -- go to Biome)",
    redis: false,
    programs: [
      { args: ["node_modules/@biomejs/biome/bin/biome", "check", "."], forwards: true },
      { args: ["node_modules/typescript/bin/tsc", "-p", "."], forwards: false },
      { args: ["node_modules/typescript/bin/tsc", "-p", "web/console"], forwards: false },
    ],
  },
  "check:infra": {
    typed: "npm run check:infra",
    summary: "check what is deployed, without an AWS account",
    redis: false,
    programs: [typescript("local/infra/main.ts")],
  },
  capacity: {
    typed: "npm run capacity",
    summary: "say what an expected event would break first",
    redis: false,
    programs: [typescript("local/infra/capacity.ts")],
  },
  model: {
    typed: "npm run model",
    summary: "predict an opening of 10,000 and 100,000 a second in AWS, on paper",
    redis: true,
    programs: [typescript("local/model/main.ts")],
  },
  rush: {
    typed: "npm run rush",
    summary: "let a crowd rush for one campaign and count the coupons",
    redis: true,
    programs: [typescript("local/rush/main.ts")],
  },
  chaos: {
    typed: "npm run chaos",
    summary: "break the whole system at random in the middle of rushes, and count the coupons",
    redis: true,
    programs: [typescript("local/chaos/main.ts")],
  },
  crowd: {
    typed: "npm run crowd",
    summary: "let a crowd live in a waiting room, and judge what it saw",
    redis: true,
    programs: [typescript("local/crowd/main.ts")],
  },
  shop: {
    typed: "npm run shop",
    summary: "hold a shop's day in minutes, and compare its rankings with a recount",
    redis: true,
    programs: [typescript("local/shop/main.ts")],
  },
  load: {
    typed: "npm run load",
    summary: "run a k6 script against the system",
    redis: true,
    programs: [typescript("local/load/main.ts")],
  },
  bench: {
    typed: "npm run bench",
    summary: "measure the parts one by one",
    redis: true,
    programs: [typescript("local/bench/main.ts")],
  },
  setup: {
    typed: "node local/launch.mjs setup",
    summary: "only bring what the others need: Redis, Node 24, dependencies",
    redis: true,
    programs: [],
  },
};

const variables = {
  FIRSTCOME_REDIS_URL: "a running Redis or Valkey to use (redis://host:port) instead of starting one",
  FIRSTCOME_REDIS_SERVER: "the valkey-server or redis-server binary to start, 7.0 or later",
  FIRSTCOME_SQS_ENDPOINT: "an SQS endpoint to use instead of the embedded one",
  FIRSTCOME_DYNAMODB_ENDPOINT: "a DynamoDB endpoint to use instead of the embedded one",
  FIRSTCOME_DATA: "a folder that keeps the state from one start to the next",
  FIRSTCOME_STACK: "the file that says what runs where, for a second stack beside the first",
  FIRSTCOME_CHROMIUM: "the Chromium or Chrome that tests the console",
  FIRSTCOME_K6: "the k6 to use for npm run load",
  PORT: "the port of the HTTP API",
};

/**
 * The text that `--help` prints: every command and every environment variable with one line.
 *
 * @returns {string}
 */
export function usage() {
  const entries = Object.values(commands).map(
    ({ typed, summary }) => /** @type {[string, string]} */ ([typed, summary]),
  );
  return [
    "Commands (each brings what it needs on its first run):",
    ...table(entries),
    "",
    "Options of a command come after --, for example: npm run rush -- --help",
    "",
    "Environment variables:",
    ...table(Object.entries(variables)),
    "",
  ].join("\n");
}

/** @param {[string, string][]} entries */
function table(entries) {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`);
}
