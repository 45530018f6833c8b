import { HttpException, Injectable, Logger } from '@nestjs/common';
import { FrameworkHooks } from './framework.hooks.js';
import { MountedRoutes, OAUTH_ENDPOINTS } from './mounted.routes.js';
import { OAuthError, ofStatus, toOAuthError } from './oauth-error.js';

const OTHER_METHOD = new OAuthError(405, 'invalid_request', 'The method is POST.', { headers: { Allow: 'POST' } });

/**
 * Answers errors that happen before the OAuth endpoints, such as another method or a body that cannot be parsed, in the form
 * of RFC 6749 section 5.2. They never reach the controller and its filter.
 */
@Injectable()
export class OAuthParserErrors {
  private readonly logger = new Logger(OAuthParserErrors.name);

  constructor(
    private readonly routes: MountedRoutes,
    private readonly hooks: FrameworkHooks,
  ) {}

  /** Call it before the application registers its routes. */
  register(): void {
    const paths = new Set(
      Object.values(OAUTH_ENDPOINTS).map((endpoint) => this.routes.of('oauth', endpoint)?.toLowerCase()),
    );
    if (paths.has(undefined)) return;
    // Express ignores case, and a slash at the end.
    const isEndpoint = (path: string) => paths.has(path.toLowerCase().replace(/\/$/, ''));
    this.hooks.answerFirst((method, path) =>
      // The application answers the preflight requests of its pages.
      isEndpoint(path) && method !== 'POST' && method !== 'OPTIONS' ? answerOf(OTHER_METHOD) : undefined,
    );
    this.hooks.answerErrors(isEndpoint, (thrown) => {
      const error = thrown instanceof HttpException ? toOAuthError(thrown) : ofStatus(statusOf(thrown), thrown);
      if (error.getStatus() >= 500) this.logger.error(thrown instanceof Error ? thrown.stack : String(thrown));
      return answerOf(error);
    });
  }
}

function answerOf(error: OAuthError) {
  return { status: error.getStatus(), headers: error.headers, body: error.getResponse() };
}

/** The status that parsers and plugins give their errors. */
function statusOf(error: unknown): number {
  const { status, statusCode = status } = Object(error) as { readonly status?: unknown; readonly statusCode?: unknown };
  const isStatus = Number.isInteger(statusCode) && Number(statusCode) >= 400 && Number(statusCode) < 600;
  return isStatus ? Number(statusCode) : 500;
}
