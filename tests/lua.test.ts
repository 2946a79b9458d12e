import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type IssueReply, issueScript } from "../core/coupons/issue.ts";
import { armCampaign, changeCampaign, holding, release, settle, showCampaign } from "../core/coupons/scripts.ts";
import { GATE } from "../core/coupons/tally.ts";
import { keys, type ShardKeys, shardKeys } from "../core/keys.ts";
import "../core/operations/signals-server.ts";
import "../core/rankings/actors.ts";
import "../core/rankings/apply.ts";
import "../core/rankings/scripts.ts";
import "../core/rooms/gate.ts";
import "../core/rooms/scripts.ts";
import "../core/rooms/visit.ts";
import { type Script, scripts, UnexpectedReply } from "../core/lua.ts";
import { memberOf } from "../core/member.ts";
import { freePort } from "../local/child.ts";
import { eventually } from "./setup/client.ts";
import { startRedis, type TestRedis } from "./setup/redis.ts";

/**
 * Scripts against their declarations in TypeScript, and against a real server. TypeScript holds a caller to the declaration;
 * this holds the declaration to the script.
 */

const CORE = join(import.meta.dirname, "../core");

// ── Reading a script ────────────────────────────────────────────────────────────────────────────────────────────────────

interface Header {
  readonly keys: readonly { name: string; type: string }[];
  readonly args: readonly string[];
  /** Each reply's word with the names of the fields that always follow it. */
  readonly replies: readonly { word: string; fields: string[] }[];
}

const KEY_LINE = /^(?:KEYS| {4}) (\w+) +(string|hash|stream|set|zset|list) +\S/;
const ARG_LINE = /^(?:ARGV| {4}) (\w+) +\S/;

function splitText(text: string): { header: string[]; code: string[] } {
  const lines = text.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("--"));
  // A comment in the code is not code; no string of a script holds two dashes.
  const code = lines.slice(end).map((line) => line.replace(/--.*/, "").trimEnd());
  return { header: lines.slice(0, end).map((line) => line.replace(/^-- ?/, "")), code: code.filter(Boolean) };
}

/** The lines of the header's part that begins with a word, up to the next empty line or the next part. */
function part(header: readonly string[], first: string): string[] {
  const from = header.findIndex((line) => line.startsWith(first));
  if (from < 0) return [];
  const length = header.slice(from + 1).findIndex((line) => line === "" || /^[A-Z]/.test(line));
  return header.slice(from, length < 0 ? undefined : from + 1 + length);
}

function readHeader(header: readonly string[]): Header {
  const replies = part(header, "Replies:")
    .map((line) => line.replace("Replies:", "").trim())
    // A line that begins with `name:` explains a field.
    .filter((line) => !/^\w+:/.test(line))
    .flatMap((line) => line.split("|"))
    .map((reply) =>
      reply
        .replace(/\[.*\]\.\.\./, "")
        .trim()
        .split(" "),
    );
  return {
    keys: part(header, "KEYS").map((line) => ({
      name: KEY_LINE.exec(line)?.[1] ?? line,
      type: KEY_LINE.exec(line)?.[2] ?? "",
    })),
    args: part(header, "ARGV").map((line) => ARG_LINE.exec(line)?.[1] ?? line),
    replies: replies.map(([word = "", ...fields]) => ({ word, fields })),
  };
}

/** The names that a first line gives to KEYS or ARGV, each in its place; undefined for a line that does anything else. */
function namesIn(line: string | undefined, table: "KEYS" | "ARGV"): string[] | undefined {
  const [, left = "", right = ""] = /^local ([\w, ]+) = (.+)$/.exec(line ?? "") ?? [];
  const names = left.split(", ");
  const values = right.split(", ");
  const inOrder = values.every((value, i) => [`${table}[${i + 1}]`, `tonumber(${table}[${i + 1}])`].includes(value));
  return left !== "" && inOrder && names.length === values.length ? names : undefined;
}

/** Commands that read or write whatever is there, or anything but the keys that were given. */
const FORBIDDEN =
  /^(?:KEYS|SCAN|RANDOMKEY|FLUSH.*|SWAPDB|SELECT|MOVE|DBSIZE|EVAL.*|FCALL.*|SCRIPT|FUNCTION|CONFIG|DEBUG|MIGRATE|RESTORE|PUBLISH|SPUBLISH)$/i;

