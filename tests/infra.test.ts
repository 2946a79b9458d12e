import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { access, accessOf } from "../infra/access.ts";
import { alarmList, runbookAnchor } from "../infra/alarm-list.ts";
import { bundleConsole } from "../infra/bundle-console.ts";
import { capacity } from "../infra/capacity.ts";
import { cacheControlOf, contentSecurityPolicy, contentTypeOf, isHashed, originOf } from "../infra/console-answers.ts";
import { functionList } from "../infra/function-list.ts";
import { type Deployment, expectedCapacity, refusals, refuseUnsafe } from "../infra/guards.ts";
import { ownerOf } from "../infra/owner.ts";
import { kindOf, type StageSizes, sizesOf, stages } from "../infra/stages.ts";
import { consoleFiles } from "../local/console.ts";
import { Findings } from "../local/infra/findings.ts";
import { isUnexplained } from "../local/infra/judges/access.ts";
import { cacheWordsIn } from "../local/infra/judges/cache-words.ts";
import { mistakes } from "../local/infra/mistakes.ts";
import { metricsIn, type Needs, needsOf } from "../local/infra/needs.ts";
import { unwritten, writtenMetrics } from "../local/infra/watched.ts";
import { ROOT } from "../local/stack.ts";

/** What is deployed, as far as plain data says it. The graph itself is held by `npm run check:infra`. */

let needs: ReadonlyMap<string, Needs>;
beforeAll(async () => {
  const files = functionList.map(({ file }) => file);
  needs = await needsOf(ROOT, files);
});

const environment = {
  FIRSTCOME_TOKEN_ISSUER: "https://tokens.example.com",
  FIRSTCOME_TOKEN_AUDIENCES: "shop, app",
  FIRSTCOME_ALARM_EMAIL: "somebody@example.com",
};

function deployment(stage: string, changes: { sizes?: Partial<StageSizes>; environment?: object } = {}): Deployment {
  return {
    stage,
    kind: kindOf(stage),
    sizes: { ...sizesOf(stage), ...changes.sizes },
    owner: ownerOf({ ...environment, ...changes.environment }),
  };
}

