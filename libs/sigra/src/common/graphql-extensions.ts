/** Codes of Apollo, by HTTP status. The codes of Sigra are in the body. */
const CODES: Readonly<Record<number, string>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  429: 'TOO_MANY_REQUESTS',
};

/** The part of an error that GraphQL adds to the message. */
export interface GraphqlExtensions {
  readonly code: string;
  /** The body that the answer has over HTTP. */
  readonly originalError: unknown;
}

/** Drivers copy `extensions` of an error to the answer. Those of Apollo's driver for an `HttpException` are the same. */
export function graphqlExtensions(status: number, body: unknown): GraphqlExtensions {
  return { code: CODES[status] ?? 'INTERNAL_SERVER_ERROR', originalError: body };
}
