import { connect, createServer, type Socket } from "node:net";

/**
 * A TCP proxy on the loopback: the name under which a part is known while what stands behind it changes, is slow, or is out of
 * reach. Nothing that passes is looked at.
 */
export interface TcpProxy {
  readonly port: number;
  /** Where new connections go. Those that are open stay where they are; see {@link TcpProxy.cut}. */
  retarget(port: number): void;
  /** Ends every connection at once, as the end of a node does. */
  cut(): void;
  /** Cuts, and takes no connection until {@link TcpProxy.join}. */
  part(): void;
  join(): void;
  /** What the server says from now on arrives so many milliseconds later; 0 for at once. */
  delay(ms: number): void;
  stop(): Promise<void>;
}

export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const open = new Set<Socket>();
  let target = targetPort;
  let isParted = false;
  let delayMs = 0;

  const server = createServer({ noDelay: true }, (client) => {
    if (isParted) {
      client.on("error", () => {}).destroy();
      return;
    }
    const upstream = connect({ port: target, host: "127.0.0.1", noDelay: true });
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(one);
      // A close follows each error, and ends both sides.
      one.on("error", () => {});
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
    carry(client, upstream, () => 0);
    carry(upstream, client, () => delayMs);
  });

  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    retarget: (port) => {
      target = port;
    },
    cut,
    part: () => {
      isParted = true;
      cut();
    },
    join: () => {
      isParted = false;
    },
    delay: (ms) => {
      delayMs = ms;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}

/** Carries bytes one way, in their order, each chunk as late as the delay was when it came. */
function carry(from: Socket, to: Socket, delayOf: () => number): void {
  const held: { readonly chunk: Buffer; readonly dueAt: number }[] = [];
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;

  const write = (chunk: Buffer) => {
    if (to.destroyed || to.write(chunk)) return;
    from.pause();
    to.once("drain", () => from.resume());
  };
  const release = () => {
    timer = undefined;
    const now = performance.now();
    while (held[0] && held[0].dueAt <= now) write(held.shift()?.chunk ?? Buffer.alloc(0));
    if (held[0]) timer = setTimeout(release, Math.max(1, held[0].dueAt - now));
    else if (isOver) to.end();
  };

  from.on("data", (chunk) => {
    const ms = delayOf();
    if (ms === 0 && held.length === 0) {
      write(chunk);
      return;
    }
    held.push({ chunk, dueAt: performance.now() + ms });
    timer ??= setTimeout(release, ms);
  });
  from.on("end", () => {
    isOver = true;
    if (!timer) release();
  });
  to.on("close", () => clearTimeout(timer));
}
