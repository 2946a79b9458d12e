import {
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  ResourceInUseException,
} from "@aws-sdk/client-dynamodb";
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { queueAttributes, type queues, table } from "../infra/settings.ts";

/** What `infra/` creates in AWS, created in whatever answers at an endpoint. Both leave alone what is there already. */

/** @returns the queues' URLs by name */
export async function createQueues(endpoint: string, prefix: string): Promise<Record<keyof typeof queues, string>> {
  const sqs = new SQSClient({ endpoint, useQueueUrlAsEndpoint: false });
  const create = async (name: keyof typeof queues, deadLetterArn?: string) => {
    const Attributes = queueAttributes(name, deadLetterArn);
    const { QueueUrl = "" } = await sqs.send(
      new CreateQueueCommand({ QueueName: `${prefix}${name}.fifo`, Attributes }),
    );
    return QueueUrl;
  };
  try {
    const DeadLetters = await create("DeadLetters");
    const about = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: DeadLetters, AttributeNames: ["QueueArn"] }),
    );
    const [Confirmations, Events] = await Promise.all([
      create("Confirmations", about.Attributes?.QueueArn),
      create("Events"),
    ]);
    return { DeadLetters, Confirmations, Events };
  } finally {
    sqs.destroy();
  }
}

/** Creates the ledger's table and waits until it is active. */
export async function createTable(endpoint: string, name: string): Promise<void> {
  const dynamodb = new DynamoDBClient({ endpoint });
  try {
    await dynamodb
      .send(
        new CreateTableCommand({
          TableName: name,
          BillingMode: "PAY_PER_REQUEST",
          KeySchema: [
            { AttributeName: table.hashKey, KeyType: "HASH" },
            { AttributeName: table.rangeKey, KeyType: "RANGE" },
          ],
          AttributeDefinitions: [
            { AttributeName: table.hashKey, AttributeType: "S" },
            { AttributeName: table.rangeKey, AttributeType: "S" },
          ],
        }),
      )
      .catch((error: unknown) => {
        if (!(error instanceof ResourceInUseException)) throw error;
      });
    const active = async () =>
      (await dynamodb.send(new DescribeTableCommand({ TableName: name }))).Table?.TableStatus === "ACTIVE";
    while (!(await active())) await new Promise((resolve) => setTimeout(resolve, 20));
  } finally {
    dynamodb.destroy();
  }
}
