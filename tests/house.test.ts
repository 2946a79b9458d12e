import { readdirSync, readFileSync } from "node:fs";
import { join, posix, relative, sep } from "node:path";
import { describe, expect, test } from "vitest";
import { STATUS } from "../functions/http/status.ts";
import { consumers, fallbackFile, routes, schedules } from "../functions/routes.ts";

/**
 * The house's style where a machine can judge it. Each checker takes files as data, so that it is itself held by samples:
 * a checker that finds nothing would otherwise look like a clean house.
 */

/** Files by their path from the project's root, with `/` on every system. */
type Files = ReadonlyMap<string, string>;

const ROOT = join(import.meta.dirname, "..");
const ROOMS = ["core", "functions", "infra", "local", "web", "tests", "k6"] as const;
/** This file spells out what is banned, so the words of its texts are not held against it. */
const SELF = "tests/house.test.ts";

function readHouse(): Files {
  const files = new Map<string, string>();
  const enter = (folder: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && entry.name !== "node_modules") enter(path);
      if (entry.isFile() && /\.(tsx?|js|mjs)$/.test(entry.name)) {
        files.set(relative(ROOT, path).split(sep).join("/"), readFileSync(path, "utf8"));
      }
    }
  };
  for (const room of ROOMS) enter(join(ROOT, room));
  for (const name of readdirSync(ROOT)) {
    // SST writes this one.
    if (name.endsWith(".ts") && name !== "sst-env.d.ts") files.set(name, readFileSync(join(ROOT, name), "utf8"));
  }
  return files;
}

const house = readHouse();

// ── Reading code ────────────────────────────────────────────────────────────────────────────────────────────────────────

const COMMENT = /\/\/[^\n]*|\/\*.*?\*\//sy;
const STRING = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/sy;
const REGEXP = /\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;
/** The rest of a template literal: to its end, or to its next hole. */
const TEMPLATE = /(?:\\.|\$(?!\{)|[^`\\$])*(?:`|\$\{)/sy;
/** After these a slash divides. */
const VALUE = /[\w$)\]}"'`]$/;
const KEYWORD = /\b(?:return|typeof|case|in|of|do|else|void|throw|await|yield)$/;

const blank = (text: string) => text.replace(/[^\n]/g, " ");

/** The code without comments and without the contents of strings: blanks instead, so that every place keeps its offset. */
function codeOf(text: string): string {
  let code = "";
  /** For each template literal whose hole we are in, the braces that are open in that hole. */
  const holes: number[] = [];
  const next = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = code.length;
    return pattern.exec(text)?.[0];
  };
  const template = () => {
    const rest = next(TEMPLATE) ?? text.slice(code.length);
    const isHole = rest.endsWith("${");
    code += blank(rest.slice(0, isHole ? -2 : -1)) + rest.slice(isHole ? -2 : -1);
    if (isHole) holes.push(0);
  };
  while (code.length < text.length) {
    const char = text.charAt(code.length);
    const before = code.trimEnd();
    const comment = char === "/" ? next(COMMENT) : undefined;
    const string = char === '"' || char === "'" ? next(STRING) : undefined;
    const regexp = char === "/" && (!VALUE.test(before) || KEYWORD.test(before)) ? next(REGEXP) : undefined;
    const depth = holes.at(-1);
    if (comment !== undefined) code += blank(comment);
    else if (string !== undefined) code += char + blank(string.slice(1, -1)) + char;
    else if (regexp !== undefined) code += `/${blank(regexp.slice(1, -1))}/`;
    else {
      code += char;
      if (char === "`") template();
      else if (depth !== undefined && char === "{") holes.splice(-1, 1, depth + 1);
      else if (depth !== undefined && char === "}") {
        holes.pop();
        if (depth === 0) template();
        else holes.push(depth - 1);
      }
    }
  }
  return code;
}

interface Import {
  /** Undefined where it is computed. */
  readonly specifier: string | undefined;
  /** Gone when the code runs. */
  readonly typeOnly: boolean;
  readonly line: number;
}