const KEYLESS = new Set(["TIME", "INFO"]);

/** What is wrong with a script. */
function faultsOf(script: Pick<Script<string, string, unknown>, "text" | "keys" | "args">): string[] {
  const faults: string[] = [];
  const { header: lines, code } = splitText(script.text);
  const header = readHeader(lines);
  const same = (what: string, found: readonly string[] | undefined, declared: readonly string[]) => {
    if (String(found) !== String(declared))
      faults.push(`${what}: [${found?.join()}], declared as [${declared.join()}]`);
  };

  if (!/^\S.*\.( |$)/.test(lines.slice(0, 2).join(" "))) faults.push("the header does not begin with a sentence");
  same(
    "KEYS in the header",
    header.keys.map((key) => key.name),
    script.keys,
  );
  for (const { name, type } of header.keys) if (type === "") faults.push(`the key's type is missing: ${name}`);
  same("ARGV in the header", header.args, script.args);

  same("KEYS in the first line", namesIn(code[0], "KEYS"), script.keys);
  if (script.args.length > 0) same("ARGV in the second line", namesIn(code[1], "ARGV"), script.args);
  const body = code.slice(script.args.length > 0 ? 2 : 1).join("\n");
  if (/\b(?:KEYS|ARGV)\b/.test(body)) faults.push("KEYS or ARGV is used behind the first lines");

  // What a function inside gives back is no reply.
  const replying = body.replace(/^local function [^\n]* end$|^local function [\s\S]*?^end$/gm, "");
  const listed = header.replies.map((reply) => reply.word);
  const returned = [...replying.matchAll(/\breturn\b *(.*)/g)].map(([, value = ""]) => {
    const name = /^\w+$/.exec(value.replace(/ end$/, ""))?.[0];
    const table = name === undefined ? value : (new RegExp(`\\blocal ${name} = (.*)`).exec(body)?.[1] ?? "");
    return /^\{ '([a-z-]+)'/.exec(table)?.[1] ?? `(${value})`;
  });
  for (const word of listed)
    if (!returned.includes(word)) faults.push(`the header lists a reply that is never given: ${word}`);
  for (const word of new Set(returned))
    if (!listed.includes(word)) faults.push(`the header does not list the reply: ${word}`);
  if (listed.length === 0) faults.push("the header lists no replies");
  if (new Set(listed).size < listed.length) faults.push("the header lists a reply twice");

  const calls = [...body.matchAll(/\b(?:redis\.)?p?call\(([^)]*)/g)].map(([, list = ""]) => list.split(/, */));
  for (const [command = "", ...rest] of calls) {
    const name = /^'(\w+)'$/.exec(command)?.[1];
    if (name === undefined) faults.push(`a command is computed: ${command}`);
    else if (FORBIDDEN.test(name)) faults.push(`a script must not call ${name}`);
    else {
      // These look at the server, not at a key.
      if (KEYLESS.has(name)) continue;
      const key = rest.find((argument) => !argument.startsWith("'"));
      // One of several that were given: `local tiers = { a, b }`, then `tiers[i]`.
      const [, list = ""] = /^(\w+)\[\w+\]$/.exec(key ?? "") ?? [];
      const [, listed = ""] = new RegExp(`^local ${list} = \\{ ([\\w, ]+) \\}$`, "m").exec(body) ?? [];
      if (list !== "" && listed !== "" && listed.split(", ").every((name) => script.keys.includes(name))) continue;
      if (key !== undefined && !script.keys.includes(key))
        faults.push(`${name} takes a key that was not given: ${key}`);
      if (key === undefined && rest.length > 0) faults.push(`${name} takes a key that is written out: ${rest.join()}`);
    }
  }
  // A digest is computed, not looked up: the same everywhere.
  if (/redis\.(?!(?:call|sha1hex)\b)\w+/.test(body)) faults.push("a script uses nothing of redis but call");
  return faults;
}

// ── Declarations ────────────────────────────────────────────────────────────────────────────────────────────────────────

const byName = scripts.map((script) => [script.name, script] as const);

/** Where each declared key comes from: core/keys.ts, by the name that scripts give it. */
const MAKERS: Readonly<Record<string, (campaignId: string) => string>> = {
  tally: keys.tally,
  anchor: keys.tally,
  about: keys.about,
  outbox: keys.outbox,
  flow: keys.flow,
  free: keys.free,
  bucket: (campaignId) => keys.holders(campaignId, 7),
  rules: keys.rules,
  state: keys.state,
  waiting: keys.waiting,
  beats: keys.beats,
  passes: keys.passes,
  numbers: keys.numbers,
  spent: keys.spent,
  // Of the rankings, a shard stands for the campaign, and a board.
  ...Object.fromEntries(
    (["origin", "fence", "marks", "slots", "products", "totals", "dirty", "claim", "built"] as const).map((name) => [
      name,
      (id: string) => shardOf(id)[name],
    ]),
  ),
  seen: (id) => shardOf(id).seen(1),
  from: (id) => shardOf(id, 2).products,
  minutes: (id) => shardOf(id).minutes(1),
  quarters: (id) => shardOf(id).quarters(1),
  hours: (id) => shardOf(id).hours(1),
  leaving: (id) => shardOf(id).minutes(1),
  into: (id) => shardOf(id).quarters(1),
  list: (id) => shardOf(id).scoring,
  remaining: (id) => shardOf(id).remaining("b", 1),
  ...Object.fromEntries(
    (["scores", "hour", "day", "week", "trending"] as const).map((name) => [
      name,
      (id: string) => shardOf(id).scores("b", 1, name),
    ]),
  ),
  oneFence: (id) => shardOf(id).fence,
  oneMarks: (id) => shardOf(id).marks,
  oneTotals: (id) => shardOf(id).totals,
  twoFence: (id) => shardOf(id, 2).fence,
  twoMarks: (id) => shardOf(id, 2).marks,
  twoTotals: (id) => shardOf(id, 2).totals,
  actors: (id) => keys.actors(id.length + id.charCodeAt(0), 1),
  capped: (id) => keys.capped(id.length + id.charCodeAt(0), 1, "batch"),
  pointer: (id) => keys.pointer(id, "1h"),
};

/** Keys under another name than core/keys.ts has for them: a script takes two of a kind, or one of several. */
const KINDS: Readonly<Record<string, string>> = {
  bucket: "holders",
  anchor: "tally",
  leaving: "minutes",
  into: "quarters",
  list: "scoring",
  from: "products",
  ...{ hour: "scores", day: "scores", week: "scores", trending: "scores" },
  ...{ oneFence: "fence", oneMarks: "marks", oneTotals: "totals" },
  ...{ twoFence: "fence", twoMarks: "marks", twoTotals: "totals" },
};

/** A shard that two ids do not share. */
function shardOf(id: string, edition = 1): ShardKeys {
  return shardKeys(id.length + id.charCodeAt(0), edition);
}

const placeOfShow = (campaignId: string) => ({
  tally: keys.tally(campaignId),
  about: keys.about(campaignId),
  free: keys.free(campaignId),
});

const keysOf = (script: Script<string, string, unknown>, campaignId: string): string[] =>
  script.keys.map((name) => MAKERS[name]?.(campaignId) ?? `no maker for ${name}`);

describe("the declarations", () => {
  test("cover every script of core, each by its file's name and with its file's text", () => {
    const files = globSync("**/*.lua", { cwd: CORE });
    expect(files.length).toBeGreaterThan(5);
    const declared = scripts.map(({ name, text }) => [name, text]).sort();
    const written = files.map((path) => [basename(path, ".lua"), readFileSync(join(CORE, path), "utf8")]).sort();
    expect(declared).toEqual(written);
  });

  describe.each(byName)("of %s.lua", (_name, script) => {
    test("agree with its header and its first lines, and no key is made inside it", () => {
      expect(faultsOf(script)).toEqual([]);
    });

    test("take every reply that its header lists, with its fields, and no other", () => {
      for (const { word, fields } of readHeader(splitText(script.text).header).replies) {
        expect(() => script.reply([word, ...fields.map((_, i) => i + 1)]), word).not.toThrow();
      }
      for (const raw of [["no-such-word"], [], null, "OK", 1, [1, "issued"]]) {
        expect(() => script.reply(raw), JSON.stringify(raw)).toThrow(UnexpectedReply);
      }
    });

    test("name the types that core/keys.ts gives its keys", () => {
      const table = readFileSync(join(CORE, "keys.ts"), "utf8");
      const typeOf = new Map(
        [...table.matchAll(/\| `fc:v1:\{(?:(?:room:|board:)?id\}|rank:n\}(?::e)?):(\w+)\S*` \| (\w+) \|/g)].map(
          ([, name, type]) => [name, type],
        ),
      );
      for (const { name, type } of readHeader(splitText(script.text).header).keys) {
        expect(type, name).toBe(typeOf.get(KINDS[name] ?? name));
      }
    });
  });
});

// ── The checker ─────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("the checker", () => {
  const SOUND = `-- Takes one of what is there.
--
-- KEYS tally    string  packed
--      outbox   stream  entries
-- ARGV ticket           a number
--      user             a name
--
-- Replies: taken count | missing
--          gone version
--          count: so many
local tally, outbox = KEYS[1], KEYS[2]
local ticket, user = tonumber(ARGV[1]), ARGV[2]
local call = redis.call

if call('EXISTS', tally) == 0 then return { 'missing' } end -- KEYS[3]
local reply = { 'taken', 1 }
call('XGROUP', 'CREATE', outbox, 'sweep', '0', 'MKSTREAM')
if redis.call('TIME')[1] == user then return { 'gone', ticket } end
return reply
`;
  const declared = { keys: ["tally", "outbox"], args: ["ticket", "user"] };

  test("takes a script that says what is declared", () => {
    expect(faultsOf({ text: SOUND, ...declared })).toEqual([]);
    expect(readHeader(splitText(SOUND).header)).toEqual({
      keys: [
        { name: "tally", type: "string" },
        { name: "outbox", type: "stream" },
      ],
      args: ["ticket", "user"],
      replies: [
        { word: "taken", fields: ["count"] },
        { word: "missing", fields: [] },
        { word: "gone", fields: ["version"] },
      ],
    });
  });

  const declarations: [string, string[], string[]][] = [
    ["keys in another order", ["outbox", "tally"], ["ticket", "user"]],
    ["a key more", ["tally", "outbox", "flow"], ["ticket", "user"]],
    ["a key less", ["tally"], ["ticket", "user"]],
    ["arguments in another order", ["tally", "outbox"], ["user", "ticket"]],
    ["an argument more", ["tally", "outbox"], ["ticket", "user", "key"]],
    ["no arguments", ["tally", "outbox"], []],
  ];
  test.each(declarations)("reports a declaration with %s", (_, names, args) => {
    expect(faultsOf({ text: SOUND, keys: names, args })).not.toEqual([]);
  });

  const edits: [string, string, string][] = [
    ["swapped keys in the first line", "KEYS[1], KEYS[2]", "KEYS[2], KEYS[1]"],
    ["swapped names in the first line", "local tally, outbox", "local outbox, tally"],
    ["swapped arguments", "tonumber(ARGV[1]), ARGV[2]", "tonumber(ARGV[2]), ARGV[1]"],
    ["an argument changed on its way", "tonumber(ARGV[1])", "1 + ARGV[1]"],
    ["KEYS used again", "'EXISTS', tally", "'EXISTS', KEYS[1]"],
    ["ARGV used again", "{ 'gone', ticket }", "{ 'gone', ARGV[1] }"],
    ["ARGV used whole", "{ 'gone', ticket }", "{ 'gone', #ARGV }"],
    ["a key that the header lacks", "--      outbox   stream  entries\n", ""],
    ["a key without type", "string  packed", "packed"],
    ["an argument that the header lacks", "--      user             a name\n", ""],
    ["an argument without a word about it", "user             a name", "user"],
    ["keys in another order in the header", "KEYS tally    string  packed", "KEYS flow     string  packed"],
    ["no Replies line", "Replies: ", "Answers: "],
    ["a reply that the header lacks", " | missing", ""],
    ["a reply that is never given", " | missing", " | missing | closed"],
    ["a reply listed twice", " | missing", " | missing | missing"],
    ["a reply without a word", "{ 'missing' }", "0"],
    ["a reply whose word is computed", "{ 'missing' }", "{ user }"],
    ["a reply in a variable with another word", "local reply = { 'taken'", "local reply = { 'given'"],
    ["a header without a sentence", "Takes one of what is there.", ""],
    ["KEYS *", "call('EXISTS', tally)", "#call('KEYS', '*')"],
    ["SCAN", "'EXISTS', tally", "'SCAN', '0'"],
    ["FLUSHALL", "redis.call('TIME')[1]", "redis.call('FLUSHALL')"],
    ["a key made inside", "'EXISTS', tally", "'EXISTS', tally .. user"],
    ["a key written out", "'EXISTS', tally", "'EXISTS', 'fc:v1:campaigns'"],
    ["a key from an argument", "'EXISTS', tally", "'EXISTS', user"],
    ["a key from a list that was not given", "call('EXISTS', tally)", "call('EXISTS', list[1])"],
    ["a command that is computed", "call('EXISTS', tally)", "call(user, tally)"],
    ["pcall, which would hide an error", "redis.call('TIME')", "redis.pcall('TIME')"],
  ];
  test.each(edits)("reports %s", (_, from, to) => {
    expect(SOUND).toContain(from);
    expect(faultsOf({ text: SOUND.replace(from, to), ...declared })).not.toEqual([]);
  });
});

