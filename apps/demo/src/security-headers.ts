import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';

type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

const SELF = ["'self'"];
const NONE = ["'none'"];

/** Nothing inline, nothing from elsewhere. */
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

/** Swagger UI has its icons in its style sheet. */
const FOR_SWAGGER_UI = { ...STRICT, imgSrc: [...SELF, 'data:'] };

/** Helmet, with one policy for all but `/docs`. */
export function securityHeaders(): Middleware {
  const strict = withPolicy(STRICT);
  const relaxed = withPolicy(FOR_SWAGGER_UI);
  return (request, response, next) => {
    const isDocs = /^\/docs(?:[/?]|$)/.test(request.url ?? '');
    (isDocs ? relaxed : strict)(request, response, next);
  };
}

function withPolicy(directives: Record<string, string[]>): Middleware {
  return helmet({
    // Helmet's own directives would upgrade requests to HTTPS, which 127.0.0.1 does not speak.
    contentSecurityPolicy: { useDefaults: false, directives },
    strictTransportSecurity: false,
  });
}
