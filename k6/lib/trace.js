// W3C Trace Context: what a request is called in the logs, in the queue and in the ledger, so that one slow answer can be followed.

const hexOf = () => crypto.randomUUID().replaceAll("-", "");

/** A `traceparent` of its own for each request: version, trace, parent, and the flag that asks to be recorded. */
export const newTraceparent = () => `00-${hexOf()}-${hexOf().slice(0, 16)}-01`;