// ── A real server ───────────────────────────────────────────────────────────────────────────────────────────────────────

describe("in a real server", () => {
  let redis: TestRedis;
  beforeAll(async () => {
    // A cluster of one, so that the server itself says which slot a key has, and minds when a script's keys have several.
    redis = await startRedis(["--cluster-enabled", "yes", "--cluster-port", String(await freePort())]);
    await redis.door.command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383);
    await eventually(
      async () => String(await redis.door.command("CLUSTER", "INFO")),
      (seen) => seen.includes("cluster_state:ok"),
    );
  });
  afterAll(() => redis?.stop());

  test.each(byName)("%s.lua loads, under the digest that callers use", async (_name, { text }) => {
    const digest = createHash("sha1").update(text).digest("hex");
    expect(await redis.door.command("SCRIPT", "LOAD", text)).toBe(digest);
  });

  test.each(byName)("the keys of %s.lua share one slot, and two campaigns need not", async (_name, script) => {
    const slotOf = async (key: string) => Number(await redis.door.command("CLUSTER", "KEYSLOT", key));
    const slots = await Promise.all(keysOf(script, "spring-sale").map(slotOf));
    expect(new Set(slots).size).toBe(1);
    const others = await Promise.all(keysOf(script, "autumn-sale").map(slotOf));
    expect(others).not.toContain(slots[0]);
  });

  test("a server refuses a script whose keys lie in two slots", async () => {
    const wrong = { ...placeOfShow("spring-sale"), about: keys.about("autumn-sale") };
    await expect(redis.door.run(showCampaign, wrong, {})).rejects.toThrow("CROSSSLOT");
  });
});

