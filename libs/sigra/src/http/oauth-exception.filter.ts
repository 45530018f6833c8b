import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable, Logger } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { sendRefusal } from '../auth/http-refusal.js';
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
    sendRefusal(error, host, this.adapterHost, this.logger);
  }
}