describe("a deployment", () => {
  test.each(["production", "staging", "alice"])("of %s begins when nothing is missing", (stage) => {
    expect(refusals(deployment(stage))).toEqual([]);
  });

  const { redis } = stages.production;
  const refused: [what: string, Parameters<typeof deployment>[1], says: string][] = [
    ["one node of Redis", { sizes: { redis: { ...redis, replicas: 0 } } }, "no replica"],
    ["one zone", { sizes: { zones: 1 } }, "one zone"],
    ["a ledger that can be deleted", { sizes: { keepsLedger: false } }, "can be deleted"],
    [
      "a policy that evicts",
      { sizes: { redis: { ...redis, parameters: { "maxmemory-policy": "volatile-lru" } } } },
      "evict keys",
    ],
    ["no policy, which evicts as well", { sizes: { redis: { ...redis, parameters: {} } } }, "evict keys"],
    ["more nodes than one alarm can watch", { sizes: { redis: { ...redis, shards: 4 } } }, "more than 9 nodes"],
    [
      "a limit above what the account has",
      { sizes: { throttle: { ...stages.production.throttle, shopper: { perSecond: 20_000, burst: 1 } } } },
      "gives an account 10000",
    ],
    ["no address for alarms", { environment: { FIRSTCOME_ALARM_EMAIL: " " } }, "FIRSTCOME_ALARM_EMAIL"],
    ["every origin", { environment: { FIRSTCOME_ORIGINS: "*" } }, '"*"'],
    ["origins with a star", { environment: { FIRSTCOME_ORIGINS: "https://*.example.com" } }, "whole https origins"],
    ["an origin without TLS", { environment: { FIRSTCOME_ORIGINS: "http://shop.example.com" } }, "whole https origins"],
    [
      "an origin for the console that is an address",
      { environment: { FIRSTCOME_CONSOLE_CONNECTS: "https://login.example.com/oauth2" } },
      "FIRSTCOME_CONSOLE_CONNECTS",
    ],
    [
      "a domain that is an address",
      { environment: { FIRSTCOME_DOMAIN: "https://shop.example.com" } },
      "FIRSTCOME_DOMAIN",
    ],
    [
      "a certificate of another region",
      {
        environment: {
          FIRSTCOME_DOMAIN: "coupons.example.com",
          FIRSTCOME_CERTIFICATE: "arn:aws:acm:ap-northeast-2:123456789012:certificate/1-2",
        },
      },
      "us-east-1",
    ],
    [
      "a certificate of no domain",
      { environment: { FIRSTCOME_CERTIFICATE: "arn:aws:acm:us-east-1:123456789012:certificate/1-2" } },
      "FIRSTCOME_DOMAIN",
    ],
    ["no issuer of tokens", { environment: { FIRSTCOME_TOKEN_ISSUER: "" } }, "FIRSTCOME_TOKEN_ISSUER"],
    ["no audience", { environment: { FIRSTCOME_TOKEN_AUDIENCES: " , " } }, "FIRSTCOME_TOKEN_AUDIENCES"],
  ];
  test.each(refused)("of production is refused with %s, and told where", (_, changes, says) => {
    const [fault = "", ...more] = refusals(deployment("production", changes));
    expect(more).toEqual([]);
    expect(fault).toContain(says);
    expect(fault).toMatch(/^(infra\/stages\.ts|\.env\.production): /);
  });

  test("is refused under a name that Lambda could not take", () => {
    const fits = 64 - Math.max(...functionList.map(({ file }) => `firstcome--${file}`.length));
    expect(refusals(deployment("a".repeat(fits)))).toEqual([]);
    expect(refusals(deployment("a".repeat(fits + 2)))).toEqual([
      "The stage's name is 2 characters too long for Lambda.",
    ]);
  });

  test("of production stops before an event that it could not stand, and of another stage warns", () => {
    const expected = { FIRSTCOME_EXPECTED_PEAK_PER_SECOND: "50_000", FIRSTCOME_EXPECTED_STOCK: "10000" };
    expect(() => refuseUnsafe(deployment("production", { environment: expected }))).toThrow("API Gateway: needs");
    expect(expectedCapacity(deployment("staging", { environment: expected }))?.breaksFirst).toBeDefined();
    expect(expectedCapacity(deployment("production"))).toBeUndefined();
  });

  test("says which of the owner's figures is none", () => {
    expect(() => ownerOf({ FIRSTCOME_EXPECTED_STOCK: "many" })).toThrow(
      'FIRSTCOME_EXPECTED_STOCK takes a whole number, not "many"',
    );
  });
});

