import { randomUUID } from "node:crypto";
import type { RefusalWord } from "../../core/words.ts";
import { type ProxyResult, problem } from "../../functions/http/answer.ts";
import { invalid, readPart } from "../../functions/http/request.ts";
import { readStackFile } from "../stack-file.ts";
import { isPart, killPart, partNames } from "./kill.ts";
import { type Demo, isDemo, programs } from "./programs.ts";
import { openRun, type Run } from "./run.ts";

/**
 * Routes with which the console starts a rush, a crowd or a shop's day, and kills a part of the stack. They are the laptop's alone:
 * nothing that is deployed knows them.
 *
 *   GET  /_local/demos               what was started last, and how it goes
 *   POST /_local/demos/{demo}        starts one, with a few options
 *   POST /_local/demos/{demo}/stop   asks it to end
 *   POST /_local/kill/{part}         SIGKILL
 */

export interface Demos {
  /** @returns undefined where the path is none of these */
  answer(method: string, path: string, body: () => Promise<Buffer>): Promise<ProxyResult | undefined>;
  /** Asks all to end. @returns settled when they have */
  end(): Promise<void>;
}

type Route = readonly [
  method: "GET" | "POST",
  path: RegExp,
  serve: (name: string, body: Buffer) => Promise<ProxyResult>,
];

export interface DemosTerms {
  /** Where the stack has written what runs where. */
  readonly stackFile: string;
  /** This stack's API. */
  readonly api: string;
}

export function openDemos({ stackFile, api }: DemosTerms): Demos {
  /** The last run of each. */
  const runs = new Map<Demo, Run>();

  /** The subject says whose console shows it only where that is not this stack's. */
  function documentOf(demo: Demo, run: Run) {
    const { subject, ...rest } = run.read();
    if (!subject) return { demo, ...rest };
    const { api: its, kind, id } = subject;
    return { demo, ...rest, subject: { kind, id, ...(its === api ? {} : { console: `${its}/console/` }) } };
  }

  async function start(name: string, body: Buffer): Promise<ProxyResult> {
    if (!isDemo(name)) return noDemo(name);
    const { main, options, words } = programs[name];
    const read = readPart(options, jsonOf(body), "body");
    if ("issues" in read) return problem(invalid(read.issues), randomUUID(), 0);
    // They would take the machine from each other, and waits that were told honestly would then be wrong.
    const other = [...runs].find(([, run]) => run.isRunning())?.[0];
    if (other !== undefined) {
      return refusal("conflict", "Another one is running", `One demo at a time: ${other} has not ended yet.`);
    }
    const run = openRun(main, words(read.value, stackFile));
    runs.set(name, run);
    return accepted(documentOf(name, run));
  }

  async function stop(name: string): Promise<ProxyResult> {
    if (!isDemo(name)) return noDemo(name);
    const run = runs.get(name);
    if (!run?.isRunning()) return refusal("conflict", "It does not run", `No ${name} is running.`);
    // It stops what it has started before it ends, which may take seconds: GET tells when.
    run.stop();
    return accepted(documentOf(name, run));
  }

  async function kill(name: string): Promise<ProxyResult> {
    if (!isPart(name)) return noSuch(`There is no part "${name.slice(0, 40)}" to be killed; there is ${partNames}.`);
    const killed = killPart(name, readStackFile(stackFile));
    if ("reason" in killed) return refusal("conflict", "It was not killed", killed.reason);
    return accepted({ part: name, pid: killed.pid });
  }

  const list = async () => answerOf(200, { items: [...runs].map(([demo, run]) => documentOf(demo, run)) });

  const routes: readonly Route[] = [
    ["GET", /^\/_local\/demos$/, list],
    ["POST", /^\/_local\/demos\/([^/]+)$/, start],
    ["POST", /^\/_local\/demos\/([^/]+)\/stop$/, stop],
    ["POST", /^\/_local\/kill\/([^/]+)$/, kill],
  ];

  return {
    async answer(method, path, body) {
      for (const [taken, pattern, serve] of routes) {
        const match = pattern.exec(path);
        if (!match) continue;
        if (method === taken) return serve(match[1] ?? "", await body());
        const detail = `This path takes ${taken}.`;
        return problem({ word: "method-not-allowed", detail }, randomUUID(), 0, { allow: taken });
      }
      return undefined;
    },
    async end() {
      await Promise.all([...runs.values()].map((run) => run.stop()));
    },
  };
}

const answerOf = (statusCode: number, body: unknown): ProxyResult => ({
  statusCode,
  headers: { "content-type": "application/json", "cache-control": "no-store", "x-request-id": randomUUID() },
  body: JSON.stringify(body),
});
const accepted = (body: unknown) => answerOf(202, body);

/** A refusal under a title of its own: those of the API speak of tokens and guarantees. */
export const refusal = (word: RefusalWord, title: string, detail: string): ProxyResult =>
  problem({ word, detail, facts: { title } }, randomUUID(), 0);

const noSuch = (detail: string) => problem({ word: "unknown", detail }, randomUUID(), 0);
const noDemo = (name: string) =>
  noSuch(`There is no demo "${name.slice(0, 40)}"; there is ${Object.keys(programs).join(", ")}.`);

/** @returns undefined for what is no JSON; without a body, what has all options by default */
function jsonOf(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}
