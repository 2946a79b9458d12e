/**
 * Where a piece of work comes from, so that one coupon can be followed from the answer to the ledger. It travels beside a message and
 * never in it: the same issuance must always make the same message, whoever sends it.
 */
export interface Trace {
  /** API Gateway's id of the request, which its caller got as `x-request-id`; of a schedule, its name, a colon and the id of its run. */
  readonly requestId: string;
  /** The caller's own trace (W3C Trace Context), where it sent one. */
  readonly traceparent?: string | undefined;
}

/** As attributes of a message, or of an item of the ledger. */
export function traceAttributes(trace: Trace | undefined): Record<string, string> {
  if (!trace) return {};
  const { requestId, traceparent } = trace;
  return { requestId, ...(traceparent === undefined ? {} : { traceparent }) };
}
