import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { figuresOf } from "./emf.ts";
import { Figures } from "./figures.ts";
import { Fault, getMetricData } from "./get-metric-data.ts";
import { tail } from "./tail.ts";

/** CloudWatch's metrics over HTTP, as the official client speaks: AWS JSON 1.0, with a header for those who knew its older form. */

const TYPE = "application/x-amz-json-1.0";
const TARGET = "GraniteServiceVersion20100801.";
const BODY_BYTES_MOST = 1 << 20;

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MOST) throw new Fault("ValidationError", "The request is too large.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Fault("SerializationException", "The request is not JSON.");
  }
}

function write(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": TYPE, ...headers });
  response.end(JSON.stringify(body));
}

/** Makes the server; the caller lets it listen. @param log the file with the functions' lines */
export function cloudwatchServer(log: string): Server {
  const figures = new Figures();
  const readLog = tail({
    path: log,
    take: (line) => {
      for (const figure of figuresOf(line)) figures.add(figure);
    },
    anew: () => figures.clear(),
  });

  return createServer(async (request, response) => {
    try {
      const operation = String(request.headers["x-amz-target"] ?? "");
      const asked = await bodyOf(request);
      if (request.method !== "POST" || operation !== `${TARGET}GetMetricData`)
        throw new Fault("UnknownOperationException", `There is no ${request.method} ${operation} here.`);
      const wanted = parse(asked);
      await readLog();
      write(response, 200, getMetricData(figures, wanted));
    } catch (error) {
      if (error instanceof Fault) {
        const { code: __type, message } = error;
        write(response, 400, { __type, message }, { "x-amzn-query-error": `${__type};Sender` });
        return;
      }
      console.log(JSON.stringify({ event: "cloudwatch", error: String(error) }));
      const __type = "InternalServiceFault";
      write(
        response,
        500,
        { __type, message: String(error) },
        { "x-amzn-query-error": "InternalServiceError;Receiver" },
      );
    }
  });
}