const FROM = /\b(?:import|export)\s+(type\s+)?(?:[\w$]+\s*,?\s*)?(?:\*(?:\s+as\s+[\w$]+)?|\{[^}]*\})?\s*from\s*(?=["'])/
  .source;
const IMPORT = new RegExp(String.raw`${FROM}|\bimport\s*(?=["'])|(?<!\.)\b(?:import|require)\s*\(\s*`, "g");

const lineAt = (text: string, offset: number) => text.slice(0, offset).split("\n").length;

/** Everything that a file imports or exports from elsewhere, dynamic imports and imports of types included. */
function importsOf(text: string): Import[] {
  const code = codeOf(text);
  return [...code.matchAll(IMPORT)].map((match) => {
    const at = match.index + match[0].length;
    const quote = code.charAt(at);
    const specifier = quote === '"' || quote === "'" ? text.slice(at + 1, code.indexOf(quote, at + 1)) : undefined;
    return { specifier, typeOnly: match[1] !== undefined, line: lineAt(text, match.index) };
  });
}

const isOurs = (specifier: string) => /^\.\.?\//.test(specifier);
const resolve = (from: string, specifier: string) => posix.join(posix.dirname(from), specifier);
const packageOf = (specifier: string) => (/^(?:@[^/]+\/)?[^/]+/.exec(specifier) ?? [""])[0];

// ── Directions ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const roomOf = (path: string) => (path.includes("/") ? (path.split("/")[0] ?? "") : "root");
/** Core's rooms within: its root, the doors, the operations, and each domain. */
const areaOf = (path: string) => (path.split("/").length === 2 ? "root" : (path.split("/")[1] ?? ""));

const MAY_ENTER: Readonly<Record<string, readonly string[]>> = {
  core: ["core"],
  functions: ["functions", "core"],
  infra: ["infra"],
  local: ["local", "infra", "functions", "core", "web"],
  web: ["web"],
  tests: ["tests", "k6", "web", "local", "infra", "functions", "core", "root"],
  k6: ["k6"],
  root: ["infra"],
};

/** Why one file of the house must not import another. */
function whyNot(from: string, to: string, typeOnly: boolean): string | undefined {
  const [room, target] = [roomOf(from), roomOf(to)];
  if (room === "infra" && to === "functions/routes.ts") return undefined;
  if (from.startsWith("web/console/")) return whyNotConsole(from, to, typeOnly);
  if (!MAY_ENTER[room]?.includes(target)) return `${room} must not know ${target}`;
  if (room !== "core") return undefined;
  const [area, other] = [areaOf(from), areaOf(to)];
  if (area === other || other === "root")
    return area === "doors" && other === "doors" ? "a door opens alone" : undefined;
  if (area === "doors") return "a door knows core's root files only";
  if (other === "doors")
    return typeOnly ? undefined : "stores arrive in the context: only a door's types may be imported";
  return area === "operations" ? undefined : `only core/operations may look at ${other} from outside`;
}

/** The console knows the API by its contracts: their types everywhere, the schemas themselves in forms only, where a visit loads them late. */
function whyNotConsole(from: string, to: string, typeOnly: boolean): string | undefined {
  if (roomOf(to) === "web" || typeOnly) return undefined;
  if (!to.startsWith("functions/contract/")) return "the console knows the API by its contracts only";
  return from.endsWith("-form.tsx") ? undefined : "schemas get into the page with a form only";
}

/** What the console is made of; a page of a shop brings nothing along. */
const CONSOLE_VENDORS = ["preact", "@preact/signals", "uplot", "oauth4webapi"];

/** Vendors by name: the files (or folders, ending in `/`) that may import them, and the rooms for which that holds. */
const VENDORS: Readonly<Record<string, { doors: readonly string[]; rooms: readonly string[] }>> = {
  ioredis: { doors: ["core/doors/redis.ts", "local/bench/", "tests/"], rooms: [...ROOMS, "root"] },
  "@aws-sdk/client-sqs": { doors: ["core/doors/sqs.ts"], rooms: ["core", "functions"] },
  "@aws-sdk/client-cloudwatch": { doors: ["core/doors/cloudwatch.ts"], rooms: ["core", "functions"] },
  "@aws-sdk/client-dynamodb": { doors: ["core/doors/dynamodb.ts"], rooms: ["core", "functions"] },
  // The bench holds our bundles against one that is put together as the vendors' first pages do it.
  sst: { doors: ["functions/stores/settings.ts", "local/bench/plain-stack.ts"], rooms: [...ROOMS, "root"] },
};

function webVendorFault(from: string, name: string, typeOnly: boolean): string | undefined {
  if (!from.startsWith("web/console/")) return "a page brings nothing along";
  // What all forms are made of, and only they load.
  if (from === "web/console/parts/form.tsx" && name === "zod") return undefined;
  return typeOnly || CONSOLE_VENDORS.includes(name)
    ? undefined
    : `the console is made of ${CONSOLE_VENDORS.join(", ")}`;
}

function vendorFault(from: string, specifier: string, typeOnly: boolean): string | undefined {
  const name = packageOf(specifier);
  const room = roomOf(from);
  if (room === "k6" && name !== "k6") return "k6 has no packages but its own";
  if (room === "web") return webVendorFault(from, name, typeOnly);
  const vendor = Object.hasOwn(VENDORS, name) ? VENDORS[name] : undefined;
  if (!vendor?.rooms.includes(room)) return undefined;
  const isDoor = vendor.doors.some((door) => (door.endsWith("/") ? from.startsWith(door) : from === door));
  return isDoor ? undefined : `${name} enters through ${vendor.doors.join(", ")}`;
}

function importFaults(files: Files): string[] {
  const faults: string[] = [];
  for (const [path, text] of files) {
    for (const { specifier, typeOnly, line } of importsOf(text)) {
      const why =
        specifier === undefined
          ? ["core", "functions"].includes(roomOf(path)) && "a computed import hides what is imported"
          : isOurs(specifier)
            ? whyNot(path, resolve(path, specifier), typeOnly)
            : vendorFault(path, specifier, typeOnly);
      if (why) faults.push(`${path}:${line} imports ${specifier ?? "something"}: ${why}`);
    }
  }
  return faults;
}

/** All files and packages that run when a file runs. */
function reachOf(files: Files, entry: string): { files: Set<string>; packages: Set<string> } {
  const reach = { files: new Set([entry]), packages: new Set<string>() };
  for (const path of reach.files) {
    for (const { specifier, typeOnly } of importsOf(files.get(path) ?? "")) {
      if (specifier === undefined || typeOnly) continue;
      if (isOurs(specifier)) reach.files.add(resolve(path, specifier));
      else reach.packages.add(packageOf(specifier));
    }
  }
  return reach;
}

// ── Banned words ────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Ban {
  readonly pattern: RegExp;
  /** `code`: comments and the contents of strings do not count. `text`: they do. `path`: the file's own name. */
  readonly on: "code" | "text" | "path";
  /** Beginnings of the paths for which it holds; everywhere if absent. */
  readonly within?: readonly string[];
  readonly but?: readonly string[];
  readonly why: string;
  readonly guilty: readonly string[];
  readonly innocent: readonly string[];
}

const SHIPPED = ["core/", "functions/"];

const BANS: readonly Ban[] = [
  {
    pattern: /\bDate\.now\b|\bnew Date(?:\(\s*\)|(?!\s*\())(?!\w)|(?<!new )\bDate\(/,
    on: "code",
    within: ["core/"],
    why: "time arrives in the context; only then can a test hold the clock still",
    guilty: ["a(Date.now())", "const now = Date.now;", "new Date()", "new Date( ).getTime()", "new Date;", "Date()"],
    innocent: [
      "new Date(ms).toISOString()",
      'new Date("2026-01-01")',
      "// Date.now()",
      '"Date.now()"',
      "Date.parse(it)",
    ],
  },
  {
    pattern: /\bMath\.random\b/,
    on: "code",
    within: ["core/"],
    why: "chance arrives as an argument; a simulation must be able to run again",
    guilty: ["Math.random()"],
    innocent: ["Math.round(1.5)", "/* Math.random() */"],
  },
  {
    pattern: /\bperformance\b/,
    on: "code",
    within: ["core/"],
    why: "time arrives as an argument",
    guilty: ["performance.now()", "const { now } = performance;"],
    innocent: ["// performance.now()"],
  },
  {
    pattern: /\bprocess\b/,
    on: "code",
    within: SHIPPED,
    but: ["functions/log.ts"],
    why: "core knows no environment; functions get theirs linked, through functions/stores/settings.ts",
    guilty: ["process.env.REDIS", "const { env } = process;"],
    innocent: ['log("process")', "processed(it)", "// process.env"],
  },
  {
    pattern: /\bconsole\b/,
    on: "code",
    within: SHIPPED,
    why: "core logs through the context, functions through functions/log.ts: one line of JSON each",
    guilty: ["console.log(1)"],
    innocent: ["// console.log(1)", '"console.log"'],
  },
  {
    pattern: /\bset(?:Timeout|Interval|Immediate)\b/,
    on: "code",
    within: ["core/"],
    but: ["core/doors/"],
    why: "a verb does not wait by itself; only a door bounds how long it waits",
    guilty: ["setTimeout(run, 1)", "setInterval(run, 1)"],
    innocent: ["// setTimeout", "clearTimeout(timer)"],
  },
  {
    pattern: /fc:v\d/,
    on: "text",
    within: SHIPPED,
    but: ["core/keys.ts"],
    why: "all Redis keys come from core/keys.ts",
    guilty: ["`fc:v1:{x}:tally`"],
    innocent: ["keys.tally(id)"],
  },
  {
    pattern: /[=!]==? *["'`](?:localhost|127\.0\.0\.1|local)["'`]/,
    on: "text",
    within: SHIPPED,
    why: "what runs in AWS must not tell where it runs: what differs arrives as a setting",
    guilty: ['if (host === "localhost")', 'if (stage !== "local")'],
    innocent: ['const host = "localhost";'],
  },
  {
    pattern: /\.only\b/,
    on: "code",
    why: "one test alone lets all others pass unseen",
    guilty: ["test.only(", "describe.only.each("],
    innocent: ["// test.only(", "readonly.x"],
  },
  {
    // A condition is a reason (`skipIf`); otherwise one stands in a comment on the same line.
    pattern: /\.(?:skip|todo|fails)\b(?!.*\/\/ *\S)/,
    on: "text",
    within: ["tests/"],
    but: [SELF],
    why: "a test that does not run needs its reason in a comment on the same line",
    guilty: ["test.skip('x', () => {", "it.todo('x')"],
    innocent: ["test.skipIf(process.platform === 'win32')('x', run)", "test.skip('x', run); // needs a real cluster"],
  },
  {
    pattern: /\.toMatch(?:Inline)?Snapshot\b|\.toMatchFileSnapshot\b/,
    on: "code",
    why: "a snapshot is what the code did, not what it must do",
    guilty: ["expect(it).toMatchSnapshot()"],
    innocent: ["expect(it).toMatchObject({})"],
  },
  {
    pattern: /@ts-(?:ignore|nocheck|expect-error)/,
    on: "text",
    but: [SELF],
    why: "the compiler is right, or its settings are wrong",
    guilty: ["// @ts-ignore", "// @ts-nocheck", "// @ts-expect-error later"],
    innocent: ["// ts is ignored here"],
  },
  {
    pattern: /\bas any\b|<any>/,
    on: "code",
    why: "it turns the compiler off for all that follows; `unknown` asks for a check",
    guilty: ["it as any", "f<any>()"],
    innocent: ["it as unknown", "// as any", '"as any"'],
  },
  {
    pattern: /\b(?:TODO|FIXME|XXX|HACK)\b/,
    on: "text",
    but: [SELF],
    why: "what is left to do is done, or written where people look for work",
    guilty: ["// TODO: later", "/* FIXME */"],
    innocent: ["todos()"],
  },
  {
    pattern:
      // The last one is XML's name of a vocabulary, which nobody fetches.
      /http:\/\/(?!(?:127\.0\.0\.1|localhost|\[::1\]|(?:[\w-]+\.)*example(?:\.(?:com|org|net))?|www\.w3\.org\/2000\/svg)(?![\w.-]))[\w[]/i,
    on: "text",
    but: [SELF],
    why: "nothing leaves this machine unencrypted",
    guilty: [
      '"http://cache.internal:80"',
      "http://127.0.0.1.evil.org",
      "http://localhost.evil.org/",
      "http://www.w3.org/",
    ],
    innocent: [
      "http://127.0.0.1:3000",
      "http://localhost/",
      "http://[::1]:80",
      `http://\${HOST}`,
      "http://example.com/",
      'xmlns="http://www.w3.org/2000/svg"',
    ],
  },
  {
    pattern: /(?:^|\/)(?:utils?|helpers?|common|misc|shared|stuff)(?:\.[^/]+)?(?:\/|$)/i,
    on: "path",
    why: "a file is named for the thing in it",
    guilty: ["core/utils.ts", "tests/helpers/a.ts", "local/common.test.ts"],
    innocent: ["core/coupons/issue.ts"],
  },
  {
    pattern: /(?:^|\/)(?![a-z0-9][a-z0-9-]*(?:\.(?:test|config|d))?(?:\.[a-z]+)?(?:\/|$))[^/]+/,
    on: "path",
    why: "names of files and folders are kebab-case",
    guilty: ["core/soldOut.ts", "core/Coupons/issue.ts", "core/sold_out.ts"],
    innocent: ["core/sold-out.ts", "tests/house.test.ts", "core/script-text.d.ts", "k6/lib/api.js", "vitest.config.ts"],
  },
];

function isWithin(ban: Ban, path: string): boolean {
  const begins = (prefix: string) => path.startsWith(prefix);
  return (ban.within?.some(begins) ?? true) && !ban.but?.some(begins);
}

function banFaults(files: Files, bans: readonly Ban[] = BANS): string[] {
  const faults: string[] = [];
  for (const [path, text] of files) {
    const code = codeOf(text);
    for (const ban of bans) {
      if (!isWithin(ban, path)) continue;
      if (ban.on === "path") {
        if (ban.pattern.test(path)) faults.push(`${path}: ${ban.why}`);
        continue;
      }
      const lines = (ban.on === "code" ? code : text).split("\n");
      for (const [index, line] of lines.entries()) {
        const word = ban.pattern.exec(line)?.[0];
        if (word !== undefined) faults.push(`${path}:${index + 1} "${word}": ${ban.why}`);
      }
    }
  }
  return faults;
}

// ── Tables ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Faults of the rows `| \`word\` | status | …` in a Markdown text against the code's table. */
function wordTableFaults(markdown: string, statuses: Readonly<Record<string, number>>): string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  for (const [, word = "", status = ""] of markdown.matchAll(/^\| *`([a-z-]+)` *\| *([1-5]\d\d) *\|/gm)) {
    if (seen.has(word)) faults.push(`"${word}" stands there twice`);
    seen.add(word);
    if (!Object.hasOwn(statuses, word)) faults.push(`"${word}" is no word of ours`);
    else if (statuses[word] !== Number(status)) faults.push(`"${word}" has ${statuses[word]}, not ${status}`);
  }
  for (const word of Object.keys(statuses)) if (!seen.has(word)) faults.push(`"${word}" is missing`);
  return faults;
}

const HANDLER = /\bexport (?:const|async function|function) handler\b|\bexport \{[^}]*\bhandler\b/;

/** Faults between the files of `functions/` that have a handler and the names under which they are known. */
function handlerFaults(files: Files, named: readonly string[]): string[] {
  const handlers = [...files]
    .filter(([path, text]) => /^functions\/[^/]+\.ts$/.test(path) && HANDLER.test(codeOf(text)))
    .map(([path]) => posix.basename(path, ".ts"));
  return [
    ...handlers.filter((name) => !named.includes(name)).map((name) => `functions/${name}.ts is reached by nothing`),
    ...named.filter((name) => !handlers.includes(name)).map((name) => `"${name}" has no handler in functions/`),
    ...named.filter((name, index) => named.indexOf(name) !== index).map((name) => `"${name}" is named twice`),
  ];
}

const EXACT = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;

function pinFaults(packageJson: string): string[] {
  const fields = JSON.parse(packageJson) as Record<string, unknown>;
  const kinds = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "overrides"];
  return kinds.flatMap((kind) =>
    Object.entries(fields[kind] ?? {})
      .filter(([, version]) => typeof version !== "string" || !EXACT.test(version))
      .map(([name, version]) => `${kind}: ${name} ${JSON.stringify(version)}`),
  );
}

// ── The house ───────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("the house", () => {
  test("is read in full: every room, and hundreds of imports", () => {
    for (const room of ROOMS) expect([...house.keys()].filter((path) => roomOf(path) === room)).not.toEqual([]);
    expect([...house.values()].flatMap(importsOf).length).toBeGreaterThan(200);
  });

  test("imports in one direction only, and lets each vendor in through one door", () => {
    expect(importFaults(house)).toEqual([]);
  });

  test("has none of the banned words, each of which has its reason", () => {
    expect(banFaults(house)).toEqual([]);
  });

  test("keeps the ledger's client out of the function that issues coupons", () => {
    const reach = reachOf(house, "functions/issue-coupon.ts");
    // It runs what it must, so the walk went somewhere.
    expect([...reach.files]).toEqual(expect.arrayContaining(["core/coupons/issue.ts", "core/doors/redis.ts"]));
    expect([...reach.packages]).toEqual(expect.arrayContaining(["ioredis", "@aws-sdk/client-sqs"]));
    expect([...reach.files]).not.toContain("core/doors/dynamodb.ts");
    expect([...reach.packages]).not.toContain("@aws-sdk/client-dynamodb");
  });

  test("shows in the README every word with the status that the code gives it", () => {
    expect(wordTableFaults(readFileSync(join(ROOT, "README.md"), "utf8"), STATUS)).toEqual([]);
  });

  test("has a route, a queue or a schedule for every handler, and a handler for each of those", () => {
    const named = [
      ...routes.map((route) => route.file),
      fallbackFile,
      ...Object.values(consumers),
      ...Object.values(schedules).map((schedule) => schedule.file),
    ];
    expect(handlerFaults(house, named)).toEqual([]);
  });

  test("names every dependency in exactly one version", () => {
    const root = readFileSync(join(ROOT, "package.json"), "utf8");
    expect(Object.keys(JSON.parse(root).dependencies)).not.toEqual([]);
    expect(pinFaults(root)).toEqual([]);
    expect(pinFaults(readFileSync(join(ROOT, "local/node24/package.json"), "utf8"))).toEqual([]);
  });
});

// ── The checkers ────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("the reader of code", () => {
  const unseen = [
    '// import "./a.ts"',
    '/* import "./a.ts" */',
    'const text = `import "./a.ts"`;',
    "const text = 'import \"./a.ts\"';",
    `const text = \`\${\`\n import "./a.ts" \${1}\`} import "./b.ts" \${{ a: "}" }}\`;`,
    'const quote = /["/]/; // import "./a.ts"',
    'const half = a / b; // import "./a.ts"',
    "registry.import('./a.ts')",
  ];
  test.each(unseen)("takes nothing for an import that is text or comment: %s", (text) => {
    expect(importsOf(text)).toEqual([]);
  });

  const seen: [string, string | undefined, boolean][] = [
    ['import { a } from "./a.ts";', "./a.ts", false],
    ['import {\n  a,\n  type B,\n} from "./a.ts";', "./a.ts", false],
    ['import a, { b } from "./a.ts";', "./a.ts", false],
    ['import * as z from "zod";', "zod", false],
    ['import type { A } from "./a.ts";', "./a.ts", true],
    ['import "./a.ts";', "./a.ts", false],
    ['export { a } from "./a.ts";', "./a.ts", false],
    ['export * from "./a.ts";', "./a.ts", false],
    ['export type * from "./a.ts";', "./a.ts", true],
    ['const a = await import("./a.ts");', "./a.ts", false],
    ['const a = require("./a.cjs");', "./a.cjs", false],
    ["const a = await import(name);", undefined, false],
    ['const url = "http://x"; import { a } from "./a.ts";', "./a.ts", false],
    [`const text = \`\${await import("./a.ts")}\`;`, "./a.ts", false],
    ['const quote = /"/; import "./a.ts"; const other = /"/;', "./a.ts", false],
  ];
  test.each(seen)("finds the import in: %s", (text, specifier, typeOnly) => {
    expect(importsOf(text)).toEqual([{ specifier, typeOnly, line: expect.any(Number) }]);
  });

  test("keeps every place where it is, so that a fault names its line", () => {
    const text = `const a = \`\n\${"x"}\`; // y\n/* z\n */ import "./a.ts";`;
    expect(codeOf(text)).toHaveLength(text.length);
    expect(importsOf(text)).toMatchObject([{ line: 4 }]);
  });
});

