/** Names of parts are those of infra/capacity.ts where it has them. */
export const PARTS = {
  edge: "CloudFront",
  gateway: "API Gateway",
  route: "API Gateway, this stage's limit for shoppers",
  ramp: "Lambda, from cold",
  atOnce: "Lambda, at once",
  perSecond: "Lambda, requests a second",
  redis: "Redis, the campaign's primary",
  network: "Redis, network",
  sqs: "SQS FIFO, confirmations",
  persister: "Persister",
  ledger: "DynamoDB, ledger",
} as const;
export type PartName = (typeof PARTS)[keyof typeof PARTS];
