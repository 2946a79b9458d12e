import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CloudWatchClient,
  GetMetricDataCommand,
  type GetMetricDataCommandInput,
  InvalidNextToken,
  ListMetricsCommand,
  type MetricDataQuery,
} from "@aws-sdk/client-cloudwatch";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { StoreUnavailable } from "../core/context.ts";
import { openMetrics } from "../core/doors/cloudwatch.ts";
import { Figures } from "../local/cloudwatch/figures.ts";
import { cloudwatchServer } from "../local/cloudwatch/server.ts";

/**
 * The embedded CloudWatch through the official client, and through the door that functions read metrics by. Rules are AWS's: the
 * embedded metric format's specification and the reference of GetMetricData.
 */

const NOON = Date.parse("2026-11-24T12:00:00.000Z");
const at = (seconds: number) => new Date(NOON + seconds * 1_000);

let folder: string;
let log: string;
let server: Server;
let endpoint: string;
let client: CloudWatchClient;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "firstcome-cloudwatch-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(async () => {
  log = join(folder, "functions.log");
  writeFileSync(log, "");
  server = cloudwatchServer(log);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  endpoint = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  client = new CloudWatchClient({ endpoint, region: "us-east-1", credentials, maxAttempts: 1 });
});
afterEach(async () => {
  client.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

interface Line {
  readonly second: number;
  readonly values: Readonly<Record<string, unknown>>;
  readonly dimensions?: Readonly<Record<string, unknown>>;
  readonly resolution?: 1 | 60;
  readonly namespace?: string;
}

/** A line in the embedded metric format. */
function line({ second, values, dimensions = {}, resolution = 1, namespace = "firstcome" }: Line): string {
  const Metrics = Object.keys(values).map((Name) => ({ Name, Unit: "Count", StorageResolution: resolution }));
  const CloudWatchMetrics = [{ Namespace: namespace, Dimensions: [Object.keys(dimensions)], Metrics }];
  const root = { _aws: { Timestamp: NOON + second * 1_000, CloudWatchMetrics }, ...dimensions, ...values };
  return `${JSON.stringify(root)}\n`;
}
const write = (...lines: Line[]) => appendFileSync(log, lines.map(line).join(""));

const query = (Id: string, MetricName: string, more: object = {}, dimensions: object = {}): MetricDataQuery => ({
  Id,
  MetricStat: {
    Metric: {
      ...{ Namespace: "firstcome", MetricName },
      Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
    },
    ...{ Period: 1, Stat: "Sum" },
    ...more,
  },
});
const ask = (queries: MetricDataQuery[], more: Partial<GetMetricDataCommandInput> = {}) =>
  client.send(
    new GetMetricDataCommand({
      ...{ MetricDataQueries: queries, StartTime: at(0), EndTime: at(60), ScanBy: "TimestampAscending" },
      ...more,
    }),
  );
/** The figures of one query, as `second: value`. */
async function rowOf(it: MetricDataQuery, more: Partial<GetMetricDataCommandInput> = {}): Promise<[number, number][]> {
  const { MetricDataResults: [result] = [] } = await ask([it], more);
  const { Timestamps = [], Values = [], StatusCode } = result ?? {};
  expect(StatusCode).toBe("Complete");
  return Timestamps.map((time, index) => [(time.getTime() - NOON) / 1_000, Values[index] ?? Number.NaN]);
}

describe("GetMetricData", () => {
  test("adds up what several containers wrote of one second, and tells series apart by name, dimensions and namespace", async () => {
    const word = { campaignId: "a", word: "sold-out" };
    write(
      { second: 3, values: { Answers: 5 }, dimensions: word },
      { second: 3, values: { Answers: 7 }, dimensions: word },
      { second: 4, values: { Answers: 1 }, dimensions: word },
      { second: 3, values: { Answers: 100 }, dimensions: { ...word, campaignId: "b" } },
      { second: 3, values: { Answers: 100 }, dimensions: { campaignId: "a" } },
      { second: 3, values: { Answers: 100 }, dimensions: word, namespace: "other" },
      { second: 3, values: { Others: 100 }, dimensions: word },
    );
    // The order of dimensions is nobody's.
    expect(await rowOf(query("a", "Answers", {}, { word: "sold-out", campaignId: "a" }))).toEqual([
      [3, 12],
      [4, 1],
    ]);
    expect(await rowOf(query("a", "Answers"))).toEqual([]);
  });

  test("answers every query in its order, with the name it gave and its label", async () => {
    write({ second: 1, values: { One: 1, Two: 2 } });
    const { MetricDataResults } = await ask([
      { ...query("b", "Two"), Label: "two" },
      query("a", "One"),
      query("c", "No"),
    ]);
    expect(MetricDataResults).toEqual([
      { Id: "b", Label: "two", Timestamps: [at(1)], Values: [2], StatusCode: "Complete" },
      { Id: "a", Label: "One", Timestamps: [at(1)], Values: [1], StatusCode: "Complete" },
      { Id: "c", Label: "No", Timestamps: [], Values: [], StatusCode: "Complete" },
    ]);
  });

  test("computes each plain statistic, over periods as CloudWatch cuts them", async () => {
    write({ second: 0, values: { A: [1, 2] } }, { second: 4, values: { A: 6 } }, { second: 5, values: { A: 10 } });
    const first = async (Stat: string) => (await rowOf(query("a", "A", { Period: 5, Stat })))[0];
    expect(await first("Sum")).toEqual([0, 9]);
    expect(await first("SampleCount")).toEqual([0, 3]);
    expect(await first("Average")).toEqual([0, 3]);
    expect(await first("Minimum")).toEqual([0, 1]);
    expect(await first("Maximum")).toEqual([0, 6]);
    expect(await rowOf(query("a", "A", { Period: 5 }))).toEqual([
      [0, 9],
      [5, 10],
    ]);
    expect(await rowOf(query("a", "A", { Period: 60 }))).toEqual([[0, 19]]);
  });

  test("keeps by the minute what was not written by the second", async () => {
    write({ second: 61, values: { A: 1 }, resolution: 60 }, { second: 119, values: { A: 2 }, resolution: 60 });
    expect(await rowOf(query("a", "A", { Period: 60 }), { EndTime: at(180) })).toEqual([[60, 3]]);
  });

  test("begins at the whole minute, or the whole period, and ends before the end", async () => {
    write(...[0, 29, 30, 31, 59].map((second) => ({ second, values: { A: 1 } })));
    const seconds = async (Period: number) => {
      const row = await rowOf(query("a", "A", { Period }), { StartTime: at(33), EndTime: at(59) });
      return row.map(([second]) => second);
    };
    expect(await seconds(1)).toEqual([0, 29, 30, 31]);
    expect(await seconds(30)).toEqual([30]);
  });

  test("gives the newest first unless told otherwise", async () => {
    write({ second: 1, values: { A: 1 } }, { second: 2, values: { A: 2 } });
    expect(await rowOf(query("a", "A"), { ScanBy: "TimestampDescending" })).toEqual([
      [2, 2],
      [1, 1],
    ]);
    expect((await rowOf(query("a", "A"), { ScanBy: undefined }))[0]).toEqual([2, 2]);
  });

  test("gives so many figures a page and says how to go on, for the same request only", async () => {
    write(...Array.from({ length: 5 }, (_, second) => ({ second, values: { A: second, B: 10 * second } })));
    const queries = [query("a", "A"), query("b", "B")];
    const seen: number[][] = [];
    let NextToken: string | undefined;
    do {
      const page = await ask(queries, { MaxDatapoints: 4, NextToken });
      const [a, b] = page.MetricDataResults ?? [];
      seen.push([...(a?.Values ?? []), ...(b?.Values ?? [])]);
      expect(a?.StatusCode).toBe(page.NextToken ? "PartialData" : "Complete");
      NextToken = page.NextToken;
      if (NextToken) {
        const other = ask([query("a", "A")], { MaxDatapoints: 4, NextToken });
        await expect(other).rejects.toBeInstanceOf(InvalidNextToken);
      }
    } while (NextToken);
    expect(seen).toEqual([
      [0, 1, 0, 10],
      [2, 3, 20, 30],
      [4, 40],
    ]);
  });

  const wrong: [string, MetricDataQuery[], Partial<GetMetricDataCommandInput>][] = [
    ["no query", [], {}],
    ["501 queries", Array.from({ length: 501 }, (_, n) => query(`q${n}`, "A")), {}],
    ["a query's name twice", [query("a", "A"), query("a", "B")], {}],
    ["a query's name in capitals", [query("A", "A")], {}],
    ["a period of seven seconds", [query("a", "A", { Period: 7 })], {}],
    ["a statistic that is none", [query("a", "A", { Stat: "Total" })], {}],
    ["neither metric nor expression", [{ Id: "a" }], {}],
    ["metric and expression", [{ ...query("a", "A"), Expression: "1" }], {}],
    ["an end before its beginning", [query("a", "A")], { EndTime: at(-1) }],
    ["too large a page", [query("a", "A")], { MaxDatapoints: 100_801 }],
  ];
  test.each(wrong)("refuses %s, and says what is wrong", async (_, queries, more) => {
    const error = await ask(queries, more).catch((it: unknown) => it);
    expect(error).toMatchObject({ name: "ValidationException", message: expect.stringMatching(/\w+ \w+/) });
    expect((error as { $metadata: object }).$metadata).toMatchObject({ httpStatusCode: 400 });
  });

  test("is all there is", async () => {
    await expect(client.send(new ListMetricsCommand({}))).rejects.toMatchObject({ name: "UnknownOperationException" });
    expect((await fetch(endpoint)).status).toBe(400);
    const headers = { "x-amz-target": "GraniteServiceVersion20100801.GetMetricData" };
    const answer = await fetch(endpoint, { method: "POST", headers, body: "{" });
    expect(answer.status).toBe(400);
    expect(answer.headers.get("x-amzn-query-error")).toBe("SerializationException;Sender");
  });
});

describe("the log", () => {
  test("may have anything beside metrics in it, also what looks like them", async () => {
    const sound = { second: 1, values: { A: 1 } };
    const root = JSON.parse(line(sound));
    const odd = [
      { ...root, _aws: 1 },
      { ...root, _aws: { ...root._aws, Timestamp: "now" } },
      { ...root, _aws: { ...root._aws, CloudWatchMetrics: {} } },
      { ...root, A: "1" },
      { event: "request", text: '"_aws"' },
    ];
    for (const it of odd) appendFileSync(log, `${JSON.stringify(it)}\n`);
    appendFileSync(log, 'Error: "_aws"\n    at somewhere\n\n');
    write(sound);
    // A dimension that the line does not have names no series.
    const CloudWatchMetrics = [{ Namespace: "firstcome", Dimensions: [["word"], []], Metrics: [{ Name: "A" }] }];
    appendFileSync(log, `${JSON.stringify({ _aws: { Timestamp: NOON, CloudWatchMetrics }, A: 5 })}\n`);
    expect(await rowOf(query("a", "A"))).toEqual([
      [0, 5],
      [1, 1],
    ]);
  });

  test("is read on from where it was read to, a line whose end is still to come as well", async () => {
    write({ second: 1, values: { A: 1 } });
    const text = line({ second: 2, values: { A: 2 } });
    appendFileSync(log, text.slice(0, 20));
    expect(await rowOf(query("a", "A"))).toEqual([[1, 1]]);
    appendFileSync(log, text.slice(20));
    const both = [
      [1, 1],
      [2, 2],
    ];
    expect(await rowOf(query("a", "A"))).toEqual(both);
    expect(await Promise.all([rowOf(query("a", "A")), rowOf(query("a", "A"))])).toEqual([both, both]);
  });

  test("may be longer than what is read at once", async () => {
    const noise = `${JSON.stringify({ event: "request", word: "issued", more: "x".repeat(1_000) })}\n`;
    for (let second = 0; second < 50; second++) {
      appendFileSync(log, noise.repeat(60));
      write({ second, values: { A: second } });
    }
    expect(await rowOf(query("a", "A"))).toEqual(Array.from({ length: 50 }, (_, second) => [second, second]));
  });

  test("that begins anew is a new one", async () => {
    write({ second: 1, values: { A: 1 } }, { second: 2, values: { A: 2 } });
    await rowOf(query("a", "A"));
    writeFileSync(log, line({ second: 3, values: { A: 3 } }));
    expect(await rowOf(query("a", "A"))).toEqual([[3, 3]]);
  });
});

describe("what is kept", () => {
  const figure = (second: number, metric = "A") => ({
    ...{ namespace: "firstcome", metric, dimensions: {}, second, values: [1] },
  });
  const { values: _values, second: _second, ...series } = figure(0);

  test("goes after three hours, as CloudWatch's seconds do", () => {
    const figures = new Figures();
    for (const second of [0, 1, 10_800, 10_801]) figures.add(figure(second));
    expect([...figures.periods(series, 0, 20_000, 1).keys()]).toEqual([10_800, 10_801]);
  });

  test("has an end, whatever is written", () => {
    const figures = new Figures({ points: 300, series: 50 });
    const count = (metric: string) => figures.periods({ ...series, metric }, 0, 100, 1).size;
    for (let n = 0; n < 60; n++) figures.add(figure(0, `M${n}`));
    expect([count("M49"), count("M50")]).toEqual([1, 0]);
    for (let second = 1; second < 10; second++) for (let n = 0; n < 50; n++) figures.add(figure(second, `M${n}`));
    // Six seconds of fifty series.
    expect([...figures.periods({ ...series, metric: "M0" }, 0, 100, 1).keys()]).toEqual([4, 5, 6, 7, 8, 9]);
  });
});

describe("the door", () => {
  const span = { from: NOON + 10_000, to: NOON + 15_000, stepMs: 1_000 };

  test("gives a number a step for every series, in order, and nothing from before or behind", async () => {
    write(...[0, 9, 10, 12, 14, 15].map((second) => ({ second, values: { A: second } })));
    const door = openMetrics({ endpoint });
    const series = ["A", "B"].map((metric) => ({ metric, dimensions: {} }));
    expect(await door.sums(series, span)).toEqual([
      [10, 0, 12, 0, 14],
      [0, 0, 0, 0, 0],
    ]);
    expect(await door.sums(series, { from: NOON, to: NOON + 20_000, stepMs: 5_000 })).toEqual([
      [0, 9, 36, 15],
      [0, 0, 0, 0],
    ]);
    door.close();
  });

  test("tells a store that is away from a request of ours that is wrong", async () => {
    const series = [{ metric: "A", dimensions: {} }];
    const door = openMetrics({ endpoint });
    const wrong = door.sums(series, { ...span, stepMs: 500 });
    await expect(wrong).rejects.toMatchObject({ name: "ValidationException" });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await expect(door.sums(series, span)).rejects.toBeInstanceOf(StoreUnavailable);
    door.close();
  });
});
