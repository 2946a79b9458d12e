import { ask } from "../api.ts";
import type { Health, Letters, Signals } from "../documents.ts";
import { bytes, duration, moment, number } from "../format.ts";
import { concernsOf } from "../parts/attention.ts";
import { Chart } from "../parts/chart.tsx";
import { DataTable } from "../parts/data-table.tsx";
import { Figure } from "../parts/figure.tsx";
import { Panel } from "../parts/panel.tsx";
import { useHistory } from "../parts/series.ts";
import { State } from "../parts/state.tsx";
import { type Reading, usePoll } from "../poll.ts";
import { to } from "../route.ts";
import { askAsOperator } from "../session.ts";
import { t } from "../texts/signals.ts";

/** How often the stores are asked, in milliseconds. The signals cost Redis some hundred commands each time. */
const EVERY_MS = 5_000;
/** Letters that are kept wait for a person; a page of them is read from the ledger one by one. */
const LETTERS_EVERY_MS = 30_000;
const LETTERS = "/ops/dead-letters?limit=100";
/** How far back the charts reach, in seconds. */
const BACK = { seconds: 900, everyMs: EVERY_MS };

const STORES = ["redis", "queue", "ledger"] as const;
const QUEUES = [
  ["confirmations", "confirmations"],
  ["deadLetters", "dead-letters"],
  ["events", "events"],
] as const;

/** How the stores stand, and what of it needs somebody. */
export function SignalsView() {
  const health = usePoll("/health", EVERY_MS, () => ask<Health>("GET", "/health"));
  const signals = usePoll("/ops/signals", EVERY_MS, () => askAsOperator<Signals>("GET", "/ops/signals"));
  const letters = usePoll(LETTERS, LETTERS_EVERY_MS, () => askAsOperator<Letters>("GET", LETTERS));
  return (
    <>
      <h1>{t("signals")}</h1>
      <Attention health={health} signals={signals} letters={letters} />
      <Stores health={health} />
      <Queues signals={signals} />
      <Servers signals={signals} />
      <Campaigns signals={signals} />
      <Others signals={signals} />
    </>
  );
}

interface AttentionProps {
  readonly health: Reading<Health>;
  readonly signals: Reading<Signals>;
  readonly letters: Reading<Letters>;
}

