import { openSocket, replySplitter } from "../bench/client.ts";
import { type Argument, decode, encode, type Reply, ReplyError } from "../bench/resp.ts";

const TIMEOUT_MS = 2_000;

/**
 * One command on a connection of its own, which a server that hangs cannot hold up for longer than two seconds.
 *
 * @throws {ReplyError} When the server refuses.
 */
export async function redisCall(port: number, ...args: readonly Argument[]): Promise<Reply> {
  const socket = await openSocket(port);
  try {
    return await new Promise<Reply>((resolve, reject) => {
      socket.setTimeout(TIMEOUT_MS, () => reject(new Error(`Redis at port ${port} does not answer`)));
      socket.on("error", reject);
      socket.on("close", () => reject(new Error(`Redis at port ${port} has closed the connection`)));
      socket.on(
        "data",
        replySplitter((bytes, at) => {
          const { reply } = decode(bytes, at);
          if (reply instanceof ReplyError) reject(reply);
          else resolve(reply);
        }),
      );
      socket.write(encode(args), "latin1");
    });
  } finally {
    socket.destroy();
  }
}

/** The fields of a section of INFO. */
export async function redisInfo(port: number, section: string): Promise<ReadonlyMap<string, string>> {
  const text = String(await redisCall(port, "INFO", section));
  return new Map(
    text.split("\r\n").flatMap((line) => {
      const colon = line.indexOf(":");
      return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 1)] as const] : [];
    }),
  );
}
