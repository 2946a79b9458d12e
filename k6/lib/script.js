// A load script made of parts. A part is what some people do and what must hold of it; a script runs one of them, or several
// side by side.
import { Counter } from "k6/metrics";
import { API, mintTokens, requireTarget } from "./api.js";
import { DOUBTS, doubt, doubtOf, isDoubt } from "./doubts.js";
import { metricOf, rule } from "./measures.js";
import { DURATION, RATE, SECONDS } from "./settings.js";
import { grid, meets, readEnd, table } from "./summary.js";

/** Failures of one kind of request that a run may have beyond its share. */
const FAILURES_SPARED = 2;

const percent = (share) => Math.round(share * 1_000) / 10;

/**
 * Makes what k6 wants to be exported by a script.
 *
 * A part has
 * - `name`, and `heading`: what it does, in figures
 * - `scenarios`, whose `exec` are names of `verbs`; these get what the part's `setUp` has returned
 * - `requests`: names of those that its people make, the most important one first
 * - `rules`: see measures.js; `figures`: `[name, metric, value]` to be shown; `answers`: words that it counts
 * - `setUp(operatorToken)` before, and `judge(data, operatorToken, vusMost)` after: VUs have numbers up to the last
 */
export function scriptOf(name, parts) {
  const summaryFile = __ENV.SUMMARY || `.local/k6-${name}.json`;
  const broken = new Counter("broken_iterations");
  const rules = [
    ...parts.flatMap((part) => part.rules.map((it) => ({ ...it, meaning: `${part.name}: ${it.meaning}` }))),
    rule("broken_iterations", "count==0", "people who could not even sign in, or met a fault of the script", "load"),
    rule(
      "dropped_iterations",
      "count==0",
      "people who could not even ask: too few VUs, or a target too slow for the rate",
      "load",
    ),
  ];
  const requests = parts.flatMap((part) => part.requests.map((request) => ({ part: part.name, request })));
  const taggedAs = ({ part, request }) => `{part:${part},name:${request}}`;
  // A 503 is a documented answer; one for more than a request in a hundred (and one or two where few are asked) is an outage.
  const failures = requests.map((it) => [`failures_beyond_share${taggedAs(it)}`, `count<=${FAILURES_SPARED}`, it]);

  const scenarios = Object.assign({}, ...parts.map((part) => part.scenarios));
  /** Those included that k6 may add while it runs. */
  const vusMost = Object.values(scenarios).reduce((sum, { vus, maxVUs }) => sum + (maxVUs ?? vus), 0);

  const options = {
    scenarios: Object.fromEntries(
      parts.flatMap((part) =>
        Object.entries(part.scenarios).map(([scenario, how]) => [scenario, { ...how, tags: { part: part.name } }]),
      ),
    ),
    thresholds: {
      ...Object.fromEntries(rules.map(({ metric, condition }) => [metric, [condition]])),
      ...Object.fromEntries(failures.map(([metric, condition]) => [metric, [condition]])),
      "checks{kind:integrity}": ["rate==1"],
      [DOUBTS]: ["count==0"],
      // Always met: they make k6 report each request by itself. Machines are noisy, so time is for people to judge.
      ...Object.fromEntries(requests.map((it) => [`http_req_duration${taggedAs(it)}`, ["p(95)>=0"]])),
      ...Object.fromEntries(requests.map((it) => [`http_reqs${taggedAs(it)}`, ["count>=0"]])),
      ...Object.fromEntries(requests.map((it) => [`http_req_failed${taggedAs(it)}`, ["rate<=1"]])),
    },
    summaryTrendStats: ["med", "p(95)", "p(99)", "max"],
    batchPerHost: 20,
    setupTimeout: "120s",
    teardownTimeout: "1800s",
  };

  function setup() {
    requireTarget();
    const [operatorToken] = mintTokens(["operator"], "operator");
    return Object.fromEntries(parts.map((part) => [part.name, part.setUp(operatorToken)]));
  }

  const verbs = Object.fromEntries(
    parts.flatMap((part) =>
      Object.entries(part.verbs).map(([verb, run]) => [verb, (data) => attempt(run, data[part.name])]),
    ),
  );

  let hasComplained = false;
  /** A VU complains once: what breaks one iteration breaks many. */
  function attempt(run, data) {
    try {
      run(data);
    } catch (error) {
      broken.add(1);
      if (!hasComplained) console.error(`${error}`);
      hasComplained = true;
    }
  }

  function teardown(data) {
    const [operatorToken] = mintTokens(["operator"], "operator");
    for (const part of parts) {
      try {
        part.judge(data[part.name], operatorToken, vusMost);
      } catch (error) {
        // The others are judged all the same.
        doubt(part.name, `${error}`);
      }
    }
  }

  function handleSummary(data) {
    const end = readEnd(data);
    const { read } = end;
    const failedChecks = end.failedChecks.filter((it) => !isDoubt(it));
    const doubts = end.failedChecks.filter(isDoubt);
    const checks = end.checks - doubts.length;
    // Aborted before the load: k6 has said why.
    if (!read("iterations", "count")) return {};
    const judged = rules.filter(({ needs }) =>
      needs.every(([metric, condition]) => meets(read, metric, condition).holds),
    );
    const unmet = judged
      .map((it) => ({ ...it, ...meets(read, it.metric, it.condition) }))
      .filter(({ holds }) => !holds);
    const told = ({ meaning, figure }) => `${meaning} (${Math.abs(figure)})`;
    const failed = failures
      .map(([metric, condition, it]) => ({ ...it, ...meets(read, metric, condition) }))
      .filter(({ holds }) => !holds)
      .map((it) => `${it.part}: ${percent(figuresOf(read, it).failedShare)} % of "${it.request}" failed`);
    const faults = [...unmet.filter(({ about }) => about === "load").map(told), ...failed];
    const unjudged = [...doubts.map(doubtOf), ...unmet.filter(({ about }) => about === "judged").map(told)];
    if (checks === 0) unjudged.push("nothing was judged");
    else if (judged.length < rules.length && unjudged.length === 0) unjudged.push("the end was not reached");
    const untrue = failedChecks.map((what) => `untrue: ${what}`);
    const violations = [...unmet.filter(({ about }) => about === "integrity").map(told), ...untrue];

    const requestFigures = Object.fromEntries(requests.map((it) => [`${it.part} ${it.request}`, figuresOf(read, it)]));
    const partFigures = Object.fromEntries(parts.map((part) => [part.name, countsOf(read, part)]));
    const [main] = Object.values(requestFigures);
    const [first] = Object.values(partFigures);
    const report = {
      script: name,
      settings: { api: API, rate: RATE, duration: DURATION, seconds: SECONDS, ...parts[0].settings },
      // Of the first part and its first request, which are those that the script is about.
      ...first,
      latencyMs: main.latencyMs,
      failedShare: main.failedShare,
      parts: partFigures,
      requests: requestFigures,
      iterations: read("iterations", "count"),
      dropped: read("dropped_iterations", "count") ?? 0,
      vusMost: read("vus_max", "value") ?? read("vus_max", "max"),
      load: { asAsked: faults.length === 0, faults },
      integrity: { holds: violations.length + unjudged.length === 0, violations, unjudged },
      violations: unmet.map(({ metric, meaning, figure }) => ({ metric, meaning, count: Math.abs(figure) })),
      failedChecks,
    };
    const text = [
      ...parts.map(({ heading }) => heading),
      "",
      grid(
        "latency in ms",
        ["count", "failed %", "median", "p95", "p99", "max"],
        Object.entries(requestFigures).map(([request, { count, failedShare, latencyMs }]) => [
          ...[request, count, percent(failedShare)],
          ...Object.values(latencyMs),
        ]),
      ),
      ...parts.flatMap((part) => tablesOf(part, partFigures[part.name])),
      `checks    ${checks - failedChecks.length} of ${checks} hold, ${rules.length} rules`,
      `load      ${faults.length === 0 ? "as asked" : `NOT AS ASKED: ${faults.join("; ")}`}`,
      ...(violations.length > 0 && unjudged.length > 0 ? [`unjudged  ${unjudged.join("; ")}`] : []),
      `integrity: ${verdictOf(violations, unjudged)}`,
    ].join("\n");
    return { stdout: `\n${text}\n`, [summaryFile]: `${JSON.stringify(report, null, 2)}\n` };
  }

  return { options, setup, teardown, handleSummary, verbs };
}

