/**
 * What a link gives: an address, and no permission. SST's own links of a queue and a table allow everything (`sqs:*`,
 * `dynamodb:*`); what a function may do stands in infra/access.ts instead. Must be loaded before the first function is made.
 */
sst.Linkable.wrap(sst.aws.Queue, (queue) => ({ properties: { url: queue.url } }));
sst.Linkable.wrap(sst.aws.Dynamo, (table) => ({ properties: { name: table.name } }));
