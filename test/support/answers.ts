/** The part of an answer that RFC 6750 section 3 specifies, compared as a whole. */
export interface Answer {
  readonly status: number;
  readonly challenge: string | null;
  readonly body: unknown;
}

export async function answerOf(response: Response): Promise<Answer> {
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
    body: await response.json(),
  };
}

/** The answer to a request without a credential: the header has no error code (section 3.1). */
export const UNAUTHORIZED: Answer = {
  status: 401,
  challenge: 'Bearer realm="api"',
  body: { statusCode: 401, error: 'unauthorized', message: 'This request needs a credential.' },
};

/** The answer to every invalid credential, for any reason. */
export const INVALID_TOKEN: Answer = {
  status: 401,
  challenge:
    'Bearer realm="api", error="invalid_token", error_description="The access token is invalid, revoked or expired."',
  body: { statusCode: 401, error: 'invalid_token', message: 'The access token is invalid, revoked or expired.' },
};

export const CROSS_ORIGIN: Answer = {
  status: 403,
  challenge: null,
  body: {
    statusCode: 403,
    error: 'cross_origin',
    message: 'A session can change something only from the pages of this origin.',
  },
};

export function invalidRequest(message: string): Answer {
  return {
    status: 400,
    challenge: `Bearer realm="api", error="invalid_request", error_description="${message}"`,
    body: { statusCode: 400, error: 'invalid_request', message },
  };
}

export const MALFORMED_HEADER = invalidRequest('The Authorization header is malformed.');
export const SEVERAL_HEADERS = invalidRequest('The request has several Authorization headers.');
export const TWO_CREDENTIALS = invalidRequest('The request has two credentials.');
export const TOKEN_OUTSIDE_HEADER = invalidRequest('Access tokens are accepted in the Authorization header only.');

export function insufficientScope(required: readonly string[], missing: readonly string[]): Answer {
  const message = 'The credential lacks a scope that this request needs.';
  return {
    status: 403,
    challenge: `Bearer realm="api", error="insufficient_scope", error_description="${message}", scope="${required.join(' ')}"`,
    body: { statusCode: 403, error: 'insufficient_scope', message, required, missing },
  };
}