describe("the capacity gate", () => {
  const verdict = (peak: number, region: string, sizes: StageSizes = stages.production, stock = 10_000) =>
    capacity({ expectedPeakPerSecond: peak, stock, watchers: 0, region }, sizes);
  const broken = (...args: Parameters<typeof verdict>) =>
    verdict(...args)
      .lines.filter(({ breaks }) => breaks)
      .map(({ part }) => part);

  test.each(["ap-northeast-2", "us-east-1"])("lets 1,000 a second pass in %s", (region) => {
    expect(broken(1_000, region)).toEqual([]);
  });

  test("tells Seoul from N. Virginia at 10,000 a second by what SQS takes", () => {
    expect(broken(10_000, "ap-northeast-2")).toContain("SQS FIFO, confirmations");
    expect(broken(10_000, "us-east-1")).not.toContain("SQS FIFO, confirmations");
  });

  test("names the tightest part first, with its source and what to do", () => {
    const { lines, breaksFirst } = verdict(100_000, "ap-northeast-2");
    expect(breaksFirst).toBe(lines[0]);
    for (const { needs: wants, has, source, fix, breaks } of lines) {
      expect(breaks).toBe(wants > has);
      expect(source).not.toBe("");
      expect(fix).not.toBe("");
    }
    const slack = lines.map(({ needs: wants, has }) => has / wants);
    expect(slack).toEqual([...slack].sort((a, b) => a - b));
  });

  test("is content with a cold start once environments are kept ready", () => {
    const part = "Lambda, from cold";
    expect(broken(10_000, "us-east-1")).toContain(part);
    expect(broken(10_000, "us-east-1", { ...stages.production, warmIssuers: 1_000 })).not.toContain(part);
    // They are busy for a twentieth of a second each, and Lambda gives each ten requests a second all the same.
    const half = verdict(10_000, "us-east-1", { ...stages.production, warmIssuers: 500 });
    expect(half.lines.find((line) => line.part === part)).toMatchObject({ needs: 2_750, breaks: true });
  });

  test("counts ten requests a second for each environment that the account may have", () => {
    const atOnce = (peak: number) => verdict(peak, "us-east-1").lines.find(({ part }) => part === "Lambda, at once");
    const { consumersAtOnce } = stages.production;
    expect(atOnce(9_000)).toMatchObject({ needs: 900 + consumersAtOnce, breaks: false });
    expect(atOnce(10_000)).toMatchObject({ needs: 1_000 + consumersAtOnce, breaks: true });
  });

  test("counts only as many winners as there are coupons, and none of an event that gives none", () => {
    expect(broken(10_000, "ap-northeast-2", stages.production, 1_000)).not.toContain("SQS FIFO, confirmations");
    expect(verdict(1_000, "us-east-1", stages.production, 0).breaksFirst).toBeUndefined();
  });

  test("leaves those who only look on to the edge, and counts them there", () => {
    const partsOf = (watchers: number) => {
      const event = { expectedPeakPerSecond: 1_000, stock: 10_000, watchers, region: "ap-northeast-2" };
      const { watching, lines } = capacity(event, stages.production);
      const needed = (wanted: string) => lines.find(({ part }) => part === wanted)?.needs;
      return { watching, gateway: needed("API Gateway"), edge: needed("CloudFront") };
    };
    // A few are hardly helped by a cache that forgets after a second.
    expect(partsOf(100)).toEqual({ watching: { asked: 10, passedOn: 10 }, gateway: 1_010, edge: 1_010 });
    const [many, more] = [partsOf(500_000), partsOf(2_000_000)];
    expect(many.edge).toBe(51_000);
    expect(more.edge).toBe(201_000);
    // The API does not hear the difference.
    expect(more.gateway).toBe(many.gateway);
    expect(many.gateway).toBe(1_000 + many.watching.passedOn);
    expect(many.watching.passedOn).toBeLessThan(stages.production.throttle.anyone.perSecond);
    const all = capacity(
      { expectedPeakPerSecond: 1_000, stock: 10_000, watchers: 500_000, region: "ap-northeast-2" },
      stages.production,
    );
    expect(all.breaksFirst).toBeUndefined();
  });

  test("takes the word of the owner for a quota that AWS has raised, and knows where the gateway is smaller", () => {
    const event = { expectedPeakPerSecond: 4_000, stock: 1_000, watchers: 0, region: "eu-south-1" };
    const gateway = (raised = {}) =>
      capacity(event, stages.production, raised).lines.find(({ part }) => part === "API Gateway");
    expect(gateway()).toMatchObject({ has: 2_500, breaks: true });
    expect(gateway({ gatewayPerSecond: 20_000 })).toMatchObject({ has: 20_000, breaks: false });
  });
});

