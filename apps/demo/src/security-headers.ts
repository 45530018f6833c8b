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

/** Swagger UI embeds its icons in its style sheet. */
const FOR_SWAGGER_UI = { ...STRICT, imgSrc: [...SELF, 'data:'] };

/** Helmet with the strict policy, relaxed for `/docs`. */
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
    // Helmet's default directives upgrade requests to HTTPS, which the demo does not serve.
    contentSecurityPolicy: { useDefaults: false, directives },
    strictTransportSecurity: false,
  });
}
