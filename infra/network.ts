import { deployed, named } from "./deployed.ts";

/**
 * The network: private subnets, and nothing that leads to the internet or from it. What functions reach is Redis, the ledger
 * (by a gateway endpoint, which is free) and SQS (by an interface endpoint, 0.013 USD an hour and zone in Seoul). A NAT gateway
 * would be 0.059 USD an hour and zone, and 0.059 USD for each gigabyte. Logs and metrics do not go through the network: Lambda
 * takes them from standard output. In `sst dev` there is none: functions run on the laptop, beside a Redis of its own.
 */

const REDIS_PORT = 6379;

function createNetwork() {
  const region = aws.getRegionOutput({}).region;
  const vpc = new aws.ec2.Vpc("Vpc", {
    cidrBlock: "10.42.0.0/16",
    enableDnsSupport: true,
    enableDnsHostnames: true,
    tags: { Name: named("vpc") },
  });
  const zones = aws.getAvailabilityZonesOutput({
    state: "available",
    filters: [{ name: "opt-in-status", values: ["opt-in-not-required"] }],
  }).names;
  const routes = new aws.ec2.RouteTable("Routes", { vpcId: vpc.id, tags: { Name: named("routes") } });
  const subnets = Array.from({ length: deployed.sizes.zones }, (_, index) => {
    const subnet = new aws.ec2.Subnet(`Subnet${index + 1}`, {
      vpcId: vpc.id,
      availabilityZone: zones[index],
      // 4,091 addresses each: Lambda shares its interfaces, so functions take few.
      cidrBlock: `10.42.${16 * index}.0/20`,
      tags: { Name: named(`subnet-${index + 1}`) },
    });
    new aws.ec2.RouteTableAssociation(`Subnet${index + 1}Routes`, { subnetId: subnet.id, routeTableId: routes.id });
    return subnet.id;
  });

  const group = (name: string, description: string) =>
    new aws.ec2.SecurityGroup(name, { vpcId: vpc.id, description, tags: { Name: named(name.toLowerCase()) } });
  const functions = group("Functions", "Functions: out to Redis, SQS and DynamoDB only");
  const redis = group("RedisNodes", "Redis: in from functions only");
  const endpoints = group("Endpoints", "AWS endpoints: in from functions only");

  const ledger = new aws.ec2.VpcEndpoint("DynamoEndpoint", {
    vpcId: vpc.id,
    serviceName: $interpolate`com.amazonaws.${region}.dynamodb`,
    vpcEndpointType: "Gateway",
    routeTableIds: [routes.id],
  });
  new aws.ec2.VpcEndpoint("SqsEndpoint", {
    vpcId: vpc.id,
    serviceName: $interpolate`com.amazonaws.${region}.sqs`,
    vpcEndpointType: "Interface",
    subnetIds: subnets,
    securityGroupIds: [endpoints.id],
    privateDnsEnabled: true,
  });

  const allow = (name: string, from: aws.ec2.SecurityGroup, to: aws.ec2.SecurityGroup, port: number) => {
    const rule = { ipProtocol: "tcp", fromPort: port, toPort: port };
    new aws.vpc.SecurityGroupEgressRule(`${name}Out`, {
      ...rule,
      securityGroupId: from.id,
      referencedSecurityGroupId: to.id,
    });
    new aws.vpc.SecurityGroupIngressRule(`${name}In`, {
      ...rule,
      securityGroupId: to.id,
      referencedSecurityGroupId: from.id,
    });
  };
  allow("FunctionsToRedis", functions, redis, REDIS_PORT);
  allow("FunctionsToEndpoints", functions, endpoints, 443);
  new aws.vpc.SecurityGroupEgressRule("FunctionsToDynamo", {
    securityGroupId: functions.id,
    prefixListId: ledger.prefixListId,
    ipProtocol: "tcp",
    fromPort: 443,
    toPort: 443,
  });
  return { subnets, functions: functions.id, redis: redis.id };
}

export const network = $dev ? undefined : createNetwork();
