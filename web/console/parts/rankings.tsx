import type { Rankings } from "../documents.ts";
import { duration, moment, number, percent } from "../format.ts";
import { type Reading, refresh } from "../poll.ts";
import { askAsOperator } from "../session.ts";
import { t } from "../texts/boards.ts";
import { Action } from "./action.tsx";
import { DataTable } from "./data-table.tsx";
import { Figure } from "./figure.tsx";
import { Panel } from "./panel.tsx";
import { State } from "./state.tsx";

/** The route that tells how the rankings are, which is the key of its poll, too. */
export const RANKINGS = "/ops/rankings";
/** How often it is asked for, in milliseconds: each question looks at every shard and every board. */
export const RANKINGS_EVERY_MS = 5_000;

/** How the rankings are: from where they are read, what waits to be counted, and the sets of windows that there are. */
export function RankingsPanel({ rankings }: { rankings: Reading<Rankings> }) {
  const it = rankings.value;
  const rebuild = async () => {
    await askAsOperator("POST", "/ops/rankings/rebuild", { body: {} });
    await refresh(RANKINGS);
  };
  return (
    <Panel title={t("state_of_rankings")} name="rankings" reading={rankings}>
      {it && (
        <>
          <Figures it={it} />
          <div class="buttons">
            <Modes mode={it.breaker.mode} />
            <Action act={rebuild} kind="danger" confirm={t("confirm-rebuild")} done={t("rebuild-begun")}>
              {t("rebuild")}
            </Action>
          </div>
          <Editions editions={it.editions} />
          {it.lastRebuild && <LastRebuild it={it.lastRebuild} />}
        </>
      )}
    </Panel>
  );
}

const MODE = { auto: "auto", live: "mode-live", snapshot: "mode-snapshot" } as const;

function Figures({ it: { breaker, queue, shards } }: { it: Rankings }) {
  // The switch overrides the breaker.
  const areCopies = breaker.mode === "snapshot" || (breaker.mode === "auto" && breaker.state === "open");
  const sum = (of: (shard: Rankings["shards"][number]) => number) => shards.reduce((total, it) => total + of(it), 0);
  const products = sum((shard) => shard.products);
  const unscored = sum((shard) => shard.changed);
  const open = sum((shard) => (shard.isOpen ? 1 : 0));
  // Nothing is told of the shards while Redis is out of reach.
  const known = (figure: number) => (shards.length === 0 ? undefined : figure);
  return (
    <dl class="figures">
      <Figure name="breaker" label={t("breaker")} value={breaker.state} hint={breakerHint(breaker)}>
        <State of={breaker.state} tone={areCopies ? "bad" : "good"}>
          {t(areCopies ? "from-copies" : "from-redis")}
        </State>
      </Figure>
      <Figure
        name="mode"
        label={t("mode")}
        value={breaker.mode}
        tone={breaker.mode === "auto" ? undefined : "bad"}
        hint={t(breaker.mode === "auto" ? "auto-hint" : "mode-hint")}
      >
        {t(MODE[breaker.mode])}
      </Figure>
      <Figure
        name="queue"
        label={t("queue")}
        value={queue.waiting}
        hint={t("queue-hint", { count: number(queue.inFlight) })}
      >
        {number(queue.waiting)}
      </Figure>
      <Figure name="products" label={t("products")} value={known(products)}>
        {number(products)}
      </Figure>
      <Figure name="unscored" label={t("unscored")} value={known(unscored)}>
        {number(unscored)}
      </Figure>
      <Figure name="shards" label={t("shards")} value={known(open)} tone={open < shards.length ? "bad" : undefined}>
        {number(open)} / {number(shards.length)}
      </Figure>
    </dl>
  );
}

function breakerHint({ state, since }: Rankings["breaker"]): string {
  const text = t(state === "open" ? "breaker-open" : "breaker-closed");
  return since === undefined ? text : `${text}, ${t("breaker-hint", { time: moment(since) })}`;
}

/** The switch before Redis. */
function Modes({ mode }: { mode: Rankings["breaker"]["mode"] }) {
  const set = (to: Rankings["breaker"]["mode"]) => async () => {
    await askAsOperator("PUT", "/ops/breaker", { body: { mode: to } });
    await refresh(RANKINGS);
  };
  return (
    <>
      <Action act={set("auto")} disabled={mode === "auto"}>
        {t("set-auto")}
      </Action>
      <Action act={set("live")} disabled={mode === "live"} confirm={t("confirm-live")}>
        {t("set-live")}
      </Action>
      <Action act={set("snapshot")} disabled={mode === "snapshot"} confirm={t("confirm-snapshot")}>
        {t("set-snapshot")}
      </Action>
    </>
  );
}

function Editions({ editions }: { editions: Rankings["editions"] }) {
  const columns = [
    { label: t("edition") },
    { label: t("state") },
    { label: t("step") },
    { label: t("rows"), isNumber: true },
    { label: t("reason") },
    { label: t("opened") },
    { label: t("half-lives") },
  ];
  return (
    <DataTable caption={t("editions")} columns={columns}>
      {editions.map((it) => (
        <tr key={it.id} data-edition={it.id}>
          <th scope="row">{it.id}</th>
          <td>
            <State of={it.state}>{t(it.state)}</State>
          </td>
          <td>{it.step === undefined ? "–" : t(it.step)}</td>
          <td class="number">{it.rows === undefined ? "–" : number(it.rows)}</td>
          <td>{it.reason}</td>
          <td>{moment(it.openedAt)}</td>
          <td>{it.halfLives.map((hours) => t("hours", { count: number(hours, 2) })).join(", ")}</td>
        </tr>
      ))}
    </DataTable>
  );
}

function LastRebuild({ it }: { it: NonNullable<Rankings["lastRebuild"]> }) {
  const tookMs = Date.parse(it.finishedAt) - Date.parse(it.startedAt);
  return (
    <p data-rebuild={it.edition}>
      <strong>{t("last-rebuild")}</strong> {moment(it.finishedAt)}:{" "}
      {t("rebuild-took", { rows: number(it.rows), time: duration(tookMs) })},{" "}
      {t("rebuild-equal", {
        equal: number(it.equalShards),
        compared: number(it.comparedShards),
        overlap: percent(it.leastOverlap),
      })}
      . <span class="quiet">{it.reason}</span>
    </p>
  );
}