describe("the table of permissions", () => {
  test("has a row for every function, and none for what is no function", () => {
    for (const { file } of functionList) expect(accessOf(file)).toBeDefined();
    expect(Object.keys(access).sort()).toEqual(functionList.map(({ file }) => file).sort());
  });

  test("names the file of a function that nobody has listed", () => {
    expect(() => accessOf("give-everything-away")).toThrow(
      "functions/give-everything-away.ts has no row in infra/access.ts",
    );
    expect(() => accessOf("toString")).toThrow("functions/toString.ts has no row");
  });

  test("knows a star that has no reason", () => {
    expect(isUnexplained("dynamodb:*", "arn:aws:dynamodb:eu-west-1:1:table/Ledger")).toBe(true);
    expect(isUnexplained("sqs:SendMessage", "*")).toBe(true);
    expect(isUnexplained("s3:GetObject", "arn:aws:s3:::bucket/*")).toBe(true);
    expect(isUnexplained("ec2:CreateNetworkInterface", "*")).toBe(false);
    expect(isUnexplained("ec2:RunInstances", "*")).toBe(true);
    expect(isUnexplained("cloudwatch:GetMetricData", "*")).toBe(false);
    expect(isUnexplained("cloudwatch:PutMetricData", "*")).toBe(true);
    expect(isUnexplained("sqs:SendMessage", "arn:aws:sqs:eu-west-1:1:Confirmations.fifo")).toBe(false);
  });
});

describe("the console at the edge", () => {
  const built = mkdtempSync(join(tmpdir(), "firstcome-console-"));
  afterAll(() => rmSync(built, { recursive: true, force: true }));

  test("is built from files of which each type is known, and all but the page are named by their content", async () => {
    await bundleConsole({ root: ROOT, outDir: built });
    const names = readdirSync(built);
    for (const name of names) expect(contentTypeOf(name)).not.toBe("");
    expect(names.filter((name) => !isHashed(name))).toEqual(["index.html"]);
  });

  test("keeps for ever only what is named by its content", () => {
    expect(cacheControlOf("main-CRVVZF4K.js")).toContain("immutable");
    for (const name of ["index.html", "config.json", "main.js", "main-crvvzf4k.js"])
      expect(cacheControlOf(name)).toBe("no-cache");
  });

  test("needs no word of its policy that allows what stands in the page", () => {
    const page = readFileSync(join(built, "index.html"), "utf8");
    expect(page).not.toMatch(/<style|style=|\son[a-z]+=|<script(?![^>]*src=)/);
    expect(contentSecurityPolicy([])).not.toContain("unsafe");
    expect(contentSecurityPolicy([originOf("https://login.example.com/realms/shop")])).toContain(
      "connect-src 'self' https://login.example.com;",
    );
  });

  test("is answered on the laptop as at the edge", () => {
    const answer = consoleFiles(built, () => "id");
    const get = (name: string) => answer({ method: "GET", headers: {} } as IncomingMessage, `/console/${name}`);
    for (const name of [...readdirSync(built), "config.json"]) {
      expect(get(name)?.headers).toMatchObject({
        "content-type": contentTypeOf(name),
        "cache-control": cacheControlOf(name),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
      });
    }
    expect(get("index.html")?.headers["content-security-policy"]).toBe(contentSecurityPolicy([]));
    expect(answer({ method: "GET", headers: {} } as IncomingMessage, "/console")?.headers).toMatchObject({
      location: "/console/",
    });
  });
});

