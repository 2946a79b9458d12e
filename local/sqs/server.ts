import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Account } from "./account.ts";
import { ACTIONS, type Context, readReceive } from "./actions.ts";
import { SqsError, unknownAction } from "./errors.ts";
import { Fields } from "./fields.ts";
import { Journal } from "./journal.ts";
import { LongPolls, type Served, type Waiter } from "./long-polls.ts";
import type { Queue } from "./queue.ts";

export interface SqsOptions {
  /** 0, the default, takes any free port. */
  port?: number;
  /** Where the queues survive the end of the process; without it they live in memory alone. */
  dataDir?: string;
  /** The clock of the queues, in milliseconds. Only the waiting of long polls goes by the real one. */
  now?: () => number;
  /** Shown in the ARNs of the queues. */
  region?: string;
}

export interface RunningSqs {
  endpoint: string;
  port: number;
  /** To be called when `now` has leapt: what has become visible by that goes to those who wait for it. */
  clockMoved(): void;
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";
const ACCOUNT_ID = "000000000000";
const TARGET_PREFIX = "AmazonSQS.";

/** A journal is written anew once it is this long, and several times as long as what it comes to. */
const JOURNAL_BYTES = 256 * 1024 * 1024;
const JOURNAL_GROWTH = 4;

/**
 * Starts an Amazon SQS for local work: the AWS JSON protocol over HTTP, reachable from this machine only.
 *
 * It departs from the real service where that helps local work: counts are exact, a receive finds every
 * available message, a queue can be made or purged again at once instead of after a minute, move tasks
 * are done when they start, and nothing is ever throttled, denied or, in a standard queue, delivered twice.
 */
export async function startSqs(options: SqsOptions = {}): Promise<RunningSqs> {
  const http = createServer({ keepAliveTimeout: 60_000 });
  // Listening first makes sure that no second process on the same port touches the journal of the first.
  const port = await listen(http, options.port ?? 0);
  const endpoint = `http://${HOST}:${port}`;
  try {
    const service = new Service(endpoint, options);
    http.on("request", (request, response) => service.handle(request, response));
    return { endpoint, port, clockMoved: () => service.clockMoved(), stop: () => stop(http, service) };
  } catch (error) {
    http.close();
    throw error;
  }
}

function listen(http: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    http.once("error", reject);
    http.listen(port, HOST, () => {
      http.off("error", reject);
      const address = http.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

async function stop(http: Server, service: Service): Promise<void> {
  const closed = new Promise((resolve) => http.close(resolve));
  service.close();
  http.closeIdleConnections();
  setImmediate(() => http.closeAllConnections());
  await closed;
}

/** Answers requests, one after the other: each action, with all that follows from it, is one step. */
class Service {
  readonly #account: Account;
  readonly #context: Context;
  readonly #polls: LongPolls;
  readonly #dataDir: string | undefined;
  #journal: Journal | undefined;
  #journalLimit = JOURNAL_BYTES;
  #closed = false;

  constructor(endpoint: string, { dataDir, now = Date.now, region = "us-east-1" }: SqsOptions) {
    this.#account = new Account({ region, accountId: ACCOUNT_ID, now });
    this.#context = { account: this.#account, urlOf: (queue) => `${endpoint}/${ACCOUNT_ID}/${queue.name}` };
    this.#polls = new LongPolls(now, (queue) => this.#wake(queue));
    this.#dataDir = dataDir;
    if (dataDir !== undefined) {
      for (const change of Journal.read(dataDir)) {
        this.#account.apply(change);
      }
      this.#startJournal(dataDir);
      this.#account.onChange = (change) => this.#journal?.append(change);
    }
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      if (this.#closed) {
        // What could no longer be written down must not be acknowledged either.
        request.socket.destroy();
        return;
      }
      const target = String(request.headers["x-amz-target"] ?? "");
      const action = target.startsWith(TARGET_PREFIX) ? target.slice(TARGET_PREFIX.length) : target;
      try {
        this.#act(action, Fields.parse(Buffer.concat(chunks).toString("utf8")), response);
      } catch (error) {
        replyWithError(response, error);
      }
    });
  }

  clockMoved(): void {
    this.#polls.clockMoved();
  }

  close(): void {
    this.#closed = true;
    this.#polls.dismiss();
    this.#journal?.close();
  }

  #act(action: string, input: Fields, response: ServerResponse): void {
    if (action === "ReceiveMessage") {
      this.#receive(input, response);
      return;
    }
    const act = ACTIONS.get(action);
    if (act === undefined) {
      throw unknownAction(action);
    }
    const result = act(input, this.#context);
    this.#settle();
    reply(response, 200, result);
  }

  #receive(input: Fields, response: ServerResponse): void {
    const request = readReceive(input, this.#context);
    const messages = request.attempt();
    if (messages.length > 0 || request.waitSeconds === 0) {
      this.#settle();
      replyWithMessages(response, messages);
      return;
    }
    const waiter: Waiter = { request, answer: (received) => replyWithMessages(response, received) };
    response.once("close", () => this.#polls.leave(waiter));
    this.#polls.join(waiter);
    this.#settle();
  }

  #wake(queue: Queue): void {
    this.#account.stirred(queue);
    try {
      this.#settle();
    } catch (error) {
      console.error(error);
    }
  }

  /** Draws the consequences of an action: waiting consumers are served, and all of it is written down. */
  #settle(): void {
    const served = this.#serveWaiters();
    this.#writeDown();
    for (const { waiter, messages } of served) {
      waiter.answer(messages);
    }
  }

  /** To serve one queue can move dead letters to another, whose consumers are then served as well. */
  #serveWaiters(): Served[] {
    const all: Served[] = [];
    for (let queues = [...this.#account.takeStirred()]; queues.length > 0; queues = [...this.#account.takeStirred()]) {
      for (const queue of queues) {
        if (this.#account.queueByArn(queue.arn) === queue) {
          all.push(...this.#polls.serve(queue));
        } else {
          this.#polls.dismiss(queue);
        }
      }
    }
    return all;
  }

  #writeDown(): void {
    if (this.#journal === undefined || this.#dataDir === undefined) {
      return;
    }
    this.#journal.flush();
    if (this.#journal.bytes > this.#journalLimit) {
      const full = this.#journal;
      this.#startJournal(this.#dataDir);
      full.close();
    }
  }

  #startJournal(dataDir: string): void {
    this.#journal = Journal.start(dataDir, this.#account.snapshot());
    this.#journalLimit = Math.max(JOURNAL_BYTES, JOURNAL_GROWTH * this.#journal.bytes);
  }
}

/** A queue without messages is answered without a list, as the real service does it. */
function replyWithMessages(response: ServerResponse, messages: object[]): void {
  reply(response, 200, messages.length > 0 ? { Messages: messages } : {});
}

function replyWithError(response: ServerResponse, error: unknown): void {
  if (error instanceof SqsError) {
    const headers = { "x-amzn-query-error": `${error.code};Sender` };
    reply(response, error.status, { __type: error.type, message: error.message }, headers);
    return;
  }
  console.error(error);
  reply(response, 500, { __type: "com.amazon.coral.service#InternalFailure", message: String(error) });
}

function reply(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  const json = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/x-amz-json-1.0",
    "content-length": Buffer.byteLength(json),
    "x-amzn-requestid": randomUUID(),
    ...headers,
  });
  response.end(json);
}
