/**
 * Redis' protocol (RESP 2), for a load that must cost less to make than to serve. Bytes are held in strings of one character
 * each (latin1), so a command is put together without a copy per argument.
 */

/** `latin1` bytes of a bulk or simple string, a number, nil, or an array of these. */
export type Reply = string | number | null | readonly Reply[];

/** An argument: text must be ASCII. */
export type Argument = string | number | Buffer;

/** The server refused a command. */
export class ReplyError extends Error {}

/** One command as bytes in a string. */
export function encode(args: readonly Argument[]): string {
  let command = `*${args.length}\r\n`;
  for (const arg of args) {
    const text = typeof arg === "object" ? arg.toString("latin1") : String(arg);
    command += `$${text.length}\r\n${text}\r\n`;
  }
  return command;
}

const [CR, PLUS, MINUS, COLON, DOLLAR, STAR] = [13, 43, 45, 58, 36, 42];

/** Where the line that begins at `at` ends, or -1 while it is not all there. */
function lineEnd(bytes: Buffer, at: number): number {
  for (let i = at; i < bytes.length - 1; i++) if (bytes[i] === CR) return i;
  return -1;
}

function integer(bytes: Buffer, from: number, to: number): number {
  const sign = bytes[from] === MINUS ? -1 : 1;
  let value = 0;
  for (let i = sign < 0 ? from + 1 : from; i < to; i++) value = value * 10 + ((bytes[i] ?? 0) - 48);
  return sign * value;
}

/** Where the reply that begins at `at` ends, or -1 while it is not all there. */
export function endOfReply(bytes: Buffer, at: number): number {
  const line = lineEnd(bytes, at + 1);
  if (line < 0) return -1;
  const type = bytes[at];
  if (type === PLUS || type === MINUS || type === COLON) return line + 2;
  const count = integer(bytes, at + 1, line);
  if (type === DOLLAR) {
    const end = count < 0 ? line + 2 : line + 4 + count;
    return end <= bytes.length ? end : -1;
  }
  if (type !== STAR) throw new Error(`not RESP: ${bytes.toString("latin1", at, at + 40)}`);
  let end = line + 2;
  for (let i = 0; i < count && end >= 0; i++) end = endOfReply(bytes, end);
  return end;
}

/** Reads the reply that begins at `at`, which must be all there. @returns it, and where it ends */
export function decode(bytes: Buffer, at: number): { reply: Reply | ReplyError; end: number } {
  const line = lineEnd(bytes, at + 1);
  const type = bytes[at];
  const head = bytes.toString("latin1", at + 1, line);
  if (type === PLUS) return { reply: head, end: line + 2 };
  if (type === MINUS) return { reply: new ReplyError(head), end: line + 2 };
  if (type === COLON) return { reply: Number(head), end: line + 2 };
  const count = Number(head);
  if (count < 0) return { reply: null, end: line + 2 };
  if (type === DOLLAR) return { reply: bytes.toString("latin1", line + 2, line + 2 + count), end: line + 4 + count };
  const replies: Reply[] = [];
  let end = line + 2;
  for (let i = 0; i < count; i++) {
    const item = decode(bytes, end);
    if (item.reply instanceof ReplyError) throw item.reply;
    replies.push(item.reply);
    end = item.end;
  }
  return { reply: replies, end };
}
