import { type AddressInfo, connect, createServer } from "node:net";

/** A way to Redis that takes longer, as a network does: what is sent is held for a while before it goes on. */
export interface Relay {
  readonly port: number;
  close(): Promise<void>;
}

/** @param holdMs on the way there; replies go straight back */
export async function openRelay(port: number, holdMs: number): Promise<Relay> {
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port, host: "127.0.0.1", noDelay: true });
    near.on("data", (chunk) => setTimeout(() => far.write(chunk), holdMs));
    far.on("data", (chunk) => near.write(chunk));
    for (const socket of [near, far]) {
      socket.on("error", () => {});
      socket.on("close", () => {
        near.destroy();
        far.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
