import { openRedis, type RedisDoor } from "../../core/doors/redis.ts";
import { keys } from "../../core/keys.ts";
import { measure, packLoad } from "./load.ts";
import { costOf } from "./rankings-calls.ts";
import {
  ACCUMULATORS,
  contentOf,
  eventSource,
  fullRow,
  type Message,
  type Popularity,
  packFor,
  shortName,
} from "./rankings-events.ts";
import { openRelay } from "./rankings-relay.ts";
import { MINUTE_MS, Stage } from "./rankings-stage.ts";
import { encode } from "./resp.ts";
import { alternate } from "./rounds.ts";
import type { Bench } from "./section.ts";
import { commandStat, type Server } from "./server.ts";

/** Counting events by batch size and number of shards, in turn with plain ZINCRBY. */

export const SIZES = [1, 10, 100, 500] as const;
export const SHARD_COUNTS = [1, 4, 16] as const;
/** Events that a round applies with each size, so that its time can be told. */
const EVENTS: Readonly<Record<number, number>> = { 1: 400, 10: 3_000, 100: 8_000, 500: 20_000 };
const RIVAL_COMMANDS = { inTurn: 4_000, pipelined: 40_000 };

export const IN_TURN = "ZINCRBY, one an event, in turn";
export const BARE = "the same by a bare client";
/** Some contestants ask through a relay that holds what they send so long, as a network does. */
const AWAY_MS = 1;
export const AWAY_IN_TURN = `${IN_TURN}, ${AWAY_MS} ms away`;
const AWAY_COMMANDS = 200;
export const PIPELINED = "ZINCRBY, pipelined";
/** A set beside the rankings, its name as long as theirs. */
const RIVAL = keys.pointer("bench-rival", "7d");

export interface Cell {
  readonly popularity: Popularity;
  /** Events in a batch, and shards that it is spread over: a message each. */
  readonly size: number;
  readonly shards: number;
  /** Through the relay. */
  readonly isAway?: boolean;
  /** No event tells its product's category. */
  readonly isBare?: boolean;
}