describe("alarms and dashboard", () => {
  const runbook = readFileSync(join(ROOT, "docs/runbook.md"), "utf8");
  const sections = [...runbook.matchAll(/^## (.+)$/gm)].map(([, heading = ""]) => heading);

  test("read what the functions write, and show all of it", () => {
    expect([...writtenMetrics(needs)]).toEqual(
      expect.arrayContaining([
        ["OutboxDepth", ""],
        ["Waiting", "roomId"],
      ]),
    );
    expect(unwritten(needs)).toEqual([]);
  });

  test("are told of metrics by the code itself, however it computes them", () => {
    const code = `metrics({ roomId }, { Waiting: line.filter(({ left }) => !left).length, Active });
      metrics2({}, {
        OutboxDepth: max({ a: 1, b: 2 }, [3, 4]),
      });
      metrics({ campaignId, word }, { Answers: times }, second);
      log("metrics", { Other: 1 });`;
    expect([...metricsIn(code)]).toEqual([
      ["Waiting", "roomId"],
      ["Active", "roomId"],
      ["OutboxDepth", ""],
      ["Answers", "campaignId,word"],
    ]);
  });

  test("have an alarm for every section of the runbook, and a section for every alarm", () => {
    const alarmed = new Set(alarmList.flatMap(({ section, also = [] }) => [section, ...also]));
    expect(sections.filter((section) => !alarmed.has(section))).toEqual([]);
    expect([...alarmed].filter((section) => !sections.includes(section))).toEqual([]);
  });

  test("have names of their own, and one limit each", () => {
    const names = alarmList.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { above, below } of alarmList)
      expect([above, below].filter((limit) => limit !== undefined)).toHaveLength(1);
  });

  test("link the runbook by its own anchors", () => {
    expect(runbookAnchor("A room's admission has slowed")).toBe("a-rooms-admission-has-slowed");
    // The runbook links its sections too: those anchors are known to work.
    const anchors = new Set(sections.map(runbookAnchor));
    const links = [...runbook.matchAll(/\]\(#([\w-]+)\)/g)].map(([, anchor = ""]) => anchor);
    expect(links.filter((anchor) => !anchors.has(anchor))).toEqual([]);
  });
});

describe("the check", () => {
  const differences = (found: unknown, wanted: unknown) => {
    const findings = new Findings();
    findings.alike("a.ts", "it", found, wanted);
    expect(findings.checked).toBeGreaterThan(0);
    return findings.lines;
  };

  test("finds nothing where two values are alike, in whatever order their members are", () => {
    expect(differences({ a: [1, { b: "x" }], c: null }, { c: null, a: [1, { b: "x" }] })).toEqual([]);
    expect(differences([], [])).toEqual([]);
  });

  test("finds what is other, what is missing and what nobody named, each with its place", () => {
    expect(differences({ a: [{ b: 1 }] }, { a: [{ b: 2 }] })).toEqual(["a.ts: it.a[0].b is 1, not 2."]);
    expect(differences({}, { a: 1 })).toEqual(["a.ts: it.a is nothing, not 1."]);
    expect(differences({ a: 1, more: true }, { a: 1 })).toEqual(["a.ts: it.more is true, not nothing."]);
    expect(differences({ a: [] }, { a: ["x"] })).toEqual(['a.ts: it.a[0] is nothing, not "x".']);
    expect(differences({ a: ["x", "y"] }, { a: ["x"] })).toEqual(['a.ts: it.a[1] is "y", not nothing.']);
    expect(differences({ a: "x" }, { a: ["x"] })).toHaveLength(1);
    expect(differences({ a: {} }, { a: [] })).toHaveLength(1);
    expect(differences(undefined, { a: 1 })).toHaveLength(1);
  });

  test.each([
    'const it = { headers: { "Cache-Control": "public, max-age=60" } };',
    "const it = { headers: { 'CACHE-CONTROL': word } };",
    'headers["cache-control"] = word;',
    'headers["cache" + "-control"] = word;',
    'const it = { "CDN-Cache-Control": word };',
    'const it = { "Surrogate-Control": "s-maxage=5" };',
    "const it = { Expires: tomorrow };",
    'const it = { "expires": tomorrow };',
    'const a = { "cache-control": "no-store" }; const b = { "Cache-Control": word };',
  ])("hears a word of caching however it is written: %s", (code) => {
    expect(cacheWordsIn(code)).not.toEqual([]);
  });

  test.each([
    'const it = { "cache-control": "no-store" };',
    "/** What `Cache-Control` says: max-age. */ const it = 1; // expires: never",
    "const it = { expiresAt: 1, expired: 2 };",
  ])("takes nothing else for one: %s", (code) => {
    expect(cacheWordsIn(code)).toEqual([]);
  });
});

describe("the drill", () => {
  test.each(mistakes)("can still make $title", ({ file, edit: [from] }) => {
    expect(readFileSync(join(ROOT, file), "utf8")).toContain(from);
  });
});
