import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { HttpResponse } from '../auth/http-exchange.js';
import { SigraError } from '../common/sigra-error.js';
import { OAuthError, toOAuthError } from './oauth-error.js';

/** Answers errors of the OAuth endpoints in the form of RFC 6749 section 5.2. */
@Catch(SigraError, OAuthError)
@Injectable()
export class OAuthExceptionFilter implements ExceptionFilter<SigraError | OAuthError> {
  private readonly logger = new Logger(OAuthExceptionFilter.name);

  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(exception: SigraError | OAuthError, host: ArgumentsHost): void {
    const error = exception instanceof OAuthError ? exception : toOAuthError(exception);
    const response: HttpResponse = host.switchToHttp().getResponse();
    response.header('Cache-Control', 'no-store');
    response.header('Pragma', 'no-cache');
    if (error.challenge !== undefined) response.header('WWW-Authenticate', error.challenge);
    if (error.getStatus() === 503) {
      response.header('Retry-After', '1');
      this.report(error);
    }
    this.adapterHost.httpAdapter.reply(response, error.getResponse(), error.getStatus());
  }

  private report({ description, cause }: OAuthError): void {
    const reason = cause instanceof Error ? cause.cause : undefined;
    this.logger.error(reason instanceof Error ? `${description} ${reason.message}` : description);
  }
}
