/** What stands in for AWS when the program is evaluated: for each resource the outputs that others are made from. */

export interface Asked {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

export const ACCOUNT = "123456789012";

/** The API's own host. */
export const API_HOST = "api.example";

/**
 * Outputs of a resource. Addresses are made from logical names, which have no random part: SST names some resources by a hash of
 * another's address, and two evaluations must be alike.
 */
export function outputsOf({ type, name, inputs }: Asked, region: string): Record<string, unknown> {
  const arn = (service: string, rest: string) => `arn:aws:${service}:${region}:${ACCOUNT}:${rest}`;
  const physical = typeof inputs.name === "string" ? inputs.name : name;
  const outputs = { arn: arn(type.split(/[:/]/)[1] ?? "", name), name: physical, ...inputs };
  switch (type) {
    case "aws:sqs/queue:Queue": {
      const queue = `${name}${inputs.fifoQueue === true ? ".fifo" : ""}`;
      return {
        ...outputs,
        name: queue,
        arn: arn("sqs", queue),
        url: `https://sqs.${region}.example/${ACCOUNT}/${queue}`,
      };
    }
    case "aws:lambda/function:Function": {
      const its = arn("lambda", `function:${physical}`);
      return { ...outputs, arn: its, version: "1", qualifiedArn: `${its}:1`, invokeArn: `${its}/invocations` };
    }
    case "aws:iam/role:Role":
      return { ...outputs, arn: `arn:aws:iam::${ACCOUNT}:role/${name}` };
    case "aws:dynamodb/table:Table":
      return { ...outputs, name, arn: arn("dynamodb", `table/${name}`) };
    case "aws:apigatewayv2/api:Api":
      return { ...outputs, apiEndpoint: `https://${API_HOST}`, executionArn: arn("execute-api", name) };
    case "aws:elasticache/replicationGroup:ReplicationGroup": {
      const clusterEnabled = inputs.clusterMode === "enabled";
      const endpoints = { configurationEndpointAddress: "redis.example", primaryEndpointAddress: "redis.example" };
      return { ...outputs, ...endpoints, clusterEnabled };
    }
    case "aws:s3/bucket:Bucket": {
      // S3's names are small.
      const bucket = name.toLowerCase();
      const bucketRegionalDomainName = `${bucket}.s3.${region}.example`;
      return { ...outputs, bucket, bucketRegionalDomainName, arn: `arn:aws:s3:::${bucket}` };
    }
    case "aws:cloudfront/distribution:Distribution":
      return {
        ...outputs,
        arn: `arn:aws:cloudfront::${ACCOUNT}:distribution/${name}`,
        domainName: "edge.cloudfront.example",
        hostedZoneId: "Z-EDGE",
        etag: "1",
      };
    case "aws:acm/certificate:Certificate": {
      const record = {
        resourceRecordType: "CNAME",
        resourceRecordName: `_1.${inputs.domainName}`,
        resourceRecordValue: "_2",
      };
      // Where CloudFront reads certificates, whatever the stage's region.
      return {
        ...outputs,
        arn: `arn:aws:acm:us-east-1:${ACCOUNT}:certificate/${name}`,
        domainValidationOptions: [record],
      };
    }
    // SST's own: it waits for a distribution, and looks a zone up, by asking its command line.
    case "pulumi-nodejs:dynamic:Resource":
      return { ...outputs, isDone: true, zoneId: "Z-OWN" };
    case "aws:ec2/vpcEndpoint:VpcEndpoint":
      return { ...outputs, prefixListId: "pl-1" };
    case "random:index/randomPassword:RandomPassword":
      return { ...outputs, result: "a-password" };
    case "random:index/randomBytes:RandomBytes":
      return { ...outputs, base64: Buffer.alloc(32, 7).toString("base64") };
    default:
      return outputs;
  }
}

/** Answers to what the program asks AWS. */
export function answerTo(question: string, inputs: Record<string, unknown>, region: string): Record<string, unknown> {
  switch (question) {
    case "aws:index/getRegion:getRegion":
      return { region, name: region, id: region };
    case "aws:index/getPartition:getPartition":
      return { partition: "aws", dnsSuffix: "amazonaws.com" };
    case "aws:index/getCallerIdentity:getCallerIdentity":
      return { accountId: ACCOUNT };
    case "aws:index/getAvailabilityZones:getAvailabilityZones":
      return { names: ["a", "b", "c"].map((zone) => region + zone) };
    case "aws:iam/getPolicyDocument:getPolicyDocument":
      return { ...inputs, json: JSON.stringify(inputs) };
    default:
      throw new Error(`The program asks AWS for ${question}, and local/infra/mocks.ts has no answer.`);
  }
}