describe("what a script says it only reads", () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());

  const HOUR = 3_600_000;
  const place = (campaignId: string) => ({
    tally: keys.tally(campaignId),
    about: keys.about(campaignId),
    bucket: keys.holders(campaignId, 0),
    outbox: keys.outbox(campaignId),
    flow: keys.flow(campaignId),
    free: keys.free(campaignId),
  });

  interface Made {
    readonly stock?: number;
    readonly opensAt?: number;
    readonly closesAt?: number;
    readonly armed?: boolean;
  }

  async function make(campaignId: string, made: Made = {}): Promise<void> {
    const { stock = 3, opensAt = Date.now() - HOUR, closesAt = Date.now() + HOUR, armed = true } = made;
    const args = {
      stock,
      opensAt,
      closesAt,
      base: Date.now() - 24 * HOUR,
      definition: "{}",
      filling: "0123456789abcdef",
      epoch: 3,
    };
    await redis.door.run(armCampaign, place(campaignId), { step: "create", ...args });
    if (armed) await redis.door.run(armCampaign, place(campaignId), { step: "arm", ...args });
  }

  const askArgs = (user: string, key = "", perUser = 1) => ({
    member: memberOf(user),
    user,
    key: key === "" ? "" : createHash("sha256").update(key).digest().subarray(0, 8),
    perUser,
    replayOnly: "",
  });
  const ask = (campaignId: string, user: string, key = "", replayOnly = ""): Promise<IssueReply> =>
    redis.door.run(issueScript, place(campaignId), { ...askArgs(user, key), replayOnly });

  const info = async (section: string) => String(await redis.door.command("INFO", section));
  const figure = (text: string, name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(text)?.[1]);

  /** Everything that a write would change: the server's count of changes, the number of keys, and each key to the byte. */
  async function picture(): Promise<unknown> {
    const names = ((await redis.door.command("KEYS", "*")) as string[]).sort();
    const dumps = await redis.door.commands(names.map((name) => ["DUMP", name] as const));
    return {
      changes: figure(await info("persistence"), "rdb_changes_since_last_save"),
      keys: await redis.door.command("DBSIZE"),
      contents: names.map((name, i) => [name, String((dumps[i] as Buffer).toString("hex"))]),
    };
  }

  /** The commands that the server has run since, and which of them may write. */
  async function commandsOf(work: () => Promise<unknown>): Promise<{ all: string[]; writing: string[] }> {
    await redis.door.command("CONFIG", "RESETSTAT");
    await work();
    const stats = await info("commandstats");
    const all = [...stats.matchAll(/^cmdstat_([^:|]+)/gm)].map(([, name = ""]) => name);
    // `evalsha` may write, depending on the script: what the script called stands there by its own name.
    const called = all.filter((name) => !["evalsha", "eval", "config", "info"].includes(name));
    const facts = (await redis.door.command("COMMAND", "INFO", ...called)) as [string, number, string[]][];
    return { all: called, writing: facts.filter(([, , flags]) => flags.includes("write")).map(([name]) => name) };
  }

  async function expectReadOnly(work: () => Promise<unknown>): Promise<void> {
    // Loaded ahead, as it is in a server that has been asked before.
    await work();
    const before = await picture();
    const { all, writing } = await commandsOf(work);
    expect(all).toContain("get");
    expect(writing).toEqual([]);
    expect(await picture()).toEqual(before);
  }

  test("a write shows: an issued coupon changes the count of changes, the keys, and names its commands", async () => {
    await make("writes");
    await ask("writes", "first");
    const before = await picture();
    const { writing } = await commandsOf(() => ask("writes", "second"));
    expect(writing.sort()).toEqual(["hset", "setrange", "xadd"]);
    expect(await picture()).not.toEqual(before);
  });

  test("every key of a campaign has the type that the headers name", async () => {
    await make("types");
    const reply = await ask("types", "holder");
    if (reply.word !== "issued") throw new Error(`not issued: ${reply.word}`);
    const given = { member: memberOf("holder"), nth: 1, ticket: 1, issuedAt: Number(reply.outboxId.split("-")[0]) };
    expect(await redis.door.run(release, place("types"), { ...given, refill: 1 })).toBe("released");
    await redis.door.run(settle, place("types"), { ids: reply.outboxId, windowMs: 1_000, etaMostMs: 1_000 });
    const places: Readonly<Record<string, string>> = place("types");
    for (const script of scripts) {
      for (const { name, type } of readHeader(splitText(script.text).header).keys) {
        const key = places[name];
        // A room's keys: tests/rooms.test.ts looks at those.
        if (key === undefined) continue;
        expect(await redis.door.command("TYPE", key), `${script.name}: ${name}`).toBe(type);
      }
    }
  });

  const show = (campaignId: string) => redis.door.run(showCampaign, place(campaignId), {});
  const hold = (campaignId: string, user: string) =>
    redis.door.run(holding, place(campaignId), { member: memberOf(user), perUser: 2, scan: 10 });

  test("showing a campaign writes nothing, whether it is there or not", async () => {
    await make("shown");
    await ask("shown", "holder");
    expect(await show("shown")).toMatchObject({ word: "found", tally: { issued: 1, stock: 3 } });
    await expectReadOnly(() => show("shown"));
    expect(await show("never-made")).toEqual({ word: "missing" });
    await expectReadOnly(() => show("never-made"));
  });

  test("telling what a user holds writes nothing, for a holder, for a stranger, and for no campaign", async () => {
    await make("held");
    await ask("held", "holder");
    expect(await hold("held", "holder")).toMatchObject({ word: "found", coupons: [{ ticket: 1, pending: true }] });
    await expectReadOnly(() => hold("held", "holder"));
    expect(await hold("held", "stranger")).toMatchObject({ word: "found", coupons: [] });
    await expectReadOnly(() => hold("held", "stranger"));
    expect(await hold("never-made", "holder")).toEqual({ word: "missing" });
    await expectReadOnly(() => hold("never-made", "holder"));
  });

  test("Redis itself lets both run where every write is refused", async () => {
    await make("refusing");
    await ask("refusing", "holder");
    const run = (script: Script<string, string, unknown>, ...args: (string | Buffer)[]) => {
      const names = script.keys.map((name) => (place("refusing") as Record<string, string>)[name] ?? "");
      return redis.door.command("EVAL_RO", script.text, names.length, ...names, ...args);
    };
    expect(await run(showCampaign)).toEqual(expect.arrayContaining(["found", 3, 1]));
    expect(await run(holding, memberOf("holder"), "2", "10")).toEqual(expect.arrayContaining(["found", 1]));
    await expect(run(issueScript, memberOf("new"))).rejects.toThrow("read-only");
  });

  const replays: [string, string][] = [
    ["without a key", ""],
    ["with the key of the first time", "k"],
  ];
  test.each(replays)("a repeated request %s is answered again without a write", async (_, key) => {
    const id = `replay${key}`;
    await make(id);
    expect(await ask(id, "holder", key)).toMatchObject({ word: "issued", ticket: 1 });
    expect(await ask(id, "holder", key)).toMatchObject({ word: "replayed", ticket: 1 });
    await expectReadOnly(() => ask(id, "holder", key));
  });

  /** How to bring a campaign to where it refuses a stranger with each word. */
  const refusals: Readonly<
    Record<Exclude<IssueReply["word"], "issued" | "replayed" | "pass-required">, (id: string) => Promise<unknown>>
  > = {
    missing: async () => {},
    recovering: (id) => make(id, { armed: false }),
    "not-open": (id) => make(id, { opensAt: Date.now() + HOUR, closesAt: Date.now() + 2 * HOUR }),
    "sold-out": async (id) => {
      await make(id, { stock: 1 });
      await ask(id, "somebody");
    },
    "limit-reached": async (id) => {
      await make(id);
      await ask(id, "stranger", "another key");
    },
    closed: async (id) => {
      await make(id, { closesAt: Date.now() - 1 });
      // The first caller after the end latches it, and that is a write.
      const before = await picture();
      expect(await ask(id, "somebody")).toEqual({ word: "closed" });
      expect(await picture()).not.toEqual(before);
    },
    paused: async (id) => {
      await make(id);
      const args = { stock: 3, opensAt: Date.now() - HOUR, closesAt: Date.now() + HOUR, definition: "{}" };
      await redis.door.run(changeCampaign, place(id), { version: 2, paused: 1, ...args });
    },
  };

  test.each(Object.keys(refusals) as (keyof typeof refusals)[])("the refusal %s writes nothing", async (word) => {
    const id = `refused-${word}`;
    await refusals[word](id);
    const refused = () => ask(id, "stranger", "key");
    expect(await refused()).toMatchObject({ word });
    await expectReadOnly(refused);
  });

  test("whoever may only hear an earlier answer hears that, or that a pass is needed, and nothing is written", async () => {
    await make("earlier");
    await ask("earlier", "holder", "key");
    const again = (user: string) => ask("earlier", user, "key", "1");
    expect(await again("holder")).toMatchObject({ word: "replayed", ticket: 1 });
    expect(await again("stranger")).toEqual({ word: "pass-required" });
    await expectReadOnly(() => again("stranger"));
    await expectReadOnly(() => again("holder"));
  });

  test("a campaign that is fenced refuses without a write", async () => {
    await make("fenced");
    await redis.door.command("SETRANGE", keys.tally("fenced"), 8, Buffer.of(GATE.fenced));
    expect(await ask("fenced", "stranger")).toEqual({ word: "recovering" });
    await expectReadOnly(() => ask("fenced", "stranger"));
  });

  test("the refusals above are all that the script's header lists", () => {
    const listed = readHeader(splitText(issueScript.text).header).replies.map((reply) => reply.word);
    expect([...Object.keys(refusals), "issued", "replayed", "pass-required"].sort()).toEqual(listed.sort());
  });
});
