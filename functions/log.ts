/** One line of JSON on standard output: CloudWatch's unit of log. Never pass a token, a body or a key. */
export function log(event: string, facts: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
}

/**
 * Counts as CloudWatch metrics, in the same stream: a line in the embedded metric format, which CloudWatch reads without a call.
 * @param dimensions what the values are told apart by, such as the campaign
 * @param values counts, by the metric's name
 * @param second where they are to be kept by the second and not by the minute: the second that they are of, in milliseconds since 1970
 */
export function metrics(
  dimensions: Readonly<Record<string, string>>,
  values: Readonly<Record<string, number>>,
  second?: number,
): void {
  const resolution = second === undefined ? {} : { StorageResolution: 1 };
  const Metrics = Object.keys(values).map((Name) => ({ Name, Unit: "Count", ...resolution }));
  const CloudWatchMetrics = [{ Namespace: "firstcome", Dimensions: [Object.keys(dimensions)], Metrics }];
  process.stdout.write(
    `${JSON.stringify({ _aws: { Timestamp: second ?? Date.now(), CloudWatchMetrics }, ...dimensions, ...values })}\n`,
  );
}
