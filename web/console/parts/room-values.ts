import { Problem } from "../api.ts";
import type { RoomPage } from "../documents.ts";
import { refresh } from "../poll.ts";
import { askAsOperator } from "../session.ts";
import { t } from "../texts/rooms.ts";
import { findListed } from "./listed.ts";

/** The rules of a waiting room: an operator reads them from the list, and replaces all of them at once. */

export type RoomDetails = RoomPage["items"][number];
export type RoomRules = RoomDetails["rules"];
/** What can be changed for a time, too. */
export type RoomValues = Partial<Pick<RoomRules, "open" | "capacity" | "admitPerSecond">>;

/** Reads one room from the list. Each room of a page is read from Redis. @throws {Problem} `unknown` where it is not there */
export async function findRoom(roomId: string): Promise<RoomDetails> {
  const found = await findListed<RoomDetails>("/rooms", (it) => it.roomId === roomId);
  if (found) return found;
  throw new Problem(404, { code: "unknown", detail: t("no-such-room", { id: roomId }) }, null);
}

export async function putRules(roomId: string, rules: unknown): Promise<void> {
  await askAsOperator("PUT", `/rooms/${encodeURIComponent(roomId)}`, { body: rules });
  await refresh("/rooms");
}

/** Changes values that are in force at once, and nothing else. The rules are read anew, so that nobody's change of before is undone. */
export async function changeValues(roomId: string, values: RoomValues): Promise<void> {
  const { rules, serverTime } = await findRoom(roomId);
  await putRules(roomId, withValues(rules, values, serverTime));
}

/**
 * Rules with other values. What an override that is in force names is changed there, since the rule is not in force before the override
 * has ended. Whether people are let in is changed in both: a room that somebody has closed must not open by itself.
 *
 * @param now ISO 8601, as the API writes it
 */
export function withValues(rules: RoomRules, values: RoomValues, now: string): RoomRules {
  const { override } = rules;
  const isInForce = override !== undefined && (override.from ?? "") <= now && now < override.until;
  if (!isInForce) return { ...rules, ...values };
  const isNamed = ([name]: [string, unknown]) => override[name as keyof RoomValues] !== undefined;
  const entries = Object.entries(values);
  return {
    ...rules,
    ...Object.fromEntries(entries.filter((entry) => !isNamed(entry) || entry[0] === "open")),
    override: { ...override, ...Object.fromEntries(entries.filter(isNamed)) },
  };
}