describe("the checker of imports", () => {
  const forbidden: [from: string, statement: string][] = [
    ["core/words.ts", 'import "../functions/log.ts"'],
    ["core/words.ts", 'import type { A } from "../infra/settings.ts"'],
    ["core/coupons/issue.ts", 'import "../../local/stack.ts"'],
    ["core/coupons/issue.ts", 'await import("../../tests/setup/client.ts")'],
    ["core/coupons/issue.ts", 'import { a } from "../rooms/room.ts"'],
    ["core/rooms/room.ts", 'export type { A } from "../rankings/board.ts"'],
    ["core/coupons/issue.ts", 'import "../operations/health.ts"'],
    ["core/coupons/issue.ts", 'import { openRedis } from "../doors/redis.ts"'],
    ["core/context.ts", 'import type { Coupon } from "./coupons/coupon.ts"'],
    ["core/doors/redis.ts", 'import { limits } from "../coupons/tally.ts"'],
    ["core/doors/redis.ts", 'import "./sqs.ts"'],
    ["core/lua.ts", "await import(name)"],
    ["functions/health.ts", 'import "../infra/settings.ts"'],
    ["functions/health.ts", 'import "../local/tokens.ts"'],
    ["infra/api.ts", 'import "../functions/http/status.ts"'],
    ["infra/api.ts", 'import "../core/limits.ts"'],
    ["local/stack.ts", 'import "../tests/setup/redis.ts"'],
    ["local/setup/run.mjs", 'import "../../tests/setup/redis.ts"'],
    ["k6/burst.js", 'import { WORDS } from "../core/words.ts"'],
    ["web/waiting-room.ts", 'import { limits } from "../core/limits.ts"'],
    ["web/waiting-room.ts", 'import { z } from "zod"'],
    ["web/waiting-room.ts", 'import { render } from "preact"'],
    ["web/console/views/rooms.tsx", 'import { putRoom } from "../../../functions/contract/rooms.ts"'],
    ["web/console/views/room-form.tsx", 'import { limits } from "../../../core/limits.ts"'],
    ["web/console/api.ts", 'import { log } from "../../functions/log.ts"'],
    ["web/console/api.ts", 'import * as z from "zod"'],
    ["k6/lib/words.js", 'import "zod"'],
    ["sst.config.ts", 'import "./functions/routes.ts"'],
    ["core/coupons/issue.ts", 'import { Redis } from "ioredis"'],
    ["functions/stores/redis.ts", 'import { Redis } from "ioredis"'],
    ["local/rush/fire.ts", 'import { Redis } from "ioredis"'],
    ["functions/sweep.ts", 'import { SQSClient } from "@aws-sdk/client-sqs"'],
    ["core/doors/redis.ts", 'import { SQSClient } from "@aws-sdk/client-sqs"'],
    ["core/coupons/ledger.ts", 'import type { A } from "@aws-sdk/client-dynamodb"'],
    ["functions/health.ts", 'import { Resource } from "sst"'],
    ["local/stack.ts", 'import { Resource } from "sst/resource"'],
  ];
  test.each(forbidden)("reports in %s: %s", (from, statement) => {
    expect(importFaults(new Map([[from, statement]]))).toHaveLength(1);
  });

  const allowed: [from: string, statement: string][] = [
    ["core/coupons/issue.ts", 'import text from "./issue.lua"'],
    ["core/coupons/issue.ts", 'import { keys } from "../keys.ts"'],
    ["core/coupons/ledger.ts", 'import type { Item } from "../doors/dynamodb.ts"'],
    ["core/context.ts", 'import type { RedisDoor } from "./doors/redis.ts"'],
    ["core/operations/signals.ts", 'import { show } from "../coupons/campaign.ts"'],
    ["core/doors/redis.ts", 'import { Redis } from "ioredis"'],
    ["core/doors/sqs.ts", 'import { SQSClient } from "@aws-sdk/client-sqs"'],
    ["functions/stores/redis.ts", 'import { openRedis } from "../../core/doors/redis.ts"'],
    ["functions/stores/settings.ts", 'import { Resource } from "sst"'],
    ["infra/api.ts", 'import { routes } from "../functions/routes.ts"'],
    ["local/mapping.ts", 'import { SQSClient } from "@aws-sdk/client-sqs"'],
    ["local/lambda.ts", "await import(url)"],
    ["local/bench/redis.ts", 'import { Redis } from "ioredis"'],
    ["tests/a.test.ts", 'import { words } from "../k6/lib/words.js"'],
    ["k6/burst.js", 'import http from "k6/http"'],
    ["web/console/views/room-form.tsx", 'import { putRoom } from "../../../functions/contract/rooms.ts"'],
    ["web/console/documents.ts", 'import type { showRoom } from "../../functions/contract/rooms.ts"'],
    ["web/console/app.tsx", 'import { signal } from "@preact/signals"'],
    ["sst.config.ts", 'await import("./infra/api.ts")'],
  ];
  test.each(allowed)("lets pass in %s: %s", (from, statement) => {
    expect(importFaults(new Map([[from, statement]]))).toEqual([]);
  });

  test("walks to what runs, through any number of files, and leaves out types", () => {
    const files = new Map([
      ["functions/a.ts", 'import { b } from "../core/b.ts"; import type { D } from "../core/d.ts";'],
      ["core/b.ts", 'export * from "./c.ts"; import "./b.ts";'],
      ["core/c.ts", 'const { x } = await import("@aws-sdk/client-dynamodb");'],
    ]);
    const reach = reachOf(files, "functions/a.ts");
    expect([...reach.files]).toEqual(["functions/a.ts", "core/b.ts", "core/c.ts"]);
    expect([...reach.packages]).toEqual(["@aws-sdk/client-dynamodb"]);
  });
});

