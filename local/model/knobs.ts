import { costs, quotasOf } from "../../infra/quotas.ts";
import { bytesOf, LINES } from "./log-lines.ts";
import { measured, type UnitName, units } from "./units.ts";

/**
 * Every figure that the model counts with, by name, with where it comes from. Measured ones are those of units.ts, AWS's quotas and
 * our own sizes those of infra/quotas.ts and infra/stages.ts: none is written twice.
 */

export interface Knob {
  readonly value: number;
  readonly unit: string;
  readonly what: string;
  readonly source: string;
}

const MEASURED = `measured ${measured.on}: ${measured.command}`;
const ASSUMED = "assumed";
const WRITTEN = "length of the line in local/model/log-lines.ts";

function line(name: keyof typeof LINES, what: string): Knob {
  return { value: bytesOf(LINES[name]), unit: "bytes", what, source: WRITTEN };
}

function unit(name: UnitName): Knob {
  return { ...units[name], source: MEASURED };
}

/** What a node type of ElastiCache has. Valkey runs scripts on one thread, so a larger node decides no faster; its network is wider. */
export interface Node {
  readonly baseGbit: number;
  readonly burstGbit: number;
}

const NODES: Readonly<Record<string, Node>> = {
  "t4g.micro": { baseGbit: 0.064, burstGbit: 5 },
  "r7g.large": { baseGbit: 0.937, burstGbit: 12.5 },
  "r7g.xlarge": { baseGbit: 1.876, burstGbit: 12.5 },
  "r7g.2xlarge": { baseGbit: 3.75, burstGbit: 15 },
  "r7g.4xlarge": { baseGbit: 7.5, burstGbit: 15 },
  "m7g.large": { baseGbit: 0.937, burstGbit: 12.5 },
};
export const NODE_SOURCE = "docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheNodes.SupportedTypes.html";
export const nodeNames = Object.keys(NODES);

/** @throws Where the model knows no such node. */
export function nodeOf(name: string): Node {
  const node = NODES[name];
  if (!node) throw new Error(`--redis takes ${nodeNames.join(", ")}, not "${name}".`);
  return node;
}

export function knobsOf(region: string) {
  const quotas = quotasOf(region);
  return {
    issueSeconds: {
      ...costs.issueSeconds,
      unit: "s",
      what: "function busy with a winner, SQS included, nothing waiting",
    },
    coldSeconds: { ...costs.coldSeconds, unit: "s", what: "start of an environment" },
    scriptsPerPrimary: { ...costs.scriptsPerPrimary, unit: "a second", what: "winners' scripts that one primary runs" },
    batchSeconds: { ...costs.batchSeconds, unit: "s", what: "persister busy with ten confirmations" },
    watcherSeconds: { ...costs.watcherSeconds, unit: "s", what: "between two looks of one who only watches" },
    edgeAsks: { ...costs.edgeAsks, unit: "a second", what: "public documents that the edge itself asks for" },
    lambdaRamp: {
      ...quotas.lambdaRamp,
      unit: "in ten seconds",
      what: "environments that a function may add; refilled all the time",
    },
    sqsSendsPerSecond: { ...quotas.sqsSendsPerSecond, unit: "a second", what: "messages sent one by one" },
    ledgerWritesPerSecond: {
      ...quotas.ledgerWritesPerSecond,
      unit: "a second",
      what: "write units of a table that is not warmed up",
    },
    requestsPerEnvironment: {
      ...quotas.requestsPerEnvironment,
      unit: "a second",
      what: "requests for each concurrent execution that the account may have",
    },
    issuedMicros: unit("issuedMicros"),
    soldOutMicros: unit("soldOutMicros"),
    settledMicros: unit("settledMicros"),
    bucketMicros: unit("bucketMicros"),
    bucketBytes: unit("bucketBytes"),
    joinMicros: unit("joinMicros"),
    pollMicros: unit("pollMicros"),
    handlerIssuedMicros: unit("handlerIssuedMicros"),
    handlerReplayedMicros: unit("handlerReplayedMicros"),
    handlerSoldOutMicros: unit("handlerSoldOutMicros"),
    nodeFactor: {
      value: 1,
      unit: "×",
      what: "CPU time of a script on ElastiCache's arm64, of what it takes here",
      source: ASSUMED,
    },
    armFactor: {
      value: 1,
      unit: "×",
      what: "CPU time of a handler on Lambda's arm64, of what it takes here",
      source: ASSUMED,
    },
    connectMicros: {
      value: 500,
      unit: "µs",
      what: "engine, a new connection with TLS (a node of two cores has no other thread for it)",
      source: ASSUMED,
    },
    tripSeconds: {
      value: 0.001,
      unit: "s",
      what: "function to Redis and back, another zone, nothing waiting",
      source: ASSUMED,
    },
    gatewaySeconds: {
      value: 0.01,
      unit: "s",
      what: "API Gateway and Lambda's own part of a warm request",
      source: ASSUMED,
    },
    tailFactor: { value: 3, unit: "×", what: "99th percentile of AWS's parts, of their median", source: ASSUMED },
    pauseSeconds: {
      value: 0.5,
      unit: "s",
      what: "before the first retry; doubles up to 8 s, ± half",
      source: "web/waiting-room.ts",
    },
    tries: { value: 20, unit: "times", what: "somebody asks before giving up", source: ASSUMED },
    answerBytes: { value: 1_000, unit: "bytes", what: "of an answer with its headers", source: ASSUMED },
    passedLogBytes: line("passed", "API Gateway's log line of a request that it passed on"),
    refusedLogBytes: line("refused", "API Gateway's log line of a request that it refused"),
    invocationLogBytes: line("invocation", "Lambda's three log lines of an invocation"),
    requestLogBytes: line("request", "function's log line of a coupon or a ticket"),
    answersLogBytes: line("answers", "function's log line of one word, for each second and container"),
    spansLogBytes: line("spans", "function's log line of where its time went, for each container"),
    eventHours: {
      value: 1,
      unit: "h",
      what: "for which ready environments and Redis nodes are counted as the event's",
      source: ASSUMED,
    },
  } as const satisfies Record<string, Knob>;
}

export type KnobName = keyof ReturnType<typeof knobsOf>;
export type Knobs = Readonly<Record<KnobName, number>>;

export function valuesOf(knobs: Readonly<Record<KnobName, Knob>>): Knobs {
  return Object.fromEntries(Object.entries(knobs).map(([name, { value }]) => [name, value])) as Record<
    KnobName,
    number
  >;
}
