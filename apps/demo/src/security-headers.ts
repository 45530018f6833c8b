import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';

type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

const SELF = ["'self'"];
const NONE = ["'none'"];

/** No inline code, and no resources of other sites. */
const STRICT = {
  defaultSrc: NONE,
  scriptSrc: SELF,
  styleSrc: SELF,
  imgSrc: SELF,
  fontSrc: SELF,
  connectSrc: SELF,
  formAction: SELF,
  baseUri: NONE,
  frameAncestors: NONE,
};

/** Helmet with a strict policy, the same for every answer. */
export function securityHeaders(): Middleware {
  return helmet({
    // Helmet's default directives upgrade requests to HTTPS, which the demo does not serve.
    contentSecurityPolicy: { useDefaults: false, directives: STRICT },
    strictTransportSecurity: false,
  });
}
