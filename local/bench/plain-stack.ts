import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import middy from "@middy/core";
import { Redis } from "ioredis";
import { Resource } from "sst";
import { z } from "zod";

/**
 * The same libraries as the issuing function's, put together the way their own first pages do: the whole of zod, the SDK's
 * client with all its credential sources, Node's modules imported as they are. What our bundles are held against.
 */

interface Linked {
  readonly Redis: { readonly host: string; readonly port: number };
  readonly Confirmations: { readonly url: string };
}

const { Redis: address, Confirmations: queue } = Resource as unknown as Linked;
const redis = new Redis({ host: address.host, port: address.port });
const sqs = new SQSClient({});

const eventSchema = z.object({
  pathParameters: z.object({ campaignId: z.string().regex(/^[a-z0-9-]{1,64}$/) }),
  requestContext: z.object({
    authorizer: z.object({ jwt: z.object({ claims: z.object({ sub: z.string().min(1).max(255) }) }) }),
  }),
});

const DECIDE = `
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then return 'replayed' end
if tonumber(redis.call('GET', KEYS[2]) or '0') <= 0 then return 'sold-out' end
redis.call('DECR', KEYS[2])
redis.call('SADD', KEYS[1], ARGV[1])
return 'issued'`;

const STATUS: Readonly<Record<string, number>> = { issued: 201, replayed: 200, "sold-out": 409 };

export const handler = middy<unknown, { statusCode: number; body: string }>().handler(async (event) => {
  const { pathParameters, requestContext } = eventSchema.parse(event);
  const { campaignId } = pathParameters;
  const userId = requestContext.authorizer.jwt.claims.sub;
  const word = String(await redis.eval(DECIDE, 2, `${campaignId}:holders`, `${campaignId}:stock`, userId));
  if (word === "issued") {
    await sqs.send(
      new SendMessageCommand({
        QueueUrl: queue.url,
        MessageBody: JSON.stringify({ campaignId, userId }),
        MessageGroupId: userId,
        MessageDeduplicationId: `${campaignId}.${userId}`,
      }),
    );
  }
  return { statusCode: STATUS[word] ?? 500, body: JSON.stringify({ word, campaignId, userId }) };
});