function Attention({ health, signals, letters }: AttentionProps) {
  // Nothing is well that nobody has looked at: the list is as old as the oldest of its documents. That the dead letters could not be
  // read is a concern of its own, so that the others are seen all the same.
  const areLettersOld = letters.isStale && letters.value !== undefined && letters.trouble === undefined;
  const reading = health.isStale ? health : signals.isStale ? signals : areLettersOld ? letters : signals;
  const areLettersTold = letters.value !== undefined || letters.trouble !== undefined;
  const isKnown = health.value !== undefined && signals.value !== undefined && areLettersTold;
  const concerns = isKnown ? concernsOf(health.value, signals.value, letters.trouble ? undefined : letters.value) : [];
  return (
    <Panel title={t("attention")} name="attention" reading={reading}>
      {isKnown && (
        <div role="status" data-concerns={concerns.length}>
          {concerns.length === 0 && (
            <p>
              <State of="up">{t("all-is-well")}</State>
            </p>
          )}
          {concerns.length > 0 && (
            <ul class="concerns">
              {concerns.map(({ kind, text, href }) => (
                <li key={text} data-concern={kind}>
                  {text} {href !== undefined && <a href={href}>{t("look")}</a>}
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
    </Panel>
  );
}

function Stores({ health }: { health: Reading<Health> }) {
  const it = health.value;
  const redis = useHistory(health, ({ redis }) => msOf(redis), BACK);
  const queue = useHistory(health, ({ queue }) => msOf(queue), BACK);
  const ledger = useHistory(health, ({ ledger }) => msOf(ledger), BACK);
  return (
    <Panel title={t("stores")} name="stores" reading={health}>
      {it && (
        <>
          <dl class="figures">
            {STORES.map((name) => (
              <Figure key={name} name={name} label={t(name)} value={it[name].status} hint={`${number(it[name].ms)} ms`}>
                <State of={it[name].status}>{t(it[name].status)}</State>
              </Figure>
            ))}
          </dl>
          <div class="charts">
            <Chart
              title={t("answers-in")}
              at={redis.at}
              lines={[
                { label: t("redis"), values: redis.values, color: 1 },
                { label: t("queue"), values: queue.values, color: 2 },
                { label: t("ledger"), values: ledger.values, color: 3 },
              ]}
            />
          </div>
        </>
      )}
    </Panel>
  );
}

/** A store that is away took its time to say nothing: that is no answer time. */
const msOf = ({ status, ms }: Health["redis"]) => (status === "up" ? ms : undefined);

function Queues({ signals }: { signals: Reading<Signals> }) {
  const it = signals.value;
  const confirmations = useHistory(signals, ({ queues }) => queues.confirmations.waiting, BACK);
  const letters = useHistory(signals, ({ queues }) => queues.deadLetters.waiting, BACK);
  const events = useHistory(signals, ({ queues }) => queues.events.waiting, BACK);
  const outbox = useHistory(signals, outboxOf, BACK);
  return (
    <Panel title={t("queues")} name="queues" reading={signals}>
      {it && (
        <>
          <dl class="figures">
            {QUEUES.map(([name, label]) => {
              const { status, waiting, inFlight = 0 } = it.queues[name];
              const hint = status === "up" ? t("in-flight", { count: number(inFlight) }) : t("queue-is-away");
              return (
                <Figure key={name} name={name} label={t(label)} value={waiting ?? status} hint={hint}>
                  {waiting === undefined ? <State of="down">{t("down")}</State> : `${number(waiting)} ${t("waiting")}`}
                </Figure>
              );
            })}
          </dl>
          <div class="charts">
            <Chart
              title={t("waiting-over-time")}
              at={confirmations.at}
              lines={[
                { label: t("confirmations"), values: confirmations.values, color: 1 },
                { label: t("dead-letters"), values: letters.values, color: 8 },
                { label: t("events"), values: events.values, color: 2 },
              ]}
            />
            <Chart
              title={t("outbox-over-time")}
              at={outbox.at}
              lines={[{ label: t("outbox"), values: outbox.values, color: 3 }]}
              filled
            />
          </div>
          <p class="quiet">{t("oldest-elsewhere")}</p>
        </>
      )}
    </Panel>
  );
}

/** Entries in the outboxes of the campaigns that are listed; unknown as soon as one of them is. */
function outboxOf({ redis, campaigns }: Signals): number | undefined {
  if (redis.status === "down") return undefined;
  const depths = campaigns.items.map(({ outbox }) => outbox?.depth);
  return depths.reduce<number | undefined>(
    (sum, depth) => (sum === undefined || depth === undefined ? undefined : sum + depth),
    0,
  );
}

const MEGABYTE = 1_000_000;
const fullestOf = ({ redis }: Signals) =>
  redis.servers.length === 0 ? undefined : Math.max(...redis.servers.map(({ usedBytes }) => usedBytes)) / MEGABYTE;

function Servers({ signals }: { signals: Reading<Signals> }) {
  const it = signals.value;
  const memory = useHistory(signals, fullestOf, BACK);
  return (
    <Panel title={t("servers")} name="servers" reading={signals}>
      {it?.redis.status === "down" && <p>{t("redis-is-away")}</p>}
      {it?.redis.status === "up" && (
        <>
          <DataTable
            caption={t("servers")}
            columns={[
              { label: t("server") },
              { label: t("role") },
              { label: t("version") },
              { label: t("offset"), isNumber: true },
              { label: t("replicas") },
              { label: t("memory"), isNumber: true },
              { label: t("policy") },
              { label: t("evicted-keys"), isNumber: true },
              { label: t("expired-keys"), isNumber: true },
              { label: t("fragmentation"), isNumber: true },
            ]}
          >
            {it.redis.servers.map((server) => (
              <Server key={server.runId} it={server} />
            ))}
          </DataTable>
          <div class="charts">
            <Chart
              title={t("memory-over-time")}
              at={memory.at}
              lines={[{ label: t("memory"), values: memory.values, color: 5 }]}
              filled
            />
          </div>
        </>
      )}
    </Panel>
  );
}

function Server({ it }: { it: Signals["redis"]["servers"][number] }) {
  const { runId, version, role, offset, replicas, usedBytes, maxBytes, policy, evictedKeys, expiredKeys } = it;
  const used = bytes(usedBytes);
  return (
    <tr data-server={runId}>
      <th scope="row">
        <code title={runId}>{runId.slice(0, 8)}</code>
      </th>
      <td>{t(role)}</td>
      <td>{version}</td>
      <td class="number">{number(offset)}</td>
      <td>
        {replicas.length === 0
          ? t("no-replicas")
          : replicas.map(({ state, gapBytes, lagSeconds, offset: at }) => (
              <div key={at}>{t("replica-of", { state, gap: bytes(gapBytes), lag: number(lagSeconds) })}</div>
            ))}
      </td>
      <td class="number">
        {maxBytes > 0 ? t("memory-of", { used, max: bytes(maxBytes) }) : t("memory-unbounded", { used })}
      </td>
      <td>
        <State of={policy === "noeviction" ? "up" : "evicts"}>{policy}</State>
      </td>
      <td class="number">
        <Count it={evictedKeys} isBad={evictedKeys > 0} />
      </td>
      <td class="number">{number(expiredKeys)}</td>
      <td class="number">{number(it.fragmentation, 2)}</td>
    </tr>
  );
}

/** A count that stands out where it should be zero. */
function Count({ it, isBad }: { it: number; isBad: boolean }) {
  return isBad ? <State of="wrong">{number(it)}</State> : number(it);
}

type Keys = Signals["redis"]["registry"];

const KEY_COLUMNS = ["keys", "bytes", "missing-ttls", "unwanted-ttls"] as const;
const keyColumns = () => KEY_COLUMNS.map((name) => ({ label: t(name), isNumber: true }));

/** The cells that say what keys take; of a store that is away nothing is known. */
function KeyCells({ of }: { of: Keys }) {
  if (!of) {
    return (
      <td colSpan={KEY_COLUMNS.length} class="quiet">
        {t("not-known")}
      </td>
    );
  }
  const about = of.isEstimate ? `${t("estimate")} ` : "";
  const wrong = of.wrong.length > 0 ? t("wrong", { names: of.wrong.join(", ") }) : undefined;
  return (
    <>
      <td class="number">{about + number(of.keys)}</td>
      <td class="number">{about + bytes(of.bytes)}</td>
      <td class="number">
        <Count it={of.missingTtls} isBad={of.missingTtls > 0} />
        {of.missingTtls > 0 && wrong !== undefined && <small class="under">{wrong}</small>}
      </td>
      <td class="number">
        <Count it={of.unwantedTtls} isBad={of.unwantedTtls > 0} />
        {of.unwantedTtls > 0 && wrong !== undefined && <small class="under">{wrong}</small>}
      </td>
    </>
  );
}

function Campaigns({ signals }: { signals: Reading<Signals> }) {
  const it = signals.value;
  return (
    <Panel title={t("campaigns")} name="signals-campaigns" reading={signals}>
      {it?.ledger.status === "down" && <p>{t("ledger-is-away")}</p>}
      {it && it.campaigns.items.length > 0 && (
        <DataTable
          caption={t("campaigns")}
          columns={[
            { label: t("campaign") },
            { label: t("outbox"), isNumber: true },
            { label: t("oldest"), isNumber: true },
            ...keyColumns(),
            { label: t("verified") },
          ]}
        >
          {it.campaigns.items.map((campaign) => (
            <CampaignRow key={campaign.campaignId} it={campaign} />
          ))}
        </DataTable>
      )}
      {it?.campaigns.more && <p class="quiet">{t("more")}</p>}
    </Panel>
  );
}

function CampaignRow({ it }: { it: Signals["campaigns"]["items"][number] }) {
  const { campaignId, isLive, outbox, verification } = it;
  return (
    <tr data-campaign={campaignId}>
      <th scope="row">
        <a href={to("campaigns", campaignId)}>{campaignId}</a>{" "}
        <State of={isLive ? "live" : "closed"}>{t(isLive ? "live" : "not-live")}</State>
      </th>
      <td class="number">{outbox ? number(outbox.depth) : "–"}</td>
      <td class="number">{outbox && outbox.depth > 0 ? duration(outbox.oldestMs) : "–"}</td>
      <KeyCells of={it.keys} />
      <td>
        {verification === undefined && <span class="quiet">{t("not-known")}</span>}
        {verification === null && <span class="quiet">{t("never")}</span>}
        {verification && (
          <>
            <State of={verification.consistent ? "up" : "down"}>
              {verification.consistent ? t("consistent") : t("findings-of", { count: number(verification.findings) })}
            </State>
            <small class="under">{moment(verification.verifiedAt)}</small>
          </>
        )}
      </td>
    </tr>
  );
}

/** Rooms, boards, the rankings' shards and the registry: they differ in their name only. */
function Others({ signals }: { signals: Reading<Signals> }) {
  const it = signals.value;
  return (
    <Panel title={t("others")} name="signals-others" reading={signals}>
      {it && (
        <>
          <DataTable caption={t("others")} columns={[{ label: t("thing") }, ...keyColumns()]}>
            {it.rooms.items.map(({ roomId, keys }) => (
              <tr key={`room ${roomId}`} data-room={roomId}>
                <th scope="row">
                  {t("room")} <a href={to("rooms", roomId)}>{roomId}</a>
                </th>
                <KeyCells of={keys} />
              </tr>
            ))}
            {it.boards.items.map(({ boardId, keys }) => (
              <tr key={`board ${boardId}`} data-board={boardId}>
                <th scope="row">
                  {t("board")} <a href={to("boards", boardId)}>{boardId}</a>
                </th>
                <KeyCells of={keys} />
              </tr>
            ))}
            {it.rankings && (
              <tr key="rankings">
                <th scope="row">
                  {t(it.rankings.shards > 0 ? "rankings" : "rankings-away", { count: number(it.rankings.shards) })}
                </th>
                <KeyCells of={it.rankings.shards > 0 ? it.rankings.keys : undefined} />
              </tr>
            )}
            <tr key="registry">
              <th scope="row">{t("registry")}</th>
              <KeyCells of={it.redis.registry} />
            </tr>
          </DataTable>
          {it.rooms.more && <p class="quiet">{`${t("rooms")}: ${t("more-of")}`}</p>}
          {it.boards.more && <p class="quiet">{`${t("boards")}: ${t("more-of")}`}</p>}
          {it.rankings?.more && <p class="quiet">{t("more-shards")}</p>}
        </>
      )}
    </Panel>
  );
}
