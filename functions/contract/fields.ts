import * as z from "zod/mini";
import { limits } from "../../core/limits.ts";

/** Fields that several routes share. */

export const campaignId = z.string().check(z.regex(/^[a-z0-9-]{1,64}$/, "1 to 64 of a-z, 0-9 and -"));

export const roomId = z.string().check(z.regex(/^[a-z0-9-]{1,64}$/, "1 to 64 of a-z, 0-9 and -"));

export const boardId = z.string().check(z.regex(/^[a-z0-9-]{1,64}$/, "1 to 64 of a-z, 0-9 and -"));

/** The last millisecond that ISO 8601 writes with a year of four digits. */
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** A time in a request: ISO 8601 with a zone, from 1970 to 9999. Milliseconds since 1970 once parsed. */
export const timeIn = z.pipe(
  z.iso.datetime({ offset: true, error: "A time like 2026-11-22T10:00:00.000Z" }),
  z.pipe(
    z.transform((text: string) => Date.parse(text)),
    z.number().check(z.gte(0, "Not before 1970"), z.lte(LAST_MS, "Not after 9999")),
  ),
);

/** A time in an answer: ISO 8601, UTC, milliseconds. */
export const timeOut = z.iso.datetime({ precision: 3 });

export const idempotencyKey = z
  .string()
  .check(
    z.regex(
      new RegExp(`^[\\x20-\\x7e]{1,${limits.idempotencyKeyLength}}$`),
      `1 to ${limits.idempotencyKeyLength} printable ASCII characters`,
    ),
  );

/** Text for people: no control characters, not only blanks. */
export const name = z
  .string()
  .check(z.maxLength(limits.nameLength), z.regex(/^(?=\s*\S)[^\p{Cc}\p{Cs}]*$/u, "Text without control characters"));

/** Whether a text is base64url of UTF-8, as every cursor is that was given out. */
function isCursor(text: string): boolean {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text && Buffer.from(bytes.toString("utf8")).equals(bytes);
}

/** A whole number of at most three digits in a query. */
export const wholeIn = (least: number, most: number) =>
  z.pipe(
    z.string().check(z.regex(/^[0-9]{1,3}$/, `A whole number from ${least} to ${most}`)),
    z.pipe(z.transform(Number), z.int().check(z.gte(least), z.lte(most))),
  );

export const pageQuery = z.object({
  limit: z.optional(wholeIn(1, limits.pageRowsMost)),
  cursor: z.optional(
    z
      .string()
      .check(
        z.regex(new RegExp(`^[\\w-]{2,${limits.cursorLength}}$`), "A cursor from the page before"),
        z.refine(isCursor, "A cursor from the page before"),
      ),
  ),
});

export const cursorOut = z.optional(z.string());
