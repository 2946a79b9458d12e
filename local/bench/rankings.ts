import { limits } from "../../core/limits.ts";
import { ACCUMULATORS, FLASH_PRODUCTS, MIX_TEXT } from "./rankings-events.ts";
import {
  AWAY_IN_TURN,
  BARE,
  CELLS,
  type Cell,
  IN_TURN,
  nameOf,
  PIPELINED,
  type Race,
  type Round,
  raceWrites,
  SHARD_COUNTS,
} from "./rankings-race.ts";
import { medianOf, ratioOf } from "./rounds.ts";
import type { Bar, Section } from "./section.ts";
import { table, times, whole } from "./table.ts";

/** Against one ZINCRBY an event in turn, in events; against ZINCRBY pipelined, in increments. */
const TURN_LEAST = 20;
const PIPELINED_LEAST = 0.5;

const ratio = ({ rounds }: Race, cell: Cell, rival: string, figure: (round: Round) => number) =>
  ratioOf(rounds[nameOf(cell)] ?? [], rounds[rival] ?? [], figure);

/**
 * From how many microseconds of round trip on a batch of 500 in one message is as many times faster as it is to be: each event in turn
 * takes one round trip, the batch one a call.
 */
function roundTripThatReaches(race: Race, turnPerSecond: number): number {
  const name = nameOf({ popularity: "zipf", size: 500, shards: 1 });
  const calls = race.averages[name]?.calls ?? Number.NaN;
  const batchMicros = (500 * 1e6) / medianOf(race.rounds[name] ?? [], (it) => it.eventsPerSecond);
  const turnMicros = 1e6 / turnPerSecond;
  const more = (TURN_LEAST * batchMicros - 500 * turnMicros) / (500 - TURN_LEAST * calls);
  return Math.max(0, turnMicros + more);
}

function leastBar(name: string, measured: number, least: number): Bar {
  return { name, wanted: `≥ ${times(least)}`, measured: times(measured), meets: Number(measured.toFixed(2)) >= least };
}

function rateTable(race: Race): string {
  const of = (name: string, figure: (round: Round) => number) => medianOf(race.rounds[name] ?? [], figure);
  const plain = (name: string) => [
    ...[name, "", whole(of(name, (it) => it.eventsPerSecond)), whole(of(name, (it) => it.eventsPerCore)), "", ""],
    ...[name === PIPELINED ? whole(of(name, (it) => it.incrementsPerSecond)) : "", "", ""],
    ...["", of(name, (it) => it.callMicros).toFixed(1), ""],
  ];
  const rows = CELLS.map((cell) => {
    const name = nameOf(cell);
    const rival = cell.isAway ? AWAY_IN_TURN : IN_TURN;
    return [
      name,
      (race.averages[name]?.rows ?? Number.NaN).toFixed(1),
      whole(of(name, (it) => it.eventsPerSecond)),
      whole(of(name, (it) => it.eventsPerCore)),
      times(ratio(race, cell, rival, (it) => it.eventsPerSecond)),
      times(ratio(race, cell, rival, (it) => it.eventsPerCore)),
      whole(of(name, (it) => it.incrementsPerSecond)),
      times(ratio(race, cell, PIPELINED, (it) => it.incrementsPerSecond)),
      times(ratio(race, cell, PIPELINED, (it) => it.incrementsPerCore)),
      times(ratio(race, cell, PIPELINED, (it) => it.pairsPerCore)),
      of(name, (it) => it.callMicros).toFixed(0),
      of(name, (it) => it.rowMicros).toFixed(2),
    ];
  });
  return table([
    [
      ...["a batch of", "rows", "events/s", "events per core-s", "÷ in turn", "CPU", "increments/s", "÷ pipelined"],
      ...["CPU", "pairs, CPU", "µs a call", "a row"],
    ],
    plain(IN_TURN),
    plain(BARE),
    plain(AWAY_IN_TURN),
    plain(PIPELINED),
    ...rows,
  ]);
}

