import { deployed } from "./deployed.ts";

/** Where alarms and ElastiCache's own events go. The address gets a letter from AWS once, and must agree to it. */
export const topic = new sst.aws.SnsTopic("Alarms");

if (deployed.owner.alarmEmail !== "") {
  new aws.sns.TopicSubscription("AlarmsByEmail", {
    topic: topic.arn,
    protocol: "email",
    endpoint: deployed.owner.alarmEmail,
  });
}
