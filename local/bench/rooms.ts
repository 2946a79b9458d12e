import { limits } from "../../core/limits.ts";
import { BURST, type Burst, pollAfterBurst } from "./rooms-burst.ts";
import { discard, fill, type HalfLeft, letHalfLeave } from "./rooms-bytes.ts";
import { type Costs, type Line, type Operation, type Plan, roundOf, TOGETHER } from "./rooms-line.ts";
import { OURS, SETS, type Structure, structures } from "./rooms-structures.ts";
import { alternate, median, medianOf, ratioOf } from "./rounds.ts";
import { type Bench, ratioBar, type Section } from "./section.ts";
import { table, times, whole } from "./table.ts";

const KINDS = [
  { kind: "numeric", label: "9 digits" },
  { kind: "uuid", label: "UUID" },
] as const;

/** Every structure at both sizes, round after round; all lines are in Redis all the time. */
interface Lines {
  readonly sizes: readonly [small: number, large: number];
  readonly rounds: Readonly<Record<string, readonly Costs[]>>;
  /** Bytes for each in line, by structure, size and kind of ids. */
  readonly bytes: Readonly<Record<string, number>>;
}

const nameOf = (structure: string, size: number) => `${structure}, ${whole(size)}`;
const bytesOf = (structure: string, size: number, label: string) => `${nameOf(structure, size)}, ${label}`;

/** The same at both sizes, but for what walks through a long line, each call of which takes a millisecond and more. */
function planOf({ walks }: Structure, size: number): Plan {
  const isLong = size > 1_000;
  return { cycles: 6, people: TOGETHER, polls: walks && isLong ? TOGETHER : 500, counts: isLong ? 3 : TOGETHER };
}

async function measureLines({ server, progress, quick }: Bench): Promise<Lines> {
  const sizes = [1_000, quick ? 10_000 : 100_000] as const;
  const lines = new Map<string, { line: Line; plan: Plan }>();
  const bytes: Record<string, number> = {};
  for (const structure of structures) {
    for (const size of sizes) {
      for (const { kind, label } of KINDS) {
        const roomId = `bench-${structure.name.replace(" ", "-")}-${size}-${kind}`;
        const filled = await progress.step(`rooms: filling ${nameOf(structure.name, size)}, ${label}`, () =>
          fill(server, structure, { roomId, kind, people: size }),
        );
        bytes[bytesOf(structure.name, size, label)] = filled.bytes;
        if (kind === "uuid") await discard(server.client, filled.line.room);
        else {
          lines.set(nameOf(structure.name, size), { line: filled.line, plan: planOf(structure, size) });
        }
      }
    }
  }
  const count = quick ? 3 : 9;
  const rounds = await alternate([...lines.keys()], count, (name, round) => {
    const it = lines.get(name);
    if (!it) throw new Error(`${name} has no line`);
    return progress.step(`rooms: round ${round + 1} of ${count}, ${name}`, () => roundOf(it.line, it.plan));
  });
  return { sizes, rounds, bytes };
}

/** The rate is kept by what was admitted lately: every visit looks at that, so it must stay short however many were. */
const BURST_MOST = 1.5;
const burstRatio = (bursts: readonly Burst[]) => median(bursts.map(({ after, quiet }) => after / quiet));

/** As the tables have them, from left to right. */
const COLUMNS: readonly { of: Exclude<Operation, "count">; title: string }[] = [
  { of: "join", title: "join" },
  { of: "poll", title: "poll" },
  { of: "admit", title: "admit one" },
  { of: "admitMany", title: `of ${TOGETHER}` },
  { of: "drop", title: `drop, of ${TOGETHER}` },
  { of: "leave", title: "leave" },
];
const WIDTH = 26;

function micros(value: number): string {
  return value < 100 ? value.toFixed(1) : whole(value);
}

function costTable({ rounds }: Lines, size: number): string {
  const of = (name: string) => rounds[nameOf(name, size)] ?? [];
  const rows = structures.flatMap(({ name }) => {
    const measured = of(name);
    const row = [name, ...COLUMNS.map((column) => micros(medianOf(measured, (round) => round[column.of])))];
    if (measured[0]?.count === undefined) return [row];
    const counted = micros(medianOf(measured, (round) => round.count ?? Number.NaN));
    return [row, ["  place counted by XRANGE", ...COLUMNS.map(({ of }) => (of === "poll" ? counted : ""))]];
  });
  const ratios = COLUMNS.map((column) => times(ratioOf(of(OURS), of(SETS), (round) => round[column.of])));
  return table([
    [`${whole(size)} in line`.padEnd(WIDTH), ...COLUMNS.map(({ title }) => title)],
    ...rows,
    [`${OURS} ÷ ${SETS}`, ...ratios],
  ]);
}

function growth({ rounds, sizes }: Lines, name: string, of: Operation): number {
  const [small, large] = sizes.map((size) => rounds[nameOf(name, size)] ?? []);
  return ratioOf(large ?? [], small ?? [], (round) => round[of] ?? Number.NaN);
}

function growthTable(lines: Lines): string {
  const [small, large] = lines.sizes;
  return table([
    [`${whole(large)} ÷ ${whole(small)}`.padEnd(WIDTH), ...COLUMNS.map(({ title }) => title)],
    ...structures.map(({ name }) => [name, ...COLUMNS.map(({ of }) => times(growth(lines, name, of)))]),
  ]);
}

