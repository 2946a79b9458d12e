import { ask } from "../api.ts";
import { clock } from "../format.ts";
import { Action } from "../parts/action.tsx";
import { DataTable } from "../parts/data-table.tsx";
import { Panel } from "../parts/panel.tsx";
import { State } from "../parts/state.tsx";
import { type Reading, refresh, usePoll } from "../poll.ts";
import { to } from "../route.ts";
import { t } from "../texts/demos.ts";

/** How often the runs are asked for, in milliseconds. */
const EVERY_MS = 1_000;
const PATH = "/_local/demos";
const DEMOS = ["rush", "crowd", "shop"] as const;
type Demo = (typeof DEMOS)[number];

/** GET /_local/demos: the last run of each. Only the laptop's stack has this route, so that no contract names it. */
interface Runs {
  readonly items: readonly Run[];
}

interface Run {
  readonly demo: Demo;
  readonly state: "running" | "stopped" | "held" | "violated" | "failed";
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly subject?: Subject;
  readonly lines: readonly string[];
  readonly verdict: readonly {
    readonly guarantee: string;
    readonly text: string;
    readonly holds: boolean;
    readonly note: string;
  }[];
}

interface Subject {
  readonly kind: "campaign" | "room" | "board";
  readonly id: string;
  /** Whose console shows it, where that is not this one. */
  readonly console?: string;
}

/** Buttons that tell the story: something to watch, something that breaks, and what held all the same. */
export function DemosView() {
  const runs = usePoll(PATH, EVERY_MS, () => ask<Runs>("GET", PATH));
  const running = runs.value?.items.find(({ state }) => state === "running")?.demo;
  return (
    <>
      <h1>{t("title")}</h1>
      <p>{t("intro")}</p>
      {DEMOS.map((demo) => (
        <DemoPanel key={demo} demo={demo} runs={runs} running={running} />
      ))}
      <Break />
    </>
  );
}

/** Does something at the stack's own routes, and shows what came of it without a wait for the next question. */
const act = (path: string) => async () => {
  await ask("POST", path);
  await refresh(PATH);
};

interface DemoPanelProps {
  readonly demo: Demo;
  readonly runs: Reading<Runs>;
  /** The one that runs, if any: there is one at a time. */
  readonly running: Demo | undefined;
}

function DemoPanel({ demo, runs, running }: DemoPanelProps) {
  const run = runs.value?.items.find((it) => it.demo === demo);
  const isRunning = running === demo;
  return (
    <Panel
      title={t(demo)}
      name={demo}
      reading={runs}
      actions={
        <>
          {/* Kept on the page while it does not apply: whoever has just pressed it would lose the place otherwise. */}
          <Action act={act(`${PATH}/${demo}`)} kind="primary" disabled={running !== undefined}>
            {t(`start-${demo}`)}
          </Action>
          <Action act={act(`${PATH}/${demo}/stop`)} disabled={!isRunning}>
            {t("stop")}
          </Action>
        </>
      }
    >
      <p>{t(`about-${demo}`)}</p>
      {running !== undefined && !isRunning && <p class="quiet">{t("one-at-a-time", { demo: t(running) })}</p>}
      {run === undefined ? <p class="quiet">{t("idle")}</p> : <RunNow run={run} />}
    </Panel>
  );
}

function RunNow({ run }: { run: Run }) {
  const { state, startedAt, endedAt, subject, lines, verdict } = run;
  const last = lines.findLast((line) => line.trim() !== "");
  return (
    <>
      <p role="status">
        <State of={state}>{t(state)}</State> {subject && <Watch subject={subject} />}
      </p>
      <p class="quiet">
        {t("started", { time: clock(startedAt) })}
        {endedAt !== undefined && `, ${t("ended", { time: clock(endedAt) })}`}
      </p>
      {verdict.length === 0 && last !== undefined && (
        <p>
          <code>{last}</code>
        </p>
      )}
      {verdict.length > 0 && <Verdict run={run} />}
      {lines.length > 0 && (
        <details>
          <summary>{t("printed")}</summary>
          <pre>{lines.join("\n")}</pre>
        </details>
      )}
    </>
  );
}

function Watch({ subject: { kind, id, console: its } }: { subject: Subject }) {
  const place = to(`${kind}s`, id);
  return its === undefined ? (
    <a href={place}>{t(`watch-${kind}`, { id })}</a>
  ) : (
    <>
      <a href={`${its}${place}`} target="_blank" rel="noreferrer">
        {t(`watch-${kind}`, { id })}
      </a>{" "}
      <span class="quiet">({t("own-stack")})</span>
    </>
  );
}

function Verdict({ run: { demo, verdict } }: { run: Run }) {
  return (
    <DataTable
      caption={t("verdict", { demo: t(demo) })}
      columns={[{ label: t("guarantee") }, { label: t("text") }, { label: t("result") }, { label: t("note") }]}
    >
      {verdict.map(({ guarantee, text, holds, note }) => (
        <tr key={text} data-guarantee={guarantee} data-holds={holds}>
          <th scope="row">{guarantee}</th>
          <td lang="en">{text}</td>
          <td>
            <State of={holds ? "held" : "violated"}>{holds ? `✓ ${t("holds")}` : `✗ ${t("does-not")}`}</State>
          </td>
          <td lang="en">{note}</td>
        </tr>
      ))}
    </DataTable>
  );
}

function Break() {
  return (
    <Panel title={t("break")} name="break">
      <p>{t("about-break")}</p>
      <div class="buttons">
        {(["redis", "worker"] as const).map((part) => (
          <Action
            key={part}
            act={() => ask("POST", `/_local/kill/${part}`)}
            confirm={t(`confirm-${part}`)}
            done={t(`killed-${part}`)}
            kind="danger"
          >
            {t(`kill-${part}`)}
          </Action>
        ))}
      </div>
    </Panel>
  );
}