function verdictOf(violations, unjudged) {
  if (violations.length > 0) return `VIOLATED: ${violations.join("; ")}`;
  return unjudged.length > 0 ? `NOT JUDGED: ${unjudged.join("; ")}` : "holds";
}

function figuresOf(read, { part, request }) {
  const tagged = (metric, value) => read(`${metric}{part:${part},name:${request}}`, value);
  const time = (value) => tagged("http_req_duration", value);
  return {
    count: tagged("http_reqs", "count") ?? 0,
    failedShare: tagged("http_req_failed", "rate") ?? 0,
    latencyMs: { median: time("med"), p95: time("p(95)"), p99: time("p(99)"), max: time("max") },
  };
}

function countsOf(read, part) {
  return {
    answers: Object.fromEntries(
      part.answers.map((word) => [word, read(metricOf(part.name, `answers_${word}`), "count") ?? 0]),
    ),
    figures: Object.fromEntries(part.figures.map(([name, metric, value]) => [name, read(metric, value) ?? 0])),
  };
}

/** Of a part's answers only those that were given. */
function tablesOf({ name }, { answers, figures }) {
  const given = Object.entries(answers).filter(([, count]) => count > 0);
  return [
    ...(given.length > 0 ? [table(`${name}: answers`, given)] : []),
    ...(Object.keys(figures).length > 0 ? [table(`${name}: figures`, Object.entries(figures))] : []),
  ];
}
