import { limits } from "../../core/limits.ts";
import { queues } from "../../infra/settings.ts";
import {
  both,
  type Drilled,
  EARLY_MS,
  type LongJob,
  Meter,
  makeMessages,
  ORDERED,
  type Order,
  orderOf,
  ticketIn,
} from "./stuck-drill.ts";
import { type Mail, type MailRoom, openMailRoom } from "./stuck-mail.ts";

/** SQS FIFO alone: the queue hides what was taken, shows it again, counts, and moves it to the dead letters by itself. */

const VISIBILITY_MS = queues.Confirmations.visibilitySeconds * 1_000;
/** As many as the other two have in the drill. */
const DELIVERIES_MOST = 1 + limits.sweepAttemptsMost;

const asHandled = ({ groupId, body }: Mail) => ({ group: groupId, number: ticketIn(body) });

/** One after another, so that nothing but the queue can change their order. */
async function sendAll({ confirmations }: MailRoom, entries: number): Promise<void> {
  for (const message of makeMessages(entries)) await confirmations.send(message);
}

/** Dead consumers take what they get, and the visibility timeout passes, until everything is a dead letter. */
async function dieUntilDead(room: MailRoom, entries: number) {
  const { confirmationsUrl, deadLettersUrl } = room;
  const meter = new Meter(undefined, () => 0, room.calls);
  let [clockMs, deadFirstMs, handouts, buried, buryingCalls, tooEarly, byReading, attempts] = [0, 0, 0, 0, 0, 0, 0, 0];
  while (buried < entries) {
    room.pass(VISIBILITY_MS - EARLY_MS);
    tooEarly += (await room.receive(confirmationsUrl)).length;
    room.pass(EARLY_MS);
    clockMs += VISIBILITY_MS;
    const taken = await meter.run(() => room.takeAll(confirmationsUrl));
    if (handouts === 0) byReading = taken.length;
    handouts += taken.length;
    for (const { receiveCount } of taken) attempts = Math.max(attempts, receiveCount);
    const { waiting } = await room.depth(deadLettersUrl);
    if (taken.length === 0 && waiting === buried) throw new Error("SQS neither hands out nor moves what is left");
    // The last receive of a round brings nothing: if it moves anything, it is a call for the sake of the dead letters.
    if (waiting > buried) buryingCalls++;
    if (buried === 0 && waiting > 0) deadFirstMs = clockMs;
    buried = waiting;
  }
  const again = meter.cost(handouts);
  const buryingShare = buryingCalls / handouts;
  return {
    again: { ...again, sqsCalls: again.sqsCalls - buryingShare },
    dead: { ...again, sqsCalls: buryingCalls / entries },
    tooEarly,
    byReading,
    attempts,
    deadFirstMs,
    deadLastMs: clockMs,
  };
}

async function drill(room: MailRoom, entries: number): Promise<Omit<Drilled, "order" | "longJob">> {
  const { confirmationsUrl } = room;
  const meter = () => new Meter(undefined, () => 0, room.calls);
  await room.setReceivesMost(DELIVERIES_MOST);

  const [sending, taking, back] = [meter(), meter(), meter()];
  await sending.run(() => sendAll(room, entries));
  const held = await taking.run(() => room.takeAll(confirmationsUrl));
  const { waiting, inFlight } = await room.depth(confirmationsUrl);

  const { again, dead, ...rest } = await dieUntilDead(room, entries);

  const handled: Mail[] = [];
  await back.run(async () => {
    await room.moveBack();
    await room.drain(confirmationsUrl, async (mails) => handled.push(...mails));
  });
  const backOrder = orderOf(handled.map(asHandled));
  return {
    ...rest,
    held: inFlight,
    behind: waiting,
    // GetQueueAttributes has nothing of the kind; CloudWatch is told, as ApproximateAgeOfOldestMessage.
    oldestMs: undefined,
    costs: {
      first: both(sending.cost(entries), taking.cost(held.length)),
      again,
      dead,
      back: back.cost(entries),
    },
    duplicates: handled.length - backOrder.of,
    backOrder,
    lost: entries - backOrder.of,
  };
}

/** A consumer dies with some entries; another goes on with the rest, and gets those when they show again. */
async function judgeOrder(room: MailRoom): Promise<Order> {
  const { confirmationsUrl } = room;
  await sendAll(room, ORDERED.entries);
  for (let taken = 0; taken < ORDERED.taken; ) taken += (await room.receive(confirmationsUrl)).length;
  const handled: Mail[] = [];
  const handle = async (mails: Mail[]) => handled.push(...mails);
  await room.drain(confirmationsUrl, handle);
  room.pass(VISIBILITY_MS);
  await room.drain(confirmationsUrl, handle);
  return orderOf(handled.map(asHandled));
}

async function doLongJob(room: MailRoom): Promise<LongJob> {
  const { confirmationsUrl } = room;
  await sendAll(room, 1);
  const slow = await room.receive(confirmationsUrl);
  room.pass(VISIBILITY_MS);
  const other = await room.receive(confirmationsUrl);
  const lateWord = (await room.done(confirmationsUrl, slow)) ? "taken" : "refused";
  await room.done(confirmationsUrl, other);
  const runs = slow.length + other.length;
  // The late one is told, but its work is done by then.
  return { runs, effects: runs, lateWord };
}

export async function drillSqs(entries: number): Promise<Drilled> {
  const room = await openMailRoom();
  try {
    const main = await drill(room, entries);
    return { ...main, order: await judgeOrder(room), longJob: await doLongJob(room) };
  } finally {
    await room.close();
  }
}
