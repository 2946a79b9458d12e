/** One line of JSON on standard output: CloudWatch's unit of log. Never pass a token, a body or a key. */
export function log(event: string, facts: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
}
