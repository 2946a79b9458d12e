/**
 * What a room counts, as the scripts read and write it: one GET and one unpack a visit. Numbers are doubles (8 bytes, big-endian)
 * where nothing else is said; times are milliseconds.
 *
 * | bytes | field | |
 * |---|---|---|
 * | 0–7 | pace | share of the rate that is in force, 0…1; kept by `pace.lua` |
 * | 8–15 | pacedAt | when it last took a step, by Redis's clock |
 * | 16–23 | numbersTo | the highest number that the ledger has promised |
 * | 24 | reason | why the pace is below one: see `paceReasonOf` |
 * | 25 | latch | 1 once the opening time was seen; 2 while the room is not attached to this server: nobody gets a number or a pass |
 * | 26–29 | epoch | rises each time the room was lost; four bytes |
 * | 30–69 | node | `master_replid` of the server that the room is attached to: the fence (docs/decisions/0003) |
 * | 70–85 | filling | names the filling of Redis that the ledger has agreed to |
 * | 86–93 | numbered | the last number given |
 * | 94–101 | serving | the highest number admitted |
 * | 102–117 | admitted, dropped | people, so far |
 * | 118–125 | level | the token bucket: people who may be admitted now as far as the rate goes |
 * | 126–133 | at | Redis's clock at the last visit |
 * | 134–141 | clock | the room's own time: runs with Redis's, stands still when that steps back |
 * | 142–149 | idle | how much of it nobody could poll in; heartbeats are compared without it |
 * | 150–157 | sweptAt | when abandoners were last looked for |
 * | 158–181 | measuredAt, measuredAdmitted, measuredDropped | where the running measurement began |
 * | 182–205 | fast, slow, drops | people per second: admitted (averaged over 6 s and over 40 s; below zero before the first), dropped |
 * | 206–213 | graceUntil | until then nobody is admitted: people come back to a room that was lost |
 * | 214–221 | lostAt | when that room was last known to be well, in milliseconds since 1970 |
 * | 222–229 | measuredFor | seconds behind the averages; falls while nobody waits |
 * | 230–245 | slowBeatMs, slowUntil | a longer heartbeat of before, and until when it still holds |
 * | 246– | recent | text, `slot:count` of admissions in the last second, by parts of 31.25 ms |
 */
export const epochOf = (packed: Buffer): number => packed.readUInt32BE(26);
/** Whether the room is attached, as far as the state says. */
export const isAttached = (packed: Buffer): boolean => packed.readUInt8(25) < 2;