const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? "" : "s"}`;
export const nameOf = ({ popularity, size, shards, isAway, isBare }: Cell): string =>
  `${popularity === "zipf" ? "" : `${popularity}: `}${plural(size, "event")}, ${plural(shards, "shard")}${isAway ? `, ${AWAY_MS} ms away` : ""}${isBare ? ", no categories" : ""}`;

export const CELLS: readonly Cell[] = [
  ...SHARD_COUNTS.flatMap((shards) => SIZES.map((size) => ({ popularity: "zipf" as const, size, shards }))),
  ...([1, 16] as const).map((shards) => ({ popularity: "uniform" as const, size: 500, shards })),
  { popularity: "flash", size: 500, shards: 1 },
  { popularity: "zipf", size: 500, shards: 1, isBare: true },
  ...([1, 16] as const).map((shards) => ({ popularity: "zipf" as const, size: 500, shards, isAway: true })),
];

/** Of one contestant in one round. An increment of a plain ZINCRBY is the command. */
export interface Round {
  readonly eventsPerSecond: number;
  readonly incrementsPerSecond: number;
  readonly pairsPerSecond: number;
  /** The same for each second of CPU that the server's process spent. */
  readonly eventsPerCore: number;
  readonly incrementsPerCore: number;
  readonly pairsPerCore: number;
  /** Microseconds inside the command: of a call, and of a row. */
  readonly callMicros: number;
  readonly rowMicros: number;
  /** CPU of the server's process a row, with everything around the command. */
  readonly rowCpuMicros: number;
}

/** What a batch of a cell boils down to, on average. */
export interface Average {
  readonly calls: number;
  readonly rows: number;
  readonly pairs: number;
}

export interface Work {
  readonly list: readonly Message[];
  readonly events: number;
  readonly sum: Average;
}

export interface Race {
  readonly products: number;
  readonly rounds: Readonly<Record<string, readonly Round[]>>;
  readonly averages: Readonly<Record<string, Average>>;
}

const chunks = function* <T>(list: readonly T[], size: number) {
  for (let from = 0; from < list.length; from += size) yield list.slice(from, from + size);
};

/** Products that are there already: in an edition for each number of shards, and in the plain set. */
async function prepare({ server, progress }: Bench, products: number): Promise<Map<number, Stage>> {
  await server.clear();
  const names = Array.from({ length: products }, (_, i) => shortName(i));
  const stages = new Map<number, Stage>();
  for (const shards of SHARD_COUNTS) {
    const stage = await Stage.open(server, { id: shards });
    stages.set(shards, stage);
    const rows = names.map((name, i) => fullRow(name, i));
    await progress.step(`rankings: ${products} products, ${plural(shards, "shard")}`, () =>
      stage.fillShards(stage.minute, rows, shards),
    );
  }
  for (const some of chunks(names, 1_000))
    await server.client.call("ZADD", RIVAL, ...some.flatMap((name) => [1, name]));
  return stages;
}

export function workOf({ popularity, size, shards, isBare }: Cell, products: number, share: number): Work {
  const next = eventSource(popularity, products, 1, !isBare);
  const count = Math.ceil(((EVENTS[size] ?? 0) * share) / size);
  const list = Array.from({ length: count }, () =>
    packFor(
      Array.from({ length: size }, () => next(0)),
      shards,
    ),
  );
  const contents = list.map(contentOf);
  const sumOf = (of: keyof Average) => contents.reduce((sum, content) => sum + content[of], 0);
  return { list, events: count * size, sum: { calls: sumOf("calls"), rows: sumOf("rows"), pairs: sumOf("pairs") } };
}

/** Batch after batch, as an applier does it: shards at the same time, the parts of each in order. */
export async function applyAll(
  server: Server,
  stage: Stage,
  { list, events, sum }: Work,
  redis: RedisDoor = stage.ctx.redis,
): Promise<Round> {
  const { minute } = stage;
  const { seconds, cpu, stats } = await costOf(server, async () => {
    for (const message of list) {
      await Promise.all(
        [...message].map(async ([shard, parts]) => {
          for (const { rows } of parts) await stage.apply(shard, { minute, rows }, redis);
        }),
      );
    }
  });
  const { calls, micros } = commandStat(stats, "evalsha");
  if (calls !== sum.calls) throw new Error(`Redis counted ${calls} calls of apply.lua, not ${sum.calls}`);
  const increments = ACCUMULATORS * sum.pairs;
  return {
    ...{ eventsPerSecond: events / seconds, eventsPerCore: events / cpu },
    ...{ incrementsPerSecond: increments / seconds, incrementsPerCore: increments / cpu },
    ...{ pairsPerSecond: sum.pairs / seconds, pairsPerCore: sum.pairs / cpu },
    ...{ callMicros: micros / calls, rowMicros: micros / sum.rows, rowCpuMicros: (cpu * 1e6) / sum.rows },
  };
}

const plainRound = (perSecond: number, perCore: number, micros: number): Round => ({
  ...{ eventsPerSecond: perSecond, incrementsPerSecond: perSecond, pairsPerSecond: perSecond },
  ...{ eventsPerCore: perCore, incrementsPerCore: perCore, pairsPerCore: perCore },
  ...{ callMicros: micros, rowMicros: micros, rowCpuMicros: 1e6 / perCore },
});

/** One command an event, each when the reply to the one before has come. */
async function incrementInTurn(
  server: Server,
  call: (...command: readonly [string, ...(string | number)[]]) => Promise<unknown>,
  products: readonly string[],
): Promise<Round> {
  const { seconds, cpu, stats } = await costOf(server, async () => {
    for (const product of products) await call("ZINCRBY", RIVAL, 1, product);
  });
  const { calls, micros } = commandStat(stats, "zincrby");
  return plainRound(calls / seconds, calls / cpu, micros / calls);
}

export async function raceWrites(bench: Bench): Promise<Race> {
  const { server, progress, quick } = bench;
  const products = quick ? 20_000 : 100_000;
  const share = quick ? 0.2 : 1;
  const stages = await prepare(bench, products);
  const relay = await openRelay(server.port, AWAY_MS);
  const away = openRedis({ host: "127.0.0.1", port: relay.port, tls: false });
  const stageOf = (shards: number) => {
    const stage = stages.get(shards);
    if (!stage) throw new Error(`${shards} shards are not there`);
    return stage;
  };
  try {
    const cells = new Map(
      CELLS.map((cell) => [nameOf(cell), { ...cell, work: workOf(cell, products, share) }] as const),
    );
    const next = eventSource("zipf", products, 2);
    const draw = (count: number) => Array.from({ length: count * share }, () => next(0).productId);
    const inTurn = draw(RIVAL_COMMANDS.inTurn);
    const shape = { sockets: 1, pipeline: 100 };
    const commands = draw(RIVAL_COMMANDS.pipelined).map((product) => encode(["ZINCRBY", RIVAL, 1, product]));
    const load = packLoad(shape, commands, "zincrby", "$");
    const count = quick ? 3 : 9;
    const rounds = await alternate([IN_TURN, AWAY_IN_TURN, BARE, PIPELINED, ...cells.keys()], count, (name, round) =>
      progress.step(`rankings: round ${round + 1} of ${count}, ${name}`, async () => {
        if (name === IN_TURN) return incrementInTurn(server, stageOf(1).ctx.redis.command, inTurn);
        if (name === AWAY_IN_TURN) return incrementInTurn(server, away.command, inTurn.slice(0, AWAY_COMMANDS));
        if (name === BARE) return incrementInTurn(server, server.client.call, inTurn);
        if (name === PIPELINED) {
          const { perSecond, cpuMicros, commandMicros } = await measure(server, load, shape);
          return plainRound(perSecond, 1e6 / cpuMicros, commandMicros);
        }
        const cell = cells.get(name);
        if (!cell) throw new Error(`${name} is nobody`);
        const stage = stageOf(cell.shards);
        // A minute of its own: its bucket begins empty.
        stage.nowMs += MINUTE_MS;
        return applyAll(server, stage, cell.work, cell.isAway ? away : undefined);
      }),
    );
    const averages = Object.fromEntries(
      [...cells].map(([name, { work }]) => {
        const { calls, rows, pairs } = work.sum;
        const batches = work.list.length;
        return [name, { calls: calls / batches, rows: rows / batches, pairs: pairs / batches }];
      }),
    );
    return { products, rounds, averages };
  } finally {
    away.close();
    await relay.close();
    for (const stage of stages.values()) stage.close();
  }
}
