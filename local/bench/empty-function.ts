/** Nothing but a handler: what Node takes to import any file at all. */
export const handler = async () => ({ statusCode: 204 });