describe("the checker of banned words", () => {
  /** A place where the ban holds. */
  const placeOf = (ban: Ban) => `${ban.within?.[0] ?? "core/"}coupons.ts`;
  const faultsOf = (ban: Ban, sample: string) =>
    banFaults(new Map([ban.on === "path" ? [sample, ""] : [placeOf(ban), sample]]), [ban]);

  const guilty = BANS.flatMap((ban) => ban.guilty.map((sample) => [sample, ban] as const));
  test.each(guilty)("reports: %s", (sample, ban) => {
    expect(faultsOf(ban, sample)).toEqual([expect.stringContaining(ban.why)]);
  });

  const innocent = BANS.flatMap((ban) => ban.innocent.map((sample) => [sample, ban] as const));
  test.each(innocent)("lets pass: %s", (sample, ban) => {
    expect(faultsOf(ban, sample)).toEqual([]);
  });

  test("names the file and the line, and looks only where the ban holds", () => {
    const text = "\n\nconst now = Date.now();";
    expect(banFaults(new Map([["core/a.ts", text]]))).toEqual([expect.stringMatching(/^core\/a\.ts:3 "Date\.now"/)]);
    expect(banFaults(new Map([["local/a.ts", text]]))).toEqual([]);
  });
});

describe("the checker of tables", () => {
  const statuses = { issued: 201, "sold-out": 409 };
  const table = (...rows: string[]) => `# Words\n\n| word | status | when |\n|---|---|---|\n${rows.join("\n")}\n`;
  const sound = ["| `issued` | 201 | now |", "| `sold-out` | 409 | gone |"];

  test("takes a table that says what the code says, whatever else the page has", () => {
    expect(wordTableFaults(`${table(...sound)}\n| \`stock\` | 1…10 | a number |\n`, statuses)).toEqual([]);
  });

  const wrong: [string, string[], string][] = [
    [
      "a word with another status",
      ["| `issued` | 200 | now |", "| `sold-out` | 409 | gone |"],
      '"issued" has 201, not 200',
    ],
    ["a word that is missing", ["| `issued` | 201 | now |"], '"sold-out" is missing'],
    ["a word that stands there twice", [...sound, "| `issued` | 201 | again |"], '"issued" stands there twice'],
    ["a word that is none", [...sound, "| `gone` | 410 | over |"], '"gone" is no word of ours'],
  ];
  test.each(wrong)("reports %s", (_, rows, fault) => {
    expect(wordTableFaults(table(...rows), statuses)).toEqual([fault]);
  });

  test("reports a handler that nothing names, a name without handler, and a name given twice", () => {
    const files = new Map([
      ["functions/a.ts", "export const handler = endpoint();"],
      ["functions/b.ts", "export async function handler() {}"],
      ["functions/log.ts", "// export const handler\nexport const log = 1;"],
      ["functions/http/c.ts", "export const handler = 1;"],
    ]);
    expect(handlerFaults(files, ["a", "b"])).toEqual([]);
    expect(handlerFaults(files, ["a"])).toEqual(["functions/b.ts is reached by nothing"]);
    expect(handlerFaults(files, ["a", "b", "log"])).toEqual(['"log" has no handler in functions/']);
    expect(handlerFaults(files, ["a", "b", "b"])).toEqual(['"b" is named twice']);
  });

  test.each(["^1.0.0", "~1.0.0", "1.x", "*", "latest", ">=1.0.0", "1.0", "github:a/b", "1.0.0 || 2.0.0"])(
    "reports a dependency that is pinned as %s",
    (version) => {
      const sample = JSON.stringify({ devDependencies: { a: version, b: "1.2.3", c: "1.2.3-rc.1" } });
      expect(pinFaults(sample)).toEqual([`devDependencies: a ${JSON.stringify(version)}`]);
    },
  );
});