function textOf(race: Race): string {
  const batch = (shards: number, popularity: Cell["popularity"] = "zipf") =>
    race.averages[nameOf({ popularity, size: 500, shards })];
  const { rows = 0, pairs = 0 } = batch(1) ?? {};
  const uniform = batch(1, "uniform");
  const turn = medianOf(race.rounds[IN_TURN] ?? [], (it) => it.eventsPerSecond);
  const pipelinedRatio = ratioOf(race.rounds[PIPELINED] ?? [], race.rounds[IN_TURN] ?? [], (it) => it.eventsPerSecond);
  const reach = roundTripThatReaches(race, turn);
  const calls = SHARD_COUNTS.map((shards) => (batch(shards)?.calls ?? 0).toFixed(1)).join(", ");
  return `${rateTable(race)}

Medians over the rounds, ratios of figures of the same round. ${whole(race.products)} products are there already. Popularity by Zipf's law with
exponent 1, flash: over ${FLASH_PRODUCTS} of them only, uniform: all alike; ${MIX_TEXT}; each event tells its category unless said; all events of a round in one minute, which begins empty.
500 events are ${rows.toFixed(0)} rows (distinct products) and ${pairs.toFixed(0)} pairs of product and metric; uniform: ${uniform?.rows.toFixed(0)} and ${uniform?.pairs.toFixed(0)}.
A batch is packed by shard, a message each, and applied by applyPart() over one connection: shards at the same time, parts of at
most ${limits.applyRows} rows in order; the next batch when all have answered. A batch of 500 is ${calls} calls over ${SHARD_COUNTS.join(", ")} shards of one server.
increment: one accumulator, product and delta that the batch boils down to, which ZINCRBY would have to write one by one to keep
the same: for each pair of product and metric the windows 1h, 24h and 7d and the bucket, so ${ACCUMULATORS} a pair. Trending, the shard's
totals, the fence and the list of changed products come on top and are not counted. pairs: the same with each pair counted once.
in turn: one ZINCRBY an event over the same connection and client, the next when the reply has come; what it takes is nearly all
round trip, ${(1e6 / turn).toFixed(0)} µs here on the loopback. 1 ms away: the same through a relay that holds what is sent for a millisecond.
By these figures 500 packed in one message reach ${TURN_LEAST} × from a round trip of ${reach.toFixed(0)} µs on; here, pipelined ZINCRBY itself comes to ${times(pipelinedRatio)}.
bare client: it only writes and reads the protocol. pipelined: by 100, encoded before, over one connection.
All of them raise one score in one set of ${whole(race.products)} products that is there. CPU: the same ratios for each second of CPU of the server's process.
µs a call, a row: inside the script or command (commandstats).`;
}

export const rankings: Section = {
  name: "rankings",
  summary: "counting product events, by batch size and shards, against ZINCRBY",
  async run(bench) {
    const race = await raceWrites(bench);
    await bench.server.clear();
    const bars = [1, 16].flatMap((shards) => {
      const near = { popularity: "zipf", size: 500, shards } as const;
      const where = shards === 1 ? "in one message" : `over ${shards} shards`;
      const inEvents = (cell: Cell, rival: string) => ratio(race, cell, rival, (it) => it.eventsPerSecond);
      return [
        leastBar(`events/s of 500 packed ${where} ÷ ZINCRBY in turn`, inEvents(near, IN_TURN), TURN_LEAST),
        leastBar("  the same, 1 ms away", inEvents({ ...near, isAway: true }, AWAY_IN_TURN), TURN_LEAST),
        leastBar(
          `increments/s of 500 packed ${where} ÷ ZINCRBY pipelined`,
          ratio(race, near, PIPELINED, (it) => it.incrementsPerSecond),
          PIPELINED_LEAST,
        ),
      ];
    });
    const flash = { popularity: "flash", size: 500, shards: 1 } as const;
    bars.push(
      leastBar(
        `  of a flash sale of ${FLASH_PRODUCTS} products, in one message`,
        ratio(race, flash, IN_TURN, (it) => it.eventsPerSecond),
        TURN_LEAST,
      ),
    );
    return { text: textOf(race), bars, figures: race };
  },
};
