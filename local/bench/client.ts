import { connect, type Socket } from "node:net";
import { type Script, type ScriptArgument, valuesOf } from "../../core/lua.ts";
import { type Argument, decode, encode, endOfReply, type Reply, ReplyError } from "./resp.ts";

/** One connection to Redis, without a library's cost in what is measured. Bulk strings arrive as latin1. */
export interface Client {
  /** Rejects with {@link ReplyError} when the server refuses. */
  call(...args: readonly Argument[]): Promise<Reply>;
  /** Sends commands that were encoded before, and takes all their replies. */
  send(commands: readonly string[]): Promise<Reply[]>;
  /** Runs one of the project's scripts. */
  run<K extends string, A extends string, R>(
    script: Script<K, A, R>,
    keys: Readonly<Record<K, string>>,
    args: Readonly<Record<A, ScriptArgument>>,
  ): Promise<R>;
  close(): Promise<void>;
}

export function openSocket(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** Splits a stream of bytes into replies. @returns what to call with each chunk */
export function replySplitter(each: (bytes: Buffer, at: number, end: number) => void): (chunk: Buffer) => void {
  let rest: Buffer | undefined;
  return (chunk) => {
    const bytes = rest ? Buffer.concat([rest, chunk]) : chunk;
    let at = 0;
    while (at < bytes.length) {
      const end = endOfReply(bytes, at);
      if (end < 0) break;
      each(bytes, at, end);
      at = end;
    }
    rest = at < bytes.length ? bytes.subarray(at) : undefined;
  };
}

export async function openClient(port: number): Promise<Client> {
  const socket = await openSocket(port);
  const waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = [];
  const fail = (error: Error) => {
    for (const { reject } of waiting.splice(0)) reject(error);
  };
  socket.on("error", fail);
  socket.on("close", () => fail(new Error("Redis closed the connection")));
  socket.on(
    "data",
    replySplitter((bytes, at) => {
      const { reply } = decode(bytes, at);
      const next = waiting.shift();
      if (reply instanceof ReplyError) next?.reject(reply);
      else next?.resolve(reply);
    }),
  );

  const send = (commands: readonly string[]) => {
    const replies = commands.map(() => new Promise<Reply>((resolve, reject) => waiting.push({ resolve, reject })));
    socket.write(commands.join(""), "latin1");
    return Promise.all(replies);
  };
  const call = async (...args: readonly Argument[]) => {
    const [reply = null] = await send([encode(args)]);
    return reply;
  };
  return {
    call,
    send,
    run: async (script, keys, args) => script.reply(await call("EVAL", script.text, ...valuesOf(script, keys, args))),
    close: () =>
      new Promise((resolve) => {
        if (socket.closed) return resolve();
        socket.once("close", () => resolve());
        socket.end();
      }),
  };
}