function bytesTable({ bytes, sizes }: Lines, halves: readonly HalfLeft[]): string {
  const [half] = halves;
  const stayed = whole(half?.stayed ?? Number.NaN);
  const columns = sizes.flatMap((size) => KINDS.map(({ label }) => ({ size, label })));
  return table([
    [
      "bytes for each in line".padEnd(WIDTH),
      ...columns.map(({ size, label }) => `${whole(size)}, ${label}`),
      `half of ${whole(2 * (half?.stayed ?? Number.NaN))} left`,
      `no. ${stayed} is told`,
    ],
    ...structures.map(({ name }, index) => [
      name,
      ...columns.map(({ size, label }) => (bytes[bytesOf(name, size, label)] ?? Number.NaN).toFixed(1)),
      (halves[index]?.bytes ?? Number.NaN).toFixed(1),
      whole(halves[index]?.told ?? Number.NaN),
    ]),
  ]);
}

const CAN = table([
  ["as built here", "our room", "sorted sets", "list", "stream"],
  ["place as it is, for anyone", "yes", "yes", "by walking", "by walking"],
  ["who left or stopped polling", "cut out", "cut out", "by walking", "cut out, space stays"],
  ["who comes again finds the place", "yes", "yes", "yes", "yes"],
  ["who waits, in order, a page at a time", "yes", "yes", "by walking", "yes"],
  ["capacity", "yes", "yes", "yes", "yes"],
  ["rate, kept in any second", "yes", "no", "no", "no"],
  ["admits and drops without a worker", "on every visit", "no", "no", "no"],
  ["tells how fast the line moves", "yes", "no", "no", "no"],
  ["place when Redis has lost the line", "from the ticket", "gone", "gone", "gone"],
  ["a number given twice after a loss", "never", "yes", "has none", "yes"],
]);

export const rooms: Section = {
  name: "rooms",
  summary: "the same room on sorted sets, on a list and on a stream",
  async run(bench) {
    const { server, progress, quick } = bench;
    await server.clear();
    const lines = await measureLines(bench);
    const halves: HalfLeft[] = [];
    for (const structure of structures) {
      const work = () => letHalfLeave(server, structure, quick ? 1_000 : 10_000);
      halves.push(await progress.step(`rooms: half of the line leaves, ${structure.name}`, work));
    }
    const bursts = await progress.step("rooms: polls after a burst of admissions", () =>
      pollAfterBurst(server, quick ? 1 : 5),
    );
    await server.clear();
    const [small, large] = lines.sizes;
    const most = Math.log2(large) / Math.log2(small);
    const bars = (["poll", "admit", "leave"] as const).map((of) =>
      ratioBar(`${of} with ${whole(large)} in line ÷ with ${whole(small)}`, growth(lines, OURS, of), most),
    );
    bars.push(ratioBar(`poll after ${BURST} were admitted in a second ÷ after one`, burstRatio(bursts), BURST_MOST));
    return { text: textOf(lines, halves, bursts), bars, figures: { ...lines, halves, bursts } };
  },
};

function textOf(lines: Lines, halves: readonly HalfLeft[], bursts: readonly Burst[]): string {
  const [small, large] = lines.sizes;
  const [after, quiet] = [medianOf(bursts, (round) => round.after), medianOf(bursts, (round) => round.quiet)];
  return `Server µs a person, inside the command (commandstats), medians over the rounds. Each operation is one call of one script.

${costTable(lines, small)}

${costTable(lines, large)}

${growthTable(lines)}

A poll at our room right after ${BURST} were admitted one by one, within a second: ${micros(after)} µs, after one was: ${micros(quiet)} µs (${times(burstRatio(bursts))}).

Bytes of used_memory, keys and all.

${bytesTable(lines, halves)}

${CAN}

our room: visit.lua through its own keys. The room is full, and ${whole(limits.roomRateMost)} a second are allowed: so every visit looks whether anyone may
  come in. admit and drop are the schedule's calls; polls do both as they come. It is sorted sets with the last five
  rows of the list above; what those cost is the last row of the first two tables.
sorted sets: the floor. ZADD with a counter's number, ZRANK, ZPOPMIN, heartbeats in a second set; the caller's clock.
list: RPUSH, LPOS, LPOP, LREM. Only its ends are near; Redis serves nobody else while somebody in the middle is looked for.
stream: XADD with the number as id, XRANGE, XDEL. It finds an entry by its id only, so a hash keeps each user's. No command counts
  the entries before one: a poll tells the distance from the head's number, in which those who left in between still count (the
  last column of the bytes), or walks. Its memory comes in nodes of a hundred entries, and a node goes with its last entry.
  A consumer group hands any next entry to any worker. Whoever waits is no worker and wants the own place, so claims and dead
  letters answer nothing here; where they do is the section "stuck".
poll: of anyone in line. leave, drop: anyone in line; who is dropped is found by the heartbeat, the same way in all four.
of ${TOGETHER}: one call admits or drops ${TOGETHER}, as many as a visit does at most; for each of them.
UUID: we write 17 bytes for one, as everywhere. a number given twice: by a failover that forgets the last ones; ours go on behind
  those that the ledger has promised.
bar: growth like the depth of a search in a sorted set, log ${whole(large)} ÷ log ${whole(small)}.`;
}
